/* SPDX-License-Identifier: MIT */
/*
 * What networks, providers and databases do to a worker: refused, cut, slow, gone. Every request ends properly, nothing
 * is lost or done twice, and the log tells what happened.
 */
#include "clock.h"
#include "embedded.h"
#include "rig_test.h"
#include <fcntl.h>
#include <unistd.h>

#define KEY "sk-ant-0123456789-of-these-tests"

/* What became of it, attempt by attempt, without ids and times. */
#define HISTORY \
	"select string_agg(regexp_replace(regexp_replace(message, ' .request-id \\w+.', ''), '\\d+ ms', 'N ms'), '|' " \
	"order by seq) from agent_logs where kind in ('status', 'error', 'complete') and request_id = %ld"

/* Until the query gives t. */
static bool wait_for(struct arena *a, struct rig *r, const char *sql, struct err *e)
{
	for (int64_t end = clock_ms() + 10000; clock_ms() < end; loop_sleep(2, e))
		if (strcmp(test_ask(a, r->owner, sql), "t") == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

/* ---- refused for good ---- */

/* Takes what goes to stderr, until the arena ends. */
struct capture {
	int file, stderr_was;
};

static void capture_end(void *what)
{
	struct capture *c = what;
	fflush(stderr);
	dup2(c->stderr_was, STDERR_FILENO);
	close(c->stderr_was);
	close(c->file);
}

static struct capture *capture_stderr(struct arena *a)
{
	char path[] = "/tmp/drover-test-log-XXXXXX";
	struct capture *c = arena_alloc(a, sizeof(*c));
	fflush(stderr);
	*c = (struct capture){ mkostemp(path, O_CLOEXEC), dup(STDERR_FILENO) };
	unlink(path);
	dup2(c->file, STDERR_FILENO);
	arena_defer(a, capture_end, c);
	return c;
}

static const char *captured(struct arena *a, const struct capture *c)
{
	enum { TEXT_BYTES = 1 << 20 };
	char *text = arena_alloc(a, TEXT_BYTES);
	fflush(stderr);
	ssize_t n = pread(c->file, text, TEXT_BYTES - 1, 0);
	return n < 0 ? "" : text;
}

#define EVERY_ROW \
	"(select r::text from agent_requests r union all select l::text from agent_logs l union all " \
	"select t::text from agent_turns t union all select x::text from tool_executions x union all " \
	"select s::text from agent_sessions s union all select w::text from drover.workers w) every (row)"

/* The scripted model answers by the key, so it did come; and it says it back, as a careless provider does. */
RIG_TEST(a_wrong_key_fails_at_once_and_is_shown_nowhere, "replies:\n"
	"  - when: { api_key: " KEY " }\n    status: 401\n"
	"    body: { type: error, error: { type: authentication_error, message: 'invalid x-api-key: " KEY "' } }\n")
{
	struct capture *log = capture_stderr(a);
	r->config.model.api_key = KEY;
	r->config.model.key_as_bearer = false;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "failed model_auth 1");
	CHECK_EQ_I((int64_t)mock_request_count(r->mock), 1);
	CHECK_EQ_S(rig_sql(a, r, "select right(error, 45) from agent_requests where id = %ld", id),
		"invalid x-api-key: [key]; check model.api_key");
	CHECK_SQL(r->owner, "select count(*) from " EVERY_ROW " where row like '%" KEY "%'", "0");
	CHECK_SQL(r->owner, "select count(*) > 0 from " EVERY_ROW " where row like '%[key]%'", "t");
	const char *text = captured(a, log);
	CHECK(strstr(text, "\"run_failed\"") && strstr(text, "[key]"));
	CHECK(!strstr(text, KEY));
}

/* ---- told to come later ---- */

RIG_TEST(too_many_requests_waits_as_long_as_it_was_told, "replies:\n"
	"  - { when: { nth: 1 }, status: 429, headers: { Retry-After: '1' } }\n  - reply: Fine.\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_for(a, r, "select phase = 'retry_wait' from agent_requests", e));
	CHECK_EQ_S(rig_sql(a, r, "select concat_ws(' ', q.status, q.error_code, q.attempt, q.worker_id, "
		"q.run_at - l.timestamp between '0.9 s' and '1.4 s') from agent_requests q join agent_logs l "
		"on l.request_id = q.id where q.id = %ld order by l.seq desc limit 1", id), "queued model_rate_limited 1 t");
	CHECK_FATE(id, "completed 2");
	CHECK_EQ_S(rig_sql(a, r, HISTORY, id), "attempt 1|attempt 1 failed: the model answered HTTP 429 rate_limit_error: "
		"by the script; next in N ms|attempt 2|Fine.");
	CHECK_SQL(r->owner, "select l.timestamp - f.timestamp between '1 s' and '10 s' from agent_logs f, agent_logs l "
		"where l.message = 'attempt 2' and f.message like 'attempt 1 failed%'", "t");
}

RIG_TEST(an_overloaded_model_is_asked_again_until_it_answers, "replies:\n"
	"  - { when: { nth: 1 }, status: 529 }\n  - { when: { nth: 1 }, status: 529 }\n  - reply: Fine.\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "completed 3");
	CHECK_EQ_S(rig_sql(a, r, HISTORY, id), "attempt 1|"
		"attempt 1 failed: the model answered HTTP 529 overloaded_error: by the script; next in N ms|attempt 2|"
		"attempt 2 failed: the model answered HTTP 529 overloaded_error: by the script; next in N ms|attempt 3|Fine.");
	CHECK_EQ_I(mock_count(r->mock).requests, 3);
}

/* ---- broken off ---- */

#define ONCE(word, how) \
	"  - { when: { last_user: " word ", nth: 1 }, " how " }\n  - { when: { last_user: " word " }, reply: Fine. }\n"
#define TALK "reply: [ { thinking: Let me see what there is. }, { text: Well then it is so. } ], chunk: 4, pace: 5ms"

static const struct {
	const char *word, *code;
} accidents[] = {
	{ "event", "model_overloaded" }, { "reset", "model_cut" },           { "stall", "stall_timeout" },
	{ "html", "model_garbage" },     { "late", "first_byte_timeout" },   { "bad gateway", "model_error" },
	{ "redirect", "model_garbage" }, { "cut", "model_cut" },
};

static void check_accident(struct arena *a, struct rig *r, int64_t id, const char *word, const char *code)
{
	bool ok = CHECK_FATE(id, "completed 2");
	ok &= CHECK_EQ_S(rig_sql(a, r, "select data ->> 'code' from agent_logs where message like 'attempt 1 failed%%' "
		"and request_id = %ld", id), code);
	ok &= CHECK_EQ_S(rig_sql(a, r, "select string_agg(content_type || ' ' || content || ' ' || attempt, ', ') "
		"from agent_turns where content_type <> 'thinking' and request_id = %ld", id), "text Fine. 2");
	if (!ok)
		printf("      %s: %s\n", word, rig_sql(a, r, HISTORY, id));
}

/* All at once, one worker. Text that broke off stays in the log, and in no conversation; thinking that had ended is kept. */
RIG_TEST(an_answer_that_breaks_off_is_asked_for_again, "replies:\n"
	ONCE("reset", TALK ", cut_after: { deltas: 9, reset: true }")
	ONCE("cut", TALK ", cut_after: { deltas: 9 }")
	ONCE("event", TALK ", error_after: { deltas: 9, type: overloaded_error }")
	ONCE("stall", TALK ", stall_after: { deltas: 9, for: 5s }")
	ONCE("late", TALK ", delay: 5s")
	ONCE("html", "status: 200, headers: { Content-Type: text/html }, body: '<html>Please log in</html>'")
	ONCE("bad gateway", "status: 502, body: '<html>'")
	ONCE("redirect", "status: 302, headers: { Location: /elsewhere }, body: moved"))
{
	int64_t ids[COUNT(accidents)];
	r->config.model.limits.first_byte_ms = r->config.model.limits.stall_ms = 1000;
	REQUIRE_OK(rig_start(r, e));
	for (size_t i = 0; i < COUNT(accidents); i++)
		ids[i] = rig_ask(a, r, "quotes", accidents[i].word);
	for (size_t i = 0; i < COUNT(accidents); i++)
		check_accident(a, r, ids[i], accidents[i].word, accidents[i].code);
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(message, '' order by seq) from agent_logs where attempt = 1 "
		"and kind in ('thinking', 'text') and request_id = %ld", ids[0]), "Let me see what there is.Well the");
}

