/* SPDX-License-Identifier: MIT */
/* Events -> blocks. */
#include "anthropic.h"
#include "wire_scan.h"

enum stream_state { STREAM_BEFORE = 1, STREAM_OPEN = 2, STREAM_WHOLE = 4, STREAM_ANY = 7 };

struct anthropic_stream {
	struct model_answer answer; /* first */
	enum stream_state state;
};

/* What an event says: its bytes and their tree. */
struct event {
	const cJSON *json;
	struct str data;
};

/* ---- blocks ---- */

static bool tool_id_known(const struct model_answer *s, const char *id)
{
	for (const struct answer_block *b = s->first; b; b = b->next)
		if (b->kind == BLOCK_TOOL_CALL && strcmp(json_text(b->start, "id"), id) == 0)
			return true;
	return false;
}

/* bytes are those of start; size is what the start takes of the answer's bytes. */
static bool block_add(struct model_answer *s, int64_t index, const cJSON *start, struct str bytes, size_t size,
	struct err *e)
{
	if (index < 0 || model_answer_find(s, index))
		return GARBAGE(e, "content block %ld has no index of its own", index);
	struct answer_block *b = answer_block_new(s->arena, start, s->limit, e);
	if (!b)
		return false;
	if (b->kind == BLOCK_TOOL_CALL && tool_id_known(s, json_text(start, "id")))
		return GARBAGE(e, "two tool calls have one id");
	b->index = index;
	if (b->kind == BLOCK_OTHER)
		b->bytes = (struct str){ arena_text(s->arena, bytes), bytes.n };
	return model_answer_begin(s, b, size, e);
}

static struct answer_block *open_block(const struct model_answer *s, int64_t index, const char *what, struct err *e)
{
	struct answer_block *b = model_answer_find(s, index);
	if (b && !b->closed)
		return b;
	GARBAGE(e, "%s for content block %ld, which is not open", what, index);
	return NULL;
}

/* ---- events ---- */

static void take_usage(struct model_answer *s, const cJSON *usage)
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

static bool take_content(struct model_answer *s, const cJSON *blocks, struct str bytes, size_t size, struct err *e)
{
	const cJSON *block;
	json_each(block, blocks) {
		struct str part = { "", 0 };
		wire_json_item(bytes, s->n, &part);
		if (!block_add(s, (int64_t)s->n, block, part, s->n == 0 ? size : 0, e))
			return false;
		s->last->closed = true;
	}
	return true;
}

static bool take_message_start(struct anthropic_stream *s, const struct event *v, struct err *e)
{
	const cJSON *message = json_get(v->json, "message");
	struct str bytes = { "", 0 };
	if (!cJSON_IsObject(message))
		return GARBAGE(e, "message_start without a message");
	s->state = STREAM_OPEN;
	s->answer.id = json_text(message, "id");
	s->answer.model = json_text(message, "model");
	model_answer_stop(&s->answer, json_text(message, "stop_reason"));
	take_usage(&s->answer, json_get(message, "usage"));
	if (wire_json_member(v->data, "message", &bytes) && !wire_json_member(bytes, "content", &bytes))
		bytes.n = 0;
	return take_content(&s->answer, json_get(message, "content"), bytes, v->data.n, e);
}

static bool take_block_start(struct anthropic_stream *s, const struct event *v, struct err *e)
{
	struct str bytes = { "", 0 };
	if (!wire_json_member(v->data, "content_block", &bytes))
		bytes.n = 0;
	return block_add(&s->answer, json_i64(v->json, "index", -1), json_get(v->json, "content_block"), bytes, v->data.n, e);
}

static bool take_growth(struct model_answer *s, const struct answer_block *b, const struct anthropic_growth *g,
	struct err *e)
{
	if (!model_answer_count(s, g->bytes, e))
		return false;
	model_answer_show(s, b, g->text);
	return true;
}

static bool take_block_delta(struct anthropic_stream *s, const struct event *v, struct err *e)
{
	struct model_answer *answer = &s->answer;
	struct anthropic_growth g = { .bytes = 0 };
	struct answer_block *b = open_block(answer, json_i64(v->json, "index", -1), "content_block_delta", e);
	return b && anthropic_delta_take(answer->arena, b, json_get(v->json, "delta"), v->data.n, &g, e)
		&& take_growth(answer, b, &g, e);
}

static bool take_plain_delta(struct model_answer *s, const struct anthropic_delta *d, struct err *e)
{
	struct anthropic_growth g = { .bytes = 0 };
	struct answer_block *b = open_block(s, d->index, "content_block_delta", e);
	return b && anthropic_delta_grow(s->arena, b, d, &g, e) && take_growth(s, b, &g, e);
}

static bool take_block_stop(struct anthropic_stream *s, const struct event *v, struct err *e)
{
	struct answer_block *b = open_block(&s->answer, json_i64(v->json, "index", -1), "content_block_stop", e);
	if (b)
		b->closed = true;
	return b != NULL;
}

static bool take_message_delta(struct anthropic_stream *s, const struct event *v, struct err *e __attribute__((unused)))
{
	model_answer_stop(&s->answer, json_text(json_get(v->json, "delta"), "stop_reason"));
	take_usage(&s->answer, json_get(v->json, "usage"));
	return true;
}

static bool take_message_stop(struct anthropic_stream *s, const struct event *v __attribute__((unused)), struct err *e)
{
	for (const struct answer_block *b = s->answer.first; b; b = b->next)
		if (!b->closed)
			return GARBAGE(e, "message_stop while content block %ld is open", b->index);
	if (!*s->answer.stop_reason)
		return GARBAGE(e, "message_stop without a stop_reason");
	s->state = STREAM_WHOLE;
	s->answer.whole = true;
	return true;
}

static bool take_error(struct anthropic_stream *s, const struct event *v, struct err *e)
{
	return model_fail_event(&anthropic_api, s->answer.secret, v->json, e);
}

static const struct event_kind {
	const char *name;
	bool (*take)(struct anthropic_stream *s, const struct event *v, struct err *e);
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

static bool take_tree(struct anthropic_stream *s, const struct event_kind *kind, struct str data, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct event v = { .data = data };
	v.json = model_answer_parse(kind->kept ? s->answer.arena : tmp, kind->name, &v.data, e);
	const char *type = json_text(v.json, "type");
	if (!v.json)
		return false;
	if (!type || strcmp(type, kind->name) != 0)
		return GARBAGE(e, "%s: its data is of another type", kind->name);
	return kind->take(s, &v, e);
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
	struct anthropic_delta d;
	const struct event_kind *kind = event_find(name);
	if (!kind)
		return true;
	if (!(kind->when & s->state))
		return GARBAGE(e, "%s came %s", kind->name, state_name(s->state));
	if (kind->take == take_block_delta && anthropic_delta_scan(data, s->answer.scratch, &d))
		return take_plain_delta(&s->answer, &d, e);
	return take_tree(s, kind, data, e);
}

/* ---- the stream ---- */

struct model_answer *anthropic_stream(struct arena *a, const struct model_config *c,
	const struct model_request *rq __attribute__((unused)), struct thoughts *thoughts)
{
	struct anthropic_stream *s = arena_alloc(a, sizeof(*s));
	model_answer_init(&s->answer, a, c, thoughts, take_event);
	s->state = STREAM_BEFORE;
	return &s->answer;
}

bool anthropic_end(struct model_answer *s, struct err *e)
{
	return model_answer_check(s, "message_stop", e);
}
