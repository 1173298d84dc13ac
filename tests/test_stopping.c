/* SPDX-License-Identifier: MIT */
/* Being told to stop: at once for who waits, without waiting for who runs, and for a family to the last of it. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"

#define IN_A "session_id", "'" SESSION_A "'"
#define CHILDREN "[{\"type\": \"quotes\", \"request\": \"first\", \"after\": []}, {\"type\": \"quotes\", " \
	"\"request\": \"second\", \"after\": []}]"
#define TOLD "select coalesce(string_agg(request_id || phase, ' ' order by request_id), '') from drover.cancels"

/* The ids that a heartbeat brings. */
static const char *heard(struct arena *a, struct queue_side *side)
{
	struct err e = { 0 };
	struct queue_load load = { 0 };
	const int64_t *told;
	size_t n;
	const char *ids = "";
	if (!queue_heartbeat(side->db, a, &side->worker, &load, deadline_in(CASE_MS), &told, &n, &e))
		return arena_text(a, str_of(e.msg));
	for (size_t i = 0; i < n; i++)
		ids = arena_printf(a, "%s%s%ld", ids, *ids ? "," : "", (long)told[i]);
	return ids;
}

/* ---- who runs ---- */

LOOP_TEST(a_cancel_does_not_wait_for_the_tools_transaction_that_holds_the_row)
{
	QUEUE_CASE;
	const char *channel, *payload;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	struct pg *tool = test_connect(a, c.db.worker_url, e), *listener = test_connect(a, c.db.worker_url, e);
	CHECK_SQL(listener, "listen drover_cancel", "(null)");
	CHECK_SQL(tool, "begin; select drover.fence(1, 1)", "");
	CHECK_SQL(c.two.db, "set lock_timeout = '1s'", "(null)"); /* to wait would be to fail */
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_STATE(1, "processing running");
	REQUIRE_OK(pg_notification(listener, a, &channel, &payload, deadline_in(CASE_MS), e));
	CHECK_EQ_S(payload, "1");
	CHECK_EQ_S(heard(a, &c.one), "1");
	CHECK_SQL(tool, "commit", "(null)");
	CHECK_EQ_S(case_stop(a, &c.one, 1), "ok");
	CHECK_ROW(1, "status, phase, error_code, error", "failed cancelled cancelled cancelled");
	CHECK_SQL(c.owner, TOLD, "");
	CHECK_EQ_S(heard(a, &c.one), "");
}

LOOP_TEST(a_cancel_while_the_claim_is_under_way_is_heard_by_who_claimed)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct case_later cancel = { .db = c.two.db, .sql = "select drover.end_request(1, 'cancelled', 'cancelled', "
		"'enough')" };
	case_ask(a, c.owner, "", "");
	REQUIRE_OK(case_claim_open(a, &c.one, 10, NULL, e));
	REQUIRE_OK(group_start(&g, "cancel", case_run_later, &cancel, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(cancel.said, "t");
	CHECK_EQ_S(heard(a, &c.one), "1");
	c.one.held[1] = (struct queue_request){ .id = 1, .version = 1 };
	CHECK_EQ_S(case_stop(a, &c.one, 1), "ok");
	CHECK_ROW(1, "phase, error", "cancelled enough");
}

LOOP_TEST(a_run_that_completes_all_the_same_keeps_its_answer)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_ROW(1, "status, error is null, result", "completed t {\"answer\": \"done\"}");
	CHECK_SQL(c.owner, TOLD, "");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "f");
}

/* The end is not committed yet: what the cancel leaves behind is swept away, and tells nobody. */
LOOP_TEST(a_cancel_beside_an_end_that_is_not_committed_leaves_nothing_for_long)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	REQUIRE_OK(case_finish_open(a, &c.one, 1, e));
	CHECK_SQL(c.two.db, "set lock_timeout = '1s'", "(null)");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	CHECK_STATE(1, "completed completed");
	CHECK_EQ_S(heard(a, &c.one), "");
	CHECK_SQL(c.owner, "update drover.cancels set created_at = created_at - interval '2 s'", "(null)");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	CHECK_SQL(c.owner, TOLD, "");
	CHECK_STATE(1, "completed completed");
}

