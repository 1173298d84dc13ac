/* SPDX-License-Identifier: MIT */
/* One round trip to the queue: ended runs go out, ready requests come in. */
#include "clock.h"
#include "pool_inner.h"

/* ---- what comes in ---- */

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
	if (p->told_unknown) { /* one of these may have been told to stop while its claim was under way */
		p->told_unknown = false;
		p->ask_now = true;
		task_wake(p->leaser);
	}
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

/* ---- the trip ---- */

static void load(struct pool *p, struct arena *a, struct trip *t)
{
	enum { ROWS_BYTES = 4 * 1024 * 1024 };
	int64_t most = p->config->batch;
	t->runs = arena_alloc(a, (size_t)(most + 1) * sizeof(struct run *));
	t->ends = arena_alloc(a, (size_t)(most + 1) * sizeof(struct queue_end));
	t->rows = log_batch_new(a);
	for (struct run *r; (r = p->ending) && (int64_t)t->n < most && t->rows->messages.n + t->rows->data.n < ROWS_BYTES;) {
		p->ending = r->next_ending;
		run_rows(r, t->rows);
		t->runs[t->n] = r;
		t->ends[t->n++] = *r->end;
	}
	if (!p->ending)
		p->ending_end = &p->ending;
}

static void wish_for(struct pool *p, struct trip *t)
{
	const struct pool_config *c = p->config;
	int room = c->slots - (int)p->n_runs - p->asked + (int)t->n;
	/* what may be in our name unknown is given back first, and nobody else's answer may be on its way then */
	bool claims = !p->drains && !p->giving_back && !(p->unsure && p->trips);
	bool floored = !c->fair && floor_holds(&p->floor, p->saturated);
	t->wish = (struct queue_wish){ .worker_id = p->worker_id, .max = claims ? MAX_OF(MIN_OF(room, c->batch), 0) : 0,
		.default_limits = pool_default_limits(p), .fair = c->fair,
		.last_tenant = p->last_tenant[0] ? p->last_tenant : NULL,
		.floor_priority = floored ? p->floor.priority : 0, .floor_id = floored ? p->floor.id : 0 };
}

/* Every run that went out hears of it. */
static void settle(struct trip *t, int64_t *ended, size_t n, const struct err *e)
{
	ids_sort(ended, n);
	for (size_t i = 0; i < t->n; i++) {
		struct run *r = t->runs[i];
		bool written = ids_contain(ended, n, r->request.id);
		r->settled = written ? RUN_WRITTEN : e->kind ? RUN_NOT_WRITTEN : RUN_LOST;
		task_wake(r->task);
	}
}

static void take_in(struct pool *p, struct trip *t, const struct queue_claim *got)
{
	if (got->last_tenant)
		snprintf(p->last_tenant, sizeof(p->last_tenant), "%s", got->last_tenant);
	t->full = got->looked >= t->wish.max;
	t->undecided = got->undecided > 0;
	p->saturated = t->full;
	floor_rise(&p->floor, got);
	if (crowd_is(&p->crowd))
		crowd_count(&p->crowd, got->n);
	if (!start_all(p, got->requests, got->n))
		t->full = t->undecided = false;
}

static bool trip_make(struct pool *p, struct arena *a, struct trip *t, struct err *e)
{
	int64_t *ended = NULL;
	size_t n_ended = 0;
	struct queue_claim got = { 0 };
	bool claims = t->wish.max > 0;
	p->trips++;
	p->asked += t->wish.max;
	task_wake(p->second);
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	claims = claims && !(p->unsure && p->trips > 1); /* again, after the wait: another's answer may be on its way */
	p->giving_back = claims && p->unsure;
	bool sure = db && (!p->giving_back || give_back_unknown(p, db, e));
	p->giving_back = false;
	bool ok = sure && queue_exchange(db, a, t->ends, t->n, t->rows, claims ? &t->wish : NULL, deadline_in(SHORT_MS),
		&ended, &n_ended, &got, e);
	pg_put(p->control, db);
	p->trips--;
	p->asked -= t->wish.max;
	p->unsure |= sure && claims && !ok;
	if (p->unsure)
		pool_wake_exchange(p); /* alone, it gives back */
	settle(t, ended, n_ended, e);
	if (ok && claims)
		take_in(p, t, &got);
	return ok;
}

bool trip_once(struct pool *p, struct trip *t, struct err *e)
{
	ARENA_SCOPE(tmp);
	load(p, tmp, t);
	wish_for(p, t);
	return (!t->n && !t->wish.max) || trip_make(p, tmp, t, e);
}
