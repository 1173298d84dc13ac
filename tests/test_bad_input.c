/* SPDX-License-Identifier: MIT */
/*
 * The worst that can be said to a worker: by apps, in requests, and by a model, in bytes. Every request ends properly,
 * and every row of it can be read. What networks and servers do to a worker is in test_bad_network.c.
 */
#include "http_server.h"
#include "rig_test.h"

#define ANY_ANSWER "replies:\n  - reply: Fine.\n"
/* Without where it was heard: ports and ids differ from run to run. */
#define ERROR_OF "select regexp_replace(error, '(model request \\S+: )?POST \\S+ response: ', '') " \
	"from agent_requests where id = %ld"

/* ---- requests ---- */

#define INSERT(columns, values) "insert into agent_requests (user_id, type, request" columns ") values (" \
	"'00000000-0000-4000-8000-0000000000d0', 'quotes', " values ") returning id"
#define INSERT_TYPE(type) "insert into agent_requests (type, request) values (" type ", 'x') returning id"
#define INSERT_NESTED(n) INSERT(", context", \
	"'x', ('{\"a\":' || repeat('[', " #n ") || repeat(']', " #n ") || '}')::jsonb")

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

RIG_TEST(a_type_that_nobody_serves_fails_and_the_known_are_named, ANY_ANSWER)
{
	check_refused(a, r, INSERT_TYPE("''"), "type_1_to_64_characters");
	check_refused(a, r, INSERT_TYPE("repeat('x', 65)"), "type_1_to_64_characters");
	REQUIRE_OK(rig_start(r, e));
	int64_t id = inserted(a, r, INSERT_TYPE("repeat(U&'\\+01F600', 64)"));
	CHECK_FATE(id, "failed unknown_agent 1");
	CHECK_EQ_S(rig_sql(a, r, "select error = format('unknown type \"%%s\"; known are: orchestrator, "
		"project_management, quotes, resourcing', type) from agent_requests where id = %ld", id), "t");
	CHECK_FATE(inserted(a, r, INSERT("", "'x'")), "completed 1");
}

RIG_TEST(a_request_has_a_size_and_its_limit_is_named, ANY_ANSWER)
{
	check_refused(a, r, INSERT("", "''"), "request_is_not_empty");
	check_refused(a, r, INSERT("", "repeat('x', 1048576)"), "request_at_most_262144_bytes");
	check_refused(a, r, INSERT("", "repeat(U&'\\00E9', 131073)"), "request_at_most_262144_bytes");
	check_refused(a, r, INSERT(", context", "'x', jsonb_build_object('a', repeat('x', 262144))"),
		"context_at_most_262144_bytes");
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(inserted(a, r, INSERT("", "repeat('x', 262144)")), "completed 1");
	CHECK(mock_request_body(r->mock, 0).n > 262144);
}

RIG_TEST(a_context_is_an_object_of_bounded_depth, ANY_ANSWER)
{
	static const char *const others[] = { "'[]'", "'1'", "'\"x\"'", "'true'", "'null'" };
	for (size_t i = 0; i < COUNT(others); i++)
		check_refused(a, r, arena_printf(a, INSERT(", context", "'x', %s"), others[i]), "context_is_an_object");
	check_refused(a, r, INSERT(", context", "'x', null"), "null value");
	check_refused(a, r, INSERT_NESTED(100000), "stack depth limit exceeded");
	REQUIRE_OK(rig_start(r, e));
	int64_t deep = inserted(a, r, INSERT_NESTED(10000));
	CHECK_FATE(deep, "failed bad_context 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, deep), "context: JSON nested deeper than 64 at byte 69");
	CHECK_FATE(inserted(a, r, INSERT_NESTED(63)), "completed 1");
	CHECK_FATE(inserted(a, r, INSERT_NESTED(64)), "failed bad_context 1");
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

#define SESSION "00000000-0000-4000-8000-00000000005e"

RIG_TEST(a_session_of_another_user_is_not_entered, ANY_ANSWER)
{
	CHECK_SQL(r->owner, "insert into agent_sessions (id, user_id) values ('" SESSION
		"', '00000000-0000-4000-8000-0000000000e0') returning title", "(null)");
	REQUIRE_OK(rig_start(r, e));
	int64_t id = inserted(a, r, INSERT(", session_id", "'x', '" SESSION "'"));
	CHECK_FATE(id, "failed foreign_session 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id), "session " SESSION " belongs to another user");
	CHECK_EQ_I((int64_t)mock_request_count(r->mock), 0);
	CHECK_SQL(r->owner, "select last_activity_at = created_at from agent_sessions where id = '" SESSION "'", "t");
}

/* ---- a model that says it in bytes ---- */

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define START EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"content\":[],\"usage\":{}}")
#define BLOCK(block) EVENT("content_block_start", ",\"index\":0,\"content_block\":" block)
#define DELTA(type, field, text) \
	EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"" type "\",\"" field "\":\"" text "\"}")
#define STOP EVENT("content_block_stop", ",\"index\":0")
#define END(reason) \
	EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":{}") EVENT("message_stop", "")
