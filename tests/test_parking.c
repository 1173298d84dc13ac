/* SPDX-License-Identifier: MIT */
/* Parking: who waits for the session stands out of the claim's way until the one before has ended. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"

#define IN_A "session_id", "'" SESSION_A "'"
#define IN_B "session_id", "'" SESSION_B "'"
#define PARKED_FOR_NOTHING \
	"select count(*) from agent_requests r where r.phase = 'blocked' and r.blocked_on = 'session' and not exists (" \
	"select from agent_requests b where b.session_id = r.session_id and b.parent_id is null and b.id <> r.id and " \
	"(b.status = 'processing' or b.status = 'queued' and b.phase <> 'scheduled' and b.id < r.id))"

/* 1 of session A runs, 2 waits for it. */
static void park_one(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "truncate agent_requests restart identity; delete from drover.cancels; select "
		"nextval('drover.returns') > 0",
		"t");
	CHECK_EQ_I(case_ask(a, c->owner, "session_id, supersede_key", "'" SESSION_A "', 'k'"), 1);
	CHECK_EQ_I(case_ask(a, c->owner, IN_A), 2);
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_SQL(c->owner, "select concat_ws(' ', status, phase, blocked_on) from agent_requests where id = 2",
		"queued blocked session");
}

/* ---- however the one before ends ---- */

static const char *finish(struct arena *a, struct queue_case *c)
{
	return case_finish(a, &c->one, 1);
}

static const char *fail(struct arena *a, struct queue_case *c)
{
	return case_fail(a, &c->one, 1);
}

static const char *stop(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_cancel(a, c->two.db, 1), "t");
	CHECK_EQ_S(case_state(a, c, 2), "queued blocked");
	return case_stop(a, &c->one, 1);
}

static const char *cancel_waiting(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_retry_later(a, &c->one, 1, 60000), "ok");
	CHECK_EQ_S(case_state(a, c, 2), "queued blocked");
	return strcmp(case_cancel(a, c->two.db, 1), "t") == 0 ? "ok" : "not cancelled";
}

static const char *stop_and_release(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_cancel(a, c->two.db, 1), "t");
	return case_release(a, &c->one, 1);
}

static const char *delete_running(struct arena *a, struct queue_case *c)
{
	return strcmp(test_ask(a, c->owner, "delete from agent_requests where id = 1"), "(null)") == 0 ? "ok"
		: "not deleted";
}

static const char *delete_waiting(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_retry_later(a, &c->one, 1, 60000), "ok");
	return delete_running(a, c);
}

static const char *rescue_as_poison(struct arena *a, struct queue_case *c)
{
	struct err e = { 0 };
	CHECK_SQL(c->owner, "update agent_requests set crashes = 2 where id = 1", "(null)");
	case_expire(a, c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c->two), "moved 1");
	CHECK_EQ_S(case_state(a, c, 1), "failed failed");
	return queue_register(c->one.db, &c->one.worker, deadline_in(CASE_MS), &e) ? "ok" : "not registered";
}

static const char *supersede(struct arena *a, struct queue_case *c)
{
	CHECK_EQ_S(case_retry_later(a, &c->one, 1, 60000), "ok");
	CHECK_EQ_I(case_ask(a, c->owner, "supersede_key, priority", "'k', 1000"), 3);
	return strcmp(case_state(a, c, 1), "failed superseded") == 0 ? "ok" : "not superseded";
}

LOOP_TEST(however_the_one_before_ends_the_next_is_ready_at_once)
{
	static const struct { const char *name; const char *(*end)(struct arena *, struct queue_case *); } ways[] = {
		{ "finish", finish }, { "fail", fail }, { "stop", stop }, { "cancel, waiting", cancel_waiting },
		{ "stop, then release", stop_and_release }, { "delete, running", delete_running },
		{ "delete, waiting", delete_waiting }, { "rescue", rescue_as_poison }, { "supersede", supersede } };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(ways); i++) {
		park_one(a, &c);
		int64_t returns = case_returns(a, &c);
		const char *said = ways[i].end(a, &c);
		const char *was = arena_printf(a, "%s: %s, %s, %s", ways[i].name, said, case_state(a, &c, 2),
			case_returns(a, &c) > returns ? "told" : "not told");
		CHECK_EQ_S(was, arena_printf(a, "%s: ok, queued ready, told", ways[i].name));
		CHECK_ROW(2, "phase, blocked_on is null", "ready t");
		CHECK_EQ_S(case_claim(a, &c.two, 1), "2");
	}
}

