/* SPDX-License-Identifier: MIT */
#include "mock_case.h"

static bool load(struct arena *a, const char *yaml, struct script *out)
{
	struct config_problems problems;
	bool ok = script_load_text(a, "t.yaml", str_of(yaml), &problems, out);
	for (const struct config_problem *p = problems.first; p; p = p->next)
		printf("    %s\n", p->text);
	return CHECK(ok);
}

/* Runs in the test's fiber, whose arena ends: it may wait. */
static void close_case(void *self)
{
	struct mock_case *c = self;
	mock_case_stop(c);
	http_free(c->http);
}

struct mock_case *mock_case_open(struct arena *a, const char *yaml)
{
	struct err e = { 0 };
	struct mock_case *c = arena_alloc(a, sizeof(*c));
	c->a = a;
	if (!load(a, yaml, &c->script))
		return NULL;
	struct mock_options o = { .script = &c->script, .record = 1000, .connections = 2000 };
	if (!mock_start(&o, &c->group, &c->mock, &e)) {
		test_check(false, __FILE__, __LINE__, e.msg);
		return NULL;
	}
	c->http = http_new();
	arena_defer(a, close_case, c);
	c->base_url = arena_printf(a, "http://127.0.0.1:%d", mock_port(c->mock));
	return c;
}

void mock_case_stop(struct mock_case *c)
{
	struct err e;
	mock_stop(c->mock);
	c->mock = NULL;
	CHECK(group_wait(&c->group, deadline_in(10000), &e));
}

const char *mock_body(struct arena *a, const char *user_text)
{
	cJSON *o = json_object(a);
	json_put_text(o, "model", "claude-test");
	json_put_i64(o, "max_tokens", 1000);
	json_put_bool(o, "stream", true);
	cJSON *message = json_add_object(json_put_array(o, "messages"));
	json_put_text(message, "role", "user");
	json_put_text(message, "content", user_text);
	return json_print(a, o);
}

bool mock_post_with(struct mock_case *c, const char *method, const char *path, const struct http_header *headers,
	const char *body, struct http_reply *reply, struct err *e)
{
	struct http_request rq = { .method = method, .url = arena_printf(c->a, "%s%s", c->base_url, path), .headers = headers,
		.body = str_of(body), .limits.body_bytes = 64 << 20 };
	*reply = (struct http_reply){ .content_type = "" };
	return http_call(c->http, c->a, &rq, NULL, deadline_in(20000), reply, e);
}

bool mock_post(struct mock_case *c, const char *body, struct http_reply *reply, struct err *e)
{
	static const struct http_header headers[] = {
		{ "anthropic-version", "2026-10-21" }, { "Content-Type", "application/json" }, { "x-api-key", "test-key" }, { 0 },
	};
	return mock_post_with(c, "POST", "/v1/messages", headers, body, reply, e);
}

static const char *error_field(struct arena *a, const struct http_reply *reply, const char *name)
{
	struct err ignored;
	const char *text = json_text(json_get(json_parse(a, reply->body, &ignored), "error"), name);
	return text ? text : "";
}

const char *mock_error_message(struct arena *a, const struct http_reply *reply)
{
	return error_field(a, reply, "message");
}

const char *mock_error_type(struct arena *a, const struct http_reply *reply)
{
	return error_field(a, reply, "type");
}

int mock_occurrences(struct str text, const char *word)
{
	int n = 0;
	size_t length = strlen(word);
	for (const char *p; (p = memmem(text.p, text.n, word, length)); n++)
		text = (struct str){ p + length, text.n - (size_t)(p + length - text.p) };
	return n;
}
