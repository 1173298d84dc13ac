/* SPDX-License-Identifier: MIT */
/* Who comes between: each order of steps that once lost a cancel, a place or a turn, forced by transactions that the
 * test holds open. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"
#include "queue_sql.h"

#define IN_A "session_id", "'" SESSION_A "'"
#define LIMIT "select drover.set_limit('type', 'quotes', 1, null)"
#define PAUSE "select drover.pause('type', 'quotes')"
#define END(id) "select drover.end_request(" #id ", 'cancelled', 'cancelled', 'enough')"
#define CHILD(after) "{\"type\": \"quotes\", \"request\": \"x\", \"after\": [" after "]}"
#define TOLD "select coalesce(string_agg(request_id || phase, ' ' order by request_id), '') from drover.cancels"
#define PHASES "select string_agg(coalesce(blocked_on, phase), ' ' order by id) from agent_requests"
#define LAPSE "update drover.cancels set created_at = created_at - interval '2 s'"

/* A script on a connection of its own, under way until its group has ended. */
static struct case_later *later(struct arena *a, struct queue_case *c, struct group *g, const char *sql)
{
	struct err e = { 0 };
	struct case_later *x = arena_alloc(a, sizeof(*x));
	*x = (struct case_later){ .db = test_connect(a, c->db.owner_url, &e), .sql = sql };
	CHECK(group_start(g, "later", case_run_later, x, &e));
	return x;
}

static struct pg *hold(struct arena *a, struct queue_case *c, int64_t id)
{
	struct err e = { 0 };
	struct pg *db = test_connect(a, c->db.owner_url, &e);
	const char *want = arena_printf(a, "%ld", (long)id);
	CHECK_SQL(db, arena_printf(a, "begin; select id from agent_requests where id = %s for no key update", want), want);
	return db;
}

/* 1 waits for its children, of which the first runs. */
static void family(struct arena *a, struct queue_case *c, const char *children)
{
	CHECK_EQ_I(case_ask(a, c->owner, "", ""), 1);
	CHECK_EQ_S(case_claim(a, &c->one, 1), "1");
	CHECK_EQ_S(case_spawn(a, &c->one, 1, children), "ok");
	CHECK_EQ_S(case_claim(a, &c->one, 1), "2");
}

/* ---- places ---- */

/* User A runs 2 and has 3 to 7 parked before B's 8, all for the place that 1 has. */
static void two_limits(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, LIMIT "; select drover.set_limit('user', '*', 1, null)", "");
	CHECK_EQ_I(case_ask(a, c->owner, "", ""), 1);
	CHECK_SQL(c->owner, "insert into agent_requests (type, user_id, request) select case when i = 2 then 'other' else "
		"'quotes' end, case when i = 8 then '" USER_B "'::uuid else '" USER_A "' end, 'x' from generate_series(2, 8) i",
		"(null)");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1,2");
	CHECK_SQL(c->owner, "select count(*) from agent_requests where blocked_on = 'type:quotes'", "6");
}

LOOP_TEST(a_place_that_one_may_not_take_for_another_limit_goes_to_the_next_in_line)
{
	QUEUE_CASE;
	const char *got = "";
	two_limits(a, &c);
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	for (int i = 0; i < 7 && !*got; i++) /* and without any upkeep */
		got = case_claim(a, &c.two, 10);
	CHECK_EQ_S(got, "8");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where blocked_on = 'user:" USER_A "'", "5");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_finish(a, &c.two, 8), "ok");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3");
	queue_case_check(a, &c);
}

LOOP_TEST(one_upkeep_looks_at_more_than_one_key)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, "insert into agent_requests (type, request, phase, blocked_on) select 'quotes', 'x', "
		"'blocked', 'type:' || n from generate_series(1, 5) n", "(null)");
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 0");
	CHECK_SQL(c.owner, PHASES, "ready ready ready ready ready");
}