/* ---- used up ---- */

RIG_TEST(a_model_that_never_answers_fails_with_its_history, "replies:\n  - drop: true\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "failed http_cut 3");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(concat_ws(' ', kind, attempt, coalesce(data ->> 'code', message)), "
		"'|' order by seq) from agent_logs where request_id = %ld", id),
		"status 1 attempt 1|status 1 http_cut|status 2 attempt 2|status 2 http_cut|"
		"status 3 attempt 3|error 3 http_cut");
	CHECK_EQ_S(rig_sql(a, r, "select left(error, 16) from agent_requests where id = %ld", id), "attempt 3 of 3: ");
	CHECK_EQ_I(mock_count(r->mock).requests, 3);
}

RIG_TEST(a_model_that_is_away_altogether_fails_with_its_address, "replies:\n  - reply: unused\n")
{
	const char *url = arena_printf(a, "http://127.0.0.1:%d", free_port());
	r->config.model.base_url = url;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "failed http_unreachable 3");
	CHECK(strstr(rig_sql(a, r, "select error from agent_requests where id = %ld", id), url));
	CHECK_SQL(r->owner, "select count(*) from agent_logs where message like 'attempt _ failed: %'", "2");
}

/* ---- the database ---- */

#define WORKERS_OWN "usename = 'drover_worker' and datname = current_database()"
#define KILL_ALL \
	"select count(*) > 0 from (select pg_terminate_backend(pid) from pg_stat_activity where " WORKERS_OWN ") killed"
