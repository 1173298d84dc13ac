/* SPDX-License-Identifier: MIT */
/* What a claim need not look at: where a snapshot is held, entries of what was claimed stay in the index. */
#include "clock.h"
#include "pool_inner.h"

void floor_rise(struct floor *f, const struct queue_claim *got)
{
	enum { SETTLED_MS = 2000 };
	int64_t now = clock_ms();
	if (got->returns != f->returns)
		*f = (struct floor){ .returns = got->returns, .since = now };
	if (!got->n || (f->next_at && now - f->next_at < SETTLED_MS))
		return;
	const struct queue_request *last = &got->requests[got->n - 1];
	f->priority = f->next_priority;
	f->id = f->next_id;
	f->next_priority = last->priority;
	f->next_id = last->id;
	f->next_at = now;
}

/* Only while there is more work than workers: dead index entries cost then, and a late row is not what is waited for.
 * Now and then all is looked at anyway. */
bool floor_holds(struct floor *f, bool saturated)
{
	enum { QUIET_MS = 1000, SWEEP_MS = 5000 };
	int64_t now = clock_ms();
	if (!saturated || !f->id || now - f->since < QUIET_MS || now - f->swept < SWEEP_MS)
		return saturated && f->id && now - f->since >= QUIET_MS;
	f->swept = now;
	return false;
}
