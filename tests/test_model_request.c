/* SPDX-License-Identifier: MIT */
/* What Anthropic is asked beside the conversation, and what the heads of answers say about limits. */
#include "anthropic.h"
#include "clock.h"
#include "http_server.h"
#include "loop.h"
#include "model_case.h"
#include "openai.h"

/* ---- the body ---- */

static const cJSON *parsed(struct arena *a, const char *json)
{
	struct err e = { 0 };
	const cJSON *tree = json_parse(a, model_quoted(a, str_of(json)), &e);
	if (!CHECK(tree))
		printf("      %s\n", json);
	return tree;
}

static struct str body_of(struct arena *a, const struct model_config *c, const struct model_request *rq)
{
	struct err e;
	struct str body = STR("");
	CHECK(anthropic_body(a, c, rq, &body, &e));
	return body;
}

static void check_body(const struct model_config *c, const struct model_request *rq, const char *want)
{
	ARENA_SCOPE(a);
	CHECK_EQ_S(body_of(a, c, rq).p, model_quoted(a, str_of(want)).p);
}

static const struct model_config plain = { .name = "m", .max_tokens = 9 };

TEST(caching_is_asked_for_at_the_top_and_only_when_it_is_on)
{
	ARENA_SCOPE(a);
	struct model_config c = plain;
	struct model_request rq = { .messages = parsed(a, "[]") };
	check_body(&c, &rq, "{'model':'m','max_tokens':9,'stream':true,'messages':[]}");
	c.cache = true;
	check_body(&c, &rq, "{'model':'m','max_tokens':9,'cache_control':{'type':'ephemeral'},'stream':true,'messages':[]}");
}

TEST(a_result_schema_becomes_the_output_format)
{
	ARENA_SCOPE(a);
	struct model_request rq = { .messages = parsed(a, "[]"), .result_schema = parsed(a, "{'type':'object'}") };
	check_body(&plain, &rq, "{'model':'m','max_tokens':9,'output_config':{'format':{'type':'json_schema',"
		"'schema':{'type':'object'}}},'stream':true,'messages':[]}");
}

#define SEARCH "{'type':'web_search_20250305','name':'web_search','max_uses':3}"

TEST(a_web_search_is_a_tool_behind_ours)
{
	ARENA_SCOPE(a);
	struct model_request rq = { .messages = parsed(a, "[]"), .web_searches = 3 };
	check_body(&plain, &rq, "{'model':'m','max_tokens':9,'tools':[" SEARCH "],'stream':true,'messages':[]}");
	rq.tools = parsed(a, "[]");
	check_body(&plain, &rq, "{'model':'m','max_tokens':9,'tools':[" SEARCH "],'stream':true,'messages':[]}");
	rq.tools = parsed(a, "[{'name':'t'}]");
	check_body(&plain, &rq, "{'model':'m','max_tokens':9,'tools':[{'name':'t'}," SEARCH "],'stream':true,'messages':[]}");
}

static cJSON *message_add(cJSON *messages, const char *role, const char *block)
{
	cJSON *message = json_add_object(messages);
	json_put_text(message, "role", role);
	cJSON *content = json_put_array(message, "content");
	json_add_raw(content, block);
	return content;
}

TEST(each_request_of_a_conversation_begins_with_the_bytes_of_the_one_before)
{
	ARENA_SCOPE(a);
	struct model_config c = plain;
	c.cache = true;
	c.thinking_tokens = 2;
	cJSON *messages = json_array(a);
	struct model_request rq = { .system = "s", .messages = messages, .tools = parsed(a, "[{'name':'t'}]"),
		.result_schema = parsed(a, "{}"), .web_searches = 1 };
	struct str before = STR("");
	for (int i = 0; i < 6; i++) {
		message_add(messages, i % 2 ? "assistant" : "user", i % 3 ? "{\"type\":\"text\",\"text\":\"x\"}"
			: "{\"type\":\"reasoning\",\"text\":\"x\"}");
		struct str body = body_of(a, &c, &rq);
		size_t kept = i ? before.n - 2 : 0; /* without ]} */
		CHECK(body.n > kept && memcmp(body.p, before.p, kept) == 0);
		before = body;
	}
}

