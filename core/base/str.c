/* SPDX-License-Identifier: MIT */
/* Views of text. */
#include "str.h"
#include <ctype.h>

struct str str_of(const char *text)
{
	return text ? (struct str){ text, strlen(text) } : (struct str){ "", 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_of(text));
}

bool str_starts(struct str s, const char *prefix)
{
	struct str p = str_of(prefix);
	return s.n >= p.n && str_eq((struct str){ s.p, p.n }, p);
}

struct str str_trim(struct str s)
{
	for (; s.n && isspace((unsigned char)s.p[0]); s.p++)
		s.n--;
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_next(struct str *rest, char separator, struct str *part)
{
	if (!rest->p)
		return false;
	const char *end = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	*part = (struct str){ rest->p, end ? (size_t)(end - rest->p) : rest->n };
	*rest = end ? (struct str){ end + 1, rest->n - part->n - 1 } : (struct str){ NULL, 0 };
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i = negative;
	int64_t n = 0;
	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		int digit = s.p[i] - '0';
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, digit, &n))
			return false; /* counted downwards: the negative range is the larger one */
	}
	if (!negative && n == INT64_MIN)
		return false;
	*out = negative ? n : -n;
	return true;
}

/* Levenshtein, on words short enough to be names. */
static size_t edit_distance(struct str a, struct str b)
{
	enum { LONGEST = 64 };
	size_t row[LONGEST + 1];
	if (a.n > LONGEST || b.n > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t swap = diagonal + (a.p[i - 1] != b.p[j - 1]);
			diagonal = row[j];
			row[j] = MIN_OF(swap, MIN_OF(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.n];
}

const char *str_nearest(struct str word, const char *const *choices, size_t n)
{
	const char *best = NULL;
	size_t nearest = MAX_OF(word.n / 3, (size_t)1) + 1;
	for (size_t i = 0; i < n; i++) {
		size_t d = edit_distance(word, str_of(choices[i]));
		if (d < nearest) {
			nearest = d;
			best = choices[i];
		}
	}
	return best;
}
