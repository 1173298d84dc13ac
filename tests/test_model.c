/* SPDX-License-Identifier: MIT */
/* A turn over real HTTP: what is sent, and what each way of answering badly comes to. */
#include "clock.h"
#include "http_server.h"
#include "loop.h"
#include "model.h"
#include "test.h"

enum { ANSWER_BYTES = 100000, SECOND_MS = 1000 };

enum ending { ENDS, CUTS, RESETS, STALLS };

/* What the server says to every request. */
struct page {
	int status;
	const char *type;
	const char *body;
	enum ending ending;
	size_t times;                      /* body is written so often; 0 = once */
	const struct http_header *headers;
};

struct rig {
	struct http *http;
	struct http_server *server;
	struct group group;
	const struct page *page;
	struct model model;
	size_t requests;
	struct buf *head, *body;           /* of the last request */
};

/* ---- the thoughts, recorded ---- */

struct thoughts {
	struct buf *seen;
};

void thought_delta(struct thoughts *t, enum thought_kind kind, struct str piece)
{
	buf_printf(t->seen, "%s(%.*s)", kind == THOUGHT_TEXT ? "text" : "thinking", STR_ARGS(piece));
}

/* ---- the server ---- */

static void record(struct rig *r, struct http_exchange *x)
{
	static const char *const names[] = {
		"anthropic-version", "content-type", "user-agent", "authorization", "x-api-key",
	};
	r->requests++;
	buf_clear(r->head);
	buf_clear(r->body);
	buf_printf(r->head, "%s %s", http_exchange_method(x), http_exchange_path(x));
	for (size_t i = 0; i < COUNT(names); i++)
		if (http_exchange_header(x, names[i]))
			buf_printf(r->head, "\n%s: %s", names[i], http_exchange_header(x, names[i]));
	buf_add(r->body, http_exchange_body(x));
}

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct rig *r = self;
	const struct page *p = r->page;
	record(r, x);
	if (p->ending == CUTS || p->ending == RESETS)
		http_respond_cut(x, p->ending == RESETS);
	bool ok = http_respond(x, p->status, p->type, p->headers, e);
	for (size_t i = 0; ok && i < MAX_OF(p->times, (size_t)1); i++)
		ok = http_respond_write(x, str_of(p->body), e);
	/* A cut waits a little, so that the client has the body before. */
	return ok && (p->ending == ENDS || loop_sleep(p->ending == STALLS ? 60 * SECOND_MS : 20, e));
}

/* ---- the client ---- */

static bool rig_open(struct rig *r, struct arena *a, struct err *e)
{
	struct http_server_options o = { .body_bytes = 1 << 20 };
	r->head = buf_new(a, 10000);
	r->body = buf_new(a, 1 << 20);
	r->http = http_new();
	r->server = http_server_open(&o, &r->group, answer, r, e);
	r->model = (struct model){ r->http, { .version = "2026-10-21", .name = "claude-test", .max_tokens = 4096,
		.api_key = "sk-secret-key", .turn_bytes = ANSWER_BYTES,
		.limits = { .connect_ms = SECOND_MS, .first_byte_ms = SECOND_MS, .stall_ms = 100 } } };
	if (r->server)
		r->model.config.base_url = arena_printf(a, "http://127.0.0.1:%d", http_server_port(r->server));
	return r->server != NULL;
}

static void rig_close(struct rig *r)
{
	struct err e;
	http_server_close(r->server);
	group_wait(&r->group, deadline_in(5 * SECOND_MS), &e);
	CHECK_EQ_I(http_running(r->http), 0);
	http_free(r->http);
}

static const cJSON *parsed(struct arena *a, const char *json)
{
	struct err e;
	const cJSON *tree = json_parse(a, str_of(json), &e);
	CHECK(tree);
	return tree;
}

static struct model_request hello(struct arena *a)
{
	static const char messages[] = "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]";
	return (struct model_request){ .messages = parsed(a, messages) };
}

