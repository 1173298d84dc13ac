/* SPDX-License-Identifier: MIT */
/* Spans as a collector gets them: a stand-in that takes OTLP over real HTTP and checks it against the published names. */
#include "clock.h"
#include "http_server.h"
#include "net.h"
#include "pool_inner.h"
#include "rig_test.h"
#include "span.h"
#include "tracer.h"
#include <unistd.h>

/* ---- the collector ---- */

struct collector {
	struct http_server *server;
	struct group group;
	struct arena *arena;
	cJSON *spans;       /* all that came */
	int posts, answers; /* answers: the status it gives */
	const char *header; /* x-api-key of the last post */
	const char *service;
};

static bool is_hex(const char *text, size_t n)
{
	return text && strlen(text) == n && strspn(text, "0123456789abcdef") == n && strspn(text, "0") < n;
}

/* An AnyValue has exactly one of the protocol's names; whole numbers are text. */
static bool is_value(const cJSON *value)
{
	if (!cJSON_IsObject(value) || cJSON_GetArraySize(value) != 1)
		return false;
	const char *name = value->child->string;
	if (strcmp(name, "intValue") == 0) {
		int64_t n;
		return cJSON_IsString(value->child) && str_to_i64(str_of(value->child->valuestring), &n);
	}
	if (strcmp(name, "arrayValue") == 0)
		return is_value(cJSON_GetArrayItem(json_get(value->child, "values"), 0));
	return strcmp(name, "stringValue") == 0 && cJSON_IsString(value->child);
}

static void check_attributes(const cJSON *list)
{
	const cJSON *one;
	REQUIRE(cJSON_IsArray(list));
	json_each(one, list) {
		CHECK(json_text(one, "key") != NULL && cJSON_GetArraySize(one) == 2);
		CHECK(is_value(json_get(one, "value")));
	}
}

static void check_span(const cJSON *span)
{
	static const char *const known[] = { "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano",
		"endTimeUnixNano", "attributes", "status" };
	const cJSON *member;
	json_each(member, span) {
		bool found = false;
		for (size_t i = 0; i < COUNT(known); i++)
			found |= strcmp(member->string, known[i]) == 0;
		CHECK(found);
	}
	int64_t begins = 0, ends = 0, kind = json_i64(span, "kind", 0);
	CHECK(is_hex(json_text(span, "traceId"), 32) && is_hex(json_text(span, "spanId"), 16));
	CHECK(!json_get(span, "parentSpanId") || is_hex(json_text(span, "parentSpanId"), 16));
	CHECK(str_to_i64(str_of(json_text(span, "startTimeUnixNano")), &begins) && str_to_i64(str_of(json_text(span, "endTimeUnixNano")), &ends));
	CHECK(begins > 1500000000000000000 && ends >= begins);
	CHECK(kind >= 1 && kind <= 5);
	CHECK(json_text(span, "name") && json_text(span, "name")[0]);
	CHECK(cJSON_IsObject(json_get(span, "status")));
	check_attributes(json_get(span, "attributes"));
}

static const char *attribute(const cJSON *list, const char *key)
{
	const cJSON *one;
	json_each(one, list) {
		const cJSON *value = json_get(one, "value");
		if (strcmp(json_text(one, "key"), key) == 0 && json_get(value, "arrayValue"))
			return cJSON_GetArrayItem(json_get(json_get(value, "arrayValue"), "values"), 0)->child->valuestring;
		if (strcmp(json_text(one, "key"), key) == 0)
			return value->child->valuestring;
	}
	return "";
}

static void take_resource(struct collector *c, const cJSON *resource_spans)
{
	const cJSON *scope_spans, *span;
	check_attributes(json_get(json_get(resource_spans, "resource"), "attributes"));
	c->service = attribute(json_get(json_get(resource_spans, "resource"), "attributes"), "service.name");
	json_each(scope_spans, json_get(resource_spans, "scopeSpans")) {
		CHECK_EQ_S(json_text(json_get(scope_spans, "scope"), "name"), "drover");
		json_each(span, json_get(scope_spans, "spans")) {
			check_span(span);
			json_add_copy(c->spans, span);
		}
	}
}

