/* SPDX-License-Identifier: MIT */
/* The life of a request: its ends, the fence, dead workers, cancelling, every move. */
#include "loop.h"
#include "queue_case.h"
#include "queue_sql.h"
#include "state.h"

/* Everything the queue wrote, as one word. */
#define SUM "select md5(coalesce((select string_agg(r::text, '|' order by id) from agent_requests r), '') || " \
	"coalesce((select string_agg(l::text, '|' order by id) from agent_logs l), ''))"

#define CHILDREN "[{\"type\": \"quotes\", \"request\": \"first\", \"after\": []}, {\"type\": \"quotes\", " \
	"\"request\": \"second\", \"after\": []}, {\"type\": \"quotes\", \"request\": \"third\", \"after\": [0]}]"

/* ---- ends ---- */

LOOP_TEST(a_finished_request_has_its_result_its_tokens_and_its_agent)
{
	QUEUE_CASE;
	CHECK_EQ_I(case_ask(a, c.owner, "", ""), 1);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_OF(1, "select worker_id || ' ' || version || ' ' || attempt || (started_at is not null) from "
		"agent_requests where id = %ld",
		WORKER_1 " 1 1true");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_ROW(1, "status, phase, result, agents_involved, input_tokens, output_tokens, cache_write_tokens, "
		"cache_read_tokens, worker_id is null, finished_at >= started_at, processing_time_ms >= 0",
		"completed completed {\"answer\": \"done\"} {quotes} 1 2 3 4 t t t");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "fence_lost");
	queue_case_check(a, &c);
}

LOOP_TEST(a_release_does_not_count_the_attempt_and_a_retry_does)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_release(a, &c.one, 1), "ok");
	CHECK_ROW(1, "status, phase, attempt, version, input_tokens, worker_id is null", "queued ready 0 2 1 t");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_I(c.two.held[1].attempt, 1);
	CHECK_EQ_S(case_retry_later(a, &c.two, 1, 60000), "ok");
	CHECK_ROW(1, "status, phase, attempt, version, error, error_code, input_tokens, worker_id is null, run_at - "
		"clock_timestamp() between interval '50 s' and interval '60 s'",
		"queued retry_wait 1 4 it was busy busy 2 t t");
	CHECK_OF(1, "update agent_requests set run_at = now() where id = %ld returning 1", "1");
	CHECK_EQ_S(case_maintain(a, &c.one), "moved 1");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_I(c.one.held[1].attempt, 2);
	CHECK_OF(1, "select coalesce(error, '') || coalesce(error_code, '') from agent_requests where id = %ld", "");
	queue_case_check(a, &c);
}

LOOP_TEST(a_stale_version_writes_nothing)
{
	static const char *(*const acts[])(struct arena *, struct queue_side *, int64_t) = { case_finish, case_fail,
		case_release };
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_release(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	const char *before = test_ask(a, c.owner, SUM);
	for (size_t i = 0; i < COUNT(acts); i++)
		CHECK_EQ_S(acts[i](a, &c.one, 1), "fence_lost");
	CHECK_EQ_S(case_retry_later(a, &c.one, 1, 1), "fence_lost");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "fence_lost");
	CHECK_EQ_S(case_think(a, &c.one, 1, 1, 3), "");
	CHECK_SQL(c.owner, SUM, before);
	CHECK_EQ_S(case_finish(a, &c.two, 1), "ok");
}

LOOP_TEST(the_fence_is_an_error_of_its_own_kind)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	struct pg_args stale = PG_ARGS(PG(1), PG(0));
	CHECK(!pg_query(c.one.db, a, &sql_fence, stale, deadline_in(CASE_MS), NULL, e));
	CHECK_EQ_I(e->kind, ERR_FENCE);
	CHECK(strstr(e->msg, "request 1 is no longer owned at version 0"));
	REQUIRE_OK(pg_query(c.one.db, a, &sql_fence, PG_ARGS(PG(1), PG(1)), deadline_in(CASE_MS), NULL, e));
}

/* ---- the log ---- */

#define LOG "select string_agg(seq || ':' || kind || ':' || message, '|' order by seq) from agent_logs where " \
	"request_id = %ld"

