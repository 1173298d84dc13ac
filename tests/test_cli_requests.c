/* SPDX-License-Identifier: MIT */
/* Commands about single requests, run against a real database in which the test plays the worker. */
#include "shell.h"
#include "json.h"
#include "loop.h"
#include <signal.h>

#define SESSION "aaaaaaaa-0000-4000-8000-000000000001"
#define USER "00000000-0000-4000-8000-0000000000d0"
/* As claim.sql, finish.sql and log_append.sql do, for the request with this id. */
#define CLAIM(id) "update agent_requests set status = 'processing', phase = 'running', version = version + 1, " \
	"attempt = attempt + 1, started_at = clock_timestamp() where id = " #id ";"
#define LOG(id, seq, kind, message, data) \
	"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, message, data) " \
	"select session_id, id, " #seq ", attempt, 'project', '" kind "', " message ", " data \
	" from agent_requests where id = " #id ";"
#define COMPLETE(id, result) "update agent_requests set status = 'completed', phase = 'completed', result = " result \
	", finished_at = clock_timestamp() where id = " #id "; select drover.free_waiting(" #id ");"
#define FAIL_IT(id) "update agent_requests set status = 'failed', phase = 'failed', error = E'no more\\x1b tries', " \
	"error_code = 'model_error', finished_at = clock_timestamp() where id = " #id "; select drover.free_waiting(" #id ");"

struct place {
	struct test_db db;
	struct pg *owner;
};

static bool open_place(struct arena *a, struct place *p, struct err *e)
{
	return test_db(a, &p->db, e) && (p->owner = test_connect(a, p->db.owner_url, e));
}

static bool play(struct arena *a, struct place *p, const char *sql, struct err *e)
{
	return pg_script(p->owner, a, sql, deadline_in(10000), NULL, e);
}

#define REQUIRE_PLACE(p) REQUIRE_OK(open_place(a, &(p), e))
#define REQUIRE_PLAY(p, sql) REQUIRE_OK(play(a, &(p), sql, e))

/* ---- enqueue ---- */

LOOP_TEST(enqueue_inserts_what_was_given)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct ran r = shell(a, p.db.worker_url, "$D enqueue quotes 'draft the quote' --session " SESSION " --user " USER
		" --context '{\"a\": 1}' --priority 7 --dry-run");
	CHECK_EQ_I(r.status, 0);
	CHECK_EQ_S(r.out, "request 1, session " SESSION "\n");
	CHECK_SQL(p.owner, "select concat_ws('|', type, request, session_id, user_id, context, priority, dry_run, phase) "
		"from agent_requests", "quotes|draft the quote|" SESSION "|" USER "|{\"a\": 1}|7|t|ready");
}

LOOP_TEST(enqueue_reads_stdin_and_prints_json)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct ran r = shell(a, p.db.worker_url, "printf 'two\\nlines' | $D enqueue quotes - --json");
	CHECK_EQ_I(r.status, 0);
	CHECK(is_json_lines(a, r.out));
	CHECK_HAS(r.out, "{\"id\":1,\"session_id\":\"");
	CHECK_SQL(p.owner, "select request from agent_requests", "two\nlines");
	CHECK_EQ_I(shell(a, p.db.worker_url, "head -c 262145 /dev/zero | tr '\\0' x | $D enqueue quotes -").status, 1);
	CHECK_EQ_I(shell(a, p.db.worker_url, "printf '\\377' | $D enqueue quotes -").status, 1);
	CHECK_EQ_I(shell(a, p.db.worker_url, "$D enqueue quotes ''").status, 2);
	CHECK_SQL(p.owner, "select count(*) from agent_requests", "1");
}

LOOP_TEST(enqueue_wait_shows_the_log_on_stderr_and_the_answer_on_stdout)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct shell *s = shell_start(a, p.db.worker_url, "$D enqueue quotes hello --wait");
	REQUIRE(shell_complains(s, "request 1, session "));
	REQUIRE_PLAY(p, CLAIM(1) LOG(1, 1, "text", "'thinking aloud'", "null"));
	CHECK(shell_complains(s, "thinking aloud"));
	REQUIRE_PLAY(p, LOG(1, 2, "complete", "'42'", "null") COMPLETE(1, "'{\"answer\": \"4\\n2\"}'"));
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK_EQ_S(r.out, "4\n2\n");
	CHECK_HAS(r.err, "complete 42\n");
}

