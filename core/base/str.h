/* SPDX-License-Identifier: MIT */
/* Text: a view that never owns, and a growing buffer that never grows past its limit. */
#pragma once
#include "base.h"
#include <stdarg.h>

struct arena;

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_ARGS(s) (int)(s).n, (s).p /* for "%.*s" */
struct str str_of(const char *text); /* NULL gives an empty view */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_starts(struct str s, const char *prefix);
struct str str_trim(struct str s);
/* Cuts the next part of *rest off at the separator; false when nothing is left. */
bool str_next(struct str *rest, char separator, struct str *part);
bool str_to_i64(struct str s, int64_t *out); /* whole text, decimal; false on anything else */
/* The choice nearest to the word by edits, for "did you mean"; NULL when none is near. */
const char *str_nearest(struct str word, const char *const *choices, size_t n);

/* UTF-8 as RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct str s);
/* A copy that any text column takes: invalid sequences become U+FFFD, NUL too. Returns s itself when it is clean. */
struct str utf8_clean(struct arena *a, struct str s);
/* The longest prefix of at most n bytes that does not split a character. */
size_t utf8_cut(struct str s, size_t n);

struct buf {
	char *p; /* NUL-terminated whenever n > 0 */
	size_t n, capacity, limit;
	bool full; /* something did not fit: sticky; what was there stays */
};

/* In place; buf_done frees. A buf in an arena: buf_new(a, limit), freed with it. */
void buf_init(struct buf *b, size_t limit);
void buf_done(struct buf *b);
struct buf *buf_new(struct arena *a, size_t limit);
/* All return !b->full. */
bool buf_add(struct buf *b, struct str s);
bool buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */
void buf_clear(struct buf *b);          /* empty and not full; keeps the memory */
struct str buf_str(const struct buf *b);
