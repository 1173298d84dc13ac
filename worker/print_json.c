/* SPDX-License-Identifier: MIT */
/* JSON for programs, one line, and for people, many: valid as it came, but with nothing that a terminal obeys. */
#include "print.h"
#include "print_inner.h"

/* Outside ASCII these stand in strings only, where \u means the same. */
static void put_escaped(FILE *to, uint32_t c)
{
	if (c < 0x10000)
		fprintf(to, "\\u%04x", c);
	else
		fprintf(to, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* Puts the character at s.p; returns its length. */
static size_t put_character(FILE *to, struct str s)
{
	size_t n;
	uint32_t c = print_decode(s, &n);
	if (c < 0x20)
		fputc(' ', to); /* a blank between tokens: strings have none of these */
	else if (print_is_control(c))
		put_escaped(to, c);
	else
		fwrite(s.p, 1, n, to);
	return n;
}

void print_json_text(const struct printer *p, struct str json)
{
	ARENA_SCOPE(tmp);
	json = utf8_clean(tmp, json);
	for (size_t n; json.n; json.p += n, json.n -= n)
		n = put_character(p->to, json);
	fputc('\n', p->to);
}

void print_json(const struct printer *p, const cJSON *value)
{
	ARENA_SCOPE(tmp);
	print_json_text(p, str_of(json_print(tmp, value)));
}

/* ---- for people ---- */

static size_t put_string(FILE *to, struct str s)
{
	size_t i = 0;
	bool escaped = false;
	do {
		escaped = !escaped && s.p[i] == '\\';
		i += put_character(to, (struct str){ s.p + i, s.n - i });
	} while (i < s.n && (escaped || s.p[i] != '"'));
	if (i < s.n)
		fputc('"', to);
	return MIN_OF(i + 1, s.n);
}

static struct str skip_blanks(struct str s)
{
	while (s.n && strchr(" \t\r\n", *s.p)) {
		s.p++;
		s.n--;
	}
	return s;
}

static void put_line(FILE *to, int indent, int depth)
{
	fprintf(to, "\n%*s", indent + 2 * depth, "");
}

/* Puts one token and the break after or before it; returns its length. */
static size_t put_token(FILE *to, struct str s, int indent, int *depth)
{
	bool opens = *s.p == '{' || *s.p == '[', closes = *s.p == '}' || *s.p == ']';
	if (*s.p == '"')
		return put_string(to, s);
	if (opens) {
		struct str after = skip_blanks((struct str){ s.p + 1, s.n - 1 });
		if (after.n && (*after.p == '}' || *after.p == ']')) {
			fprintf(to, "%c%c", *s.p, *after.p);
			return (size_t)(after.p - s.p) + 1;
		}
	}
	*depth += opens - closes;
	if (closes)
		put_line(to, indent, *depth);
	size_t n = put_character(to, s);
	if (*s.p == ':')
		fputc(' ', to);
	else if (opens || *s.p == ',')
		put_line(to, indent, *depth);
	return n;
}

void print_json_pretty(const struct printer *p, const char *json, int indent)
{
	ARENA_SCOPE(tmp);
	struct str s = skip_blanks(utf8_clean(tmp, str_of(json)));
	int depth = 0;
	fprintf(p->to, "%*s", indent, "");
	while (s.n) {
		size_t n = put_token(p->to, s, indent, &depth);
		s = skip_blanks((struct str){ s.p + n, s.n - n });
	}
	fputc('\n', p->to);
}
