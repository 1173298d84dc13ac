/* SPDX-License-Identifier: MIT */
/* The order of claims: over all sessions, within a session, children and what they depend on. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"
#include "queue_sql.h"

#define IN_A "session_id", "'" SESSION_A "'"
#define IN_B "session_id", "'" SESSION_B "'"

LOOP_TEST(claims_are_in_order_of_priority_then_id_over_all_sessions)
{
	QUEUE_CASE;
	static const char *const priorities[] = { "100", "50", "100", "0", "50", "1000" };
	for (size_t i = 0; i < COUNT(priorities); i++)
		CHECK_EQ_I(case_ask(a, c.owner, "priority", priorities[i]), (int64_t)i + 1);
	CHECK_EQ_S(case_claim(a, &c.one, 2), "4,2");
	CHECK_EQ_S(case_claim(a, &c.two, 3), "5,1,3");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "6");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

LOOP_TEST(a_session_runs_one_request_at_a_time_in_order_of_insertion_whatever_the_priority)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, "session_id, priority", "'" SESSION_A "', 0");
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, IN_B);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,4");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_fail(a, &c.two, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3");
	queue_case_check(a, &c);
}

/* ---- the claim on two connections ---- */

struct claimer {
	struct queue_side *side;
	char said[600];
};

static bool claim_later(void *arg, struct err *e)
{
	(void)e;
	struct claimer *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", case_claim(a, x->side, 10));
	return true;
}

LOOP_TEST(an_insert_that_commits_late_waits_for_the_one_that_runs)
{
	QUEUE_CASE;
	struct pg *late = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(late, "begin; insert into agent_requests (session_id, type, request) values ('"
		SESSION_A "', 'quotes', 'x') returning id", "1");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 2);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_SQL(late, "commit", "(null)");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 3);
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_S(case_finish(a, &c.two, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3");
}

/* Both look like the head, each to one claimer: the second waits for the first, and then finds nothing. */
LOOP_TEST(two_heads_of_a_session_are_not_both_claimed_and_no_error_escapes)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct pg_rows rows;
	struct claimer second = { .side = &c.two };
	struct pg *late = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(late, "begin; insert into agent_requests (session_id, type, request) values ('"
		SESSION_A "', 'quotes', 'x') returning id", "1");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 2);
	REQUIRE_OK(case_claim_open(a, &c.one, 10, &rows, e));
	CHECK_EQ_I(pg_i64(&rows, 0, "id"), 2);
	CHECK_SQL(late, "commit", "(null)");
	REQUIRE_OK(group_start(&g, "second", claim_later, &second, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(second.said, "");
	CHECK_STATE(2, "processing running");
	CHECK_ROW(1, "phase, blocked_on", "blocked session");
	c.one.held[2] = (struct queue_request){ .id = 2, .version = 1 };
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
}

/* Each claimer takes one head of each session, crosswise, and waits for the other: a deadlock that one must survive. */
LOOP_TEST(claimers_that_wait_for_each_other_come_through)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct claimer x[2] = { { .side = &c.one }, { .side = &c.two } };
	CHECK_SQL(c.owner, "create function gate() returns trigger language plpgsql as $$ begin perform "
		"pg_advisory_xact_lock_shared(new.id); return new; end $$; create trigger gate before update on "
		"agent_requests for each row when (new.id in (12, 22)) execute function gate()", "(null)");
	struct pg *gate = test_connect(a, c.db.owner_url, e), *late = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(late, "begin; insert into agent_requests (id, session_id, type, request) overriding system value "
		"values (11, '" SESSION_B "', 'quotes', 'x'), (12, '" SESSION_A "', 'quotes', 'x') returning id", "11");
	CHECK_SQL(c.owner, "insert into agent_requests (id, session_id, type, request) overriding system value "
		"values (21, '" SESSION_A "', 'quotes', 'x'), (22, '" SESSION_B "', 'quotes', 'x') returning id", "21");
	CHECK_SQL(gate, "select pg_advisory_lock(12), pg_advisory_lock(22)", "");
	REQUIRE_OK(group_start(&g, "first", claim_later, &x[0], e)); /* has 21, waits at the gate of 22 */
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(late, "commit", "(null)");
	REQUIRE_OK(group_start(&g, "second", claim_later, &x[1], e)); /* sees 11 and 12 first; has 11 */
	CHECK(case_blocked(a, &c, 2));
	CHECK_SQL(gate, "select pg_advisory_unlock_all()", "");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	bool first_won = strcmp(x[0].said, "21,22") == 0;
	CHECK_EQ_S(x[0].said, first_won ? "21,22" : "");
	CHECK_EQ_S(x[1].said, first_won ? "" : "11,12");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where phase = 'running'", "2");
}

