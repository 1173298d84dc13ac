/* SPDX-License-Identifier: MIT */
/* The HTTP client against our own server: replies, sinks, addresses, and many calls at once. */
#include "http_rig.h"
#include <unistd.h>

/* ---- whole replies ---- */

LOOP_TEST(a_get_brings_status_headers_and_body)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(http_rig_get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(reply.status, 200);
	CHECK_EQ_S(reply.content_type, "text/plain");
	CHECK_EQ_S(http_reply_header(&reply, "x-method"), "GET");
	CHECK_EQ_S(http_reply_header(&reply, "x-nothing"), NULL);
	CHECK_EQ_I((int64_t)reply.body.n, 0);
}

LOOP_TEST(a_post_sends_its_body_and_headers)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_header tag[] = { { "X-Tag", "seven" }, { 0 } };
	struct http_request rq = { .url = http_rig_url(a, r, "/echo"), .headers = tag, .body = STR("{\"a\":1}") };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(http_reply_header(&reply, "x-method"), "POST");
	CHECK_EQ_S(http_reply_header(&reply, "x-tag"), "seven");
	CHECK(str_is(reply.body, "{\"a\":1}"));
}

LOOP_TEST(a_header_without_a_value_is_sent)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_header empty[] = { { "X-Tag", "" }, { 0 } };
	struct http_request rq = { .url = http_rig_url(a, r, "/echo"), .headers = empty };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(http_reply_header(&reply, "x-tag"), "empty");
}

LOOP_TEST(methods_go_out_as_given)
{
	static const char *const methods[] = { "PUT", "PATCH", "DELETE", "HEAD" };
	struct http_rig *r = http_rig_new(a);
	for (size_t i = 0; i < COUNT(methods); i++) {
		struct http_reply reply;
		struct http_request rq = { .method = methods[i], .url = http_rig_url(a, r, "/echo") };
		REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_S(http_reply_header(&reply, "x-method"), methods[i]);
	}
}

LOOP_TEST(a_large_body_goes_both_ways)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct str body = { arena_alloc(a, 900000), 900000 };
	memset((char *)body.p, 'b', body.n);
	struct http_request rq = { .url = http_rig_url(a, r, "/echo"), .body = body };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK(str_eq(reply.body, body));
}

LOOP_TEST(calls_in_turn_use_one_connection)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(http_rig_get(r, a, "/echo", &reply, e));
	int before = net_descriptors();
	for (int i = 0; i < 10; i++)
		REQUIRE_OK(http_rig_get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(net_descriptors(), before);
}

/* Our peers on this machine are reached directly, whatever the environment says. */
LOOP_TEST(a_proxy_is_not_asked_for_loopback)
{
	struct http_reply reply;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	struct http_rig *r = http_rig_new(a);
	CHECK(http_rig_get(r, a, "/echo", &reply, e));
	struct http_request away = { .url = "http://192.0.2.1/" };
	CHECK(!http_call(r->http, a, &away, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, "127.0.0.1 port 1"));
	unsetenv("http_proxy");
}

LOOP_TEST(a_name_is_resolved_and_its_answer_kept)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server)) };
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_I(reply.status, 200);
	}
}

LOOP_TEST(a_redirect_is_not_followed)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(http_rig_get(r, a, "/redirect", &reply, e));
	CHECK_EQ_I(reply.status, 302);
	CHECK_EQ_S(http_reply_header(&reply, "location"), "/echo");
}

LOOP_TEST(a_body_over_its_limit_is_refused)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = http_rig_url(a, r, "/large"), .limits.body_bytes = 100000 };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK_EQ_S(e->code, "http_body_too_large");
	CHECK_EQ_I(reply.status, 200);
	CHECK(reply.body.n <= 100000);
}

/* ---- sinks ---- */

static bool collect_head(void *self, int status, const char *type)
{
	struct http_collector *c = self;
	c->status = status;
	snprintf(c->type, sizeof(c->type), "%s", type);
	return status < 400;
}

static struct http_sink sink_new(struct arena *a, struct http_collector *c)
{
	c->all = buf_new(a, 8 << 20);
	return (struct http_sink){ .data = http_collect, .head = collect_head, .self = c };
}

static bool get_to_sink(struct http_rig *r, struct arena *a, const char *path, struct http_collector *c,
	struct http_reply *reply, struct err *e)
{
	struct http_sink sink = sink_new(a, c);
	struct http_request rq = { .url = http_rig_url(a, r, path) };
	return http_call(r->http, a, &rq, &sink, deadline_in(5000), reply, e);
}

LOOP_TEST(a_sink_takes_the_body_piece_by_piece)
{
	struct http_rig *r = http_rig_new(a);
	struct http_collector c = { 0 };
	struct http_reply reply;
	REQUIRE_OK(get_to_sink(r, a, "/pieces", &c, &reply, e));
	CHECK(c.pieces > 1);
	CHECK_EQ_I(c.status, 200);
	CHECK_EQ_S(c.type, "text/event-stream");
	CHECK(str_is(buf_str(c.all), "piece;piece;piece;piece;piece;"));
	CHECK_EQ_I((int64_t)reply.body.n, 0);
}

