/* SPDX-License-Identifier: MIT */
/* Playing. Deltas keep to a clock of their own, so that writing takes nothing from the pace. */
#include "play.h"
#include "check.h"
#include "clock.h"

enum { PING_EVERY = 64, EVENT_BYTES = 1 << 20 };

struct player {
	struct http_exchange *x;
	const struct play *p;
	const struct speech *speech;
	struct str opening;        /* of every frame that is open */
	int64_t deltas, tools;
	int64_t due;               /* of the next delta */
	bool stalled, failed, over; /* over: nothing more is written */
};

static const char *request_id(struct arena *a, const struct play *p)
{
	char id[TAPE_ID + 1];
	speech_id(p, SPEECH_MESSAGE, id);
	return arena_printf(a, "req_%s", id);
}

static const struct http_header *with_request_id(struct arena *a, const struct play *p, const struct http_header *more)
{
	size_t n = 0;
	while (more && more[n].name)
		n++;
	struct http_header *all = arena_alloc(a, (n + 2) * sizeof(*all));
	if (n)
		memcpy(all, more, n * sizeof(*all));
	all[n] = (struct http_header){ speech_of(p->dialect)->request_id, request_id(a, p) };
	return all;
}

/* ---- plain answers ---- */

static const char *error_json(struct arena *a, const struct play *p, const char *type, const char *message)
{
	struct buf *json = buf_new(a, EVENT_BYTES);
	speech_of(p->dialect)->page(json, p, type, message);
	return buf_str(json).p;
}

static bool write_page(struct http_exchange *x, const struct play *p, int status, const char *body, struct err *e)
{
	ARENA_SCOPE(a);
	const struct script_reply *r = p->reply;
	const char *type = r ? r->content_type : "application/json";
	const struct http_header *headers = with_request_id(a, p, r ? r->headers : NULL);
	return http_respond(x, status, type, headers, e) && http_respond_write(x, str_of(body), e);
}

bool play_refusal(struct http_exchange *x, const struct play *p, const struct err *why, struct err *e)
{
	ARENA_SCOPE(a);
	struct play plain = { .dialect = p->dialect, .hash = p->hash, .number = p->number };
	return write_page(x, &plain, check_status(why->code), error_json(a, p, why->code, why->msg), e);
}

static bool play_page(struct http_exchange *x, const struct play *p, struct err *e)
{
	ARENA_SCOPE(a);
	int status = (int)p->reply->status;
	const char *body = p->reply->body;
	return write_page(x, p, status, body ? body : error_json(a, p, check_type(status), "by the script"), e);
}

/* ---- events ---- */

/* By byte, each a while after the one before, when the script wants it so. */
static bool put(struct player *w, struct str bytes, struct err *e)
{
	int64_t ms = w->p->reply->trickle_ms;
	if (!ms)
		return http_respond_write(w->x, bytes, e);
	for (size_t i = 0; i < bytes.n; i++)
		if (!http_respond_write(w->x, (struct str){ bytes.p + i, 1 }, e) || !loop_sleep(ms, e))
			return false;
	return true;
}

static bool put_said(struct player *w, void (*say)(struct buf *out, const struct play *p), struct err *e)
{
	ARENA_SCOPE(a);
	struct buf *events = buf_new(a, EVENT_BYTES);
	say(events, w->p);
	return put(w, buf_str(events), e);
}

/* ---- accidents ---- */

static bool is_due(const struct script_after *after, int64_t deltas)
{
	return after->deltas >= 0 && deltas >= after->deltas;
}

static bool stall(struct player *w, struct err *e)
{
	w->stalled = true;
	bool ok = loop_sleep(w->p->reply->stall.for_ms, e);
	w->due = clock_ms();
	return ok;
}

