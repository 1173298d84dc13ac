/* SPDX-License-Identifier: MIT */
/*
 * The exchange with the queue: ended runs go out and ready requests come in, in one round trip; what gathers while one
 * is under way goes with the next. Sleeps until an insert, an ended run or the upkeep wakes it.
 */
#include "clock.h"
#include "pool_inner.h"

void pool_wake_exchange(struct pool *p)
{
	p->woken = true;
	task_wake(p->exchanger);
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
static bool exchange_and_tell(struct pool *p, struct trip *t, struct err *e)
{
	p->woken = false;
	if (!trip_once(p, t, e))
		return false;
	bool room = (int)p->n_runs < p->config->slots;
	bool wants = room && !t->full && !p->drains && p->listening && !crowd_is(&p->crowd);
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
	bool soon = t->undecided || (crowd_is(&p->crowd) && !p->drains);
	int64_t until = soon ? clock_ms() + SOON_MS : p->look_again_at; /* 0 = NEVER_MS */
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

/* ---- the second ---- */

/* While there is more work than workers, a second trip is made while the first waits for the disk. */
static bool second_may_go(const struct pool *p)
{
	bool room = p->config->slots - (int)p->n_runs - p->asked > 0;
	return p->trips == 1 && p->saturated && !p->unsure && !p->giving_back && (p->ending || (room && !p->drains));
}

bool pool_second_loop(void *pool, struct err *e)
{
	enum { PAUSE_MS = 100 };
	struct pool *p = pool;
	p->second = task_self();
	while (!task_cancelled()) {
		struct err trouble = { 0 };
		struct trip t = { 0 };
		if (!second_may_go(p))
			loop_park(NEVER_MS, e);
		else if (!trip_once(p, &t, &trouble) && !task_cancelled()) {
			log_write(LOG_WARN, "exchange_failed", "%s", trouble.msg);
			loop_sleep(PAUSE_MS, e);
		}
	}
	p->second = NULL;
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
	task_wake(p->second);
	while (r->settled == RUN_UNSETTLED)
		if (!loop_park(NEVER_MS, &ignored))
			task_cancel_clear(); /* it is being written: nothing that comes now matters */
	return r->settled;
}
