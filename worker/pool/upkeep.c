/* SPDX-License-Identifier: MIT */
/* Does for everybody what only time brings: chores, each when it says that it is due again. */
#include "clock.h"
#include "fiber.h"
#include "pool_inner.h"

/* Somewhere around the interval, so that a fleet does not work in step. */
static int64_t jittered(int64_t ms)
{
	return ms * 3 / 4 + (int64_t)(drand48() * (double)(ms / 2 + 1));
}

/* Sooner when something is due before. */
static int64_t no_later(int64_t wait_ms, int64_t next_ms)
{
	return next_ms > 0 ? MIN_OF(next_ms, wait_ms) : wait_ms;
}

/* ---- the chores: *wait_ms until the next time ---- */

static bool maintain(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e)
{
	const struct pool_config *c = p->config;
	fiber_spares_trim();
	struct queue_rules rules = { c->max_attempts, c->max_crashes, pool_default_limits(p) };
	struct queue_news news;
	if (!queue_maintain(db, a, &rules, &p->sweep, deadline_in(SHORT_MS), &news, e))
		return false;
	if (news.ready)
		pool_wake_exchange(p); /* the backstop of every notification that was lost */
	*wait_ms = no_later(jittered(c->poll_ms), news.next_ms);
	return true;
}

static bool fire_schedules(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e)
{
	int64_t fired, next_ms;
	if (!queue_fire_schedules(db, a, deadline_in(SHORT_MS), &fired, &next_ms, e))
		return false;
	if (fired)
		pool_wake_exchange(p);
	*wait_ms = no_later(jittered(IDLE_LOOK_MS), next_ms);
	return true;
}

static bool prune(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e)
{
	enum { MORE_MS = 200, REST_MS = 60000 };
	int64_t pruned;
	bool more;
	if (!queue_prune(db, a, &p->config->retention, deadline_in(SHORT_MS), &pruned, &more, e))
		return false;
	*wait_ms = jittered(more ? MORE_MS : REST_MS);
	return true;
}

static bool budgets(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e)
{
	(void)a;
	*wait_ms = jittered(p->n_runs ? BUDGET_TEND_MS : IDLE_LOOK_MS);
	return budget_tend(&p->budgets, db, deadline_in(SHORT_MS), e);
}

static bool expire_proposals(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e)
{
	int64_t freed, next_ms;
	if (!queue_expire_proposals(db, a, deadline_in(SHORT_MS), &freed, &next_ms, e))
		return false;
	if (freed)
		pool_wake_exchange(p);
	*wait_ms = no_later(jittered(IDLE_LOOK_MS), next_ms);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct pool *p, struct arena *a, struct pg *db, int64_t *wait_ms, struct err *e);
} chores[] = {
	{ "maintain", maintain },
	{ "fire schedules", fire_schedules },
	{ "prune", prune },
	{ "tend budgets", budgets },
	{ "expire proposals", expire_proposals },
};

/* ---- the loop ---- */

static void run_chore(struct pool *p, size_t i, int64_t *due)
{
	ARENA_SCOPE(tmp);
	struct err e = { 0 };
	int64_t wait_ms = jittered(p->config->poll_ms);
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), &e);
	if (!db || !chores[i].run(p, tmp, db, &wait_ms, &e))
		if (!task_cancelled())
			log_write(LOG_WARN, "upkeep_failed", "%s: %s", chores[i].name, e.msg);
	pg_put(p->control, db);
	*due = clock_ms() + wait_ms;
}

bool pool_upkeep_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	int64_t due[COUNT(chores)] = { 0 };
	for (;;) {
		int64_t next = INT64_MAX;
		for (size_t i = 0; i < COUNT(chores); i++) {
			if (due[i] <= clock_ms())
				run_chore(p, i, &due[i]);
			next = MIN_OF(next, due[i]);
		}
		if (!loop_sleep(MAX_OF(next - clock_ms(), (int64_t)1), e) && task_cancelled())
			return pool_service_ended(p, e);
	}
}
