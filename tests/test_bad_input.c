/* SPDX-License-Identifier: MIT */
/*
 * The worst that can be said to a worker: by apps, in requests, and by a model, in bytes. Every request ends properly,
 * and every row of it can be read. What networks and servers do to a worker is in test_bad_network.c.
 */
#include "http_server.h"
#include "rig_test.h"

/* ---- requests ---- */

#define ANY_ANSWER "replies:\n  - reply: Fine.\n"
#define INSERT(columns, values) "insert into agent_requests (user_id, type, request" columns ") values (" \
	"'00000000-0000-4000-8000-0000000000d0', 'quotes', " values ") returning id"

/* The insert fails, and says which rule it breaks. */
static void check_refused(struct arena *a, struct rig *r, const char *insert, const char *rule)
{
	const char *got = test_ask(a, r->owner, insert);
	if (!CHECK(strncmp(got, "ERROR", 5) == 0 && strstr(got, rule)))
		printf("      %s\n      got: %.300s\n", insert, got);
}

static int64_t inserted(struct arena *a, struct rig *r, const char *insert)
{
	int64_t id = 0;
	const char *got = test_ask(a, r->owner, insert);
	if (!CHECK(str_to_i64(str_of(got), &id)))
		printf("      got: %.300s\n", got);
	return id;
}

/* "completed 1", "failed CODE 3": and in how many attempts. */
static const char *fate(struct arena *a, struct rig *r, int64_t id)
{
	rig_wait(a, r, id);
	return rig_sql(a, r, "select concat_ws(' ', status, error_code, attempt) from agent_requests where id = %ld", id);
}

RIG_TEST(a_type_that_nobody_serves_fails_and_the_known_are_named, ANY_ANSWER)
{
	check_refused(a, r, "insert into agent_requests (type, request) values ('', 'x') returning id",
		"type_1_to_64_characters");
	check_refused(a, r, "insert into agent_requests (type, request) values (repeat('x', 65), 'x') returning id",
		"type_1_to_64_characters");
	REQUIRE_OK(rig_start(r, e));
	int64_t id = inserted(a, r, "insert into agent_requests (type, request) values (repeat(U&'\\+01F600', 64), "
		"'x') returning id");
	CHECK_EQ_S(fate(a, r, id), "failed unknown_agent 1");
	CHECK_EQ_S(rig_sql(a, r, "select error = format('unknown type \"%%s\"; known are: orchestrator, "
		"project_management, quotes, "
		"resourcing', type) from agent_requests where id = %ld", id), "t");
	CHECK_EQ_S(fate(a, r, inserted(a, r, INSERT("", "'x'"))), "completed 1");
}

RIG_TEST(a_request_has_a_size_and_its_limit_is_named, ANY_ANSWER)
{
	check_refused(a, r, INSERT("", "repeat('x', 1048576)"), "request_at_most_262144_bytes");
	check_refused(a, r, INSERT("", "repeat(U&'\\00E9', 131073)"), "request_at_most_262144_bytes");
	check_refused(a, r, INSERT(", context", "'x', jsonb_build_object('a', repeat('x', 262144))"),
		"context_at_most_262144_bytes");
	REQUIRE_OK(rig_start(r, e));
	CHECK_EQ_S(fate(a, r, inserted(a, r, INSERT("", "repeat('x', 262144)"))), "completed 1");
	CHECK(mock_request_body(r->mock, 0).n > 262144);
	CHECK_EQ_S(fate(a, r, inserted(a, r, INSERT("", "''"))), "failed model_rejected 1");
}

