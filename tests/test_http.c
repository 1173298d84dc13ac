/* SPDX-License-Identifier: MIT */
/* The HTTP client against our own server, and against peers that break off, stall and lie. */
#include "clock.h"
#include "http.h"
#include "http_server.h"
#include "net.h"
#include "test.h"
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	struct http *http;
	struct http_server *server;
	struct group group;
	int gathered, descriptors;
};

enum { GATHER = 200 };

/* ---- the server's pages ---- */

static bool page_echo(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	const char *tag = http_exchange_header(x, "x-tag");
	struct http_header extra[] = { { "X-Method", http_exchange_method(x) },
		{ "X-Tag", !tag ? "none" : tag[0] ? tag : "empty" }, { 0 } };
	return http_respond(x, 200, "text/plain", extra, e) && http_respond_write(x, http_exchange_body(x), e);
}

static bool pieces(struct http_exchange *x, int64_t pause_ms, struct err *e)
{
	if (!http_respond(x, 200, "text/event-stream", NULL, e))
		return false;
	for (int i = 0; i < 5; i++)
		if (!http_respond_write(x, STR("piece;"), e) || !loop_sleep(pause_ms, e))
			return false;
	return true;
}

static bool page_pieces(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return pieces(x, 5, e);
}

static bool page_steady(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return pieces(x, 100, e);
}

/* Answers when all who are expected are there. */
static bool page_gather(struct rig *r, struct http_exchange *x, struct err *e)
{
	r->gathered++;
	while (r->gathered < GATHER)
		if (!loop_sleep(2, e))
			return false;
	return pieces(x, 5, e);
}

static bool page_large(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	char block[1024];
	memset(block, 'x', sizeof(block));
	bool ok = http_respond(x, 200, NULL, NULL, e);
	for (int i = 0; ok && i < 4096; i++)
		ok = http_respond_write(x, (struct str){ block, sizeof(block) }, e);
	return ok;
}

static bool page_mute(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r, (void)x;
	return loop_sleep(60000, e);
}

static bool page_stall(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(60000, e);
}

static bool page_cut(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	http_respond_cut(x, false);
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(20, e);
}

static bool page_reset(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	http_respond_cut(x, true);
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(20, e);
}

static bool page_redirect(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 302, NULL, (struct http_header[]){ { "Location", "/echo" }, { 0 } }, e);
}

static bool page_error(struct rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 404, "application/json", NULL, e) && http_respond_write(x, STR("{\"no\":1}"), e);
}

static const struct {
	const char *path;
	bool (*page)(struct rig *r, struct http_exchange *x, struct err *e);
} pages[] = {
	{ "/echo", page_echo }, { "/pieces", page_pieces }, { "/large", page_large }, { "/mute", page_mute },
	{ "/stall", page_stall }, { "/cut", page_cut }, { "/reset", page_reset }, { "/redirect", page_redirect },
	{ "/error", page_error }, { "/steady", page_steady }, { "/gather", page_gather },
};

static bool serve(void *self, struct http_exchange *x, struct err *e)
{
	for (size_t i = 0; i < COUNT(pages); i++)
		if (strcmp(pages[i].path, http_exchange_path(x)) == 0)
			return pages[i].page(self, x, e);
	return FAIL(e, ERR_INPUT, "no_page", "no page %s", http_exchange_path(x));
}

static void rig_end(void *self)
{
	struct rig *r = self;
	struct err e;
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	http_free(r->http);
	http_server_close(r->server);
	group_wait(&r->group, deadline_in(1000), &e);
	CHECK_EQ_I((int64_t)r->group.running, 0);
	net_check_descriptors(r->descriptors);
}

/* A client and a server; when the test's arena ends, both end, and nothing may be left. */
static struct rig *rig_new(struct arena *a)
{
	struct rig *r = arena_alloc(a, sizeof(*r));
	struct err e = { 0 };
	r->descriptors = net_descriptors();
	r->http = http_new();
	r->server = http_server_open(&(struct http_server_options){ .body_bytes = 1 << 20 }, &r->group, serve, r, &e);
	if (!test_check(r->server, __FILE__, __LINE__, e.msg))
		abort();
	arena_defer(a, rig_end, r);
	return r;
}

