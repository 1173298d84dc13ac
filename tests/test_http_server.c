/* SPDX-License-Identifier: MIT */
/* The HTTP server, seen from a bare socket: what it sends, what it refuses, and what its handlers learn. */
#include "clock.h"
#include "http.h"
#include "http_server.h"
#include "net.h"
#include "test.h"
#include <sys/socket.h>
#include <unistd.h>

/* What the handlers of one test did. */
struct rig {
	struct http_server *server;
	struct group group;
	struct buf *path, *body, *tag;
	int64_t written;
	int running, ended;
	struct err failure;
	int descriptors;
};

static bool write_until_it_fails(struct rig *r, struct http_exchange *x, int64_t pause_ms, struct err *e)
{
	static char block[8192];
	bool ok = http_respond(x, 200, "text/plain", NULL, e);
	while (ok && (ok = http_respond_write(x, (struct str){ block, sizeof(block) }, e))) {
		r->written += sizeof(block);
		ok = !pause_ms || loop_sleep(pause_ms, e);
	}
	r->failure = *e;
	return false;
}

static bool sleep_long(struct rig *r, struct err *e)
{
	bool ok = loop_sleep(60000, e);
	r->failure = *e;
	return ok;
}

static bool echo(struct rig *r, struct http_exchange *x, struct err *e)
{
	const char *tag = http_exchange_header(x, "X-TAG");
	buf_add(r->path, str_of(http_exchange_path(x)));
	buf_add(r->tag, str_of(tag));
	buf_add(r->body, http_exchange_body(x));
	return http_respond(x, 201, "text/plain", (struct http_header[]){ { "X-A", "1" }, { 0 } }, e)
		&& http_respond_write(x, STR("one "), e) && http_respond_write(x, STR("two"), e);
}

static bool close_server(struct rig *r, struct http_exchange *x, struct err *e)
{
	http_server_close(r->server);
	r->server = NULL;
	return http_respond(x, 200, NULL, NULL, e);
}

static bool half(struct http_exchange *x, bool reset, struct err *e)
{
	http_respond_cut(x, reset);
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e);
}

static bool say_twice(struct http_exchange *x, struct err *e)
{
	struct err ignored;
	return http_respond(x, 200, NULL, NULL, e) && !http_respond(x, 500, NULL, NULL, &ignored)
		&& http_respond_write(x, str_of(ignored.code), e);
}

static bool write_first(struct http_exchange *x, struct err *e)
{
	struct err ignored;
	return !http_respond_write(x, STR("x"), &ignored) && http_respond(x, 200, NULL, NULL, e)
		&& http_respond_write(x, str_of(ignored.code), e);
}

static bool page(struct rig *r, struct http_exchange *x, struct err *e)
{
	const char *path = http_exchange_path(x);
	if (strcmp(path, "/flood") == 0)
		return write_until_it_fails(r, x, 0, e);
	if (strcmp(path, "/drip") == 0)
		return write_until_it_fails(r, x, 5, e);
	if (strcmp(path, "/sleep") == 0)
		return sleep_long(r, e);
	if (strcmp(path, "/stall") == 0)
		return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && sleep_long(r, e);
	if (strcmp(path, "/close") == 0)
		return close_server(r, x, e);
	if (strcmp(path, "/silent") == 0)
		return true;
	if (strcmp(path, "/fail") == 0)
		return FAIL(e, ERR_INPUT, "on_purpose", "failed on purpose");
	if (strcmp(path, "/cut") == 0 || strcmp(path, "/reset") == 0)
		return half(x, strcmp(path, "/reset") == 0, e);
	if (strcmp(path, "/twice") == 0)
		return say_twice(x, e);
	return strcmp(path, "/headless") == 0 ? write_first(x, e) : echo(r, x, e);
}

static bool serve(void *self, struct http_exchange *x, struct err *e)
{
	struct rig *r = self;
	r->running++;
	bool ok = page(r, x, e);
	r->running--;
	r->ended++;
	return ok;
}

static void rig_end(void *self)
{
	struct rig *r = self;
	struct err e;
	http_server_close(r->server);
	CHECK(group_wait(&r->group, deadline_in(1000), &e));
	CHECK_EQ_I(r->running, 0);
	net_check_descriptors(r->descriptors);
}