LOOP_TEST(thoughts_that_are_sent_twice_are_there_once)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "user_id", "'" USER_A "'");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_think(a, &c.one, 1, 1, 2), "1");
	CHECK_EQ_S(case_think(a, &c.one, 1, 1, 2), "1");
	CHECK_EQ_S(case_think(a, &c.one, 1, 2, 3), "1");
	CHECK_OF(1, LOG, "1:text:thought 1|2:text:thought 2|3:text:thought 3");
	CHECK_OF(1, "select count(*) from agent_logs l join agent_requests r on r.session_id = l.session_id and "
		"r.user_id = l.user_id and r.attempt = l.attempt where r.id = %ld", "3");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_think(a, &c.one, 1, 4, 4), "");
}

LOOP_TEST(one_batch_writes_the_rows_of_those_that_are_owned_and_names_them)
{
	QUEUE_CASE;
	struct log_batch *rows = log_batch_new(a);
	int64_t *alive;
	size_t n;
	for (int id = 1; id <= 3; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2,3");
	CHECK_EQ_S(case_release(a, &c.one, 2), "ok");
	for (int id = 3; id >= 1; id--)
		log_batch_owner(rows, id, 1);
	for (int id = 1; id <= 3; id++)
		log_batch_row(rows, id, &(struct log_row){ 1, "quotes", "tool_call", "a \"b\" \\ {,} NULL", "{\"id\": 7}" });
	REQUIRE_OK(queue_log_append(c.one.db, a, rows, deadline_in(CASE_MS), &alive, &n, e));
	CHECK_EQ_I((int64_t)n, 2);
	CHECK_SQL(c.owner, "select string_agg(request_id || message || data, ' ' order by request_id) from agent_logs",
		"1a \"b\" \\ {,} NULL{\"id\": 7} 3a \"b\" \\ {,} NULL{\"id\": 7}");
}

LOOP_TEST(the_last_rows_are_written_with_the_end_or_not_at_all)
{
	QUEUE_CASE;
	struct queue_end end = { .completed = true, .phase = "completed", .result = "{}", .agent = "quotes" };
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	for (int version = 0; version <= 1; version++) {
		struct queue_request r = c.one.held[1];
		end.request = &r;
		struct log_batch *rows = log_batch_new(a);
		r.version = version;
		log_batch_owner(rows, 1, 1);
		log_batch_row(rows, 1, &(struct log_row){ 1, "quotes", "complete", "done", NULL });
		CHECK_EQ_I(queue_finish(c.one.db, a, &end, rows, deadline_in(CASE_MS), e), version == 1);
		CHECK_OF(1, LOG, version == 1 ? "1:complete:done" : "(null)");
	}
}

LOOP_TEST(deleting_a_request_deletes_its_children_and_every_log)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_think(a, &c.one, 1, 1, 1), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "2");
	CHECK_EQ_S(case_think(a, &c.one, 2, 1, 1), "2");
	CHECK_SQL(c.owner, "delete from agent_requests where id = 1", "(null)");
	CHECK_SQL(c.owner, "select (select count(*) from agent_requests) || ' ' || (select count(*) from agent_logs)",
		"0 0");
}

/* ---- dead workers ---- */

LOOP_TEST(what_a_dead_worker_ran_is_ready_again_and_its_log_goes_on)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "2");
	CHECK_EQ_S(case_think(a, &c.one, 1, 1, 3), "1");
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 0");
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_ROW(1, "status, phase, attempt, version, error_code, error, worker_id is null",
		"queued ready 1 2 worker_lost worker box:7 was lost in attempt 1 t");
	CHECK_OF(1, "select string_agg(seq || kind, ' ' order by seq) || ' ' || max(data ->> 'code') from agent_logs "
		"where request_id = %ld",
		"1text 2text 3text 4status worker_lost");
	CHECK_STATE(2, "processing running");
	CHECK_SQL(c.owner, "select string_agg(id::text, ' ') from drover.workers", WORKER_2);
	CHECK_EQ_S(case_think(a, &c.one, 1, 4, 5), "");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "fence_lost");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_I(c.two.held[1].last_seq, 4);
	CHECK_EQ_I(c.two.held[1].attempt, 2);
	queue_case_check(a, &c);
}

