/* SPDX-License-Identifier: MIT */
/* The Redis client against a real redis-server that each test starts, stops and kills. */
#include "clock.h"
#include "loop.h"
#include "net.h"
#include "redis.h"
#include "test.h"
#include <signal.h>
#include <unistd.h>

/* ---- the server ---- */

struct rig {
	struct arena *arena;
	int port, descriptors;
	pid_t pid;
	bool locked; /* by PASSWORD */
	struct redis *redis;
};

#define PASSWORD "op@n"
#define PASSWORD_IN_URL "op%40n"

static void rig_spawn(struct rig *r)
{
	const char *port = arena_printf(r->arena, "%d", r->port);
	const char *argv[] = { "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--dir", "/tmp", "--requirepass", r->locked ? PASSWORD : "", NULL };
	r->pid = net_program_start(argv);
}

static void rig_stop(struct rig *r)
{
	if (r->pid > 0)
		net_program_kill(r->pid);
	r->pid = 0;
}

static void rig_end(void *self)
{
	struct rig *r = self;
	redis_close(r->redis);
	rig_stop(r);
	net_check_descriptors(r->descriptors);
}

static const char *rig_url(struct rig *r)
{
	return r->locked ? arena_printf(r->arena, "redis://:%s@127.0.0.1:%d/2", PASSWORD_IN_URL, r->port)
		: arena_printf(r->arena, "redis://localhost:%d", r->port);
}

/* A server of this test's own, and a connection to it; both end with the arena. */
static struct rig *rig_new(struct arena *a, bool locked)
{
	struct rig *r = arena_alloc(a, sizeof(*r));
	struct err e = { 0 }, ignored;
	*r = (struct rig){ .arena = a, .descriptors = net_descriptors(), .locked = locked };
	close(net_listen(1, &r->port));
	rig_spawn(r);
	arena_defer(a, rig_end, r);
	for (int i = 0; i < 200 && !r->redis; i++) {
		r->redis = redis_open(rig_url(r), deadline_in(5000), &e);
		if (!r->redis)
			loop_sleep(20, &ignored);
	}
	if (!test_check(r->redis != NULL, __FILE__, __LINE__, e.msg)) /* is redis-server installed? */
		abort();
	return r;
}

#define WORDS(...) (const char *const[]){ __VA_ARGS__, NULL }

static bool command(struct rig *r, const char *const *words, struct redis_reply *reply, struct err *e)
{
	return redis_command(r->redis, r->arena, words, deadline_in(5000), reply, e);
}

/* ---- replies ---- */

LOOP_TEST(texts_numbers_and_nil_come_back)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	REQUIRE_OK(command(r, WORDS("SET", "key", "a value"), &reply, e));
	CHECK(reply.kind == REDIS_TEXT && str_is(reply.text, "OK"));
	REQUIRE_OK(command(r, WORDS("GET", "key"), &reply, e));
	CHECK(reply.kind == REDIS_TEXT && str_is(reply.text, "a value"));
	REQUIRE_OK(command(r, WORDS("INCRBY", "n", "-7"), &reply, e));
	CHECK(reply.kind == REDIS_I64 && reply.i64 == -7);
	REQUIRE_OK(command(r, WORDS("GET", "nothing"), &reply, e));
	CHECK(reply.kind == REDIS_NIL);
}

LOOP_TEST(lists_come_back_with_their_items)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	REQUIRE_OK(command(r, WORDS("EVAL", "return {1, 'two', false, {'deep', {}}}", "0"), &reply, e));
	REQUIRE(reply.kind == REDIS_LIST && reply.n == 4);
	CHECK_EQ_I(reply.items[0].i64, 1);
	CHECK(str_is(reply.items[1].text, "two"));
	CHECK(reply.items[2].kind == REDIS_NIL);
	REQUIRE(reply.items[3].kind == REDIS_LIST && reply.items[3].n == 2);
	CHECK(str_is(reply.items[3].items[0].text, "deep"));
	CHECK(reply.items[3].items[1].kind == REDIS_LIST && reply.items[3].items[1].n == 0);
}

LOOP_TEST(an_error_reply_leaves_the_connection_whole)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply = { .i64 = 77 };
	CHECK(!command(r, WORDS("NOSUCHCOMMAND"), &reply, e));
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK_EQ_S(e->code, "redis_error");
	CHECK(strstr(e->msg, "unknown command"));
	CHECK_EQ_I(reply.i64, 77);
	CHECK(!redis_broken(r->redis));
	CHECK(command(r, WORDS("PING"), &reply, e));
}