/* The claim has seen no limit, and so it notes no place. */
LOOP_TEST(the_first_limit_and_a_pause_wait_for_the_claims_that_are_under_way)
{
	static const char *const acts[] = { LIMIT, PAUSE };
	for (size_t i = 0; i < COUNT(acts); i++) {
		QUEUE_CASE;
		struct group g = { 0 };
		case_ask(a, c.owner, "", "");
		case_ask(a, c.owner, "", "");
		REQUIRE_OK(case_claim_open(a, &c.one, 1, NULL, e));
		struct case_later *act = later(a, &c, &g, acts[i]);
		CHECK(case_blocked(a, &c, 1));
		REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
		REQUIRE_OK(group_wait(&g, NEVER_MS, e));
		CHECK_EQ_S(act->said, i ? "t" : "");
		CHECK_EQ_S(case_claim(a, &c.two, 10), "");
		CHECK_SQL(c.owner, PHASES, "running type:quotes");
		CHECK_SQL(c.owner, "select count(*) from drover.permits", i ? "0" : "1");
	}
}

struct claim {
	struct queue_side *side;
	struct queue_claim got;
	char said[600];
};

static bool claim_later(void *arg, struct err *e)
{
	(void)e;
	struct claim *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", case_claim_as(a, x->side, (struct queue_wish){ .max = 10 }, &x->got));
	return true;
}

LOOP_TEST(a_claim_beside_the_first_limit_waits_for_it_and_looks_again)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct claim claim = { .side = &c.one };
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "", "");
	CHECK_SQL(c.owner, "begin; " LIMIT, "");
	REQUIRE_OK(group_start(&g, "claim", claim_later, &claim, e));
	struct pg *watch = c.owner;
	c.owner = test_connect(a, c.db.owner_url, e); /* looks on, outside that transaction */
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(watch, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(claim.said, "");
	CHECK_EQ_I(claim.got.undecided, 1);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_SQL(c.owner, PHASES, "running type:quotes");
}

/* The second has touched the row, if its order is wrong, when the first gets the lock and wants the row. */
static void change_at_once(struct arena *a, struct queue_case *c, const char *first, const char *second)
{
	struct err e = { 0 };
	struct group g = { 0 };
	struct pg *gate = test_connect(a, c->db.owner_url, &e);
	CHECK_SQL(c->owner, "truncate drover.limits; " LIMIT "; " PAUSE, "t");
	CHECK_SQL(gate, "begin; select drover.lock_limits()", "");
	struct case_later *one = later(a, c, &g, first);
	CHECK(case_blocked(a, c, 1));
	struct case_later *two = later(a, c, &g, second);
	CHECK(case_blocked(a, c, 2));
	CHECK_SQL(gate, "commit", "(null)");
	CHECK(group_wait(&g, NEVER_MS, &e));
	CHECK(!strstr(one->said, "ERROR"));
	CHECK(!strstr(two->said, "ERROR"));
}

LOOP_TEST(two_who_change_one_limit_at_once_have_one_order_of_locks)
{
	static const char *const acts[] = { LIMIT, PAUSE, "select drover.resume('type', 'quotes')",
		"select drover.clear_limit('type', 'quotes')" };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(acts); i++)
		for (size_t k = 0; k < COUNT(acts); k++)
			change_at_once(a, &c, acts[i], acts[k]);
}

/* ---- families ---- */

struct end {
	struct queue_case *c;
	int64_t id;
	char said[600];
};

static bool finish_later(void *arg, struct err *e)
{
	(void)e;
	struct end *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", case_finish(a, &x->c->one, x->id));
	return true;
}

