/* SPDX-License-Identifier: MIT */
/* What the scripted model answers, seen through the HTTP client and through the provider's own parser. */
#include "clock.h"
#include "mock_case.h"
#include "model.h"

/* ---- through model_turn ---- */

static struct model model_of(const struct mock_case *c)
{
	return (struct model){ c->http, { .base_url = c->base_url, .api_key = "test-key", .version = "2026-10-21",
		.name = "claude-test", .max_tokens = 1000, .turn_bytes = 64 << 20,
		.limits = { .connect_ms = 5000, .first_byte_ms = 5000, .total_ms = 20000 } } };
}

static const cJSON *json_of(struct arena *a, const char *text)
{
	struct err e;
	const cJSON *json = json_parse(a, str_of(text), &e);
	CHECK(json != NULL);
	return json;
}

#define HELLO "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}]"
#define TOOLS "[{\"name\":\"look\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}," \
	"{\"name\":\"plan\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}]"

static bool turn_with(struct mock_case *c, struct model_request rq, struct model_turn *turn, struct err *e)
{
	struct model m = model_of(c);
	*turn = (struct model_turn){ 0 };
	return model_turn(&m, c->a, &rq, NULL, deadline_in(20000), turn, e);
}

static bool turn_of(struct mock_case *c, struct model_turn *turn, struct err *e)
{
	return turn_with(c, (struct model_request){ .system = "be brief", .messages = json_of(c->a, HELLO),
		.tools = json_of(c->a, TOOLS) }, turn, e);
}

LOOP_TEST(a_text_comes_back_as_written)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: 'Grüße, \"日本\" \\ 🚀', chunk: 1 }\n");
	REQUIRE(c);
	REQUIRE_OK(turn_of(c, &t, e));
	REQUIRE(t.n == 1);
	CHECK_EQ_S(t.blocks[0].text, "Grüße, \"日本\" \\ 🚀");
	CHECK_EQ_S(t.stop_reason, "end_turn");
	CHECK_EQ_S(t.model, "claude-test");
	CHECK(strncmp(t.message_id, "msg_", 4) == 0 && strlen(t.message_id) == 28);
	CHECK(t.usage.input_tokens > 10 && t.usage.output_tokens > 1);
}

LOOP_TEST(thinking_text_and_tools_come_in_order)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - reply:\n"
		"      - thinking: hm\n"
		"      - text: Looking.\n"
		"      - tool: look\n"
		"        input: { at: \"a\\\"é\\n\", n: 3, deep: { list: [ 1.5, true, null ] } }\n"
		"      - tool: look\n"
		"    chunk: 2\n");
	REQUIRE(c);
	REQUIRE_OK(turn_of(c, &t, e));
	REQUIRE(t.n == 4);
	CHECK_EQ_I(t.blocks[0].kind, BLOCK_THINKING);
	CHECK(strstr(t.blocks[0].raw, "\"signature\":\"mock") != NULL);
	CHECK_EQ_S(t.blocks[1].text, "Looking.");
	CHECK_EQ_S(t.blocks[2].tool_name, "look");
	CHECK_EQ_S(json_print(a, t.blocks[2].input), "{\"at\":\"a\\\"é\\n\",\"n\":3,\"deep\":{\"list\":[1.5,true,null]}}");
	CHECK_EQ_S(json_print(a, t.blocks[3].input), "{}");
	CHECK_EQ_S(t.stop_reason, "tool_use");
	CHECK(strncmp(t.blocks[2].tool_id, "toolu_", 6) == 0 && strlen(t.blocks[2].tool_id) == 30);
	CHECK(strcmp(t.blocks[2].tool_id, t.blocks[3].tool_id) != 0);
}

LOOP_TEST(the_same_request_twice_gets_other_ids)
{
	struct model_turn t, u;
	struct mock_case *c = mock_case_open(a, "replies:\n  - reply: [ { tool: look } ]\n");
	REQUIRE(c);
	REQUIRE_OK(turn_of(c, &t, e));
	REQUIRE_OK(turn_of(c, &u, e));
	CHECK(strcmp(t.blocks[0].tool_id, u.blocks[0].tool_id) != 0);
	CHECK(strcmp(t.message_id, u.message_id) != 0);
}

