/* SPDX-License-Identifier: MIT */
/* Chunks -> blocks in the neutral form. Text and thinking end when something else begins, calls with the answer. */
#include "openai.h"

/* A tool call while it grows. */
struct openai_call {
	struct openai_call *next;  /* the one before */
	int64_t index;
	const char *id, *name;     /* as they came; "" = not yet */
	struct answer_block *block;
};

struct openai_stream {
	struct model_answer answer; /* first */
	const struct model_request *request;
	struct answer_block *open; /* text or thinking that may grow, or NULL */
	struct openai_call *calls; /* the newest first */
	bool refused, done;        /* the model has refused; [DONE] came */
};

static const struct {
	const char *given, *reason;
} reasons[] = {
	{ "stop", "end_turn" }, { "length", "max_tokens" }, { "tool_calls", "tool_use" }, { "function_call", "tool_use" },
	{ "content_filter", "refusal" },
};

/* ---- text and thinking ---- */

static void close_open(struct openai_stream *s)
{
	if (s->open)
		s->open->closed = true;
	s->open = NULL;
}

static bool add_block(struct openai_stream *s, enum model_block_kind kind, struct answer_block **out, struct err *e)
{
	struct model_answer *answer = &s->answer;
	if (answer->whole)
		return GARBAGE(e, "the answer went on behind its finish_reason");
	close_open(s);
	struct answer_block *b = answer_block_empty(answer->arena, kind, answer->limit);
	b->index = (int64_t)answer->n;
	*out = b;
	return model_answer_begin(answer, b, 0, e);
}

static bool open_text(struct openai_stream *s, enum model_block_kind kind, struct err *e)
{
	struct answer_block *b;
	if (s->open && s->open->kind == kind)
		return true;
	if (!add_block(s, kind, &b, e))
		return false;
	cJSON *start = json_object(s->answer.arena);
	json_put_text(start, "type", kind == BLOCK_TEXT ? "text" : "reasoning");
	b->start = start;
	s->open = b;
	return true;
}

static bool grow(struct openai_stream *s, enum model_block_kind kind, struct str piece, struct err *e)
{
	if (!piece.n)
		return true;
	if (!open_text(s, kind, e) || !model_answer_count(&s->answer, piece.n, e))
		return false;
	buf_add(s->open->text, piece);
	model_answer_show(&s->answer, s->open, piece);
	return true;
}

/* ---- tool calls ---- */

static bool is_other(const struct openai_call *c, const char *id, const char *name)
{
	if (*id && *c->id)
		return strcmp(id, c->id) != 0;
	return *name && *c->name && c->block->json->n > 0;
}

/* Many servers number all calls 0: a new id is a new call. */
static struct openai_call *call_find(const struct openai_stream *s, int64_t index, const char *id, const char *name)
{
	struct openai_call *c = s->calls;
	while (c && c->index != index)
		c = c->next;
	return c && !is_other(c, id, name) ? c : NULL;
}

static struct openai_call *call_add(struct openai_stream *s, int64_t index, struct err *e)
{
	struct openai_call *c = arena_alloc(s->answer.arena, sizeof(*c));
	*c = (struct openai_call){ s->calls, index, "", "", NULL };
	if (!add_block(s, BLOCK_TOOL_CALL, &c->block, e))
		return NULL;
	s->calls = c;
	return c;
}

/* Kept once: what comes again is the same. */
static bool keep_word(struct model_answer *s, const char **word, const char *given, struct err *e)
{
	if (**word || !*given)
		return true;
	*word = arena_text(s->arena, str_of(given));
	return model_answer_count(s, strlen(given), e);
}

static bool grow_arguments(struct openai_stream *s, struct openai_call *c, const cJSON *arguments, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *text = cJSON_GetStringValue(arguments);
	if (cJSON_IsObject(arguments))
		text = json_print(tmp, arguments);
	struct str piece = str_of(text);
	if (piece.n && s->answer.whole)
		return GARBAGE(e, "a tool call went on behind the answer's finish_reason");
	buf_add(c->block->json, piece);
	return model_answer_count(&s->answer, piece.n, e);
}

static const char *word_of(const cJSON *object, const char *name)
{
	const char *word = json_text(object, name);
	return word ? word : "";
}

static bool take_call(struct openai_stream *s, const cJSON *piece, struct err *e)
{
	const cJSON *function = json_get(piece, "function");
	const char *id = word_of(piece, "id"), *name = word_of(function, "name");
	int64_t index = json_i64(piece, "index", 0);
	struct openai_call *c = call_find(s, index, id, name);
	if (!c && !(c = call_add(s, index, e)))
		return false;
	return keep_word(&s->answer, &c->id, id, e) && keep_word(&s->answer, &c->name, name, e)
		&& grow_arguments(s, c, json_get(function, "arguments"), e);
}

static bool call_end(struct openai_stream *s, struct openai_call *c, struct err *e)
{
	struct model_answer *answer = &s->answer;
	const char *id = openai_call_id(answer->arena, s->request, answer, c->id);
	if (!answer_tool_check(id, c->name, e))
		return false;
	cJSON *start = json_object(answer->arena);
	json_put_text(start, "type", "tool_use");
	json_put_text(start, "id", id);
	json_put_text(start, "name", c->name);
	json_put_object(start, "input");
	c->block->start = start;
	c->block->closed = true;
	return true;
}

