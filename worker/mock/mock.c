/* SPDX-License-Identifier: MIT */
/* The server: each request is checked, matched, made ready and played; what was asked is kept for tests. */
#include "mock.h"
#include "check.h"
#include "http_server.h"
#include "match.h"
#include "play.h"
#include <time.h>

enum { CONNECTIONS = 16384, BODY_BYTES = 33 << 20, RECORD_BYTES = 256 << 20, BYTES_PER_TOKEN = 4 };

struct record {
	struct str body;
	const char *reply;
};

struct mock {
	struct arena *arena;
	const struct script *script;
	struct http_server *server; /* NULL once stopped */
	struct tape *tapes[ASK_DIALECTS]; /* by reply: of those that are the same for all */
	int64_t *held;              /* by reply, for match_reply */
	struct mock_counts counts;
	void (*tell)(int64_t us, size_t bytes, const char *reply);
	struct record *records;
	size_t n_records, max_records, record_bytes;
};

/* ---- what was asked ---- */

static struct record *record_add(struct mock *m, struct str body)
{
	if (m->n_records == m->max_records || body.n > RECORD_BYTES - m->record_bytes)
		return NULL;
	struct record *r = &m->records[m->n_records++];
	m->record_bytes += body.n;
	*r = (struct record){ { arena_text(m->arena, body), body.n }, "" };
	return r;
}

size_t mock_request_count(const struct mock *m)
{
	return m->n_records;
}

struct str mock_request_body(const struct mock *m, size_t i)
{
	return i < m->n_records ? m->records[i].body : (struct str){ "", 0 };
}

const char *mock_request_reply(const struct mock *m, size_t i)
{
	return i < m->n_records ? m->records[i].reply : "";
}

struct mock_counts mock_count(const struct mock *m)
{
	return m->counts;
}

/* ---- what is answered ---- */

static bool calls(const struct script_reply *reply, const char *tool)
{
	for (size_t i = 0; i < reply->n; i++)
		if (reply->blocks[i].kind == SCRIPT_TOOL && strcmp(reply->blocks[i].tool, tool) == 0)
			return true;
	return reply->all_raw || reply->status || reply->drop;
}

static bool check_forced(const struct script_reply *reply, const struct ask *q, struct err *e)
{
	if (!q->force_tool || calls(reply, q->force_tool))
		return true;
	return FAIL(e, ERR_INPUT, "invalid_request_error", "the request forces the tool %s, and the script's reply at "
		"%s:%d:%d does not call it", q->force_tool, reply->place.file, reply->place.line, reply->place.column);
}

static bool choose_tape(struct mock *m, struct arena *a, const struct ask *q, struct play *p, struct err *e)
{
	const struct script_reply *reply = p->reply;
	if (!reply->filled) {
		p->tape = &m->tapes[p->dialect][reply - m->script->replies];
		return true;
	}
	struct tape *tape = arena_alloc(a, sizeof(*tape));
	p->tape = tape;
	if (tape_make(a, reply, p->dialect, q, tape, e))
		return true;
	e->code = "invalid_request_error";
	return err_prefix(e, "the script's reply at %s:%d:%d: ", reply->place.file, reply->place.line, reply->place.column);
}

static bool script_answer(struct mock *m, struct arena *a, const struct ask *q, struct play *p, struct err *e)
{
	p->reply = match_reply(m->script, m->held, q, e);
	bool ok = p->reply && check_forced(p->reply, q, e) && choose_tape(m, a, q, p, e);
	if (!ok) {
		m->counts.unmatched++;
		log_write(LOG_WARN, "mock_unmatched", "%s", e->msg);
	}
	return ok;
}

static bool rejected(struct mock *m, const struct err *why)
{
	m->counts.rejected++;
	log_write(LOG_WARN, "mock_rejected", "%s", why->msg);
	return false;
}

static bool read_ask(const struct http_exchange *x, struct arena *a, struct ask *q, struct err *e)
{
	if (!check_exchange(x, e))
		return false;
	if (!ask_read(a, x, q, e)) {
		e->code = "invalid_request_error";
		return err_prefix(e, "The request body is not valid JSON: ");
	}
	return q->dialect == ASK_OPENAI ? check_chat(q, e) : check_ask(q, e);
}