LOOP_TEST(usage_and_stop_reason_are_as_the_script_says)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - reply: [ { tool: look, input_text: '{\"a\": ' } ]\n"
		"    stop_reason: max_tokens\n"
		"    usage: { input_tokens: 11, output_tokens: 22, cache_creation_input_tokens: 33,\n"
		"             cache_read_input_tokens: 44 }\n");
	REQUIRE(c);
	REQUIRE_OK(turn_of(c, &t, e));
	CHECK_EQ_S(t.stop_reason, "max_tokens");
	CHECK_EQ_I(t.usage.input_tokens, 11);
	CHECK_EQ_I(t.usage.output_tokens, 22);
	CHECK_EQ_I(t.usage.cache_write_tokens, 33);
	CHECK_EQ_I(t.usage.cache_read_tokens, 44);
	REQUIRE(t.n == 1);
	CHECK(!t.blocks[0].input && strstr(t.blocks[0].input_error, "{\"a\":"));
}

LOOP_TEST(a_repeated_text_is_as_long_as_it_says)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: [ { text: 'abcde', repeat: 3000 } ], chunk: 2 }\n");
	REQUIRE(c);
	REQUIRE_OK(turn_of(c, &t, e));
	REQUIRE(t.n == 1);
	CHECK_EQ_I((int64_t)strlen(t.blocks[0].text), 15000);
	CHECK_EQ_S(t.blocks[0].text + 14990, "abcdeabcde");
}

LOOP_TEST(a_cut_breaks_off_after_so_many_deltas)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, reply: abcdefgh, chunk: 1, cut_after: { deltas: 3 } }\n"
		"  - { when: { nth: 1 }, reply: abcdefgh, chunk: 1, pace: 2ms, cut_after: { deltas: 3, reset: true } }\n"
		"  - { reply: ab, chunk: 1, cut_after: { deltas: 99 } }\n");
	struct http_reply reply;
	REQUIRE(c);
	CHECK(!mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(e->code, "http_cut");
	CHECK_EQ_I(mock_occurrences(reply.body, "text_delta"), 3);
	CHECK(!turn_of(c, &t, e));
	CHECK_EQ_S(e->code, "model_cut");
	CHECK(!mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(e->code, "http_cut");
	CHECK_EQ_I(mock_occurrences(reply.body, "text_delta"), 2);
	CHECK_EQ_I(mock_occurrences(reply.body, "content_block_stop"), 2); /* its event and its type */
	CHECK_EQ_I(mock_occurrences(reply.body, "message_delta"), 0);
}

LOOP_TEST(an_error_event_ends_the_stream)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - when: { nth: 1 }\n"
		"    reply: abcdefgh\n"
		"    chunk: 1\n"
		"    error_after: { deltas: 2, type: overloaded_error, message: Overloaded }\n"
		"  - reply: abcdefgh\n"
		"    chunk: 1\n"
		"    error_after: { deltas: 2, type: api_error }\n");
	struct http_reply reply;
	REQUIRE(c);
	CHECK(!turn_of(c, &t, e));
	CHECK_EQ_S(e->code, "model_overloaded");
	CHECK(strstr(e->msg, "Overloaded") != NULL);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_I(mock_occurrences(reply.body, "text_delta"), 2);
	CHECK(strstr(reply.body.p, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"") != NULL);
	CHECK_EQ_I(mock_occurrences(reply.body, "message_stop"), 0);
}

LOOP_TEST(a_stall_is_a_silence_that_ends)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: abcd, chunk: 1, stall_after: { deltas: 2, for: 150ms } }\n");
	REQUIRE(c);
	int64_t before = clock_ms();
	REQUIRE_OK(turn_of(c, &t, e));
	CHECK(clock_ms() - before >= 150);
	CHECK_EQ_S(t.blocks[0].text, "abcd");
	struct model m = model_of(c);
	m.config.limits.stall_ms = 50;
	struct model_request rq = { .messages = json_of(a, HELLO) };
	CHECK(!model_turn(&m, a, &rq, NULL, deadline_in(5000), &t, e));
	CHECK_EQ_S(e->code, "stall_timeout");
}

LOOP_TEST(delay_and_pace_take_their_time)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "defaults: { delay: 100ms }\n"
		"replies:\n"
		"  - { when: { nth: 1 }, reply: abcdef, chunk: 1, pace: 20ms, delay: 0 }\n"
		"  - reply: abcdef\n");
	REQUIRE(c);
	int64_t start = clock_ms();
	REQUIRE_OK(turn_of(c, &t, e));
	int64_t paced = clock_ms() - start;
	CHECK(paced >= 100 && paced < 1000); /* five pauses between six deltas */
	struct model m = model_of(c);
	m.config.limits.first_byte_ms = 40;
	struct model_request rq = { .messages = json_of(a, HELLO) };
	CHECK(!model_turn(&m, a, &rq, NULL, deadline_in(5000), &t, e));
	CHECK_EQ_S(e->code, "first_byte_timeout");
	start = clock_ms();
	REQUIRE_OK(turn_of(c, &t, e));
	CHECK(clock_ms() - start >= 100);
}

