/* SPDX-License-Identifier: MIT */
/* Budgets: what is reserved before a model call, what is counted after it, and what is over a budget. */
#include "budget.h"
#include "clock.h"
#include "loop.h"
#include "rig_test.h"
#include "shell.h"

#define SPACE_A "a0000000-0000-4000-8000-0000000000cc"
#define USER_A "a0000000-0000-4000-8000-0000000000aa"
#define USER_B "b0000000-0000-4000-8000-0000000000bb"
#define SESSION_A "a0000000-0000-4000-8000-00000000000a"
#define SPENT(scope) "select tokens || ' ' || cost_micros from drover.spending where scope = '" scope "'"
#define RESERVED "select count(*) || ' ' || coalesce(sum(tokens), 0) from drover.reservations"
#define WAITING "select count(*) from pg_locks where not granted"
#define SET(scope, key, tokens, cost) "select drover.set_budget('" scope "', '" key "', " #tokens ", " #cost ")"

enum { CASE_MS = 30000, CONNECTIONS = 8 };

/* A database, and runs of it that are played by hand. */
struct play {
	struct test_db db;
	struct pg *owner;
	struct pg_pool *pool;
	struct budgets budgets;
	struct model_config model; /* a token of input costs one micro-unit, of output two */
};

static void pool_end(void *pool)
{
	pg_pool_free(pool);
}

static bool play_open(struct arena *a, struct play *p, struct err *e)
{
	*p = (struct play){ .budgets = { .defaults = "{}" },
		.model = { .price = { 1000000, 2000000, 1500000, 100000 } } };
	if (!test_db(a, &p->db, e) || !(p->owner = test_connect(a, p->db.owner_url, e)))
		return false;
	const struct pg_options o = { .url = p->db.worker_url, .connect_ms = 5000, .prepare = true };
	arena_defer(a, pool_end, p->pool = pg_pool_new(&o, CONNECTIONS));
	return true;
}
#define PLAY struct play p; REQUIRE_OK(play_open(a, &p, e))

/* A request that runs, with the values of session, user and workspace. */
static struct agent_run runs(struct arena *a, struct play *p, const char *whose)
{
	struct agent_run run = { .arena = a, .db = p->pool, .budgets = &p->budgets, .version = 1,
		.deadline = deadline_in(CASE_MS) };
	const char *sql = arena_printf(a, "insert into agent_requests (type, request, status, phase, version, session_id, "
		"user_id, workspace_id) values ('x', 'x', 'processing', 'running', 1, %s) returning id", whose);
	str_to_i64(str_of(test_ask(a, p->owner, sql)), &run.request_id);
	return run;
}
#define OF_SPACE "gen_random_uuid(), null, '" SPACE_A "'"
#define OF_USER "gen_random_uuid(), '" USER_A "', null"

static const char *reserve(struct play *p, struct agent_run *run, int64_t input, int64_t output, struct err *e)
{
	return budget_reserve(run, &p->model, input, output, e) ? "ok" : e->code;
}

static bool settled(struct play *p, struct agent_run *run, int64_t input, int64_t output, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct model_usage used = { .input_tokens = input, .output_tokens = output };
	struct pg_step step = budget_settle(tmp, run, &p->model, &used);
	struct pg *db = pg_get(p->pool, deadline_in(CASE_MS), e);
	bool ok = db && pg_batch(db, tmp, &step, 1, deadline_in(CASE_MS), e);
	pg_put(p->pool, db);
	return ok;
}

static const char *settle(struct play *p, struct agent_run *run, int64_t input, int64_t output, struct err *e)
{
	return settled(p, run, input, output, e) ? "ok" : e->code;
}

/* One call of a request of its own: "ok", or why not. */
static const char *call(struct arena *a, struct play *p, const char *whose, int64_t input, int64_t output, struct err *e)
{
	struct agent_run run = runs(a, p, whose);
	const char *said = reserve(p, &run, input, output, e);
	if (strcmp(said, "ok") == 0)
		said = settle(p, &run, input, output, e);
	test_ask(a, p->owner, arena_printf(a, "update agent_requests set status = 'completed', phase = 'completed', "
		"finished_at = now() where id = %ld", (long)run.request_id));
	return said;
}

/* ---- what a call costs ---- */

