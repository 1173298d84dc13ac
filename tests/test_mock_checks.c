/* SPDX-License-Identifier: MIT */
/* What the scripted model refuses, as the provider does: each case is a request and the words that come back. */
#include "mock_case.h"
#include "model.h"

static const char script[] = "replies:\n  - reply: ok\n";
static const struct http_header usual[] = {
	{ "anthropic-version", "2026-10-21" }, { "Content-Type", "application/json" }, { 0 },
};

struct refusal {
	const char *body;    /* '' stands for "" */
	const char *message; /* how the answer begins; NULL = it is taken */
};

/* Requests are written with ' for ". */
static const char *quoted(struct arena *a, const char *text)
{
	char *copy = arena_text(a, str_of(text));
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return copy;
}

static void expect(struct mock_case *c, const char *body, const char *message)
{
	struct err e = { 0 };
	struct http_reply reply;
	bool ok = mock_post_with(c, "POST", "/v1/messages", usual, body, &reply, &e);
	if (!test_check(ok, __FILE__, __LINE__, body))
		return;
	const char *said = reply.status == 200 ? NULL : mock_error_message(c->a, &reply);
	bool same = message ? said && strncmp(said, message, strlen(message)) == 0 : !said;
	if (!test_check(same, __FILE__, __LINE__, body))
		printf("      said: %s\n      want: %s\n", said ? said : "(taken)", message ? message : "(taken)");
	if (message)
		test_check(strcmp(mock_error_type(c->a, &reply), "invalid_request_error") == 0 && reply.status == 400, __FILE__,
			__LINE__, "400 invalid_request_error");
}

static void expect_all(struct arena *a, const char *format, const struct refusal *cases, size_t n)
{
	struct mock_case *c = mock_case_open(a, script);
	if (!c)
		return;
	for (size_t i = 0; i < n; i++) {
		struct str whole = str_of(format), before;
		str_next(&whole, '@', &before);
		expect(c, quoted(a, arena_printf(a, "%.*s%s%s", STR_ARGS(before), cases[i].body, whole.p)), cases[i].message);
	}
}

#define ALL(format, cases) expect_all(a, format, cases, COUNT(cases))
#define HEAD "{'model':'m','max_tokens':100,'stream':true,"
#define HI "'messages':[{'role':'user','content':'hi'}]"

LOOP_TEST(what_every_request_has_is_required)
{
	static const struct refusal cases[] = {
		{ "{'max_tokens':1,'stream':true," HI "}", "model: Field required" },
		{ "{'model':'','max_tokens':1,'stream':true," HI "}", "model: String should have at least 1 character" },
		{ "{'model':'m','stream':true," HI "}", "max_tokens: Field required" },
		{ "{'model':'m','max_tokens':0,'stream':true," HI "}", "max_tokens: must be greater than or equal to 1" },
		{ "{'model':'m','max_tokens':1,'stream':true}", "messages: Field required" },
		{ "{'model':'m','max_tokens':1," HI "}", "stream: the scripted model only streams" },
		{ "[1]", "The request body is not valid JSON: not an object" },
		{ "{'model'", "The request body is not valid JSON: not JSON at byte" },
		{ "{'model':'\xff'}", "The request body is not valid JSON: invalid UTF-8" },
		{ HEAD HI "}", NULL },
	};
	ALL("@", cases);
}

LOOP_TEST(what_the_provider_does_not_know_is_refused)
{
	static const struct refusal cases[] = {
		{ "'max_token':1", "max_token: Extra inputs are not permitted" },
		{ "'temperature':1", "temperature: not supported from anthropic-version 2026-10-21 on" },
		{ "'top_p':0.5", "top_p: not supported" },
		{ "'top_k':3", "top_k: not supported" },
		{ "'stop_sequences':['x'],'metadata':{}", NULL },
	};
	ALL(HEAD HI ",@}", cases);
}

LOOP_TEST(thinking_has_its_limits)
{
	static const struct refusal cases[] = {
		{ "'thinking':{'type':'enabled','budget_tokens':1023}",
			"thinking.enabled.budget_tokens: Input should be greater than or equal to 1024" },
		{ "'thinking':{'type':'enabled','budget_tokens':2000}",
			"`max_tokens` must be greater than `thinking.budget_tokens`." },
		{ "'thinking':{'budget_tokens':1500}", "thinking.type: Field required" },
		{ "'thinking':{'type':'enabled','budget_tokens':1999}", NULL },
		{ "'thinking':{'type':'disabled'}", NULL },
		{ "'thinking':{'type':'adaptive'},'tools':[{'name':'t','input_schema':{'type':'object'}}],"
			"'tool_choice':{'type':'tool','name':'t'}", "Thinking may not be enabled when tool_choice forces tool use." },
		{ "'thinking':{'type':'adaptive'},'tools':[{'name':'t','input_schema':{'type':'object'}}],"
			"'tool_choice':{'type':'auto'}", NULL },
	};
	ALL("{'model':'m','max_tokens':2000,'stream':true," HI ",@}", cases);
}

