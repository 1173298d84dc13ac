/* SPDX-License-Identifier: MIT */
/* The scripted model's second dialect, chat completions: what it sends, what it understands, what it refuses. */
#include "clock.h"
#include "mock_case.h"
#include "model.h"
#include "model_api.h"

static const struct http_header usual[] = {
	{ "Content-Type", "application/json" }, { "Authorization", "Bearer k" }, { 0 },
};

/* Requests are written with ' for ". */
static bool chat(struct mock_case *c, const char *body, struct http_reply *reply, struct err *e)
{
	char *copy = arena_text(c->a, str_of(body));
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return mock_post_with(c, "POST", "/v1/chat/completions", usual, copy, reply, e);
}

#define HEAD "{'model':'gpt','stream':true,"
#define HI "'messages':[{'role':'user','content':'hi'}]"
#define HAS(text, word) do { if (!CHECK(strstr((text), (word)) != NULL)) printf("    %s\n", (text)); } while (0)
#define LACKS(text, word) do { if (!CHECK(strstr((text), (word)) == NULL)) printf("    %s\n", (text)); } while (0)

/* ---- what it sends ---- */

LOOP_TEST(a_text_comes_in_chunks_between_a_role_and_done)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: 'Grüße \"x\"', chunk: 3, headers: { x-left: '7' } }\n");
	REQUIRE(c);
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	CHECK_EQ_I(reply.status, 200);
	CHECK(strncmp(reply.content_type, "text/event-stream", 17) == 0);
	CHECK(strncmp(reply.body.p, "data: {\"id\":\"chatcmpl-", 22) == 0);
	HAS(reply.body.p, "\"object\":\"chat.completion.chunk\",\"created\":");
	HAS(reply.body.p, "\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
		"\"finish_reason\":null}]}\n\n");
	HAS(reply.body.p, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grü\"},\"finish_reason\":null}]}\n\n");
	HAS(reply.body.p, "{\"content\":\"\\\"x\\\"\"}");
	HAS(reply.body.p, "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
	LACKS(reply.body.p, "usage");
	LACKS(reply.body.p, "event:");
	CHECK_EQ_I(mock_occurrences(reply.body, "data: "), 1 + 3 + 1 + 1);
	CHECK_EQ_S(http_reply_header(&reply, "x-left"), "7");
	CHECK(strncmp(http_reply_header(&reply, "x-request-id"), "req_", 4) == 0);
}

LOOP_TEST(usage_comes_when_it_is_asked_for)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: x, stop_reason: max_tokens, usage: { input_tokens: 5, "
		"output_tokens: 6, cache_read_input_tokens: 7 } }\n");
	REQUIRE(c);
	REQUIRE_OK(chat(c, HEAD "'stream_options':{'include_usage':true}," HI "}", &reply, e));
	HAS(reply.body.p, "\"usage\":null,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n");
	HAS(reply.body.p, "\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":6,\"total_tokens\":18,"
		"\"prompt_tokens_details\":{\"cached_tokens\":7}}}\n\ndata: [DONE]\n\n");
}

LOOP_TEST(tool_calls_come_in_pieces)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: [ { tool: look, input: { at: \"a\\\"b\" } }, { tool: plan } ], chunk: 4 }\n");
	REQUIRE(c);
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	HAS(reply.body.p, "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_");
	HAS(reply.body.p, "\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]},");
	HAS(reply.body.p, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"at\"}}]}");
	HAS(reply.body.p, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\":\\\"a\"}}]}");
	HAS(reply.body.p, "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]}");
	HAS(reply.body.p, "\"finish_reason\":\"tool_calls\"");
	const char *first = strstr(reply.body.p, "\"id\":\"call_");
	const char *second = first ? strstr(first + 1, "\"id\":\"call_") : NULL;
	CHECK(second && strncmp(first, second, 35) != 0);
}

LOOP_TEST(thinking_has_the_field_that_the_script_says)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, reply: [ { thinking: hm }, { text: ok } ] }\n"
		"  - { reply: [ { thinking: hm }, { text: ok } ], reasoning_field: reasoning }\n");
	REQUIRE(c);
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	HAS(reply.body.p, "\"delta\":{\"reasoning_content\":\"hm\"}");
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	HAS(reply.body.p, "\"delta\":{\"reasoning\":\"hm\"}");
	LACKS(reply.body.p, "signature");
}