LOOP_TEST(who_runs_and_is_superseded_ends_superseded)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "supersede_key", "'k'");
	case_ask(a, c.owner, "supersede_key", "'other'");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	CHECK_EQ_I(case_ask(a, c.owner, "supersede_key", "'k'"), 3);
	CHECK_STATE(1, "processing running");
	CHECK_EQ_S(heard(a, &c.one), "1");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t"); /* told already: the first word stands */
	CHECK_EQ_S(case_stop(a, &c.one, 1), "ok");
	CHECK_ROW(1, "status, phase, error_code, error", "failed superseded superseded superseded by request 3");
	CHECK_EQ_S(case_fail(a, &c.one, 2), "ok");
	CHECK_ROW(2, "phase, error", "failed it broke");
}

/* ---- who is parked ---- */

LOOP_TEST(who_is_parked_ends_at_once_whatever_for)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, IN_A);
	CHECK_SQL(c.owner, "select drover.pause('type', 'other')", "t");
	CHECK_SQL(c.owner, "insert into agent_requests (type, request) values ('other', 'x') returning id", "3");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_SQL(c.owner, "select string_agg(blocked_on, ' ' order by id) from agent_requests", "session type:other");
	for (int64_t id = 2; id <= 3; id++) {
		CHECK_EQ_S(case_cancel(a, c.two.db, id), "t");
		CHECK_ROW(id, "status, phase, blocked_on is null, finished_at is not null", "failed cancelled t t");
		CHECK_EQ_S(case_cancel(a, c.two.db, id), "f");
	}
	CHECK_SQL(c.owner, TOLD, "");
	CHECK_SQL(c.owner, "select drover.resume('type', 'other')", "t");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

/* ---- families ---- */

/* 1 waits for 3 and 4, of which 3 runs; 2 is the next of the session. */
static void family(struct arena *a, struct queue_case *c)
{
	case_ask(a, c->owner, IN_A);
	case_ask(a, c->owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c->one, 1, CHILDREN), "ok");
	CHECK_EQ_S(case_claim(a, &c->one, 1), "3");
	CHECK_EQ_S(case_cancel(a, c->two.db, 1), "t");
	CHECK_EQ_S(case_state(a, c, 1), "processing waiting_children");
	CHECK_EQ_S(case_state(a, c, 4), "failed cancelled");
	CHECK_SQL(c->owner, TOLD, "1cancelled 3cancelled");
	CHECK_EQ_S(heard(a, &c->one), "3");
	CHECK_EQ_S(case_claim(a, &c->two, 10), ""); /* the session is not free while 3 runs */
}

static void check_over(struct arena *a, struct queue_case *c, const char *of_child)
{
	CHECK_EQ_S(case_state(a, c, 3), of_child);
	CHECK_SQL(c->owner, "select concat_ws(' ', phase, error, waits_on, finished_at is not null) from "
		"agent_requests where id = 1",
		"cancelled cancelled 0 t");
	CHECK_SQL(c->owner, TOLD, "");
	CHECK_EQ_S(case_claim(a, &c->two, 10), "2");
	queue_case_check(a, c);
}

LOOP_TEST(a_cancelled_parent_ends_when_its_running_child_has_stopped)
{
	QUEUE_CASE;
	family(a, &c);
	CHECK_EQ_S(case_stop(a, &c.one, 3), "ok");
	check_over(a, &c, "failed cancelled");
}

LOOP_TEST(a_cancelled_parent_ends_when_its_running_child_completes)
{
	QUEUE_CASE;
	family(a, &c);
	CHECK_EQ_S(case_finish(a, &c.one, 3), "ok");
	check_over(a, &c, "completed completed");
}

LOOP_TEST(a_cancelled_parent_ends_when_its_childs_worker_dies_or_lets_go)
{
	QUEUE_CASE;
	family(a, &c);
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	check_over(a, &c, "failed cancelled");
}

LOOP_TEST(a_cancelled_parent_ends_when_its_child_is_released_or_deleted)
{
	for (int deleted = 0; deleted <= 1; deleted++) {
		QUEUE_CASE;
		family(a, &c);
		if (deleted)
			CHECK_SQL(c.owner, "delete from agent_requests where id = 3", "(null)");
		else
			CHECK_EQ_S(case_release(a, &c.one, 3), "ok");
		if (deleted) /* ready, it is ended by who finds it */
			CHECK_EQ_S(case_claim(a, &c.two, 1), "");
		check_over(a, &c, deleted ? "(null)" : "failed cancelled");
	}
}