LOOP_TEST(a_request_that_kills_its_workers_fails_and_frees_its_parent)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.two, 1, "[{\"type\": \"quotes\", \"request\": \"x\", \"after\": []}]"), "ok");
	for (int attempt = 1; attempt <= 3; attempt++) {
		CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
		case_expire(a, &c, WORKER_1);
		CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
		REQUIRE_OK(queue_register(c.one.db, &c.one.worker, deadline_in(CASE_MS), e));
	}
	CHECK_ROW(2, "status, phase, error_code, error, attempt, finished_at is not null",
		"failed failed worker_lost worker box:7 was lost in attempt 3 3 t");
	CHECK_OF(2, "select string_agg(seq || kind, ' ' order by seq) from agent_logs where request_id = %ld",
		"1status 2status 3error");
	CHECK_STATE(1, "processing ready");
	queue_case_check(a, &c);
}

LOOP_TEST(a_lease_is_renewed_while_it_holds_and_never_after)
{
	QUEUE_CASE;
	const int64_t *cancelled;
	size_t n;
	struct queue_load load = { 3, 5, 2, true };
	REQUIRE_OK(queue_heartbeat(c.one.db, a, &c.one.worker, &load, deadline_in(CASE_MS), &cancelled, &n, e));
	CHECK_EQ_I((int64_t)n, 0);
	CHECK_SQL(c.owner, "select concat_ws(' ', running, claimed, finished, draining, lease_until - heartbeat_at) from "
		"drover.workers where id = '" WORKER_1 "'", "3 5 2 t 00:01:00");
	case_expire(a, &c, WORKER_1);
	CHECK(!queue_heartbeat(c.one.db, a, &c.one.worker, &load, deadline_in(CASE_MS), &cancelled, &n, e));
	CHECK_EQ_I(e->kind, ERR_FENCE);
	CHECK_EQ_S(e->code, "lease_lost");
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
}

LOOP_TEST(a_worker_known_to_have_ended_is_rescued_at_once)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	REQUIRE_OK(queue_worker_lost(c.two.db, WORKER_1, deadline_in(CASE_MS), e));
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
}

LOOP_TEST(a_worker_gives_back_what_it_does_not_know_of_and_leaves_nothing_behind)
{
	QUEUE_CASE;
	for (int id = 1; id <= 3; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 2), "1,2");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "3");
	REQUIRE_OK(queue_give_back(c.one.db, WORKER_1, &(int64_t){ 2 }, 1, deadline_in(CASE_MS), e));
	CHECK_ROW(1, "status, phase, attempt, version", "queued ready 0 2");
	CHECK_STATE(2, "processing running");
	REQUIRE_OK(queue_leave(c.one.db, WORKER_1, deadline_in(CASE_MS), e));
	CHECK_STATE(2, "queued ready");
	CHECK_STATE(3, "processing running");
	CHECK_SQL(c.owner, "select string_agg(id::text, ' ') from drover.workers", WORKER_2);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

/* The column holds 24 days: what took longer ends all the same. */
LOOP_TEST(a_request_that_took_months_can_still_end)
{
	QUEUE_CASE;
	for (int id = 1; id <= 3; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 2), "1,2");
	CHECK_SQL(c.owner, "update agent_requests set started_at = now() - interval '90 days', crashes = 2", "(null)");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1");
	CHECK_EQ_S(case_cancel(a, c.two.db, 3), "t");
	CHECK_SQL(c.owner, "select string_agg(phase || processing_time_ms, ' ' order by id) from agent_requests",
		"completed2147483647 failed2147483647 cancelled2147483647");
}

/* ---- cancelling ---- */

LOOP_TEST(what_waits_is_cancelled_at_once_and_only_once)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "run_at", "now() + interval '1 hour'");
	case_ask(a, c.owner, "priority", "0");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "3");
	CHECK_EQ_S(case_retry_later(a, &c.one, 3, 60000), "ok");
	for (int64_t id = 1; id <= 3; id++) {
		CHECK_EQ_S(case_cancel(a, c.two.db, id), "t");
		CHECK_ROW(id, "status, phase, error_code, error, finished_at is not null",
			"failed cancelled cancelled cancelled t");
		CHECK_OF(id, LOG, "1:error:cancelled");
		CHECK_EQ_S(case_cancel(a, c.two.db, id), "f");
	}
	CHECK_EQ_S(case_cancel(a, c.two.db, 99), "not there");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