LOOP_TEST(who_is_parked_stays_so_while_the_one_before_is_between_its_attempts)
{
	QUEUE_CASE;
	park_one(a, &c);
	CHECK_EQ_S(case_retry_later(a, &c.one, 1, 3600000), "ok");
	CHECK_STATE(2, "queued blocked");
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 0");
	CHECK_STATE(2, "queued blocked");
	CHECK_SQL(c.owner, "update agent_requests set run_at = now() where id = 1", "(null)");
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 1");
	CHECK_STATE(2, "queued blocked");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_S(case_release(a, &c.two, 1), "ok");
	CHECK_STATE(2, "queued blocked");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1"); /* rescued: it has not ended */
	CHECK_STATE(2, "queued blocked");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_S(case_finish(a, &c.two, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
	queue_case_check(a, &c);
}

LOOP_TEST(only_the_next_comes_back_and_it_keeps_the_others_parked)
{
	QUEUE_CASE;
	park_one(a, &c);
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, priority", "'" SESSION_A "', 0"), 3);
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, run_at", "'" SESSION_A "', now() + interval '1 hour'"), 4);
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 5);
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_cancel(a, c.two.db, 2), "t"); /* parked itself */
	CHECK_ROW(2, "status, phase, blocked_on is null", "failed cancelled t");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_STATE(3, "queued blocked");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_SQL(c.owner, "select string_agg(phase, ' ' order by id) from agent_requests",
		"completed cancelled ready scheduled blocked");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3");
	CHECK_EQ_S(case_finish(a, &c.two, 3), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "5");
	CHECK_SQL(c.owner, PARKED_FOR_NOTHING, "0");
	queue_case_check(a, &c);
}

LOOP_TEST(a_session_with_thousands_in_front_costs_the_next_claims_nothing)
{
	QUEUE_CASE;
	struct queue_claim got;
	CHECK_SQL(c.owner, "insert into agent_requests (session_id, type, request, priority) select '" SESSION_A
		"', 'quotes', 'x', 0 from generate_series(1, 5000)", "(null)");
	CHECK_EQ_S(case_claim_as(a, &c.one, (struct queue_wish){ .max = 5000 }, &got), "1");
	CHECK_EQ_I(got.looked, 5000);
	CHECK_EQ_I(got.undecided, 0);
	CHECK_SQL(c.owner, "select count(*) from agent_requests where blocked_on = 'session'", "4999");
	for (int id = 5001; id <= 5003; id++) {
		CHECK_EQ_I(case_ask(a, c.owner, "", ""), id);
		CHECK_EQ_S(case_claim_as(a, &c.one, (struct queue_wish){ .max = 10 }, &got), arena_printf(a, "%d", id));
		CHECK_EQ_I(got.looked, 1);
	}
	for (int id = 2; id <= 5; id++) {
		CHECK_EQ_S(case_finish(a, &c.one, id - 1), "ok");
		CHECK_EQ_S(case_claim_as(a, &c.one, (struct queue_wish){ .max = 10 }, &got), arena_printf(a, "%d", id));
		CHECK_EQ_I(got.looked, 1);
	}
}

/* ---- two at once ---- */

/* Another claim looks at 2 while the end of 1 is not committed: it must neither take nor park it. */
LOOP_TEST(nobody_is_parked_behind_an_end_that_is_not_committed)
{
	QUEUE_CASE;
	struct queue_claim got;
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 1);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 2);
	REQUIRE_OK(case_finish_open(a, &c.one, 1, e));
	CHECK_EQ_S(case_claim_as(a, &c.two, (struct queue_wish){ .max = 10 }, &got), "");
	CHECK_EQ_I(got.looked, 1);
	CHECK_EQ_I(got.undecided, 1); /* look again soon */
	CHECK_STATE(2, "queued ready");
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
}

struct end {
	struct queue_case *c;
	char said[600];
};

static bool finish_later(void *arg, struct err *e)
{
	(void)e;
	struct end *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", finish(a, x->c));
	return true;
}

/* 2 is parked in a transaction that stays open: the end of 1, whatever it is, comes after it. */
static bool park_and_stay_open(struct arena *a, struct queue_case *c, bool waiting, struct err *e)
{
	CHECK_SQL(c->owner, "truncate agent_requests restart identity; delete from drover.cancels", "(null)");
	CHECK_EQ_I(case_ask(a, c->owner, IN_A), 1);
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	if (waiting)
		CHECK_EQ_S(case_retry_later(a, &c->one, 1, 60000), "ok");
	CHECK_EQ_I(case_ask(a, c->owner, IN_A), 2);
	return case_claim_open(a, &c->two, 10, NULL, e);
}

