/* SPDX-License-Identifier: MIT */
/* Two connections at the same rows: each interleaving is forced by a transaction that the test holds open. */
#include "loop.h"
#include "queue_case.h"
#include "queue_sql.h"

#define CHILDREN "[{\"type\": \"quotes\", \"request\": \"first\", \"after\": []}, " \
	"{\"type\": \"quotes\", \"request\": \"second\", \"after\": []}]"

static bool begin(struct arena *a, struct queue_side *side, const struct sql *q, struct pg_args args, struct err *e)
{
	struct pg_rows now; /* wanted, so it is sent at once */
	struct pg_step step = { q, args, &now };
	return pg_begin(side->db, a, &step, 1, deadline_in(CASE_MS), e);
}

static bool commit(struct arena *a, struct queue_side *side, struct err *e)
{
	return pg_commit(side->db, a, NULL, 0, deadline_in(CASE_MS), e);
}

/* What a tool does: the fence, its effect, and later COMMIT. */
static bool tool_begin(struct arena *a, struct queue_side *side, int64_t id, struct err *e)
{
	static const struct sql fence = { "tool_fence", "test", "select drover.fence($1::bigint, $2::integer)", 2 };
	return begin(a, side, &fence, PG_ARGS(PG(id), PG(side->held[id].version)), e) &&
		strcmp(test_ask(a, side->db, "insert into public.effects values (now()) returning 1"), "1") == 0;
}

#define EFFECTS "create table effects (at timestamptz); grant insert on effects to drover_worker"

LOOP_TEST(a_tool_under_its_fence_commits_before_the_rescue_and_holds_up_no_other)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, EFFECTS, "(null)");
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	REQUIRE_OK(tool_begin(a, &c.one, 1, e));
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_STATE(1, "processing running");
	CHECK_STATE(2, "queued ready");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	REQUIRE_OK(commit(a, &c.one, e));
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_STATE(1, "queued ready");
	CHECK_SQL(c.owner, "select count(*) from effects", "1");
	CHECK_SQL(c.owner, "select string_agg(id::text, ' ') from drover.workers", WORKER_2);
	CHECK(!tool_begin(a, &c.one, 1, e));
	CHECK_EQ_I(e->kind, ERR_FENCE);
	REQUIRE_OK(pg_rollback(c.one.db, deadline_in(CASE_MS), e));
	CHECK_SQL(c.owner, "select count(*) from effects", "1");
	queue_case_check(a, &c);
}

LOOP_TEST(a_worker_that_claims_while_it_is_taken_for_dead_loses_nothing)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	REQUIRE_OK(case_claim_open(a, &c.one, 10, NULL, e));
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	REQUIRE_OK(commit(a, &c.one, e));
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
}

LOOP_TEST(a_claim_passes_over_what_another_is_taking)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "", "");
	REQUIRE_OK(case_claim_open(a, &c.one, 1, NULL, e));
	CHECK_SQL(c.two.db, "set lock_timeout = '2s'", "(null)"); /* to wait would be to fail */
	CHECK_EQ_S(case_claim(a, &c.two, 10), "2");
	REQUIRE_OK(commit(a, &c.one, e));
	CHECK_STATE(1, "processing running");
}

struct act {
	struct queue_side *side;
	int64_t id;
	const char *(*act)(struct arena *, struct queue_side *, int64_t);
	char said[600];
};

static bool act_later(void *arg, struct err *e)
{
	(void)e;
	struct act *x = arg;
	ARENA_SCOPE(a);
	snprintf(x->said, sizeof(x->said), "%s", x->act(a, x->side, x->id));
	return true;
}

static const char *claim_all(struct arena *a, struct queue_side *side, int64_t unused)
{
	(void)unused;
	return case_claim(a, side, 10);
}

static const char *give_back_all(struct arena *a, struct queue_side *side, int64_t unused)
{
	(void)unused;
	struct err e = { 0 };
	return queue_give_back(side->db, WORKER_1, NULL, 0, deadline_in(CASE_MS), &e) ? "ok" : arena_text(a, str_of(e.msg));
}

static const char *leave(struct arena *a, struct queue_side *side, int64_t unused)
{
	(void)unused;
	struct err e = { 0 };
	return queue_leave(side->db, WORKER_1, deadline_in(CASE_MS), &e) ? "ok" : arena_text(a, str_of(e.msg));
}

static const char *cancel(struct arena *a, struct queue_side *side, int64_t id)
{
	return case_cancel(a, side->db, id);
}

