/* SPDX-License-Identifier: MIT */
/* The HTTP client's limits, deadlines and cancellation: each in each phase, and nothing left behind. */
#include "http_rig.h"
#include <sys/socket.h>
#include <unistd.h>

/* ---- limits ---- */

static int64_t call_limited(struct http_rig *r, struct arena *a, const char *url, struct http_limits limits,
	struct http_reply *reply, struct err *e)
{
	int64_t before = clock_ms();
	struct http_request rq = { .url = url, .limits = limits };
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(5000), reply, e));
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
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	int port, fds[4] = { net_listen(0, &port) };
	fill_backlog(fds + 1, 3, port);
	int64_t took = call_limited(r, a, http_port_url(a, port), (struct http_limits){ .connect_ms = 100 }, &reply, e);
	check_timeout(e, "connect_timeout", took, 100);
	CHECK(strstr(e->msg, "connect"));
	CHECK_EQ_I(reply.status, 0);
	close_all(fds, 4);
}

/* The kernel accepts for a listener that never does: TCP stands, and nobody says hello. */
LOOP_TEST(a_tls_handshake_counts_as_connecting)
{
	struct http_rig *r = http_rig_new(a);
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
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	int port, fd = net_listen(5, &port);
	struct str body = { arena_alloc(a, 16 << 20), 16 << 20 };
	struct http_request rq = { .url = http_port_url(a, port), .body = body, .limits.first_byte_ms = 100 };
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
	struct http_rig *r = http_rig_new(a);
	struct group g = { 0 };
	struct http_reply reply;
	int port, fd = net_listen(5, &port);
	struct str body = { arena_alloc(a, GULPS * (size_t)GULP), GULPS * (size_t)GULP };
	struct http_request rq = { .url = http_port_url(a, port), .body = body, .limits.first_byte_ms = 500 };
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
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .connect_ms = 50, .first_byte_ms = 100, .stall_ms = 50 };
	int64_t took = call_limited(r, a, http_rig_url(a, r, "/mute"), limits, &reply, e);
	check_timeout(e, "first_byte_timeout", took, 100);
	CHECK_EQ_I(reply.status, 0);
}

LOOP_TEST(silence_in_mid_body_is_limited)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .first_byte_ms = 3000, .stall_ms = 100 };
	int64_t took = call_limited(r, a, http_rig_url(a, r, "/stall"), limits, &reply, e);
	check_timeout(e, "stall_timeout", took, 100);
	CHECK_EQ_I(reply.status, 200);
	CHECK(str_is(reply.body, "half"));
}

LOOP_TEST(a_steady_body_outlives_its_stall_limit)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = http_rig_url(a, r, "/steady"), .limits.stall_ms = 400 };
	REQUIRE_OK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	CHECK_EQ_I((int64_t)reply.body.n, 30);
}

LOOP_TEST(the_whole_transfer_is_limited)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_limits limits = { .first_byte_ms = 3000, .stall_ms = 3000, .total_ms = 100 };
	int64_t took = call_limited(r, a, http_rig_url(a, r, "/stall"), limits, &reply, e);
	check_timeout(e, "total_timeout", took, 100);
}

LOOP_TEST(the_callers_deadline_wins)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct http_request rq = { .url = http_rig_url(a, r, "/mute"),
		.limits = { .first_byte_ms = 3000, .total_ms = 3000 } };
	int64_t before = clock_ms();
	CHECK(!http_call(r->http, a, &rq, NULL, deadline_in(60), &reply, e));
	check_timeout(e, "deadline", clock_ms() - before, 60);
}

/* ---- cancellation ---- */

static void check_cancel(struct http_rig *r, const char *url, int64_t after_ms)
{
	struct group g = { 0 };
	struct http_rig_call c = { .http = r->http, .url = url };
	struct err e;
	CHECK(group_start(&g, "call", http_rig_call_run, &c, &e));
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
	struct http_rig *r = http_rig_new(a);
	check_cancel(r, arena_printf(a, "http://localhost:%d/echo", http_server_port(r->server)), 0);
}

LOOP_TEST(cancel_while_connecting)
{
	struct http_rig *r = http_rig_new(a);
	int port, fds[4] = { net_listen(0, &port) };
	fill_backlog(fds + 1, 3, port);
	check_cancel(r, http_port_url(a, port), 30);
	close_all(fds, 4);
}

LOOP_TEST(cancel_while_waiting_for_the_first_byte)
{
	struct http_rig *r = http_rig_new(a);
	check_cancel(r, http_rig_url(a, r, "/mute"), 30);
}

LOOP_TEST(cancel_in_mid_body)
{
	struct http_rig *r = http_rig_new(a);
	check_cancel(r, http_rig_url(a, r, "/stall"), 30);
}

LOOP_TEST(cancel_before_the_start)
{
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	task_cancel(task_self());
	CHECK(!http_rig_get(r, a, "/echo", &reply, e));
	CHECK_EQ_I(e->kind, ERR_CANCELLED);
	task_cancel_clear();
}

static bool one_call(void *arg, struct err *e)
{
	struct http_rig *r = arg;
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
			struct http_rig *r = http_rig_new(inner);
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
