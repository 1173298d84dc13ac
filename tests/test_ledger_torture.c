/* SPDX-License-Identifier: MIT */
/*
 * Every wait of a worker fails, one after the other, while its request calls outside with each policy, asks people and
 * calls an agent. Nothing is lost, and outside nothing is doubled but where the policy says so.
 */
#include "clock.h"
#include "world.h"

struct trial {
	struct rig *r;
	int64_t k, id, waits;
	enum err_kind kind;
};

static bool tortured_worker(void *arg, struct err *e)
{
	struct trial *t = arg;
	task_torture_mark();
	loop_torture(t->k, t->kind);
	t->r->pool = pool_new(&t->r->config);
	bool ok = pool_serve(t->r->pool, e);
	t->waits = loop_torture(0, ERR_NONE);
	pool_free(t->r->pool);
	t->r->pool = NULL;
	return ok;
}

static bool has_ended(struct arena *a, const struct trial *t)
{
	return strcmp(rig_sql(a, t->r, "select count(*) from agent_requests where id = %ld and finished_at is not null", t->id),
		"1") == 0;
}

/* An operator says yes to whatever is asked. */
static void say_yes(struct arena *a, const struct trial *t)
{
	rig_sql(a, t->r, "select drover.decide_proposal(id, 'approved', null) from change_proposals where request_id = %ld and "
		"status = 'open'", t->id);
}

static bool serve_tortured(struct arena *a, struct trial *t, struct err *e)
{
	enum { PATIENCE_MS = 6000 };
	struct rig *r = t->r;
	r->serving = (struct group){ .keep_going = true };
	if (!group_start(&r->serving, "worker", tortured_worker, t, e))
		return false;
	for (int64_t end = clock_ms() + PATIENCE_MS; r->serving.running && !has_ended(a, t) && clock_ms() < end; say_yes(a, t))
		if (!loop_sleep(3, e))
			return false;
	if (r->pool) {
		pool_drain(r->pool);
		pool_drain(r->pool);
	}
	return group_wait(&r->serving, NEVER_MS, e);
}

static bool one_key(const char *tool)
{
	const char *key = NULL;
	for (size_t i = 0; i < world.n; i++) {
		if (strcmp(world.sent[i].tool, tool) != 0)
			continue;
		if (key && strcmp(key, world.sent[i].key) != 0)
			return false;
		key = world.sent[i].key;
	}
	return true;
}

/* done = it happened, once or by its policy; unknown = at most once. */
static bool outside_in_order(struct arena *a, const struct trial *t)
{
	static const struct { const char *tool; int64_t most; } tools[] = {
		{ "send_tell", 1 }, { "send_repeat", 5 }, { "send_probed", 1 }, { "send_human", 2 },
	};
	bool all = true;
	for (size_t i = 0; i < COUNT(tools); i++) {
		const char *status = rig_sql(a, t->r, arena_printf(a, "select string_agg(status, ' ') from tool_executions where "
			"tool_name = '%s' and request_id = %%ld", tools[i].tool), t->id);
		int64_t n = world_sent(tools[i].tool);
		bool done = strcmp(status, "done") == 0, unknown = strcmp(status, "unknown") == 0;
		all &= CHECK((done && n >= 1) || unknown);
		all &= CHECK(n <= tools[i].most) & CHECK(one_key(tools[i].tool));
		if (!all)
			printf("      %s is %s and was called %ld times\n", tools[i].tool, status, (long)n);
	}
	return all;
}

static bool in_order(struct arena *a, struct trial *t)
{
	bool all = CHECK_EQ_S(rig_sql(a, t->r, "select status from agent_requests where id = %ld", t->id), "completed") &
		CHECK_EQ_S(rig_sql(a, t->r, "select string_agg(what, ' ' order by id) from notes where request_id = %ld", t->id), "x") &
		CHECK_EQ_S(rig_sql(a, t->r, "select count(*) from agent_requests where parent_id = %ld", t->id), "1") &
		CHECK_EQ_S(rig_sql(a, t->r, "select count(*) from change_proposals where status = 'open' and request_id = %ld", t->id), "0") &
		outside_in_order(a, t);
	CHECK_PROMISES(t->r->owner);
	if (!all)
		printf("      wait %ld failed with %s; the log:\n%s\n", (long)t->k, err_kind_name(t->kind),
			rig_sql(a, t->r, "select string_agg(request_id || ' ' || kind || ' ' || message || ' ' || coalesce(data::text, ''), "
				"e'\n' order by id) from agent_logs where %ld > 0", t->id));
	return all;
}

#define STORY \
	"  - when: { system: helper }\n    reply: [ { text: helped } ]\n" \
	"  - when: { turn: 0 }\n    reply:\n      - { tool: send_tell, input: {} }\n      - { tool: send_repeat, input: {} }\n" \
	"      - { tool: send_probed, input: {} }\n      - { tool: send_human, input: {} }\n" \
	"  - when: { turn: 1 }\n    reply:\n      - { tool: careful, input: { what: x } }\n      - { tool: ask_helper, input: { task: one } }\n" \
	END_OF("ask_helper")

static bool try_one(struct rig *r, struct trial *t, struct err *e)
{
	ARENA_SCOPE(a);
	memset(&world, 0, sizeof(world));
	if (!CHECK_EQ_S(test_ask(a, r->owner, "delete from notes; delete from agent_requests; delete from drover.workers; select 1"), "1"))
		return false;
	t->id = rig_ask(a, r, "tester", "go");
	if (!serve_tortured(a, t, e) || !rig_start(r, e))
		return false;
	for (int64_t end = clock_ms() + WORLD_MS; !has_ended(a, t) && clock_ms() < end; say_yes(a, t))
		if (!loop_sleep(3, e))
			return false;
	return rig_stop(r, e) && in_order(a, t);
}

static void torture(struct arena *a, enum err_kind kind, struct err *e)
{
	WORLD(STORY);
	struct trial t = { .r = &r, .k = 0, .kind = kind };
	log_level_set(LOG_ERROR + 1);
	r.config.lease_ms = 300;
	r.config.poll_ms = 50;
	r.config.max_attempts = 6;
	do {
		t.k += TORTURE_STEP;
		REQUIRE_OK(try_one(&r, &t, e));
	} while (t.waits >= t.k);
	printf("    %ld waits failed with %s\n", (long)t.k / TORTURE_STEP, err_kind_name(kind));
	CHECK(t.k > 80);
	log_level_set(LOG_INFO);
	rig_close(&r);
}

LOOP_TEST(calls_outside_and_people_bear_that_any_wait_is_cancelled)
{
	torture(a, ERR_CANCELLED, e);
}

LOOP_TEST(calls_outside_and_people_bear_that_any_wait_runs_out_of_time)
{
	torture(a, ERR_TIMEOUT, e);
}

LOOP_TEST(calls_outside_and_people_bear_that_any_wait_loses_its_connection)
{
	torture(a, ERR_NET, e);
}