LOOP_TEST(enqueue_wait_fails_when_the_request_does)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct shell *s = shell_start(a, p.db.worker_url, "$D enqueue quotes hello --wait --json");
	REQUIRE(shell_complains(s, "\"id\":1"));
	REQUIRE_PLAY(p, CLAIM(1) FAIL_IT(1));
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 1);
	CHECK(is_json_lines(a, r.out));
	CHECK_HAS(r.out, "\"status\":\"failed\"");
	CHECK_HAS(r.out, "\"error_code\":\"model_error\"");
	CHECK_HAS(r.err, "drover enqueue: request 1 ended in failed: no more\\x1b tries (model_error)\n");
}

LOOP_TEST(ctrl_c_ends_waiting_but_not_the_request)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct shell *s = shell_start(a, p.db.worker_url, "exec $D enqueue quotes hello --wait");
	REQUIRE(shell_complains(s, "request 1, session "));
	REQUIRE_OK(loop_sleep(200, e));
	shell_signal(s, SIGINT);
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 1);
	CHECK_HAS(r.err, "stopped waiting; request 1 goes on");
	CHECK_SQL(p.owner, "select status from agent_requests", "queued");
}

/* ---- cancel, retry ---- */

LOOP_TEST(cancel_says_what_happened_to_each)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_requests (type, request) select 'quotes', n from generate_series(1, 3) n;"
		CLAIM(2) CLAIM(3) COMPLETE(3, "'{}'"));
	struct ran r = shell(a, p.db.worker_url, "$D cancel 1 2 3 99");
	CHECK_EQ_I(r.status, 3);
	CHECK_EQ_S(r.out, "1 cancelled\n2 runs and was told to stop\n3 had ended already (completed)\n99 is not there\n");
	CHECK_SQL(p.owner, "select string_agg(phase || ' ' || exists (select from drover.cancels where request_id = id), ',' "
		"order by id) from agent_requests",
		"cancelled false,running true,completed false");
	struct ran json = shell(a, p.db.worker_url, "$D cancel 2 --json");
	CHECK_EQ_I(json.status, 0);
	CHECK_EQ_S(json.out, "{\"id\":2,\"outcome\":\"told\",\"done\":true}\n");
}

LOOP_TEST(cancel_takes_the_children_along)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_requests (type, request) values ('orchestrator', 'plan');" CLAIM(1)
		"select drover.spawn_children(1, 1, '[{\"type\": \"quotes\", \"request\": \"q\"}]')");
	CHECK_EQ_S(shell(a, p.db.worker_url, "$D cancel 1").out, "1 cancelled\n");
	CHECK_SQL(p.owner, "select string_agg(phase, ',' order by id) from agent_requests", "cancelled,cancelled");
}

LOOP_TEST(retry_says_what_happened_to_each)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_requests (type, request) values ('orchestrator', 'plan'), ('quotes', 'q');" CLAIM(1)
		"select drover.spawn_children(1, 1, '[{\"type\": \"quotes\", \"request\": \"q\"}]');" FAIL_IT(3) FAIL_IT(1));
	struct ran r = shell(a, p.db.worker_url, "$D retry 1 2 3 99");
	CHECK_EQ_I(r.status, 3);
	CHECK_EQ_S(r.out, "1 ready again\n2 has not failed (queued)\n3 is a child; retry 1, its parent\n99 is not there\n");
	CHECK_SQL(p.owner, "select concat_ws(' ', status, phase, attempt, error) from agent_requests where id = 1",
		"queued ready 0");
	CHECK_EQ_S(shell(a, p.db.worker_url, "$D retry 2 --json").out,
		"{\"id\":2,\"outcome\":\"not_failed\",\"done\":false}\n");
}

/* ---- show ---- */

