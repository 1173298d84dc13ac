/* SPDX-License-Identifier: MIT */
/*
 * Park torture: the k-th wait of a whole worker fails, for every k, in three ways, while it serves an orchestrated
 * request whose tools write. Whatever broke, a second worker must find everything in order and finish the job.
 */
#include "clock.h"
#include "rig.h"

#define STORY \
	"replies:\n" \
	"  - when: { force_tool: plan }\n    reply:\n      - tool: plan\n        input:\n          mode: sequential\n" \
	"          reason: two areas\n          steps:\n" \
	"            - { agent: project_management, task: milestone please }\n" \
	"            - { agent: quotes, task: price please }\n" \
	"  - when: { tool_result: plan }\n    reply: [ { text: All done. } ]\n" \
	"  - when: { any_user: price please, turn: 0 }\n    reply: [ { thinking: Hm. }, { tool: ratecard_lookup, input: " \
	"{ role: Designer, currency: EUR, day: '2027-02-01' } } ]\n" \
	"  - when: { any_user: price please }\n    reply: [ { text: priced } ]\n" \
	"  - when: { any_user: milestone please, turn: 0 }\n    reply: [ { tool: milestone_set, input: " \
	"{ project: APOLLO, name: Tortured, day: '2027-03-01' } } ]\n" \
	"  - when: { any_user: milestone please }\n    reply: [ { text: milestone set } ]\n"

struct trial {
	struct rig *r;
	int64_t k;
	enum err_kind kind;
	int64_t waits; /* counted */
	int64_t id;
};

static bool ended(struct arena *a, struct rig *r, int64_t id)
{
	return strcmp(rig_sql(a, r, "select count(*) from agent_requests where id = %ld and finished_at is not null", id), "1") == 0;
}

/* Only the worker's fibers are counted: mock and test wait as they like. */
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

/* Until the request has ended or the worker has: each is a legal outcome of a failed wait. */
static bool serve_tortured(struct arena *a, struct trial *t, struct err *e)
{
	enum { PATIENCE_MS = 5000 };
	struct rig *r = t->r;
	r->serving = (struct group){ .keep_going = true };
	if (!group_start(&r->serving, "worker", tortured_worker, t, e))
		return false;
	for (int64_t end = clock_ms() + PATIENCE_MS; r->serving.running && !ended(a, r, t->id) && clock_ms() < end;)
		if (!loop_sleep(3, e))
			return false;
	if (r->pool) {
		pool_drain(r->pool);
		pool_drain(r->pool);
	}
	return group_wait(&r->serving, NEVER_MS, e);
}

/* What must hold after any torture, once a healthy worker has had its turn. */
static bool in_order(struct arena *a, struct trial *t)
{
	static const struct { const char *sql, *want; } promises[] = {
		{ "select status from agent_requests where id = %ld", "completed" },
		{ "select count(*) from agent_requests where status = 'processing' or phase = 'running' or %ld < 0", "0" },
		{ "select count(*) from psa.tasks where name = 'Tortured' and source_request_id in (select id from agent_requests "
			"where parent_id = %ld)", "1" },
		{ "select count(*) from (select request_id from agent_logs where %ld > 0 group by 1 "
			"having count(*) <> max(seq) or min(seq) <> 1) broken", "0" },
		{ "select count(*) from (select request_id from agent_turns where %ld > 0 group by 1 "
			"having count(*) <> max(sequence_number)) broken", "0" },
		{ "select count(*) from agent_logs where kind = 'complete' and request_id = %ld", "1" },
	};
	bool all = true;
	for (size_t i = 0; i < COUNT(promises); i++)
		all &= CHECK_EQ_S(rig_sql(a, t->r, promises[i].sql, t->id), promises[i].want);
	if (!all)
		printf("      wait %ld failed with %s; the log:\n%s\n", (long)t->k, err_kind_name(t->kind),
			rig_sql(a, t->r, "select string_agg(request_id || ' ' || kind || ' ' || message || ' ' || coalesce(data::text, ''), "
				"e'\n' order by id) from agent_logs where %ld > 0", t->id));
	return all;
}

static bool forget(struct arena *a, struct rig *r)
{
	return strcmp(test_ask(a, r->owner, "delete from psa.tasks where name = 'Tortured'; delete from agent_requests; "
		"delete from drover.workers; select 1"), "1") == 0;
}

/* *more: the k-th wait was there to fail. */
static bool try_one(struct rig *r, int64_t k, enum err_kind kind, bool *more, struct err *e)
{
	ARENA_SCOPE(a);
	struct trial t = { .r = r, .k = k, .kind = kind };
	if (!CHECK(forget(a, r)))
		return false;
	t.id = rig_ask(a, r, "orchestrator", "set a milestone and price it");
	if (!serve_tortured(a, &t, e) || !rig_start(r, e))
		return false;
	rig_wait(a, r, t.id);
	*more = t.waits >= k;
	return rig_stop(r, e) && in_order(a, &t);
}

static void torture(struct arena *a, enum err_kind kind, struct err *e)
{
	struct rig r = { 0 };
	int64_t k = 1;
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	log_level_set(LOG_ERROR + 1);
	r.config.lease_ms = 300; /* what a lost worker held is taken over before long */
	r.config.poll_ms = 50;
	r.config.max_attempts = 5;
	r.config.backoff_base_ms = r.config.backoff_max_ms = 2;
	for (bool more = true; more; k += TORTURE_STEP)
		REQUIRE_OK(try_one(&r, k, kind, &more, e));
	printf("    %ld waits failed with %s\n", (long)k / TORTURE_STEP - 1, err_kind_name(kind));
	CHECK(k > 50);
	log_level_set(LOG_INFO);
	rig_close(&r);
}

LOOP_TEST(every_wait_can_be_cancelled)
{
	torture(a, ERR_CANCELLED, e);
}

LOOP_TEST(every_wait_can_run_out_of_time)
{
	torture(a, ERR_TIMEOUT, e);
}

LOOP_TEST(every_wait_can_lose_its_connection)
{
	torture(a, ERR_NET, e);
}