RIG_TEST(a_context_is_an_object_of_bounded_depth, ANY_ANSWER)
{
	static const char *const others[] = { "'[]'", "'1'", "'\"x\"'", "'true'", "'null'" };
	for (size_t i = 0; i < COUNT(others); i++)
		check_refused(a, r, arena_printf(a, INSERT(", context", "'x', %s"), others[i]), "context_is_an_object");
	check_refused(a, r, INSERT(", context", "'x', null"), "null value");
	check_refused(a, r, INSERT(", context", "'x', (repeat('[', 100000) || repeat(']', 100000))::jsonb"),
		"stack depth limit exceeded");
	REQUIRE_OK(rig_start(r, e));
#define NESTED(n) INSERT(", context", "'x', ('{\"a\":' || repeat('[', " #n ") || repeat(']', " #n ") || '}')::jsonb")
	int64_t deep = inserted(a, r, NESTED(10000));
	CHECK_EQ_S(fate(a, r, deep), "failed bad_context 1");
	CHECK_EQ_S(rig_sql(a, r, "select error from agent_requests where id = %ld", deep),
		"context: JSON nested deeper than 64 at byte 69");
	CHECK_EQ_S(fate(a, r, inserted(a, r, NESTED(63))), "completed 1");
	CHECK_EQ_S(fate(a, r, inserted(a, r, NESTED(64))), "failed bad_context 1");
}

/* So what the worker reads of a request is always text. */
RIG_TEST(no_request_can_hold_what_is_no_text, ANY_ANSWER)
{
	(void)e;
	CHECK_SQL(r->owner, "select current_setting('server_encoding')", "UTF8");
	check_refused(a, r, INSERT("", "'a\xff'"), "invalid byte sequence for encoding \"UTF8\": 0xff");
	check_refused(a, r, INSERT("", "'a\xed\xa0\x80'"), "invalid byte sequence");
	check_refused(a, r, INSERT("", "e'a\\xff'"), "invalid byte sequence");
	check_refused(a, r, INSERT("", "convert_from('\\xc080', 'UTF8')"), "invalid byte sequence");
	check_refused(a, r, INSERT("", "e'a\\u0000'"), "Unicode escape value");
	check_refused(a, r, INSERT(", context", "'x', '{\"a\": \"\\u0000\"}'"), "\\u0000 cannot be converted to text");
	check_refused(a, r, INSERT(", context", "'x', '{\"a\": \"\\ud800\"}'"), "Unicode low surrogate");
	CHECK_SQL(r->owner, "select count(*) from agent_requests", "0");
}

RIG_TEST(a_session_of_another_user_is_not_entered, ANY_ANSWER)
{
	CHECK_SQL(r->owner, "insert into agent_sessions (id, user_id) values ('00000000-0000-4000-8000-00000000005e', "
		"'00000000-0000-4000-8000-0000000000e0') returning title", "(null)");
	REQUIRE_OK(rig_start(r, e));
	int64_t id = inserted(a, r, INSERT(", session_id", "'x', '00000000-0000-4000-8000-00000000005e'"));
	CHECK_EQ_S(fate(a, r, id), "failed foreign_session 1");
	CHECK_EQ_S(rig_sql(a, r, "select error from agent_requests where id = %ld", id),
		"session 00000000-0000-4000-8000-00000000005e belongs to another user");
	CHECK_EQ_I((int64_t)mock_request_count(r->mock), 0);
	CHECK_SQL(r->owner, "select last_activity_at = created_at from agent_sessions where user_id::text like '%e0'", "t");
}

/* ---- a model that says it in bytes ---- */

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define START EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"content\":[],\"usage\":{}}")
#define BLOCK(block) EVENT("content_block_start", ",\"index\":0,\"content_block\":" block)
#define DELTA(type, field, text) EVENT("content_block_delta", \
	",\"index\":0,\"delta\":{\"type\":\"" type "\",\"" field "\":\"" text "\"}")
#define STOP EVENT("content_block_stop", ",\"index\":0")
#define END(reason) EVENT("message_delta", \
	",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":{}") EVENT("message_stop", "")
#define SAY(text) START BLOCK("{\"type\":\"text\",\"text\":\"\"}") DELTA("text_delta", "text", \
	text) STOP END("end_turn")
#define THINK(text) START BLOCK("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"}") \
	DELTA("thinking_delta", "thinking", text) STOP END("end_turn")
#define CALL(id, name, \
	input) START BLOCK("{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}") \
	DELTA("input_json_delta", "partial_json", input) STOP END("tool_use")
#define ERROR_EVENT(message) START EVENT("error", ",\"error\":{\"type\":\"api_error\",\"message\":\"" message "\"}")
#define ERROR_BODY(message) "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"" message "\"}}"