LOOP_TEST(what_runs_is_told_to_stop_by_notification_and_by_heartbeat)
{
	QUEUE_CASE;
	const char *channel, *payload;
	const int64_t *cancelled;
	size_t n;
	struct queue_load load = { 0 };
	struct pg *listener = test_connect(a, c.db.worker_url, e);
	CHECK_SQL(listener, "listen drover_cancel", "(null)");
	case_ask(a, c.owner, "", "");
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	CHECK_EQ_S(case_cancel(a, c.two.db, 2), "t");
	CHECK_STATE(2, "processing running");
	REQUIRE_OK(pg_notification(listener, a, &channel, &payload, deadline_in(CASE_MS), e));
	CHECK_EQ_S(channel, "drover_cancel");
	CHECK_EQ_S(payload, "2");
	REQUIRE_OK(queue_heartbeat(c.one.db, a, &c.one.worker, &load, deadline_in(CASE_MS), &cancelled, &n, e));
	REQUIRE(n == 1);
	CHECK_EQ_I(cancelled[0], 2);
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 2");
	CHECK_STATE(1, "queued ready");
	CHECK_ROW(2, "status, phase, error_code", "failed cancelled cancelled");
	queue_case_check(a, &c);
}

LOOP_TEST(what_was_told_to_stop_gets_no_other_attempt)
{
	QUEUE_CASE;
	for (int id = 1; id <= 3; id++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2,3");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_EQ_S(case_cancel(a, c.two.db, 2), "t");
	CHECK_EQ_S(case_release(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_retry_later(a, &c.one, 2, 60000), "ok");
	CHECK_EQ_S(case_release(a, &c.one, 3), "ok");
	CHECK_SQL(c.owner, "select string_agg(phase, ' ' order by id) from agent_requests", "cancelled cancelled ready");
	queue_case_check(a, &c);
}

LOOP_TEST(children_end_with_their_parent_and_a_late_one_does_not_revive_it)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "2");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_STATE(1, "processing waiting_children"); /* until the last of them has stopped */
	CHECK_STATE(2, "processing running");
	CHECK_SQL(c.owner, "select string_agg(request_id || phase, ' ' order by 1) from drover.cancels",
		"1cancelled 2cancelled");
	CHECK_STATE(3, "failed cancelled");
	CHECK_STATE(4, "failed cancelled");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_STATE(1, "failed cancelled");
	CHECK_SQL(c.owner, "select count(*) from drover.cancels", "0");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

LOOP_TEST(a_cancelled_child_frees_its_siblings_and_its_parent)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "ok");
	CHECK_EQ_S(case_cancel(a, c.two.db, 2), "t");
	CHECK_STATE(4, "queued ready");
	CHECK_EQ_S(case_cancel(a, c.two.db, 3), "t");
	CHECK_EQ_S(case_cancel(a, c.two.db, 4), "t");
	CHECK_OF(1, "select phase || waits_on from agent_requests where id = %ld", "ready0");
	queue_case_check(a, &c);
}

LOOP_TEST(a_child_that_is_deleted_is_waited_for_no_more)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "ok");
	CHECK_SQL(c.owner, "delete from agent_requests where id = 2", "(null)");
	CHECK_STATE(4, "queued ready");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3,4");
	CHECK_EQ_S(case_finish(a, &c.one, 3), "ok");
	CHECK_SQL(c.owner, "delete from agent_requests where id = 3", "(null)"); /* had ended: counts no more */
	CHECK_OF(1, "select phase || waits_on from agent_requests where id = %ld", "waiting_children1");
	CHECK_SQL(c.owner, "delete from agent_requests where id = 4", "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	queue_case_check(a, &c);
}

LOOP_TEST(a_parent_that_was_told_to_stop_starts_no_children)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_EQ_S(case_spawn(a, &c.one, 1, CHILDREN), "ok");
	CHECK_SQL(c.owner, "select string_agg(distinct phase, ' ') from agent_requests", "cancelled");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	queue_case_check(a, &c);
}

/* ---- moves ---- */