#define SAY(text) \
	START BLOCK("{\"type\":\"text\",\"text\":\"\"}") DELTA("text_delta", "text", text) STOP END("end_turn")
#define SAY_UNTIL(reason) START BLOCK("{\"type\":\"text\",\"text\":\"ok\"}") STOP END(reason)
#define THINK(text) START BLOCK("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"}") \
	DELTA("thinking_delta", "thinking", text) STOP END("end_turn")
#define CALL(id, name, input) \
	START BLOCK("{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}") \
	DELTA("input_json_delta", "partial_json", input) STOP END("tool_use")
#define ERROR_OBJECT(type, message) "\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}"

struct page {
	const char *body;
	int status; /* 0 = 200, a stream */
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
	const char *type = page->status ? "application/json" : "text/event-stream";
	return http_respond(x, page->status ? page->status : 200, type, NULL, e)
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
		what = rig_fate(a, r, *id);
	}
	rig_stop(r, e);
	http_server_close(server);
	group_wait(&s->group, NEVER_MS, e);
	return what;
}

#define ODD "\xEF\xBF\xBD" /* U+FFFD: what stands where something could not be read */
#define OF_TURNS(what) \
	"select string_agg(" what ", '|' order by sequence_number) from agent_turns where request_id = %ld"
#define OF_LOG(kinds) \
	"select string_agg(message, '|' order by seq) from agent_logs where kind in (" kinds ") and request_id = %ld"
#define TURNS OF_TURNS("coalesce(content, tool_name, content_type)")
#define WORDS OF_TURNS("tool_input ->> 'words'")
#define SHOWN OF_LOG("'text', 'complete'")
#define TOLD "select output ->> 'error' from tool_executions where request_id = %ld"
#define SEARCH(input) CALL("t1", "project_search", input)
#define EE "\u00e9\u00e9\u00e9\u00e9\u00e9"