struct page {
	int status; /* 0 = 200, a stream */
	const char *body;
};

/* Says one page after the other, and the last for ever. */
struct speaker {
	struct page pages[3];
	size_t said;
	struct group group;
};

static bool speak(void *self, struct http_exchange *x, struct err *e)
{
	struct speaker *s = self;
	size_t i = MIN_OF(s->said, COUNT(s->pages) - 1);
	while (i && !s->pages[i].body)
		i--;
	s->said++;
	const struct page *page = &s->pages[i];
	return http_respond(x, page->status ? page->status : 200,
		page->status ? "application/json" : "text/event-stream", NULL, e)
		&& http_respond_write(x, str_of(page->body), e);
}

/* The fate of a request whose model is the speaker; *id is it. */
static const char *hear(struct arena *a, struct rig *r, struct speaker *s, int64_t *id, struct err *e)
{
	struct http_server *server = http_server_open(&(struct http_server_options){ 0 }, &s->group, speak, s, e);
	if (!server)
		return e->msg;
	r->config.model.base_url = arena_printf(a, "http://127.0.0.1:%d", http_server_port(server));
	const char *what = e->msg;
	if (rig_start(r, e)) {
		*id = rig_ask(a, r, "project_management", "x");
		what = fate(a, r, *id);
	}
	rig_stop(r, e);
	http_server_close(server);
	group_wait(&s->group, NEVER_MS, e);
	return what;
}

#define ODD "\xEF\xBF\xBD" /* U+FFFD: what stands where something could not be read */
#define TURN "select string_agg(coalesce(content, tool_name, content_type), '|' order by sequence_number) from " \
	"agent_turns " \
	"where request_id = %ld"
#define LOG(kinds) "select string_agg(message, '|' order by seq) from agent_logs where kind in (" kinds ") and " \
	"request_id = %ld"
/* Without where it was heard: ports and ids differ from run to run. */
#define ERROR_OF "select regexp_replace(error, '(model request \\S+: )?POST \\S+ response: ', '') from " \
	"agent_requests where id = %ld"
#define INPUT "select tool_input ->> 'words' from agent_turns where tool_input is not null and request_id = %ld"