TEST(a_cost_is_rounded_up_and_never_overflows)
{
	static const struct { struct model_price price; struct model_usage usage; int64_t cost; } cases[] = {
		{ { 3000000, 15000000, 3750000, 300000 }, { 1000, 500, 100, 2000 }, 3000 + 7500 + 375 + 600 },
		{ { 1, 0, 0, 0 }, { 1, 0, 0, 0 }, 1 },
		{ { 1, 0, 0, 0 }, { 1000000, 0, 0, 0 }, 1 },
		{ { 1, 0, 0, 0 }, { 1000001, 0, 0, 0 }, 2 },
		{ { 0, 0, 0, 0 }, { 1000, 1000, 1000, 1000 }, 0 },
		{ { 3, 3, 3, 3 }, { 0, 0, 0, 0 }, 0 },
		{ { 1000000, 0, 0, 0 }, { -5, 0, 0, 0 }, 0 },
		{ { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX }, { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX }, 1000000000000000 },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_EQ_I(budget_cost(&cases[i].price, &cases[i].usage), cases[i].cost);
}

/* ---- who asks ---- */

LOOP_TEST(who_knows_of_no_budget_asks_nobody_and_who_was_told_long_ago_asks)
{
	PLAY;
	struct agent_run run = runs(a, &p, OF_SPACE);
	struct pg *db = pg_get(p.pool, deadline_in(CASE_MS), e);
	REQUIRE_OK(db && budget_tend(&p.budgets, db, deadline_in(CASE_MS), e));
	CHECK(p.budgets.none_until_ms > clock_ms() && p.budgets.none_until_ms <= clock_ms() + BUDGET_BELIEF_MS);
	CHECK_SQL(p.owner, SET("request", "*", 10, null), "");
	run.db = NULL; /* asking would crash */
	CHECK_EQ_S(reserve(&p, &run, 100, 100, e), "ok");
	run.db = p.pool;
	p.budgets.none_until_ms = clock_ms() - 1;
	CHECK_EQ_S(reserve(&p, &run, 100, 100, e), "budget_spent");
	p.budgets.none_until_ms = clock_ms() + CASE_MS;
	REQUIRE_OK(budget_tend(&p.budgets, db, deadline_in(CASE_MS), e));
	CHECK_EQ_I(p.budgets.none_until_ms, 0);
	pg_put(p.pool, db);
}

LOOP_TEST(one_who_asked_and_heard_of_none_does_not_ask_again)
{
	PLAY;
	struct agent_run run = runs(a, &p, OF_SPACE);
	CHECK_EQ_S(reserve(&p, &run, 100, 100, e), "ok");
	CHECK(p.budgets.none_until_ms > clock_ms());
	p.budgets = (struct budgets){ .defaults = "{\"session\":{\"tokens\":1000000}}" };
	CHECK_EQ_S(reserve(&p, &run, 100, 100, e), "ok");
	CHECK_EQ_I(p.budgets.none_until_ms, 0); /* an option is a budget */
}

/* ---- how much ---- */

LOOP_TEST(an_own_row_goes_before_the_row_of_all_others_and_both_before_the_option)
{
	static const struct { const char *rows, *defaults, *said; } cases[] = {
		{ "select 1", "{}", "ok" },
		{ "select 1", "{\"workspace\":{\"tokens\":20}}", "budget_spent" },
		{ "select 1", "{\"workspace\":{\"cost\":20}}", "budget_spent" },
		{ "select 1", "{\"session\":{\"tokens\":20}}", "budget_spent" },
		{ "select 1", "{\"request\":{\"tokens\":20}}", "budget_spent" },
		{ "select 1", "{\"user\":{\"tokens\":20}}", "ok" }, /* it has none */
		{ SET("workspace", "*", 100, null), "{\"workspace\":{\"tokens\":20}}", "ok" },
		{ SET("workspace", "*", 100, null), "{\"workspace\":{\"cost\":20}}", "budget_spent" },
		{ SET("workspace", "*", 20, null), "{\"workspace\":{\"tokens\":100}}", "budget_spent" },
		{ SET("workspace", "*", 20, null) ", " SET("workspace", SPACE_A, 100, null), "{}", "ok" },
		{ SET("workspace", "*", 20, null) ", " SET("workspace", SPACE_A, null, 100), "{}", "budget_spent" },
		{ SET("workspace", SPACE_A, 20, null), "{}", "budget_spent" },
		{ SET("workspace", SPACE_A, 0, null), "{}", "budget_spent" },
		{ SET("workspace", SPACE_A, 21, null), "{}", "ok" },
		{ SET("request", "*", null, 20), "{}", "budget_spent" },
	};
	PLAY;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *rows = cases[i].rows;
		const char *next = strstr(rows, ", select");
		test_ask(a, p.owner, "truncate drover.budgets, drover.spending, drover.spending_counted, drover.reservations");
		CHECK_SQL(p.owner, next ? arena_printf(a, "%.*s", (int)(next - rows), rows) : rows, strchr(rows, '.') ? "" : "1");
		if (next)
			CHECK_SQL(p.owner, next + 2, "");
		p.budgets = (struct budgets){ .defaults = cases[i].defaults };
		struct agent_run run = runs(a, &p, OF_SPACE);
		if (!CHECK_EQ_S(reserve(&p, &run, 20, 5, e), cases[i].said)) /* 21 tokens and 22 micro-units are the least */
			printf("      %s, %s\n", rows, cases[i].defaults);
	}
}