static bool collect(void *self, struct http_exchange *x, struct err *e)
{
	struct collector *c = self;
	const cJSON *body = json_parse(c->arena, http_exchange_body(x), e), *one;
	const char *header = http_exchange_header(x, "x-api-key");
	c->posts++;
	c->header = arena_text(c->arena, str_of(header));
	CHECK(body != NULL && cJSON_GetArraySize(body) == 1);
	CHECK_EQ_S(http_exchange_method(x), "POST");
	CHECK_EQ_S(http_exchange_path(x), "/v1/traces");
	CHECK_EQ_S(http_exchange_header(x, "content-type"), "application/json");
	json_each(one, json_get(body, "resourceSpans"))
		take_resource(c, one);
	return http_respond(x, c->answers, "application/json", NULL, e) && http_respond_write(x, STR("{}"), e);
}

static void collector_end(void *self)
{
	struct collector *c = self;
	struct err ignored = { 0 };
	http_server_close(c->server);
	group_wait(&c->group, NEVER_MS, &ignored);
}

static struct collector *collector_new(struct arena *a, struct rig *r)
{
	struct err e = { 0 };
	struct collector *c = arena_alloc(a, sizeof(*c));
	*c = (struct collector){ .arena = a, .spans = json_array(a), .answers = 200, .header = "", .service = "" };
	struct http_server_options o = { .body_bytes = 8 * 1024 * 1024 };
	c->server = http_server_open(&o, &c->group, collect, c, &e);
	arena_defer(a, collector_end, c);
	r->config.traces_url = arena_printf(a, "http://127.0.0.1:%d/v1/traces", http_server_port(c->server));
	r->config.traces_header = "x-api-key=the=key";
	r->config.traces_percent = 100;
	return c;
}

static const cJSON *span_of(const struct collector *c, const char *name)
{
	const cJSON *span;
	json_each(span, c->spans)
		if (strcmp(json_text(span, "name"), name) == 0)
			return span;
	return NULL;
}

/* ---- a run with a turn and a call ---- */

#define SECRET "what was said"

static bool run_traced(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct span chat, tool;
	span_begin(&chat, run->span, SPAN_CLIENT, "chat %s", "claude-test");
	span_text(&chat, SPAN_OPERATION, "chat");
	span_text(&chat, SPAN_PROVIDER, "anthropic");
	span_text(&chat, SPAN_REQUEST_MODEL, "claude-test");
	span_text(&chat, SPAN_RESPONSE_MODEL, NULL);
	span_text(&chat, SPAN_FINISH_REASON, "tool_use");
	span_i64(&chat, SPAN_INPUT_TOKENS, 1200);
	span_i64(&chat, SPAN_OUTPUT_TOKENS, 34);
	bool ok = loop_sleep(2, e);
	span_end(&chat, NULL);
	span_begin(&tool, run->span, SPAN_INTERNAL, "execute_tool %s", "project_search");
	span_text(&tool, SPAN_TOOL_NAME, "project_search");
	span_text(&tool, SPAN_TOOL_CALL, "call \"1\"");
	struct err refused = { 0 };
	FAIL(&refused, ERR_INPUT, "not_found", SECRET);
	span_end(&tool, &refused);
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{}", .message = SECRET };
	return ok;
}

static const struct agent traced = { .type = "traced", .name = "tracy", .text = "Is traced.", .prompt = SECRET, .run = run_traced,
	.tools = (const struct tool *const[]){ NULL } };
static const struct agent *const agents[] = { &traced, NULL };

#define NO_SCRIPT "replies:\n  - reply: unused\n"

static int64_t ask_in(struct arena *a, struct rig *r, const char *context)
{
	int64_t id = 0;
	str_to_i64(str_of(test_ask(a, r->owner, arena_printf(a, "insert into agent_requests (type, request, context) values "
		"('traced', '" SECRET "', '%s') returning id", context))), &id);
	return id;
}