static bool fail_in_stream(struct player *w, struct err *e)
{
	ARENA_SCOPE(a);
	const struct script_after *error = &w->p->reply->error;
	struct buf *event = buf_new(a, EVENT_BYTES);
	w->over = true;
	w->speech->error(event, w->p, error->type, error->message);
	return put(w, buf_str(event), e);
}

/* What the script wants after so many deltas. */
static bool act(struct player *w, int64_t deltas, struct err *e)
{
	const struct script_reply *r = w->p->reply;
	if (!w->stalled && is_due(&r->stall, deltas) && !stall(w, e))
		return false;
	if (is_due(&r->error, deltas))
		return fail_in_stream(w, e);
	if (is_due(&r->cut, deltas)) {
		http_respond_cut(w->x, r->cut.reset);
		w->over = true;
	}
	return true;
}

/* ---- the tape ---- */

static bool write_frame(struct player *w, const struct tape_frame *f, struct err *e)
{
	const char *bytes = w->p->tape->bytes->p + f->at;
	if (f->open && !put(w, w->opening, e))
		return false;
	if (!f->id)
		return put(w, (struct str){ bytes, f->n }, e);
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1], *copy = arena_text(a, (struct str){ bytes, f->n });
	speech_id(w->p, w->tools++, id);
	memcpy(copy + f->id, id, TAPE_ID);
	return put(w, (struct str){ copy, f->n }, e);
}

static bool wait_pace(struct player *w, struct err *e)
{
	w->due += w->deltas ? w->p->reply->pace_ms : 0;
	int64_t ms = w->due - clock_ms();
	return ms <= 0 || loop_sleep(ms, e);
}

static bool play_delta(struct player *w, const struct tape_frame *f, struct err *e)
{
	bool ping = w->deltas && w->deltas % PING_EVERY == 0 && !w->p->reply->all_raw;
	if (!wait_pace(w, e) || (ping && !put(w, str_of(w->speech->ping), e)) || !write_frame(w, f, e))
		return false;
	return act(w, ++w->deltas, e);
}

static bool play_part(struct player *w, const struct tape_part *part, struct err *e)
{
	const struct tape_frame *frames = tape_frames(w->p->tape) + part->first;
	for (int64_t times = 0; times < part->times && !w->over; times++)
		for (size_t i = 0; i < part->n && !w->over; i++)
			if (!(frames[i].delta ? play_delta(w, &frames[i], e) : write_frame(w, &frames[i], e)))
				return false;
	return true;
}

static bool play_parts(struct player *w, struct err *e)
{
	size_t n;
	const struct tape_part *parts = tape_parts(w->p->tape, &n);
	for (size_t i = 0; i < n && !w->over; i++)
		if (!play_part(w, &parts[i], e))
			return false;
	return w->over || act(w, INT64_MAX, e);
}

static bool play_stream(struct http_exchange *x, const struct play *p, struct err *e)
{
	ARENA_SCOPE(a);
	struct buf *opening = buf_new(a, EVENT_BYTES);
	struct player w = { .x = x, .p = p, .speech = speech_of(p->dialect), .due = clock_ms() };
	const struct http_header *headers = with_request_id(a, p, p->reply->headers);
	w.speech->opening(opening, p);
	w.opening = buf_str(opening);
	if (!http_respond(x, 200, "text/event-stream; charset=utf-8", headers, e))
		return false;
	if (!p->reply->all_raw && !put_said(&w, w.speech->start, e))
		return false;
	if (!act(&w, 0, e) || (!w.over && !play_parts(&w, e)))
		return false;
	return w.over || p->reply->all_raw || put_said(&w, w.speech->end, e);
}

bool play_reply(struct http_exchange *x, const struct play *p, struct err *e)
{
	if (p->reply->delay_ms && !loop_sleep(p->reply->delay_ms, e))
		return false;
	if (p->reply->drop)
		return FAIL(e, ERR_CANCELLED, "dropped", "closed without an answer, as the script says");
	return p->reply->status ? play_page(x, p, e) : play_stream(x, p, e);
}
