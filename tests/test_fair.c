/* SPDX-License-Identifier: MIT */
/* Fair order: each tenant has its turn. The floor: what a claim may pass over, and how it hears of what comes back. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"
#include "queue_sql.h"

#define SPACE(n) "('c0000000-0000-4000-8000-0000000000' || lpad((" n ")::text, 2, '0'))::uuid"
#define ASK(n, space, times) "insert into agent_requests (workspace_id, type, request) select " SPACE(space) \
	", 'quotes', 'x' from generate_series(1, " #times ") n, generate_series(1, " #n ") t"
/* How many of each tenant run, by name: "01 4, 02 3". */
#define RUNNING "select string_agg(who || ' ' || n, ', ' order by who) from (select " \
	"coalesce(right(workspace_id::text, 2), " \
	"'server') as who, count(*) as n from agent_requests where phase = 'running' group by 1) t"

static const char *claim_fairly(struct arena *a, struct queue_case *c, int max, const char **last)
{
	struct queue_claim got;
	const char *ids = case_claim_as(a, &c->one, (struct queue_wish){ .max = max, .fair = true,
		.last_tenant = last ? *last : NULL }, &got);
	if (last)
		*last = got.last_tenant;
	return ids;
}

LOOP_TEST(a_tenant_with_thousands_leaves_the_others_their_share)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ASK(1, "1", 2000), "(null)");
	CHECK_SQL(c.owner, ASK(1, "2", 8) ";" ASK(1, "3", 2), "(null)");
	CHECK(strspn(claim_fairly(a, &c, 12, NULL), "0123456789,"));
	CHECK_SQL(c.owner, RUNNING, "01 6, 02 4, 03 2"); /* what 03 leaves goes by order */
	CHECK(strspn(claim_fairly(a, &c, 12, NULL), "0123456789,"));
	CHECK_SQL(c.owner, RUNNING, "01 14, 02 8, 03 2"); /* 02 had four left, of a share of six */
	CHECK(strspn(claim_fairly(a, &c, 12, NULL), "0123456789,"));
	CHECK_SQL(c.owner, RUNNING, "01 26, 02 8, 03 2");
}

LOOP_TEST(weights_divide_a_claim)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ASK(1, "1", 2000) ";" ASK(1, "2", 50) ";" ASK(1, "3", 50), "(null)");
	CHECK_SQL(c.owner, "select drover.set_limit('workspace', " SPACE("3") "::text, null, 4)", "");
	CHECK(strspn(claim_fairly(a, &c, 12, NULL), "0123456789,"));
	CHECK_SQL(c.owner, RUNNING, "01 2, 02 2, 03 8");
}

LOOP_TEST(users_without_a_workspace_are_tenants_and_so_is_the_server)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, "insert into agent_requests (user_id, type, request) select u, 'quotes', 'x' from "
		"(values ('" USER_A
		"'::uuid, 100), ('" USER_B "', 10), (null, 10)) v (u, n), generate_series(1, v.n)", "(null)");
	CHECK(strspn(claim_fairly(a, &c, 9, NULL), "0123456789,"));
	CHECK_SQL(c.owner, "select string_agg(u || n, ' ' order by u) from (select coalesce(left(user_id::text, 1), "
		"'server') as u, "
		"count(*) as n from agent_requests where phase = 'running' group by 1) t", "a3 b3 server3");
}

/* However many they are: after as many places as there are tenants, each has had one. */
static void check_turns(struct arena *a, struct queue_case *c, int tenants, int batch, bool server)
{
	const char *last = NULL;
	CHECK_SQL(c->owner, "truncate agent_requests restart identity", "(null)");
	CHECK_SQL(c->owner, arena_printf(a, "insert into agent_requests (workspace_id, type, request) select " SPACE("n")
		", 'quotes', 'x' from generate_series(1, %d) n, generate_series(1, case when n = 1 then 500 else 20 "
			"end)", tenants),
		"(null)");
	if (server)
		CHECK_SQL(c->owner, "insert into agent_requests (type, request) select 'quotes', 'x' from "
			"generate_series(1, 20)", "(null)");
	for (int round = 1; round <= 3; round++) {
		int claims = (tenants + server + batch - 1) / batch;
		for (int i = 0; i < claims; i++)
			CHECK(strspn(claim_fairly(a, c, batch, &last), "0123456789,"));
		CHECK_SQL(c->owner, arena_printf(a, "select count(*) || ' of %d' from (select workspace_id from agent_requests "
			"where phase = 'running' group by 1 having count(*) between %d and %d) t", tenants + server, round,
			round + 1 + round * batch / tenants), arena_printf(a, "%d of %d", tenants + server, tenants + server));
	}
}