LOOP_TEST(show_tells_the_whole_story_of_a_request)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_sessions (id) values ('" SESSION "');"
		"insert into agent_requests (session_id, type, request) values ('" SESSION "', 'orchestrator', 'plan the kickoff');"
		CLAIM(1) LOG(1, 1, "status", "'attempt 1'", "null")
		"insert into agent_turns (request_id, session_id, attempt, sequence_number, role, content_type, block, stop_reason, "
		"tokens_used) values (1, '" SESSION "', 1, 1, 'assistant', 'text', '{}', 'tool_use', 1512);"
		"insert into tool_executions (request_id, session_id, tool_call_id, tool_name, status, attempt, duration_ms) "
		"values (1, '" SESSION "', 't', 'task_create', 'refused', 1, 12);"
		"select drover.spawn_children(1, 1, '[{\"type\": \"quotes\", \"request\": \"price it\"}]');" CLAIM(2)
		COMPLETE(2, "'{}'") CLAIM(1) COMPLETE(1, "'{\"answer\": \"planned\", \"days\": [1, 2]}'"));
	struct ran r = shell(a, p.db.worker_url, "$D show 1");
	static const char *const parts[] = { "request 1 orchestrator completed\n", "plan the kickoff",
		"created orchestrator\n", "attempt 1 project\n", "turn 1, tool_use, 1,512 tokens\n",
		"tool task_create, refused, 12 ms\n", "child 2 quotes\n", "completed\n\nChildren\n  2 quotes completed, ",
		"  price it\n", "Answer\n  planned\n", "    \"days\": [\n" };
	CHECK_EQ_I(r.status, 0);
	for (size_t i = 0; i < COUNT(parts); i++)
		test_check(strstr(r.out, parts[i]) != NULL, __FILE__, __LINE__, parts[i]);
	struct ran json = shell(a, p.db.worker_url, "$D show 1 --json");
	struct err ignored = { 0 };
	const cJSON *all = json_parse(a, str_trim(str_of(json.out)), &ignored);
	REQUIRE(all);
	CHECK_EQ_S(json_text(json_get(json_get(all, "request"), "result"), "answer"), "planned");
	CHECK_EQ_I(cJSON_GetArraySize(json_get(all, "children")), 1);
	CHECK(cJSON_GetArraySize(json_get(all, "timeline")) >= 7);
}

LOOP_TEST(show_says_what_a_request_waits_for)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_requests (session_id, type, request) values ('" SESSION "', 'quotes', 'a'), ('"
		SESSION "', 'quotes', 'b');"
		"insert into agent_requests (type, request, run_at) values ('quotes', 'c', now() + interval '2 hours 30 seconds')");
	CHECK_HAS(shell(a, p.db.worker_url, "$D show 1").out, "waits for   a worker, but none lives");
	CHECK_HAS(shell(a, p.db.worker_url, "$D show 2").out, "waits for   request 1 before it in its session (ready)");
	CHECK_HAS(shell(a, p.db.worker_url, "$D show 3").out, "waits for   its time, in 2 h 0 min");
}

/* Log rows are written after what they announce; a person asked, decided, and then it went on. */
LOOP_TEST(show_puts_what_was_logged_late_before_what_it_began)
{
	static const char *const in_order[] = { "started\n", "attempt 1 project\n", "turn 1, tool_use", "tool quote_get, unknown\n",
		"goes on: what it waited for has come\n", "turn 2, end_turn", "completed\n" };
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_sessions (id) values ('" SESSION "');"
		"insert into agent_requests (session_id, type, request) values ('" SESSION "', 'quotes', 'ask');" CLAIM(1)
		"insert into agent_turns (request_id, session_id, attempt, sequence_number, role, content_type, block, stop_reason, created_at) "
		"select 1, '" SESSION "', 1, n, 'assistant', 'text', '{}', case n when 1 then 'tool_use' else 'end_turn' end, "
		"now() + n * interval '1 s' from generate_series(1, 2) n;"
		"insert into tool_executions (request_id, session_id, tool_call_id, tool_name, status, attempt, duration_ms, created_at) "
		"values (1, '" SESSION "', 't', 'quote_get', 'unknown', 1, 12, now() + interval '1 s');"
		LOG(1, 1, "status", "'attempt 1'", "null") LOG(1, 2, "status", "'asks: which?'", "null")
		LOG(1, 3, "status", "'goes on: what it waited for has come'", "null")
		"update agent_logs set \"timestamp\" = now() + (array[1100, 1500, 2100])[seq] * interval '1 ms';"
		"update agent_requests set started_at = now();" COMPLETE(1, "'{\"answer\": \"{}\", \"value\": {\"n\": 7}, \"turns\": 2}'")
		"update agent_requests set finished_at = now() + interval '3 s'");
	struct ran r = shell(a, p.db.worker_url, "$D show 1");
	const char *at = r.out;
	for (size_t i = 0; i < COUNT(in_order); i++) {
		at = strstr(at, in_order[i]);
		test_check(at != NULL, __FILE__, __LINE__, in_order[i]);
		REQUIRE(at);
	}
	CHECK_HAS(r.out, "Answer\n  {\n    \"n\": 7\n  }\n");
	CHECK(!strstr(r.out, "Result\n"));
}