/* "kind code" of the answer that this page gives, "turn" for a turn; the error is in *e. */
static const char *ask(struct arena *a, struct rig *r, const struct page *page, struct model_turn *turn, struct err *e)
{
	struct model_request rq = hello(a);
	r->page = page;
	*e = (struct err){ 0 };
	if (model_turn(&r->model, a, &rq, NULL, deadline_in(10 * SECOND_MS), turn, e))
		return "turn";
	CHECK_EQ_I(turn->n, 0); /* untouched */
	CHECK(!turn->stop_reason);
	CHECK(!strstr(e->msg, "secret"));
	CHECK(utf8_valid(str_of(e->msg)));
	return arena_printf(a, "%s %s", err_kind_name(e->kind), e->code);
}

static const char *ask_once(struct arena *a, const struct page *page, struct err *e)
{
	struct rig r = { 0 };
	struct model_turn turn = { 0 };
	const char *outcome = "no server";
	if (CHECK(rig_open(&r, a, e)))
		outcome = ask(a, &r, page, &turn, e);
	rig_close(&r);
	return outcome;
}

/* ---- pages ---- */

#define STREAM 200, "text/event-stream; charset=utf-8"
#define EVENT(name, json) "event: " name "\ndata: {\"type\":\"" name "\"" json "}\n\n"
#define BEGIN EVENT("message_start", ",\"message\":{\"id\":\"m1\",\"model\":\"c1\",\"usage\":{\"input_tokens\":3}}") \
	EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define DELTA(text) ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}"
#define PIECE(text) EVENT("content_block_delta", DELTA(text))
#define FINISH EVENT("content_block_stop", ",\"index\":0") \
	EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}") EVENT("message_stop", "")
#define HTML "<html>\n<head><title>502 Bad   Gateway</title></head>\n<body>try again</body></html>"
#define ERROR_BODY(type, message) "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}," \
	"\"request_id\":\"req_body\"}"

static const struct page good = { STREAM, BEGIN PIECE("Hel") PIECE("lo") FINISH };

LOOP_TEST(an_answer_is_a_turn_and_is_shown_while_it_comes)
{
	struct rig r = { .page = &good };
	struct model_turn turn = { 0 };
	struct thoughts thoughts = { buf_new(a, 1000) };
	struct model_request rq = hello(a);
	REQUIRE_OK(rig_open(&r, a, e));
	if (CHECK(model_turn(&r.model, a, &rq, &thoughts, NEVER_MS, &turn, e))) {
		CHECK_EQ_I(turn.n, 1);
		CHECK_EQ_S(turn.blocks[0].text, "Hello");
		CHECK_EQ_S(turn.blocks[0].raw, "{\"type\":\"text\",\"text\":\"Hello\"}");
		CHECK_EQ_S(turn.stop_reason, "end_turn");
		CHECK_EQ_S(turn.message_id, "m1");
		CHECK_EQ_S(turn.model, "c1");
		CHECK_EQ_I(turn.usage.input_tokens, 3);
	}
	CHECK_EQ_S(buf_str(thoughts.seen).p, "text(Hel)text(lo)");
	rig_close(&r);
}

/* ---- the request ---- */

static const char *sent(struct arena *a, struct rig *r, const struct model_request *rq, struct err *e)
{
	struct model_turn turn;
	r->page = &good;
	return model_turn(&r->model, a, rq, NULL, NEVER_MS, &turn, e) ? arena_text(a, buf_str(r->body)) : e->msg;
}

#define MESSAGES "\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}"
#define TOOLS "[{\"name\":\"t\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]"

LOOP_TEST(the_body_is_the_same_byte_for_byte)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	struct model_request rq = hello(a);
	static const char plain[] = "{\"model\":\"claude-test\",\"max_tokens\":4096," MESSAGES;
	CHECK_EQ_S(sent(a, &r, &rq, e), plain);
	CHECK_EQ_S(sent(a, &r, &rq, e), plain);
	rq.system = "";
	CHECK_EQ_S(sent(a, &r, &rq, e), plain);

	rq.system = "Be \"brief\".";
	rq.tools = parsed(a, TOOLS);
	rq.name = "other";
	rq.max_tokens = 100;
	r.model.config.thinking_tokens = 2048; /* does not fit into 100 */
	static const char full[] = "{\"model\":\"other\",\"max_tokens\":100,\"system\":\"Be \\\"brief\\\".\","
		"\"tools\":" TOOLS "," MESSAGES;
	CHECK_EQ_S(sent(a, &r, &rq, e), full);
	CHECK_EQ_S(sent(a, &r, &rq, e), full);
	rig_close(&r);
}