#define A_TOOL_WAITS "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and " WORKERS_OWN

/* All of the worker's connections, again and again while the model speaks: it notices nothing. */
RIG_TEST(connections_that_are_killed_in_mid_stream_are_made_again, "replies:\n"
	"  - reply: [ { text: 0123456789, repeat: 60 } ]\n    pace: 20ms\n    chunk: 10\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_for(a, r, "select count(*) > 2 from agent_logs where kind = 'text'", e));
	for (int i = 0; i < 3; i++) {
		CHECK_SQL(r->owner, KILL_ALL, "t");
		REQUIRE_OK(loop_sleep(200, e));
	}
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(message, '' order by seq) = repeat('0123456789', 60) from agent_logs "
		"where kind = 'text' and request_id = %ld", id), "t");
	CHECK_EQ_I(mock_count(r->mock).requests, 1);
	CHECK_FATE(rig_ask(a, r, "quotes", "and once more"), "completed 1");
}

#define MILESTONE "replies:\n  - when: { turn: 0 }\n    reply: [ { tool: milestone_set, input: { project: APOLLO, " \
	"name: Once, day: 2027-03-01 } } ]\n  - reply: Set.\n"

/* Holds a tool that writes in the middle of its transaction, until the connection rolls back. */
static struct pg *lock_apollo(struct arena *a, struct rig *r, struct err *e)
{
	struct pg *other = test_connect(a, r->db.owner_url, e);
	if (other)
		test_ask(a, other, "begin; select 1 from psa.projects where code = 'APOLLO' for update");
	return other;
}

static void check_done_once(struct arena *a, struct rig *r, int64_t id)
{
	CHECK_FATE(id, "completed 2");
	CHECK_SQL(r->owner, "select count(*) from psa.tasks where name = 'Once'", "1");
	CHECK_SQL(r->owner, "select string_agg(concat_ws(' ', tool_name, status, attempt), ', ') from tool_executions",
		"milestone_set done 2");
	CHECK_EQ_I(mock_count(r->mock).requests, 2); /* what the model had said is not asked again */
}

RIG_TEST(a_tool_whose_connection_is_killed_has_its_effect_once, MILESTONE)
{
	struct pg *other = lock_apollo(a, r, e);
	REQUIRE_OK(other && rig_start(r, e));
	int64_t id = rig_ask(a, r, "project_management", "x");
	REQUIRE_OK(wait_for(a, r, A_TOOL_WAITS, e));
	CHECK_SQL(r->owner, KILL_ALL, "t");
	test_ask(a, other, "rollback");
	check_done_once(a, r, id);
}

RIG_TEST(a_tool_that_waits_too_long_is_tried_again, MILESTONE)
{
	r->config.limits.tool_ms = 1000;
	struct pg *other = lock_apollo(a, r, e);
	REQUIRE_OK(other && rig_start(r, e));
	int64_t id = rig_ask(a, r, "project_management", "x");
	REQUIRE_OK(wait_for(a, r, "select attempt = 2 from agent_requests", e));
	test_ask(a, other, "rollback");
	check_done_once(a, r, id);
}