/* 3 ends, and its parent is touched; 4 waits for 2 and is touched by the end of 2, which then wants the parent too. */
LOOP_TEST(a_cancelled_parent_and_the_end_of_a_child_have_one_order_of_locks)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct end end = { .c = &c, .id = 2 };
	family(a, &c, "[" CHILD("") ", " CHILD("") ", " CHILD("0") "]");
	CHECK_SQL(c.owner, "alter function drover.finish reset lock_timeout", "(null)"); /* it must not be what helps */
	struct pg *gate = hold(a, &c, 4);
	REQUIRE_OK(group_start(&g, "end", finish_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	struct case_later *cancel = later(a, &c, &g, END(1));
	CHECK(case_blocked(a, &c, 2));
	CHECK_SQL(gate, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_EQ_S(cancel->said, "t");
	CHECK_SQL(c.owner, PHASES, "cancelled completed cancelled cancelled");
	CHECK_SQL(c.owner, TOLD, "");
	queue_case_check(a, &c);
}

LOOP_TEST(a_cancelled_parent_and_a_cancelled_child_have_one_order_of_locks)
{
	QUEUE_CASE;
	struct group g = { 0 };
	family(a, &c, "[" CHILD("") ", " CHILD("") ", " CHILD("") "]");
	struct pg *gate = hold(a, &c, 4);
	struct case_later *child = later(a, &c, &g, END(4));
	CHECK(case_blocked(a, &c, 1));
	struct case_later *parent = later(a, &c, &g, END(1));
	CHECK(case_blocked(a, &c, 2));
	CHECK_SQL(gate, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(child->said, "t");
	CHECK_EQ_S(parent->said, "t");
	CHECK_SQL(c.owner, PHASES, "waiting_children running cancelled cancelled");
	CHECK_SQL(c.owner, TOLD, "1cancelled 2cancelled");
	CHECK_EQ_S(case_stop(a, &c.one, 2), "ok");
	CHECK_STATE(1, "failed cancelled");
}

LOOP_TEST(a_cancel_that_is_not_committed_while_the_parent_plans_reaches_its_children)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
	struct pg *other = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(other, "begin; " END(1), "t");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, "[" CHILD("") ", " CHILD("") "]"), "ok");
	CHECK_SQL(other, "commit", "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "2");
	CHECK_SQL(c.owner, PHASES, "waiting_children running ready");
	CHECK_SQL(c.owner, LAPSE, "(null)");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	CHECK_SQL(c.owner, PHASES, "waiting_children running cancelled");
	CHECK_SQL(c.owner, TOLD, "1cancelled 2cancelled");
	CHECK_EQ_S(case_stop(a, &c.one, 2), "ok");
	CHECK_SQL(c.owner, PHASES, "cancelled cancelled cancelled");
	queue_case_check(a, &c);
}

/* ---- ends ---- */

/* 1 and 2 in one exchange; the SQLSTATE. */
static const char *finish_both(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	struct queue_end ends[] = {
		{ .request = &c->one.held[1], .completed = true, .phase = "completed", .result = "{}", .agent = "quotes" },
		{ .request = &c->one.held[2], .completed = true, .phase = "completed", .result = "{}", .agent = "quotes" } };
	struct queue_claim none;
	int64_t *ended;
	size_t n;
	bool ok = queue_exchange(c->one.db, a, ends, 2, log_batch_new(a), NULL, deadline_in(CASE_MS), &ended, &n, &none,
		&e);
	return ok ? "ok" : arena_text(a, str_of(e.sqlstate));
}

/* An app's open transaction has superseded the next of 1's session: an end must wait for it, but not for ever. */
LOOP_TEST(an_end_gives_up_on_a_row_that_an_app_holds_and_the_others_end)
{
	QUEUE_CASE;
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 1);
	CHECK_EQ_I(case_ask(a, c.owner, "", ""), 2);
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, supersede_key", "'" SESSION_A "', 'k'"), 3);
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 4);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	struct pg *app = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(app, "begin; insert into agent_requests (type, supersede_key, request) values ('other', 'k', 'x') "
		"returning id", "5");
	CHECK_EQ_S(finish_both(a, &c), "55P03");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_STATE(1, "processing running");
	CHECK_SQL(app, "commit", "(null)");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_SQL(c.owner, PHASES, "completed completed superseded ready ready");
	CHECK_SQL(c.one.db, "show lock_timeout", "0"); /* only of the finish */
}

