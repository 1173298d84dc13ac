/* SPDX-License-Identifier: MIT */
/* The HTTP client against peers that break off, stall and lie. */
#include "http_rig.h"
#include <unistd.h>

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

static bool call_peer(struct http_rig *r, struct arena *a, struct peer *p, struct http_reply *reply, struct err *e)
{
	struct group g = { .keep_going = true };
	struct err ignored;
	p->listener = net_listen(5, &p->port);
	struct http_request rq = { .url = http_port_url(a, p->port) };
	bool ok = group_start(&g, "peer", peer_run, p, e)
		&& http_call(r->http, a, &rq, NULL, deadline_in(5000), reply, e);
	group_cancel(&g);
	group_wait(&g, deadline_in(1000), &ignored);
	close(p->listener);
	return ok;
}

static void check_peer(struct arena *a, struct peer p, const char *code, int status)
{
	struct http_rig *r = http_rig_new(a);
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
	struct peer p = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .then = THEN_RESET };
	check_peer(a, p, "http_cut", 200);
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
	struct http_rig *r = http_rig_new(a);
	struct http_reply reply;
	struct peer p = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	p.listener = net_listen(5, &p.port);
	struct http_request rq = { .url = http_port_url(a, p.port), .body = STR("{}") };
	for (int i = 0; i < 3; i++) {
		struct group g = { 0 };
		REQUIRE_OK(group_start(&g, "peer", peer_run, &p, e));
		CHECK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
		REQUIRE_OK(group_wait(&g, deadline_in(1000), e));
	}
	close(p.listener);
}

/* Answers the first request, reads the second to its end, and leaves without a word; counts all connections. */
struct deaf {
	int listener, port, connections;
	const char *until;
};

static bool deaf_run(void *arg, struct err *e)
{
	struct deaf *p = arg;
	ARENA_SCOPE(a);
	for (;;) {
		struct err ignored;
		int fd = net_accept(p->listener, deadline_in(5000), e);
		if (fd < 0)
			return false;
		p->connections++;
		bool ok = net_read_until(fd, buf_new(a, 65536), p->until, deadline_in(5000), &ignored)
			&& net_write(fd, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), deadline_in(5000), &ignored)
			&& net_read_until(fd, buf_new(a, 65536), p->until, deadline_in(5000), &ignored);
		close(fd);
		if (!ok && task_cancelled())
			return false;
	}
}

static bool call_deaf(struct arena *a, struct str body, int *connections, struct err *e)
{
	struct http_rig *r = http_rig_new(a);
	struct group g = { .keep_going = true };
	struct err ignored;
	struct http_reply reply;
	struct deaf p = { .until = body.n ? "{}" : "\r\n\r\n" };
	p.listener = net_listen(5, &p.port);
	struct http_request rq = { .url = http_port_url(a, p.port), .body = body };
	CHECK(group_start(&g, "deaf", deaf_run, &p, e));
	CHECK(http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e));
	bool ok = http_call(r->http, a, &rq, NULL, deadline_in(5000), &reply, e);
	group_cancel(&g);
	group_wait(&g, deadline_in(1000), &ignored);
	close(p.listener);
	*connections = p.connections;
	return ok;
}

LOOP_TEST(a_body_that_was_sent_is_never_sent_again_by_itself)
{
	int connections;
	CHECK(!call_deaf(a, STR("{}"), &connections, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_S(e->code, "http_cut");
	CHECK(strstr(e->msg, "is not sent again"));
}

LOOP_TEST(a_get_without_an_answer_is_asked_again_on_a_fresh_connection)
{
	int connections;
	CHECK(call_deaf(a, STR(""), &connections, e));
	CHECK_EQ_I(connections, 2);
}

LOOP_TEST(a_head_too_large_is_refused)
{
	struct http_rig *r = http_rig_new(a);
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
	struct http_rig *r = http_rig_new(a);
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
	struct http_rig *r = http_rig_new(a);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct http_reply reply;
		CHECK(!http_rig_get(r, a, paths[i], &reply, e));
		CHECK_EQ_S(e->code, "http_cut");
		CHECK_EQ_I(reply.status, 200);
		CHECK(str_is(reply.body, "half"));
	}
}