LOOP_TEST(a_request_has_its_budget_in_all_its_attempts)
{
	PLAY;
	CHECK_SQL(p.owner, SET("request", "*", 100, null), "");
	struct agent_run run = runs(a, &p, OF_SPACE);
	CHECK_EQ_S(reserve(&p, &run, 30, 10, e), "ok");
	CHECK_EQ_S(settle(&p, &run, 30, 10, e), "ok");
	CHECK_SQL(p.owner, "update agent_requests set version = 2, attempt = 2 returning id", "1");
	run.version = 2;
	CHECK_EQ_S(reserve(&p, &run, 30, 30, e), "ok");
	CHECK_EQ_S(settle(&p, &run, 30, 25, e), "ok");
	CHECK_EQ_S(reserve(&p, &run, 5, 10, e), "budget_spent");
	CHECK_EQ_S(e->msg, "the budget of request 1 is spent: 95 of 100 tokens in all its attempts, and the next call needs at least "
		"6; raise it with drover budget set request 1 --tokens N, or option budget.request_tokens");
	CHECK_SQL(p.owner, SET("request", "1", 101, null), "");
	CHECK_EQ_S(reserve(&p, &run, 5, 10, e), "ok");
}

LOOP_TEST(sessions_spend_in_all_users_and_workspaces_a_day)
{
	PLAY;
	static const char *const mine = "'" SESSION_A "', '" USER_A "', '" SPACE_A "'";
	CHECK_SQL(p.owner, SET("session", "*", 100, null), "");
	CHECK_SQL(p.owner, SET("user", "*", 100, null), "");
	CHECK_SQL(p.owner, SET("workspace", "*", null, 1000), "");
	CHECK_EQ_S(call(a, &p, mine, 40, 10, e), "ok");
	CHECK_EQ_S(call(a, &p, mine, 40, 10, e), "ok");
	CHECK_SQL(p.owner, SPENT("session"), "100 120");
	CHECK_SQL(p.owner, SPENT("user"), "100 120");
	CHECK_SQL(p.owner, SPENT("workspace"), "100 120");
	CHECK_EQ_S(call(a, &p, mine, 40, 10, e), "budget_spent");
	CHECK(strstr(e->msg, "session " SESSION_A " is spent: 100 of 100 tokens since it began"));
	CHECK_EQ_S(call(a, &p, "gen_random_uuid(), '" USER_A "', null", 40, 10, e), "budget_spent");
	CHECK(strstr(e->msg, "user " USER_A " is spent: 100 of 100 tokens today (UTC)") && strstr(e->msg, "budget.user_day_tokens"));
	CHECK_EQ_S(call(a, &p, "gen_random_uuid(), '" USER_B "', '" SPACE_A "'", 40, 10, e), "ok");
	CHECK_SQL(p.owner, "update drover.spending set day = day - 1 where scope <> 'session' returning day is null", "f");
	CHECK_EQ_S(call(a, &p, "gen_random_uuid(), '" USER_A "', null", 40, 10, e), "ok");
	CHECK_EQ_S(call(a, &p, mine, 40, 10, e), "budget_spent");
}

LOOP_TEST(what_was_spent_before_the_budget_was_set_counts)
{
	PLAY;
	CHECK_SQL(p.owner, "insert into agent_sessions (id, user_id) values ('" SESSION_A "', '" USER_A "') returning 1", "1");
	CHECK_SQL(p.owner, "insert into agent_turns (request_id, session_id, user_id, attempt, sequence_number, role, content_type, "
		"block, stop_reason, usage, cost_micros, created_at) select 1, '" SESSION_A "', '" USER_A "', 1, n, 'assistant', 'text', "
		"'{}', case when n % 2 = 0 then 'end_turn' end, '{\"input_tokens\":1,\"output_tokens\":2,\"cache_write_tokens\":3,"
		"\"cache_read_tokens\":4}', 7, drover.today()::timestamp at time zone 'UTC' + make_interval(secs => n - 20000) "
		"from generate_series(1, 40000) n returning 1", "1");
	CHECK_SQL(p.owner, SET("user", "*", 1000000, null), "");
	CHECK_SQL(p.owner, SPENT("user"), "100010 70007"); /* 20000 to 40000, of which every second ends a turn */
	CHECK_SQL(p.owner, SET("session", "*", 1000000, null), "");
	CHECK_EQ_S(call(a, &p, "'" SESSION_A "', '" USER_A "', null", 40, 10, e), "ok");
	CHECK_SQL(p.owner, SPENT("user"), "100060 70067");
	CHECK_SQL(p.owner, SPENT("session"), "200050 140060");
}

