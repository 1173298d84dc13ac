/* SPDX-License-Identifier: MIT */
/* Limits and pauses: how many run at once, who waits for a place, and who gets one that is free again. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"

#define SPACE_A "a0000000-0000-4000-8000-0000000000cc"
#define SPACE_B "b0000000-0000-4000-8000-0000000000cc"
#define CLEAN "truncate agent_requests, drover.limits, drover.permits restart identity"
#define PHASES "select string_agg(coalesce(blocked_on, phase), ' ' order by id) from agent_requests"
#define LIMIT(scope, key, most) "select drover.set_limit('" scope "', '" key "', " #most ", null)"

/* ---- how many ---- */

struct kind {
	const char *scope, *key, *ours, *others; /* columns' values: user, workspace, type */
	const char *parked;
};

static const struct kind kinds[] = {
	{ "type", "quotes", "null, null, 'quotes'", "null, null, 'other'", "type:quotes" },
	{ "workspace", SPACE_A, "null, '" SPACE_A "', 'quotes'", "null, '" SPACE_B "', 'quotes'", "workspace:" SPACE_A },
	{ "user", USER_A, "'" USER_A "', null, 'quotes'", "'" USER_B "', null, 'quotes'", "user:" USER_A },
	{ "all", "", "null, null, 'quotes'", NULL, "ready" },
};

static void ask_as(struct arena *a, struct queue_case *c, const char *who, int n)
{
	CHECK_SQL(c->owner, arena_printf(a, "insert into agent_requests (user_id, workspace_id, type, request) "
		"select %s, 'x' "
		"from generate_series(1, %d)", who, n), "(null)");
}

/* 1 to 4 are ours, 5 is of another key: two of ours run, and the other. */
static void check_two_run(struct arena *a, struct queue_case *c, const struct kind *k, const char *defaults)
{
	struct queue_wish wish = { .max = 10, .default_limits = defaults };
	ask_as(a, c, k->ours, 4);
	if (k->others)
		ask_as(a, c, k->others, 1);
	CHECK_EQ_S(case_claim_as(a, &c->one, wish, NULL), k->others ? "1,2,5" : "1,2");
	CHECK_EQ_S(case_claim_as(a, &c->two, wish, NULL), "");
	CHECK_SQL(c->owner, PHASES, arena_printf(a, "running running %s %s%s", k->parked, k->parked, k->others ? " "
		"running" : ""));
	CHECK_EQ_S(case_finish(a, &c->one, 1), "ok");
	CHECK_EQ_S(case_claim_as(a, &c->two, wish, NULL), "3");
	CHECK_EQ_S(case_claim_as(a, &c->two, wish, NULL), "");
	CHECK_EQ_S(case_finish(a, &c->one, 2), "ok");
	CHECK_EQ_S(case_finish(a, &c->two, 3), "ok");
	CHECK_EQ_S(case_claim_as(a, &c->two, wish, NULL), "4");
}

LOOP_TEST(each_scope_is_limited_by_its_row_by_the_row_of_all_others_and_by_default)
{
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct kind *k = &kinds[i];
		CHECK_SQL(c.owner, arena_printf(a, CLEAN "; insert into drover.limits (scope, key, max_running) values "
			"('%s', '%s', 2)", k->scope, k->key), "(null)");
		check_two_run(a, &c, k, "{}");
		if (k->others) {
			CHECK_SQL(c.owner, arena_printf(a, CLEAN "; insert into drover.limits (scope, key, max_running) values "
				"('%s', '*', 2)", k->scope), "(null)");
			check_two_run(a, &c, k, "{}");
		}
		CHECK_SQL(c.owner, CLEAN, "(null)");
		check_two_run(a, &c, k, arena_printf(a, "{\"%s\": 2}", k->scope));
	}
}

LOOP_TEST(an_own_row_goes_before_the_row_of_all_others_and_both_before_the_default)
{
	QUEUE_CASE;
	struct queue_wish wish = { .max = 20, .default_limits = "{\"type\": 1, \"workspace\": 0}" };
	CHECK_SQL(c.owner, "insert into drover.limits (scope, key, max_running) values ('type', 'quotes', 3), "
		"('type', '*', 2)",
		"(null)");
	ask_as(a, &c, "null, null, 'quotes'", 5);
	ask_as(a, &c, "null, null, 'other'", 5);
	CHECK_EQ_S(case_claim_as(a, &c.one, wish, NULL), "1,2,3,6,7");
	ask_as(a, &c, "null, '" SPACE_A "', 'third'", 1); /* the type has room, the workspace not */
	CHECK_EQ_S(case_claim_as(a, &c.one, wish, NULL), "");
	CHECK_ROW(11, "phase, blocked_on", "blocked workspace:" SPACE_A);
	CHECK_SQL(c.owner, "select count(*) from drover.permits where request_id = 11", "0");
}

LOOP_TEST(who_is_within_no_limit_is_not_held_up_by_those_who_are)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, LIMIT("type", "quotes", 1), "");
	ask_as(a, &c, "null, null, 'quotes'", 30);
	ask_as(a, &c, "null, null, 'other'", 1);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "31");
}

