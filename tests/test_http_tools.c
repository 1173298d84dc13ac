/* SPDX-License-Identifier: MIT */
/* Tools that call out, in the hands of a model that means no good, against a peer that does as it is told. */
#include "catalog_case.h"
#include "http_server.h"
#include "tool_http.h"

/* What came, and what is answered. */
struct peer {
	struct arena *a;
	struct group group;
	struct http_server *server;
	struct http *http;
	int calls, status;
	const char *type, *body, *location;
	const char *method, *path, *seen; /* the last */
	const struct http_header *answer;
};

static const char *all_headers(struct arena *a, struct http_exchange *x)
{
	static const char *const names[] = { "authorization", "x-static", "x-note", "idempotency-key", "content-type", "x-evil" };
	const char *all = "";
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *value = http_exchange_header(x, names[i]);
		if (value)
			all = arena_printf(a, "%s%s: %s\n", all, names[i], value);
	}
	return all;
}

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct peer *p = self;
	p->calls++;
	p->method = arena_text(p->a, str_of(http_exchange_method(x)));
	p->path = arena_text(p->a, str_of(http_exchange_path(x)));
	p->seen = arena_printf(p->a, "%s%.*s", all_headers(p->a, x), STR_ARGS(http_exchange_body(x)));
	struct http_header location[] = { { "Location", p->location }, { 0 } };
	return http_respond(x, p->status, p->type, p->location ? location : NULL, e) && http_respond_write(x, str_of(p->body), e);
}

static void peer_end(void *self)
{
	struct peer *p = self;
	struct err ignored;
	http_free(p->http);
	http_server_close(p->server);
	group_wait(&p->group, NEVER_MS, &ignored);
}

static struct peer *peer_open(struct arena *a, struct err *e)
{
	struct peer *p = arena_alloc(a, sizeof(*p));
	*p = (struct peer){ .a = a, .status = 200, .type = "application/json", .body = "{\"data\":[{\"id\":12345678901234567890}]}" };
	p->http = http_new();
	p->server = http_server_open(&(struct http_server_options){ 0 }, &p->group, answer, p, e);
	if (p->server)
		arena_defer(a, peer_end, p);
	return p->server ? p : NULL;
}

/* PORT__ in the tool's text is the peer's. */
static const struct tool *http_tool(struct catalog_case *c, const struct peer *p, const char *yaml)
{
	const char *text = yaml;
	for (const char *hit; (hit = strstr(text, "PORT__"));)
		text = arena_printf(c->a, "%.*s%d%s", (int)(hit - text), text, http_server_port(p->server), hit + 6);
	catalog_case_put(c, "tools/t.yaml", arena_printf(c->a, "name: t\ntext: Calls.\ninput: { id: { type: text, required: true }, q: { type: text }, "
		"n: { type: integer }, tags: { type: texts } }\nhttp:\n%s", text));
	return catalog_case_tool(c, "t");
}

/* What the model reads, or "KIND code: message". waits. */
static const char *call(struct arena *a, const struct peer *p, const struct tool *t, const char *input)
{
	struct err e = { 0 };
	const cJSON *result = NULL;
	struct tool_env env = { .tool = t, .arena = a, .http = p->http, .idempotency_key = "key-1", .deadline = deadline_in(20000) };
	if (!t)
		return "no tool";
	void *args = arena_alloc(a, t->args_size + 1);
	bool ok = field_read(a, t->fields, json_parse(a, str_of(input), &e), args, &e) && t->run(&env, args, &result, &e);
	return ok ? json_print(a, result) : arena_printf(a, "%s %s: %s", err_kind_name(e.kind), e.code, e.msg);
}

#define PEER(yaml) \
	struct catalog_case *c = catalog_case_open(a, "127.0.0.1, localhost", true); \
	struct peer *p = peer_open(a, e); \
	REQUIRE(p); \
	catalog_case_put(c, "secrets/token", "s3cret-0123456789\n"); \
	catalog_case_put(c, "secrets/pin", "1234567890\n"); \
	const struct tool *t = http_tool(c, p, yaml); \
	REQUIRE(t)