LOOP_TEST(thinking_is_asked_for_unless_a_tool_is_forced)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	struct model_request rq = hello(a);
	r.model.config.thinking_tokens = 2048;
	CHECK_EQ_S(sent(a, &r, &rq, e), "{\"model\":\"claude-test\",\"max_tokens\":4096,"
		"\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}," MESSAGES);
	rq.tools = parsed(a, TOOLS);
	rq.force_tool = "t";
	CHECK_EQ_S(sent(a, &r, &rq, e), "{\"model\":\"claude-test\",\"max_tokens\":4096,\"tools\":" TOOLS ","
		"\"tool_choice\":{\"type\":\"tool\",\"name\":\"t\",\"disable_parallel_tool_use\":true}," MESSAGES);
	rq = hello(a);
	rq.max_tokens = 2048; /* must exceed the budget */
	CHECK_EQ_S(sent(a, &r, &rq, e), "{\"model\":\"claude-test\",\"max_tokens\":2048," MESSAGES);
	rig_close(&r);
}

LOOP_TEST(raw_blocks_go_out_as_they_are)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	cJSON *messages = json_array(a), *message = json_add_object(messages);
	json_put_text(message, "role", "assistant");
	json_add_raw(json_put_array(message, "content"), "{\"type\":\"thinking\",  \"signature\":\"a/b+\\u0041\"}");
	struct model_request rq = { .messages = messages };
	CHECK(strstr(sent(a, &r, &rq, e), "\"content\":[{\"type\":\"thinking\",  \"signature\":\"a/b+\\u0041\"}]}]}"));
	rig_close(&r);
}

#define HEAD "POST /v1/messages\nanthropic-version: 2026-10-21\ncontent-type: application/json\n" \
	"user-agent: drover/" DROVER_VERSION

LOOP_TEST(the_key_goes_into_the_header_that_the_setting_names)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	struct model_request rq = hello(a);
	sent(a, &r, &rq, e);
	CHECK_EQ_S(buf_str(r.head).p, HEAD "\nx-api-key: sk-secret-key");
	r.model.config.key_as_bearer = true;
	sent(a, &r, &rq, e);
	CHECK_EQ_S(buf_str(r.head).p, HEAD "\nauthorization: Bearer sk-secret-key");
	r.model.config.api_key = "";
	sent(a, &r, &rq, e);
	CHECK_EQ_S(buf_str(r.head).p, HEAD);
	r.model.config.api_key = NULL;
	r.model.config.base_url = arena_printf(a, "%s//", r.model.config.base_url);
	sent(a, &r, &rq, e);
	CHECK_EQ_S(buf_str(r.head).p, HEAD);
	rig_close(&r);
}

LOOP_TEST(a_request_that_no_api_takes_is_not_sent)
{
	struct rig r = { 0 };
	struct model_turn turn;
	REQUIRE_OK(rig_open(&r, a, e));
	cJSON *messages = json_array(a);
	char *text = arena_alloc(a, (8 << 20) + 1);
	memset(text, 'x', 8 << 20);
	for (int i = 0; i < 4; i++)
		json_add_text(messages, text);
	struct model_request rq = { .messages = messages };
	CHECK(!model_turn(&r.model, a, &rq, NULL, NEVER_MS, &turn, e));
	CHECK_EQ_S(e->code, "request_too_large");
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK(strstr(e->msg, "33554432"));
	CHECK_EQ_I(r.requests, 0);
	rig_close(&r);
}

/* ---- refusals ---- */