LOOP_TEST(tools_have_a_name_and_a_schema)
{
	static const struct refusal cases[] = {
		{ "'tools':{}", "tools: Input should be a valid list" },
		{ "'tools':[{'input_schema':{'type':'object'}}]", "tools.0.custom.name: Field required" },
		{ "'tools':[{'name':'a b','input_schema':{'type':'object'}}]",
			"tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'}},{'name':'b'}]",
			"tools.1.custom.input_schema: Field required" },
		{ "'tools':[{'name':'a','input_schema':'x'}]", "tools.0.custom.input_schema: Input should be a valid dictionary" },
		{ "'tools':[{'name':'a','input_schema':{}}]", "tools.0.custom.input_schema.type: Field required" },
		{ "'tools':[{'name':'a','input_schema':{'type':'string'}}]",
			"tools.0.custom.input_schema.type: Input should be 'object'" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'}},{'name':'a','input_schema':{'type':'object'}}]",
			"tools: Tool names must be unique." },
		{ "'tools':[{'type':'web_search_20260318','name':'web_search'}]", NULL },
		{ "'tool_choice':{'type':'any'}", "tool_choice: may only be specified while providing tools" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'}}],'tool_choice':{}", "tool_choice.type: Field required" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool'}",
			"tool_choice.tool.name: Field required" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool','name':'b'}",
			"Tool 'b' not found in provided tools" },
	};
	ALL(HEAD HI ",@}", cases);
}

LOOP_TEST(messages_have_a_role_and_a_content)
{
	static const struct refusal cases[] = {
		{ "{}", "messages: Input should be a valid list" },
		{ "[]", "messages: at least one message is required" },
		{ "[{'content':'x'}]", "messages.0.role: Field required" },
		{ "[{'role':'robot','content':'x'}]", "messages.0.role: Input should be 'user', 'assistant' or 'system'" },
		{ "[{'role':'assistant','content':'x'}]", "messages: first message must use the \"user\" role" },
		{ "[{'role':'user'}]", "messages.0.content: Field required" },
		{ "[{'role':'user','content':7}]", "messages.0.content: Input should be a valid list" },
		{ "[{'role':'user','content':''}]", "messages.0: all messages must have non-empty content" },
		{ "[{'role':'user','content':'x'},{'role':'user','content':[]}]",
			"messages.1: all messages must have non-empty content" },
		{ "[{'role':'user','content':[{'type':'text','text':''}]}]", "messages: text content blocks must be non-empty" },
		{ "[{'role':'user','content':[{'type':'text','text':' \\n'}]}]",
			"messages: text content blocks must contain non-whitespace text" },
		{ "[{'role':'user','content':[{'text':'x'}]}]", "messages.0.content.0.type: Field required" },
		{ "[{'role':'user','content':'x'},{'role':'assistant','content':'y'}]",
			"This model does not support assistant message prefill." },
		{ "[{'role':'user','content':'x'},{'role':'user','content':'y'}]", NULL },
		{ "[{'role':'user','content':'x'},{'role':'assistant','content':[{'type':'server_tool_use','id':'s','input':{}}]}]", NULL },
		{ "[{'role':'user','content':'x'},{'role':'system','content':'y'},{'role':'user','content':'z'}]", NULL },
	};
	ALL(HEAD "'messages':@}", cases);
}

#define USE(id) "{'type':'tool_use','id':'" id "','name':'t','input':{}}"
#define DONE(id) "{'type':'tool_result','tool_use_id':'" id "','content':'r'}"

