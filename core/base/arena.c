/* SPDX-License-Identifier: MIT */
/* Bump blocks and a list of deferred destructors. Under ASAN each allocation is its own, so overflows are seen. */
#include "arena.h"
#include <stdarg.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SEPARATE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE 1
#endif
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE 0
#endif

/* Most arenas hold little, some for as long as a stream lives: blocks begin small and double. */
enum { FIRST_BYTES = 1024 - 64, BLOCK_BYTES = 4096 - 64, ALIGNMENT = 16 };

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(ALIGNMENT) char bytes[];
};

struct deferred {
	struct deferred *next;
	void (*end)(void *);
	void *what;
};

struct arena {
	struct block *blocks;
	struct deferred *deferred;
};

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p) {
		fprintf(stderr, "drover: out of memory (%zu bytes)\n", size);
		abort();
	}
	return p;
}

void *mem_grow(void *old, size_t size)
{
	void *p = realloc(old, size);
	if (!p) {
		fprintf(stderr, "drover: out of memory (%zu bytes)\n", size);
		abort();
	}
	return p;
}

struct arena *arena_new(void)
{
	return mem_alloc(sizeof(struct arena));
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct deferred *d; (d = a->deferred);) {
		a->deferred = d->next; /* a destructor may defer again */
		d->end(d->what);
	}
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

static size_t next_bytes(const struct arena *a)
{
	return a->blocks ? MIN_OF(a->blocks->size * 2, (size_t)BLOCK_BYTES) : FIRST_BYTES;
}

static struct block *block_add(struct arena *a, size_t size)
{
	struct block *b = mem_alloc(sizeof(*b) + size);
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct block *b = a->blocks;
	if (ARENA_SEPARATE || !b || b->size - b->used < size)
		b = block_add(a, ARENA_SEPARATE ? size : MAX_OF(size, next_bytes(a)));
	void *p = b->bytes + b->used;
	b->used += size;
	return p;
}

void *arena_grow(struct arena *a, void *list, size_t n, size_t size)
{
	if (n & (n - 1))
		return list;
	void *larger = arena_alloc(a, (n ? 2 * n : 1) * size);
	if (n)
		memcpy(larger, list, n * size);
	return larger;
}

char *arena_text(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	char none[1];
	int n = vsnprintf(none, 0, format, args);
	va_end(args);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	return p;
}

void arena_defer(struct arena *a, void (*end)(void *), void *what)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));
	*d = (struct deferred){ a->deferred, end, what };
	a->deferred = d;
}

void arena_scope_end(struct arena **a)
{
	arena_free(*a);
}