static const char *rig_url(struct arena *a, const struct rig *r, const char *path)
{
	return arena_printf(a, "http://127.0.0.1:%d%s", http_server_port(r->server), path);
}

static const char *port_url(struct arena *a, int port)
{
	return arena_printf(a, "http://127.0.0.1:%d/", port);
}

static bool get(struct rig *r, struct arena *a, const char *path, struct http_reply *reply, struct err *e)
{
	return http_call(r->http, a, &(struct http_request){ .url = rig_url(a, r, path) }, NULL, deadline_in(5000), reply, e);
}

/* ---- whole replies ---- */

LOOP_TEST(a_get_brings_status_headers_and_body)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(reply.status, 200);
	CHECK_EQ_S(reply.content_type, "text/plain");
	CHECK_EQ_S(http_reply_header(&reply, "x-method"), "GET");
	CHECK_EQ_S(http_reply_header(&reply, "x-nothing"), NULL);
	CHECK_EQ_I((int64_t)reply.body.n, 0);
}

LOOP_TEST(a_post_sends_its_body_and_headers)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_header tag[] = { { "X-Tag", "seven" }, { 0 } };
	struct http_request rq = { .url = rig_url(a, r, "/echo"), .headers = tag, .body = STR("{\"a\":1}") };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(http_reply_header(&reply, "x-method"), "POST");
	CHECK_EQ_S(http_reply_header(&reply, "x-tag"), "seven");
	CHECK(str_is(reply.body, "{\"a\":1}"));
}

LOOP_TEST(a_header_without_a_value_is_sent)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = rig_url(a, r, "/echo"), .headers = (struct http_header[]){ { "X-Tag", "" }, { 0 } } };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(http_reply_header(&reply, "x-tag"), "empty");
}

LOOP_TEST(methods_go_out_as_given)
{
	static const char *const methods[] = { "PUT", "PATCH", "DELETE", "HEAD" };
	struct rig *r = rig_new(a);
	for (size_t i = 0; i < COUNT(methods); i++) {
		struct http_reply reply;
		struct http_request rq = { .method = methods[i], .url = rig_url(a, r, "/echo") };
		REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_S(http_reply_header(&reply, "x-method"), methods[i]);
	}
}

LOOP_TEST(a_large_body_goes_both_ways)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct str body = { arena_alloc(a, 900000), 900000 };
	memset((char *)body.p, 'b', body.n);
	struct http_request rq = { .url = rig_url(a, r, "/echo"), .body = body };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK(str_eq(reply.body, body));
}

LOOP_TEST(calls_in_turn_use_one_connection)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(get(r, a, "/echo", &reply, e));
	int before = net_descriptors();
	for (int i = 0; i < 10; i++)
		REQUIRE_OK(get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(net_descriptors(), before);
}

/* Our peers on this machine are reached directly, whatever the environment says. */
LOOP_TEST(a_proxy_is_not_asked_for_loopback)
{
	struct http_reply reply;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	struct rig *r = rig_new(a);
	CHECK(get(r, a, "/echo", &reply, e));
	struct http_request away = { .url = "http://192.0.2.1/" };
	CHECK(!http_call(r->http, a, &away, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, "127.0.0.1 port 1"));
	unsetenv("http_proxy");
}

LOOP_TEST(a_name_is_resolved_and_its_answer_kept)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server)) };
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_I(reply.status, 200);
	}
}

LOOP_TEST(a_redirect_is_not_followed)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	REQUIRE_OK(get(r, a, "/redirect", &reply, e));
	CHECK_EQ_I(reply.status, 302);
	CHECK_EQ_S(http_reply_header(&reply, "location"), "/echo");
}