LOOP_TEST(a_sink_has_no_limit_of_its_own)
{
	struct http_rig *r = http_rig_new(a);
	struct http_collector c = { 0 };
	struct http_reply reply;
	REQUIRE_OK(get_to_sink(r, a, "/large", &c, &reply, e));
	CHECK_EQ_I((int64_t)c.all->n, 4 << 20);
}

LOOP_TEST(a_failing_sink_ends_the_transfer_with_its_error)
{
	struct http_rig *r = http_rig_new(a);
	struct http_collector c = { .fail_after = 2 };
	struct http_reply reply;
	CHECK(!get_to_sink(r, a, "/pieces", &c, &reply, e));
	CHECK_EQ_I(e->kind, ERR_BUSY);
	CHECK_EQ_S(e->code, "sink_full");
	CHECK_EQ_I((int64_t)c.pieces, 2);
	CHECK_EQ_I(reply.status, 200);
}

LOOP_TEST(a_sink_may_leave_an_error_page_to_the_reply)
{
	struct http_rig *r = http_rig_new(a);
	struct http_collector c = { 0 };
	struct http_reply reply;
	REQUIRE_OK(get_to_sink(r, a, "/error", &c, &reply, e));
	CHECK_EQ_I(reply.status, 404);
	CHECK_EQ_I((int64_t)c.pieces, 0);
	CHECK_EQ_S(c.type, "application/json");
	CHECK(str_is(reply.body, "{\"no\":1}"));
}

/* ---- who cannot be reached, and what is not allowed ---- */

LOOP_TEST(a_refused_connection_is_unreachable)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	int port;
	close(net_listen(1, &port));
	struct http_request rq = { .url = arena_printf(a, "http://user:hidden@127.0.0.1:%d/p?key=hidden", port) };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, arena_printf(a, "GET http://127.0.0.1:%d: connect: ", port)));
	CHECK(!strstr(e->msg, "hidden"));
	CHECK_EQ_I(reply.status, 0);
	CHECK(reply.headers && !reply.headers[0].name);
	CHECK_EQ_S(reply.content_type, "");
}

LOOP_TEST(an_unknown_name_is_unreachable)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = "http://nothing.invalid/" };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(30000), &reply, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, "resolve") && strstr(e->msg, "nothing.invalid"));
}

LOOP_TEST(only_http_urls_are_called)
{
	static const char *const urls[] = { "", "nonsense", "file:///etc/passwd", "ftp://127.0.0.1/", "http://",
		"gopher://x/",
		"http://127.0.0.1:99999/", "http://a b/" };
	struct http_rig *r = http_rig_new(a);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct http_reply reply;
		struct http_request rq = { .url = urls[i] };
		CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_I(e->kind, ERR_INPUT);
		CHECK_EQ_S(e->code, "http_bad_url");
	}
}

LOOP_TEST(a_header_cannot_smuggle_another)
{
	static const struct http_header bad[] = { { "X-A", "1\r\nX-B: hidden" }, { "X-A\nX-B", "1" }, { "", "1" },
		{ "X A", "1" } };
	struct http_rig *r = http_rig_new(a);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_reply reply;
		struct http_header one[] = { bad[i], { 0 } };
		struct http_request rq = { .url = http_rig_url(a, r, "/echo"), .headers = one };
		CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_S(e->code, "http_bad_header");
		CHECK(!strstr(e->msg, "hidden"));
	}
}

/* ---- many ---- */

LOOP_TEST(fifty_askers_share_one_lookup)
{
	enum { N = 50 };
	struct http_rig *r = http_rig_new(a);
	struct group g = { 0 };
	struct http_rig_call *calls = arena_alloc(a, N * sizeof(*calls));
	const char *url = arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server));
	for (int i = 0; i < N; i++) {
		calls[i] = (struct http_rig_call){ .http = r->http, .url = url };
		REQUIRE_OK(group_start(&g, "call", http_rig_call_run, &calls[i], e));
	}
	CHECK(loop_sleep(0, e));
	task_cancel(calls[N / 2].task);
	REQUIRE_OK(group_wait(&g, deadline_in(10000), e));
	for (int i = 0; i < N; i++)
		CHECK(calls[i].ok == (i != N / 2));
}

LOOP_TEST(two_hundred_streams_at_once)
{
	struct http_rig *r = http_rig_new(a);
	struct group g = { 0 };
	struct http_rig_call *calls = arena_alloc(a, HTTP_RIG_GATHER * sizeof(*calls));
	for (int i = 0; i < HTTP_RIG_GATHER; i++) {
		struct http_collector *c = arena_alloc(a, sizeof(*c));
		c->all = buf_new(a, 1000);
		calls[i] = (struct http_rig_call){ .http = r->http, .url = http_rig_url(a, r, "/gather"),
			.collector = c };
		REQUIRE_OK(group_start(&g, "call", http_rig_call_run, &calls[i], e));
	}
	REQUIRE_OK(group_wait(&g, deadline_in(20000), e));
	CHECK_EQ_I(r->gathered, HTTP_RIG_GATHER);
	for (int i = 0; i < HTTP_RIG_GATHER; i++)
		CHECK(calls[i].ok && calls[i].collector->all->n == 30);
}
