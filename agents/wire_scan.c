/* SPDX-License-Identifier: MIT */
#include "wire_scan.h"

enum { NUMBER_DIGITS = 15 }; /* that a double holds exactly */

static void skip_blanks(struct wire_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

bool wire_scan_is(struct wire_scan *s, char c)
{
	skip_blanks(s);
	bool is = s->p < s->end && *s->p == c;
	s->p += is;
	return is;
}

bool wire_scan_end(struct wire_scan *s)
{
	skip_blanks(s);
	return s->p == s->end;
}

/* The quote that ends the string, NULL when none does. A quote is looked for again only behind one that was escaped. */
static const char *text_end(const char *p, const char *end)
{
	const char *quote = NULL, *slash;
	for (;; p = slash + 2) {
		if (!quote || p > quote)
			quote = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
		slash = quote ? memchr(p, '\\', (size_t)(quote - p)) : NULL;
		if (!slash)
			return quote;
	}
}

bool wire_scan_text(struct wire_scan *s, struct str *raw)
{
	const char *end = wire_scan_is(s, '"') ? text_end(s->p, s->end) : NULL;
	if (!end)
		return false;
	*raw = (struct str){ s->p, (size_t)(end - s->p) };
	s->p = end + 1;
	return true;
}

bool wire_scan_key(struct wire_scan *s, struct str *key)
{
	return wire_scan_text(s, key) && !memchr(key->p, '\\', key->n) && wire_scan_is(s, ':');
}

bool wire_scan_i64(struct wire_scan *s, int64_t *n)
{
	skip_blanks(s);
	const char *start = s->p;
	int64_t sum = 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - start < NUMBER_DIGITS)
		sum = sum * 10 + (*s->p++ - '0');
	*n = sum;
	bool more = s->p < s->end && strchr(".eE+-0123456789", *s->p);
	return s->p > start && (*start != '0' || s->p == start + 1) && !more;
}

bool wire_scan_literal(struct wire_scan *s, struct str word)
{
	skip_blanks(s);
	bool is = (size_t)(s->end - s->p) >= word.n && memcmp(s->p, word.p, word.n) == 0;
	s->p += is ? word.n : 0;
	return is;
}

bool wire_scan_scalar(struct wire_scan *s)
{
	struct str text;
	int64_t n;
	skip_blanks(s);
	char c = s->p < s->end ? *s->p : '\0';
	if (c == '"')
		return wire_scan_text(s, &text) && !memchr(text.p, '\\', text.n);
	if (c >= '0' && c <= '9')
		return wire_scan_i64(s, &n);
	return wire_scan_literal(s, STR("null")) || wire_scan_literal(s, STR("true")) || wire_scan_literal(s, STR("false"));
}

/* ---- what a string says ---- */

static bool is_clean(struct str s)
{
	unsigned char all = 0, low = 1;
	for (size_t i = 0; i < s.n; i++) {
		all |= (unsigned char)s.p[i];
		low &= s.p[i] != '\0';
	}
	return low && (all < 0x80 || utf8_valid(s));
}

/* 0 = it takes a closer look. */
static char unescaped(char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(from, c) : NULL;
	return at ? to[at - from] : '\0';
}

bool wire_text_plain(struct str raw, struct buf *scratch, struct str *text)
{
	*text = raw;
	const char *slash = raw.n ? memchr(raw.p, '\\', raw.n) : NULL;
	if (!slash)
		return is_clean(raw);
	buf_clear(scratch);
	while (slash) {
		size_t n = (size_t)(slash - raw.p);
		char c = unescaped(slash[1]); /* a string's end is no backslash */
		if (!c || !buf_add(scratch, (struct str){ raw.p, n }) || !buf_add(scratch, (struct str){ &c, 1 }))
			return false;
		raw = (struct str){ slash + 2, raw.n - n - 2 };
		slash = raw.n ? memchr(raw.p, '\\', raw.n) : NULL;
	}
	if (!buf_add(scratch, raw))
		return false;
	*text = buf_str(scratch);
	return is_clean(*text);
}

/* ---- a part of what is known to be JSON ---- */

static void skip_value(struct wire_scan *s)
{
	struct str text;
	int depth = 0;
	do {
		skip_blanks(s);
		if (s->p == s->end)
			return;
		if (*s->p == '"') {
			if (!wire_scan_text(s, &text))
				return;
		} else {
			depth += *s->p == '{' || *s->p == '[' ? 1 : *s->p == '}' || *s->p == ']' ? -1 : 0;
			s->p++;
		}
	} while (depth > 0 || (s->p < s->end && !strchr(",]} \t\r\n", *s->p)));
}

static struct str value_take(struct wire_scan *s)
{
	skip_blanks(s);
	const char *start = s->p;
	skip_value(s);
	return (struct str){ start, (size_t)(s->p - start) };
}

bool wire_json_member(struct str json, const char *name, struct str *value)
{
	struct wire_scan s = { json.p, json.p + json.n };
	struct str key;
	if (!wire_scan_is(&s, '{'))
		return false;
	while (wire_scan_key(&s, &key)) {
		*value = value_take(&s);
		if (str_is(key, name))
			return true;
		if (!wire_scan_is(&s, ','))
			break;
	}
	return false;
}

bool wire_json_item(struct str json, size_t index, struct str *value)
{
	struct wire_scan s = { json.p, json.p + json.n };
	if (!wire_scan_is(&s, '['))
		return false;
	for (size_t i = 0; i <= index; i++) {
		*value = value_take(&s);
		if (!value->n || (i < index && !wire_scan_is(&s, ',')))
			return false;
	}
	return true;
}

/* ---- strictness ---- */

static size_t digits(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool at(struct str s, size_t i, const char *any)
{
	return i < s.n && s.p[i] && strchr(any, s.p[i]);
}

/* Length of the number at the start of s, 0 when there is none, or one that Postgres' numeric may not hold. */
static size_t number_length(struct str s)
{
	enum { DIGITS = 1000, EXPONENT = 3 };
	size_t n = at(s, 0, "-") ? 1 : 0, whole = digits((struct str){ s.p + n, s.n - n });
	if (!whole || whole > DIGITS || (whole > 1 && s.p[n] == '0'))
		return 0;
	n += whole;
	for (int part = 0; part < 2; part++) {
		if (!at(s, n, part == 0 ? "." : "eE"))
			continue;
		n++;
		n += part == 1 && at(s, n, "+-") ? 1 : 0;
		size_t more = digits((struct str){ s.p + n, s.n - n });
		if (!more || more > (part == 0 ? (size_t)DIGITS : (size_t)EXPONENT))
			return 0;
		n += more;
	}
	return n;
}

static bool is_strict_text(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++)
		if ((unsigned char)raw.p[i] < ' ')
			return false;
	return true;
}

bool wire_json_strict(struct str json)
{
	struct wire_scan s = { json.p, json.p + json.n };
	struct str raw;
	while (!wire_scan_end(&s)) {
		struct str rest = { s.p, (size_t)(s.end - s.p) };
		if (*s.p == '"') {
			if (!wire_scan_text(&s, &raw) || !is_strict_text(raw))
				return false;
		} else if (at(rest, 0, "{}[]:,")) {
			s.p++;
		} else if (at(rest, 0, "-0123456789")) {
			size_t n = number_length(rest);
			if (!n || at(rest, n, "+-.eE0123456789"))
				return false;
			s.p += n;
		} else if (!wire_scan_literal(&s, STR("null")) && !wire_scan_literal(&s, STR("true"))
			&& !wire_scan_literal(&s, STR("false"))) {
			return false;
		}
	}
	return json.n > 0;
}