static const struct {
	const char *what;
	struct page pages[3];
	const char *fate, *sql, *is;
} odd[] = {
	{ "text", { { 0, SAY("a\xff\xc0\xafz") } }, "completed 1", TURN, "a" ODD ODD ODD "z" },
	{ "text, shown", { { 0, SAY("a\xffz") } }, "completed 1", LOG("'text', 'complete'"), "a" ODD "z|a" ODD "z" },
	{ "half a character", { { 0, SAY("a\xf0\x9f\x98") } }, "completed 1", TURN, "a" ODD ODD ODD },
	{ "NUL in text", { { 0, SAY("a\\u0000z") } }, "completed 1", LOG("'text', 'complete'"), "a" ODD "z|a" ODD "z" },
	{ "a bare NUL escape, twice", { { 0, SAY("\\u0000\\u0000") } }, "completed 1", TURN, ODD ODD },
	{ "half a surrogate pair", { { 0, SAY("a\\ud83dz") } }, "completed 1", TURN, "a" ODD "z" },
	{ "thinking", { { 0, THINK("a\xffz\\u0000") } }, "completed 1", TURN, "a" ODD "z" ODD },
	{ "thinking, shown", { { 0, THINK("a\xffz\\u0000") } }, "completed 1", LOG("'thinking'"), "a" ODD "z" ODD },
	{ "a tool's input", { { 0, CALL("t1", "project_search", "{\\\"words\\\":\\\"a\xffz\\\"}") }, { 0, SAY("ok") } },
		"completed 1", INPUT, "a" ODD "z" },
	{ "NUL in a tool's input", { { 0, CALL("t1", "project_search", "{\\\"words\\\":\\\"a\\\\u0000z\\\"}") }, { 0,
		SAY("ok") } },
		"completed 1", INPUT, "a" ODD "z" },
	{ "NUL in the text of a tool's input", { { 0, CALL("t1", "project_search", "{\\\"words\\\":\\\"a\\u0000z\\\"}") },
		{ 0, SAY("ok") } }, "completed 1", INPUT, "a" ODD "z" },
	{ "a key of a tool's input", { { 0, CALL("t1", "project_search", "{\\\"a\xff\\\\u0000\\\":1}") }, { 0,
		SAY("ok") } },
		"completed 1", "select output ->> 'error' from tool_executions where request_id = %ld",
			"a" ODD ODD ": unknown argument" },
	{ "no JSON in a tool's input", { { 0, CALL("t1", "project_search", "\xff\xfe") }, { 0, SAY("ok") } }, "completed 1",
		"select right(output ->> 'error', 20) from tool_executions where request_id = %ld",
			"What came begins: " ODD ODD },
	{ "a tool's name", { { 0, CALL("t1", "project\xff", "{}") } }, "failed model_garbage 3", TURN, "(null)" },
	{ "NUL in a tool's name", { { 0, CALL("t1", "project\\u0000", "{}") } }, "failed model_garbage 3", TURN, "(null)" },
	{ "a tool's id", { { 0, CALL("t\xff", "project_search", "{}") } }, "failed model_garbage 3", TURN, "(null)" },
	{ "a tool that is not there", { { 0, CALL("t1", "drop_table", "{}") }, { 0, SAY("ok") } }, "completed 1", TURN,
		"drop_table|drop_table|ok" },
	{ "a block of the future", { { 0, START BLOCK("{\"type\":\"new\xff\",\"x\":\"\\u0000\"}") STOP END("end_turn") } },
		"completed 1", "select block from agent_turns where request_id = "
			"%ld", "{\"type\":\"new" ODD "\",\"x\":\"" ODD "\"}" },
	{ "why it stopped", { { 0, START BLOCK("{\"type\":\"text\",\"text\":\"ok\"}") STOP END("\xff") } }, "completed 1",
		"select stop_reason from agent_turns where request_id = %ld", ODD },
	{ "why it stopped, at length", { { 0, START BLOCK("{\"type\":\"text\",\"text\":\"ok\"}") STOP
		END("éééééééééééééééééééééééééééééééééééééééé") } }, "completed 1",
		"select stop_reason from agent_turns where request_id = %ld", "ééééééééééééééééééééééééééééééé" },
	{ "an error body", { { 400, ERROR_BODY("no \xff\\u0000 good") } }, "failed model_rejected 1", ERROR_OF,
		"the model answered HTTP 400 invalid_request_error: no " ODD ODD " good" },
	{ "an error body that is no JSON", { { 400, "\xff\xfe" } }, "failed model_rejected 1", ERROR_OF,
		"the model answered HTTP 400: " ODD ODD },
	{ "an error event", { { 0, ERROR_EVENT("no \xff\\u0000 good") } }, "failed model_error 3", ERROR_OF,
		"attempt 3 of 3: the model broke off its answer: api_error: no " ODD ODD " good" },
	{ "nothing but bytes", { { 0, "\xff\xff\xff\xff" } }, "failed model_garbage 3", ERROR_OF,
		"attempt 3 of 3: the model's answer has 4 bytes and no event" },
	{ "nothing", { { 0, "" } }, "failed model_cut 3", ERROR_OF,
		"attempt 3 of 3: the model's answer ended after 0 bytes without message_stop" },
	{ "no word", { { 0, START END("end_turn") } }, "failed model_garbage 3", ERROR_OF,
		"attempt 3 of 3: the model ended its turn (end_turn) without a word" },
	{ "nothing but blanks, then a word", { { 0, SAY(" \\n ") }, { 0, SAY("ok") } }, "completed 2", TURN, "ok" },
	{ "an id that was there before", { { 0, CALL("t1", "project_search", "{}") }, { 0, CALL("t1",
		"project_search", "{}") },
		{ 0, SAY("ok") } }, "completed 2", TURN, "project_search|project_search|ok" },
};