static const struct {
	struct page page;
	const char *outcome, *message; /* a part of it */
} refusals[] = {
	{ { 400, "application/json", ERROR_BODY("invalid_request_error", "max_tokens: too large") },
		"input model_rejected",
		"HTTP 400 invalid_request_error: max_tokens: too large (request-id req_body)" },
	{ { 401, "application/json", ERROR_BODY("authentication_error", "no sk-secret-key here") },
		"refused model_auth",
		"HTTP 401 authentication_error: no [key] here; check model.api_key" },
	{ { 402, "application/json", ERROR_BODY("billing_error", "b") }, "refused model_billing", "HTTP 402" },
	{ { 403, "application/json", ERROR_BODY("permission_error", "p") }, "refused model_auth", "HTTP 403" },
	{ { 404, "application/json", ERROR_BODY("not_found_error", "model: x") },
		"input model_rejected", "model.base_url" },
	{ { 408, "text/plain", "" }, "busy model_error", "HTTP 408" },
	{ { 409, "application/json", ERROR_BODY("conflict_error", "c") }, "busy model_error", "HTTP 409" },
	{ { 413, "application/json", ERROR_BODY("request_too_large", "r") }, "input model_rejected", "HTTP 413" },
	{ { 422, "application/json", "{\"error\":\"odd\"}" }, "input model_rejected", "HTTP 422: odd" },
	{ { 429, "application/json", ERROR_BODY("rate_limit_error", "slow down") },
		"busy model_rate_limited", "slow down" },
	{ { 429, "application/json", "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\",\"details\":"
		"{\"error_code\":\"contract_spend_limit_reached\"}}}" }, "refused model_spend_limit", "spend limit" },
	{ { 500, "application/json", ERROR_BODY("api_error", "oops") },
		"busy model_error", "HTTP 500 api_error: oops" },
	{ { 500, "text/html", HTML }, "busy model_error",
		"HTTP 500: <html> <head><title>502 Bad Gateway</title></head> <body>try again</body></html>" },
	{ { 500, "text/html", "caf\xE9 \xFF" }, "busy model_error", "HTTP 500: caf\xEF\xBF\xBD \xEF\xBF\xBD" },
	{ { 503, "text/event-stream", HTML }, "busy model_error", "HTTP 503: <html>" },
	{ { 504, "application/json", ERROR_BODY("timeout_error", "t") }, "busy model_error", "HTTP 504" },
	{ { 529, "application/json", ERROR_BODY("overloaded_error", "Overloaded") },
		"busy model_overloaded", "Overloaded" },
	{ { 200, "text/html", HTML },
		"busy model_garbage", "with text/html, not with an event stream: \"<html> <head>" },
	{ { 200, "application/json", "{\"type\":\"message\"}" }, "busy model_garbage", "\"{\"type\":\"message\"}\"" },
	{ { 200, NULL, "x" }, "busy model_garbage", "no content type" },
	{ { 200, "text/event-streams", BEGIN FINISH }, "busy model_garbage", "text/event-streams" },
	{ { 302, "text/html", "moved" }, "busy model_garbage", "HTTP 302" },
	{ { 204, "text/event-stream", "" }, "busy model_garbage", "HTTP 204" },
	{ { 401, "application/json", "{\"type\":\"error\",\"error\":{", CUTS },
		"refused model_auth", "HTTP 401: {\"type\"" },
	{ { 529, "application/json", "{", STALLS }, "busy model_overloaded", "HTTP 529" },
	{ { 500, "text/html", "<p>endless</p>", ENDS, 800000 }, "busy model_error", "HTTP 500: <p>endless</p>" },
	{ { 200, "text/html", "<p>endless</p>", ENDS, 800000 }, "busy model_garbage", "\"<p>endless</p>" },
};

LOOP_TEST(every_refusal_has_its_kind_its_code_and_the_provider_s_words)
{
	for (size_t i = 0; i < COUNT(refusals); i++) {
		bool ok = CHECK_EQ_S(ask_once(a, &refusals[i].page, e), refusals[i].outcome);
		if (!ok || !CHECK(strstr(e->msg, refusals[i].message)))
			printf("      HTTP %d: %s\n", refusals[i].page.status, e->msg);
		CHECK_EQ_I(e->retry_after_ms, 0);
	}
}

#define DATE(time) "Fri, 20 Nov 2026 " time " GMT"