LOOP_TEST(a_body_over_its_limit_is_refused)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = rig_url(a, r, "/large"), .limits.body_bytes = 100000 };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK_EQ_S(e->code, "http_body_too_large");
	CHECK_EQ_I(reply.status, 200);
	CHECK(reply.body.n <= 100000);
}

/* ---- sinks ---- */

struct collector {
	struct buf *all;
	size_t pieces, fail_after;
	bool refuse_errors;
	int status;
	char type[64];
};

static bool collect(void *self, struct str piece, struct err *e)
{
	struct collector *c = self;
	buf_add(c->all, piece);
	return ++c->pieces != c->fail_after || FAIL(e, ERR_BUSY, "sink_full", "the sink has enough");
}

static bool collect_head(void *self, int status, const char *type)
{
	struct collector *c = self;
	c->status = status;
	snprintf(c->type, sizeof(c->type), "%s", type);
	return status < 400;
}

static struct http_sink sink_new(struct arena *a, struct collector *c)
{
	c->all = buf_new(a, 8 << 20);
	return (struct http_sink){ .data = collect, .head = collect_head, .self = c };
}

static bool get_to_sink(struct rig *r, struct arena *a, const char *path, struct collector *c, struct http_reply *reply,
	struct err *e)
{
	struct http_sink sink = sink_new(a, c);
	struct http_request rq = { .url = rig_url(a, r, path) };
	return http_call(r->http, a, &rq, &sink, deadline_in(5000), reply, e);
}

LOOP_TEST(a_sink_takes_the_body_piece_by_piece)
{
	struct rig *r = rig_new(a);
	struct collector c = { 0 };
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
	struct rig *r = rig_new(a);
	struct collector c = { 0 };
	struct http_reply reply;
	REQUIRE_OK(get_to_sink(r, a, "/large", &c, &reply, e));
	CHECK_EQ_I((int64_t)c.all->n, 4 << 20);
}

LOOP_TEST(a_failing_sink_ends_the_transfer_with_its_error)
{
	struct rig *r = rig_new(a);
	struct collector c = { .fail_after = 2 };
	struct http_reply reply;
	CHECK(!get_to_sink(r, a, "/pieces", &c, &reply, e));
	CHECK_EQ_I(e->kind, ERR_BUSY);
	CHECK_EQ_S(e->code, "sink_full");
	CHECK_EQ_I((int64_t)c.pieces, 2);
	CHECK_EQ_I(reply.status, 200);
}

LOOP_TEST(a_sink_may_leave_an_error_page_to_the_reply)
{
	struct rig *r = rig_new(a);
	struct collector c = { 0 };
	struct http_reply reply;
	REQUIRE_OK(get_to_sink(r, a, "/error", &c, &reply, e));
	CHECK_EQ_I(reply.status, 404);
	CHECK_EQ_I((int64_t)c.pieces, 0);
	CHECK_EQ_S(c.type, "application/json");
	CHECK(str_is(reply.body, "{\"no\":1}"));
}

/* ---- limits ---- */

static int64_t call_limited(struct rig *r, struct arena *a, const char *url, struct http_limits limits,
	struct http_reply *reply, struct err *e)
{
	int64_t before = clock_ms();
	CHECK(!http_call(r->http, a, &(struct http_request){ .url = url, .limits = limits }, NULL, deadline_in(5000), reply, e));
	return clock_ms() - before;
}

static void check_timeout(const struct err *e, const char *code, int64_t took, int64_t limit)
{
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK_EQ_S(e->code, code);
	CHECK(took >= limit && took < limit + 1000);
}

/* The kernel drops further connections to a listener whose queue is full: they hang. */
static void fill_backlog(int *fds, size_t n, int port)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = net_connect(port);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

LOOP_TEST(connecting_is_limited)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	int port, fds[4] = { net_listen(0, &port) };
	fill_backlog(fds + 1, 3, port);
	int64_t took = call_limited(r, a, port_url(a, port), (struct http_limits){ .connect_ms = 100 }, &reply, e);
	check_timeout(e, "connect_timeout", took, 100);
	CHECK(strstr(e->msg, "connect"));
	CHECK_EQ_I(reply.status, 0);
	close_all(fds, 4);
}

