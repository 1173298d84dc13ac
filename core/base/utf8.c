/* SPDX-License-Identifier: MIT */
/* UTF-8 at every border: nothing else may reach a text column or a provider. */
#include "arena.h"
#include "str.h"

/* Bytes of the character that starts at s, 0 when none does. Ranges: RFC 3629 section 4. */
static size_t utf8_length(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
	if (!n || s.n < n)
		return 0;
	unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

static struct str skip(struct str s, size_t n)
{
	return (struct str){ s.p + n, s.n - n };
}

/* Length of the clean prefix; with text_column set, a NUL ends it too. */
static size_t clean_prefix(struct str s, bool text_column)
{
	struct str rest = s;
	while (rest.n) {
		size_t n = utf8_length(rest);
		if (!n || (text_column && rest.p[0] == '\0'))
			break;
		rest = skip(rest, n);
	}
	return s.n - rest.n;
}

bool utf8_valid(struct str s)
{
	return clean_prefix(s, false) == s.n;
}

struct str utf8_clean(struct arena *a, struct str s)
{
	size_t clean = clean_prefix(s, true);
	if (clean == s.n)
		return s;
	char *out = arena_alloc(a, s.n * 3 + 1); /* a bad byte becomes the three of U+FFFD */
	size_t n = 0;
	while (s.n) {
		clean = clean_prefix(s, true);
		memcpy(out + n, s.p, clean);
		n += clean;
		s = skip(s, clean);
		if (!s.n)
			break;
		memcpy(out + n, "\xEF\xBF\xBD", 3);
		n += 3;
		s = skip(s, 1);
	}
	return (struct str){ out, n };
}

size_t utf8_cut(struct str s, size_t n)
{
	if (n >= s.n)
		return s.n;
	while (n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	return n;
}
