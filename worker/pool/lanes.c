/* SPDX-License-Identifier: MIT */
/* Lanes of this process and what other workers know: through drover.lanes always, through Redis where there is one. */
#include "agents_sql.h"
#include "clock.h"
#include "lane.h"
#include "lanes_redis.h"
#include "pool_inner.h"

enum { FALLBACK_MOST = 16, WRITE_MS = 1000 };

struct pool_lanes {
	struct lanes_redis *redis; /* NULL = none is configured */
	struct task *task;         /* of the fiber that writes and reads drover.lanes */
	bool news;                 /* there is something to write */
};

/* ---- the process ---- */

static void changed(void *self)
{
	struct pool *p = self;
	p->lanes->news = true;
	task_wake(p->lanes->task);
}

static bool take(void *self, const struct lane_count *count, int64_t deadline, struct lane_answer *answer, struct err *e)
{
	struct pool *p = self;
	*answer = (struct lane_answer){ .verdict = LANE_ALONE };
	return !p->lanes->redis || lanes_redis_take(p->lanes->redis, count, deadline, answer, e);
}

static void tell(void *self, const struct lane_count *count)
{
	struct pool *p = self;
	if (p->lanes->redis)
		lanes_redis_tell(p->lanes->redis, count);
}

void pool_lanes_new(struct pool *p)
{
	const struct pool_config *c = p->config;
	struct lane_share share = { p, take, tell, changed };
	p->lanes = arena_alloc(p->arena, sizeof(*p->lanes));
	if (c->redis_url && *c->redis_url)
		p->lanes->redis = lanes_redis_new(c->redis_url, c->redis_ms);
	p->models.lanes = lanes_new(&c->lanes, &share);
}

void pool_lanes_free(struct pool *p)
{
	lanes_free(p->models.lanes);
	lanes_redis_free(p->lanes->redis);
}

bool pool_redis_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	while (!p->lanes->redis && !task_cancelled())
		loop_park(NEVER_MS, e);
	if (p->lanes->redis)
		lanes_redis_loop(p->lanes->redis, e);
	return pool_service_ended(p, e);
}

/* ---- the models after the default ---- */

bool pool_fallback_find(struct pool *p, struct err *e)
{
	struct str rest = str_of(p->config->fallback), part;
	const char **names = arena_alloc(p->arena, (FALLBACK_MOST + 1) * sizeof(*names));
	size_t n = 0;
	while (str_next(&rest, ',', &part)) {
		const char *name = arena_text(p->arena, str_trim(part));
		if (!*name)
			continue;
		if (n == FALLBACK_MOST)
			return FAIL(e, ERR_INPUT, "too_many_models", "option model.fallback names more than %d models",
				FALLBACK_MOST);
		if (!model_find(&p->models, name))
			return FAIL(e, ERR_INPUT, "unknown_model", "option model.fallback names %s, which is neither model.name nor in "
				"models.yaml", name);
		names[n++] = name;
	}
	if (n)
		p->models.fallback = names;
	return true;
}

/* ---- drover.lanes ---- */

static int64_t as_integer(int64_t n)
{
	return MIN_OF(n, (int64_t)INT32_MAX);
}

static const char *states_json(struct arena *a, const struct lane_state *all, size_t n)
{
	cJSON *list = json_array(a);
	for (size_t i = 0; i < n; i++) {
		cJSON *one = json_add_object(list);
		json_put_text(one, "lane", all[i].name);
		json_put_text(one, "reason", lane_reason_name(all[i].reason));
		json_put_i64(one, "paused_ms", all[i].paused_ms);
		json_put_text(one, "why", all[i].why);
		json_put_i64(one, "requests_per_minute", as_integer(all[i].learned_requests));
		json_put_i64(one, "tokens_per_minute", as_integer(all[i].learned_tokens));
	}
	return json_print(a, list);
}

static void hear(struct pool *p, struct arena *a, const struct pg_rows *rows)
{
	struct lane_state *all = arena_alloc(a, ((size_t)rows->n + 1) * sizeof(*all));
	size_t n = 0;
	for (int i = 0; i < rows->n; i++)
		if (pg_text(rows, i, "lane"))
			all[n++] = (struct lane_state){ pg_text(rows, i, "lane"), lane_reason_of(pg_text(rows, i, "reason")),
				pg_i64(rows, i, "paused_ms"), pg_text(rows, i, "why"), pg_i64(rows, i, "requests_per_minute"),
				pg_i64(rows, i, "tokens_per_minute") };
	lanes_set_workers(p->models.lanes, pg_i64(rows, 0, "workers"));
	lanes_told(p->models.lanes, all, n);
}

enum { STATES_MOST = 100 };

static size_t states_take(struct pool *p, struct lane_state *all)
{
	size_t n = 0;
	p->lanes->news = false;
	while (n < STATES_MOST && lanes_changed(p->models.lanes, &all[n]))
		n++;
	return n;
}

static bool sync_once(struct pool *p, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct lane_state *all = arena_alloc(tmp, STATES_MOST * sizeof(*all));
	size_t n = states_take(p, all);
	const char *json = states_json(tmp, all, n);
	struct pg_rows rows;
	struct pg_step steps[] = { { &sql_lane_put, PG_ARGS(PG(json)), NULL }, { &sql_lane_read, PG_NO_ARGS, &rows } };
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && pg_batch(db, tmp, steps + (n == 0), COUNT(steps) - (n == 0), deadline_in(SHORT_MS), e);
	pg_put(p->control, db);
	for (size_t i = 0; !ok && i < n; i++)
		lanes_change_again(p->models.lanes, &all[i]);
	if (ok)
		hear(p, tmp, &rows);
	p->lanes->news |= n == STATES_MOST || (!ok && n > 0);
	return ok;
}

void pool_lanes_wake(struct pool *p)
{
	task_wake(p->lanes->task);
}

/* At most once a second, whatever happens to the lanes; without news as often as upkeep, and rarely while nothing runs. */
static bool wait_for_news(struct pool *p, struct err *e)
{
	int64_t began = clock_ms(), poll = began + p->config->poll_ms, soon = MIN_OF(began + WRITE_MS, poll);
	for (;;) {
		int64_t until = p->lanes->news ? soon : p->n_runs ? poll : began + IDLE_LOOK_MS;
		if (clock_ms() >= until)
			return true;
		if (!loop_park(until, e) && e->kind != ERR_TIMEOUT)
			return false;
	}
}

bool pool_lanes_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	p->lanes->task = task_self();
	do {
		struct err trouble = { 0 };
		if (!sync_once(p, &trouble) && !task_cancelled())
			log_write(LOG_WARN, "upkeep_failed", "lanes: %s", trouble.msg);
	} while (wait_for_news(p, e));
	p->lanes->task = NULL;
	return pool_service_ended(p, e);
}