/* As an exchange does it, up to the COMMIT. */
static bool fail_open(struct arena *a, struct queue_case *c, struct err *e)
{
	struct pg_rows now; /* wanted, so it is sent at once */
	struct pg_step step = { &sql_finish, PG_ARGS(PG("{1}"), PG("{1}"), PG("{failed}"), PG("{failed}"), PG("{NULL}"),
		PG("{broke}"), PG("{broke}"), PG("{quotes}"), PG("{0}"), PG("{0}"), PG("{0}"), PG("{0}")), &now };
	return pg_begin(c->one.db, a, &step, 1, deadline_in(CASE_MS), e);
}

LOOP_TEST(a_retry_is_not_ended_by_a_cancel_of_before)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
	REQUIRE_OK(fail_open(a, &c, e));
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	CHECK_ROW(1, "phase, error", "failed broke");
	CHECK_SQL(c.owner, TOLD, "1cancelled");
	CHECK_SQL(c.two.db, "select drover.retry(1)", "again");
	CHECK_SQL(c.owner, TOLD, "");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "1");
	CHECK_STATE(1, "processing running");
}

/* ---- turns ---- */

enum { LINE = 2000, CLAIMS = 12, HELD = 100 };

/* Claims of one, until it gets something else than nothing. */
static int claims_until(struct arena *a, struct queue_case *c, const char *want)
{
	for (int n = 1; n <= CLAIMS; n++)
		if (strcmp(case_claim(a, &c->two, 1), want) == 0)
			return n;
	return 0;
}

/* Somebody holds one of the line: it is left out, not waited for. */
LOOP_TEST(a_long_line_of_one_session_is_put_aside_in_a_few_claims_of_one)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, arena_printf(a, "insert into agent_requests (session_id, type, request) select '" SESSION_A
		"', 'quotes', 'x' from generate_series(1, %d)", LINE), "(null)");
	CHECK_EQ_I(case_ask(a, c.owner, "", ""), LINE + 1);
	CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
	struct pg *app = hold(a, &c, HELD);
	CHECK_SQL(c.two.db, "set lock_timeout = '2s'", "(null)"); /* to wait would be to fail */
	CHECK(claims_until(a, &c, arena_printf(a, "%d", LINE + 1)));
	CHECK_STATE(HELD, "queued ready");
	CHECK_SQL(app, "commit", "(null)");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where blocked_on = 'session'",
		arena_printf(a, "%d", LINE - 2));
	CHECK_EQ_S(case_claim(a, &c.two, 1), "");
	CHECK_STATE(HELD, "queued blocked");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "2");
}

#define SPACE(n) "('c0000000-0000-4000-8000-00000000000' || " n ")"
#define MANY_OF_SPACES "insert into agent_requests (workspace_id, type, request) select " SPACE("n") "::uuid, " \
	"'quotes', 'x' from generate_series(1, 3) n, generate_series(1, 100)"

/* 49 of 60 are expected for the heavy one, 5 each for the others. */
LOOP_TEST(weights_hold_where_claims_are_of_one)
{
	QUEUE_CASE;
	struct queue_claim got = { 0 };
	CHECK_SQL(c.owner, MANY_OF_SPACES, "(null)");
	CHECK_SQL(c.owner, "select drover.set_limit('workspace', " SPACE("2") ", null, 9)", "");
	CHECK_SQL(c.one.db, "select setseed(0.25)", ""); /* the same each time */
	for (int i = 0; i < 60; i++) {
		struct queue_wish wish = { .max = 1, .fair = true, .last_tenant = got.last_tenant };
		CHECK(*case_claim_as(a, &c.one, wish, &got));
	}
	CHECK_SQL(c.owner, "select string_agg(case when n between case who when '2' then 30 else 1 end and 57 then 'some' "
		"else n::text end, ' ' order by who) from (select right(workspace_id::text, 1) as who, count(*) as n from "
		"agent_requests where phase = 'running' group by 1) t", "some some some");
}
