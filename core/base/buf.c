/* SPDX-License-Identifier: MIT */
/* The growing buffer: never past its limit, and it says when something did not fit. */
#include "arena.h"
#include "str.h"

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit };
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .limit = b->limit };
}

static void buf_end(void *b)
{
	buf_done(b);
}

struct buf *buf_new(struct arena *a, size_t limit)
{
	struct buf *b = arena_alloc(a, sizeof(*b));
	buf_init(b, limit);
	arena_defer(a, buf_end, b);
	return b;
}

static bool buf_reserve(struct buf *b, size_t more)
{
	if (b->full || more > b->limit - b->n) {
		b->full = true;
		return false;
	}
	size_t need = b->n + more + 1;
	if (need > b->capacity) {
		size_t doubled = MAX_OF(b->capacity * 2, (size_t)64);
		b->capacity = MAX_OF(need, MIN_OF(doubled, b->limit + 1));
		b->p = mem_grow(b->p, b->capacity);
	}
	return true;
}

bool buf_add(struct buf *b, struct str s)
{
	if (!buf_reserve(b, s.n))
		return false;
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
	return true;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	char none[1];
	int n = vsnprintf(none, 0, format, args);
	va_end(args);
	bool fits = buf_reserve(b, (size_t)n);
	if (fits) {
		vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
		b->n += (size_t)n;
	}
	va_end(again);
	return fits;
}

void buf_drop(struct buf *b, size_t n)
{
	if (!n)
		return;
	memmove(b->p, b->p + n, b->n - n + 1);
	b->n -= n;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->full = false;
	if (b->p)
		b->p[0] = '\0';
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}