LOOP_TEST(every_call_has_its_result_in_the_next_message)
{
	static const struct refusal cases[] = {
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':[" DONE("a") "]", NULL },
		{ "'assistant','content':[" USE("a") "," USE("b") "," USE("c") "]},{'role':'user','content':[" DONE("b") "]",
			"messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a, c. Each `tool_use` "
			"block must have a corresponding `tool_result` block in the next message." },
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':[{'type':'text','text':'x'}," DONE("a") "]",
			"messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a." },
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':'x'},{'role':'assistant','content':'y'},"
			"{'role':'user','content':[" DONE("a") "]", "messages.1: `tool_use` ids were found without" },
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':[" DONE("a") "]},{'role':'user','content':'and'",
			NULL },
		{ "'assistant','content':[" USE("a") "]},{'role':'assistant','content':[" USE("b") "]},{'role':'user','content':["
			DONE("a") "," DONE("b") "]", NULL },
		{ "'assistant','content':[" USE("a") "," USE("b") "]},{'role':'user','content':[" DONE("a") "]},"
			"{'role':'user','content':[" DONE("b") "]", NULL },
		{ "'user','content':[" DONE("a") "]",
			"messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each `tool_result` block must "
			"have a corresponding `tool_use` block in the previous message." },
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':[" DONE("a") "," DONE("b") "]",
			"messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: b." },
		{ "'assistant','content':[" USE("a") "]},{'role':'user','content':[" DONE("a") "," DONE("a") "]",
			"messages.2.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks with id: a" },
		{ "'assistant','content':[" USE("a") "," USE("a") "]},{'role':'user','content':[" DONE("a") "]",
			"messages: `tool_use` ids must be unique" },
	};
	ALL(HEAD "'messages':[{'role':'user','content':'hi'},{'role':@}]}", cases);
}

LOOP_TEST(blocks_are_whole_and_where_they_belong)
{
	static const struct refusal cases[] = {
		{ "{'type':'tool_use','id':'','name':'t','input':{}}",
			"messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'" },
		{ "{'type':'tool_use','id':'a','name':'t t','input':{}}", "messages.1.content.0.tool_use.name: String should match" },
		{ "{'type':'tool_use','id':'a','name':'t','input':'x'}",
			"messages.1.content.0.tool_use.input: Input should be a valid dictionary" },
		{ "{'type':'tool_use','id':'a','name':'t'}", "messages.1.content.0.tool_use.input: Input should be a valid" },
		{ "{'type':'thinking','signature':'s'}", "messages.1.content.0.thinking.thinking: Field required" },
		{ "{'type':'thinking','thinking':'x'}", "messages.1.content.0.thinking.signature: Field required" },
		{ "{'type':'thinking','thinking':'x','signature':'mock0000000000000000'}",
			"messages.1.content.0: Invalid `signature` in `thinking` block" },
		{ "{'type':'thinking','thinking':'x','signature':'another'},{'type':'text','text':'y'}", NULL },
		{ DONE("a"), "messages.1.content.0: `tool_result` blocks can only be in `user` messages" },
		{ "{'type':'text','text':'y'}]},{'role':'user','content':[" USE("a"),
			"messages.2.content.0: `tool_use` blocks can only be in `assistant` messages" },
		{ USE("a") "]},{'role':'user','content':[{'type':'tool_result','content':'x'}",
			"messages.2.content.0.tool_result.tool_use_id: Field required" },
		{ USE("a") "]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':{}}",
			"messages.2.content.0.tool_result.content: Input should be a valid list" },
	};
	ALL(HEAD "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[@]},"
		"{'role':'user','content':'go on'}]}", cases);
}

#define MARK "'cache_control':{'type':'ephemeral'}"
#define MARKED "{'type':'text','text':'x'," MARK "}"

LOOP_TEST(four_cache_marks_are_enough)
{
	static const struct refusal cases[] = {
		{ MARKED "," MARKED "," MARKED, NULL },
		{ MARKED "," MARKED "," MARKED "," MARKED, "A maximum of 4 blocks with cache_control may be provided. Found 5." },
	};
	ALL(HEAD "'system':[" MARKED "],'messages':[{'role':'user','content':[@]}]}", cases);
}

/* ---- headers and places ---- */

static void expect_exchange(struct mock_case *c, const char *method, const char *path, const struct http_header *headers,
	int status, const char *message)
{
	struct err e = { 0 };
	struct http_reply reply;
	bool ok = mock_post_with(c, method, path, headers, quoted(c->a, HEAD HI "}"), &reply, &e);
	if (!test_check(ok && reply.status == status, __FILE__, __LINE__, message))
		printf("    status %d: %s\n", reply.status, e.msg);
	CHECK_EQ_S(mock_error_message(c->a, &reply), message);
}

