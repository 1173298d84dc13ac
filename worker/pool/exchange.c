/* SPDX-License-Identifier: MIT */
/*
 * The exchange with the queue: ended runs go out and ready requests come in, in one round trip; what gathers while one
 * is under way goes with the next. Sleeps until an insert, an ended run or the upkeep wakes it.
 */
#include "clock.h"
#include "pool_inner.h"

void pool_wake_claimer(struct pool *p)
{
	p->woken = true;
	task_wake(p->exchanger);
}

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

/* ---- the floor: what a claim need not look at ---- */

/* Claimed positions become the floor when they are old enough that nobody's insert below them is still uncommitted. */
static void floor_rise(struct floor *f, const struct queue_claim *got)
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
static bool floor_holds(struct floor *f, bool saturated)
{
	enum { QUIET_MS = 1000, SWEEP_MS = 5000 };
	int64_t now = clock_ms();
	if (!saturated || !f->id || now - f->since < QUIET_MS || now - f->swept < SWEEP_MS)
		return saturated && f->id && now - f->since >= QUIET_MS;
	f->swept = now;
	return false;
}

/* ---- one round trip ---- */

struct trip {
	struct run **runs;      /* that go out */
	struct queue_end *ends;
	size_t n;
	struct log_batch *rows;
	struct queue_wish wish;
	bool full, undecided;   /* there may be more; look again soon */
	bool just_told;         /* an insert that was under way meanwhile told nobody */
};

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
	int room = c->slots - (int)p->n_runs + (int)t->n;
	bool floored = !c->fair && floor_holds(&p->floor, p->saturated);
	t->wish = (struct queue_wish){ .worker_id = p->worker_id, .max = p->drains ? 0 : MIN_OF(room, c->batch),
		.default_limits = c->default_limits[0] ? c->default_limits : "{}", .fair = c->fair,
		.last_tenant = p->last_tenant[0] ? p->last_tenant : NULL,
		.floor_priority = floored ? p->floor.priority : 0, .floor_id = floored ? p->floor.id : 0 };
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Every run that went out hears of it. */
static void settle(struct trip *t, int64_t *ended, size_t n, const struct err *e)
{
	if (n > 1)
		qsort(ended, n, sizeof(*ended), compare_ids);
	for (size_t i = 0; i < t->n; i++) {
		struct run *r = t->runs[i];
		bool written = n && bsearch(&r->request.id, ended, n, sizeof(*ended), compare_ids);
		r->settled = written ? RUN_WRITTEN : e->kind ? RUN_NOT_WRITTEN : RUN_LOST;
		task_wake(r->task);
	}
}

static void take_in(struct pool *p, struct trip *t, const struct queue_claim *got)
{
	if (got->last_tenant)
		snprintf(p->last_tenant, sizeof(p->last_tenant), "%s", got->last_tenant);
	t->full = t->wish.max > 0 && got->looked >= t->wish.max;
	t->undecided = got->undecided > 0;
	p->saturated = t->full;
	floor_rise(&p->floor, got);
	if (!start_all(p, got->requests, got->n))
		t->full = t->undecided = false;
}

static bool trip_make(struct pool *p, struct arena *a, struct trip *t, struct err *e)
{
	int64_t *ended = NULL;
	size_t n_ended = 0;
	struct queue_claim got = { 0 };
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool sure = db && (!p->unsure || give_back_unknown(p, db, e));
	bool claims = t->wish.max > 0;
	bool ok = sure && queue_exchange(db, a, t->ends, t->n, t->rows, claims ? &t->wish : NULL, deadline_in(SHORT_MS),
		&ended, &n_ended, &got, e);
	pg_put(p->control, db);
	p->unsure |= sure && claims && !ok;
	settle(t, ended, n_ended, e);
	if (ok && claims)
		take_in(p, t, &got);
	return ok;
}

static bool exchange_once(struct pool *p, struct trip *t, struct err *e)
{
	ARENA_SCOPE(tmp);
	load(p, tmp, t);
	wish_for(p, t);
	return (!t->n && t->wish.max <= 0) || trip_make(p, tmp, t, e);
}

/* ---- the loop ---- */

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
static bool exchange_and_tell(struct pool *p, struct trip *t, struct err *e)
{
	p->woken = false;
	if (!exchange_once(p, t, e))
		return false;
	bool room = (int)p->n_runs < p->config->slots;
	bool wants = room && !t->full && !p->drains && p->listening;
	p->woken |= t->full && room;
	if (wants == p->wants_wake || p->ending)
		return true;
	p->woken |= wants;
	t->just_told = wants;
	return tell_wants_wake(p, wants, e);
}

/* Until something has ended or is ready. A session that was just changing is looked at again at once; and some time
 * after the word that we want to be told, for an insert that looked before and commits after. */
static bool wait_for_more(struct pool *p, const struct trip *t, struct err *e)
{
	enum { SOON_MS = 5, LATE_MS = 100 };
	int64_t until = t->undecided ? clock_ms() + SOON_MS : p->look_again_at; /* 0 = NEVER_MS */
	while (!p->ending && !(p->woken && !p->drains))
		if (!loop_park(until, e))
			break;
	if (t->just_told)
		p->look_again_at = clock_ms() + LATE_MS;
	else if (p->look_again_at && clock_ms() >= p->look_again_at)
		p->look_again_at = 0;
	return !task_cancelled();
}

bool pool_exchange_loop(void *pool, struct err *e)
{
	enum { PAUSE_MS = 100 };
	struct pool *p = pool;
	p->exchanger = task_self();
	for (;;) {
		struct err trouble = { 0 };
		struct trip t = { 0 };
		bool ok = exchange_and_tell(p, &t, &trouble);
		if (!ok && !task_cancelled())
			log_write(LOG_WARN, "exchange_failed", "%s", trouble.msg);
		if (ok ? !wait_for_more(p, &t, e) : !loop_sleep(PAUSE_MS, e) && task_cancelled())
			break;
	}
	p->exchanger = NULL;
	pool_settle_none(p);
	return pool_service_ended(p, e);
}

/* ---- for the runs ---- */

void pool_settle_none(struct pool *p)
{
	for (struct run *r; (r = p->ending);) {
		p->ending = r->next_ending;
		r->settled = RUN_NOT_WRITTEN;
		task_wake(r->task);
	}
	p->ending_end = &p->ending;
}

enum run_settled pool_settle(struct run *r, const struct queue_end *end)
{
	struct pool *p = r->pool;
	struct err ignored = { 0 };
	if (!p->exchanger)
		return RUN_NOT_WRITTEN;
	r->end = end;
	r->settled = RUN_UNSETTLED;
	r->next_ending = NULL;
	*p->ending_end = r;
	p->ending_end = &r->next_ending;
	task_wake(p->exchanger);
	while (r->settled == RUN_UNSETTLED)
		if (!loop_park(NEVER_MS, &ignored))
			task_cancel_clear(); /* it is being written: nothing that comes now matters */
	return r->settled;
}