LOOP_TEST(a_plain_answer_has_its_status_its_headers_and_its_body)
{
	struct model_turn t;
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, status: 429, headers: { retry-after: '7' } }\n"
		"  - { when: { nth: 1 }, status: 529 }\n"
		"  - { when: { nth: 1 }, status: 200, body: <html>, headers: { Content-Type: text/html } }\n"
		"  - { status: 402, body: { type: error, error: { type: billing_error, message: 'no money' } } }\n");
	REQUIRE(c);
	CHECK(!turn_of(c, &t, e));
	CHECK_EQ_S(e->code, "model_rate_limited");
	CHECK_EQ_I(e->retry_after_ms, 7000);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_I(reply.status, 529);
	CHECK_EQ_S(mock_error_type(a, &reply), "overloaded_error");
	const char *id = http_reply_header(&reply, "request-id");
	CHECK(id && strncmp(id, "req_", 4) == 0);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(reply.content_type, "text/html");
	CHECK_EQ_S(reply.body.p, "<html>");
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(reply.content_type, "application/json");
	CHECK_EQ_S(mock_error_message(a, &reply), "no money");
	CHECK(!turn_of(c, &t, e));
	CHECK_EQ_S(e->code, "model_billing");
}

LOOP_TEST(a_dropped_request_has_no_answer)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - drop: true\n");
	REQUIRE(c);
	CHECK(!mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_I(reply.status, 0);
}

LOOP_TEST(raw_bytes_are_sent_as_they_are)
{
	struct model_turn t;
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, reply: [ { raw: 'event: ping{{' }, { raw: \" é\\n\", repeat: 2 } ], chunk: 1 }\n"
		"  - { when: { nth: 1 }, reply: [ { raw: abcdefgh } ], chunk: 3, cut_after: { deltas: 2 } }\n"
		"  - { when: { nth: 1 }, reply: [ { raw: \"event: new\\ndata: {}\\n\\n\" }, { text: hi } ] }\n"
		"  - { reply: [ { raw_file: tests/fixtures/sse/crlf.sse } ], chunk: 5 }\n");
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(reply.body.p, "event: ping{{ é\n é\n");
	CHECK(!mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_S(reply.body.p, "abcdef");
	REQUIRE_OK(turn_of(c, &t, e));
	CHECK_EQ_S(t.blocks[0].text, "hi");
	REQUIRE_OK(turn_of(c, &t, e));
	CHECK(t.n > 0);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK(strstr(reply.body.p, "\r\n\r\n") != NULL);
}

LOOP_TEST(the_stream_is_what_the_provider_sends)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: [ { text: 'abcdefghij', repeat: 7 } ], chunk: 1, usage: { input_tokens: 5, output_tokens: 6 } }\n");
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK(strncmp(reply.content_type, "text/event-stream", 17) == 0);
	CHECK(strstr(reply.body.p, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_")
		== reply.body.p);
	CHECK(strstr(reply.body.p, "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-test\",\"content\":[],"
		"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1,") != NULL);
	CHECK(strstr(reply.body.p, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
		"\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":5,\"output_tokens\":6,") != NULL);
	CHECK_EQ_I(mock_occurrences(reply.body, "event: content_block_delta\n"), 70);
	CHECK_EQ_I(mock_occurrences(reply.body, "event: ping\ndata: {\"type\":\"ping\"}\n\n"), 2);
	CHECK_EQ_I(mock_occurrences(reply.body, "\n\n"), 70 + 2 + 2 + 3);
}

/* ---- what is filled in ---- */

#define CALL(id, name) "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\"," \
	"\"input\":{}}]},"
#define RESULT(id, content) "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"," \
	"\"content\":" content "}]}"
#define FIRST "[{\"role\":\"user\",\"content\":\"x\"},"
static const char talk[] = "[{\"role\":\"user\",\"content\":\"book Anna\"},"
	CALL("c1", "look") RESULT("c1", "\"{\\\"who\\\":\\\"old\\\"}\"") ","
	CALL("c2", "look") RESULT("c2", "[{\"type\":\"text\",\"text\":\"{\\\"rows\\\":[{\\\"id\\\":7},"
		"{\\\"id\\\":8,\\\"who\\\":\\\"Ann \\\\\\\"B\\\\\\\"\\\"}]}\"}]") ","
	CALL("c3", "note") RESULT("c3", "\"plain words\"") "]";

static bool talk_turn(struct mock_case *c, struct model_turn *t, struct err *e)
{
	return turn_with(c, (struct model_request){ .messages = json_of(c->a, talk), .tools = json_of(c->a, TOOLS) }, t, e);
}

LOOP_TEST(values_of_earlier_results_are_filled_in)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - reply:\n"
		"      - text: '{{look.rows.0.id}}, {{ look.rows.1.who }}, {{look#1.who}}, {{last_user}}, {{note}}:\n"
		"              {{look.rows}}'\n"
		"      - tool: look\n"
		"        input: { id: '{{look.rows.1.id}}', text: 'no. {{look.rows.1.id}}', rows: [ '{{look.rows}}' ],\n"
		"                 user: '{{last_user}}' }\n");
	REQUIRE(c);
	REQUIRE_OK(talk_turn(c, &t, e));
	REQUIRE(t.n == 2);
	CHECK_EQ_S(t.blocks[0].text, "7, Ann \"B\", old, book Anna, plain words: [{\"id\":7},{\"id\":8,\"who\":\"Ann "
		"\\\"B\\\"\"}]");
	CHECK_EQ_S(json_print(a, t.blocks[1].input), "{\"id\":8,\"text\":\"no. 8\",\"rows\":[[{\"id\":7},{\"id\":8,\"who\":"
		"\"Ann \\\"B\\\"\"}]],\"user\":\"book Anna\"}");
}