LOOP_TEST(a_finish_waits_for_who_is_being_parked_behind_it_and_brings_it_back)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct end end = { .c = &c };
	REQUIRE_OK(park_and_stay_open(a, &c, false, e));
	REQUIRE_OK(group_start(&g, "end", finish_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(pg_commit(c.two.db, a, NULL, 0, deadline_in(CASE_MS), e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_STATE(2, "queued ready");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
}

#define CANCEL "select drover.end_request(1, 'cancelled', 'cancelled', 'cancelled')"
#define DELETE "delete from agent_requests where id = 1 returning 1"

LOOP_TEST(a_cancel_and_a_deletion_wait_for_who_is_being_parked_behind_and_bring_it_back)
{
	static const struct { bool waiting; const char *sql, *said; } ends[] = { { true, CANCEL, "t" }, { true,
		DELETE, "1" },
		{ false, DELETE, "1" } };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct group g = { 0 };
		struct case_later end = { .db = test_connect(a, c.db.owner_url, e), .sql = ends[i].sql };
		REQUIRE_OK(park_and_stay_open(a, &c, ends[i].waiting, e));
		REQUIRE_OK(group_start(&g, "end", case_run_later, &end, e));
		CHECK(case_blocked(a, &c, 1));
		REQUIRE_OK(pg_commit(c.two.db, a, NULL, 0, deadline_in(CASE_MS), e));
		REQUIRE_OK(group_wait(&g, NEVER_MS, e));
		CHECK_EQ_S(end.said, ends[i].said);
		CHECK_STATE(2, "queued ready");
	}
}

/* The same the other way round: the end is not committed when a claim looks at who stands behind. */
LOOP_TEST(nobody_is_parked_behind_a_cancel_a_deletion_or_a_claim_that_is_not_committed)
{
	static const char *const ends[] = { CANCEL, DELETE };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(ends); i++) {
		CHECK_SQL(c.owner, "truncate agent_requests restart identity; delete from drover.cancels", "(null)");
		CHECK_EQ_I(case_ask(a, c.owner, IN_A), 1);
		CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
		CHECK_EQ_S(case_retry_later(a, &c.one, 1, 60000), "ok");
		CHECK_EQ_I(case_ask(a, c.owner, IN_A), 2);
		struct pg *other = test_connect(a, c.db.owner_url, e);
		CHECK_SQL(other, arena_printf(a, "begin; %s", ends[i]), i ? "1" : "t");
		CHECK_EQ_S(case_claim(a, &c.two, 10), "");
		CHECK_STATE(2, "queued ready");
		CHECK_SQL(other, "commit", "(null)");
		CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
	}
	CHECK_EQ_I(case_ask(a, c.owner, IN_B), 3);
	CHECK_EQ_I(case_ask(a, c.owner, IN_B), 4);
	REQUIRE_OK(case_claim_open(a, &c.one, 1, NULL, e)); /* has 3 */
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_STATE(4, "queued ready");
	REQUIRE_OK(pg_commit(c.one.db, a, NULL, 0, deadline_in(CASE_MS), e));
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_STATE(4, "queued blocked");
}

LOOP_TEST(who_is_parked_and_cancelled_while_the_one_before_ends_stays_cancelled)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct end end = { .c = &c };
	park_one(a, &c);
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 3);
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	struct pg *other = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(other, "begin; select drover.end_request(2, 'cancelled', 'cancelled', 'cancelled')", "t");
	REQUIRE_OK(group_start(&g, "end", finish_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(other, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_STATE(1, "completed completed");
	CHECK_STATE(2, "failed cancelled");
	CHECK_STATE(3, "queued ready");
}

/* Somebody else brings it back and claims it while the end waits for its row: it runs, and goes on. */
LOOP_TEST(who_is_claimed_while_the_one_before_ends_goes_on)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct end end = { .c = &c };
	park_one(a, &c);
	struct pg *other = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(other, "begin; update agent_requests set session_id = '" SESSION_B "', status = 'processing', "
		"phase = 'running', "
		"blocked_on = null, version = 1 where id = 2 returning 1", "1");
	REQUIRE_OK(group_start(&g, "end", finish_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(other, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_STATE(2, "processing running");
}

/* ---- never for good ---- */

enum { SESSIONS = 4, REQUESTS = 160 };

struct crew {
	struct queue_case *c;
	struct queue_side *side;
	int64_t left;
	int orphans, failures;
};

static bool end_somehow(struct arena *a, struct queue_side *side, const struct queue_request *r)
{
	struct err e = { 0 }, why = { .kind = ERR_BUSY, .code = "busy", .msg = "busy" };
	struct queue_tokens none = { 0 };
	struct queue_end end = { .request = r, .phase = "failed", .error = "x", .error_code = "x", .agent = "quotes" };
	switch ((r->id + r->version) % 4) {
	case 0:
		return queue_release(side->db, a, r, &none, log_batch_new(a), deadline_in(CASE_MS), &e);
	case 1:
		return queue_retry_later(side->db, a, r, 0, &why, &none, log_batch_new(a), deadline_in(CASE_MS), &e);
	case 2:
		test_ask(a, side->db, arena_printf(a, "select drover.end_request(%ld, 'cancelled', 'x', 'x')",
			(long)r->id + 7));
	}
	return queue_finish(side->db, a, &end, log_batch_new(a), deadline_in(CASE_MS), &e);
}

/* Without any sweep: who is due is promoted by hand. */
static bool work(void *arg, struct err *e)
{
	struct crew *x = arg;
	const struct queue_request *all;
	size_t n;
	int64_t orphans;
	for (int64_t until = clock_ms() + CASE_MS; x->left && clock_ms() < until;) {
		ARENA_SCOPE(a);
		if (!queue_claim(x->side->db, a, x->side->worker.id, 5, deadline_in(CASE_MS), &all, &n, e))
			return false;
		for (size_t i = 0; i < n; i++)
			x->failures += !end_somehow(a, x->side, &all[i]);
		test_ask(a, x->side->db, "update public.agent_requests set phase = 'ready' where id = any (array(select "
			"id from "
			"public.agent_requests where phase = 'retry_wait' for update skip locked))");
		if (str_to_i64(str_of(test_ask(a, x->side->db, PARKED_FOR_NOTHING)), &orphans))
			x->orphans += orphans > 0;
		str_to_i64(str_of(test_ask(a, x->side->db, "select count(*) from agent_requests where finished_at is null")),
			&x->left);
	}
	return true;
}

LOOP_TEST(in_any_mix_of_ends_nobody_stays_parked_without_a_sweep)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct crew crews[] = { { &c, &c.one, 1, 0, 0 }, { &c, &c.two, 1, 0, 0 } };
	CHECK_SQL(c.owner, arena_printf(a, "insert into agent_requests (session_id, type, request, priority) select "
		"('00000000-0000-4000-8000-00000000000' || i %% %d)::uuid, 'quotes', 'x', i %% 3 from generate_series(1, %d) i",
		SESSIONS, REQUESTS), "(null)");
	for (size_t i = 0; i < COUNT(crews); i++)
		REQUIRE_OK(group_start(&g, "crew", work, &crews[i], e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_I(crews[0].failures + crews[1].failures, 0);
	CHECK_EQ_I(crews[0].orphans + crews[1].orphans, 0);
	CHECK_SQL(c.owner, "select count(*) from agent_requests where finished_at is null", "0");
	CHECK_SQL(c.owner, "select count(*) > 50 from moves where \"to\" = 'blocked'", "t");
	queue_case_check(a, &c);
}

LOOP_TEST(an_orphan_made_by_hand_is_found_by_the_sweep_and_by_nothing_else)
{
	QUEUE_CASE;
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 1);
	CHECK_EQ_I(case_ask(a, c.owner, IN_B), 2);
	CHECK_EQ_I(case_ask(a, c.owner, IN_B), 3);
	CHECK_SQL(c.owner, "update agent_requests set phase = 'blocked', blocked_on = 'session' where id in (1, "
		"3)", "(null)");
	CHECK_SQL(c.owner, PARKED_FOR_NOTHING, "1");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_SQL(c.two.db, "select unparked || coalesce(next_session::text, '') from drover.sweep_sessions("
		"'00000000-0000-0000-0000-000000000000', 100)", "1");
	CHECK_STATE(3, "queued blocked");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_SQL(c.owner, "delete from agent_requests where id = 1", "(null)");
	CHECK_SQL(c.owner, "alter table agent_requests disable trigger user; delete from agent_requests where id = "
		"2; alter table "
		"agent_requests enable trigger user", "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3");
}
