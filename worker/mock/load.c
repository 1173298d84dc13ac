/* SPDX-License-Identifier: MIT */
/* One wheel of time: each slot is a list of streams that get their next event at the same tick. */
#include "load.h"
#include "clock.h"
#include "http_server.h"
#include "speech.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, TICK_MS = 10, EVENTS = 128, ROLL_BYTES = 256 << 20, HOLE = 16, SECOND_US = 1000000 };

/* What is sent at once: an event, framed for HTTP. */
struct piece {
	size_t at, n;
	size_t hole; /* where in it the time goes; 0 = nowhere */
};

struct roll {
	struct buf *bytes, *pieces;
	size_t n; /* pieces; the first is sent at once, the last ends the answer */
};

struct stream {
	struct stream *next, **link; /* of its slot, while it streams; of those that are not used */
	int fd;
	const struct roll *roll;     /* NULL while it reads a request */
	size_t piece;                /* the next one */
	size_t n;                    /* bytes of head */
	int64_t body_left;           /* -1 = its head is not whole */
	char head[HEAD_BYTES + 1];
};

struct load {
	struct load_options options;
	struct arena *arena;
	int listener, port, epoll;
	struct roll rolls[ASK_DIALECTS];
	struct stream **slots, *unused;
	size_t n_slots, now, spread; /* slots: all, of this tick, of the next stream */
	int64_t tick_us, due_us, tell_us;
	struct load_counts counts;
};

/* ---- events, written out ---- */

static void piece_end(struct roll *r, struct buf *pending, bool last)
{
	static const char hole[] = "################";
	struct piece p = { .at = r->bytes->n };
	struct str text = buf_str(pending);
	buf_printf(r->bytes, "%zx\r\n", text.n);
	const char *found = memmem(text.p, text.n, hole, HOLE);
	p.hole = found ? r->bytes->n - p.at + (size_t)(found - text.p) : 0;
	buf_add(r->bytes, text);
	buf_add(r->bytes, last ? STR("\r\n0\r\n\r\n") : STR("\r\n"));
	p.n = r->bytes->n - p.at;
	buf_add(r->pieces, (struct str){ (const char *)&p, sizeof(p) });
	r->n++;
	buf_drop(pending, pending->n);
}

static void roll_deltas(struct roll *r, const struct play *p, struct buf *pending)
{
	size_t n;
	const struct tape_part *parts = tape_parts(p->tape, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < parts[i].n * (size_t)parts[i].times && !r->bytes->full; k++) {
			const struct tape_frame *f = tape_frames(p->tape) + parts[i].first + k % parts[i].n;
			if (f->open)
				speech_of(p->dialect)->opening(pending, p);
			buf_add(pending, (struct str){ p->tape->bytes->p + f->at, f->n });
			if (f->delta)
				piece_end(r, pending, false);
		}
}

static bool roll_make(struct arena *a, const struct script_reply *reply, enum ask_dialect dialect, struct roll *out,
	struct err *e)
{
	struct tape tape;
	struct roll r = { buf_new(a, ROLL_BYTES), buf_new(a, ROLL_BYTES), 0 };
	struct buf *pending = buf_new(a, ROLL_BYTES);
	struct play p = { .dialect = dialect, .reply = reply, .tape = &tape, .model = "load", .input_tokens = 1 };
	if (!tape_make(a, reply, dialect, NULL, &tape, e))
		return false;
	speech_of(dialect)->start(pending, &p);
	piece_end(&r, pending, false);
	roll_deltas(&r, &p, pending);
	speech_of(dialect)->end(pending, &p);
	piece_end(&r, pending, true);
	if (r.bytes->full || r.pieces->full)
		return FAIL(e, ERR_INPUT, "bad_script", "the reply is longer than %d bytes, written out", ROLL_BYTES);
	*out = r;
	return true;
}

static const struct piece *piece_of(const struct roll *r, size_t i)
{
	return (const struct piece *)(const void *)r->pieces->p + i;
}

static void time_write(char *to)
{
	int64_t us = clock_us();
	for (int i = HOLE; i-- > 0; us /= 10)
		to[i] = (char)('0' + us % 10);
}

/* ---- streams ---- */

static void stream_unlink(struct stream *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
}

static void stream_close(struct load *l, struct stream *s)
{
	if (s->roll) {
		stream_unlink(s);
		l->counts.live--;
		l->counts.cut++;
	}
	close(s->fd);
	s->next = l->unused;
	l->unused = s;
}

/* A client whose socket is full is not waited for: it would take the time of the others. */
static bool stream_send(struct stream *s, const char *bytes, size_t n)
{
	return send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static bool stream_next(struct stream *s)
{
	const struct piece *p = piece_of(s->roll, s->piece++);
	char *bytes = s->roll->bytes->p + p->at;
	if (p->hole)
		time_write(bytes + p->hole);
	return stream_send(s, bytes, p->n);
}

static void stream_end(struct load *l, struct stream *s)
{
	stream_unlink(s);
	s->roll = NULL;
	s->n = 0;
	s->body_left = -1;
	l->counts.live--;
	l->counts.ended++;
}

static bool stream_start(struct load *l, struct stream *s)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
		"Transfer-Encoding: chunked\r\n\r\n";
	struct stream **slot = &l->slots[l->spread++ % l->n_slots];
	bool chat = strstr(s->head, ask_paths[ASK_OPENAI]);
	s->roll = &l->rolls[chat ? ASK_OPENAI : ASK_ANTHROPIC];
	s->piece = 0;
	s->next = *slot;
	s->link = slot;
	if (s->next)
		s->next->link = &s->next;
	*slot = s;
	l->counts.live++;
	return stream_send(s, head, sizeof(head) - 1) && stream_next(s);
}