LOOP_TEST(errors_have_the_form_of_the_dialect)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, status: 429, headers: { retry-after: '3' } }\n"
		"  - { reply: abcdef, chunk: 2, error_after: { deltas: 2, type: overloaded_error, message: full } }\n");
	REQUIRE(c);
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	CHECK_EQ_I(reply.status, 429);
	CHECK_EQ_S(reply.body.p, "{\"error\":{\"message\":\"by the script\",\"type\":\"requests\",\"param\":null,"
		"\"code\":\"rate_limit_exceeded\"}}");
	CHECK_EQ_S(http_reply_header(&reply, "retry-after"), "3");
	REQUIRE_OK(chat(c, HEAD HI "}", &reply, e));
	HAS(reply.body.p, "{\"content\":\"cd\"}");
	HAS(reply.body.p, "data: {\"error\":{\"message\":\"full\",\"type\":\"server_error\",\"param\":null,"
		"\"code\":null}}\n\n");
	LACKS(reply.body.p, "[DONE]");
	LACKS(reply.body.p, "\"ef\"");
}

LOOP_TEST(drovers_own_client_understands_it)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: [ { thinking: hm }, { text: Looking. }, { tool: look, input: { at: 3 } } ], chunk: 2, usage: {\n"
		"      input_tokens: 5, output_tokens: 6, cache_read_input_tokens: 7 } }\n");
	REQUIRE(c);
	struct model m = { c->http, { .api = model_api_find("openai"), .base_url = c->base_url, .api_key = "k", .name = "gpt",
		.key_as_bearer = true, .max_tokens = 1000, .turn_bytes = 1 << 20,
		.limits = { .connect_ms = 5000, .first_byte_ms = 5000, .total_ms = 20000 } } };
	struct model_request rq = { .system = "be brief", .messages = json_parse(a, STR("[{\"role\":\"user\",\"content\":["
		"{\"type\":\"text\",\"text\":\"hi\"}]}]"), e), .tools = json_parse(a, STR("[{\"name\":\"look\",\"description\":"
		"\"d\",\"input_schema\":{\"type\":\"object\"}}]"), e) };
	REQUIRE_OK(model_turn(&m, a, &rq, NULL, deadline_in(20000), &t, e));
	const struct model_block *last = &t.blocks[t.n - 1];
	CHECK_EQ_S(t.stop_reason, "tool_use");
	CHECK_EQ_S(last->tool_name, "look");
	CHECK_EQ_S(json_print(a, last->input), "{\"at\":3}");
	CHECK_EQ_S(t.blocks[t.n - 2].text, "Looking.");
	CHECK_EQ_I(t.usage.output_tokens, 6);
}

/* ---- what it understands ---- */

#define CALL(id, name) "{'role':'assistant','content':null,'tool_calls':[{'id':'" id "','type':'function','function':" \
	"{'name':'" name "','arguments':'{}'}}]},"
#define RESULT(id, content) "{'role':'tool','tool_call_id':'" id "','content':" content "}"
#define TOOLS "'tools':[{'type':'function','function':{'name':'look','parameters':{'type':'object'}}}]"

LOOP_TEST(conditions_hold_for_its_messages_too)
{
	static const struct {
		const char *body, *reply;
	} cases[] = {
		{ HEAD "'messages':[{'role':'system','content':'a poet'},{'role':'user','content':'x'}]}", "system" },
		{ HEAD "'messages':[{'role':'developer','content':'a poet'},{'role':'user','content':'x'}]}", "system" },
		{ HEAD TOOLS ",'tool_choice':{'type':'function','function':{'name':'look'}}," HI "}", "forced" },
		{ HEAD TOOLS "," HI "}", "offered" },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "note") RESULT("c1", "'plain words'") "]}", "result" },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "look") RESULT("c1", "[{'type':'text','text':'r'}]")
			"]}", "tool" },
		{ HEAD "'messages':[{'role':'user','content':[{'type':'text','text':'book'},{'type':'text','text':'Anna'}]}]}",
			"user" },
		{ HEAD "'messages':[{'role':'user','content':'a'},{'role':'assistant','content':'b'},{'role':'user','content':'c'}]}",
			"turn" },
	};
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { name: system, when: { system: poet }, reply: x }\n"
		"  - { name: forced, when: { force_tool: look }, reply: [ { tool: look } ] }\n"
		"  - { name: offered, when: { tools_offered: look }, reply: x }\n"
		"  - { name: tool, when: { tool_result: look, turn: 1 }, reply: x }\n"
		"  - { name: result, when: { result: [ plain, words ], tool_result: note }, reply: x }\n"
		"  - { name: user, when: { last_user: [ book, Anna ] }, reply: x }\n"
		"  - { name: turn, when: { turn: 1, any_user: a, last_user: c }, reply: x }\n");
	REQUIRE(c);
	for (size_t i = 0; i < COUNT(cases); i++) {
		REQUIRE_OK(chat(c, cases[i].body, &reply, e));
		CHECK_EQ_S(mock_request_reply(c->mock, i), cases[i].reply);
	}
}

