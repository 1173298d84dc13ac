/* SPDX-License-Identifier: MIT */
/* Playing. Deltas keep to a clock of their own, so that writing takes nothing from the pace. */
#include "play.h"
#include "check.h"
#include "clock.h"

enum { PING_EVERY = 64, MESSAGE_ID = 0xFFFF };

struct player {
	struct http_exchange *x;
	const struct play *p;
	int64_t deltas, tools;
	int64_t due;               /* of the next delta */
	bool stalled, failed, over; /* over: nothing more is written */
};

/* Unlike ids of other requests, and of another run of the program with the same conversation a turn later. */
static void id_write(const struct play *p, int64_t nth, char out[TAPE_ID + 1])
{
	snprintf(out, TAPE_ID + 1, "%012lx%08lx%04lx", (unsigned long)(p->hash >> 16),
		(unsigned long)(p->number & UINT32_MAX), (unsigned long)(nth & MESSAGE_ID));
}

static const char *request_id(struct arena *a, const struct play *p)
{
	char id[TAPE_ID + 1];
	id_write(p, MESSAGE_ID, id);
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
	all[n] = (struct http_header){ "request-id", request_id(a, p) };
	return all;
}

/* ---- plain answers ---- */

static const char *error_json(struct arena *a, const struct play *p, const char *type, const char *message)
{
	cJSON *o = json_object(a);
	json_put_text(o, "type", "error");
	cJSON *error = json_put_object(o, "error");
	json_put_text(error, "type", type);
	json_put_text(error, "message", message);
	json_put_text(o, "request_id", request_id(a, p));
	return json_print(a, o);
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
	struct play plain = { .hash = p->hash, .number = p->number };
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

static bool write_event(struct player *w, const char *type, const char *json, struct err *e)
{
	ARENA_SCOPE(a);
	return http_respond_write(w->x, str_of(arena_printf(a, "event: %s\ndata: %s\n\n", type, json)), e);
}

static void put_usage(cJSON *o, const struct player *w, bool end)
{
	const struct play *p = w->p;
	const int64_t guess[SCRIPT_COUNTS] = { [SCRIPT_INPUT] = p->input_tokens,
		[SCRIPT_OUTPUT] = p->tape->output_tokens };
	cJSON *usage = json_put_object(o, "usage");
	for (int i = 0; i < SCRIPT_COUNTS; i++) {
		int64_t n = p->reply->usage[i] >= 0 ? p->reply->usage[i] : guess[i];
		json_put_i64(usage, script_count_names[i], i == SCRIPT_OUTPUT && !end ? 1 : n);
	}
}

static bool write_start(struct player *w, struct err *e)
{
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1];
	id_write(w->p, MESSAGE_ID, id);
	cJSON *o = json_object(a);
	json_put_text(o, "type", "message_start");
	cJSON *message = json_put_object(o, "message");
	json_put_text(message, "id", arena_printf(a, "msg_%s", id));
	json_put_text(message, "type", "message");
	json_put_text(message, "role", "assistant");
	json_put_text(message, "model", w->p->model);
	json_put_array(message, "content");
	json_put_text(message, "stop_reason", NULL);
	json_put_text(message, "stop_sequence", NULL);
	put_usage(message, w, false);
	return write_event(w, "message_start", json_print(a, o), e) && write_event(w, "ping", "{\"type\":\"ping\"}", e);
}

static bool write_end(struct player *w, struct err *e)
{
	ARENA_SCOPE(a);
	cJSON *o = json_object(a);
	json_put_text(o, "type", "message_delta");
	cJSON *delta = json_put_object(o, "delta");
	json_put_text(delta, "stop_reason", w->p->tape->stop_reason);
	json_put_text(delta, "stop_sequence", NULL);
	put_usage(o, w, true);
	return write_event(w, "message_delta", json_print(a, o), e)
		&& write_event(w, "message_stop", "{\"type\":\"message_stop\"}", e);
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
	w->over = true;
	return write_event(w, "error", error_json(a, w->p, error->type, error->message), e);
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
	if (!f->id)
		return http_respond_write(w->x, (struct str){ bytes, f->n }, e);
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1], *copy = arena_text(a, (struct str){ bytes, f->n });
	id_write(w->p, w->tools++, id);
	memcpy(copy + f->id, id, TAPE_ID);
	return http_respond_write(w->x, (struct str){ copy, f->n }, e);
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
	if (!wait_pace(w, e) || (ping && !write_event(w, "ping", "{\"type\":\"ping\"}", e)) || !write_frame(w, f, e))
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
	struct player w = { .x = x, .p = p, .due = clock_ms() };
	const struct http_header *headers = with_request_id(a, p, p->reply->headers);
	if (!http_respond(x, 200, "text/event-stream; charset=utf-8", headers, e))
		return false;
	if (!p->reply->all_raw && !write_start(&w, e))
		return false;
	if (!act(&w, 0, e) || (!w.over && !play_parts(&w, e)))
		return false;
	return w.over || p->reply->all_raw || write_end(&w, e);
}

bool play_reply(struct http_exchange *x, const struct play *p, struct err *e)
{
	if (p->reply->delay_ms && !loop_sleep(p->reply->delay_ms, e))
		return false;
	if (p->reply->drop)
		return FAIL(e, ERR_CANCELLED, "dropped", "closed without an answer, as the script says");
	return p->reply->status ? play_page(x, p, e) : play_stream(x, p, e);
}