/* The request's tree is gone when the stream begins: ten thousand of them would be heavy. */
static bool decide(struct mock *m, const struct http_exchange *x, struct arena *a, struct play *p, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct ask q;
	if (!read_ask(x, tmp, &q, e))
		return rejected(m, e);
	p->model = arena_text(a, str_of(q.model));
	p->usage = json_true(json_get(q.json, "stream_options"), "include_usage");
	return script_answer(m, a, &q, p, e);
}

static bool answer(struct mock *m, struct http_exchange *x, struct err *e)
{
	ARENA_SCOPE(a);
	struct err why;
	struct str body = http_exchange_body(x);
	struct record *record = record_add(m, body);
	struct timespec came;
	clock_gettime(CLOCK_REALTIME, &came);
	struct play p = { .dialect = ask_dialect_of(x), .hash = ask_hash(ASK_HASH, body),
		.number = (uint64_t)m->counts.requests, .input_tokens = 1 + (int64_t)body.n / BYTES_PER_TOKEN };
	if (!decide(m, x, a, &p, &why))
		return play_refusal(x, &p, &why, e);
	if (record)
		record->reply = p.reply->name;
	if (m->tell)
		m->tell(came.tv_sec * 1000000 + came.tv_nsec / 1000, body.n, p.reply->name);
	return play_reply(x, &p, e);
}

/* ---- life ---- */

static void mock_release(struct mock *m)
{
	if (!m->server && !m->counts.running)
		arena_free(m->arena);
}

static bool handle(void *self, struct http_exchange *x, struct err *e)
{
	struct mock *m = self;
	struct mock_counts *c = &m->counts;
	c->requests++;
	c->running++;
	c->most_running = MAX_OF(c->most_running, c->running);
	bool ok = answer(m, x, e);
	bool played = ok || (e->code && strcmp(e->code, "dropped") == 0);
	c->answered += played;
	c->abandoned += !played;
	c->running--;
	mock_release(m);
	return ok;
}

static bool make_tapes(struct mock *m, struct err *e)
{
	const struct script *s = m->script;
	for (enum ask_dialect d = 0; d < ASK_DIALECTS; d++) {
		m->tapes[d] = arena_alloc(m->arena, s->n * sizeof(*m->tapes[d]));
		for (size_t i = 0; i < s->n; i++)
			if (!s->replies[i].filled && !tape_make(m->arena, &s->replies[i], d, NULL, &m->tapes[d][i], e))
				return err_prefix(e, "%s:%d: ", s->file, s->replies[i].place.line);
	}
	return true;
}

static bool mock_open(struct mock *m, const struct mock_options *o, struct group *g, struct err *e)
{
	struct http_server_options server = { .host = o->host, .port = o->port, .body_bytes = BODY_BYTES,
		.connections = o->connections ? o->connections : CONNECTIONS, .tls_cert = o->tls_cert, .tls_key = o->tls_key };
	m->held = arena_alloc(m->arena, m->script->n * sizeof(*m->held));
	m->records = arena_alloc(m->arena, o->record * sizeof(*m->records));
	m->max_records = o->record;
	if (make_tapes(m, e))
		m->server = http_server_open(&server, g, handle, m, e);
	return m->server != NULL;
}

bool mock_start(const struct mock_options *o, struct group *g, struct mock **out, struct err *e)
{
	struct arena *a = arena_new();
	struct mock *m = arena_alloc(a, sizeof(*m));
	*m = (struct mock){ .arena = a, .script = o->script, .tell = o->tell };
	if (!mock_open(m, o, g, e)) {
		arena_free(a);
		return false;
	}
	*out = m;
	return true;
}

void mock_stop(struct mock *m)
{
	if (!m)
		return;
	http_server_close(m->server);
	m->server = NULL;
	mock_release(m);
}

int mock_port(const struct mock *m)
{
	return http_server_port(m->server);
}
