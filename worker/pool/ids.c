/* SPDX-License-Identifier: MIT */
/* Sets of request ids, as the database answers them. */
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