RIG_TEST(a_request_is_a_trace_of_spans_that_say_what_ran_and_not_what_was_said, NO_SCRIPT)
{
	struct collector *c = collector_new(a, r);
	r->config.agents = agents;
	REQUIRE_OK(rig_start(r, e));
	int64_t id = ask_in(a, r, "{}");
	CHECK_FATE(id, "completed 1");
	REQUIRE_OK(rig_stop(r, e));
	CHECK_EQ_I(cJSON_GetArraySize(c->spans), 4);
	const cJSON *root = span_of(c, "request"), *agent = span_of(c, "invoke_agent tracy"), *chat = span_of(c, "chat claude-test"),
		*tool = span_of(c, "execute_tool project_search");
	REQUIRE(root && agent && chat && tool);
	CHECK(!json_get(root, "parentSpanId"));
	CHECK_EQ_S(json_text(agent, "parentSpanId"), json_text(root, "spanId"));
	CHECK_EQ_S(json_text(chat, "parentSpanId"), json_text(agent, "spanId"));
	CHECK_EQ_S(json_text(tool, "parentSpanId"), json_text(agent, "spanId"));
	CHECK_EQ_S(json_text(tool, "traceId"), json_text(root, "traceId"));
	CHECK_EQ_I(json_i64(root, "kind", 0), SPAN_CONSUMER);
	CHECK_EQ_I(json_i64(chat, "kind", 0), SPAN_CLIENT);
	const cJSON *said = json_get(chat, "attributes");
	CHECK_EQ_S(attribute(said, "gen_ai.operation.name"), "chat");
	CHECK_EQ_S(attribute(said, "gen_ai.provider.name"), "anthropic");
	CHECK_EQ_S(attribute(said, "gen_ai.request.model"), "claude-test");
	CHECK_EQ_S(attribute(said, "gen_ai.response.finish_reasons"), "tool_use");
	CHECK_EQ_S(attribute(said, "gen_ai.usage.input_tokens"), "1200");
	CHECK_EQ_S(attribute(said, "gen_ai.usage.output_tokens"), "34");
	CHECK_EQ_S(attribute(json_get(agent, "attributes"), "gen_ai.agent.name"), "tracy");
	CHECK_EQ_S(attribute(json_get(tool, "attributes"), "gen_ai.tool.call.id"), "call \"1\"");
	CHECK_EQ_S(attribute(json_get(tool, "attributes"), "error.type"), "not_found");
	CHECK_EQ_I(json_i64(json_get(tool, "status"), "code", 0), 2);
	CHECK_EQ_I(json_i64(json_get(chat, "status"), "code", 0), 0);
	CHECK_EQ_S(attribute(json_get(root, "attributes"), "drover.request.id"), arena_printf(a, "%ld", (long)id));
	CHECK(!strstr(json_print(a, c->spans), SECRET));
	CHECK_EQ_S(c->service, "drover");
	CHECK_EQ_S(c->header, "the=key");
}

RIG_TEST(a_trace_goes_on_where_the_app_began_it, NO_SCRIPT)
{
	struct collector *c = collector_new(a, r);
	r->config.agents = agents;
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(ask_in(a, r, "{\"traceparent\": \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}"), "completed 1");
	REQUIRE_OK(rig_stop(r, e));
	const cJSON *root = span_of(c, "request");
	REQUIRE(root);
	CHECK_EQ_S(json_text(root, "traceId"), "0af7651916cd43dd8448eb211c80319c");
	CHECK_EQ_S(json_text(root, "parentSpanId"), "b7ad6b7169203331");
	CHECK_EQ_S(json_text(span_of(c, "chat claude-test"), "traceId"), "0af7651916cd43dd8448eb211c80319c");
}

/* ---- ids and samples ---- */

