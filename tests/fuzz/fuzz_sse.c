/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a model's answer: pieces of any size change nothing, and what a turn holds is clean, valid JSON that can
 * go back and be read again in a whole conversation.
 */
#include "anthropic.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_BYTES = 4096, SHOWN_BYTES = 1 << 20 };

static const struct model_config config = { .turn_bytes = ANSWER_BYTES, .api_key = "sk-secret-key", .name = "m",
	.max_tokens = 1 };

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
	expect(anthropic_request_body(a, &config, &rq, &body, &e), "a turn makes no request");
	expect(json_parse(a, body, &e), "the next request is not JSON");
}

static void check_turn(struct arena *a, const struct model_turn *t, size_t shown)
{
	size_t bytes = 0;
	expect_clean(t->stop_reason);
	expect_clean(t->message_id);
	expect_clean(t->model);
	expect(*t->stop_reason && t->n <= ANTHROPIC_BLOCKS, "a turn without a reason or with too much");
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
	for (size_t i = 0; i < t->n; i++)
		buf_printf(out, "|%d%s", t->blocks[i].kind, t->blocks[i].raw);
	return buf_str(out).p;
}

/* Pieces of 1 to most bytes, of sizes that the input decides; most 0 = one piece. */
static const char *feed(struct arena *a, struct str text, size_t most)
{
	struct err e = { 0 };
	struct thoughts shown = { 0 };
	struct anthropic_stream *s = anthropic_stream_new(a, &config, &shown);
	bool ok = true;
	uint32_t random = (uint32_t)text.n * 2654435761u + 1;
	while (ok && text.n > 0) {
		random = random * 1664525u + 1013904223u;
		size_t n = most ? MIN_OF((random >> 16) % most + 1, text.n) : text.n;
		ok = anthropic_stream_feed(s, (struct str){ text.p, n }, &e);
		text = (struct str){ text.p + n, text.n - n };
	}
	struct model_turn turn = { 0 };
	if (ok && anthropic_stream_end(s, a, &turn, &e)) {
		check_turn(a, &turn, shown.bytes);
		return outcome(a, &turn);
	}
	expect(e.kind != ERR_NONE && e.kind != ERR_BUG && e.code && *e.msg, "a failure without an error");
	expect(utf8_valid(str_of(e.msg)) && !strstr(e.msg, config.api_key), "a message that may not be shown");
	return arena_printf(a, "%s %s %s", err_kind_name(e.kind), e.code, e.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_SCOPE(a);
	struct str text = { (const char *)data, size };
	const char *whole = feed(a, text, 0);
	expect(strcmp(whole, feed(a, text, 1)) == 0, "byte by byte it is another answer");
	expect(strcmp(whole, feed(a, text, 60)) == 0, "in pieces it is another answer");
	return 0;
}
