/* SPDX-License-Identifier: MIT */
/* Memory with one owner and one end: everything a request acquires lives in its arena and leaves with it. */
#pragma once
#include "base.h"
#include "str.h"

struct arena;

struct arena *arena_new(void);
/* Runs the deferred destructors, last one first, then frees all memory. NULL is allowed. */
void arena_free(struct arena *a);

void *arena_alloc(struct arena *a, size_t size); /* zeroed */
char *arena_text(struct arena *a, struct str s); /* NUL-terminated copy */
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * A list of n items of so many bytes with room for one more: itself, or a copy of twice its size. It is full when n is
 * a power of two, so nobody keeps its size; only for lists that grew by this alone. n 0: list is not read.
 */
void *arena_grow(struct arena *a, void *list, size_t n, size_t size);

/* Whatever is acquired is deferred on the next line. */
void arena_defer(struct arena *a, void (*end)(void *), void *what);

/* A scratch arena that ends with its block: ARENA_SCOPE(tmp); */
void arena_scope_end(struct arena **a);
#define ARENA_SCOPE(name) struct arena *name __attribute__((cleanup(arena_scope_end))) = arena_new()