LOOP_TEST(a_large_reply_comes_back_whole_and_one_too_large_is_refused)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	REQUIRE_OK(command(r, WORDS("EVAL", "return string.rep('x', 1000000)", "0"), &reply, e));
	CHECK_EQ_I((int64_t)reply.text.n, 1000000);
	CHECK(!command(r, WORDS("EVAL", "local t = {} for i = 1, 100001 do t[i] = i end return t", "0"), &reply, e));
	CHECK_EQ_S(e->code, "redis_reply_too_large");
	CHECK(!command(r, WORDS("EVAL", "return string.rep('x', 40000000)", "0"), &reply, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK(redis_broken(r->redis));
}

LOOP_TEST(what_is_no_single_reply_is_refused)
{
	static const char *const many[1100] = { [0 ... 1098] = "x" };
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	const char *const *const bad[] = { WORDS("SUBSCRIBE", "c"), WORDS("psubscribe", "c"), WORDS("MONITOR"), many,
		(const char *const[]){ NULL } };
	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK(!command(r, bad[i], &reply, e));
		CHECK_EQ_S(e->code, "redis_bad_command");
	}
	CHECK(command(r, WORDS("PING"), &reply, e));
}

/* ---- opening ---- */

LOOP_TEST(a_password_opens_and_a_wrong_one_does_not)
{
	struct rig *r = rig_new(a, true);
	struct redis_reply reply;
	struct err first = { 0 };
	REQUIRE_OK(command(r, WORDS("SET", "in_db_two", "1"), &reply, e));
	const char *wrong = arena_printf(a, "redis://:wrong@127.0.0.1:%d", r->port);
	CHECK(!redis_open(wrong, deadline_in(5000), &first));
	CHECK_EQ_S(first.code, "redis_error");
	CHECK(!strstr(first.msg, "wrong@"));
	CHECK(!redis_open(arena_printf(a, "redis://127.0.0.1:%d", r->port), deadline_in(5000), &first));
	CHECK(strstr(first.msg, "NOAUTH"));
}

LOOP_TEST(the_database_of_the_url_is_used)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	REQUIRE_OK(command(r, WORDS("SET", "only_here", "1"), &reply, e));
	struct redis *other = redis_open(arena_printf(a, "redis://127.0.0.1:%d/3", r->port), deadline_in(5000), e);
	REQUIRE(other != NULL);
	REQUIRE_OK(redis_command(other, a, WORDS("GET", "only_here"), deadline_in(5000), &reply, e));
	CHECK(reply.kind == REDIS_NIL);
	redis_close(other);
}

LOOP_TEST(a_wrong_url_is_refused_without_repeating_it)
{
	static const char *const urls[] = { "", "localhost:6379", "http://h:1", "rediss://:hidden@h",
		"redis://:hidden@h/x",
		"redis://h:99999", "redis://:hidden@h/-1" };
	for (size_t i = 0; i < COUNT(urls); i++) {
		CHECK(!redis_open(urls[i], deadline_in(1000), e));
		CHECK_EQ_I(e->kind, ERR_INPUT);
		CHECK_EQ_S(e->code, "redis_bad_url");
		CHECK(!strstr(e->msg, "hidden"));
	}
}

LOOP_TEST(a_refused_port_and_an_unknown_name_are_unreachable)
{
	int port;
	close(net_listen(1, &port));
	const char *urls[] = { arena_printf(a, "redis://:hidden@127.0.0.1:%d", port),
		"redis://:hidden@nothing.invalid" };
	for (size_t i = 0; i < COUNT(urls); i++) {
		CHECK(!redis_open(urls[i], deadline_in(10000), e));
		CHECK_EQ_I(e->kind, ERR_NET);
		CHECK_EQ_S(e->code, "redis_unreachable");
		CHECK(!strstr(e->msg, "hidden"));
	}
}