LOOP_TEST(a_missing_value_is_named)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "{{look.rows.2.id}}", "{{look.rows.2.id}}: no '2' in the result of look, which begins: {\"rows\":[{\"id\":7}" },
		{ "{{look.rows.x}}", "{{look.rows.x}}: no 'x' in the result of look" },
		{ "{{look#1.rows}}", "{{look#1.rows}}: no 'rows' in the result of look, which begins: {\"who\":\"old\"}" },
		{ "{{note.a}}", "{{note.a}}: the result of note is not JSON; it begins: plain words" },
		{ "{{look#3.rows}}", "{{look#3.rows}}: the conversation has no such result of look" },
		{ "{{quote.id}}", "{{quote.id}}: the conversation has no such result of quote" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct model_turn t;
		struct mock_case *c = mock_case_open(a, arena_printf(a,
			"replies:\n  - reply: [ { tool: look, input: { x: '%s' } } ]\n", cases[i].text));
		REQUIRE(c);
		CHECK(!talk_turn(c, &t, e));
		CHECK_EQ_S(e->code, "model_rejected");
		if (!CHECK(strstr(e->msg, arena_printf(a, "the script's reply at t.yaml:2:5: %s", cases[i].message))))
			printf("    %s\n", e->msg);
		CHECK_EQ_I(mock_count(c->mock).unmatched, 1);
	}
}

/* ---- which reply ---- */

static const char choosing[] = "replies:\n"
	"  - { name: key, when: { api_key: wrong }, status: 401 }\n"
	"  - { name: header, when: { header: { x-team: blue } }, reply: blue }\n"
	"  - { name: forced, when: { force_tool: plan }, reply: [ { tool: plan } ] }\n"
	"  - { name: result, when: { tool_result: note, turn: 3 }, reply: noted }\n"
	"  - { name: first, when: { last_user: [ book, Anna ], nth: 1 }, reply: once }\n"
	"  - { name: second, when: { last_user: [ book, Anna ] }, reply: again }\n"
	"  - { name: any, when: { any_user: early, turn: 1 }, reply: any }\n"
	"  - { name: words, when: { result: [ plain, words ] }, reply: any }\n"
	"  - { name: system, when: { system: poet, tools_offered: look }, reply: rhyme }\n";

static const char *chosen(struct mock_case *c, struct model_request rq)
{
	struct err e;
	struct model_turn t;
	if (!rq.messages)
		rq.messages = json_of(c->a, HELLO);
	turn_with(c, rq, &t, &e);
	return mock_request_reply(c->mock, mock_request_count(c->mock) - 1);
}

static const char *said(struct mock_case *c, const char *text)
{
	return chosen(c, (struct model_request){ .messages = json_of(c->a, arena_printf(c->a,
		"[{\"role\":\"user\",\"content\":\"%s\"}]", text)) });
}

