/* SPDX-License-Identifier: MIT */
/* Lanes in a whole worker: what drover.lanes carries from one to the next, and what operators see of it. */
#include "agents_sql.h"
#include "clock.h"
#include "net.h"
#include "rig_test.h"
#include "shell.h"
#include <unistd.h>

#define FINE "replies:\n  - reply: Fine.\n"
#define LATER "replies:\n  - { when: { nth: 1 }, status: 429, headers: { retry-after: '2' } }\n  - reply: Fine.\n"

static bool wait_true(struct arena *a, struct rig *r, const char *sql, struct err *e)
{
	for (int64_t end = clock_ms() + 20000; strcmp(test_ask(a, r->owner, sql), "t") != 0;)
		if (clock_ms() > end || !loop_sleep(10, e))
			return FAIL(e, ERR_TIMEOUT, "timeout", "never true: %s", sql);
	return true;
}

/* The default lane has been read once. */
static bool restart(struct rig *r, struct err *e)
{
	return rig_stop(r, e) && rig_start(r, e) && loop_sleep(2 * r->config.poll_ms, e);
}

RIG_TEST(a_429_at_one_worker_keeps_the_next_away_without_redis, LATER)
{
	r->config.backoff_max_ms = 100;
	REQUIRE_OK(rig_start(r, e));
	int64_t one = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_true(a, r, "select count(*) = 1 from drover.lanes where lane = 'default' and "
		"reason = 'rate_limited' and paused_until between now() + '0.5 s' and now() + '2.1 s' and why like '%HTTP 429%'", e));
	REQUIRE_OK(restart(r, e)); /* another worker */
	int64_t two = rig_ask(a, r, "quotes", "x");
	static const char refused[] = "select count(*) = 1 from agent_requests where error_code = 'lane_paused' and id = %ld";
	REQUIRE_OK(wait_true(a, r, arena_printf(a, refused, (long)two), e));
	CHECK_EQ_I(mock_count(r->mock).requests, 1);
	CHECK_FATE(one, "completed 2");
	CHECK_FATE(two, "completed 1"); /* what was not tried costs no attempt */
	CHECK_EQ_I(mock_count(r->mock).requests, 3);
}

RIG_TEST(a_pause_is_written_long_before_the_next_look, LATER)
{
	r->config.poll_ms = 60000; /* longer than the test waits */
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK(wait_true(a, r, "select count(*) = 1 from drover.lanes where reason = 'rate_limited'", e));
	r->config.poll_ms = 200;
	REQUIRE_OK(restart(r, e));
	CHECK_FATE(id, "completed 2");
}

RIG_TEST(a_request_waits_for_a_paused_lane_and_operators_see_why, FINE)
{
	r->config.retry = (struct route_retry){ 2, 10, 7200000 };
	r->config.limits.run_ms = 7200000;
	CHECK_SQL(r->owner, "insert into drover.lanes (lane, paused_until, reason, why, requests_per_minute) "
		"values ('default', now() + '1 h', 'spend_limit', 'the provider said no', 50) returning lane", "default");
	REQUIRE_OK(rig_start(r, e) && loop_sleep(2 * r->config.poll_ms, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_true(a, r, "select count(*) = 1 from agent_logs where kind = 'status' and "
		"data ->> 'code' = 'lane_paused' and data ->> 'model' = 'claude-test' and (data ->> 'wait_ms')::bigint > 3000000", e));
	struct ran why = shell(a, r->db.worker_url, arena_printf(a, "$D why %ld", (long)id));
	CHECK_HAS(why.out, "if it asks a model of lane default, it waits: the lane is paused until 20");
	CHECK_HAS(why.out, "(spend_limit: the provider said no)");
	CHECK_HAS(why.out, "> raise the spend limit");
	struct ran status = shell(a, r->db.worker_url, "$D status");
	CHECK_EQ_I(status.status, 5);
	CHECK_HAS(status.out, "ALARM lane_refused");
	CHECK_HAS(status.out, "Lanes of models");
	CHECK_HAS(status.out, "the provider said no");
	status = shell(a, r->db.worker_url, "$D status --json");
	CHECK_HAS(status.out, "\"lanes\":[{\"lane\":\"default\",\"paused\":true,\"reason\":\"spend_limit\",\"paused_until\":");
	CHECK_HAS(status.out, "\"requests_per_minute\":50");
	CHECK_EQ_I(mock_count(r->mock).requests, 0);
	CHECK_SQL(r->owner, "update drover.lanes set paused_until = now(), reason = 'rate_limited' returning lane", "default");
	CHECK_FATE(id, "completed 1");
	status = shell(a, r->db.worker_url, "$D status");
	CHECK_EQ_I(status.status, 0);
	CHECK_LACKS(status.out, "lane_paused");
	CHECK_HAS(status.out, "free");
}

RIG_TEST(a_worker_whose_redis_is_away_serves_all_the_same, FINE)
{
	int port;
	close(net_listen(1, &port));
	r->config.redis_url = arena_printf(a, "redis://127.0.0.1:%d", port);
	r->config.redis_ms = 200;
	r->config.model.requests_per_minute = 6000;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "completed 1");
}

RIG_TEST(a_fallback_that_no_model_has_is_told_at_the_start, FINE)
{
	r->config.fallback = " claude-test , nobody";
	struct pool *p = pool_new(&r->config);
	CHECK(!pool_serve(p, e));
	CHECK_EQ_S(e->code, "unknown_model");
	CHECK(strstr(e->msg, "model.fallback names nobody"));
	pool_free(p);
	CHECK_SQL(r->owner, "select count(*) from drover.workers", "0");
}

/* ---- drover.lanes ---- */

static const char *put(struct arena *a, struct pg *db, const char *reason, int64_t paused_ms, int64_t limit)
{
	struct err e = { 0 };
	const char *json = arena_printf(a, "[{\"lane\":\"x\",\"reason\":\"%s\",\"paused_ms\":%ld,\"why\":\"%s %ld\","
		"\"requests_per_minute\":%ld,\"tokens_per_minute\":0}]", reason, (long)paused_ms, reason, (long)paused_ms, (long)limit);
	if (!pg_query(db, a, &sql_lane_put, PG_ARGS(PG(json)), deadline_in(5000), NULL, &e))
		return arena_text(a, str_of(e.msg));
	return test_ask(a, db, "select concat_ws(' ', case when paused_until > now() then why else 'free' end, requests_per_minute) "
		"from drover.lanes");
}

LOOP_TEST(of_two_pauses_the_later_end_counts_and_an_end_is_only_of_circuits)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *db = test_connect(a, t.worker_url, e);
	REQUIRE(db != NULL);
	CHECK_EQ_S(put(a, db, "", -1, 50), "free 50");
	CHECK_EQ_S(put(a, db, "circuit_open", 60000, 0), "circuit_open 60000 50");
	CHECK_EQ_S(put(a, db, "rate_limited", 5000, 0), "circuit_open 60000 50");
	CHECK_EQ_S(put(a, db, "", -1, 60), "circuit_open 60000 60");
	CHECK_EQ_S(put(a, db, "", 0, 60), "free 60");
	CHECK_EQ_S(put(a, db, "rate_limited", 5000, 60), "rate_limited 5000 60");
	CHECK_EQ_S(put(a, db, "", 0, 60), "rate_limited 5000 60");
	CHECK_EQ_S(put(a, db, "auth", 9000, 60), "auth 9000 60");
	CHECK(strstr(put(a, db, "nonsense", 90000, 60), "violates check constraint \"lanes_reason_check\""));
}