static struct rig *rig_new(struct arena *a, struct http_server_options o)
{
	struct rig *r = arena_alloc(a, sizeof(*r));
	struct err e = { 0 };
	r->path = buf_new(a, 1000);
	r->body = buf_new(a, 4 << 20);
	r->tag = buf_new(a, 1000);
	r->descriptors = net_descriptors();
	r->server = http_server_open(&o, &r->group, serve, r, &e);
	if (!test_check(r->server, __FILE__, __LINE__, e.msg))
		abort();
	arena_defer(a, rig_end, r);
	return r;
}

static struct rig *rig_plain(struct arena *a)
{
	return rig_new(a, (struct http_server_options){ .body_bytes = 100000 });
}

static void close_fd(void *fd)
{
	close((int)(intptr_t)fd);
}

static int client_new(struct arena *a, struct rig *r)
{
	int fd = net_connect(http_server_port(r->server));
	arena_defer(a, close_fd, (void *)(intptr_t)fd);
	return fd;
}

/* Sends text and reads until the server ends the connection. */
static struct buf *talk(struct arena *a, struct rig *r, struct str text, struct err *e)
{
	struct buf *b = buf_new(a, 4 << 20);
	int fd = client_new(a, r);
	bool end = false;
	if (!CHECK(net_write(fd, text, deadline_in(5000), e)))
		return b;
	while (!end && net_read(fd, b, &end, deadline_in(5000), e))
		;
	buf_add(b, STR(""));
	return b;
}

#define GET(path) STR("GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

static bool has(const struct buf *b, const char *text)
{
	return b->n && strstr(b->p, text);
}

/* ---- plain exchanges ---- */

LOOP_TEST(a_response_goes_out_in_chunks_with_its_head)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, GET("/any?q=1"), e);
	CHECK(has(b, "HTTP/1.1 201 Created\r\n"));
	CHECK(has(b, "X-A: 1\r\n") && has(b, "Content-Type: text/plain\r\n"));
	CHECK(has(b, "Transfer-Encoding: chunked\r\n"));
	CHECK(has(b, "one two\r\n0\r\n\r\n"));
	CHECK_EQ_S(r->path->p, "/any");
}

LOOP_TEST(an_old_client_gets_the_body_until_the_close)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, STR("GET / HTTP/1.0\r\n\r\n"), e);
	CHECK(has(b, "\r\n\r\none two"));
	CHECK(!has(b, "chunked"));
}

LOOP_TEST(a_head_request_gets_no_body)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, STR("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), e);
	CHECK(has(b, "201 Created") && !has(b, "one"));
	CHECK_EQ_I(r->ended, 1);
}

LOOP_TEST(one_connection_carries_many_exchanges)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, STR("GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nX-Tag: t\r\n"
		"Content-Length: 4\r\n\r\nbodyGET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), e);
	CHECK(has(b, "one two"));
	CHECK_EQ_S(r->path->p, "/a/b/c");
	CHECK_EQ_S(r->body->p, "body");
	CHECK_EQ_S(r->tag->p, "t");
	CHECK_EQ_I(r->ended, 3);
}