TEST(thinking_of_another_provider_stays_here)
{
	ARENA_SCOPE(a);
	cJSON *messages = json_array(a);
	message_add(messages, "user", "{\"type\":\"text\",\"text\":\"is reasoning \\\"reasoning\\\"\"}");
	cJSON *content = message_add(messages, "assistant", "{\"type\":\"reasoning\",\"text\":\"hm\"}");
	json_add_raw(content, "{\"type\":\"text\",  \"text\":\"b\"}");
	json_put_text(json_add_object(content), "type", "reasoning");
	message_add(messages, "assistant", "{\"text\":\"alone\",\"type\" : \"reasoning\"}");
	struct model_request rq = { .messages = messages };
	check_body(&plain, &rq, "{'model':'m','max_tokens':9,'stream':true,'messages':[{'role':'user','content':["
		"{'type':'text','text':'is reasoning \\'reasoning\\''}]},{'role':'assistant','content':["
		"{'type':'text',  'text':'b'}]}]}");
}

/* ---- limits ---- */

#define DATE { "date", "Fri, 20 Nov 2026 10:00:00 GMT" }

static void check_rate(const struct model_api *api, const struct http_header *headers, int64_t late_ms,
	const char *want)
{
	ARENA_SCOPE(a);
	struct model_rate r = { 0 };
	struct http_reply reply = { .status = 200, .headers = headers };
	model_rate_read(api, &reply, late_ms, &r);
	CHECK_EQ_S(arena_printf(a, "%ld %ld %ld, %ld %ld %ld", r.requests_limit, r.requests_left, r.requests_reset_ms,
		r.tokens_limit, r.tokens_left, r.tokens_reset_ms), want);
}

#define RATE(thing, limit, left, reset) { "anthropic-ratelimit-" thing "-limit", limit }, \
	{ "anthropic-ratelimit-" thing "-remaining", left }, { "anthropic-ratelimit-" thing "-reset", reset }

TEST(anthropic_s_limits_are_read_and_the_tightest_tokens_count)
{
	const struct http_header all[] = { DATE, RATE("requests", "50", "49", "2026-11-20T10:00:01Z"),
		RATE("tokens", "9000", "800", "2026-11-20T10:00:30Z"),
		RATE("input-tokens", "5000", "700", "2026-11-20T12:00:20.5+02:00"),
		RATE("output-tokens", "1", "1", "2026-11-20T10:00:00Z"), { 0 } };
	check_rate(&anthropic_api, all, 0, "50 49 1000, 5000 700 20500");
	check_rate(&anthropic_api, all, 1500, "50 49 0, 5000 700 19000");
	const struct http_header one[] = { DATE, RATE("tokens", "9000", "800", "2026-11-20T09:00:00Z"), { 0 } };
	check_rate(&anthropic_api, one, 0, "-1 -1 -1, 9000 800 0");
	const struct http_header odd[] = { DATE, RATE("requests", "many", "-1", "soon"),
		RATE("input-tokens", "5", "4", "2026-11-20T10:00:00"), { 0 } };
	check_rate(&anthropic_api, odd, 0, "-1 -1 -1, 5 4 -1");
	const struct http_header none[] = { { 0 } };
	check_rate(&anthropic_api, none, 0, "-1 -1 -1, -1 -1 -1");
}

#define OPENAI_RESET(text) { "x-ratelimit-limit-tokens", "100" }, { "x-ratelimit-remaining-tokens", "7" }, \
	{ "x-ratelimit-reset-tokens", text }

TEST(chat_completions_say_their_limits_as_durations)
{
	static const struct {
		const char *text, *want;
	} resets[] = {
		{ "6m0s", "360000" }, { "1s", "1000" }, { "20ms", "20" }, { "1h2m3.5s", "3723500" }, { "0s", "0" }, { "3", "3000" },
		{ "", "-1" }, { "soon", "-1" }, { "5x", "-1" }, { "-5s", "-1" }, { "1d", "86400000" }, { "400d", "86400000" },
		{ "nan", "-1" }, { ".5s", "-1" }, { "99999999999999999999999h", "86400000" },
	};
	for (size_t i = 0; i < COUNT(resets); i++) {
		ARENA_SCOPE(a);
		const struct http_header all[] = { OPENAI_RESET(resets[i].text), { "x-ratelimit-limit-requests", "60" }, { 0 } };
		check_rate(&openai_api, all, 0, arena_printf(a, "60 -1 -1, 100 7 %s", resets[i].want));
	}
}