static void retry(struct arena *a, struct queue_case *c, int64_t id, bool again)
{
	struct pg_rows rows;
	struct err e = { 0 };
	if (CHECK(pg_query(c->two.db, a, &sql_retry, PG_ARGS(PG(id)), deadline_in(CASE_MS), &rows, &e)))
		CHECK_EQ_I(pg_bool(&rows, 0, "again"), again);
}

LOOP_TEST(an_operator_retries_what_failed_with_a_fresh_count)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "session_id", "'" SESSION_A "'");
	case_ask(a, c.owner, "session_id", "'" SESSION_A "'");
	retry(a, &c, 1, false);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	retry(a, &c, 1, false);
	CHECK_EQ_S(case_fail(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	retry(a, &c, 1, true);
	CHECK_ROW(1, "status, phase, attempt, version, error is null, error_code is null, finished_at is null",
		"queued ready 0 2 t t t");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "fence_lost");
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "1");
	queue_case_check(a, &c);
}

/* One request of each waiting kind, all of one key and user: 1 ready, 2 scheduled, 3 retry_wait, 4 waiting_children
 * with 5 (running), 6 (ready) and 7 (waiting_dependencies). */
static void one_of_each(struct arena *a, struct queue_case *c, const char *key)
{
	CHECK_SQL(c->owner, "truncate agent_requests restart identity cascade", "(null)");
	case_ask(a, c->owner, "priority", "0");
	case_ask(a, c->owner, "run_at", "now() + interval '1 hour'");
	case_ask(a, c->owner, "", "");
	case_ask(a, c->owner, "", "");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1,3,4");
	CHECK_EQ_S(case_retry_later(a, &c->one, 3, 60000), "ok");
	CHECK_EQ_S(case_spawn(a, &c->one, 4, CHILDREN), "ok");
	CHECK_EQ_S(case_claim(a, &c->one, 1), "5");
	CHECK_EQ_S(case_release(a, &c->one, 1), "ok");
	CHECK_SQL(c->owner, arena_printf(a, "update agent_requests set supersede_key = '%s' where parent_id is null",
		key), "(null)");
}

#define CHECK_STATE_OF(id, want) CHECK_EQ_S(case_state(a, c, id), want)

static void end_every_way(struct arena *a, struct queue_case *c)
{
	one_of_each(a, c, "cancel");
	for (int64_t id = 1; id <= 4; id++)
		CHECK_EQ_S(case_cancel(a, c->two.db, id), "t");
	CHECK_EQ_S(case_stop(a, &c->one, 5), "ok");
	retry(a, c, 1, true);
	one_of_each(a, c, "supersede");
	CHECK_EQ_I(case_ask(a, c->owner, "supersede_key", "'supersede'"), 8);
	CHECK_EQ_S(case_stop(a, &c->one, 5), "ok");
	CHECK_STATE_OF(5, "failed superseded");
	CHECK_STATE_OF(4, "failed superseded");
	CHECK_SQL(c->owner, "delete from agent_requests where id = 8", "(null)");
		/* the newest would not let it come again */
	retry(a, c, 1, true);
}

/* With children none of which runs: it ends at once, one way or the other. */
static void end_waiting_parents(struct arena *a, struct queue_case *c)
{
	for (int superseded = 0; superseded <= 1; superseded++) {
		CHECK_SQL(c->owner, "truncate agent_requests restart identity cascade", "(null)");
		case_ask(a, c->owner, "supersede_key", "'parent'");
		CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
		CHECK_EQ_S(case_spawn(a, &c->one, 1, CHILDREN), "ok");
		if (superseded)
			case_ask(a, c->owner, "supersede_key", "'parent'");
		else
			CHECK_EQ_S(case_cancel(a, c->two.db, 1), "t");
		CHECK_STATE_OF(1, superseded ? "failed superseded" : "failed cancelled");
		CHECK_SQL(c->owner, "select count(*) from drover.cancels", "0");
	}
}

