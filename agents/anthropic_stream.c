/* SPDX-License-Identifier: MIT */
/* Events -> turn. One accumulator per stream; it runs in the HTTP sink, on the loop's stack, and never waits. */
#include "anthropic.h"
#include "wire.h"

enum { EVENT_EXTRA_BYTES = 64 * 1024 }; /* what an event may have around the answer's own bytes */

#define GARBAGE(e, ...) FAIL((e), ERR_BUSY, "model_garbage", __VA_ARGS__)

enum stream_state { STREAM_BEFORE = 1, STREAM_OPEN = 2, STREAM_WHOLE = 4, STREAM_ANY = 7 };

struct anthropic_stream {
	struct arena *arena;
	struct thoughts *thoughts;
	const char *secret;
	struct sse sse;
	enum stream_state state;
	size_t limit, bytes, seen;         /* of the answer; of the body */
	struct anthropic_block *first, *last;
	size_t n;
	const char *id, *model;
	char stop_reason[64];
	struct model_usage usage;
};

static bool take_bytes(struct anthropic_stream *s, size_t n, struct err *e)
{
	s->bytes += n;
	if (s->bytes > s->limit)
		return FAIL(e, ERR_INPUT, "answer_too_large",
			"the model's answer is larger than %zu bytes: raise the option model.answer_bytes, or ask for "
			"less", s->limit);
	return true;
}

/* ---- blocks ---- */

static struct anthropic_block *block_find(const struct anthropic_stream *s, int64_t index)
{
	if (s->last && s->last->index == index)
		return s->last;
	struct anthropic_block *b = s->first;
	while (b && b->index != index)
		b = b->next;
	return b;
}

static bool tool_id_known(const struct anthropic_stream *s, const char *id)
{
	for (const struct anthropic_block *b = s->first; b; b = b->next)
		if (b->kind == BLOCK_TOOL_CALL && strcmp(json_text(b->start, "id"), id) == 0)
			return true;
	return false;
}

static void show(const struct anthropic_stream *s, const struct anthropic_block *b, struct str text)
{
	if (s->thoughts && text.n > 0)
		thought_delta(s->thoughts, b->kind == BLOCK_TEXT ? THOUGHT_TEXT : THOUGHT_THINKING, text);
}

static void block_append(struct anthropic_stream *s, struct anthropic_block *b)
{
	if (s->last)
		s->last->next = b;
	else
		s->first = b;
	s->last = b;
	s->n++;
}

/* size is what the start takes of the answer's bytes. */
static bool block_add(struct anthropic_stream *s, int64_t index, const cJSON *start, size_t size, struct err *e)
{
	if (index < 0 || block_find(s, index))
		return GARBAGE(e, "content block %ld has no index of its own", index);
	if (s->n == ANTHROPIC_BLOCKS)
		return FAIL(e, ERR_INPUT, "answer_too_large", "more than %d content blocks in one answer", ANTHROPIC_BLOCKS);
	struct anthropic_block *b = anthropic_block_new(s->arena, start, s->limit, e);
	if (!b || !take_bytes(s, size, e))
		return false;
	if (b->kind == BLOCK_TOOL_CALL && tool_id_known(s, json_text(start, "id")))
		return GARBAGE(e, "two tool calls have one id");
	b->index = index;
	block_append(s, b);
	show(s, b, buf_str(b->text));
	return true;
}

static bool open_block(struct anthropic_stream *s, const cJSON *event, struct anthropic_block **out, struct err *e)
{
	int64_t index = json_i64(event, "index", -1);
	*out = block_find(s, index);
	return (*out && !(*out)->closed)
		|| GARBAGE(e, "%s for content block %ld, which is not open", json_text(event, "type"), index);
}

/* ---- events ---- */

static void take_usage(struct anthropic_stream *s, const cJSON *usage)
{
	const struct {
		const char *name;
		int64_t *n;
	} counts[] = {
		{ "input_tokens", &s->usage.input_tokens },
		{ "output_tokens", &s->usage.output_tokens },
		{ "cache_creation_input_tokens", &s->usage.cache_write_tokens },
		{ "cache_read_input_tokens", &s->usage.cache_read_tokens },
	};
	for (size_t i = 0; i < COUNT(counts); i++)
		*counts[i].n = MAX_OF((int64_t)0, json_i64(usage, counts[i].name, *counts[i].n));
}

static void take_stop_reason(struct anthropic_stream *s, const cJSON *from)
{
	struct str word = str_of(json_text(from, "stop_reason"));
	size_t n = utf8_cut(word, sizeof(s->stop_reason) - 1);
	if (n == 0)
		return;
	memcpy(s->stop_reason, word.p, n);
	s->stop_reason[n] = '\0';
}

static bool take_message_start(struct anthropic_stream *s, const cJSON *event, size_t size, struct err *e)
{
	const cJSON *message = json_get(event, "message");
	if (!cJSON_IsObject(message))
		return GARBAGE(e, "message_start without a message");
	s->state = STREAM_OPEN;
	s->id = json_text(message, "id");
	s->model = json_text(message, "model");
	take_stop_reason(s, message);
	take_usage(s, json_get(message, "usage"));
	const cJSON *block;
	json_each(block, json_get(message, "content")) {
		if (!block_add(s, (int64_t)s->n, block, s->n == 0 ? size : 0, e))
			return false;
		s->last->closed = true;
	}
	return true;
}

static bool take_block_start(struct anthropic_stream *s, const cJSON *event, size_t size, struct err *e)
{
	return block_add(s, json_i64(event, "index", -1), json_get(event, "content_block"), size, e);
}