static const struct {
	const char *what;
	struct page pages[3];
	const char *fate, *sql, *is;
} odd[] = {
	{ "text", { { SAY("a\xff\xc0\xafz") } }, "completed 1", TURNS, "a" ODD ODD ODD "z" },
	{ "text, shown", { { SAY("a\xffz") } }, "completed 1", SHOWN, "a" ODD "z|a" ODD "z" },
	{ "half a character", { { SAY("a\xf0\x9f\x98") } }, "completed 1", TURNS, "a" ODD ODD ODD },
	{ "NUL", { { SAY("a\\u0000z") } }, "completed 1", TURNS, "a" ODD "z" },
	{ "NUL, shown", { { SAY("a\\u0000z") } }, "completed 1", SHOWN, "a" ODD "z|a" ODD "z" },
	{ "nothing but NUL", { { SAY("\\u0000\\u0000") } }, "completed 1", TURNS, ODD ODD },
	{ "half a surrogate pair", { { SAY("a\\ud83dz") } }, "completed 1", TURNS, "a" ODD "z" },
	{ "thinking", { { THINK("a\xffz\\u0000") } }, "completed 1", TURNS, "a" ODD "z" ODD },
	{ "thinking, shown", { { THINK("a\xffz\\u0000") } }, "completed 1", OF_LOG("'thinking'"), "a" ODD "z" ODD },
	{ "a tool's input", { { SEARCH("{\\\"words\\\":\\\"a\xffz\\\"}") }, { SAY("ok") } }, "completed 1", WORDS,
		"a" ODD "z" },
	{ "NUL in a tool's input", { { SEARCH("{\\\"words\\\":\\\"a\\\\u0000z\\\"}") }, { SAY("ok") } }, "completed 1",
		WORDS, "a" ODD "z" },
	{ "NUL in the text of a tool's input", { { SEARCH("{\\\"words\\\":\\\"a\\u0000z\\\"}") }, { SAY("ok") } },
		"completed 1", WORDS, "a" ODD "z" },
	{ "a key of a tool's input", { { SEARCH("{\\\"a\xff\\\\u0000\\\":1}") }, { SAY("ok") } }, "completed 1", TOLD,
		"a" ODD ODD ": unknown argument" },
	{ "a tool's input that is no JSON", { { SEARCH("\xff\xfe") }, { SAY("ok") } }, "completed 1", TOLD,
		"The arguments could not be read (not JSON at byte 0 of 6). Send the call again with one JSON object. "
		"What came begins: " ODD ODD },
	{ "a tool's name", { { CALL("t1", "project\xff", "{}") } }, "failed model_garbage 3", TURNS, "(null)" },
	{ "NUL in a tool's name", { { CALL("t1", "x\\u0000", "{}") } }, "failed model_garbage 3", TURNS, "(null)" },
	{ "a tool's id", { { CALL("t\xff", "project_search", "{}") } }, "failed model_garbage 3", TURNS, "(null)" },
	{ "an id that was there before", { { SEARCH("{}") }, { SEARCH("{}") }, { SAY("ok") } }, "completed 2", TURNS,
		"project_search|project_search|ok" },
	{ "a tool that is not there", { { CALL("t1", "drop_table", "{}") }, { SAY("ok") } }, "completed 1", TURNS,
		"drop_table|drop_table|ok" },
	{ "a block of the future", { { START BLOCK("{\"type\":\"new\xff\",\"x\":\"\\u0000\"}") STOP END("end_turn") } },
		"completed 1", OF_TURNS("block::text"), "{\"type\":\"new" ODD "\",\"x\":\"\\ufffd\"}" },
	{ "why it stopped", { { SAY_UNTIL("\xff") } }, "completed 1", OF_TURNS("stop_reason"), ODD },
	{ "why it stopped, at length", { { SAY_UNTIL(EE EE EE EE EE EE EE EE) } }, "completed 1", OF_TURNS("stop_reason"),
		EE EE EE EE EE EE "\u00e9" },
	{ "an error body", { { "{" ERROR_OBJECT("invalid_request_error", "no \xff\\u0000 good") "}", 400 } },
		"failed model_rejected 1", ERROR_OF,
		"the model answered HTTP 400 invalid_request_error: no " ODD ODD " good" },
	{ "an error body that is no JSON", { { "\xff\xfe", 400 } }, "failed model_rejected 1", ERROR_OF,
		"the model answered HTTP 400: " ODD ODD },
	{ "an error event", { { START EVENT("error", "," ERROR_OBJECT("api_error", "no \xff\\u0000 good")) } },
		"failed model_error 3", ERROR_OF,
		"attempt 3 of 3: the model broke off its answer: api_error: no " ODD ODD " good" },
	{ "nothing but bytes", { { "\xff\xff\xff\xff" } }, "failed model_garbage 3", ERROR_OF,
		"attempt 3 of 3: the model's answer has 4 bytes and no event" },
	{ "nothing", { { "" } }, "failed model_cut 3", ERROR_OF,
		"attempt 3 of 3: the model's answer ended after 0 bytes without message_stop" },
	{ "no word", { { START END("end_turn") } }, "failed model_garbage 3", ERROR_OF,
		"attempt 3 of 3: the model ended its turn (end_turn) without a word" },
	{ "nothing but blanks, then a word", { { SAY(" \\n ") }, { SAY("ok") } }, "completed 2", TURNS, "ok" },
};

RIG_TEST(whatever_bytes_a_model_sends_the_rows_are_text, ANY_ANSWER)
{
	int64_t id = 0;
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct speaker s = { 0 };
		memcpy(s.pages, odd[i].pages, sizeof(s.pages));
		bool ok = CHECK_EQ_S(hear(a, r, &s, &id, e), odd[i].fate);
		ok &= CHECK_EQ_S(rig_sql(a, r, odd[i].sql, id), odd[i].is);
		if (!ok)
			printf("      %s: %s\n", odd[i].what, rig_sql(a, r, ERROR_OF, id));
	}
}

/* ---- a model without measure ---- */

static const char *times(struct arena *a, char c, size_t n)
{
	char *all = arena_alloc(a, n + 1);
	memset(all, c, n);
	return all;
}

RIG_TEST(arguments_of_any_depth_are_an_answer_and_no_crash, ANY_ANSWER)
{
	static const struct {
		size_t depth;
		const char *told;
	} deep[] = {
		{ 45, "unknown argument" }, { 50, "nested too deep" }, { 63, "nested too deep" },
		{ 64, "nested deeper than 64" }, { 10000, "nested deeper than 64" }, { 200000, "nested deeper than 64" },
	};
	int64_t id = 0;
	for (size_t i = 0; i < COUNT(deep); i++) {
		const char *open = times(a, '[', deep[i].depth), *close = times(a, ']', deep[i].depth);
		struct speaker s = { .pages = { { arena_printf(a, SEARCH("{\\\"x\\\":%s%s}"), open, close) }, { SAY("ok") } } };
		CHECK_EQ_S(hear(a, r, &s, &id, e), "completed 1");
		const char *told = rig_sql(a, r, TOLD, id);
		if (!CHECK(strstr(told, deep[i].told)))
			printf("      %zu deep: %s\n", deep[i].depth, told);
	}
}