/* A script that waits for its turn. */
struct later {
	struct pg *db;
	const char *sql, *said;
	struct arena *a;
};

static bool say_later(void *arg, struct err *e)
{
	(void)e;
	struct later *l = arg;
	l->said = test_ask(l->a, l->db, l->sql);
	return true;
}

LOOP_TEST(who_begins_to_count_waits_for_calls_that_are_being_settled_uncounted)
{
	PLAY;
	struct agent_run run = runs(a, &p, OF_USER);
	struct model_usage used = { 5, 5, 0, 0 };
	struct pg_step step = budget_settle(a, &run, &p.model, &used);
	struct pg_rows rows;
	step.rows = &rows;
	struct pg *db = pg_get(p.pool, deadline_in(CASE_MS), e);
	struct group g = { 0 };
	struct later l = { test_connect(a, p.db.owner_url, e), SET("user", "*", 100, null), "nothing", a };
	CHECK_SQL(p.owner, "insert into agent_sessions (id) values ('" SESSION_A "') returning 1", "1");
	REQUIRE_OK(pg_begin(db, a, &step, 1, deadline_in(CASE_MS), e));
	REQUIRE_OK(group_start(&g, "set", say_later, &l, e));
	for (int64_t end = clock_ms() + CASE_MS / 3; clock_ms() < end && strcmp(test_ask(a, p.owner, WAITING), "1") != 0;)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK_SQL(p.owner, WAITING, "1");
	CHECK_EQ_S(l.said, "nothing");
	static const struct sql turn = { "turn", "test", "insert into agent_turns (request_id, session_id, user_id, attempt, "
		"sequence_number, role, content_type, block, stop_reason, tokens_used, cost_micros) values (1, '" SESSION_A "', '" USER_A
		"', 1, 1, 'assistant', 'text', '{}', 'end_turn', 10, 15)", 0 };
	REQUIRE_OK(pg_commit(db, a, &(struct pg_step){ &turn, PG_NO_ARGS, NULL }, 1, deadline_in(CASE_MS), e));
	pg_put(p.pool, db);
	REQUIRE_OK(group_wait(&g, deadline_in(CASE_MS), e));
	CHECK_EQ_S(l.said, "");
	CHECK_SQL(p.owner, SPENT("user"), "10 15");
}

/* ---- under way ---- */