/* ---- exactly ---- */

enum { CONNECTIONS = 8, ROUNDS = 4 };

struct claimer {
	struct queue_side side;
	const char *defaults;
};

static bool claim_later(void *arg, struct err *e)
{
	(void)e;
	struct claimer *x = arg;
	ARENA_SCOPE(a);
	case_claim_as(a, &x->side, (struct queue_wish){ .max = 3, .default_limits = x->defaults }, NULL);
	return true;
}

/* Each claim takes a while between its count and its commit. */
#define SLOW \
	"create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return new; end $$; " \
	"create trigger slow before update on agent_requests for each row when (new.phase = 'running') " \
	"execute function slow()"

static void claim_at_once(struct arena *a, struct queue_case *c, const char *defaults, const char *limit)
{
	struct err e = { 0 };
	struct claimer x[CONNECTIONS];
	for (size_t i = 0; i < CONNECTIONS; i++)
		x[i] = (struct claimer){ { test_connect(a, c->db.worker_url, &e), c->one.worker, c->one.held }, defaults };
	CHECK_SQL(c->owner, arena_printf(a, CLEAN "; %s", limit), "(null)");
	ask_as(a, c, "'" USER_A "', null, 'quotes'", 60);
	for (int round = 0; round < ROUNDS; round++) {
		struct group g = { 0 };
		for (size_t i = 0; i < CONNECTIONS; i++)
			CHECK(group_start(&g, "claimer", claim_later, &x[i], &e));
		CHECK(group_wait(&g, NEVER_MS, &e));
		CHECK_SQL(c->owner, "select count(*) from agent_requests where phase = 'running'", "5");
		for (int64_t id = 1; id < HELD_MOST; id++)
			if (strcmp(case_state(a, c, id), "processing running") == 0)
				CHECK_EQ_S(case_finish(a, &c->one, id), "ok");
	}
}

LOOP_TEST(a_limit_is_exact_though_eight_connections_claim_at_once)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, SLOW, "(null)");
	claim_at_once(a, &c, "{}", "insert into drover.limits (scope, key, max_running) values ('type', 'quotes', 5)");
	claim_at_once(a, &c, "{\"user\": 5}", "select 1 where false");
	claim_at_once(a, &c, "{\"all\": 5}", "select 1 where false");
}

/* ---- places go back ---- */

static const char *finish(struct arena *a, struct queue_case *c)
{
	return case_finish(a, &c->one, 1);
}

static const char *fail(struct arena *a, struct queue_case *c)
{
	return case_fail(a, &c->one, 1);
}

static const char *release(struct arena *a, struct queue_case *c)
{
	return case_release(a, &c->one, 1);
}

static const char *retry_later(struct arena *a, struct queue_case *c)
{
	return case_retry_later(a, &c->one, 1, 60000);
}

static const char *spawn(struct arena *a, struct queue_case *c)
{
	return case_spawn(a, &c->one, 1, "[{\"type\": \"other\", \"request\": \"x\", \"after\": []}]");
}

static const char *give_back(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	bool ok = queue_give_back(c->one.db, WORKER_1, NULL, 0, deadline_in(CASE_MS), &e);
	return ok ? "ok" : arena_text(a, str_of(e.msg));
}

static const char *rescue(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	case_expire(a, c, WORKER_1);
	const char *said = case_sql(a, c, "select id from drover.rescue(3, 3, 10)", 0);
	return queue_register(c->one.db, &c->one.worker, deadline_in(CASE_MS), &e) && strcmp(said, "1") == 0 ? "ok" : said;
}

static const char *rescue_as_poison(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "update agent_requests set crashes = 2 where id = 1", "(null)");
	return rescue(a, c);
}

LOOP_TEST(a_place_goes_back_at_once_however_the_run_ends)
{
	static const struct { const char *name; const char *(*end)(struct arena *, struct queue_case *); } ways[] = {
		{ "finish", finish }, { "fail", fail }, { "release", release }, { "retry_later", retry_later },
			{ "spawn", spawn },
		{ "give_back", give_back }, { "rescue", rescue }, { "poison", rescue_as_poison } };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(ways); i++) {
		CHECK_SQL(c.owner, CLEAN, "(null)");
		CHECK_SQL(c.owner, LIMIT("type", "quotes", 1), "");
		ask_as(a, &c, "null, null, 'quotes'", 3);
		CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
		CHECK_SQL(c.owner, "select string_agg(blocked_on, ' ') from agent_requests", "type:quotes type:quotes");
		int64_t returns = case_returns(a, &c);
		const char *said = ways[i].end(a, &c);
		CHECK_EQ_S(arena_printf(a, "%s: %s, %s, %s, %s permits, %s", ways[i].name, said, case_state(a, &c, 2),
			case_state(a, &c, 3), test_ask(a, c.owner, "select count(*) from drover.permits"),
			case_returns(a, &c) > returns ? "told" : "not told"),
			arena_printf(a, "%s: ok, queued ready, queued blocked, 0 permits, told", ways[i].name));
	}
}