/* 1 runs; behind it 2 is cancelled, 3 superseded by 4, and 4 comes in the end. */
static void park_and_end(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "truncate agent_requests restart identity cascade", "(null)");
	for (int id = 1; id <= 2; id++)
		case_ask(a, c->owner, "session_id", "'" SESSION_A "'");
	case_ask(a, c->owner, "session_id, supersede_key", "'" SESSION_A "', 'parked'");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_STATE_OF(2, "queued blocked");
	CHECK_STATE_OF(3, "queued blocked");
	CHECK_EQ_I(case_ask(a, c->owner, "session_id, supersede_key", "'" SESSION_A "', 'parked'"), 4);
	CHECK_STATE_OF(3, "failed superseded");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "");
	CHECK_EQ_S(case_cancel(a, c->two.db, 2), "t");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "");
	CHECK_STATE_OF(4, "queued blocked");
	CHECK_EQ_S(case_finish(a, &c->one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "4");
}

static void live_and_fail(struct arena *a, struct queue_case *c)
{
	one_of_each(a, c, "run");
	CHECK_SQL(c->owner, "update agent_requests set run_at = now() where run_at is not null", "(null)");
	CHECK_EQ_S(case_maintain(a, &c->one), "moved 2");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1,2,3,6");
	CHECK_EQ_S(case_finish(a, &c->one, 5), "ok");
	CHECK_EQ_S(case_fail(a, &c->one, 1), "ok");
	retry(a, c, 1, true);
	CHECK_EQ_S(case_stop(a, &c->one, 6), "ok");
	CHECK_EQ_S(case_cancel(a, c->two.db, 2), "t");
	CHECK_SQL(c->owner, "update agent_requests set crashes = 2 where id = 3", "(null)");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1,7");
	case_expire(a, c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c->two), "moved 4");
	CHECK_EQ_S(case_claim(a, &c->two, 10), "1,7");
	CHECK_EQ_S(case_finish(a, &c->two, 7), "ok");
	CHECK_EQ_S(case_state(a, c, 4), "processing ready");
}

#define ASKED "[{\"tool_call_id\": \"c\", \"tool_name\": \"t\", \"kind\": \"question\", \"input\": {}, \"expire_ms\": 60000}]"

/* 1 asks, is answered by 2, and asks what was answered already; 3 and 4 ask, and are stopped. */
static void ask_and_end(struct arena *a, struct queue_case *c)
{
	CHECK_SQL(c->owner, "truncate agent_requests restart identity cascade; truncate change_proposals", "(null)");
	case_ask(a, c->owner, "session_id", "'" SESSION_A "'");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c->one, 1, ASKED), "ok");
	CHECK_STATE_OF(1, "processing waiting_approval");
	CHECK_EQ_I(case_ask(a, c->owner, "session_id", "'" SESSION_A "'"), 2);
	CHECK_STATE_OF(2, "completed completed");
	CHECK_EQ_S(case_claim(a, &c->one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c->one, 1, ASKED), "ok");
	CHECK_STATE_OF(1, "processing ready");
	CHECK_EQ_S(case_cancel(a, c->two.db, 1), "t");
	for (int64_t id = 3; id <= 4; id++) {
		CHECK_EQ_I(case_ask(a, c->owner, "supersede_key", "'asks'"), id);
		CHECK(strcmp(case_claim(a, &c->one, 10), "") != 0);
		CHECK_EQ_S(case_ask_people(a, &c->one, id, ASKED), "ok");
	}
	CHECK_STATE_OF(3, "failed superseded");
	CHECK_EQ_S(case_cancel(a, c->two.db, 4), "t");
	CHECK_STATE_OF(4, "failed cancelled");
}

LOOP_TEST(every_move_of_the_table_can_be_made_and_no_other)
{
	QUEUE_CASE;
	ask_and_end(a, &c);
	end_every_way(a, &c);
	end_waiting_parents(a, &c);
	park_and_end(a, &c);
	live_and_fail(a, &c);
	const char *known = "";
	for (size_t i = 0; i < n_queue_moves; i++)
		known = arena_printf(a, "%s%s('%s', '%s')", known, i ? ", " : "", queue_moves[i].from, queue_moves[i].to);
	CHECK_SQL(c.owner, arena_printf(a, "select string_agg(k.a || ' -> ' || k.b, ', ') from (values %s) k (a, b) "
		"where not exists (select from moves m where m.\"from\" = k.a and m.\"to\" = k.b)", known), "(null)");
	queue_case_check(a, &c);
}