/* The kernel accepts for a listener that never does: TCP stands, and nobody says hello. */
LOOP_TEST(a_tls_handshake_counts_as_connecting)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	int port, fd = net_listen(5, &port);
	const char *url = arena_printf(a, "https://127.0.0.1:%d/", port);
	int64_t took = call_limited(r, a, url, (struct http_limits){ .connect_ms = 100 }, &reply, e);
	check_timeout(e, "connect_timeout", took, 100);
	CHECK(strstr(e->msg, ": connect or TLS: "));
	close(fd);
}

LOOP_TEST(a_body_that_nobody_reads_meets_the_first_byte_limit)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	int port, fd = net_listen(5, &port);
	struct str body = { arena_alloc(a, 16 << 20), 16 << 20 };
	struct http_request rq = { .url = port_url(a, port), .body = body, .limits.first_byte_ms = 100 };
	int64_t before = clock_ms();
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	check_timeout(e, "first_byte_timeout", clock_ms() - before, 100);
	close(fd);
}

enum { GULPS = 6, GULP = 6 << 20, GULP_MS = 150 };

/* Reads the body in gulps with pauses; the kernel's buffers hold about two gulps. */
static bool slow_reader(void *arg, struct err *e)
{
	static char block[65536];
	int fd = net_accept(*(int *)arg, deadline_in(5000), e);
	bool ok = fd >= 0;
	for (size_t total = 0, goal = GULP; ok && total < GULPS * (size_t)GULP; goal += GULP) {
		ok = loop_sleep(GULP_MS, e);
		for (ssize_t n; ok && total < goal; total += (size_t)MAX_OF(n, (ssize_t)0))
			if ((n = recv(fd, block, sizeof(block), 0)) <= 0)
				ok = loop_wait_fd(fd, true, false, deadline_in(5000), e);
	}
	ok = ok && net_write(fd, STR("HTTP/1.1 204 No Content\r\n\r\n"), deadline_in(1000), e);
	close(fd);
	return ok;
}

LOOP_TEST(a_body_that_is_read_slowly_outlives_the_first_byte_limit)
{
	struct rig *r = rig_new(a);
	struct group g = { 0 };
	struct http_reply reply;
	int port, fd = net_listen(5, &port);
	struct str body = { arena_alloc(a, GULPS * (size_t)GULP), GULPS * (size_t)GULP };
	struct http_request rq = { .url = port_url(a, port), .body = body, .limits.first_byte_ms = 500 };
	CHECK(group_start(&g, "reader", slow_reader, &fd, e));
	int64_t before = clock_ms();
	CHECK(http_call(r->http, a, &rq, NULL, deadline_in(10000), &reply, e));
	CHECK(clock_ms() - before >= GULPS * GULP_MS);
	CHECK_EQ_I(reply.status, 204);
	CHECK(group_wait(&g, deadline_in(5000), e));
	close(fd);
}

LOOP_TEST(the_first_byte_is_limited)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .connect_ms = 50, .first_byte_ms = 100, .stall_ms = 50 };
	int64_t took = call_limited(r, a, rig_url(a, r, "/mute"), limits, &reply, e);
	check_timeout(e, "first_byte_timeout", took, 100);
	CHECK_EQ_I(reply.status, 0);
}

LOOP_TEST(silence_in_mid_body_is_limited)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .first_byte_ms = 3000, .stall_ms = 100 };
	int64_t took = call_limited(r, a, rig_url(a, r, "/stall"), limits, &reply, e);
	check_timeout(e, "stall_timeout", took, 100);
	CHECK_EQ_I(reply.status, 200);
	CHECK(str_is(reply.body, "half"));
}

LOOP_TEST(a_steady_body_outlives_its_stall_limit)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = rig_url(a, r, "/steady"), .limits.stall_ms = 400 };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_I((int64_t)reply.body.n, 30);
}