enum { SESSIONS = 5, REQUESTS = 60 };

struct crew {
	struct queue_side *side;
	int64_t left;
	int failures;
};

/* Claims and ends in small bites until nothing is left. */
static bool work(void *arg, struct err *e)
{
	struct crew *x = arg;
	const struct queue_request *all;
	size_t n;
	for (int64_t until = clock_ms() + CASE_MS; x->left && clock_ms() < until;) {
		ARENA_SCOPE(a);
		struct queue_end end = { .completed = true, .phase = "completed", .result = "{}", .agent = "quotes" };
		if (!queue_claim(x->side->db, a, x->side->worker.id, 2, deadline_in(CASE_MS), &all, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			end.request = &all[i];
			x->failures += !queue_finish(x->side->db, a, &end, log_batch_new(a), deadline_in(CASE_MS), e);
		}
		str_to_i64(str_of(test_ask(a, x->side->db, "select count(*) from agent_requests where finished_at is "
			"null")), &x->left);
	}
	return true;
}

LOOP_TEST(two_workers_at_once_keep_every_session_in_order)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct crew crews[] = { { &c.one, REQUESTS, 0 }, { &c.two, REQUESTS, 0 } };
	CHECK_SQL(c.owner, arena_printf(a, "insert into agent_requests (session_id, type, request) select "
		"('00000000-0000-4000-8000-00000000000' || i %% %d)::uuid, 'quotes', 'x' from generate_series(1, %d) i",
		SESSIONS, REQUESTS),
		"(null)");
	for (size_t i = 0; i < COUNT(crews); i++)
		REQUIRE_OK(group_start(&g, "crew", work, &crews[i], e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_I(crews[0].failures + crews[1].failures, 0);
	CHECK_SQL(c.owner, "select count(*) from agent_requests where status = 'completed' and version = 1 and attempt = "
		"1", "60");
	CHECK_SQL(c.owner, "select count(*) from (select started_at, lag(finished_at) over (partition by session_id "
		"order by id) as before from agent_requests) r where r.started_at < r.before", "0");
}

/* ---- what holds back a session, and what does not ---- */

LOOP_TEST(a_request_that_waits_for_its_time_holds_back_nobody)
{
	QUEUE_CASE;
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, run_at", "'" SESSION_A "', now() + interval '1 hour'"), 1);
	CHECK_STATE(1, "queued scheduled");
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, run_at", "'" SESSION_A "', now() - interval '1 hour'"), 2);
	CHECK_STATE(2, "queued ready");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 3);
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 0");
	CHECK_OF(1, "update agent_requests set run_at = now() where id = %ld returning phase", "scheduled");
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 1");
	CHECK_STATE(1, "queued ready");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	queue_case_check(a, &c);
}

LOOP_TEST(a_request_between_attempts_keeps_its_place_in_the_session)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_retry_later(a, &c.one, 1, 3600000), "ok");
	CHECK_STATE(1, "queued retry_wait");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_OF(1, "update agent_requests set run_at = now() where id = %ld returning phase", "retry_wait");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	queue_case_check(a, &c);
}

/* ---- children ---- */