LOOP_TEST(one_call_alone_may_take_what_is_left_and_the_next_waits_for_it)
{
	PLAY;
	CHECK_SQL(p.owner, SET("workspace", "*", 100, null), "");
	struct agent_run one = runs(a, &p, OF_SPACE), two = runs(a, &p, OF_SPACE);
	CHECK_EQ_S(reserve(&p, &one, 10, 500, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "1 100");
	two.deadline = deadline_in(300);
	CHECK_EQ_S(reserve(&p, &two, 1, 1, e), "budget_reserved");
	CHECK_EQ_I(e->kind, ERR_BUSY);
	CHECK(e->retry_after_ms > 0);
	CHECK_EQ_S(settle(&p, &one, 10, 20, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "0 0");
	two.deadline = deadline_in(CASE_MS);
	CHECK_EQ_S(reserve(&p, &two, 10, 30, e), "ok"); /* fits: others may go beside it */
	CHECK_EQ_S(reserve(&p, &one, 10, 20, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "2 70");
	CHECK_EQ_S(settle(&p, &two, 10, 500, e), "ok");
	CHECK_EQ_S(settle(&p, &one, 10, 20, e), "ok");
	CHECK_EQ_S(reserve(&p, &one, 1, 1, e), "budget_spent");
	CHECK_SQL(p.owner, "select tokens, reserved_tokens, reserved_micros from drover.spending", "570");
	CHECK_SQL(p.owner, "select reserved_tokens + reserved_micros from drover.spending", "0");
}

static bool wait_for_room(void *arg, struct err *e)
{
	struct { struct play *p; struct agent_run *run; } *w = arg;
	return budget_reserve(w->run, &w->p->model, 10, 10, e);
}

LOOP_TEST(who_waits_for_room_goes_on_when_the_call_before_it_is_settled)
{
	PLAY;
	struct group g = { 0 };
	CHECK_SQL(p.owner, SET("workspace", "*", 100, null), "");
	struct agent_run one = runs(a, &p, OF_SPACE), two = runs(a, &p, OF_SPACE);
	struct { struct play *p; struct agent_run *run; } w = { &p, &two };
	CHECK_EQ_S(reserve(&p, &one, 10, 500, e), "ok");
	REQUIRE_OK(group_start(&g, "two", wait_for_room, &w, e));
	REQUIRE_OK(loop_sleep(50, e));
	CHECK_SQL(p.owner, RESERVED, "1 100");
	CHECK_EQ_S(settle(&p, &one, 10, 10, e), "ok");
	REQUIRE_OK(group_wait(&g, deadline_in(CASE_MS), e));
	CHECK_SQL(p.owner, RESERVED, "1 20");
}

LOOP_TEST(a_second_reservation_replaces_the_first_and_a_lost_fence_neither_reserves_nor_counts)
{
	PLAY;
	CHECK_SQL(p.owner, SET("workspace", "*", 100, null), "");
	struct agent_run run = runs(a, &p, OF_SPACE);
	CHECK_EQ_S(reserve(&p, &run, 10, 20, e), "ok");
	CHECK_EQ_S(reserve(&p, &run, 10, 40, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "1 50");
	run.version = 7;
	CHECK_EQ_S(reserve(&p, &run, 10, 60, e), "fence_lost");
	CHECK_EQ_S(settle(&p, &run, 10, 60, e), "fence_lost");
	CHECK_SQL(p.owner, RESERVED, "1 50");
	CHECK_SQL(p.owner, SPENT("workspace"), "0 0");
	run.version = 1;
	CHECK_EQ_S(settle(&p, &run, 1, 2, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "0 0");
	CHECK_SQL(p.owner, SPENT("workspace"), "3 5");
}

LOOP_TEST(the_reservation_of_a_run_that_is_over_is_free_for_who_needs_it)
{
	static const char *const ends[] = {
		"update agent_requests set version = version + 1, status = 'queued', phase = 'ready' where id = %ld returning 1",
		"update agent_requests set version = version + 2 where id = %ld returning 1",
		"update agent_requests set status = 'failed', phase = 'failed' where id = %ld returning 1",
		"delete from agent_requests where id = %ld returning 1",
	};
	PLAY;
	CHECK_SQL(p.owner, SET("workspace", "*", 100, null), "");
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct agent_run dead = runs(a, &p, OF_SPACE), heir = runs(a, &p, OF_SPACE);
		CHECK_EQ_S(reserve(&p, &dead, 10, 80, e), "ok");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		CHECK_SQL(p.owner, arena_printf(a, ends[i], (long)dead.request_id), "1");
#pragma GCC diagnostic pop
		CHECK_EQ_S(reserve(&p, &heir, 10, 80, e), "ok");
		CHECK_SQL(p.owner, RESERVED, "1 90");
		CHECK_EQ_S(settle(&p, &heir, 0, 0, e), "ok");
	}
}

LOOP_TEST(upkeep_removes_what_the_dead_reserved_days_that_are_past_and_scopes_that_nobody_asks_about)
{
	PLAY;
	struct pg *db = pg_get(p.pool, deadline_in(CASE_MS), e);
	CHECK_SQL(p.owner, SET("workspace", "*", 100, null), "");
	p.budgets.defaults = "{\"user\":{\"tokens\":100},\"session\":{\"tokens\":100}}";
	struct agent_run dead = runs(a, &p, "gen_random_uuid(), '" USER_A "', '" SPACE_A "'"), lives = runs(a, &p, OF_SPACE);
	CHECK_EQ_S(reserve(&p, &dead, 10, 10, e), "ok");
	CHECK_EQ_S(reserve(&p, &lives, 10, 20, e), "ok");
	CHECK_SQL(p.owner, RESERVED, "5 120"); /* three scopes of the one, two of the other */
	CHECK_SQL(p.owner, arena_printf(a, "update agent_requests set version = 9 where id = %ld returning 1",
		(long)dead.request_id), "1");
	for (int i = 0; i < 40; i++) /* each looks at some */
		REQUIRE_OK(budget_tend(&p.budgets, db, deadline_in(CASE_MS), e));
	CHECK_SQL(p.owner, RESERVED, "2 60");
	CHECK_SQL(p.owner, "select sum(reserved_tokens) from drover.spending", "60");
	CHECK_SQL(p.owner, "insert into drover.spending select 'user', '" USER_B "', drover.today() - n, 5 "
		"from generate_series(1, 3) n returning 1", "1");
	CHECK_SQL(p.owner, "update drover.spending_counted set asked_on = asked_on - 2 returning 1", "1");
	REQUIRE_OK(budget_tend(&p.budgets, db, deadline_in(CASE_MS), e));
	CHECK_SQL(p.owner, "select string_agg(scope, ' ') from drover.spending_counted", "workspace"); /* it has a row */
	CHECK_SQL(p.owner, "select string_agg(distinct scope, ' ') from drover.spending", "workspace");
	CHECK_SQL(p.owner, "insert into drover.spending select 'workspace', '" SPACE_A "', drover.today() - n, 5 "
		"from generate_series(1, 3) n returning 1", "1");
	REQUIRE_OK(budget_tend(&p.budgets, db, deadline_in(CASE_MS), e));
	CHECK_SQL(p.owner, "select string_agg((drover.today() - day)::text, ' ' order by day) from drover.spending", "1 0");
	CHECK_EQ_S(settle(&p, &lives, 1, 1, e), "ok");
	pg_put(p.pool, db);
}

LOOP_TEST(a_call_over_midnight_gives_back_where_it_took_and_counts_where_it_ended)
{
	PLAY;
	CHECK_SQL(p.owner, SET("user", "*", 100, null), "");
	struct agent_run run = runs(a, &p, OF_USER);
	CHECK_EQ_S(reserve(&p, &run, 10, 10, e), "ok");
	CHECK_SQL(p.owner, "update drover.spending set day = day - 1 returning 1", "1");
	CHECK_SQL(p.owner, "update drover.reservations set day = day - 1 returning 1", "1");
	CHECK_EQ_S(settle(&p, &run, 10, 5, e), "ok");
	CHECK_SQL(p.owner, "select string_agg(concat_ws(' ', drover.today() - day, tokens, reserved_tokens), ', ' order by day) "
		"from drover.spending", "1 0 0, 0 15 0");
}

/* ---- many at once ---- */

enum { RACERS = 40, ROUNDS = 12, BUDGET = 3000, INPUT = 10, ANSWER = 90 };

struct racer {
	struct play *p;
	struct agent_run run;
	int n;
	int64_t spent;
	const char *trouble;
};

/* Each call is allowed a hundred tokens, and takes more or less of them. */
static bool race(void *arg, struct err *e)
{
	struct racer *r = arg;
	for (int i = 0; i < ROUNDS; i++) {
		int64_t answer = (r->n * 7 + i * 13) % (ANSWER + 1);
		if (!budget_reserve(&r->run, &r->p->model, INPUT, ANSWER, e)) {
			r->trouble = e->code;
			return true;
		}
		if (!loop_sleep((r->n + i) % 5, e) || !settled(r->p, &r->run, INPUT, answer, e)) {
			r->trouble = e->code;
			return true;
		}
		r->spent += INPUT + answer;
	}
	return true;
}

LOOP_TEST(racing_processes_overspend_a_budget_by_one_answer_at_most)
{
	PLAY;
	struct play other = p; /* another process: what it knows, and its connections, are its own */
	struct racer *all = arena_alloc(a, RACERS * sizeof(*all));
	struct group g = { 0 };
	int64_t spent = 0;
	const struct pg_options o = { .url = p.db.worker_url, .connect_ms = 5000, .prepare = true };
	arena_defer(a, pool_end, other.pool = pg_pool_new(&o, CONNECTIONS));
	CHECK_SQL(p.owner, SET("workspace", "*", 3000, null), "");
	for (int i = 0; i < RACERS; i++) {
		struct play *mine = i % 2 ? &p : &other;
		all[i] = (struct racer){ .p = mine, .run = runs(a, mine, OF_SPACE), .n = i };
	}
	for (int i = 0; i < RACERS; i++)
		REQUIRE_OK(group_start(&g, "racer", race, &all[i], e));
	REQUIRE_OK(group_wait(&g, deadline_in(CASE_MS), e));
	for (int i = 0; i < RACERS; i++) {
		spent += all[i].spent;
		if (all[i].trouble)
			CHECK_EQ_S(all[i].trouble, "budget_spent");
	}
	CHECK(spent > BUDGET - INPUT - 1); /* what was left was used */
	CHECK(spent <= BUDGET + ANSWER);
	CHECK_SQL(p.owner, "select tokens from drover.spending", arena_printf(a, "%ld", (long)spent));
	CHECK_SQL(p.owner, "select sum(input_tokens + output_tokens) from agent_requests", arena_printf(a, "%ld", (long)spent));
	CHECK_SQL(p.owner, RESERVED, "0 0");
	CHECK_SQL(p.owner, "select reserved_tokens + reserved_micros from drover.spending", "0");
}

LOOP_TEST(a_hundred_that_settle_at_once_do_not_deadlock)
{
	enum { MANY = 100 };
	PLAY;
	struct racer *all = arena_alloc(a, MANY * sizeof(*all));
	struct group g = { 0 };
	CHECK_SQL(p.owner, SET("workspace", "*", 1000000, null), "");
	CHECK_SQL(p.owner, SET("user", "*", 1000000, null), "");
	CHECK_SQL(p.owner, SET("session", "*", null, 1000000), "");
	for (int i = 0; i < MANY; i++) {
		/* few keys, met in every combination */
		const char *whose = arena_printf(a, "gen_random_uuid(), '%c0000000-0000-4000-8000-0000000000aa', "
			"'%c0000000-0000-4000-8000-0000000000cc'", "abc"[i % 3], "abc"[i % 2]);
		all[i] = (struct racer){ .p = &p, .run = runs(a, &p, whose), .n = i };
	}
	for (int i = 0; i < MANY; i++)
		REQUIRE_OK(group_start(&g, "racer", race, &all[i], e));
	REQUIRE_OK(group_wait(&g, deadline_in(2 * CASE_MS), e));
	int64_t spent = 0;
	for (int i = 0; i < MANY; i++) {
		spent += all[i].spent;
		CHECK(!all[i].trouble);
	}
	CHECK_SQL(p.owner, "select string_agg(distinct sum::text, ' ') from (select sum(tokens) as sum from "
		"drover.spending group by scope) s",
		arena_printf(a, "%ld", (long)spent));
	CHECK_SQL(p.owner, "select deadlocks from pg_stat_database where datname = current_database()", "0");
}

/* ---- a whole worker ---- */

/* Each attempt makes one call of ten tokens in and as many out as the request says; "lose" breaks before it is settled. */
static bool spend_run(struct agent_run *run, struct agent_result *result, struct err *e)
{
	enum { PUT_IN = 10, OUT_MOST = 100 };
	ARENA_SCOPE(tmp);
	int64_t out = 0;
	bool lose = strcmp(run->request, "lose") == 0 && run->attempt < 2;
	str_to_i64(str_of(run->request), &out);
	if (!budget_reserve(run, run->models->all, PUT_IN, OUT_MOST, e))
		return false;
	if (lose)
		return FAIL(e, ERR_NET, "model_cut", "cut");
	struct model_usage used = { .input_tokens = PUT_IN, .output_tokens = out };
	struct pg_step step = budget_settle(tmp, run, run->models->all, &used);
	struct pg *db = pg_get(run->db, run->deadline, e);
	bool ok = db && pg_batch(db, tmp, &step, 1, run->deadline, e);
	pg_put(run->db, db);
	if (!ok)
		return false;
	if (strcmp(run->request, "7") == 0 && run->attempt < 2)
		return FAIL(e, ERR_NET, "tool_cut", "cut after the call");
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{\"answer\":\"spent\"}", .message = "spent" };
	return true;
}

static const struct tool *const no_tools[] = { NULL };
static const struct agent spender = { .type = "spender", .name = "spender", .text = "spends", .prompt = "", .tools = no_tools,
	.run = spend_run };
static const struct agent *const spenders[] = { &spender, NULL };

RIG_TEST(a_request_over_its_budget_fails_and_says_so, "replies: [ { reply: [ { text: x } ] } ]")
{
	r->config.agents = spenders;
	r->config.budgets.request.tokens = 10;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "spender", "5");
	CHECK_FATE(id, "failed budget_spent 1");
	CHECK(strstr(rig_sql(a, r, "select error from agent_requests where id = %ld", id), "option budget.request_tokens"));
}

RIG_TEST(a_conversation_reserves_counts_and_stops_at_its_budget,
	"replies: [ { reply: [ { text: x } ], usage: { input_tokens: 700, output_tokens: 30 } } ]")
{
	r->config.budgets.user.tokens = 1000000;
	r->config.model.price = (struct model_price){ 1000000, 2000000, 0, 0 };
	REQUIRE_OK(rig_start(r, e));
	for (int i = 1; i <= 2; i++) {
		CHECK_FATE(rig_ask(a, r, "project_management", "hello"), "completed 1");
		CHECK_SQL(r->owner, SPENT("user"), arena_printf(a, "%d %d", i * 730, i * 760));
		CHECK_SQL(r->owner, "select sum(input_tokens + output_tokens) || ' ' || sum(cost_micros) from agent_requests",
			arena_printf(a, "%d %d", i * 730, i * 760));
		CHECK_SQL(r->owner, RESERVED, "0 0");
	}
	CHECK_SQL(r->owner, SET("user", "*", 1500, null), "");
	CHECK_FATE(rig_ask(a, r, "project_management", "hello"), "failed budget_spent 1");
	CHECK_SQL(r->owner, SPENT("user"), "1460 1520");
}

RIG_TEST(what_a_failed_attempt_spent_stays_counted_and_what_it_reserved_does_not, "replies: [ { reply: [ { text: x } ] } ]")
{
	r->config.agents = spenders;
	r->config.budgets.user.tokens = 120;
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "spender", "lose"), "completed 2"); /* the first attempt took it all, and lost it */
	CHECK_FATE(rig_ask(a, r, "spender", "7"), "completed 2");
	CHECK_SQL(r->owner, "select tokens || ' ' || reserved_tokens from drover.spending", "44 0");
	CHECK_SQL(r->owner, "select sum(input_tokens + output_tokens) from agent_requests", "44");
	CHECK_FATE(rig_ask(a, r, "spender", "80"), "completed 1");
	CHECK_FATE(rig_ask(a, r, "spender", "1"), "failed budget_spent 1");
}

/* ---- for people ---- */

LOOP_TEST(budgets_are_set_listed_and_cleared_by_command)
{
	PLAY;
	struct ran none = shell(a, p.db.worker_url, "$D budget");
	CHECK_HAS(none.out, "nothing has a budget here");
	struct ran set = shell(a, p.db.worker_url, "$D budget set workspace '*' --tokens 100 --cost 5000");
	CHECK_EQ_I(set.status, 0);
	CHECK_HAS(set.out, "workspace");
	CHECK_EQ_S(call(a, &p, OF_SPACE, 40, 50, e), "ok");
	shell(a, p.db.worker_url, "$D budget set workspace " SPACE_A " --tokens 110");
	struct ran list = shell(a, p.db.worker_url, "$D budget list workspace --json --set budget.user_day_cost=9 2>&1 || "
		"DROVER_BUDGET_USER_DAY_COST=9 $D budget list --json");
	CHECK_HAS(list.out, "{\"scope\":\"workspace\",\"key\":\"" SPACE_A "\",\"max_tokens\":110,\"max_cost_micros\":null,"
		"\"set_by\":\"row\",\"tokens\":90,\"cost_micros\":140}");
	CHECK_HAS(list.out, "{\"scope\":\"user\",\"key\":\"*\",\"max_tokens\":null,\"max_cost_micros\":9,\"set_by\":\"option\"");
	struct ran status = shell(a, p.db.worker_url, "$D status --json");
	CHECK_HAS(status.out, "\"budgets\":[{\"scope\":\"workspace\",\"key\":\"" SPACE_A "\",\"percent\":81,");
	CHECK_HAS(status.out, "\"name\":\"budget\",\"level\":\"warn\"");
	CHECK_HAS(shell(a, p.db.worker_url, "$D status").out, "90 of 110");
	CHECK_EQ_I(shell(a, p.db.worker_url, "$D budget clear workspace " SPACE_A).status, 0);
	CHECK_EQ_I(shell(a, p.db.worker_url, "$D budget clear workspace " SPACE_A).status, 3);
	CHECK_SQL(p.owner, "update drover.spending set tokens = 100 returning 1", "1");
	CHECK_HAS(shell(a, p.db.worker_url, "$D status --json").out, "\"name\":\"budget\",\"level\":\"wrong\"");
}

LOOP_TEST(a_wrong_budget_is_refused_with_words)
{
	static const struct { const char *line, *said; int status; } cases[] = {
		{ "budget set workspace x --tokens 5", "the key of scope workspace is a uuid, or *", 1 },
		{ "budget set request x --tokens 5", "the key of scope request is its number, or *", 1 },
		{ "budget set planet x --tokens 5", "SCOPE must be request, session, user or workspace, not planet", 2 },
		{ "budget drop", "VERB must be list, set or clear, not drop", 2 },
		{ "budget set workspace --tokens 5", "KEY is missing", 2 },
		{ "budget set workspace '*'", "set needs --tokens, --cost or both", 2 },
		{ "budget list --tokens 5", "--tokens and --cost go with set", 2 },
		{ "budget set workspace '*' --cost -1", "--cost N: must be 0 to 1000000000000000, not -1", 2 },
		{ "budget set workspace '*' --tokens 1000000000000001", "--tokens N: must be 0 to", 2 },
	};
	PLAY;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ran r = shell(a, p.db.worker_url, arena_printf(a, "$D %s", cases[i].line));
		CHECK_HAS(r.err, cases[i].said);
		CHECK_EQ_I(r.status, cases[i].status);
	}
	CHECK_SQL(p.owner, "select count(*) from drover.budgets", "0");
}