/* The answer of the claim is lost, but it is still under way: its worker waits for it, then gives everything back. */
LOOP_TEST(a_claim_that_nobody_waits_for_any_more_is_given_back)
{
	static const char *(*const ways[])(struct arena *, struct queue_side *, int64_t) = { give_back_all, leave };
	for (size_t i = 0; i < COUNT(ways); i++) {
		QUEUE_CASE;
		struct group g = { 0 };
		struct act other = { .side = &c.two, .act = ways[i] };
		case_ask(a, c.owner, "", "");
		REQUIRE_OK(case_claim_open(a, &c.one, 10, NULL, e));
		REQUIRE_OK(group_start(&g, "other", act_later, &other, e));
		CHECK(case_blocked(a, &c, 1));
		REQUIRE_OK(commit(a, &c.one, e));
		REQUIRE_OK(group_wait(&g, NEVER_MS, e));
		CHECK_EQ_S(other.said, "ok");
		CHECK_STATE(1, "queued ready");
	}
}

/* A claim that looks at the row while another claims, logs and releases it: the log must go on, not begin again. */
LOOP_TEST(a_claim_that_comes_late_knows_the_rows_that_were_logged_meanwhile)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct act late = { .side = &c.two, .act = claim_all };
	CHECK_SQL(c.owner, "create function gate(request bigint) returns boolean language plpgsql as $$ begin if "
		"current_user = 'drover_worker' and request = 1 then perform pg_advisory_xact_lock_shared(1); end if; return "
		"true; end $$; alter policy agent_requests_worker on agent_requests using (gate(id))", "(null)");
	case_ask(a, c.owner, "priority", "0");
	case_ask(a, c.owner, "", "");
	struct pg *gate = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(gate, "select pg_advisory_lock(1)", "");
	REQUIRE_OK(group_start(&g, "late", act_later, &late, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(gate, "begin; update agent_requests set phase = 'running', status = 'processing', version = 1, attempt "
		"= 1 where id = 2;select drover.queue_log(2, 'status', 'meanwhile', null); update agent_requests set phase = "
		"'ready', status = 'queued', version = 2, attempt = 0 where id = 2; commit; select pg_advisory_unlock(1)", "t");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(late.said, "1,2");
	CHECK_EQ_I(c.two.held[2].version, 3);
	CHECK_EQ_I(c.two.held[2].last_seq, 1);
}

/* ---- deadlocks that may not be ---- */

static const char *finish_with_rows(struct arena *a, struct queue_side *side, int64_t id)
{
	struct err e = { 0 };
	struct log_batch *rows = log_batch_new(a);
	struct queue_end end = { .request = &side->held[id], .completed = true, .phase = "completed", .result = "{}",
		.agent = "quotes" };
	log_batch_owner(rows, id, side->held[id].version);
	for (int seq = 1; seq <= 2; seq++)
		log_batch_row(rows, id, &(struct log_row){ seq, "quotes", "text", "last", NULL });
	bool ok = queue_finish(side->db, a, &end, rows, deadline_in(CASE_MS), &e);
	return ok ? "ok" : arena_text(a, str_of(e.msg));
}

/* The flusher holds the request and is about to write rows that the end of the run writes as well. */
LOOP_TEST(the_end_of_a_run_waits_for_the_flusher_and_does_not_deadlock_with_it)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct act end = { .side = &c.one, .id = 1, .act = finish_with_rows };
	CHECK_SQL(c.owner, EFFECTS, "(null)");
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	c.two.held[1] = c.one.held[1];
	REQUIRE_OK(tool_begin(a, &c.two, 1, e));
	REQUIRE_OK(group_start(&g, "end", act_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(c.two.db, "insert into public.agent_logs (session_id, request_id, seq, attempt, agent_name, kind) "
		"select session_id, id, 1, 1, 'quotes', 'text' from public.agent_requests returning seq", "1");
	REQUIRE_OK(commit(a, &c.two, e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_SQL(c.owner, "select string_agg(seq || message, ' ' order by seq) from agent_logs", "1 2last");
}

/* Parent 1 waits for 2, which runs, and 3. */
static void spawn_two(struct arena *a, struct queue_case *c)
{
	case_ask(a, c->owner, "", "");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c->one, 1, CHILDREN), "ok");
	CHECK_EQ_S(case_claim(a, &c->one, 1), "2");
}

/* The end of child 2 has locked its row and stops before its parent. */
#define GATE "alter function drover.free_waiting(bigint) rename to free_waiting_behind; create function " \
	"drover.free_waiting(" \
	"ended bigint) returns void language plpgsql as $$ begin if ended = 2 then perform " \
		"pg_advisory_xact_lock_shared(1); " \
	"end if; perform drover.free_waiting_behind(ended); end $$; grant execute on function " \
		"drover.free_waiting(bigint) to " \
	"drover_worker"

static const char *finish_one(struct arena *a, struct queue_side *side, int64_t id)
{
	return case_finish(a, side, id);
}

LOOP_TEST(cancelling_a_parent_does_not_deadlock_with_a_child_that_ends)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct act end = { .side = &c.one, .id = 2, .act = finish_one };
	struct pg *gate = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(c.owner, GATE, "(null)");
	spawn_two(a, &c);
	CHECK_SQL(gate, "select pg_advisory_lock(1)", "");
	REQUIRE_OK(group_start(&g, "end", act_later, &end, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(c.two.db, "set lock_timeout = '5s'", "(null)"); /* to wait would be to fail */
	CHECK_EQ_S(cancel(a, &c.two, 1), "t");
	CHECK_STATE(1, "processing waiting_children");
	CHECK_SQL(gate, "select pg_advisory_unlock(1)", "t");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(end.said, "ok");
	CHECK_STATE(2, "completed completed");
	CHECK_STATE(1, "failed cancelled");
	CHECK_STATE(3, "failed cancelled");
	queue_case_check(a, &c);
}

/* The sibling's end is not committed when the open child is deleted: both must count. */
LOOP_TEST(a_child_that_is_deleted_while_its_sibling_ends_frees_the_parent)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct case_later delete = { .db = test_connect(a, c.db.owner_url, e), .sql = "delete from agent_requests "
		"where id = 3" };
	spawn_two(a, &c);
	REQUIRE_OK(case_finish_open(a, &c.one, 2, e));
	REQUIRE_OK(group_start(&g, "delete", case_run_later, &delete, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(commit(a, &c.one, e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(delete.said, "(null)");
	CHECK_OF(1, "select phase || waits_on from agent_requests where id = %ld", "ready0");
	queue_case_check(a, &c);
}

/* ---- inserts at once ---- */

#define OF_KEY "insert into agent_requests (type, request, user_id, supersede_key) values ('quotes', 'x', '" \
	USER_A "', 'k') returning id"

LOOP_TEST(of_two_inserts_of_a_key_at_once_the_newest_is_left)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct pg *first = test_connect(a, c.db.owner_url, e), *second = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(c.owner, OF_KEY, "1");
	CHECK_SQL(first, "begin; " OF_KEY, "2");
	struct case_later later = { .db = second, .sql = OF_KEY };
	REQUIRE_OK(group_start(&g, "second", case_run_later, &later, e));
	CHECK(case_blocked(a, &c, 1));
	CHECK_SQL(first, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(later.said, "3");
	CHECK_SQL(c.owner, "select string_agg(id || phase, ' ' order by id) from agent_requests",
		"1superseded 2superseded 3ready");
	queue_case_check(a, &c);
}

/* Who comes later wins, whatever its number: a number is taken before the lock of the key. */
LOOP_TEST(the_last_to_insert_a_key_wins_though_its_id_is_older)
{
	QUEUE_CASE;
	struct pg *slow = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(slow, "begin; select nextval('agent_requests_id_seq')", "1");
	CHECK_SQL(c.owner, OF_KEY, "2");
	CHECK_SQL(slow, "insert into agent_requests (id, type, request, user_id, supersede_key) overriding system value "
		"values (1, 'quotes', 'x', '" USER_A "', 'k'); commit; select error from agent_requests where id = 2",
		"superseded by request 1");
	CHECK_STATE(1, "queued ready");
	CHECK_SQL(c.owner, "select string_agg(generation::text, ' ' order by id) from agent_requests", "2 1");
	queue_case_check(a, &c);
}

LOOP_TEST(a_cancel_waits_for_the_claim_and_then_tells_the_one_that_runs)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct act other = { .side = &c.two, .id = 1, .act = cancel };
	case_ask(a, c.owner, "", "");
	REQUIRE_OK(case_claim_open(a, &c.one, 10, NULL, e));
	REQUIRE_OK(group_start(&g, "cancel", act_later, &other, e));
	CHECK(case_blocked(a, &c, 1));
	REQUIRE_OK(commit(a, &c.one, e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(other.said, "t");
	CHECK_STATE(1, "processing running");
	CHECK_OF(1, "select phase || code from drover.cancels where request_id = %ld", "cancelledcancelled");
}