RIG_TEST(whatever_bytes_a_model_sends_the_rows_are_text, ANY_ANSWER)
{
	int64_t id = 0;
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct speaker s = { 0 };
		memcpy(s.pages, odd[i].pages, sizeof(s.pages));
		bool ok = CHECK_EQ_S(hear(a, r, &s, &id, e), odd[i].fate);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		ok &= CHECK_EQ_S(rig_sql(a, r, odd[i].sql, id), odd[i].is);
#pragma GCC diagnostic pop
		if (!ok)
			printf("      %s: %s\n", odd[i].what, rig_sql(a, r, ERROR_OF, id));
	}
}

/* ---- a model without measure ---- */

static const char *times(struct arena *a, const char *text, size_t n)
{
	size_t length = strlen(text);
	char *all = arena_alloc(a, length * n + 1);
	for (size_t i = 0; i < n; i++)
		memcpy(all + i * length, text, length);
	return all;
}

RIG_TEST(arguments_of_any_depth_are_an_answer_and_no_crash, ANY_ANSWER)
{
	static const size_t depths[] = { 45, 50, 63, 64, 10000, 200000 };
	static const char *const ends[] = { "unknown argument", "nested too deep", "nested deeper than 64" };
	static const size_t want[] = { 0, 1, 1, 2, 2, 2 };
	int64_t id = 0;
	for (size_t i = 0; i < COUNT(depths); i++) {
		const char *input = arena_printf(a, "{\\\"x\\\":%s%s}", times(a, "[", depths[i]), times(a, "]", depths[i]));
		struct speaker s = { { { 0, arena_printf(a, CALL("t1", "project_search", "%s"), input) }, { 0,
			SAY("ok") } }, 0, { 0 } };
		CHECK_EQ_S(hear(a, r, &s, &id, e), "completed 1");
		const char *told = rig_sql(a, r, "select output ->> 'error' from tool_executions where request_id = %ld", id);
		if (!CHECK(strstr(told, ends[want[i]])))
			printf("      %zu deep: %s\n", depths[i], told);
	}
}

static const char *many_calls(struct arena *a, size_t n)
{
	struct buf *all = buf_new(a, 16 << 20);
	buf_add(all, STR(START));
	for (size_t i = 0; i < n; i++)
		buf_printf(all, "event: content_block_start\ndata: "
			"{\"type\":\"content_block_start\",\"index\":%zu,\"content_block\":"
			"{\"type\":\"tool_use\",\"id\":\"t%zu\",\"name\":\"project_search\",\"input\":{}}}\n\nevent: "
				"content_block_stop\n"
			"data: {\"type\":\"content_block_stop\",\"index\":%zu}\n\n", i, i, i);
	buf_add(all, STR(END("tool_use")));
	return buf_str(all).p;
}

RIG_TEST(ten_thousand_calls_in_one_turn_are_not_run, ANY_ANSWER)
{
	int64_t id = 0;
	struct speaker thousand = { { { 0, many_calls(a, 1000) } }, 0, { 0 } };
	CHECK_EQ_S(hear(a, r, &thousand, &id, e), "failed tool_call_limit 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id),
		"the model called 1000 tools in one turn, the limit is 10 (option limits.turn_tools)");
	struct speaker more = { { { 0, many_calls(a, 10000) } }, 0, { 0 } };
	CHECK_EQ_S(hear(a, r, &more, &id, e), "failed model_garbage 3");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id), "attempt 3 of 3: more than 1024 content blocks in one answer");
	CHECK_SQL(r->owner, "select count(*) from tool_executions", "0");
}

RIG_TEST(an_endless_answer_is_left_at_its_limit, "replies:\n"
	"  - reply: [ { text: 'round and round and ', repeat: 1000000 } ]\n    chunk: 1000\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_EQ_S(fate(a, r, id), "failed answer_too_large 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id), "the model's answer is larger than 1048576 bytes: raise the option "
		"model.answer_bytes, or ask for less");
	CHECK_EQ_S(rig_sql(a, r, "select sum(length(message)) between 1040000 and 1048576 and max(length(message)) <= "
		"4096 from "
		"agent_logs where kind = 'text' and request_id = %ld", id), "t");
	CHECK_SQL(r->owner, "select count(*) from agent_turns", "0");
	CHECK_EQ_I(mock_count(r->mock).requests, 1);
}

