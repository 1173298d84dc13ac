/* SPDX-License-Identifier: MIT */
/* A chunk that only carries a piece of text or of thinking, read without a tree: keys in any order, each once. */
#include "openai.h"
#include "wire_scan.h"

struct scanned {
	struct wire_scan s;
	struct str content, thinking, newer; /* as they came; p NULL = not there */
	int choices, deltas;
};

static bool scan_null(struct wire_scan *s)
{
	return wire_scan_literal(s, STR("null"));
}

/* A string that may come once, or null. */
static bool scan_piece(struct wire_scan *s, struct str *piece)
{
	if (piece->p)
		return false;
	piece->p = "";
	return scan_null(s) || wire_scan_text(s, piece);
}

static bool scan_delta_member(struct scanned *c, struct str key)
{
	if (str_is(key, "content"))
		return scan_piece(&c->s, &c->content);
	if (str_is(key, "reasoning_content"))
		return scan_piece(&c->s, &c->thinking);
	if (str_is(key, "reasoning"))
		return scan_piece(&c->s, &c->newer);
	return str_is(key, "role") ? wire_scan_scalar(&c->s) : scan_null(&c->s);
}

static bool scan_object(struct scanned *c, bool (*member)(struct scanned *c, struct str key))
{
	struct str key;
	if (!wire_scan_is(&c->s, '{'))
		return false;
	if (wire_scan_is(&c->s, '}'))
		return true;
	do
		if (!wire_scan_key(&c->s, &key) || !member(c, key))
			return false;
	while (wire_scan_is(&c->s, ','));
	return wire_scan_is(&c->s, '}');
}

static bool scan_choice_member(struct scanned *c, struct str key)
{
	int64_t index;
	if (str_is(key, "delta"))
		return c->deltas++ == 0 && scan_object(c, scan_delta_member);
	if (str_is(key, "index"))
		return wire_scan_i64(&c->s, &index) && index == 0;
	return scan_null(&c->s); /* finish_reason among them */
}

static bool scan_chunk_member(struct scanned *c, struct str key)
{
	if (str_is(key, "choices"))
		return c->choices++ == 0 && wire_scan_is(&c->s, '[') && scan_object(c, scan_choice_member)
			&& wire_scan_is(&c->s, ']');
	if (str_is(key, "usage") || str_is(key, "error"))
		return scan_null(&c->s);
	return wire_scan_scalar(&c->s);
}

bool openai_delta_scan(struct str data, struct buf *scratch, struct openai_delta *d)
{
	struct scanned c = { .s = { data.p, data.p + data.n } };
	if (!scan_object(&c, scan_chunk_member) || !wire_scan_end(&c.s))
		return false;
	const struct str *said = c.thinking.n ? &c.thinking : c.newer.n ? &c.newer : &c.content;
	d->kind = said == &c.content ? BLOCK_TEXT : BLOCK_THINKING;
	return c.content.n + c.thinking.n + c.newer.n == said->n && wire_text_plain(*said, scratch, &d->piece);
}