/* The oldest first, as they are in the turn: of two with one id the second gets another. */
static bool calls_end(struct openai_stream *s, struct openai_call *c, struct err *e)
{
	struct openai_call *oldest = NULL;
	while (c) {
		struct openai_call *next = c->next;
		c->next = oldest;
		oldest = c;
		c = next;
	}
	s->calls = oldest;
	for (c = oldest; c; c = c->next)
		if (!call_end(s, c, e))
			return false;
	return true;
}

/* ---- the end of the answer ---- */

static const char *reason_of(const struct openai_stream *s, const char *given)
{
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (strcmp(reasons[i].given, given) == 0)
			given = reasons[i].reason;
	if (strcmp(given, "end_turn") != 0)
		return given;
	return s->calls ? "tool_use" : s->refused ? "refusal" : given;
}

static bool take_finish(struct openai_stream *s, const char *given, struct err *e)
{
	if (!given || !*given || s->answer.whole)
		return true;
	if (strcmp(given, "error") == 0)
		return FAIL(e, ERR_BUSY, "model_error", "the model broke off its answer without saying why");
	close_open(s);
	if (!calls_end(s, s->calls, e))
		return false;
	model_answer_stop(&s->answer, reason_of(s, given));
	s->answer.whole = true;
	return true;
}

/* ---- a chunk ---- */

static bool take_delta(struct openai_stream *s, const cJSON *delta, struct err *e)
{
	const char *old = json_text(delta, "reasoning_content");
	const char *thinking = old && *old ? old : json_text(delta, "reasoning"), *refusal = json_text(delta, "refusal");
	s->refused = s->refused || (refusal && *refusal);
	if (!grow(s, BLOCK_THINKING, str_of(thinking), e) || !grow(s, BLOCK_TEXT, str_of(json_text(delta, "content")), e)
		|| !grow(s, BLOCK_TEXT, str_of(refusal), e))
		return false;
	const cJSON *piece;
	json_each(piece, json_get(delta, "tool_calls"))
		if (!take_call(s, piece, e))
			return false;
	return true;
}

static bool take_choices(struct openai_stream *s, const cJSON *choices, struct err *e)
{
	const cJSON *choice;
	json_each(choice, choices) {
		if (json_i64(choice, "index", 0) != 0)
			continue;
		if (!take_delta(s, json_get(choice, "delta"), e) || !take_finish(s, json_text(choice, "finish_reason"), e))
			return false;
	}
	return true;
}

/* The cached part is told apart, as Anthropic does: together they are the prompt. */
static void take_usage(struct model_answer *s, const cJSON *usage)
{
	if (!cJSON_IsObject(usage))
		return;
	int64_t hit = json_i64(usage, "prompt_cache_hit_tokens", 0);
	int64_t cached = json_i64(json_get(usage, "prompt_tokens_details"), "cached_tokens", hit);
	int64_t all = MAX_OF(json_i64(usage, "prompt_tokens", 0), (int64_t)0);
	int64_t out = json_i64(usage, "completion_tokens", 0);
	cached = MAX_OF(MIN_OF(cached, all), (int64_t)0);
	s->usage = (struct model_usage){ .input_tokens = all - cached, .output_tokens = MAX_OF(out, (int64_t)0),
		.cache_read_tokens = cached };
}

static void take_names(struct model_answer *s, const cJSON *chunk)
{
	const char *id = json_text(chunk, "id"), *model = json_text(chunk, "model");
	if (!s->id && id)
		s->id = arena_text(s->arena, (struct str){ id, utf8_cut(str_of(id), 256) });
	if (!s->model && model)
		s->model = arena_text(s->arena, (struct str){ model, utf8_cut(str_of(model), 256) });
}

static bool is_error(const cJSON *chunk)
{
	const cJSON *error = json_get(chunk, "error");
	const char *object = json_text(chunk, "object");
	return (error && !cJSON_IsNull(error)) || (object && strcmp(object, "error") == 0);
}

static bool take_tree(struct openai_stream *s, struct str data, struct err *e)
{
	ARENA_SCOPE(tmp);
	const cJSON *chunk = model_answer_parse(tmp, "chunk", &data, e);
	if (!chunk)
		return false;
	if (is_error(chunk))
		return model_fail_event(&openai_api, s->answer.secret, chunk, e);
	take_names(&s->answer, chunk);
	take_usage(&s->answer, json_get(chunk, "usage"));
	return take_choices(s, json_get(chunk, "choices"), e);
}

static bool take_event(void *self, struct str name __attribute__((unused)), struct str data, struct err *e)
{
	struct openai_stream *s = self;
	struct openai_delta d;
	if (str_is(str_trim(data), "[DONE]"))
		return s->done = true;
	if (s->done)
		return GARBAGE(e, "the answer went on behind [DONE]");
	bool named = s->answer.id && s->answer.model; /* the first chunk says more than its text */
	if (named && openai_delta_scan(data, s->answer.scratch, &d))
		return grow(s, d.kind, d.piece, e);
	return take_tree(s, data, e);
}

/* ---- the stream ---- */

struct model_answer *openai_stream(struct arena *a, const struct model_config *c, const struct model_request *rq,
	struct thoughts *thoughts)
{
	struct openai_stream *s = arena_alloc(a, sizeof(*s));
	model_answer_init(&s->answer, a, c, thoughts, take_event);
	s->request = rq;
	return &s->answer;
}

bool openai_end(struct model_answer *s, struct err *e)
{
	return model_answer_check(s, "a finish_reason", e);
}
