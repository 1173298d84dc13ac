/* SPDX-License-Identifier: MIT */
/* What each kind of delta adds to its block: a table. */
#include "anthropic.h"

#define GARBAGE(e, ...) FAIL((e), ERR_BUSY, "model_garbage", __VA_ARGS__)

static void grow_text(struct arena *a __attribute__((unused)), struct anthropic_block *b, struct str piece,
	struct anthropic_growth *g)
{
	buf_add(b->text, piece);
	g->text = piece;
}

static void grow_signature(struct arena *a, struct anthropic_block *b, struct str piece,
	struct anthropic_growth *g __attribute__((unused)))
{
	b->signature = arena_text(a, piece);
}

static void grow_json(struct arena *a __attribute__((unused)), struct anthropic_block *b, struct str piece,
	struct anthropic_growth *g __attribute__((unused)))
{
	buf_add(b->json, piece);
}

static const struct delta_kind {
	const char *type, *field;
	enum model_block_kind kind;
	void (*grow)(struct arena *a, struct anthropic_block *b, struct str piece, struct anthropic_growth *g);
} deltas[] = {
	{ "citations_delta", "citation", BLOCK_TEXT, NULL },
	{ "input_json_delta", "partial_json", BLOCK_TOOL_CALL, grow_json },
	{ "signature_delta", "signature", BLOCK_THINKING, grow_signature },
	{ "text_delta", "text", BLOCK_TEXT, grow_text },
	{ "thinking_delta", "thinking", BLOCK_THINKING, grow_text },
};

static const struct delta_kind *delta_find(const char *type)
{
	for (size_t i = 0; type && i < COUNT(deltas); i++)
		if (strcmp(deltas[i].type, type) == 0)
			return &deltas[i];
	return NULL;
}

static bool take_citation(struct arena *a, struct anthropic_block *b, const cJSON *citation, struct err *e)
{
	if (!cJSON_IsObject(citation))
		return GARBAGE(e, "citations_delta without a citation");
	return anthropic_block_cite(a, b, citation, e);
}

bool anthropic_delta_take(struct arena *a, struct anthropic_block *b, const cJSON *delta, size_t size,
	struct anthropic_growth *g, struct err *e)
{
	const struct delta_kind *d = delta_find(json_text(delta, "type"));
	bool skipped = !d || (b->kind == BLOCK_OTHER && d->grow != grow_json);
	if (skipped)
		return true;
	if (b->kind != d->kind && b->kind != BLOCK_OTHER)
		return GARBAGE(e, "%s for content block %ld, which is of another type", d->type, b->index);
	const char *piece = json_text(delta, d->field);
	if (d->grow && !piece)
		return GARBAGE(e, "%s without its %s", d->type, d->field);
	g->bytes = d->grow ? strlen(piece) : size;
	if (!d->grow)
		return take_citation(a, b, json_get(delta, d->field), e);
	d->grow(a, b, str_of(piece), g);
	return true;
}