LOOP_TEST(a_server_that_never_answers_meets_the_deadline)
{
	int port, fd = net_listen(5, &port);
	int64_t before = clock_ms();
	CHECK(!redis_open(arena_printf(a, "redis://127.0.0.1:%d", port), deadline_in(80), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(clock_ms() - before >= 80);
	close(fd);
}

/* ---- connections that break ---- */

struct asker {
	struct redis *redis;
	struct task *task;
	int64_t deadline_ms;
	const char *const *words;
	struct redis_reply reply;
	struct err e;
	bool ok;
};

static bool ask(void *arg, struct err *unused)
{
	struct asker *q = arg;
	ARENA_SCOPE(a);
	(void)unused;
	q->task = task_self();
	q->ok = redis_command(q->redis, a, q->words, deadline_in(q->deadline_ms), &q->reply, &q->e);
	return true;
}

static struct asker *ask_start(struct group *g, struct rig *r, const char *const *words, int64_t deadline_ms)
{
	struct err e;
	struct asker *q = arena_alloc(r->arena, sizeof(*q));
	*q = (struct asker){ .redis = r->redis, .words = words, .deadline_ms = deadline_ms };
	CHECK(group_start(g, "asker", ask, q, &e));
	return q;
}

static void check_failed(const struct asker *q, enum err_kind kind)
{
	CHECK(!q->ok);
	CHECK_EQ_I(q->e.kind, kind);
}

LOOP_TEST(a_server_killed_in_mid_wait_is_unreachable)
{
	struct rig *r = rig_new(a, false);
	struct group g = { 0 };
	struct redis_reply reply;
	struct asker *one = ask_start(&g, r, WORDS("BLPOP", "never", "0"), 5000);
	struct asker *two = ask_start(&g, r, WORDS("PING"), 5000);
	CHECK(loop_sleep(30, e));
	rig_stop(r);
	REQUIRE_OK(group_wait(&g, deadline_in(2000), e));
	check_failed(one, ERR_NET);
	check_failed(two, ERR_NET);
	CHECK_EQ_S(one->e.code, "redis_unreachable");
	CHECK(redis_broken(r->redis));
	CHECK(!command(r, WORDS("PING"), &reply, e));
	CHECK_EQ_S(e->code, "redis_unreachable");
}

LOOP_TEST(a_stopped_server_meets_the_deadline)
{
	struct rig *r = rig_new(a, false);
	struct redis_reply reply;
	int64_t before = clock_ms();
	kill(r->pid, SIGSTOP);
	CHECK(!redis_command(r->redis, a, WORDS("PING"), deadline_in(80), &reply, e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(clock_ms() - before >= 80 && clock_ms() - before < 2000);
	CHECK(redis_broken(r->redis));
}

LOOP_TEST(one_late_command_breaks_the_connection_for_all)
{
	struct rig *r = rig_new(a, false);
	struct group g = { 0 };
	struct asker *late = ask_start(&g, r, WORDS("BLPOP", "never", "0"), 50);
	struct asker *other = ask_start(&g, r, WORDS("PING"), 5000);
	REQUIRE_OK(group_wait(&g, deadline_in(2000), e));
	check_failed(late, ERR_TIMEOUT);
	check_failed(other, ERR_NET);
}

LOOP_TEST(a_cancelled_command_is_never_answered_into_freed_memory)
{
	struct rig *r = rig_new(a, false);
	struct group g = { 0 };
	struct asker *q = ask_start(&g, r, WORDS("EVAL", "local s = redis.call('TIME')[1]"
		" while redis.call('TIME')[1] - s < 1 do end return 'late'", "0"), 5000);
	CHECK(loop_sleep(20, e));
	task_cancel(q->task);
	REQUIRE_OK(group_wait(&g, deadline_in(500), e));
	check_failed(q, ERR_CANCELLED);
	CHECK(redis_broken(r->redis));
	CHECK(loop_sleep(30, e));
}

LOOP_TEST(closing_fails_the_commands_of_others)
{
	struct rig *r = rig_new(a, false);
	struct group g = { 0 };
	struct asker *q = ask_start(&g, r, WORDS("BLPOP", "never", "0"), 5000);
	CHECK(loop_sleep(20, e));
	redis_close(r->redis);
	r->redis = NULL;
	REQUIRE_OK(group_wait(&g, deadline_in(500), e));
	check_failed(q, ERR_NET);
}

static bool one_visit(void *arg, struct err *e)
{
	struct rig *r = arg;
	ARENA_SCOPE(a);
	struct redis_reply reply;
	task_torture_mark();
	struct redis *redis = redis_open(arena_printf(a, "redis://127.0.0.1:%d", r->port), deadline_in(5000), e);
	bool ok = redis && redis_command(redis, a, WORDS("GET", "x"), deadline_in(5000), &reply, e);
	redis_close(redis);
	return ok;
}

LOOP_TEST(every_wait_may_fail_and_nothing_is_left)
{
	static const enum err_kind kinds[] = { ERR_CANCELLED, ERR_TIMEOUT, ERR_NET };
	struct rig *r = rig_new(a, false);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		bool ok = false;
		for (int k = 1; !ok && k < 100; k++) {
			struct group g = { 0 };
			loop_torture(k, kinds[i]);
			REQUIRE_OK(group_start(&g, "visit", one_visit, r, e));
			ok = group_wait(&g, deadline_in(5000), e);
			bool hit = loop_torture(0, ERR_NONE) >= k;
			CHECK(ok != hit);
			CHECK(ok || e->kind == kinds[i]);
			CHECK(!ok || k > 2);
		}
		CHECK(ok);
	}
}

LOOP_TEST(many_fibers_share_one_connection_and_each_gets_its_own_reply)
{
	enum { N = 300 };
	struct rig *r = rig_new(a, false);
	struct group g = { 0 };
	struct asker *all[N];
	for (int i = 0; i < N; i++) {
		const char **words = arena_alloc(a, 3 * sizeof(*words));
		words[0] = "ECHO";
		words[1] = arena_printf(a, "%d", i);
		all[i] = ask_start(&g, r, words, 5000);
	}
	REQUIRE_OK(group_wait(&g, deadline_in(5000), e));
	for (int i = 0; i < N; i++)
		CHECK(all[i]->ok);
}
