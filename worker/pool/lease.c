/* SPDX-License-Identifier: MIT */
/* Keeps the lease, and hears with it who is told to stop. */
#include "clock.h"
#include "pool_inner.h"

enum { BEATS = 3 }; /* in the time of a lease */

static void cancel_all(struct pool *p, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct run *r = run_find(p, ids[i]);
		if (r)
			run_cancel(r);
	}
}

/* Others may have taken everything we run: stop at once, write nothing, begin anew under another id. */
static bool begin_anew(struct pool *p, struct err *e)
{
	log_write(LOG_ERROR, "lease_lost", "the lease of worker %s ran out; its %zu runs are given up", p->worker_id, p->n_runs);
	for (struct run *r = p->runs; r; r = r->next)
		run_fence(r);
	return pool_register(p, e);
}

/* A connection that hangs must leave time to ask over another one. */
static bool renew(struct pool *p, struct err *e)
{
	enum { LEAST_MS = 100 };
	ARENA_SCOPE(tmp);
	const int64_t *cancelled;
	size_t n;
	struct queue_load load = { (int)p->n_runs, p->claimed, p->finished, p->drains > 0 };
	int64_t asked = clock_ms(), deadline = deadline_in(MIN_OF(LEAST_MS + p->config->lease_ms / BEATS / 2, (int64_t)SHORT_MS));
	struct pg *db = pg_get(p->lease, deadline, e);
	bool ok = db && queue_heartbeat(db, tmp, &p->worker, &load, deadline, &cancelled, &n, e);
	pg_put(p->lease, db);
	if (!ok)
		return false;
	p->lease_ends = asked + p->config->lease_ms;
	cancel_all(p, cancelled, n);
	return true;
}

/* Until the next beat is due, or the listener has heard that the database has news for us. */
static bool wait_for_beat(struct pool *p, int64_t wait_ms, struct err *e)
{
	int64_t deadline = clock_ms() + wait_ms;
	while (!p->ask_now && loop_park(deadline, e))
		;
	p->ask_now = false;
	return !task_cancelled();
}

bool pool_lease_loop(void *pool, struct err *e)
{
	enum { RETRY_MS = 250 };
	struct pool *p = pool;
	int64_t wait_ms = p->config->lease_ms / BEATS;
	p->leaser = task_self();
	while (wait_for_beat(p, wait_ms, e)) {
		struct err trouble = { 0 };
		bool ok = renew(p, &trouble);
		if (!ok && !task_cancelled())
			log_write(LOG_WARN, "heartbeat_failed", "%s", trouble.msg);
		if (trouble.kind == ERR_FENCE || (!ok && clock_ms() >= p->lease_ends))
			ok = begin_anew(p, &trouble);
		wait_ms = ok ? p->config->lease_ms / BEATS : RETRY_MS;
	}
	p->leaser = NULL;
	return pool_service_ended(p, e);
}