static const char *many_calls(struct arena *a, size_t n)
{
	struct buf *all = buf_new(a, 16 << 20);
	buf_add(all, STR(START));
	for (size_t i = 0; i < n; i++)
		buf_printf(all, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%zu,"
			"\"content_block\":{\"type\":\"tool_use\",\"id\":\"t%zu\",\"name\":\"project_search\",\"input\":{}}}\n\n"
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%zu}\n\n", i, i, i);
	buf_add(all, STR(END("tool_use")));
	return buf_str(all).p;
}

RIG_TEST(ten_thousand_calls_in_one_turn_are_not_run, ANY_ANSWER)
{
	int64_t id = 0;
	struct speaker thousand = { .pages = { { many_calls(a, 1000) } } };
	CHECK_EQ_S(hear(a, r, &thousand, &id, e), "failed tool_call_limit 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id),
		"the model called 1000 tools in one turn, the limit is 10 (option limits.turn_tools)");
	struct speaker more = { .pages = { { many_calls(a, 10000) } } };
	CHECK_EQ_S(hear(a, r, &more, &id, e), "failed answer_too_large 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id), "more than 1024 content blocks in one answer");
	CHECK_SQL(r->owner, "select count(*) from tool_executions", "0");
}

RIG_TEST(an_endless_answer_is_left_at_its_limit, "replies:\n"
	"  - reply: [ { text: 'round and round and ', repeat: 1000000 } ]\n    chunk: 1000\n")
{
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "failed answer_too_large 1");
	CHECK_EQ_S(rig_sql(a, r, ERROR_OF, id), "the model's answer is larger than 1048576 bytes: raise the option "
		"model.answer_bytes, or ask for less");
	CHECK_EQ_S(rig_sql(a, r, "select sum(length(message)) between 1040000 and 1048576 and max(length(message)) <= 4096 "
		"from agent_logs where kind = 'text' and request_id = %ld", id), "t");
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
	CHECK_FATE(rig_ask(a, r, "project_management", "x"), "completed 1");
	CHECK_SQL(r->owner, "select regexp_replace(output ->> 'cut', '[0-9]{3,}', 'N') from tool_executions",
		"the result has N bytes, shown are 101: ask for less");
	CHECK_SQL(r->owner, "select octet_length(output ->> 'beginning') from tool_executions", "100");
	CHECK_SQL(r->owner, "select left(output ->> 'beginning', 38) from tool_executions",
		"{\"projects\":[{\"code\":\"APOLLO\",\"name\":\"");
	CHECK(strstr(arena_text(a, mock_request_body(r->mock, 1)), "{\\\"cut\\\":\\\"the result has "));
}

/* The result keeps all of it: the log is for looking at. */
RIG_TEST(a_long_row_of_the_log_is_cut_and_says_so, "replies:\n  - reply: [ { text: '" EE "', repeat: 1000 } ]\n")
{
	r->config.thoughts.row_bytes = 1000;
	r->config.thoughts.flush_bytes = 500;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = rig_ask(a, r, "project_management", "x");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select result ->> 'answer' = repeat(U&'\\00E9', 5000) from agent_requests "
		"where id = %ld", id), "t");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(message, '' order by seq) = repeat(U&'\\00E9', 5000) from agent_logs "
		"where kind = 'text' and request_id = %ld", id), "t");
	CHECK_SQL(r->owner, "select max(octet_length(message)) <= 1000 from agent_logs", "t");
	CHECK_EQ_S(rig_sql(a, r, "select replace(message, U&'\\00E9', '') || length(message) from agent_logs "
		"where kind = 'complete' and request_id = %ld", id), "... [cut: 936 of 10000 bytes]497");
	CHECK_EQ_S(rig_sql(a, r, "select (data ->> 'cut_bytes')::int > 10000 and octet_length(data::text) < 2000 "
		"from agent_logs where kind = 'complete' and request_id = %ld", id), "t");
}

/* ---- a run that ended between its last turn and its end ---- */

#define KEPT(n, text, stop) "insert into agent_turns (request_id, session_id, user_id, attempt, " \
	"sequence_number, role, content_type, content, block, stop_reason) select id, session_id, user_id, 1, " n \
	", 'assistant', 'text', '" text "', '{\"type\":\"text\",\"text\":\"" text "\"}', " stop " from agent_requests; "

RIG_TEST(what_was_said_is_not_asked_again, ANY_ANSWER)
{
	int64_t id = inserted(a, r, INSERT("", "'x'"));
	CHECK_SQL(r->owner, "insert into agent_sessions (id, user_id) select session_id, user_id from agent_requests; "
		KEPT("1", "I look. ", "'pause_turn'") KEPT("2", "One, ", "null") KEPT("3", "two.", "'end_turn'")
		"select 1", "1");
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select result ->> 'answer' from agent_requests where id = %ld", id), "One, two.");
	CHECK_EQ_I((int64_t)mock_request_count(r->mock), 0);
}