LOOP_TEST(more_tenants_than_the_batch_have_their_turns_round_the_circle)
{
	static const struct { int tenants, batch; } cases[] = { { 12, 5 }, { 13, 1 }, { 7, 6 }, { 5, 5 }, { 40, 3 } };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_turns(a, &c, cases[i].tenants, cases[i].batch, false);
}

LOOP_TEST(the_servers_own_requests_have_their_turn_among_many_tenants)
{
	static const struct { int tenants, batch; } cases[] = { { 12, 5 }, { 7, 3 }, { 9, 1 }, { 4, 5 } };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_turns(a, &c, cases[i].tenants, cases[i].batch, true);
}

LOOP_TEST(priorities_go_before_fairness)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ASK(1, "1", 8) ";" ASK(1, "2", 8) "; update agent_requests set priority = 5 where id <= "
		"8", "(null)");
	CHECK_EQ_S(claim_fairly(a, &c, 6, NULL), "1,2,3,4,5,6");
	CHECK_EQ_S(claim_fairly(a, &c, 6, NULL), "7,8,9,10,11,12");
}

LOOP_TEST(an_empty_queue_gives_nothing_and_a_single_tenant_everything_in_order)
{
	QUEUE_CASE;
	struct queue_claim got;
	CHECK_EQ_S(claim_fairly(a, &c, 5, NULL), "");
	case_claim_as(a, &c.one, (struct queue_wish){ .max = 5, .fair = true, .last_tenant = USER_A }, &got);
	CHECK_EQ_I(got.looked, 0);
	CHECK_EQ_S(got.last_tenant, USER_A);
	CHECK_SQL(c.owner, ASK(1, "1", 8), "(null)");
	CHECK_EQ_S(claim_fairly(a, &c, 5, NULL), "1,2,3,4,5");
	CHECK_EQ_S(claim_fairly(a, &c, 5, NULL), "6,7,8");
}

LOOP_TEST(without_fairness_the_order_is_strict_and_the_same_requests_wait)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ASK(1, "1", 2000) ";" ASK(1, "2", 8), "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 12), "1,2,3,4,5,6,7,8,9,10,11,12");
	CHECK_SQL(c.owner, RUNNING, "01 12");
}

LOOP_TEST(fair_order_keeps_sessions_and_limits)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ASK(1, "1", 20) ";" ASK(1, "2", 5) "; update agent_requests set session_id = '" SESSION_A
		"' where id between 3 and 20; select drover.set_limit('workspace', " SPACE("2") "::text, 2, null)", "");
	CHECK_EQ_S(claim_fairly(a, &c, 10, NULL), "1,2,3,21,22");
	CHECK_EQ_S(claim_fairly(a, &c, 10, NULL), "");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where blocked_on like 'workspace:%'", "3");
	CHECK_EQ_S(case_finish(a, &c.one, 21), "ok");
	CHECK_EQ_S(case_finish(a, &c.one, 3), "ok");
	CHECK_EQ_S(claim_fairly(a, &c, 10, NULL), "4,23");
}

/* ---- the floor ---- */

static const char *claim_above(struct arena *a, struct queue_case *c, int64_t priority, int64_t id)
{
	return case_claim_as(a, &c->one, (struct queue_wish){ .max = 20, .floor_priority = priority,
		.floor_id = id }, NULL);
}