TEST(a_trace_follows_from_session_request_and_attempt_and_a_wrong_parent_is_none)
{
	static const char *const wrong[] = { NULL, "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319cxb7ad6b7169203331-01" };
	struct tracer *t = tracer_new(100);
	struct span first, again;
	span_begin_run(&first, t, "session", 7, 1, 1, NULL);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		span_begin_run(&again, t, "session", 7, 1, 1, wrong[i]);
		CHECK(again.tracer && memcmp(first.trace, again.trace, sizeof(first.trace)) == 0 && first.id == again.id && !again.parent);
	}
	span_begin_run(&again, t, "session", 7, 2, 1, NULL);
	CHECK(memcmp(first.trace, again.trace, sizeof(first.trace)) != 0);
	span_begin_run(&again, t, "session", 8, 1, 1, NULL);
	CHECK(memcmp(first.trace, again.trace, sizeof(first.trace)) != 0);
	span_begin_run(&again, t, "another", 7, 1, 1, NULL);
	CHECK(memcmp(first.trace, again.trace, sizeof(first.trace)) != 0);
	span_begin_run(&again, t, "session", 7, 1, 2, NULL);
	CHECK(memcmp(first.trace, again.trace, sizeof(first.trace)) == 0 && first.id != again.id);
	tracer_free(t);
}

TEST(a_share_of_the_traces_is_taken_and_the_same_by_every_worker)
{
	struct tracer *t = tracer_new(20), *other = tracer_new(20);
	struct span s, same;
	int taken = 0;
	for (int id = 0; id < 10000; id++) {
		span_begin_run(&s, t, "session", id, 1, 1, NULL);
		span_begin_run(&same, other, "session", id, 1, 1, NULL);
		taken += s.tracer != NULL;
		CHECK((s.tracer != NULL) == (same.tracer != NULL));
	}
	CHECK(taken > 1800 && taken < 2200);
	struct span child;
	span_begin_run(&s, NULL, "session", 1, 1, 1, NULL);
	span_begin(&child, &s, SPAN_CLIENT, "chat");
	span_text(&child, SPAN_OPERATION, "chat");
	span_end(&child, NULL);
	CHECK(!s.tracer && !child.tracer);
	tracer_free(t);
	tracer_free(other);
}

TEST(what_finds_no_room_is_dropped_and_counted)
{
	struct tracer *t = tracer_new(100);
	struct span s;
	int64_t n = 0;
	while (!t->dropped && n < 100000) {
		span_begin_run(&s, t, "session", n++, 1, 1, NULL);
		span_end(&s, NULL);
	}
	CHECK_EQ_I(t->dropped, 1);
	CHECK_EQ_I((int64_t)t->n, n - 1);
	CHECK(t->ready.n <= t->ready.limit);
	tracer_free(t);
}

/* ---- a collector that is no help ---- */

RIG_TEST(without_a_collector_requests_go_on_and_spans_are_counted_as_lost, NO_SCRIPT)
{
	collector_new(a, r);
	int port;
	close(net_listen(1, &port));
	r->config.traces_url = arena_printf(a, "http://127.0.0.1:%d/v1/traces", port);
	r->config.agents = agents;
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(ask_in(a, r, "{}"), "completed 1");
	for (int i = 0; i < 2500 && !r->pool->tracer->dropped; i++)
		loop_sleep(2, e);
	CHECK_EQ_I(r->pool->tracer->dropped, 4);
	CHECK_EQ_I(r->pool->tracer->sent, 0);
}

RIG_TEST(a_collector_that_refuses_is_a_loss_too, NO_SCRIPT)
{
	struct collector *c = collector_new(a, r);
	c->answers = 503;
	r->config.agents = agents;
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(ask_in(a, r, "{}"), "completed 1");
	for (int i = 0; i < 2500 && !r->pool->tracer->dropped; i++)
		loop_sleep(2, e);
	CHECK_EQ_I(r->pool->tracer->dropped, 4);
	CHECK_EQ_I(c->posts, 1);
}

RIG_TEST(nothing_is_traced_unless_somebody_asks, NO_SCRIPT)
{
	r->config.agents = agents;
	REQUIRE_OK(rig_start(r, e));
	CHECK(!r->pool->tracer);
	CHECK_FATE(ask_in(a, r, "{}"), "completed 1");
}