LOOP_TEST(a_chunked_request_body_is_put_together)
{
	struct rig *r = rig_plain(a);
	talk(a, r, STR("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), e);
	CHECK_EQ_S(r->body->p, "abcde");
}

LOOP_TEST(a_handler_that_answers_twice_or_out_of_order_learns_it)
{
	struct rig *r = rig_plain(a);
	CHECK(has(talk(a, r, GET("/twice"), e), "http_responded_twice"));
	CHECK(has(talk(a, r, GET("/headless"), e), "http_no_head"));
}

LOOP_TEST(a_handler_that_says_nothing_is_a_500)
{
	struct rig *r = rig_plain(a);
	CHECK(has(talk(a, r, GET("/silent"), e), "HTTP/1.1 500 "));
}

LOOP_TEST(a_handler_that_fails_first_closes_the_connection)
{
	struct rig *r = rig_plain(a);
	CHECK_EQ_I((int64_t)talk(a, r, GET("/fail"), e)->n, 0);
}

/* ---- limits ---- */

static struct str post_of(struct arena *a, size_t n)
{
	struct buf *b = buf_new(a, n + 1000);
	buf_printf(b, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", n);
	for (size_t i = 0; i < n; i++)
		buf_add(b, STR("b"));
	return buf_str(b);
}

LOOP_TEST(a_body_at_the_limit_is_taken)
{
	struct rig *r = rig_plain(a);
	CHECK(has(talk(a, r, post_of(a, 100000), e), "201 Created"));
	CHECK_EQ_I((int64_t)r->body->n, 100000);
}

LOOP_TEST(a_body_over_the_limit_is_answered_413)
{
	struct rig *r = rig_plain(a);
	CHECK(has(talk(a, r, post_of(a, 100001), e), "HTTP/1.1 413 "));
	CHECK(has(talk(a, r, post_of(a, 3000000), e), "HTTP/1.1 413 "));
	CHECK_EQ_I(r->ended, 0);
}

LOOP_TEST(a_head_over_the_limit_is_answered_431)
{
	struct rig *r = rig_plain(a);
	struct buf *b = buf_new(a, 100000);
	buf_add(b, STR("GET / HTTP/1.1\r\nHost: x\r\n"));
	for (int i = 0; i < 1000; i++)
		buf_printf(b, "X-Header-%d: 01234567890123456789\r\n", i);
	buf_add(b, STR("\r\n"));
	CHECK(has(talk(a, r, buf_str(b), e), "HTTP/1.1 431 "));
	CHECK_EQ_I(r->ended, 0);
}

LOOP_TEST(a_connection_over_the_limit_waits_for_its_turn)
{
	struct rig *r = rig_new(a, (struct http_server_options){ .connections = 1 });
	struct buf *b = buf_new(a, 10000);
	int idle = net_connect(http_server_port(r->server));
	CHECK(loop_sleep(20, e));
	int fd = client_new(a, r);
	CHECK(net_write(fd, GET("/"), deadline_in(1000), e));
	CHECK(!net_read_until(fd, b, "two", deadline_in(50), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	close(idle);
	CHECK(net_read_until(fd, b, "two", deadline_in(1000), e));
}

/* ---- breaking off on purpose ---- */

LOOP_TEST(a_cut_response_lacks_its_end)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, GET("/cut"), e);
	CHECK(has(b, "half") && !has(b, "0\r\n\r\n"));
	CHECK_EQ_I(e->kind, ERR_NONE);
}

LOOP_TEST(a_reset_response_ends_in_a_reset)
{
	struct rig *r = rig_plain(a);
	struct buf *b = talk(a, r, GET("/reset"), e);
	CHECK(has(b, "half"));
	CHECK_EQ_S(e->code, "reset");
}

/* ---- clients that leave or do not read ---- */

static void wait_for_start(struct rig *r, struct err *e)
{
	for (int i = 0; i < 200 && !r->running; i++)
		loop_sleep(5, e);
	CHECK_EQ_I(r->running, 1);
	loop_sleep(30, e);
}

static void wait_for_end(struct rig *r, struct err *e)
{
	for (int i = 0; i < 200 && !r->ended; i++)
		loop_sleep(5, e);
	CHECK_EQ_I(r->ended, 1);
}

static void leave_in_mid_body(struct arena *a, bool reset, struct err *e)
{
	struct rig *r = rig_plain(a);
	int fd = net_connect(http_server_port(r->server));
	CHECK(net_write(fd, GET("/drip"), deadline_in(1000), e));
	CHECK(net_read_until(fd, buf_new(a, 1 << 20), "200 OK", deadline_in(1000), e));
	if (reset)
		net_reset(fd);
	else
		close(fd);
	wait_for_end(r, e);
	CHECK_EQ_I(r->failure.kind, ERR_NET);
	CHECK_EQ_S(r->failure.code, "http_client_gone");
}

LOOP_TEST(a_client_that_leaves_fails_the_handlers_write)
{
	leave_in_mid_body(a, false, e);
}

LOOP_TEST(a_client_that_resets_fails_the_handlers_write)
{
	leave_in_mid_body(a, true, e);
}

LOOP_TEST(a_client_that_leaves_in_mid_request_never_reaches_the_handler)
{
	struct rig *r = rig_plain(a);
	int fd = net_connect(http_server_port(r->server));
	struct str some = STR("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome");
	CHECK(net_write(fd, some, deadline_in(1000), e));
	CHECK(loop_sleep(20, e));
	close(fd);
	CHECK(loop_sleep(20, e));
	CHECK_EQ_I(r->running + r->ended, 0);
}

LOOP_TEST(a_client_that_does_not_read_holds_the_handler_back)
{
	struct rig *r = rig_plain(a);
	int fd = client_new(a, r), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	CHECK(net_write(fd, GET("/flood"), deadline_in(1000), e));
	int64_t before = -1;
	for (int i = 0; i < 20 && before != r->written; i++) {
		before = r->written;
		CHECK(loop_sleep(100, e));
	}
	CHECK_EQ_I(r->written, before);
	CHECK(before > 0 && before < 8 << 20);
	CHECK_EQ_I(r->running, 1);
}

LOOP_TEST(a_client_that_leaves_wakes_the_handler_that_waits_for_it)
{
	struct rig *r = rig_plain(a);
	int fd = net_connect(http_server_port(r->server));
	CHECK(net_write(fd, GET("/flood"), deadline_in(1000), e));
	wait_for_start(r, e);
	net_reset(fd);
	wait_for_end(r, e);
	CHECK_EQ_S(r->failure.code, "http_client_gone");
}

/* ---- the end of the server ---- */

static void close_under(struct arena *a, struct str request, enum err_kind kind, struct err *e)
{
	struct rig *r = rig_plain(a);
	struct buf *b = buf_new(a, 8 << 20);
	bool end = false;
	int fd = client_new(a, r);
	CHECK(net_write(fd, request, deadline_in(1000), e));
	wait_for_start(r, e);
	http_server_close(r->server);
	r->server = NULL;
	CHECK(group_wait(&r->group, deadline_in(1000), e));
	CHECK_EQ_I(r->failure.kind, kind);
	while (!end && net_read(fd, b, &end, deadline_in(1000), e))
		;
	CHECK(end || strcmp(e->code, "reset") == 0);
}

LOOP_TEST(closing_ends_a_handler_that_sleeps_before_its_answer)
{
	close_under(a, GET("/sleep"), ERR_CANCELLED, e);
}

LOOP_TEST(closing_ends_a_handler_that_sleeps_in_mid_body)
{
	close_under(a, GET("/stall"), ERR_CANCELLED, e);
}

LOOP_TEST(closing_ends_a_handler_that_waits_for_room)
{
	close_under(a, GET("/flood"), ERR_CANCELLED, e);
}

/* Both requests arrive at once; the first handler closes the server before the second one's fiber has run. */
LOOP_TEST(closing_before_a_handler_runs_keeps_it_from_running)
{
	struct rig *r = rig_plain(a);
	int one = client_new(a, r), two = client_new(a, r);
	CHECK(net_write(one, GET("/close"), deadline_in(1000), e));
	CHECK(net_write(two, GET("/close"), deadline_in(1000), e));
	wait_for_end(r, e);
	CHECK(group_wait(&r->group, deadline_in(1000), e));
	CHECK_EQ_I(r->ended, 1);
}

LOOP_TEST(a_closed_server_takes_no_more_connections)
{
	struct rig *r = rig_plain(a);
	int port = http_server_port(r->server);
	http_server_close(r->server);
	r->server = NULL;
	int fd = net_connect(port);
	struct buf *b = buf_new(a, 100);
	bool end = false;
	CHECK(!net_write(fd, GET("/"), deadline_in(1000), e) || !net_read(fd, b, &end, deadline_in(1000), e));
	close(fd);
}

LOOP_TEST(an_address_in_use_is_an_error)
{
	struct rig *r = rig_plain(a);
	struct http_server_options o = { .port = http_server_port(r->server) };
	CHECK(!http_server_open(&o, &r->group, serve, r, e));
	CHECK(strstr(e->msg, arena_printf(a, "127.0.0.1:%d", o.port)) && strstr(e->msg, "in use"));
	o.host = "no address";
	CHECK(!http_server_open(&o, &r->group, serve, r, e));
	CHECK_EQ_S(e->code, "bad_address");
}

/* ---- many ---- */

LOOP_TEST(two_thousand_connections_stay_open)
{
	enum { N = 2000 };
	struct rig *r = rig_new(a, (struct http_server_options){ .connections = N });
	for (int i = 0; i < N; i++) {
		int fd = client_new(a, r);
		REQUIRE_OK(net_write(fd, GET("/sleep"), deadline_in(5000), e));
	}
	for (int i = 0; i < 500 && r->running < N; i++)
		loop_sleep(5, e);
	CHECK_EQ_I(r->running, N);
}