static const struct {
	const char *name, *value, *date;
	int64_t ms;
} waits[] = {
	{ "Retry-After", "30", NULL, 30000 },
	{ "Retry-After", "1.5", NULL, 1500 },
	{ "Retry-After", "0", NULL, 0 },
	{ "Retry-After", "soon", NULL, 0 },
	{ "Retry-After", "-5", NULL, 0 },
	{ "Retry-After", "99999999999999999999", NULL, 24 * 3600 * 1000 },
	{ "Retry-After-Ms", "1234", NULL, 1234 },
	{ "Retry-After-Ms", "nan", NULL, 0 },
	{ "Retry-After", DATE("10:00:30"), DATE("10:00:00"), 30000 },
	{ "Retry-After", DATE("09:00:00"), DATE("10:00:00"), 0 },
	{ "Retry-After", "Friday, 20-Nov-26 10:00:30 GMT", DATE("10:00:00"), 30000 },
	{ "Retry-After", "Fri Nov 20 10:00:30 2026", DATE("10:00:00"), 30000 },
};

LOOP_TEST(the_time_to_come_back_is_read_in_every_form)
{
	for (size_t i = 0; i < COUNT(waits); i++) {
		struct http_header headers[] = { { waits[i].name, waits[i].value }, { "Date", waits[i].date }, { 0 } };
		if (!waits[i].date)
			headers[1] = (struct http_header){ 0 };
		struct page page = { 429, "application/json", ERROR_BODY("rate_limit_error", "m"), ENDS, 1, headers };
		CHECK_EQ_S(ask_once(a, &page, e), "busy model_rate_limited");
		if (!CHECK_EQ_I(e->retry_after_ms, waits[i].ms))
			printf("      %s: %s\n", waits[i].name, waits[i].value);
	}
	struct http_header both[] = { { "Retry-After", "30" }, { "Retry-After-Ms", "70" }, { 0 } };
	struct page page = { 529, "text/plain", "", ENDS, 1, both };
	CHECK_EQ_S(ask_once(a, &page, e), "busy model_overloaded");
	CHECK_EQ_I(e->retry_after_ms, 70);
}

LOOP_TEST(the_request_id_is_in_the_message)
{
	struct http_header id[] = { { "request-id", "req_head" }, { 0 } };
	struct page page = { 500, "text/plain", "", ENDS, 1, id };
	CHECK_EQ_S(ask_once(a, &page, e), "busy model_error");
	CHECK(strstr(e->msg, "model request req_head: the model answered HTTP 500"));
	page = (struct page){ STREAM, BEGIN, ENDS, 1, id };
	CHECK_EQ_S(ask_once(a, &page, e), "net model_cut");
	CHECK(strstr(e->msg, "model request req_head: "));
	struct http_header same[] = { { "request-id", "req_body" }, { 0 } };
	page = (struct page){ 500, "application/json", ERROR_BODY("api_error", "oops"), ENDS, 1, same };
	CHECK_EQ_S(ask_once(a, &page, e), "busy model_error");
	CHECK_EQ_S(e->msg, "the model answered HTTP 500 api_error: oops (request-id req_body)");
	struct http_header echo[] = { { "request-id", "sk-secret-key" }, { 0 } };
	page = (struct page){ 500, "text/plain", "", ENDS, 1, echo };
	CHECK_EQ_S(ask_once(a, &page, e), "busy model_error");
	CHECK(strstr(e->msg, "model request [key]"));
}

/* ---- streams that end badly ---- */