LOOP_TEST(headers_and_path_must_be_the_providers)
{
	static const struct http_header none[] = { { "Content-Type", "application/json" }, { 0 } };
	static const struct http_header unknown[] = { { "Content-Type", "application/json" },
		{ "anthropic-version", "2024-01-01" }, { 0 } };
	static const struct http_header form[] = { { "anthropic-version", "2026-10-21" },
		{ "Content-Type", "application/x-www-form-urlencoded" }, { 0 } };
	struct mock_case *c = mock_case_open(a, script);
	REQUIRE(c);
	expect_exchange(c, "POST", "/v1/messages", none, 400, "anthropic-version: header is required");
	expect_exchange(c, "POST", "/v1/messages", unknown, 400, "anthropic-version: \"2024-01-01\" is not a valid version");
	expect_exchange(c, "POST", "/v1/messages", form, 400, "content-type: must be application/json");
	expect_exchange(c, "POST", "/v1/complete", usual, 404, "POST /v1/complete: only POST /v1/messages and POST /v1/chat/completions are here");
	expect_exchange(c, "PUT", "/v1/messages", usual, 404, "PUT /v1/messages: only POST /v1/messages and POST /v1/chat/completions are here");
}

LOOP_TEST(the_older_version_still_takes_temperature)
{
	static const struct http_header older[] = { { "Content-Type", "application/json" },
		{ "anthropic-version", "2023-06-01" }, { "anthropic-beta", "some-beta-2026-01-01" }, { 0 } };
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, script);
	REQUIRE(c);
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", older,
		quoted(a, HEAD HI ",'temperature':1,'context_management':{}}"), &reply, e));
	CHECK_EQ_I(reply.status, 200);
}

LOOP_TEST(a_request_over_32_megabytes_is_too_large)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, script);
	REQUIRE(c);
	size_t n = (32 << 20) + 1;
	char *body = arena_alloc(a, n + 1);
	memset(body, ' ', n);
	REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", usual, body, &reply, e));
	CHECK_EQ_I(reply.status, 413);
	CHECK_EQ_S(mock_error_type(a, &reply), "request_too_large");
}

/* ---- what goes back ---- */

static bool answer_back(struct mock_case *c, const struct model_turn *t, const char *thinking, struct err *e)
{
	struct model m = { c->http, { .base_url = c->base_url, .version = "2026-10-21", .name = "m", .max_tokens = 9000,
		.thinking_tokens = 2000, .turn_bytes = 1 << 20 } };
	cJSON *messages = json_array(c->a), *message = json_add_object(messages), *content;
	struct model_turn next;
	json_put_text(message, "role", "user");
	json_put_text(message, "content", "hi");
	message = json_add_object(messages);
	json_put_text(message, "role", "assistant");
	content = json_put_array(message, "content");
	json_add_raw(content, thinking);
	json_add_raw(content, t->blocks[1].raw);
	message = json_add_object(messages);
	json_put_text(message, "role", "user");
	cJSON *result = json_add_object(json_put_array(message, "content"));
	json_put_text(result, "type", "tool_result");
	json_put_text(result, "tool_use_id", t->blocks[1].tool_id);
	struct model_request rq = { .messages = messages };
	return model_turn(&m, c->a, &rq, NULL, deadline_in(5000), &next, e);
}

LOOP_TEST(thinking_goes_back_unchanged_or_not_at_all)
{
	struct model_turn t;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { turn: 0 }, reply: [ { thinking: 'Aé', repeat: 20 }, { tool: t } ], chunk: 3 }\n"
		"  - reply: ok\n");
	REQUIRE(c);
	struct model m = { c->http, { .base_url = c->base_url, .version = "2026-10-21", .name = "m", .max_tokens = 10,
		.turn_bytes = 1 << 20 } };
	struct err ignored;
	struct model_request rq = { .messages = json_parse(a, STR("[{\"role\":\"user\",\"content\":\"hi\"}]"), &ignored) };
	REQUIRE_OK(model_turn(&m, a, &rq, NULL, deadline_in(5000), &t, e));
	REQUIRE(t.n == 2);
	REQUIRE_OK(answer_back(c, &t, t.blocks[0].raw, e));
	char *changed = arena_text(a, str_of(t.blocks[0].raw));
	*strchr(changed, 'A') = 'B';
	CHECK(!answer_back(c, &t, changed, e));
	CHECK(strstr(e->msg, "Invalid `signature` in `thinking` block") != NULL);
}

/* ---- what stands beside the conversation ---- */