LOOP_TEST(the_whole_transfer_is_limited)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .first_byte_ms = 3000, .stall_ms = 3000, .total_ms = 100 };
	int64_t took = call_limited(r, a, rig_url(a, r, "/stall"), limits, &reply, e);
	check_timeout(e, "total_timeout", took, 100);
}

LOOP_TEST(the_callers_deadline_wins)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = rig_url(a, r, "/mute"), .limits = { .first_byte_ms = 3000, .total_ms = 3000 } };
	int64_t before = clock_ms();
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(60), &reply, e));
	check_timeout(e, "deadline", clock_ms() - before, 60);
}

/* ---- cancellation ---- */

struct call {
	struct http *http;
	const char *url;
	struct task *task;
	struct err e;
	bool ok, ended;
	struct collector *collector;
};

static bool call_run(void *arg, struct err *unused)
{
	struct call *c = arg;
	ARENA_SCOPE(a);
	struct http_reply reply;
	struct http_sink sink = { .data = collect, .self = c->collector };
	struct http_request rq = { .url = c->url };
	(void)unused;
	c->task = task_self();
	c->ok = http_call(c->http, a, &rq, c->collector ? &sink : NULL, deadline_in(5000), &reply, &c->e);
	c->ended = true;
	return true;
}

static void check_cancel(struct rig *r, const char *url, int64_t after_ms)
{
	struct group g = { 0 };
	struct call c = { .http = r->http, .url = url };
	struct err e;
	CHECK(group_start(&g, "call", call_run, &c, &e));
	CHECK(loop_sleep(after_ms, &e));
	CHECK(!c.ended);
	task_cancel(c.task);
	CHECK(group_wait(&g, deadline_in(1000), &e));
	CHECK(c.ended && !c.ok);
	CHECK_EQ_I(c.e.kind, ERR_CANCELLED);
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	CHECK(loop_sleep(5, &e));
}

LOOP_TEST(cancel_while_the_name_is_resolved)
{
	struct rig *r = rig_new(a);
	check_cancel(r, arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server)), 0);
}

LOOP_TEST(cancel_while_connecting)
{
	struct rig *r = rig_new(a);
	int port, fds[4] = { net_listen(0, &port) };
	fill_backlog(fds + 1, 3, port);
	check_cancel(r, port_url(a, port), 30);
	close_all(fds, 4);
}

LOOP_TEST(cancel_while_waiting_for_the_first_byte)
{
	struct rig *r = rig_new(a);
	check_cancel(r, rig_url(a, r, "/mute"), 30);
}

LOOP_TEST(cancel_in_mid_body)
{
	struct rig *r = rig_new(a);
	check_cancel(r, rig_url(a, r, "/stall"), 30);
}

LOOP_TEST(cancel_before_the_start)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	task_cancel(task_self());
	CHECK(!get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(e->kind, ERR_CANCELLED);
	task_cancel_clear();
}

static bool one_call(void *arg, struct err *e)
{
	struct rig *r = arg;
	ARENA_SCOPE(a);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://localhost:%d/pieces", http_server_port(r->server)) };
	task_torture_mark();
	return http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e);
}

LOOP_TEST(every_wait_may_fail_and_nothing_is_left)
{
	static const enum err_kind kinds[] = { ERR_CANCELLED, ERR_TIMEOUT, ERR_NET };
	for (size_t i = 0; i < COUNT(kinds); i++) {
		bool ok = false;
		for (int k = 1; !ok && k < 100; k++) {
			ARENA_SCOPE(inner);
			struct rig *r = rig_new(inner);
			struct group g = { 0 };
			loop_torture(k, kinds[i]);
			REQUIRE_OK(group_start(&g, "call", one_call, r, e));
			ok = group_wait(&g, deadline_in(5000), e);
			bool hit = loop_torture(0, ERR_NONE) >= k;
			CHECK(ok != hit);
			CHECK(ok || e->kind == kinds[i]);
			CHECK(!ok || k > 2);
		}
		CHECK(ok);
	}
}

/* ---- peers that misbehave ---- */

