/* SPDX-License-Identifier: MIT */
/* When many inserts come: commits that notify go one after the other, so a worker that is told too often looks by itself
 * for a while, every few milliseconds, and lets nobody tell it. */
#include "clock.h"
#include "pool_inner.h"

enum { WINDOW_MS = 50, MANY = 10, STAY_MS = 250 };

void crowd_count(struct crowd *c, size_t n)
{
	int64_t now = clock_ms();
	if (now - c->began >= WINDOW_MS) {
		c->began = now;
		c->n = 0;
	}
	c->n += n;
	if (c->n >= MANY)
		c->until = now + STAY_MS;
}

bool crowd_is(const struct crowd *c)
{
	return clock_ms() < c->until;
}
