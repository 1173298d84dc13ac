/* SPDX-License-Identifier: MIT */
/* What each kind of delta adds to its block: a table. */
#include "anthropic.h"
#include "wire_scan.h"

static void grow_text(struct arena *a __attribute__((unused)), struct answer_block *b, struct str piece,
	struct anthropic_growth *g)
{
	buf_add(b->text, piece);
	g->text = piece;
}

static void grow_signature(struct arena *a, struct answer_block *b, struct str piece,
	struct anthropic_growth *g __attribute__((unused)))
{
	b->signature = arena_text(a, piece);
}

static void grow_json(struct arena *a __attribute__((unused)), struct answer_block *b, struct str piece,
	struct anthropic_growth *g __attribute__((unused)))
{
	buf_add(b->json, piece);
}

static const struct delta_kind {
	const char *type, *field;
	enum model_block_kind kind;
	void (*grow)(struct arena *a, struct answer_block *b, struct str piece, struct anthropic_growth *g);
} deltas[] = {
	{ "citations_delta", "citation", BLOCK_TEXT, NULL },
	{ "input_json_delta", "partial_json", BLOCK_TOOL_CALL, grow_json },
	{ "signature_delta", "signature", BLOCK_THINKING, grow_signature },
	{ "text_delta", "text", BLOCK_TEXT, grow_text },
	{ "thinking_delta", "thinking", BLOCK_THINKING, grow_text },
};

static const struct delta_kind *delta_find(struct str type)
{
	for (size_t i = 0; i < COUNT(deltas); i++)
		if (str_is(type, deltas[i].type))
			return &deltas[i];
	return NULL;
}

/* What a block of unknown type says is its provider's affair; only its input grows as a tool's does. */
static bool is_skipped(const struct answer_block *b, const struct delta_kind *d)
{
	return b->kind == BLOCK_OTHER && d->grow != grow_json;
}

static bool check_kind(const struct answer_block *b, const struct delta_kind *d, struct err *e)
{
	return b->kind == d->kind || b->kind == BLOCK_OTHER
		|| GARBAGE(e, "%s for content block %ld, which is of another type", d->type, b->index);
}

static bool take_citation(struct arena *a, struct answer_block *b, const cJSON *citation, struct err *e)
{
	if (!cJSON_IsObject(citation))
		return GARBAGE(e, "citations_delta without a citation");
	return answer_block_cite(a, b, citation, e);
}

bool anthropic_delta_grow(struct arena *a, struct answer_block *b, const struct anthropic_delta *d,
	struct anthropic_growth *g, struct err *e)
{
	if (is_skipped(b, d->kind))
		return true;
	if (!check_kind(b, d->kind, e))
		return false;
	g->bytes = d->piece.n;
	d->kind->grow(a, b, d->piece, g);
	return true;
}

bool anthropic_delta_take(struct arena *a, struct answer_block *b, const cJSON *delta, size_t size,
	struct anthropic_growth *g, struct err *e)
{
	const struct delta_kind *d = delta_find(str_of(json_text(delta, "type")));
	if (!d || is_skipped(b, d))
		return true;
	if (!check_kind(b, d, e))
		return false;
	const char *piece = json_text(delta, d->field);
	if (d->grow && !piece)
		return GARBAGE(e, "%s without its %s", d->type, d->field);
	if (d->grow)
		return anthropic_delta_grow(a, b, &(struct anthropic_delta){ .kind = d, .piece = str_of(piece) }, g, e);
	g->bytes = size;
	return take_citation(a, b, json_get(delta, d->field), e);
}

/* ---- without a tree ---- */

/* The name with its quotes. */
static bool scan_named(struct wire_scan *s, struct str name)
{
	return wire_scan_literal(s, name) && wire_scan_is(s, ':');
}

/* The member whose value is the delta's piece. */
static bool scan_piece(struct wire_scan *s, const char *field, struct str *piece)
{
	struct str key;
	return wire_scan_key(s, &key) && str_is(key, field) && wire_scan_text(s, piece);
}

/* {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"..."}}, in this order, nothing else. */
bool anthropic_delta_scan(struct str data, struct buf *scratch, struct anthropic_delta *d)
{
	struct wire_scan s = { data.p, data.p + data.n };
	struct str type, piece;
	bool begun = wire_scan_is(&s, '{') && scan_named(&s, STR("\"type\""))
		&& wire_scan_literal(&s, STR("\"content_block_delta\""))
		&& wire_scan_is(&s, ',') && scan_named(&s, STR("\"index\"")) && wire_scan_i64(&s, &d->index)
		&& wire_scan_is(&s, ',') && scan_named(&s, STR("\"delta\"")) && wire_scan_is(&s, '{')
		&& scan_named(&s, STR("\"type\"")) && wire_scan_text(&s, &type);
	d->kind = begun ? delta_find(type) : NULL;
	return d->kind && d->kind->grow && wire_scan_is(&s, ',') && scan_piece(&s, d->kind->field, &piece)
		&& wire_scan_is(&s, '}') && wire_scan_is(&s, '}') && wire_scan_end(&s)
		&& wire_text_plain(piece, scratch, &d->piece);
}