#define TWO "[{\"type\": \"quotes\", \"request\": \"first\", \"after\": []}, {\"type\": \"quotes\", \"request\": " \
	"\"second\", \"after\": []}]"
#define CHAIN "[{\"type\": \"quotes\", \"request\": \"first\", \"after\": []}, {\"type\": \"quotes\", \"request\": " \
	"\"second\", \"after\": [0]}, {\"type\": \"quotes\", \"request\": \"third\", \"after\": [0, 1, 1]}]"

LOOP_TEST(children_run_side_by_side_in_their_parents_place_and_the_session_waits_for_the_parent)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "session_id, user_id, priority", "'" SESSION_A "', '" USER_A "', 7");
	case_ask(a, c.owner, "session_id, user_id", "'" SESSION_A "', '" USER_A "'");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, TWO), "ok");
	CHECK_OF(1, "select phase || ' ' || waits_on || ' ' || attempt || ' ' || version || ' ' || (worker_id is null) "
		"from agent_requests where id = %ld", "waiting_children 2 0 2 true");
	CHECK_OF(1, "select string_agg(concat_ws(' ', request, priority, session_id = '" SESSION_A "', user_id = '"
		USER_A "'), ', ' order by id) from agent_requests where parent_id = %ld", "first 7 t t, second 7 t t");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3,4");
	CHECK(c.two.held[3].is_child);
	CHECK_EQ_S(case_finish(a, &c.two, 3), "ok");
	CHECK_STATE(1, "processing waiting_children");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_fail(a, &c.two, 4), "ok");
	CHECK_STATE(1, "processing ready");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_OF(1, "select agents_involved::text || attempt from agent_requests where id = %ld", "{orchestrator,quotes}1");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
	queue_case_check(a, &c);
}

LOOP_TEST(a_child_waits_for_the_siblings_it_depends_on_however_often_they_are_named)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHAIN), "ok");
	CHECK_OF(1, "select string_agg(phase || waits_on || depends_on::text, ' ' order by id) from agent_requests where "
		"parent_id = %ld",
		"ready0{} waiting_dependencies1{2} waiting_dependencies2{2,3}");
	static const char *const ids[] = { "2", "3", "4" };
	for (int64_t id = 2; id <= 4; id++) {
		CHECK_EQ_S(case_claim(a, &c.one, 10), ids[id - 2]);
		CHECK_EQ_S(case_finish(a, &c.one, id), "ok");
	}
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	queue_case_check(a, &c);
}

static bool finish_later(void *arg, struct err *e)
{
	(void)e;
	struct claimer *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", case_finish(a, x->side, 3));
	return true;
}

LOOP_TEST(two_children_that_end_at_once_make_the_parent_ready_once)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct claimer second = { .side = &c.two };
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, TWO), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "2");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "3");
	REQUIRE_OK(case_finish_open(a, &c.one, 2, e));
	REQUIRE_OK(group_start(&g, "second", finish_later, &second, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(second.said, "ok");
	CHECK_OF(1, "select phase || waits_on from agent_requests where id = %ld", "ready0");
	CHECK_OF(1, "select count(*) from moves where id = %ld and \"to\" = 'ready'", "2"); /* inserted, freed */
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	queue_case_check(a, &c);
}

/* ---- how many ---- */

#define ADD(n, phase, status) "insert into agent_requests (type, request, priority, status, phase) select " \
	"'quotes', 'x', i % 3, '" \
	status "', '" phase "' from generate_series(1, " #n ") i"

LOOP_TEST(the_claim_takes_the_first_of_a_hundred_thousand_in_no_time)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ADD(30, "completed", "completed"), "(null)");
	CHECK_SQL(c.owner, ADD(100000, "ready", "queued"), "(null)");
	CHECK_SQL(c.owner, ADD(100000, "completed", "completed"), "(null)");
	int64_t start = clock_ms();
	CHECK_EQ_S(case_claim(a, &c.one, 3), "33,36,39");
	CHECK(clock_ms() - start < 1000);
}