/* ---- over HTTP ---- */

struct rig {
	struct http *http;
	struct http_server *server;
	struct group group;
	int status;
	const struct http_header *headers;
	const char *body;
};

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct rig *r = self;
	return http_respond(x, r->status, "application/json", r->headers, e) && http_respond_write(x, str_of(r->body), e);
}

static const char *ask(struct arena *a, const struct model_api *api, struct rig *r, struct model_rate *rate,
	struct err *e)
{
	struct http_server_options o = { .body_bytes = 1 << 20 };
	struct err ignored;
	struct model_turn turn;
	r->http = http_new();
	r->server = http_server_open(&o, &r->group, answer, r, e);
	struct model m = { r->http, { .api = api, .version = "v", .name = "m", .max_tokens = 9, .turn_bytes = 1000 } };
	m.config.base_url = arena_printf(a, "http://127.0.0.1:%d", http_server_port(r->server));
	struct model_request rq = { .messages = json_array(a), .rate = rate };
	bool ok = model_turn(&m, a, &rq, NULL, deadline_in(5000), &turn, e);
	http_server_close(r->server);
	group_wait(&r->group, deadline_in(5000), &ignored);
	http_free(r->http);
	return ok ? "turn" : arena_printf(a, "%s %s", err_kind_name(e->kind), e->code);
}

LOOP_TEST(limits_are_told_whatever_the_answer_is)
{
	const struct http_header headers[] = { { "anthropic-ratelimit-requests-limit", "50" },
		{ "anthropic-ratelimit-requests-remaining", "0" }, { 0 } };
	struct rig r = { .status = 429, .headers = headers, .body = "{}" };
	struct model_rate rate = { 0 };
	CHECK_EQ_S(ask(a, NULL, &r, &rate, e), "busy model_rate_limited");
	CHECK_EQ_I(rate.requests_limit, 50);
	CHECK_EQ_I(rate.requests_left, 0);
	CHECK_EQ_I(rate.tokens_left, -1);
}

LOOP_TEST(a_refusal_that_says_so_is_not_asked_again)
{
	const struct http_header no[] = { { "x-should-retry", "false" }, { "retry-after", "3" }, { 0 } };
	const struct http_header yes[] = { { "x-should-retry", "true" }, { 0 } };
	struct rig r = { .status = 529, .headers = no, .body = "{}" };
	CHECK_EQ_S(ask(a, NULL, &r, NULL, e), "input model_overloaded");
	r = (struct rig){ .status = 401, .headers = no, .body = "{}" };
	CHECK_EQ_S(ask(a, NULL, &r, NULL, e), "refused model_auth");
	r = (struct rig){ .status = 529, .headers = yes, .body = "{}" };
	CHECK_EQ_S(ask(a, NULL, &r, NULL, e), "busy model_overloaded");
}

LOOP_TEST(chat_completions_refuse_in_their_own_words)
{
	static const struct {
		int status;
		const char *body, *outcome, *message;
	} refusals[] = {
		{ 401, "{\"error\":{\"message\":\"Incorrect key\",\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}",
			"refused model_auth", "HTTP 401 invalid_request_error: Incorrect key; check model.api_key" },
		{ 429, "{\"error\":{\"message\":\"q\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
			"refused model_spend_limit", "insufficient_quota: q" },
		{ 429, "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}", "busy model_rate_limited",
			"rate_limit_exceeded: slow" },
		{ 404, "{\"error\":\"model 'x' not found\"}", "input model_rejected", "HTTP 404: model 'x' not found" },
		{ 400, "{\"object\":\"error\",\"message\":\"too long\",\"type\":\"BadRequestError\",\"code\":400}",
			"input model_rejected", "BadRequestError: too long" },
		{ 503, "busy", "busy model_error", "HTTP 503: busy" },
	};
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct http_header id[] = { { "x-request-id", "req_7" }, { 0 } };
		struct rig r = { .status = refusals[i].status, .body = refusals[i].body, .headers = id };
		CHECK_EQ_S(ask(a, &openai_api, &r, NULL, e), refusals[i].outcome);
		if (!CHECK(strstr(e->msg, refusals[i].message)) || !CHECK(strstr(e->msg, "model request req_7: ")))
			printf("      %s\n", e->msg);
	}
}