#define GET "  method: GET\n  url: http://127.0.0.1:PORT__/v1/{id}?q={q}&n={n}\n"
#define POST "  method: POST\n  url: http://127.0.0.1:PORT__/v1/{id}\n"

LOOP_TEST(a_call_carries_its_arguments_its_secret_and_its_key)
{
	PEER(POST "  headers: { Authorization: { secret: token, prefix: 'Bearer ' }, X-Static: 'a {{b}}', X-Note: 'note {q}' }\n"
		"  idempotency_header: Idempotency-Key\n  body: { kind: order, id: '{id}', n: '{n}', missing: '{tags}', text: 'for {id}', list: [1, true, '{n}'] }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"c 7\",\"n\":5,\"q\":\"hi\"}"), "{\"data\":[{\"id\":12345678901234567890}]}");
	CHECK_EQ_S(p->method, "POST");
	CHECK_EQ_S(p->seen, "authorization: Bearer s3cret-0123456789\nx-static: a {b}\nx-note: note hi\nidempotency-key: key-1\n"
		"content-type: application/json\n{\"kind\":\"order\",\"id\":\"c 7\",\"n\":5,\"text\":\"for c 7\",\"list\":[1,true,5]}");
	CHECK(t->effect == TOOL_OUTSIDE && t->unknown == UNKNOWN_TELL);
}

LOOP_TEST(the_whole_input_may_be_the_body)
{
	PEER(POST "  body: input\n");
	call(a, p, t, "{\"id\":\"x\",\"n\":0,\"tags\":[\"a\"]}");
	CHECK_EQ_S(p->seen, "content-type: application/json\n{\"id\":\"x\",\"n\":0,\"tags\":[\"a\"]}");
}

LOOP_TEST(a_line_break_in_an_argument_makes_no_header)
{
	PEER(GET "  headers: { X-Note: '{q}' }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\",\"q\":\"a\\r\\nX-Evil: 1\"}"), "input bad_arguments: q: must have no line breaks and control characters");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\",\"q\":\"a\\nX-Evil: 1\"}"), "input bad_arguments: q: must have no line breaks and control characters");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\\r\\n\"}"), "input bad_arguments: id: must have no line breaks and control characters");
	CHECK_EQ_I(p->calls, 0);
}

LOOP_TEST(no_argument_leads_a_call_away)
{
	static const struct { const char *input, *path; } attacks[] = {
		{ "{\"id\":\"@evil.example\",\"q\":\"file:///etc/passwd\"}", "/v1/@evil.example" }, { "{\"id\":\"x#y\"}", "/v1/x#y" },
		{ "{\"id\":\"gopher:x\",\"q\":\"gopher://x\"}", "/v1/gopher:x" }, { "{\"id\":\"http:x?y\"}", "/v1/http:x?y" },
	};
	static const char *const refused[] = { "..", "../x", "/x", "\\\\x", "%2e%2e%2fx", "." };
	PEER(GET);
	for (size_t i = 0; i < COUNT(attacks); i++) {
		call(a, p, t, attacks[i].input);
		CHECK_EQ_S(p->path, attacks[i].path);
		CHECK_EQ_I(p->calls, (int64_t)i + 1);
	}
	for (size_t i = 0; i < COUNT(refused); i++)
		CHECK(strstr(call(a, p, t, arena_printf(a, "{\"id\":\"%s\"}", refused[i])), "input bad_arguments: id: "));
	CHECK_EQ_I(p->calls, (int64_t)COUNT(attacks));
}