LOOP_TEST(show_says_which_person_a_request_waits_for_and_approve_how_to_answer)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_sessions (id) values ('" SESSION "');"
		"insert into agent_requests (session_id, type, request) values ('" SESSION "', 'quotes', 'ask');" CLAIM(1)
		"select drover.wait_for_people(1, 1, 'quotes', '[{\"tool_call_id\": \"a\", \"tool_name\": \"quote_send\", \"kind\": \"approval\", "
		"\"input\": {}, \"text\": \"It goes out.\", \"not_requester\": false, \"expire_ms\": 60000}, {\"tool_call_id\": \"b\", "
		"\"tool_name\": \"ask_user\", \"kind\": \"question\", \"input\": {}, \"text\": \"Which?\", \"not_requester\": false, "
		"\"expire_ms\": 60000}]')");
	CHECK_HAS(shell(a, p.db.worker_url, "$D show 1").out,
		"waits for   a decision on quote_send (proposal 1), an answer (proposal 2); drover why 1 says more\n");
	CHECK_HAS(shell(a, p.db.worker_url, "$D why 1").out, "> drover approve 1, or drover reject 1; drover proposals lists all\n");
	struct ran bare = shell(a, p.db.worker_url, "$D approve 2");
	CHECK_EQ_I(bare.status, 2);
	CHECK_HAS(bare.err, "2 is a question: drover approve 2 --note 'the answer'");
	CHECK_HAS(shell(a, p.db.worker_url, "$D approve 2 --note both").out, "2 answered");
	CHECK_HAS(shell(a, p.db.worker_url, "$D approve 2").out, "2 was answered already");
}

LOOP_TEST(a_request_that_is_not_there_is_exit_3)
{
	struct place p;
	REQUIRE_PLACE(p);
	struct ran show = shell(a, p.db.worker_url, "$D show 7"), tail = shell(a, p.db.worker_url, "$D tail 7");
	CHECK_EQ_I(show.status, 3);
	CHECK_EQ_S(show.err, "drover show: there is no request 7\n");
	CHECK_EQ_I(tail.status, 3);
	CHECK_EQ_S(tail.err, "drover tail: there is no request 7\n");
	CHECK_EQ_I(shell(a, p.db.worker_url, "$D tail --session " SESSION).status, 3);
}

/* ---- tail ---- */

#define ASK "insert into agent_requests (session_id, type, request) values ('" SESSION "', 'quotes', 'ask');"