LOOP_TEST(the_first_reply_whose_conditions_hold_answers)
{
	struct mock_case *c = mock_case_open(a, choosing);
	const cJSON *tools = json_of(a, TOOLS);
	REQUIRE(c);
	CHECK_EQ_S(chosen(c, (struct model_request){ .tools = tools, .force_tool = "plan" }), "forced");
	CHECK_EQ_S(chosen(c, (struct model_request){ .messages = json_of(a, talk) }), "result");
	CHECK_EQ_S(chosen(c, (struct model_request){ .messages = json_of(a, FIRST CALL("c3", "note")
		RESULT("c3", "\"plain words\"") "]") }), "words");
	CHECK_EQ_S(chosen(c, (struct model_request){ .messages = json_of(a, FIRST CALL("c3", "note")
		RESULT("c3", "\"plain numbers\"") "]") }), "");
	CHECK_EQ_S(chosen(c, (struct model_request){ .messages = json_of(a, FIRST CALL("c1", "note")
		RESULT("c1", "\"plain words\"") "," CALL("c2", "look") RESULT("c2", "\"r\"") "," CALL("c3", "look")
		RESULT("c3", "\"r\"") "]") }), "");
	CHECK_EQ_S(said(c, "please book for Anna"), "first");
	CHECK_EQ_S(said(c, "Anna, book"), "second");
	CHECK_EQ_S(said(c, "Anna"), "");
	CHECK_EQ_S(chosen(c, (struct model_request){ .messages = json_of(a, "[{\"role\":\"user\",\"content\":\"early\"},"
		"{\"role\":\"assistant\",\"content\":\"ok\"},{\"role\":\"system\",\"content\":\"poet\"},{\"role\":\"user\","
		"\"content\":\"late\"}]") }), "any");
	CHECK_EQ_S(chosen(c, (struct model_request){ .system = "You are a poet.", .tools = tools }), "system");
	CHECK_EQ_S(chosen(c, (struct model_request){ .system = "You are a poet." }), "");
	CHECK_EQ_S(chosen(c, (struct model_request){ .system = "You are a poet.", .tools = json_of(a, "[{\"name\":\"plan\","
		"\"input_schema\":{\"type\":\"object\"}}]") }), "");
	CHECK_EQ_S(chosen(c, (struct model_request){ .system = "You are a cook.", .tools = tools }), "");
}

LOOP_TEST(a_reply_may_ask_for_headers)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, choosing);
	struct http_header headers[] = { { "anthropic-version", "2026-10-21" }, { "Content-Type", "application/json" },
		{ "Authorization", "Bearer wrong" }, { 0 } };
	REQUIRE(c);
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", headers, mock_body(a, "hi"), &reply, e));
	CHECK_EQ_I(reply.status, 401);
	CHECK_EQ_S(mock_error_type(a, &reply), "authentication_error");
	headers[2] = (struct http_header){ "X-Team", "blue" };
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", headers, mock_body(a, "hi"), &reply, e));
	CHECK(strstr(reply.body.p, "blue") != NULL);
	headers[2].value = "bluer";
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", headers, mock_body(a, "hi"), &reply, e));
	CHECK_EQ_I(reply.status, 400);
}

LOOP_TEST(a_request_that_no_reply_expects_is_refused_with_what_was_asked)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, choosing);
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, mock_body(a, "What is the weather?"), &reply, e));
	CHECK_EQ_I(reply.status, 400);
	CHECK_EQ_S(mock_error_type(a, &reply), "invalid_request_error");
	CHECK_EQ_S(mock_error_message(a, &reply), "no reply of the script t.yaml matches. Asked: turn 0, user text \"What is "
		"the weather?\", results of none, forced tool none, tools offered none, system \"\"");
	CHECK_EQ_I(mock_count(c->mock).unmatched, 1);
}

LOOP_TEST(a_forced_tool_must_be_in_the_reply)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n  - reply: [ { tool: look } ]\n");
	struct model_request rq = { .messages = json_of(a, HELLO), .tools = json_of(a, TOOLS), .force_tool = "plan" };
	REQUIRE(c);
	CHECK(!turn_with(c, rq, &t, e));
	CHECK(strstr(e->msg, "the request forces the tool plan, and the script's reply at t.yaml:2:5 does not call it"));
	rq.force_tool = "look";
	REQUIRE_OK(turn_with(c, rq, &t, e));
	CHECK_EQ_S(t.blocks[0].tool_name, "look");
}

/* ---- keeping, counting, many at once ---- */

