/* SPDX-License-Identifier: MIT */
/* Claims while there are free slots; sleeps until an insert, an ended run or the poll wakes it. */
#include "clock.h"
#include "pool_inner.h"

void pool_wake_claimer(struct pool *p)
{
	p->woken = true;
	task_wake(p->claimer);
}

/* Somewhere in [1/2, 1] of the interval, so that a fleet does not poll in step. */
static int64_t jittered(int64_t ms)
{
	return ms / 2 + (int64_t)(drand48() * (double)(ms / 2 + 1));
}

/* False when there was no room for one: it is ready again, and asking for it at once would find no room again. */
static bool start_all(struct pool *p, const struct queue_request *requests, size_t n)
{
	bool all = true;
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };
		p->claimed++;
		if (run_start(p, &requests[i], &e))
			continue;
		log_write(LOG_ERROR, "run_not_started", "request %ld: %s", (long)requests[i].id, e.msg);
		all = false;
	}
	p->woken &= all;
	return all;
}

/* A claim whose answer was lost may have happened; a fate that could not be written left its request behind. */
static bool give_back_unknown(struct pool *p, struct pg *db, struct err *e)
{
	ARENA_SCOPE(tmp);
	int64_t *known = arena_alloc(tmp, (p->n_runs + 1) * sizeof(*known));
	size_t n = 0;
	for (struct run *r = p->runs; r; r = r->next)
		known[n++] = r->request.id;
	p->unsure = false; /* before the wait: a run that ends without its fate meanwhile is among the known */
	bool ok = queue_give_back(db, p->worker_id, known, n, deadline_in(SHORT_MS), e);
	p->unsure |= !ok;
	return ok;
}

/* *full: there may be more. */
static bool claim_once(struct pool *p, bool *full, struct err *e)
{
	ARENA_SCOPE(tmp);
	const struct queue_request *requests;
	size_t n;
	int room = p->config->slots - (int)p->n_runs, asked = MIN_OF(room, p->config->batch);
	*full = false;
	if (asked <= 0)
		return true;
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool sure = db && (!p->unsure || give_back_unknown(p, db, e));
	bool ok = sure && queue_claim(db, tmp, p->worker_id, asked, deadline_in(SHORT_MS), &requests, &n, e);
	pg_put(p->control, db);
	p->unsure |= sure && !ok;
	if (!ok)
		return false;
	*full = start_all(p, requests, n) && (int)n == asked;
	return true;
}

static bool tell_wants_wake(struct pool *p, bool wants, struct err *e)
{
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && queue_wants_wake(db, p->worker_id, wants, deadline_in(SHORT_MS), e);
	pg_put(p->control, db);
	if (ok)
		p->wants_wake = wants;
	return ok;
}

/* Who finds less than it asked for wants to be told of the next insert; and looks once more after saying so, for what
 * came in between. Who is full says that it need not be told. */
static bool claim_and_tell(struct pool *p, struct err *e)
{
	bool full;
	p->woken = false;
	if (!claim_once(p, &full, e))
		return false;
	bool room = (int)p->n_runs < p->config->slots;
	bool wants = room && !full && p->config->listen;
	if (full)
		p->woken = room;
	if (wants == p->wants_wake)
		return true;
	p->woken |= wants;
	return tell_wants_wake(p, wants, e);
}

bool pool_claim_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	p->claimer = task_self();
	while (!p->drains) {
		struct err trouble = { 0 };
		if (!claim_and_tell(p, &trouble) && !task_cancelled())
			log_write(LOG_WARN, "claim_failed", "%s", trouble.msg);
		int64_t deadline = clock_ms() + jittered(p->config->poll_ms);
		while (!p->woken && !p->drains)
			if (!loop_park(deadline, e))
				break;
		if (task_cancelled())
			break;
	}
	p->claimer = NULL;
	return pool_service_ended(p, e);
}