/* ---- requests: only their length is understood ---- */

static bool head_end(struct stream *s)
{
	const char *end = strstr(s->head, "\r\n\r\n"), *length = strcasestr(s->head, "\r\ncontent-length:");
	if (!end)
		return s->n < HEAD_BYTES;
	int64_t n = length && length < end ? strtoll(length + 17, NULL, 10) : 0;
	s->body_left = n - (int64_t)(s->n - (size_t)(end + 4 - s->head));
	return s->body_left >= 0;
}

static ssize_t stream_read(struct stream *s)
{
	static char thrown_away[65536];
	if (s->body_left > 0)
		return recv(s->fd, thrown_away, MIN_OF(sizeof(thrown_away), (size_t)s->body_left), MSG_DONTWAIT);
	return recv(s->fd, s->head + s->n, HEAD_BYTES - s->n, MSG_DONTWAIT);
}

static bool stream_take(struct load *l, struct stream *s)
{
	ssize_t n = stream_read(s);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0 || s->roll)
		return false;
	if (s->body_left > 0)
		s->body_left -= n;
	else
		s->head[s->n += (size_t)n] = 0;
	if (s->body_left < 0 && !head_end(s))
		return false;
	return s->body_left != 0 || stream_start(l, s);
}

static struct stream *stream_new(struct load *l, int fd)
{
	struct stream *s = l->unused;
	if (s)
		l->unused = s->next;
	else
		s = arena_alloc(l->arena, sizeof(*s));
	s->fd = fd;
	s->roll = NULL;
	s->n = 0;
	s->body_left = -1;
	return s;
}

static void accept_all(struct load *l)
{
	int fd;
	while ((fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct stream *s = stream_new(l, fd);
		struct epoll_event want = { EPOLLIN, { .ptr = s } };
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &want) != 0)
			stream_close(l, s);
	}
}

/* ---- time ---- */

static void slot_turn(struct load *l, struct stream *first)
{
	for (struct stream *s = first, *next; s; s = next) {
		next = s->next;
		if (!stream_next(s)) {
			shutdown(s->fd, SHUT_RDWR); /* the loop hears of it, and closes */
			continue;
		}
		if (s->piece == s->roll->n)
			stream_end(l, s);
		else
			l->counts.events++;
	}
}

/* One event a stream at most: who is late catches up step by step, and hears of the sockets between. */
static void turn(struct load *l)
{
	int64_t now = clock_us();
	for (size_t ticks = 0; l->due_us <= now && ticks < l->n_slots; ticks++, l->due_us += l->tick_us)
		slot_turn(l, l->slots[l->now++ % l->n_slots]);
	if (l->tell_us <= now && l->options.tell)
		l->options.tell(now, &l->counts);
	if (l->tell_us <= now)
		l->tell_us += SECOND_US;
}

/* Looks at what is ready, and does not wait. */
static void serve_ready(struct load *l)
{
	struct epoll_event events[EVENTS];
	int n;
	do {
		n = epoll_wait(l->epoll, events, EVENTS, 0);
		for (int i = 0; i < n; i++) {
			struct stream *s = events[i].data.ptr;
			if (events[i].data.ptr == &l->listener)
				accept_all(l);
			else if (!stream_take(l, s))
				stream_close(l, s);
		}
	} while (n == EVENTS);
}

bool load_serve(struct load *l, struct err *e)
{
	l->due_us = l->tell_us = clock_us();
	for (;;) {
		int64_t wait_us = MAX_OF(l->due_us - clock_us(), 0);
		bool ready = loop_wait_fd(l->epoll, true, false, deadline_in(1 + wait_us / 1000), e);
		if (!ready && e->kind != ERR_TIMEOUT)
			return false;
		serve_ready(l);
		turn(l);
	}
}

/* ---- life ---- */

static bool reply_check(const struct script_reply *r, struct err *e)
{
	bool ok = !r->filled && !r->status && !r->drop && r->pace_ms > 0;
	for (size_t i = 0; i < r->n; i++)
		ok = ok && (r->blocks[i].kind == SCRIPT_TEXT || r->blocks[i].kind == SCRIPT_THINKING);
	return ok || FAIL(e, ERR_INPUT, "bad_script", "%s:%d: under load the first reply answers all: it must be texts with a "
		"pace, and nothing in braces", r->place.file, r->place.line);
}

static void load_close(void *self)
{
	struct load *l = self;
	close(l->listener);
	close(l->epoll);
}

static void load_prepare(struct load *l, const struct script_reply *reply)
{
	struct epoll_event want = { EPOLLIN, { .ptr = &l->listener } };
	int64_t tick_ms = MIN_OF(reply->pace_ms, (int64_t)TICK_MS);
	l->tick_us = tick_ms * 1000;
	l->n_slots = (size_t)(reply->pace_ms / tick_ms);
	l->slots = arena_alloc(l->arena, l->n_slots * sizeof(struct stream *));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->listener, &want) != 0)
		abort(); /* a socket can be watched */
	arena_defer(l->arena, load_close, l);
}

struct load *load_open(struct arena *a, const struct load_options *o, struct err *e)
{
	const struct script_reply *reply = o->script->replies;
	struct load *l = arena_alloc(a, sizeof(*l));
	*l = (struct load){ .options = *o, .arena = a };
	if (!reply_check(reply, e))
		return NULL;
	for (enum ask_dialect d = 0; d < ASK_DIALECTS; d++)
		if (!roll_make(a, reply, d, &l->rolls[d], e))
			return NULL;
	l->listener = http_server_listen(o->host ? o->host : "127.0.0.1", o->port, &l->port, e);
	if (l->listener < 0)
		return NULL;
	load_prepare(l, reply);
	return l;
}

int load_port(const struct load *l)
{
	return l->port;
}