LOOP_TEST(cache_marks_are_ephemeral)
{
	static const struct refusal cases[] = {
		{ "'cache_control':{'type':'ephemeral'}", NULL },
		{ "'cache_control':{'type':'ephemeral','ttl':'1h'}", NULL },
		{ "'cache_control':{'type':'lasting'}", "cache_control: Input tag 'lasting' found using 'type'" },
		{ "'cache_control':{'type':'ephemeral','ttl':'2h'}", "cache_control.ephemeral.ttl: Input should be '5m' or '1h'" },
		{ "'cache_control':{'type':'ephemeral','ttl':5}", "cache_control.ephemeral.ttl: Input should be '5m' or '1h'" },
		{ "'system':[{'type':'text','text':'x','cache_control':{}}]", "cache_control: Input tag '' found" },
		{ "'tools':[{'name':'a','input_schema':{'type':'object'},'cache_control':{'type':'x'}}]", "cache_control: Input tag" },
	};
	ALL(HEAD HI ",@}", cases);
}

LOOP_TEST(the_answers_form_is_a_closed_schema)
{
	static const struct refusal cases[] = {
		{ "{'effort':'low'}", NULL },
		{ "{'effort':'huge'}", "output_config.effort: Input should be 'low', 'medium'" },
		{ "{'shape':1}", "output_config.shape: Extra inputs are not permitted" },
		{ "[]", "output_config: Input should be a valid dictionary" },
		{ "{'format':{'type':'json'}}", "output_config.format.type: Input should be 'json_schema'" },
		{ "{'format':{'type':'json_schema'}}", "output_config.format.schema: Field required" },
		{ "{'format':{'type':'json_schema','schema':{'type':'object'}}}",
			"output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false" },
		{ "{'format':{'type':'json_schema','schema':{'type':'object','additionalProperties':false,'properties':"
			"{'a':{'type':'object'}}}}}", "output_config.format.schema: For 'object' type" },
		{ "{'format':{'type':'json_schema','schema':{'type':'object','additionalProperties':false,'properties':"
			"{'a':{'type':'string'}}}}}", NULL },
	};
	ALL(HEAD HI ",'output_config':@}", cases);
}

LOOP_TEST(a_server_tool_is_one_of_the_providers)
{
	static const struct refusal cases[] = {
		{ "{'type':'web_search_20250305','name':'web_search','max_uses':3}", NULL },
		{ "{'type':'web_search_20250305','name':'search'}", "tools.0.web_search_20250305.name: Input should be 'web_search'" },
		{ "{'type':'web_search_20250305','name':'web_search','max_uses':0}",
			"tools.0.web_search_20250305.max_uses: Input should be greater than 0" },
		{ "{'type':'web_search_20250305','name':'web_search','allowed_domains':['a'],'blocked_domains':['b']}",
			"tools.0.web_search_20250305: Only one of allowed_domains and blocked_domains" },
		{ "{'type':'web_search_20250305','name':'web_search','input_schema':{}}",
			"tools.0.web_search_20250305.input_schema: Extra inputs are not permitted" },
		{ "{'type':'crystal_ball_20250101','name':'ball'}", "tools.0: Input tag 'crystal_ball_20250101' found" },
		{ "{'type':'code_execution_20250522','name':'code_execution'}", NULL },
	};
	ALL(HEAD HI ",'tools':[@]}", cases);
}

#define SEARCH(id) "{'type':'server_tool_use','id':'" id "','name':'web_search','input':{'query':'x'}}"
#define FOUND(id) "{'type':'web_search_tool_result','tool_use_id':'" id "','content':[]}"

LOOP_TEST(what_a_search_found_goes_back_with_the_search)
{
	static const struct refusal cases[] = {
		{ SEARCH("s1") "," FOUND("s1"), NULL },
		{ SEARCH("s1") "," FOUND("s2"), "messages.1.content.1: unexpected `tool_use_id` found in `web_search_tool_result`" },
		{ FOUND("s1") "," SEARCH("s1"), "messages.1.content.0: unexpected `tool_use_id`" },
		{ "{'type':'server_tool_use','id':'s1','name':'web_search'}",
			"messages.1.content.0.server_tool_use.input: Input should be a valid dictionary" },
		{ "{'type':'web_search_tool_result','tool_use_id':'s1'}",
			"messages.1.content.0.web_search_tool_result.content: Field required" },
	};
	ALL(HEAD "'messages':[{'role':'user','content':'x'},{'role':'assistant','content':[@]},{'role':'user','content':'y'}]}",
		cases);
}

LOOP_TEST(thinking_is_of_a_known_kind)
{
	static const struct refusal cases[] = {
		{ "{'type':'deep'}", "thinking: Input tag 'deep' found using 'type' does not match any of the expected tags" },
		{ "{'type':'adaptive'}", NULL },
		{ "{'type':'between_tools'}", NULL },
	};
	ALL(HEAD HI ",'thinking':@}", cases);
}