LOOP_TEST(a_redirect_is_not_followed)
{
	static const char *const targets[] = { "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "/v1/other" };
	PEER(GET);
	p->status = 302;
	for (size_t i = 0; i < COUNT(targets); i++) {
		p->location = targets[i];
		CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input http_redirect: HTTP 302: it leads elsewhere, and is not followed");
		CHECK_EQ_I(p->calls, (int64_t)i + 1);
	}
}

LOOP_TEST(a_name_that_leads_to_a_private_address_is_not_called)
{
	struct catalog_case *c = catalog_case_open(a, "localhost", false);
	struct peer *p = peer_open(a, e);
	REQUIRE(p);
	const struct tool *t = http_tool(c, p, "  method: POST\n  url: http://localhost:PORT__/{id}\n");
	REQUIRE(t);
	const char *told = call(a, p, t, "{\"id\":\"x\"}");
	CHECK(strstr(told, "input http_address_refused: ") && strstr(told, ": resolve: the host's address is not one that may be called"));
	CHECK_EQ_I(p->calls, 0);
}

static int asked;

static bool only_at_first(const char *address)
{
	(void)address;
	return ++asked == 1;
}

LOOP_TEST(the_address_that_is_connected_to_is_looked_at_again)
{
	struct peer *p = peer_open(a, e);
	REQUIRE(p);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://localhost:%d/", http_server_port(p->server)), .direct = true,
		.address_allowed = only_at_first };
	asked = 0;
	CHECK(!http_call(p->http, a, &rq, NULL, deadline_in(20000), &reply, e));
	CHECK_EQ_S(e->code, "http_address_refused");
	CHECK(asked >= 2);
	CHECK_EQ_I(p->calls, 0);
}

/* Somebody else, who may, keeps a connection open: a tool that may not must not be lent it. */
LOOP_TEST(a_connection_that_another_opened_is_looked_at_too)
{
	PEER(GET);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://127.0.0.1:%d/", http_server_port(p->server)) };
	REQUIRE_OK(http_call(p->http, a, &rq, NULL, deadline_in(20000), &reply, e));
	((struct tool_http *)t->self)->private_addresses = false;
	CHECK(strstr(call(a, p, t, "{\"id\":\"x\"}"), "input http_address_refused: "));
	CHECK_EQ_I(p->calls, 1);
}

LOOP_TEST(a_proxy_of_the_environment_is_not_used)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	struct catalog_case *c = catalog_case_open(a, "0.0.0.0", true); /* this host, but to nobody a loopback address */
	struct peer *p = peer_open(a, e);
	REQUIRE(p);
	const struct tool *t = http_tool(c, p, "  method: GET\n  url: http://0.0.0.0:PORT__/{id}\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"data\":[{\"id\":12345678901234567890}]}");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

LOOP_TEST(a_secret_that_comes_back_is_hidden)
{
	PEER(GET "  headers: { Authorization: { secret: token } }\n");
	p->body = "{\"you sent\":\"s3cret-0123456789\",\"s3cret-0123456789\":1}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"you sent\":\"***\",\"***\":1}");
	p->body = "{\"x\":\"\\u00733cret-0123456789\"}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"x\":\"***\"}");
	p->type = "text/plain";
	p->body = "token s3cret-0123456789s3cret-0123456789";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"text\":\"token ******\"}");
	p->status = 401;
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input http_status: HTTP 401: token ******");
}

LOOP_TEST(an_answer_is_what_its_pointer_says_and_within_its_limit)
{
	PEER(GET "  response: { pointer: /data/0/id, bytes: 100 }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "12345678901234567890");
	p->body = "{\"data\":[]}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input nothing_there: the answer (HTTP 200) has nothing at /data/0/id");
	p->body = "";
	p->status = 204;
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"status\":204}");
	p->status = 200;
	char *big = arena_alloc(a, 10000001);
	memset(big, 'x', 10000000);
	p->body = big;
	const char *told = call(a, p, t, "{\"id\":\"x\"}");
	if (!CHECK(strstr(told, "input http_body_too_large: HTTP 200, but ") && strstr(told, "100 bytes")))
		printf("      %s\n", told);
}