struct peer {
	int listener, port;
	const char *answer;
	enum { THEN_CLOSE, THEN_RESET } then;
};

/* Takes one connection, reads its head, answers with these bytes and leaves. */
static bool peer_run(void *arg, struct err *e)
{
	struct peer *p = arg;
	ARENA_SCOPE(a);
	int fd = net_accept(p->listener, deadline_in(5000), e);
	bool ok = fd >= 0 && net_read_until(fd, buf_new(a, 65536), "\r\n\r\n", deadline_in(5000), e)
		&& net_write(fd, str_of(p->answer), deadline_in(5000), e) && loop_sleep(20, e);
	if (fd >= 0 && p->then == THEN_RESET)
		net_reset(fd);
	else if (fd >= 0)
		close(fd);
	return ok;
}

static bool call_peer(struct rig *r, struct arena *a, struct peer *p, struct http_reply *reply, struct err *e)
{
	struct group g = { .keep_going = true };
	struct err ignored;
	p->listener = net_listen(5, &p->port);
	struct http_request rq = { .url = port_url(a, p->port) };
	bool ok = group_start(&g, "peer", peer_run, p, e)
		&& http_call(r->http, a, &rq, NULL, deadline_in(5000), reply, e);
	group_cancel(&g);
	group_wait(&g, deadline_in(1000), &ignored);
	close(p->listener);
	return ok;
}

static void check_peer(struct arena *a, struct peer p, const char *code, int status)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct err e = { 0 };
	CHECK(!call_peer(r, a, &p, &reply, &e));
	CHECK_EQ_I(e.kind, ERR_NET);
	CHECK_EQ_S(e.code, code);
	CHECK_EQ_I(reply.status, status);
	CHECK(strstr(e.msg, arena_printf(a, "127.0.0.1:%d", p.port)));
}

LOOP_TEST(a_connection_closed_without_an_answer_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "" }, "http_cut", 0);
}

LOOP_TEST(a_reset_before_the_answer_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "", .then = THEN_RESET }, "http_cut", 0);
}

LOOP_TEST(a_body_shorter_than_its_length_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" }, "http_cut", 200);
}

LOOP_TEST(a_chunked_body_without_its_end_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n" },
		"http_cut", 200);
}

LOOP_TEST(a_reset_in_mid_body_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .then = THEN_RESET },
		"http_cut", 200);
}

LOOP_TEST(a_head_cut_in_the_middle_is_a_cut)
{
	check_peer(a, (struct peer){ .answer = "HTTP/1.1 200 OK\r\nX-A: " }, "http_cut", 200);
}

LOOP_TEST(an_answer_that_is_not_http_is_a_bad_reply)
{
	check_peer(a, (struct peer){ .answer = "220 smtp.example ESMTP\r\n" }, "http_bad_reply", 0);
}

LOOP_TEST(a_kept_connection_that_has_died_is_replaced)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct peer p = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	p.listener = net_listen(5, &p.port);
	struct http_request rq = { .url = port_url(a, p.port), .body = STR("{}") };
	for (int i = 0; i < 3; i++) {
		struct group g = { 0 };
		REQUIRE_OK(group_start(&g, "peer", peer_run, &p, e));
		CHECK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		REQUIRE_OK(group_wait(&g, deadline_in(1000), e));
	}
	close(p.listener);
}

LOOP_TEST(a_head_too_large_is_refused)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct buf *b = buf_new(a, 1 << 20);
	buf_add(b, STR("HTTP/1.1 200 OK\r\n"));
	for (int i = 0; i < 2000; i++)
		buf_printf(b, "X-Header-%d: 0123456789012345678901234567890123456789\r\n", i);
	buf_add(b, STR("\r\n"));
	CHECK(!call_peer(r, a, &(struct peer){ .answer = b->p }, &reply, e));
	CHECK_EQ_S(e->code, "http_head_too_large");
	CHECK_EQ_S(http_reply_header(&reply, "x-header-0"), "0123456789012345678901234567890123456789");
}