LOOP_TEST(a_floor_passes_over_nothing_but_what_came_before_it_in_its_own_priority)
{
	static const char *const priorities[] = { "100", "100", "200", "0", "99", "100", "100", "101" };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(priorities); i++)
		case_ask(a, c.owner, "priority", priorities[i]);
	CHECK_EQ_S(claim_above(a, &c, 100, 7), "4,5,7,8,3");
	CHECK_EQ_S(claim_above(a, &c, 100, 7), "");
	CHECK_EQ_S(claim_above(a, &c, 99, 99), "1,2,6");
}

LOOP_TEST(better_ones_come_first_though_they_are_below_the_floors_id)
{
	QUEUE_CASE;
	for (int i = 0; i < 10; i++)
		case_ask(a, c.owner, "priority", i % 2 ? "50" : "100");
	struct queue_wish wish = { .max = 3, .floor_priority = 100, .floor_id = 3 };
	CHECK_EQ_S(case_claim_as(a, &c.one, wish, NULL), "2,4,6");
	CHECK_EQ_S(case_claim_as(a, &c.one, wish, NULL), "8,10,3");
	CHECK_EQ_S(case_claim_as(a, &c.one, wish, NULL), "5,7,9");
	CHECK_EQ_S(case_claim(a, &c.one, 3), "1");
}

LOOP_TEST(an_insert_that_commits_late_below_the_floor_is_found_by_a_claim_without_one)
{
	QUEUE_CASE;
	struct pg *late = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(late, "begin; insert into agent_requests (type, request) values ('quotes', 'x') returning id", "1");
	CHECK_EQ_I(case_ask(a, c.owner, "", ""), 2);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_SQL(late, "commit", "(null)");
	CHECK_EQ_S(claim_above(a, &c, 100, 3), "");
	CHECK_EQ_S(claim_above(a, &c, 0, 0), "1");
}

/* ---- what comes back tells so ---- */

static void nothing(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_state(a, c, 1), "processing running");
}

static void release(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_release(a, &c->one, 1), "ok");
}

static void fail_and_retry(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_fail(a, &c->one, 1), "ok");
	int64_t returns = case_returns(a, c);
	CHECK_SQL(c->two.db, "select drover.retry(1)", "again");
	CHECK(case_returns(a, c) > returns);
}

static void retry_when_due(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_retry_later(a, &c->one, 1, 0), "ok");
	int64_t returns = case_returns(a, c);
	CHECK_EQ_S(case_maintain(a, &c->two), "moved 1");
	CHECK(case_returns(a, c) > returns);
}

static void schedule_when_due(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "insert into agent_requests (type, request, phase, run_at) values ('quotes', 'x', "
		"'scheduled', now())",
		"(null)");
	int64_t returns = case_returns(a, c);
	CHECK_EQ_S(case_maintain(a, &c->two), "moved 1");
	CHECK(case_returns(a, c) > returns);
}

static void rescue_dead(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	case_expire(a, c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c->two), "moved 1");
	CHECK(queue_register(c->one.db, &c->one.worker, deadline_in(CASE_MS), &e));
}

static void give_back(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	CHECK(queue_give_back(c->one.db, WORKER_1, NULL, 0, deadline_in(CASE_MS), &e));
	CHECK_EQ_S(case_state(a, c, 1), "queued ready");
}

static void leave(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	CHECK(queue_leave(c->one.db, WORKER_1, deadline_in(CASE_MS), &e));
	CHECK_EQ_S(case_state(a, c, 1), "queued ready");
	CHECK(queue_register(c->one.db, &c->one.worker, deadline_in(CASE_MS), &e));
}

#define TWO "[{\"type\": \"quotes\", \"request\": \"x\", \"after\": []}, {\"type\": \"quotes\", \"request\": " \
	"\"y\", \"after\": [0]}]"

/* Its sibling, then its parent. */
static void children_end(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_spawn(a, &c->one, 1, TWO), "ok");
	for (int64_t id = 2; id <= 3; id++) {
		CHECK_EQ_S(case_claim(a, &c->one, 1), arena_printf(a, "%ld", (long)id));
		int64_t returns = case_returns(a, c);
		CHECK_EQ_S(case_finish(a, &c->one, id), "ok");
		CHECK(case_returns(a, c) > returns);
	}
	CHECK_EQ_S(case_state(a, c, 1), "processing ready");
}