LOOP_TEST(tail_joins_pieces_and_shows_tools_briefly)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1) LOG(1, 1, "thinking", "'Let me '", "null") LOG(1, 2, "thinking", "E'see.\\n\\n'", "null")
		LOG(1, 3, "thinking", "'Well.'", "null")
		LOG(1, 4, "tool_call", "''", "'{\"id\": \"t\", \"tool\": \"quote_get\", \"input\": {\"code\": \"Q1\"}}'")
		LOG(1, 5, "tool_result", "''", "'{\"id\": \"t\", \"tool\": \"quote_get\", \"is_error\": true, "
			"\"output\": {\"error\": \"no\"}}'")
		LOG(1, 6, "tool_result", "'quote_put: dry_run, 3 ms'", "'{\"tool\": \"quote_put\", \"is_error\": false, \"output\": {}}'")
		LOG(1, 7, "text", "E'Sorry.\\n'", "null")
		"update agent_logs set timestamp = '2026-03-04 05:06:07Z'");
	struct ran r = shell(a, p.db.worker_url, "$D tail 1 --no-follow");
	CHECK_EQ_I(r.status, 0);
	CHECK_EQ_S(r.out,
		"05:06:07 #1 project        thinking Let me see.\n    \n    Well.\n"
		"05:06:07 #1 project        tool_call quote_get {\"code\":\"Q1\"}\n"
		"05:06:07 #1 project        tool_result quote_get refused {\"error\":\"no\"}\n"
		"05:06:07 #1 project        tool_result quote_put dry_run {}\n"
		"05:06:07 #1 project        Sorry.\n");
}

LOOP_TEST(what_a_model_says_cannot_command_the_terminal)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, "insert into agent_requests (session_id, type, request) "
		"values ('" SESSION "', E'q\\u202e', E'r\\x1b[2J');" CLAIM(1)
		LOG(1, 1, "text", "E'\\x1b[2J\\u009b2J\\u202e'", "null")
		LOG(1, 2, "tool_call", "''",
			"jsonb_build_object('tool', E'\\x1b[2J', 'input', jsonb_build_object(E'\\u009b', E'\\u202e'))")
		LOG(1, 3, "error", "E'\\x1b[2J'", "null")
		"update agent_requests set error = E'\\x1b[2J', error_code = E'\\x1b[2J', agents_involved = array[E'\\x1b[2J'], "
		"context = '{\"x\": \"\\u009b\"}', result = '{\"x\": \"\\u009b\"}'");
	static const char *const commands[] = { "tail 1 --no-follow", "tail 1 --no-follow --json", "show 1", "show 1 --json",
		"status", "status --json" };
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct ran r = shell(a, p.db.worker_url, arena_printf(a, "$D %s", commands[i]));
		bool clean = !strchr(r.out, '\x1b') && !strstr(r.out, "\xc2\x9b") && !strstr(r.out, "\xe2\x80\xae");
		test_check(clean && r.out[0], __FILE__, __LINE__, commands[i]);
	}
}

LOOP_TEST(colours_are_for_terminals_and_no_color_is_kept)
{
	struct place p;
	REQUIRE_PLACE(p);
	CHECK_LACKS(shell(a, p.db.worker_url, "$D status").out, "\x1b");
	CHECK_HAS(shell(a, p.db.worker_url, "script -qc \"$D status\" /dev/null").out, "\x1b[31m0 live workers\x1b[0m");
	CHECK_LACKS(shell(a, p.db.worker_url, "NO_COLOR=1 script -qc \"$D status\" /dev/null").out, "\x1b");
	CHECK_LACKS(shell(a, p.db.worker_url, "TERM=dumb script -qc \"$D status\" /dev/null").out, "\x1b");
}

LOOP_TEST(tail_follows_a_request_and_its_children_to_their_end)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1) LOG(1, 1, "text", "'first'", "null"));
	struct shell *s = shell_start(a, p.db.worker_url, "$D tail 1");
	REQUIRE(shell_prints(s, "first"));
	REQUIRE_PLAY(p, LOG(1, 2, "text", "'second'", "null"));
	CHECK(shell_prints(s, "firstsecond"));
	REQUIRE_PLAY(p, "select drover.spawn_children(1, 1, '[{\"type\": \"quotes\", \"request\": \"q\"}]');" CLAIM(2)
		LOG(2, 1, "text", "'from a child'", "null"));
	CHECK(shell_prints(s, "#2 project        from a child"));
	REQUIRE_PLAY(p, COMPLETE(2, "'{}'") CLAIM(1) LOG(1, 3, "complete", "'all done'", "null") COMPLETE(1, "'{}'"));
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK_HAS(r.out, "complete all done\n");
}