LOOP_TEST(headers_of_an_interim_reply_and_trailers_are_not_kept)
{
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct peer p = { .answer = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Empty:\r\n"
		"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n" };
	REQUIRE_OK(call_peer(r, a, &p, &reply, e));
	CHECK_EQ_I(reply.status, 200);
	CHECK_EQ_S(http_reply_header(&reply, "x-early"), NULL);
	CHECK_EQ_S(http_reply_header(&reply, "x-empty"), "");
	CHECK_EQ_S(http_reply_header(&reply, "x-trailer"), NULL);
	CHECK(str_is(reply.body, "body"));
}

LOOP_TEST(our_own_server_can_cut_and_reset)
{
	static const char *const paths[] = { "/cut", "/reset" };
	struct rig *r = rig_new(a);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct http_reply reply;
		CHECK(!get(r, a, paths[i], &reply, e));
		CHECK_EQ_S(e->code, "http_cut");
		CHECK_EQ_I(reply.status, 200);
		CHECK(str_is(reply.body, "half"));
	}
}

/* ---- who cannot be reached, and what is not allowed ---- */

LOOP_TEST(a_refused_connection_is_unreachable)
{
	struct rig *r = rig_new(a);
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
	struct rig *r = rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = "http://nothing.invalid/" };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(30000), &reply, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, "resolve") && strstr(e->msg, "nothing.invalid"));
}

LOOP_TEST(only_http_urls_are_called)
{
	static const char *const urls[] = { "", "nonsense", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "gopher://x/",
		"http://127.0.0.1:99999/", "http://a b/" };
	struct rig *r = rig_new(a);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct http_reply reply;
		CHECK(!http_call(r->http, a, &(struct http_request){ .url = urls[i] }, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_I(e->kind, ERR_INPUT);
		CHECK_EQ_S(e->code, "http_bad_url");
	}
}

LOOP_TEST(a_header_cannot_smuggle_another)
{
	static const struct http_header bad[] = { { "X-A", "1\r\nX-B: hidden" }, { "X-A\nX-B", "1" }, { "", "1" }, { "X A", "1" } };
	struct rig *r = rig_new(a);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_reply reply;
		struct http_request rq = { .url = rig_url(a, r, "/echo"), .headers = (struct http_header[]){ bad[i], { 0 } } };
		CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		CHECK_EQ_S(e->code, "http_bad_header");
		CHECK(!strstr(e->msg, "hidden"));
	}
}

/* ---- many ---- */

LOOP_TEST(fifty_askers_share_one_lookup)
{
	enum { N = 50 };
	struct rig *r = rig_new(a);
	struct group g = { 0 };
	struct call *calls = arena_alloc(a, N * sizeof(*calls));
	const char *url = arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server));
	for (int i = 0; i < N; i++) {
		calls[i] = (struct call){ .http = r->http, .url = url };
		REQUIRE_OK(group_start(&g, "call", call_run, &calls[i], e));
	}
	CHECK(loop_sleep(0, e));
	task_cancel(calls[N / 2].task);
	REQUIRE_OK(group_wait(&g, deadline_in(10000), e));
	for (int i = 0; i < N; i++)
		CHECK(calls[i].ok == (i != N / 2));
}

LOOP_TEST(two_hundred_streams_at_once)
{
	struct rig *r = rig_new(a);
	struct group g = { 0 };
	struct call *calls = arena_alloc(a, GATHER * sizeof(*calls));
	for (int i = 0; i < GATHER; i++) {
		struct collector *c = arena_alloc(a, sizeof(*c));
		c->all = buf_new(a, 1000);
		calls[i] = (struct call){ .http = r->http, .url = rig_url(a, r, "/gather"), .collector = c };
		REQUIRE_OK(group_start(&g, "call", call_run, &calls[i], e));
	}
	REQUIRE_OK(group_wait(&g, deadline_in(20000), e));
	CHECK_EQ_I(r->gathered, GATHER);
	for (int i = 0; i < GATHER; i++)
		CHECK(calls[i].ok && calls[i].collector->all->n == 30);
}