static bool take_block_delta(struct anthropic_stream *s, const cJSON *event, size_t size, struct err *e)
{
	struct anthropic_block *b;
	struct anthropic_growth g = { .bytes = 0 };
	if (!open_block(s, event, &b, e) || !anthropic_delta_take(s->arena, b, json_get(event, "delta"), size, &g, e)
		|| !take_bytes(s, g.bytes, e))
		return false;
	show(s, b, g.text);
	return true;
}

static bool take_block_stop(struct anthropic_stream *s, const cJSON *event, size_t size __attribute__((unused)),
	struct err *e)
{
	struct anthropic_block *b;
	if (!open_block(s, event, &b, e))
		return false;
	b->closed = true;
	return true;
}

static bool take_message_delta(struct anthropic_stream *s, const cJSON *event, size_t size __attribute__((unused)),
	struct err *e __attribute__((unused)))
{
	take_stop_reason(s, json_get(event, "delta"));
	take_usage(s, json_get(event, "usage"));
	return true;
}

static bool take_message_stop(struct anthropic_stream *s, const cJSON *event __attribute__((unused)),
	size_t size __attribute__((unused)), struct err *e)
{
	for (const struct anthropic_block *b = s->first; b; b = b->next)
		if (!b->closed)
			return GARBAGE(e, "message_stop while content block %ld is open", b->index);
	if (!*s->stop_reason)
		return GARBAGE(e, "message_stop without a stop_reason");
	s->state = STREAM_WHOLE;
	return true;
}

static bool take_error(struct anthropic_stream *s, const cJSON *event, size_t size __attribute__((unused)),
	struct err *e)
{
	return anthropic_fail_event(s->secret, event, e);
}

static const struct event_kind {
	const char *name;
	bool (*take)(struct anthropic_stream *s, const cJSON *event, size_t size, struct err *e);
	int when;       /* the states in which it may come */
	bool kept;      /* its tree is needed until the stream ends */
} events[] = {
	{ "content_block_delta", take_block_delta, STREAM_OPEN, false },
	{ "content_block_start", take_block_start, STREAM_OPEN, true },
	{ "content_block_stop", take_block_stop, STREAM_OPEN, false },
	{ "error", take_error, STREAM_ANY, false },
	{ "message_delta", take_message_delta, STREAM_OPEN, false },
	{ "message_start", take_message_start, STREAM_BEFORE, true },
	{ "message_stop", take_message_stop, STREAM_OPEN, false },
};

static const struct event_kind *event_find(struct str name)
{
	for (size_t i = 0; i < COUNT(events); i++)
		if (str_is(name, events[i].name))
			return &events[i];
	return NULL;
}

static const cJSON *event_parse(struct arena *a, const struct event_kind *kind, struct str data, struct err *e)
{
	struct err why;
	const cJSON *event = json_parse(a, wire_mend_json(a, data), &why);
	const char *type = json_text(event, "type");
	if (!event)
		GARBAGE(e, "%s: %s", kind->name, why.msg);
	else if (!cJSON_IsObject(event) || !type || strcmp(type, kind->name) != 0)
		GARBAGE(e, "%s: its data is of another type", kind->name);
	else
		return event;
	return NULL;
}

static const char *state_name(enum stream_state state)
{
	if (state == STREAM_OPEN)
		return "in the middle of a message";
	return state == STREAM_BEFORE ? "before message_start" : "after message_stop";
}

static bool take_event(void *self, struct str name, struct str data, struct err *e)
{
	struct anthropic_stream *s = self;
	const struct event_kind *kind = event_find(name);
	if (!kind)
		return true;
	if (!(kind->when & s->state))
		return GARBAGE(e, "%s came %s", kind->name, state_name(s->state));
	ARENA_SCOPE(tmp);
	const cJSON *event = event_parse(kind->kept ? s->arena : tmp, kind, data, e);
	return event && kind->take(s, event, data.n, e);
}

/* ---- the stream ---- */

static void sse_end(void *sse)
{
	sse_done(sse);
}

struct anthropic_stream *anthropic_stream_new(struct arena *a, const struct model_config *c, struct thoughts *thoughts)
{
	struct anthropic_stream *s = arena_alloc(a, sizeof(*s));
	*s = (struct anthropic_stream){ .arena = a, .thoughts = thoughts, .secret = c->api_key, .state = STREAM_BEFORE,
		.limit = c->turn_bytes };
	sse_init(&s->sse, c->turn_bytes + EVENT_EXTRA_BYTES, take_event, s);
	arena_defer(a, sse_end, &s->sse);
	return s;
}

bool anthropic_stream_feed(struct anthropic_stream *s, struct str piece, struct err *e)
{
	s->seen += piece.n;
	return sse_feed(&s->sse, piece, e);
}

bool anthropic_stream_whole(const struct anthropic_stream *s)
{
	return s->state == STREAM_WHOLE;
}

bool anthropic_stream_end(struct anthropic_stream *s, struct arena *a, struct model_turn *turn, struct err *e)
{
	if (s->seen > 0 && s->sse.events == 0)
		return GARBAGE(e, "the model's answer has %zu bytes and no event", s->seen);
	if (s->state != STREAM_WHOLE)
		return FAIL(e, ERR_NET, "model_cut", "the model's answer ended after %zu bytes without message_stop",
			s->seen);
	struct model_turn t = { .usage = s->usage };
	t.blocks = arena_alloc(a, s->n * sizeof(*t.blocks));
	for (const struct anthropic_block *b = s->first; b; b = b->next)
		t.n += anthropic_block_read(a, b, &t.blocks[t.n]);
	t.stop_reason = arena_text(a, str_of(s->stop_reason));
	t.message_id = arena_text(a, str_of(s->id));
	t.model = arena_text(a, str_of(s->model));
	*turn = t;
	return true;
}
