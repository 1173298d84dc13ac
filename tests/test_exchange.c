/* SPDX-License-Identifier: MIT */
/* The exchange: many ends and a claim in one transaction; ends that are not ours any more cost the others nothing. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"

#define IN_A "session_id", "'" SESSION_A "'"

static struct queue_end end_of(const struct queue_request *r)
{
	return (struct queue_end){ .request = r, .completed = true, .phase = "completed", .result = "{\"answer\": "
		"\"done\"}",
		.agent = "quotes", .tokens = { 1, 2, 3, 4 } };
}

static void row_of(struct log_batch *rows, const struct queue_request *r)
{
	log_batch_owner(rows, r->id, r->version);
	log_batch_row(rows, r->id, &(struct log_row){ 1, "quotes", "complete", "done", NULL });
}

static const char *ids_of(struct arena *a, const int64_t *ids, size_t n)
{
	const char *text = "";
	for (size_t i = 0; i < n; i++)
		text = arena_printf(a, "%s%s%ld", text, *text ? "," : "", (long)ids[i]);
	return text;
}

struct trip {
	const char *ended, *claimed;
	struct queue_claim got;
};

/* Ends the given ones as side holds them, with a row each, and claims most. */
static bool exchange(struct arena *a, struct queue_side *side, const int64_t *ids, size_t n, int most, struct trip *t,
	struct err *e)
{
	struct queue_end ends[10];
	struct log_batch *rows = log_batch_new(a);
	struct queue_wish wish = { .worker_id = side->worker.id, .max = most, .default_limits = "{}" };
	int64_t *ended;
	size_t n_ended;
	for (size_t i = 0; i < n; i++) {
		ends[i] = end_of(&side->held[ids[i]]);
		row_of(rows, &side->held[ids[i]]);
	}
	if (!queue_exchange(side->db, a, ends, n, rows, most ? &wish : NULL, deadline_in(CASE_MS), &ended,
		&n_ended, &t->got, e))
		return false;
	t->ended = ids_of(a, ended, n_ended);
	t->claimed = "";
	for (size_t i = 0; i < t->got.n; i++)
		t->claimed = arena_printf(a, "%s%s%ld", t->claimed, *t->claimed ? "," : "", (long)t->got.requests[i].id);
	return true;
}

LOOP_TEST(of_many_ends_only_those_that_lost_their_fence_are_missing_and_their_rows_with_them)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	for (int id = 1; id <= 6; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2,3,4,5,6");
	CHECK_EQ_S(case_release(a, &c.one, 2), "ok");                     /* ready again */
	CHECK_SQL(c.owner, "delete from agent_requests where id = 4", "(null)");
	CHECK_SQL(c.owner, "update agent_requests set version = 7 where id = 5", "(null)"); /* rescued,
		and runs elsewhere */
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 6, 5, 4, 3, 2, 1 }, 6, 0, &t, e));
	CHECK_EQ_S(t.ended, "1,3,6");
	CHECK_SQL(c.owner, "select string_agg(id || phase || input_tokens, ' ' order by id) from agent_requests",
		"1completed1 2ready1 3completed1 5running0 6completed1");
	CHECK_SQL(c.owner, "select string_agg(request_id || message, ' ' order by request_id) from agent_logs",
		"1done 3done 6done");
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 1, 2 }, 2, 0, &t, e)); /* sent again: nothing happens twice */
	CHECK_EQ_S(t.ended, "");
	CHECK_SQL(c.owner, "select count(*) from agent_logs", "3");
	queue_case_check(a, &c);
}

LOOP_TEST(the_ends_are_seen_by_the_claim_of_the_same_trip)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_STATE(3, "queued blocked");
	case_ask(a, c.owner, IN_A);
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 1, 2 }, 2, 10, &t, e));
	CHECK_EQ_S(t.ended, "1,2");
	CHECK_EQ_S(t.claimed, "3");
	CHECK_SQL(c.owner, "select count(distinct xmin::text) from agent_requests where id <= 3", "1");
		/* one transaction */
	CHECK_ROW(4, "phase, blocked_on", "blocked session");
}

LOOP_TEST(a_place_under_a_limit_goes_to_the_claim_of_the_same_trip)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	CHECK_SQL(c.owner, "select drover.set_limit('type', 'quotes', 2, null)", "");
	for (int id = 1; id <= 5; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 1, 2 }, 2, 10, &t, e));
	CHECK_EQ_S(t.claimed, "3,4");
	CHECK_SQL(c.owner, "select count(*) from drover.permits", "2");
}

LOOP_TEST(both_children_of_a_parent_in_one_trip_bring_it_back)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, "[{\"type\": \"quotes\", \"request\": \"x\", \"after\": []}, {\"type\": "
		"\"quotes\", "
		"\"request\": \"y\", \"after\": []}]"), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2,3");
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 3, 2 }, 2, 10, &t, e));
	CHECK_EQ_S(t.ended, "2,3");
	CHECK_EQ_S(t.claimed, "1");
	CHECK(t.got.n == 1 && t.got.requests[0].resumed);
	queue_case_check(a, &c);
}

/* What one end has against it undoes the claim as well: who is told of nothing owns nothing. */
LOOP_TEST(a_trip_that_fails_leaves_nothing_behind)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	for (int id = 1; id <= 3; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 2), "1,2");
	CHECK_SQL(c.owner, "create function no() returns trigger language plpgsql as $$ begin raise 'not this'; end "
		"$$; create trigger no "
		"before update on agent_requests for each row when (new.id = 2 and new.status = 'completed') execute "
			"function no()", "(null)");
	CHECK(!exchange(a, &c.one, (int64_t[]){ 1, 2 }, 2, 10, &t, e));
	CHECK(strstr(e->msg, "not this"));
	CHECK_SQL(c.owner, "select string_agg(phase, ' ' order by id) || (select count(*) from agent_logs) from "
		"agent_requests",
		"running running ready0");
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 1 }, 1, 10, &t, e));
	CHECK_EQ_S(t.claimed, "3");
}

LOOP_TEST(without_a_lease_ends_are_written_and_nothing_is_claimed)
{
	QUEUE_CASE;
	struct trip t = { 0 };
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	case_ask(a, c.owner, "", "");
	case_expire(a, &c, WORKER_1);
	REQUIRE_OK(exchange(a, &c.one, (int64_t[]){ 1 }, 1, 10, &t, e)); /* nobody has taken it yet: still ours */
	CHECK_EQ_S(t.ended, "1");
	CHECK_EQ_S(t.claimed, "");
	CHECK_EQ_I(t.got.looked, 0);
	CHECK_STATE(2, "queued ready");
}