LOOP_TEST(values_of_its_tool_results_are_filled_in)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { reply: '{{look.rows.1}} {{note}} {{last_user}}', chunk: 99 }\n");
	REQUIRE(c);
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/chat/completions", usual, "{\"model\":\"m\",\"stream\":true,\"messages\":["
		"{\"role\":\"user\",\"content\":\"go\"},{\"role\":\"assistant\",\"tool_calls\":["
		"{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}},"
		"{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"note\",\"arguments\":\"{}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"plain\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"{\\\"rows\\\":[1,22]}\"}]}", &reply, e));
	HAS(reply.body.p, "{\"content\":\"22 plain go\"}");
}

/* ---- what it refuses ---- */

LOOP_TEST(what_such_servers_refuse_is_refused)
{
	static const struct {
		const char *body, *message; /* how it begins; NULL = it is taken */
	} cases[] = {
		{ "{'stream':true," HI "}", "you must provide a model parameter" },
		{ "{'model':'m','stream':true}", "Missing required parameter: 'messages'." },
		{ HEAD "'messages':[]}", "Invalid 'messages': empty array." },
		{ "{'model':'m'," HI "}", "stream: the scripted model only streams" },
		{ "{'model':'m','stream_options':{}," HI "}", "The 'stream_options' parameter is only allowed when 'stream'" },
		{ HEAD "'messages':[{'role':'robot','content':'x'}]}", "Invalid value: 'robot'." },
		{ HEAD "'messages':[{'role':'user','content':null}]}", "Invalid value for 'content': expected a string, got null." },
		{ HEAD "'messages':[{'role':'user','content':'x'}," RESULT("c1", "'r'") "]}",
			"Invalid parameter: messages with role 'tool' must be a response to a preceding message" },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "look") RESULT("c2", "'r'") "]}",
			"An assistant message with 'tool_calls' must be followed by tool messages" },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "look") "{'role':'user','content':'y'}]}",
			"An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The "
			"following tool_call_ids did not have response messages: c1" },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "look") RESULT("c1", "'r'") "," RESULT("c9", "'r'")
			"]}", "Invalid parameter: messages with role 'tool'" },
		{ HEAD "'messages':[{'role':'assistant','content':null,'tool_calls':[{'id':'c','type':'function','function':"
			"{'name':'x','arguments':{}}}]}]}", "Invalid type for 'messages[0].tool_calls[].function.arguments'" },
		{ HEAD "'messages':[{'role':'assistant','content':null,'tool_calls':[]}]}",
			"Invalid 'messages[0].tool_calls': empty array." },
		{ HEAD "'tools':[]," HI "}", "Invalid 'tools': empty array." },
		{ HEAD "'tools':[{'name':'look'}]," HI "}", "Invalid value: ''. Supported values are: 'function'." },
		{ HEAD "'tools':[{'type':'function','function':{'name':'a b'}}]," HI "}", "Invalid 'tools[0].function.name'" },
		{ HEAD "'tools':[{'type':'function','function':{'name':'a','parameters':{'type':'array'}}}]," HI "}",
			"Invalid schema for function 'a'" },
		{ HEAD "'tool_choice':'auto'," HI "}", "Invalid value for 'tool_choice'" },
		{ HEAD TOOLS ",'tool_choice':{'type':'function','function':{'name':'no'}}," HI "}", "Tool choice 'no' not found" },
		{ HEAD "'response_format':{'type':'json_schema'}," HI "}",
			"Missing required parameter: 'response_format.json_schema.name'." },
		{ HEAD "'response_format':{'type':'json_schema','json_schema':{'name':'r'}}," HI "}",
			"Missing required parameter: 'response_format.json_schema.schema'." },
		{ HEAD "'response_format':{'type':'json_schema','json_schema':{'name':'r','schema':{}}},'seed':1,'more':2,"
			HI "}", NULL },
		{ HEAD TOOLS ",'tool_choice':'auto'," HI "}", NULL },
		{ HEAD "'messages':[{'role':'user','content':'x'}," CALL("c1", "look") RESULT("c1", "'r'") "]}", NULL },
	};
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - reply: [ { tool: look }, { tool: no } ]\n");
	REQUIRE(c);
	for (size_t i = 0; i < COUNT(cases); i++) {
		REQUIRE_OK(chat(c, cases[i].body, &reply, e));
		const char *said = reply.status == 200 ? NULL : mock_error_message(a, &reply), *want = cases[i].message;
		bool same = want ? said && strncmp(said, want, strlen(want)) == 0 : !said;
		if (!test_check(same, __FILE__, __LINE__, cases[i].body))
			printf("      said: %s\n      want: %s\n", said ? said : "(taken)", want ? want : "(taken)");
		CHECK(!want || (reply.status == 400 && strcmp(mock_error_type(a, &reply), "invalid_request_error") == 0));
	}
}