/* It looks at a sample. */
static void upkeep_until(struct arena *a, struct queue_case *c, const char *sql, const char *want)
{
	for (int i = 0; i < 100 && strcmp(test_ask(a, c->owner, sql), want) != 0; i++)
		CHECK_EQ_S(case_maintain(a, &c->two), "moved 0");
	CHECK_SQL(c->owner, sql, want);
}

LOOP_TEST(a_permit_that_a_dead_run_left_is_gone_with_the_next_upkeep)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, LIMIT("type", "quotes", 1), "");
	ask_as(a, &c, "null, null, 'quotes'", 2);
	CHECK_SQL(c.owner, "insert into drover.permits values ('type:quotes', 999, 1), ('type:quotes', 1, 0), "
		"('type:quotes', 1000, 7)",
		"(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	upkeep_until(a, &c, "select count(*) from drover.permits", "0");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	CHECK_SQL(c.owner, "select drover.running_under('type:quotes')", "1"); /* it runs: upkeep leaves it alone */
	CHECK_SQL(c.owner, "delete from agent_requests where id = 1", "(null)");
	upkeep_until(a, &c, "select phase from agent_requests where id = 2", "ready");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_SQL(c.owner, "select string_agg(request_id::text, ' ') from drover.permits", "2");
}

LOOP_TEST(the_sweep_finds_who_is_parked_though_there_is_room)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, LIMIT("type", "quotes", 2), "");
	ask_as(a, &c, "null, null, 'quotes'", 4);
	ask_as(a, &c, "'" USER_A "', null, 'other'", 2);
	CHECK_SQL(c.owner, "update agent_requests set phase = 'blocked', blocked_on = case when id < 5 then "
		"'type:quotes' else 'user:"
		USER_A "' end", "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_SQL(c.two.db, "select next_key || unparked from drover.sweep_parked('', 100, '{}')", "type:quotes2");
	CHECK_SQL(c.two.db, "select next_key || unparked from drover.sweep_parked('type:quotes', 100, '{}')",
		"user:" USER_A "2");
	CHECK_SQL(c.two.db, "select next_key is null and unparked = 0 from drover.sweep_parked('user:" USER_A "', "
		"100, '{}')", "t");
	CHECK_SQL(c.owner, PHASES, "ready ready type:quotes type:quotes ready ready");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2,5,6");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0"); /* full: nobody comes back */
	CHECK_SQL(c.owner, PHASES, "running running type:quotes type:quotes running running");
}

/* ---- pauses ---- */

LOOP_TEST(a_pause_parks_and_its_end_brings_everybody_back)
{
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct kind *k = &kinds[i];
		CHECK_SQL(c.owner, CLEAN, "(null)");
		ask_as(a, &c, k->ours, 3);
		CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
		CHECK_SQL(c.owner, arena_printf(a, "select drover.pause('%s', '%s', 'lunch')", k->scope, k->key), "t");
		CHECK_EQ_S(case_claim(a, &c.one, 10), "");
		CHECK_SQL(c.owner, PHASES, arena_printf(a, "running %s %s", k->parked, k->parked));
		CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
		CHECK_EQ_S(case_finish(a, &c.one, 1), "ok"); /* what runs goes on */
		CHECK_EQ_S(case_claim(a, &c.one, 10), "");
		int64_t returns = case_returns(a, &c);
		CHECK_SQL(c.owner, arena_printf(a, "select drover.resume('%s', '%s')", k->scope, k->key), "t");
		CHECK(case_returns(a, &c) > returns);
		CHECK_SQL(c.owner, PHASES, "completed ready ready");
		CHECK_EQ_S(case_claim(a, &c.one, 10), "2,3");
	}
}

/* ---- families ---- */

/* The parent leaves its place while it waits, or its own children could never run. */
LOOP_TEST(a_parent_and_its_children_come_through_one_place)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, LIMIT("type", "quotes", 1), "");
	CHECK_SQL(c.owner, LIMIT("user", USER_A, 1), "");
	ask_as(a, &c, "'" USER_A "', null, 'quotes'", 1);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, "[{\"type\": \"quotes\", \"request\": \"x\", \"after\": []}, {\"type\": "
		"\"quotes\", "
		"\"request\": \"y\", \"after\": []}]"), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_ROW(3, "status, phase, blocked_on", "queued blocked type:quotes");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3");
	ask_as(a, &c, "null, null, 'quotes'", 1); /* takes the place before the parent comes back */
	CHECK_SQL(c.owner, "update agent_requests set priority = 0 where id = 4", "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 3), "ok");
	CHECK_STATE(1, "processing ready");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "4");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_ROW(1, "status, phase, blocked_on", "processing blocked type:quotes");
	CHECK_EQ_S(case_finish(a, &c.one, 4), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK(c.one.held[1].resumed);
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	queue_case_check(a, &c);
}