/* Its ids are lower than those that were shown by then; request 3 is seen by nobody before it has ended. */
LOOP_TEST(tail_shows_what_commits_late)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK "insert into agent_requests (session_id, type, request, run_at) values ('" SESSION
		"', 'quotes', 'later', now() + interval '1 hour');" CLAIM(1) LOG(1, 1, "text", "'first'", "null"));
	struct pg *late = test_connect(a, p.db.owner_url, e);
	REQUIRE(late && pg_script(late, a, "begin;" LOG(2, 1, "status", "'late'", "null") ASK
		LOG(3, 1, "status", "'unseen'", "null") COMPLETE(3, "'{}'"), deadline_in(10000), NULL, e));
	REQUIRE_PLAY(p, LOG(1, 2, "status", "'newer'", "null"));
	struct shell *s = shell_start(a, p.db.worker_url, "$D tail --session " SESSION);
	REQUIRE(shell_prints(s, "newer"));
	REQUIRE_OK(loop_sleep(400, e));
	REQUIRE_OK(pg_script(late, a, "commit", deadline_in(10000), NULL, e));
	CHECK(shell_prints(s, "late"));
	CHECK(shell_prints(s, "unseen"));
	REQUIRE_PLAY(p, COMPLETE(1, "'{}'") "select drover.end_request(2, 'cancelled', 'cancelled', 'cancelled');");
	CHECK_EQ_I(shell_end(s).status, 0);
}

LOOP_TEST(tail_of_a_session_shows_all_its_requests_and_those_that_come)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1) LOG(1, 1, "text", "'old'", "null") COMPLETE(1, "'{}'") ASK CLAIM(2)
		LOG(2, 1, "text", "'running'", "null"));
	struct shell *s = shell_start(a, p.db.worker_url, "$D tail --session " SESSION);
	REQUIRE(shell_prints(s, "#2 project        running"));
	REQUIRE_PLAY(p, ASK COMPLETE(2, "'{}'") CLAIM(3) LOG(3, 1, "text", "'new'", "null"));
	CHECK(shell_prints(s, "#3 project        new"));
	REQUIRE_PLAY(p, COMPLETE(3, "'{}'"));
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK_HAS(r.out, "#1 project        old\n");
}

LOOP_TEST(tail_json_is_every_row_once_in_order)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1)
		"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, message) "
		"select '" SESSION "', 1, n, 1, 'project', 'text', n from generate_series(1, 1700) n;" COMPLETE(1, "'{}'"));
	struct ran r = shell(a, p.db.worker_url, "$D tail 1 --json");
	struct str rest = str_of(r.out), line;
	struct err ignored = { 0 };
	int64_t seq = 0;
	CHECK_EQ_I(r.status, 0);
	while (str_next(&rest, '\n', &line) && line.n) {
		ARENA_SCOPE(tmp);
		const cJSON *row = json_parse(tmp, line, &ignored);
		if (json_i64(row, "seq", 0) != ++seq || json_i64(row, "request_id", 0) != 1)
			break;
	}
	CHECK_EQ_I(seq, 1700);
	CHECK_EQ_I(count_lines(r.out), 1700);
}

LOOP_TEST(ctrl_c_ends_tail_cleanly)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1) LOG(1, 1, "text", "'first'", "null"));
	struct shell *s = shell_start(a, p.db.worker_url, "exec $D tail 1");
	REQUIRE(shell_prints(s, "first"));
	shell_signal(s, SIGINT);
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK_HAS(r.out, "first\n");
	CHECK_EQ_S(r.err, "");
}

LOOP_TEST(a_database_that_goes_or_refuses_is_exit_4)
{
	struct place p;
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, ASK CLAIM(1) LOG(1, 1, "text", "'first'", "null"));
	CHECK_EQ_I(shell(a, arena_printf(a, "%sx", p.db.owner_url), "$D status").status, 4);
	struct shell *s = shell_start(a, p.db.worker_url, "$D tail 1");
	REQUIRE(shell_prints(s, "first"));
	REQUIRE_PLAY(p, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'drover' and "
		"datname = current_database()");
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 4);
	CHECK_EQ_I(count_lines(r.err), 1);
}