/* What a lenient reader takes, and the database does not. */
LOOP_TEST(an_answer_that_is_nearly_json_does_not_fail_the_request)
{
	static const struct { const char *body, *told; } answers[] = {
		{ "{\"a\":\"line\nbreak\"}", "{\"a\":\"line\\nbreak\"}" }, { "{\"a\":01}", "{\"a\":1}" }, { "[1.]", "[1]" },
		{ "{\"a\":\x01" "1}", "{\"a\":1}" }, { "\xEF\xBB\xBF{\"a\":1}", "{\"a\":1}" }, { "[1e200000]", "[null]" },
		{ "[-1e-200000]", "[-0]" }, { "[98765432109876543210, 1.5e3]", "[98765432109876543210, 1.5e3]" },
		{ "{\"pin\":1234567890}", "{\"text\":\"{\\\"pin\\\":***}\"}" },
	};
	PEER(GET "  headers: { Authorization: { secret: pin } }\n");
	for (size_t i = 0; i < COUNT(answers); i++) {
		p->body = answers[i].body;
		CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), answers[i].told);
	}
}

/* Each escape once: to look for the end of the text anew behind each would take the square of them, minutes here. */
LOOP_TEST(an_answer_of_nothing_but_escapes_holds_up_nobody)
{
	enum { ESCAPES = 2 << 20 };
	PEER(GET "  response: { bytes: 16MiB }\n");
	char *body = arena_alloc(a, 2 * ESCAPES + 5);
	memcpy(body, "[\"", 2);
	for (size_t i = 0; i < ESCAPES; i++)
		memcpy(body + 2 + 2 * i, "\\n", 2);
	memcpy(body + 2 + 2 * ESCAPES, "\"]", 3);
	p->body = body;
	CHECK(strcmp(call(a, p, t, "{\"id\":\"x\"}"), body) == 0);
}

LOOP_TEST(a_call_with_an_effect_says_only_what_it_knows)
{
	static const struct { int status; const char *begins; } cases[] = {
		{ 400, "input http_status: HTTP 400: " }, { 404, "input http_status: " }, { 409, "input http_status: " }, { 408, "busy http_status: " },
		{ 500, "busy http_status: HTTP 500: " }, { 503, "busy " }, { 302, "refused http_redirect: " }, { 201, "{\"data\"" },
	};
	PEER(POST);
	for (size_t i = 0; i < COUNT(cases); i++) {
		p->status = cases[i].status;
		const char *told = call(a, p, t, "{\"id\":\"x\"}");
		if (!CHECK(strncmp(told, cases[i].begins, strlen(cases[i].begins)) == 0))
			printf("      %d: %s\n", cases[i].status, told);
	}
	p->status = 200;
	p->body = "no JSON, and \xff";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"text\":\"no JSON, and \xEF\xBF\xBD\"}");
	const struct tool *nobody = http_tool(c, p, "  method: POST\n  url: http://127.0.0.1:1/{id}\n");
	CHECK(strstr(call(a, p, nobody, "{\"id\":\"x\"}"), "input http_unreachable: "));
}

LOOP_TEST(a_probe_finds_out)
{
	static const struct { int status; enum tool_found found; } cases[] = { { 200, FOUND_DONE }, { 404, FOUND_NOT_DONE }, { 410, FOUND_NOT_DONE },
		{ 500, FOUND_UNKNOWN }, { 302, FOUND_UNKNOWN } };
	PEER(POST "  probe: { method: GET, url: 'http://127.0.0.1:PORT__/by-key/{idempotency_key}' }\n");
	CHECK(t->unknown == UNKNOWN_PROBE && t->probe == tool_http_probe);
	struct tool_env env = { .tool = t, .arena = a, .http = p->http, .idempotency_key = "key-1", .deadline = deadline_in(20000) };
	void *args = arena_alloc(a, t->args_size + 1);
	REQUIRE_OK(field_read(a, t->fields, json_parse(a, STR("{\"id\":\"x\"}"), e), args, e));
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum tool_found found;
		const cJSON *result = NULL;
		p->status = cases[i].status;
		REQUIRE_OK(t->probe(&env, args, &found, &result, e));
		CHECK_EQ_I(found, cases[i].found);
		CHECK_EQ_S(p->path, "/by-key/key-1");
	}
}