static void child_is_deleted(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_spawn(a, &c->one, 1, TWO), "ok");
	int64_t returns = case_returns(a, c);
	CHECK_SQL(c->owner, "delete from agent_requests where id = 2", "(null)");
	CHECK_EQ_S(case_state(a, c, 3), "queued ready");
	CHECK(case_returns(a, c) > returns);
}

static void child_is_cancelled(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_spawn(a, &c->one, 1, TWO), "ok");
	int64_t returns = case_returns(a, c);
	CHECK_EQ_S(case_cancel(a, c->two.db, 2), "t");
	CHECK_EQ_S(case_state(a, c, 3), "queued ready");
	CHECK(case_returns(a, c) > returns);
}

static void session_is_free(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_I(case_ask(a, c->owner, "session_id", "(select session_id from agent_requests where id = 1)"), 2);
	CHECK_EQ_S(case_claim(a, &c->one, 10), "");
	int64_t returns = case_returns(a, c);
	CHECK_EQ_S(case_finish(a, &c->one, 1), "ok");
	CHECK_EQ_S(case_state(a, c, 2), "queued ready");
	CHECK(case_returns(a, c) > returns);
}

static void limit_is_lifted(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "select drover.set_limit('type', 'quotes', 0, null)", "");
	CHECK_EQ_I(case_ask(a, c->owner, "", ""), 2);
	CHECK_EQ_S(case_claim(a, &c->one, 10), "");
	int64_t returns = case_returns(a, c);
	CHECK_SQL(c->owner, "select drover.clear_limit('type', 'quotes')", "t");
	CHECK_EQ_S(case_state(a, c, 2), "queued ready");
	CHECK(case_returns(a, c) > returns);
}

/* Nothing of it is parked: the claims saw no room, and looked at nothing. */
static void everything_is_paused(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "select drover.pause('all', '')", "t");
	CHECK_SQL(c->owner, "select drover.resume('all', '')", "t");
}

static void sweeps(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "insert into agent_requests (type, request, phase, blocked_on) values ('quotes', 'x', "
		"'blocked', 'session'), "
		"('quotes', 'x', 'blocked', 'type:quotes')", "(null)");
	for (int64_t id = 2; id <= 3; id++) {
		int64_t returns = case_returns(a, c);
		CHECK_SQL(c->two.db, id == 2 ? "select unparked from "
			"drover.sweep_sessions('00000000-0000-0000-0000-000000000000', 100)"
			: "select unparked from drover.sweep_parked('', 100, '{}')", "1");
		CHECK_EQ_S(case_state(a, c, id), "queued ready");
		CHECK(case_returns(a, c) > returns);
	}
}

LOOP_TEST(whatever_comes_back_tells_those_who_hold_a_floor)
{
	static const struct { const char *name; void (*act)(struct arena *, struct queue_case *); bool back; } ways[] = {
		{ "nothing", nothing, false }, { "release", release, true }, { "retry", fail_and_retry, true },
		{ "retry when due", retry_when_due, true }, { "schedule when due", schedule_when_due, true },
			{ "rescue", rescue_dead, true },
		{ "give back", give_back, true }, { "leave", leave, true }, { "children end", children_end, true },
		{ "child deleted", child_is_deleted, true }, { "child cancelled", child_is_cancelled, true },
		{ "session free", session_is_free, true }, { "limit lifted", limit_is_lifted, true },
		{ "everything paused", everything_is_paused, true }, { "sweeps", sweeps, true },
	};
	for (size_t i = 0; i < COUNT(ways); i++) {
		QUEUE_CASE;
		struct queue_claim before, after;
		case_ask(a, c.owner, "", "");
		CHECK_EQ_S(case_claim_as(a, &c.one, (struct queue_wish){ .max = 1 }, &before), "1");
		ways[i].act(a, &c);
		case_claim_as(a, &c.two, (struct queue_wish){ .max = 1 }, &after);
		CHECK_EQ_S(arena_printf(a, "%s %d", ways[i].name, before.returns != after.returns),
			arena_printf(a, "%s %d", ways[i].name, ways[i].back));
	}
}
