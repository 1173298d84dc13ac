/* SPDX-License-Identifier: MIT */
/* Sets of request ids: as the database answers them, and those that run here. */
#include "pool_inner.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void ids_sort(int64_t *ids, size_t n)
{
	if (n > 1)
		qsort(ids, n, sizeof(*ids), compare);
}

bool ids_contain(const int64_t *sorted, size_t n, int64_t id)
{
	return n && bsearch(&id, sorted, n, sizeof(*sorted), compare);
}

/* ---- those that run here ---- */

/* Ids come in order, so their low bits spread them. */
static struct run **bucket_of(const struct run_table *t, int64_t id)
{
	return &t->buckets[(size_t)id & (t->n_buckets - 1)];
}

void run_table_init(struct run_table *t, struct arena *a, size_t most)
{
	t->n_buckets = 64;
	while (t->n_buckets < most)
		t->n_buckets *= 2;
	t->buckets = arena_alloc(a, t->n_buckets * sizeof(*t->buckets));
}

void run_table_add(struct run_table *t, struct run *r)
{
	struct run **at = bucket_of(t, r->request.id);
	r->same_bucket = *at;
	*at = r;
}

void run_table_remove(struct run_table *t, struct run *r)
{
	struct run **at = bucket_of(t, r->request.id);
	while (*at != r)
		at = &(*at)->same_bucket;
	*at = r->same_bucket;
}

struct run *run_find(struct pool *p, int64_t request_id)
{
	struct run *r = *bucket_of(&p->by_id, request_id);
	while (r && r->request.id != request_id)
		r = r->same_bucket;
	return r;
}
