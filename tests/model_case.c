/* SPDX-License-Identifier: MIT */
#include "model_case.h"

/* ---- the thoughts, recorded ---- */

struct thoughts {
	struct buf *seen;
};

void thought_delta(struct thoughts *t, enum thought_kind kind, struct str piece)
{
	buf_printf(t->seen, "%s(%.*s)", kind == THOUGHT_TEXT ? "text" : "thinking", STR_ARGS(piece));
}

/* ---- a turn as text ---- */

struct str model_quoted(struct arena *a, struct str text)
{
	char *copy = arena_text(a, text);
	for (size_t i = 0; i < text.n; i++)
		if (copy[i] == '\'')
			copy[i] = '"';
	return (struct str){ copy, text.n };
}

static void show_block(struct arena *a, struct buf *out, const struct model_block *b)
{
	static const char *const kinds[] = { "text", "thinking", "call", "other" };
	buf_printf(out, "\n%s", kinds[b->kind]);
	if (b->kind <= BLOCK_THINKING)
		buf_printf(out, " \"%s\"", b->text);
	if (b->tool_id)
		buf_printf(out, " %s %s %s", b->tool_id, b->tool_name,
			b->input ? json_print(a, b->input) : b->input_error);
	buf_printf(out, "\n  %s", b->raw);
}

static const char *shown(struct arena *a, const struct model_answer *s, struct str blocks)
{
	const struct model_usage *u = &s->usage;
	return arena_printf(a, "%s %s %s in %ld out %ld write %ld read %ld%.*s", s->stop_reason, s->id ? s->id : "",
		s->model ? s->model : "", u->input_tokens, u->output_tokens, u->cache_write_tokens, u->cache_read_tokens,
		STR_ARGS(blocks));
}

/* Each piece is alone in memory, so that a sanitizer sees a read beyond it. */
static bool feed(struct arena *a, struct model_answer *s, struct str text, size_t at, size_t step, struct buf *blocks,
	struct err *e)
{
	struct model_block b;
	bool ok = true;
	for (size_t n = MIN_OF(at, text.n); ok && text.n > 0; n = MIN_OF(step, text.n)) {
		char *piece = arena_text(a, (struct str){ text.p, n });
		ok = model_answer_feed(s, (struct str){ piece, n }, e);
		while (model_answer_next(s, a, &b))
			show_block(a, blocks, &b);
		text = (struct str){ text.p + n, text.n - n };
	}
	return ok;
}

const char *model_outcome(struct arena *a, const struct model_api *api, struct str text, size_t at, size_t step)
{
	ARENA_SCOPE(tmp);
	struct err e = { 0 };
	struct model_config c = { .turn_bytes = MODEL_ANSWER_BYTES, .api_key = "sk-secret-key", .api = api };
	struct model_request rq = { 0 };
	struct thoughts thoughts = { buf_new(tmp, MODEL_SHOWN_BYTES) };
	struct buf *blocks = buf_new(tmp, MODEL_SHOWN_BYTES);
	struct model_answer *s = api->stream(tmp, &c, &rq, &thoughts);
	bool ok = feed(tmp, s, model_quoted(tmp, text), at, step, blocks, &e) && api->end(s, &e);
	const char *turn = ok ? shown(tmp, s, buf_str(blocks)) : arena_printf(tmp, "%s %s", err_kind_name(e.kind), e.code);
	return arena_printf(a, "%s%s%s", turn, thoughts.seen->n > 0 ? "\nshown: " : "", buf_str(thoughts.seen).p);
}

void model_check_stream(const struct model_api *api, struct str text, const char *want, bool at_every_place)
{
	ARENA_SCOPE(whole);
	want = model_quoted(whole, str_of(want)).p;
	if (!CHECK_EQ_S(model_outcome(whole, api, text, text.n, text.n), want)
		|| !CHECK_EQ_S(model_outcome(whole, api, text, 1, 1), want))
		return;
	for (size_t at = 1; at_every_place && at < text.n; at++) {
		ARENA_SCOPE(a);
		if (!CHECK_EQ_S(model_outcome(a, api, text, at, text.n), want))
			return;
	}
}

struct str model_fixture(struct arena *a, const char *name)
{
	const char *folder = getenv("TEST_FIXTURES");
	FILE *f = fopen(arena_printf(a, "%s/sse/%s.sse", folder ? folder : "tests/fixtures", name), "rb");
	if (!CHECK(f))
		return STR("");
	char *text = arena_alloc(a, 8192);
	size_t n = fread(text, 1, 8192, f);
	fclose(f);
	return (struct str){ text, n };
}
