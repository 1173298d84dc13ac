/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a model's answer, of each dialect: pieces of any size change nothing, what a turn holds is clean, valid
 * JSON that can go back and be read again in a whole conversation, and what is read without a tree is what the tree
 * says.
 */
#include "anthropic.h"
#include "openai.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_BYTES = 4096, SHOWN_BYTES = 1 << 20 };

static const struct model_config config = { .base_url = "http://h", .turn_bytes = ANSWER_BYTES,
	.api_key = "sk-secret-key", .name = "m", .max_tokens = 1 };

static void expect(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fuzz_sse: %s\n", what);
		abort();
	}
}

struct thoughts {
	size_t bytes;
};

void thought_delta(struct thoughts *t, enum thought_kind kind, struct str piece)
{
	expect(kind == THOUGHT_TEXT || kind == THOUGHT_THINKING, "a thought of an odd kind");
	expect(piece.n > 0 && utf8_valid(piece) && !memchr(piece.p, '\0', piece.n), "a thought is not clean");
	t->bytes += piece.n;
}

static void expect_clean(const char *text)
{
	expect(text && utf8_valid(str_of(text)), "text is not UTF-8");
}

static void check_json(struct arena *a, const char *json)
{
	struct err e;
	struct str text = str_of(json);
	expect_clean(json);
	expect(wire_mend_json(a, text).p == text.p, "JSON has a NUL or half a character");
	const cJSON *tree = json_parse(a, text, &e);
	expect(tree && cJSON_IsObject(tree) && json_text(tree, "type"), "a block does not go back as a block");
}

static void check_block(struct arena *a, const struct model_block *b)
{
	check_json(a, b->raw);
	expect_clean(b->text);
	bool call = b->kind == BLOCK_TOOL_CALL;
	expect(call == (b->tool_id != NULL) && call == (b->tool_name != NULL), "a call without id and name");
	expect(call == (b->input != NULL || b->input_error != NULL), "a call without input and error");
	expect(!b->input || (cJSON_IsObject(b->input) && !b->input_error), "an input that is no object");
	if (b->input_error)
		expect_clean(b->input_error);
}

/* What the next request would be. */
static void check_return(struct arena *a, const struct model_turn *t)
{
	cJSON *messages = json_array(a), *message = json_add_object(messages);
	cJSON *content = json_put_array(message, "content");
	for (size_t i = 0; i < t->n; i++)
		json_add_raw(content, t->blocks[i].raw);
	struct model_request rq = { .messages = messages };
	struct str body;
	struct err e;
	for (size_t i = 0; model_apis[i]; i++) {
		expect(model_apis[i]->body(a, &config, &rq, &body, &e), "a turn makes no request");
		expect(json_parse(a, body, &e), "the next request is not JSON");
	}
}

static void check_turn(struct arena *a, const struct model_turn *t, size_t shown)
{
	size_t bytes = 0;
	expect_clean(t->stop_reason);
	expect_clean(t->message_id);
	expect_clean(t->model);
	expect(*t->stop_reason && t->n <= MODEL_BLOCKS, "a turn without a reason or with too much");
	for (size_t i = 0; i < t->n; i++) {
		check_block(a, &t->blocks[i]);
		bytes += strlen(t->blocks[i].text);
	}
	expect(bytes <= shown && shown <= ANSWER_BYTES, "text that was not shown, or too much of it");
	expect(t->usage.input_tokens >= 0 && t->usage.output_tokens >= 0, "negative usage");
	check_return(a, t);
}

static const char *outcome(struct arena *a, const struct model_turn *t)
{
	struct buf *out = buf_new(a, SHOWN_BYTES);
	buf_printf(out, "%s %s %s %ld", t->stop_reason, t->message_id, t->model, t->usage.output_tokens);
	for (size_t i = 0; i < t->n; i++) {
		const char *id = t->blocks[i].tool_id, *own = id && strlen(id) == 9 ? strstr(t->blocks[i].raw, id) : NULL;
		size_t n = own ? (size_t)(own - t->blocks[i].raw) : strlen(t->blocks[i].raw); /* ours differ each time */
		buf_printf(out, "|%d%.*s%s", t->blocks[i].kind, (int)n, t->blocks[i].raw, own ? own + 9 : "");
	}
	return buf_str(out).p;
}

static const char *of(const char *text)
{
	return text ? text : "";
}

static const char *turn_of(struct arena *a, struct model_answer *s, size_t shown)
{
	struct model_turn t = { .stop_reason = s->stop_reason, .message_id = of(s->id), .model = of(s->model),
		.usage = s->usage };
	t.blocks = arena_alloc(a, (s->n + 1) * sizeof(*t.blocks));
	while (model_answer_next(s, a, &t.blocks[t.n]))
		t.n++;
	check_turn(a, &t, shown);
	return outcome(a, &t);
}