static const struct {
	struct page page;
	const char *outcome, *message;
} endings[] = {
	{ { STREAM, BEGIN PIECE("half") }, "net model_cut", "without message_stop" },
	{ { STREAM, BEGIN PIECE("half"), CUTS }, "net model_cut", "the model's answer broke off" },
	{ { STREAM, BEGIN PIECE("half"), RESETS }, "net model_cut", "the model's answer broke off" },
	{ { STREAM, BEGIN PIECE("half"), STALLS }, "timeout stall_timeout", "100 ms" },
	{ { STREAM, "" }, "net model_cut", "after 0 bytes" },
	{ { STREAM, "", CUTS }, "net model_cut", "broke off" },
	{ { STREAM, BEGIN FINISH, CUTS }, "turn", "" },
	{ { STREAM, BEGIN FINISH, STALLS }, "turn", "" },
	{ { STREAM, BEGIN EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
		STALLS },
		"busy model_overloaded", "the model broke off its answer: overloaded_error: Overloaded" },
	{ { STREAM, BEGIN BEGIN, STALLS }, "busy model_garbage", "message_start" },
	{ { STREAM, BEGIN FINISH BEGIN, STALLS }, "busy model_garbage", "after message_stop" },
	{ { STREAM, "10 MB of it without a line end ", ENDS, 350000 }, "busy model_garbage", "no event stream" },
	{ { STREAM, "10 MB of it in\nlines that are no fields\n", ENDS, 260000 },
		"busy model_garbage", "no event stream" },
	{ { STREAM, "data: 10 MB of it in fields\n\n", ENDS, 350000 }, "net model_cut", "without message_stop" },
	{ { STREAM, "data: 10 MB of it in one event\n", ENDS, 350000 },
		"input answer_too_large", "model.answer_bytes" },
	{ { STREAM, "event: ping\ndata: never ended ", ENDS, 10 }, "busy model_garbage", "no event" },
};

LOOP_TEST(a_stream_that_ends_badly_is_an_error_that_says_how)
{
	for (size_t i = 0; i < COUNT(endings); i++) {
		bool ok = CHECK_EQ_S(ask_once(a, &endings[i].page, e), endings[i].outcome);
		if (!ok || !CHECK(strstr(e->msg, endings[i].message)))
			printf("      %.60s ...: %s\n", endings[i].page.body, e->msg);
	}
}

/* Sends pieces of the page until the client leaves. */
static bool answer_endless(void *self, struct http_exchange *x, struct err *e)
{
	struct rig *r = self;
	bool ok = http_respond(x, r->page->status, r->page->type, NULL, e) && http_respond_write(x, STR(BEGIN), e);
	for (r->requests = 0; ok; r->requests++)
		ok = http_respond_write(x, str_of(r->page->body), e);
	return false;
}

static void check_endless(struct arena *a, const struct page *page, size_t at_least, const char *outcome, struct err *e)
{
	struct rig r = { 0 };
	struct model_turn turn = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	http_server_close(r.server);
	r.server = http_server_open(&(struct http_server_options){ 0 }, &r.group, answer_endless, &r, e);
	REQUIRE_OK(r.server != NULL);
	r.model.config.base_url = arena_printf(a, "http://127.0.0.1:%d", http_server_port(r.server));
	r.model.config.limits.total_ms = 5 * SECOND_MS;
	CHECK_EQ_S(ask(a, &r, page, &turn, e), outcome);
	struct err ignored;
	CHECK(group_wait(&r.group, deadline_in(5 * SECOND_MS), &ignored)); /* the handler has noticed */
	CHECK(r.requests >= at_least);
	rig_close(&r);
}

LOOP_TEST(an_endless_answer_is_left_at_the_limit)
{
	static const struct page answer_page = { 200, "text/event-stream", PIECE("0123456789") };
	check_endless(a, &answer_page, ANSWER_BYTES / 10 - 10, "input answer_too_large", e);
	CHECK(strstr(e->msg, "100000 bytes"));
	CHECK(strstr(e->msg, "model.answer_bytes"));
}

LOOP_TEST(an_endless_page_is_left_after_its_beginning)
{
	static const struct page html = { 200, "text/html", "<p>" }, gone = { 502, "text/html", "<p>" };
	int64_t start = clock_ms();
	check_endless(a, &html, 1, "busy model_garbage", e);
	check_endless(a, &gone, 1, "busy model_error", e);
	CHECK(clock_ms() - start < 4 * SECOND_MS);
}

LOOP_TEST(a_server_that_is_not_there_is_a_network_error)
{
	struct rig r = { 0 };
	struct model_turn turn = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	http_server_close(r.server);
	r.server = NULL;
	CHECK_EQ_S(ask(a, &r, &good, &turn, e), "net http_unreachable");
	rig_close(&r);
}

/* ---- waiting ---- */

struct asking {
	struct rig *rig;
	struct arena *arena;
	int64_t deadline, parks;
	struct model_turn turn;
	struct err error;
	bool ok;
};

