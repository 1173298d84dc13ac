/* SPDX-License-Identifier: MIT */
#include "wire.h"
#include <ctype.h>

enum { ESCAPE_BYTES = 6, NO_ESCAPE = -1, SECRET_MIN_BYTES = 8 };

/* The code unit of the \uXXXX that s starts with. */
static int escape_unit(struct str s)
{
	if (s.n < ESCAPE_BYTES || s.p[0] != '\\' || s.p[1] != 'u')
		return NO_ESCAPE;
	int unit = 0;
	for (size_t i = 2; i < ESCAPE_BYTES; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!isxdigit(c))
			return NO_ESCAPE;
		unit = unit * 16 + (isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int unit)
{
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* How long the escape at the start of s is, and whether it must go. */
static size_t escape_take(struct str s, bool *bad)
{
	int unit = escape_unit(s);
	*bad = false;
	if (unit == NO_ESCAPE)
		return MIN_OF((size_t)2, s.n);
	if (is_high(unit) && is_low(escape_unit((struct str){ s.p + ESCAPE_BYTES, s.n - ESCAPE_BYTES })))
		return (size_t)2 * ESCAPE_BYTES;
	*bad = unit == 0 || is_high(unit) || is_low(unit);
	return ESCAPE_BYTES;
}

struct str wire_mend_json(struct arena *a, struct str json)
{
	char *mended = NULL;
	size_t i = 0;
	while (i < json.n) {
		const char *slash = memchr(json.p + i, '\\', json.n - i);
		if (!slash)
			break;
		i = (size_t)(slash - json.p);
		bool bad;
		size_t n = escape_take((struct str){ slash, json.n - i }, &bad);
		if (bad && !mended)
			mended = arena_text(a, json);
		if (bad)
			memcpy(mended + i, "\\ufffd", ESCAPE_BYTES);
		i += n;
	}
	return mended ? (struct str){ mended, json.n } : json;
}

static struct str take_out(struct arena *a, struct str text, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;
	const char *at = n >= SECRET_MIN_BYTES && text.n ? memmem(text.p, text.n, secret, n) : NULL;
	if (!at)
		return text;
	struct buf *out = buf_new(a, text.n);
	for (; at; at = text.n ? memmem(text.p, text.n, secret, n) : NULL) {
		size_t before = (size_t)(at - text.p);
		buf_add(out, (struct str){ text.p, before });
		buf_add(out, STR("[key]"));
		text = (struct str){ at + n, text.n - before - n };
	}
	buf_add(out, text);
	return buf_str(out);
}

const char *wire_excerpt(struct arena *a, struct str text, size_t max, const char *secret)
{
	text = utf8_clean(a, take_out(a, text, secret));
	char *line = arena_alloc(a, text.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		bool blank = (unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7F;
		if (!blank)
			line[n++] = text.p[i];
		else if (n > 0 && line[n - 1] != ' ')
			line[n++] = ' ';
	}
	line[utf8_cut((struct str){ line, n }, max)] = '\0';
	return line;
}