/* Pieces of 1 to most bytes, of sizes that the input decides; most 0 = one piece. */
static const char *feed(struct arena *a, const struct model_api *api, struct str text, size_t most)
{
	struct err e = { 0 };
	struct thoughts shown = { 0 };
	struct model_request rq = { 0 };
	struct model_answer *s = api->stream(a, &config, &rq, &shown);
	bool ok = true;
	uint32_t random = (uint32_t)text.n * 2654435761u + 1;
	while (ok && text.n > 0) {
		random = random * 1664525u + 1013904223u;
		size_t n = most ? MIN_OF((random >> 16) % most + 1, text.n) : text.n;
		ok = model_answer_feed(s, (struct str){ text.p, n }, &e);
		text = (struct str){ text.p + n, text.n - n };
	}
	if (ok && api->end(s, &e))
		return turn_of(a, s, shown.bytes);
	expect(e.kind != ERR_NONE && e.kind != ERR_BUG && e.code && *e.msg, "a failure without an error");
	expect(utf8_valid(str_of(e.msg)) && !strstr(e.msg, config.api_key), "a message that may not be shown");
	return arena_printf(a, "%s %s %s", err_kind_name(e.kind), e.code, e.msg);
}

/* ---- without a tree, and with ---- */

struct event {
	struct buf *scratch;
	struct arena *arena;
};

static void check_delta(struct event *v, struct str data)
{
	struct err e;
	struct anthropic_delta d;
	if (!anthropic_delta_scan(data, v->scratch, &d))
		return;
	const cJSON *tree = json_parse(v->arena, wire_mend_json(v->arena, data), &e), *delta = json_get(tree, "delta");
	expect(tree && json_text(tree, "type") && strcmp(json_text(tree, "type"), "content_block_delta") == 0,
		"a delta that is none");
	expect(json_i64(tree, "index", -1) == d.index, "a delta of another block");
	for (enum model_block_kind kind = BLOCK_TEXT; kind <= BLOCK_OTHER; kind++) {
		struct answer_block *b = answer_block_empty(v->arena, kind, ANSWER_BYTES);
		struct anthropic_growth g = { .bytes = 0 }, h = { .bytes = 0 };
		bool ok = anthropic_delta_grow(v->arena, b, &d, &g, &e);
		struct buf *grown = b->kind <= BLOCK_THINKING ? b->text : b->json;
		struct str one = { arena_text(v->arena, buf_str(grown)), grown->n };
		const char *signature = b->signature;
		buf_clear(b->text);
		buf_clear(b->json);
		expect(ok == anthropic_delta_take(v->arena, b, delta, data.n, &h, &e), "only one of the two takes a delta");
		expect(g.bytes == h.bytes && str_eq(g.text, h.text) && str_eq(one, buf_str(grown)), "a delta grows differently");
		expect(!signature || strcmp(signature, b->signature) == 0, "a signature differs");
	}
}

static bool is_null(const cJSON *object, const char *name)
{
	const cJSON *item = json_get(object, name);
	return !item || cJSON_IsNull(item);
}

static void check_chunk(struct event *v, struct str data)
{
	struct err e;
	struct openai_delta d;
	if (!openai_delta_scan(data, v->scratch, &d))
		return;
	const cJSON *tree = json_parse(v->arena, wire_mend_json(v->arena, data), &e), *choices = json_get(tree, "choices");
	const cJSON *choice = choices ? choices->child : NULL, *delta = json_get(choice, "delta");
	expect(cJSON_IsObject(tree) && is_null(tree, "error") && is_null(tree, "usage"), "a chunk that says more");
	expect(!choice || (!choice->next && json_i64(choice, "index", 0) == 0 && is_null(choice, "finish_reason")),
		"a chunk with another choice");
	expect(is_null(delta, "tool_calls") && is_null(delta, "refusal"), "a delta that says more");
	const char *old = of(json_text(delta, "reasoning_content"));
	const char *thinking = *old ? old : of(json_text(delta, "reasoning"));
	const char *content = of(json_text(delta, "content"));
	expect(!*thinking || !*content, "two pieces in one");
	expect(!d.piece.n || (d.kind == BLOCK_TEXT) == (*content != '\0'), "a piece of another kind");
	expect(str_is(d.piece, *thinking ? thinking : content), "another piece");
}

static bool check_event(void *self, struct str name __attribute__((unused)), struct str data,
	struct err *e __attribute__((unused)))
{
	check_delta(self, data);
	check_chunk(self, data);
	return true;
}

static void check_scans(struct arena *a, struct str text)
{
	struct err ignored;
	struct event v = { buf_new(a, SHOWN_BYTES), a };
	struct sse s;
	sse_init(&s, SHOWN_BYTES, check_event, &v);
	sse_feed(&s, text, &ignored);
	sse_done(&s);
	check_event(&v, STR(""), text, &ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_SCOPE(a);
	struct str text = { (const char *)data, size };
	check_scans(a, text);
	for (size_t i = 0; model_apis[i]; i++) {
		const char *whole = feed(a, model_apis[i], text, 0);
		expect(strcmp(whole, feed(a, model_apis[i], text, 1)) == 0, "byte by byte it is another answer");
		expect(strcmp(whole, feed(a, model_apis[i], text, 60)) == 0, "in pieces it is another answer");
	}
	return 0;
}