static bool ask_in_fiber(void *arg, struct err *e)
{
	struct asking *k = arg;
	struct model_request rq = hello(k->arena);
	k->ok = model_turn(&k->rig->model, k->arena, &rq, NULL, k->deadline, &k->turn, &k->error);
	(void)e;
	return true;
}

static void check_cancel(struct arena *a, const struct page *page, struct err *e)
{
	struct rig r = { .page = page };
	struct group g = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	r.model.config.limits.stall_ms = 0;
	struct asking k = { &r, a, .deadline = NEVER_MS };
	REQUIRE_OK(group_start(&g, "ask", ask_in_fiber, &k, e));
	CHECK(loop_sleep(50, e));
	CHECK_EQ_I(http_running(r.http), 1);
	group_cancel(&g);
	group_wait(&g, NEVER_MS, e);
	CHECK(!k.ok);
	CHECK_EQ_I(k.error.kind, ERR_CANCELLED);
	rig_close(&r);
}

LOOP_TEST(a_cancelled_turn_says_so_and_lets_the_connection_go)
{
	check_cancel(a, &(struct page){ STREAM, BEGIN PIECE("half"), STALLS }, e);
	check_cancel(a, &(struct page){ STREAM, BEGIN FINISH, STALLS }, e);
	check_cancel(a, &(struct page){ 529, "application/json", "{", STALLS }, e);
}

LOOP_TEST(a_deadline_ends_the_turn)
{
	struct rig r = { .page = &(struct page){ STREAM, BEGIN, STALLS } };
	REQUIRE_OK(rig_open(&r, a, e));
	r.model.config.limits.stall_ms = 0;
	struct asking k = { &r, a, .deadline = deadline_in(80) };
	int64_t start = clock_ms();
	ask_in_fiber(&k, e);
	CHECK(!k.ok);
	CHECK_EQ_I(k.error.kind, ERR_TIMEOUT);
	CHECK(clock_ms() - start >= 80 && clock_ms() - start < 2 * SECOND_MS);
	rig_close(&r);
}

static bool ask_tortured(void *arg, struct err *e)
{
	struct asking *k = arg;
	task_torture_mark();
	return ask_in_fiber(k, e);
}

/* The k-th park of the turn fails with kind; true when the turn had no so many. */
static bool torture(struct arena *a, struct rig *r, int64_t k, enum err_kind kind)
{
	struct err e;
	struct group g = { 0 };
	struct asking asking = { r, a, .deadline = NEVER_MS };
	loop_torture(k, kind);
	CHECK(group_start(&g, "ask", ask_tortured, &asking, &e));
	group_wait(&g, NEVER_MS, &e);
	loop_torture(0, ERR_NONE);
	CHECK(asking.ok || asking.error.kind == kind);
	CHECK_EQ_I(http_running(r->http), 0);
	return asking.ok;
}

LOOP_TEST(whichever_wait_fails_the_turn_fails_cleanly)
{
	static const enum err_kind kinds[] = { ERR_CANCELLED, ERR_NET }; /* a time-out too early means nothing */
	struct rig r = { .page = &good };
	REQUIRE_OK(rig_open(&r, a, e));
	for (size_t i = 0; i < COUNT(kinds); i++) {
		int64_t k = 1;
		while (k < 50 && !torture(a, &r, k, kinds[i]))
			k++;
		CHECK(k > 1 && k < 50);
	}
	rig_close(&r);
}

LOOP_TEST(the_fiber_sleeps_while_events_come)
{
	struct rig r = { .page = &(struct page){ STREAM, BEGIN PIECE("0123456789") FINISH } };
	struct page many = { STREAM, EVENT("ping", ""), ENDS, 2000 };
	struct group g = { 0 };
	REQUIRE_OK(rig_open(&r, a, e));
	r.page = &many;
	struct asking k = { &r, a, .deadline = NEVER_MS };
	loop_torture(0, ERR_NONE);
	REQUIRE_OK(group_start(&g, "ask", ask_tortured, &k, e));
	group_wait(&g, NEVER_MS, e);
	CHECK(loop_torture(0, ERR_NONE) <= 6);
	CHECK_EQ_S(k.error.code, "model_cut");
	rig_close(&r);
}