LOOP_TEST(requests_are_kept_byte_for_byte)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - reply: ok\n");
	const char *odd = "{ \"model\":\"m\",  \"max_tokens\": 1e2,\n\"stream\":true,\"messages\":[{\"role\":\"user\","
		"\"content\":\"\\u00e9\"}]}";
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, odd, &reply, e));
	CHECK_EQ_I(reply.status, 200);
	REQUIRE_OK(mock_post(c, "nonsense", &reply, e));
	CHECK_EQ_I((int64_t)mock_request_count(c->mock), 2);
	CHECK_EQ_S(mock_request_body(c->mock, 0).p, odd);
	CHECK_EQ_S(mock_request_body(c->mock, 1).p, "nonsense");
	CHECK_EQ_I((int64_t)mock_request_body(c->mock, 2).n, 0);
	struct mock_counts n = mock_count(c->mock);
	CHECK_EQ_I(n.requests, 2);
	CHECK_EQ_I(n.rejected, 1);
	CHECK_EQ_I(n.answered, 2);
	CHECK_EQ_I(n.running, 0);
}

enum { MANY = 500 };

struct asker {
	struct mock_case *c;
	bool whole;
};

static bool ask_one(void *arg, struct err *e)
{
	struct asker *k = arg;
	struct http_reply reply;
	ARENA_SCOPE(tmp);
	struct mock_case own = *k->c;
	own.a = tmp;
	if (!mock_post(&own, mock_body(tmp, "many"), &reply, e))
		return false;
	k->whole = reply.status == 200 && mock_occurrences(reply.body, "text_delta") == 20
		&& mock_occurrences(reply.body, "event: message_stop") == 1;
	return true;
}

LOOP_TEST(five_hundred_streams_run_at_once)
{
	struct group g = { 0 };
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: [ { text: '{{last_user}}', repeat: 5 } ], chunk: 1, pace: 100ms }\n");
	struct asker *all = arena_alloc(a, MANY * sizeof(*all));
	REQUIRE(c);
	for (size_t i = 0; i < MANY; i++) {
		all[i].c = c;
		REQUIRE_OK(group_start(&g, "asker", ask_one, &all[i], e));
	}
	if (!CHECK(group_wait(&g, deadline_in(60000), e)))
		printf("    %s\n", e->msg);
	for (size_t i = 0; i < MANY; i++)
		CHECK(all[i].whole);
	CHECK_EQ_I(mock_count(c->mock).most_running, MANY);
	CHECK_EQ_I(mock_count(c->mock).answered, MANY);
}

static bool ask_and_be_cut(void *arg, struct err *e)
{
	struct asker *k = arg;
	struct http_reply reply;
	k->whole = mock_post(k->c, mock_body(k->c->a, "x"), &reply, e);
	return true;
}

LOOP_TEST(stopping_closes_what_runs)
{
	struct group g = { 0 };
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: [ { text: abc, repeat: 1000000 } ], pace: 10ms }\n");
	REQUIRE(c);
	struct asker k = { c, true };
	REQUIRE_OK(group_start(&g, "asker", ask_and_be_cut, &k, e));
	while (mock_count(c->mock).most_running == 0)
		REQUIRE_OK(loop_sleep(5, e));
	mock_case_stop(c);
	CHECK(group_wait(&g, deadline_in(5000), e));
	CHECK(!k.whole);
}

LOOP_TEST(a_client_that_leaves_is_noticed)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: [ { text: abc, repeat: 1000000 } ], pace: 10ms }\n");
	REQUIRE(c);
	struct model m = model_of(c);
	struct model_request rq = { .messages = json_of(a, HELLO) };
	CHECK(!model_turn(&m, a, &rq, NULL, deadline_in(100), &t, e));
	for (int i = 0; i < 200 && mock_count(c->mock).running; i++)
		REQUIRE_OK(loop_sleep(10, e));
	CHECK_EQ_I(mock_count(c->mock).abandoned, 1);
	CHECK_EQ_I(mock_count(c->mock).running, 0);
}

LOOP_TEST(a_port_that_is_taken_is_an_error)
{
	struct mock *second = NULL;
	struct mock_case *c = mock_case_open(a, "replies:\n  - reply: ok\n");
	REQUIRE(c);
	struct mock_options o = { .script = &c->script, .port = mock_port(c->mock) };
	CHECK(!mock_start(&o, &c->group, &second, e));
	CHECK(second == NULL && strstr(e->msg, "cannot listen"));
	mock_stop(second);
}