/* ---- sizes of what is kept ---- */

RIG_TEST(a_long_result_is_cut_for_the_model_and_says_so, "replies:\n"
	"  - when: { turn: 0 }\n    reply: [ { tool: project_search } ]\n  - reply: Long.\n")
{
	r->config.limits.result_bytes = 101; /* in the middle of a character */
	CHECK_SQL(r->owner, "update psa.projects set name = repeat(U&'\\00E9', 40) where code = 'APOLLO' returning 1", "1");
	REQUIRE_OK(rig_start(r, e));
	CHECK_EQ_S(fate(a, r, rig_ask(a, r, "project_management", "x")), "completed 1");
	CHECK_SQL(r->owner, "select output ->> 'cut' ~ '^the result has [0-9]+ bytes, shown are 101: ask for less$' from "
		"tool_executions", "t");
	CHECK_SQL(r->owner, "select octet_length(output ->> 'beginning') from tool_executions", "100");
	CHECK_SQL(r->owner, "select count(*) from tool_executions where output ->> 'beginning' like "
		"'{\"projects\":[{\"code\":\"APOLLO\",%'", "1");
	CHECK(memmem(mock_request_body(r->mock, 1).p, mock_request_body(r->mock, 1).n, "shown are 101", 13));
}

/* The result keeps all of it: the log is for looking at. */
RIG_TEST(a_long_row_of_the_log_is_cut_and_says_so, "replies:\n"
	"  - when: { turn: 0 }\n    reply: [ { tool: project_search, input: { words: WORDS } } ]\n"
	"  - reply: [ { text: 'ééééé', repeat: 1000 } ]\n")
{
	r->config.thoughts.row_bytes = 1000;
	r->config.thoughts.flush_bytes = 500;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "project_management", "x");
	CHECK_EQ_S(fate(a, r, id), "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select length(result ->> 'answer') from agent_requests where id = %ld", id), "5000");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(message, '' order by seq) = repeat('é', 5000) from agent_logs "
		"where kind = 'text' "
		"and request_id = %ld", id), "t");
	CHECK_EQ_S(rig_sql(a, r, "select max(octet_length(message)) <= 1000 from agent_logs where request_id = %ld",
		id), "t");
	CHECK_EQ_S(rig_sql(a, r, "select message = repeat('é', 468) || '... [cut: 936 of 10000 bytes]' from agent_logs "
		"where "
		"kind = 'complete' and request_id = %ld", id), "t");
	CHECK_EQ_S(rig_sql(a, r, "select (data ->> 'cut_bytes')::int > 10000 and octet_length(data::text) < 2000 from "
		"agent_logs where "
		"kind = 'complete' and request_id = %ld", id), "t");
}

/* ---- a run that ended between its last turn and its end ---- */

#define KEPT(n, role, type, text, block, stop) "insert into agent_turns (request_id, session_id, user_id, attempt, " \
	"sequence_number, " \
	"role, content_type, content, block, stop_reason) select id, session_id, user_id, 1, " n ", '" role "', " \
		"'" type "', '" text \
	"', '" block "', " stop " from agent_requests; "

RIG_TEST(what_was_said_is_not_asked_again, ANY_ANSWER)
{
	int64_t id = inserted(a, r, INSERT("", "'x'"));
	CHECK_SQL(r->owner, "insert into agent_sessions (id, user_id) select session_id, user_id from agent_requests; "
		KEPT("1", "assistant", "text", "I look. ", "{\"type\":\"text\",\"text\":\"I look. \"}", "'pause_turn'")
		KEPT("2", "assistant", "text", "One, ", "{\"type\":\"text\",\"text\":\"One, \"}", "null")
		KEPT("3", "assistant", "text", "two.", "{\"type\":\"text\",\"text\":\"two.\"}", "'end_turn'") "select 1", "1");
	REQUIRE_OK(rig_start(r, e));
	CHECK_EQ_S(fate(a, r, id), "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select result ->> 'answer' from agent_requests where id = %ld", id), "One, two.");
	CHECK_EQ_I((int64_t)mock_request_count(r->mock), 0);
}
