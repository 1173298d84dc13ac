/* SPDX-License-Identifier: MIT */
/* Lanes of several workers: the counter that they share is a real Redis that is stopped, killed, emptied and slowed down. */
#include "clock.h"
#include "lane_case.h"
#include "lanes_redis.h"
#include "net.h"
#include "redis.h"
#include <signal.h>
#include <unistd.h>

enum { LONG_MS = 10000, CALLERS = 200 };

struct server {
	struct arena *arena;
	int port;
	pid_t pid;
	const char *url;
};

static void server_start(struct server *s)
{
	const char *argv[] = { "redis-server", "--port", arena_printf(s->arena, "%d", s->port), "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--dir", "/tmp", NULL };
	s->pid = net_program_start(argv);
}

static void server_kill(void *self)
{
	struct server *s = self;
	if (s->pid > 0)
		net_program_kill(s->pid);
	s->pid = 0;
}

static struct server *server_new(struct arena *a)
{
	struct server *s = arena_alloc(a, sizeof(*s));
	s->arena = a;
	close(net_listen(1, &s->port));
	s->url = arena_printf(a, "redis://127.0.0.1:%d", s->port);
	arena_defer(a, server_kill, s);
	return s;
}

static const char *server_ask(struct server *s, const char *const *words)
{
	struct redis_reply reply = { 0 };
	struct err e = { 0 };
	struct redis *r = redis_open(s->url, deadline_in(5000), &e);
	bool ok = r && redis_command(r, s->arena, words, deadline_in(5000), &reply, &e);
	redis_close(r);
	const struct redis_reply *one = reply.kind == REDIS_LIST && reply.n ? &reply.items[0] : &reply;
	return arena_text(s->arena, ok ? one->text : str_of(e.msg));
}
#define WORDS(...) (const char *const[]){ __VA_ARGS__, NULL }

/* What a worker process has: its own connection, and its own lanes. */
struct worker {
	struct lanes_redis *redis;
	struct lanes *lanes;
	struct group group;
};

static void worker_end(void *self)
{
	struct worker *w = self;
	struct err ignored;
	group_cancel(&w->group);
	group_wait(&w->group, deadline_in(LONG_MS), &ignored);
	lanes_free(w->lanes);
	lanes_redis_free(w->redis);
}

static struct worker *worker_new(struct arena *a, struct server *s)
{
	struct worker *w = arena_alloc(a, sizeof(*w));
	struct err e;
	w->group.keep_going = true;
	w->redis = lanes_redis_new(s->url, 300);
	w->lanes = lanes_new(&lane_case_rules, &(struct lane_share){ w->redis, lanes_redis_take, lanes_redis_tell, NULL });
	lanes_set_workers(w->lanes, 2);
	CHECK(group_start(&w->group, "redis", lanes_redis_loop, w->redis, &e));
	arena_defer(a, worker_end, w);
	return w;
}

static bool wait_here(struct worker *w, bool here, struct err *e)
{
	for (int64_t end = clock_ms() + 20000; lanes_redis_here(w->redis) != here;)
		if (clock_ms() > end || !loop_sleep(5, e))
			return FAIL(e, ERR_TIMEOUT, "timeout", "Redis is %s", here ? "away" : "here");
	return true;
}

#define TWO_WORKERS \
	struct server *s = server_new(a); \
	server_start(s); \
	struct worker *one = worker_new(a, s), *two = worker_new(a, s); \
	REQUIRE_OK(wait_here(one, true, e)); \
	REQUIRE_OK(wait_here(two, true, e))

/* Both ask in turn. */
static int64_t count_both(struct worker *one, struct worker *two, const struct model_config *config, int n,
	struct err *e)
{
	int64_t in = 0;
	for (int i = 0; i < n; i++)
		in += lane_count_in(one->lanes, config, 1, e) + lane_count_in(two->lanes, config, 1, e);
	return in;
}

LOOP_TEST(two_workers_share_one_limit_exactly)
{
	TWO_WORKERS;
	struct model_config config = { .api_key = "sk-very-secret", .requests_per_minute = 60 };
	int64_t began = clock_ms(), in = count_both(one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 61 + (clock_ms() - began) / 1000);
	CHECK_EQ_S(e->code, "lane_full");
	CHECK(e->retry_after_ms > 0 && e->retry_after_ms <= 1000);
	const char *key = server_ask(s, WORDS("KEYS", "*"));
	CHECK(strncmp(key, "drover:lane:{default}:", 22) == 0);
	CHECK(!strstr(key, "secret"));
	CHECK(!strstr(server_ask(s, WORDS("EVAL", "return redis.call('HGETALL', redis.call('KEYS', '*')[1])", "0")), "secret"));
	struct model_config other = { .api_key = "sk-another", .requests_per_minute = 60 };
	CHECK_EQ_S(server_ask(s, WORDS("EVAL", "return tostring(redis.call('PTTL', KEYS[1]) > 100000)", "1", key)), "true");
	CHECK_EQ_I(lane_count_in(two->lanes, &other, 10, e), 10);
}

LOOP_TEST(two_workers_whose_calls_come_at_once_share_one_limit_exactly)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct group g = { .keep_going = true };
	struct lane_caller *all[CALLERS];
	int64_t began = clock_ms(), in = 0;
	for (int i = 0; i < CALLERS; i++)
		all[i] = lane_caller_new(a, &g, i % 2 ? one->lanes : two->lanes, &config, 100);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	for (int i = 0; i < CALLERS; i++)
		in += all[i]->ok;
	CHECK(in >= 60 && in <= 61 + (clock_ms() - began) / 1000);
}

LOOP_TEST(tokens_are_shared_and_settled)
{
	TWO_WORKERS;
	struct model_config config = { .tokens_per_minute = 3000 }; /* thirty of 100 */
	struct lane_pass pass;
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	CHECK_EQ_I(count_both(one, two, &config, 5, e), 10);
	struct model_usage usage = { .input_tokens = 1000, .output_tokens = 0 };
	lane_leave(one->lanes, &pass, &(struct lane_end){ .usage = &usage });
	CHECK(loop_sleep(50, e));
	int64_t in = count_both(one, two, &config, 20, e);
	CHECK(in >= 10 && in <= 12);
	struct model_config large = { .lane = "large", .tokens_per_minute = 50 };
	CHECK_EQ_I(lane_count_in(two->lanes, &large, 3, e), 1); /* more than a minute has is taken when all of it is there */
}

LOOP_TEST(a_limit_that_one_worker_learned_binds_the_other)
{
	TWO_WORKERS;
	struct model_config config = { 0 };
	struct lane_pass pass;
	struct model_rate rate = { .requests_limit = 60, .requests_left = 5, .tokens_limit = -1, .tokens_left = -1 };
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	lane_leave(one->lanes, &pass, &(struct lane_end){ .rate = &rate });
	CHECK(loop_sleep(50, e));
	int64_t in = lane_count_in(two->lanes, &config, 20, e);
	CHECK(in >= 5 && in <= 6);
}

/* Who shares the Redis can stop a lane, but for no longer than a provider could; the request looks again. */
LOOP_TEST(numbers_that_another_wrote_into_redis_are_bounded)
{
	static const char *const fields[][2] = { { "paused_until", "1e15" }, { "tokens_limit", "9e15" }, { "requests", "nan" },
		{ "paused_until", "-9e15" }, { "at", "9e15" }, { "at", "-9e15" }, { "requests", "-9e15" }, { "paused_until", "inf" } };
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct lane_pass pass;
	struct lane_state state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		server_ask(s, WORDS("FLUSHALL"));
		CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
		server_ask(s, WORDS("HSET", server_ask(s, WORDS("KEYS", "*")), fields[i][0], fields[i][1]));
		const char *fate = lane_try(two->lanes, &config, 100, &pass, e);
		if (!CHECK(strcmp(fate, "in") == 0 || (e->retry_after_ms > 0 && e->retry_after_ms <= 24 * 3600 * 1000)))
			printf("      %s %s: %s %lld\n", fields[i][0], fields[i][1], fate, (long long)e->retry_after_ms);
		if (i == 0)
			CHECK_EQ_S(fate, "lane_paused");
		while (lanes_changed(two->lanes, &state))
			CHECK(state.learned_tokens >= 0 && state.learned_tokens <= INT32_MAX);
	}
}

LOOP_TEST(a_limit_that_is_configured_ends_with_its_configuration)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 }, without = { 0 };
	struct lane_state state;
	CHECK(lane_count_in(one->lanes, &config, 100, e) <= 65);
	CHECK_EQ_I(lane_count_in(two->lanes, &without, 100, e), 100);
	CHECK_EQ_I(lane_count_in(one->lanes, &without, 100, e), 100);
	CHECK(!lanes_changed(one->lanes, &state));
}

LOOP_TEST(a_429_at_one_worker_pauses_the_other_and_the_end_of_a_circuit_is_heard)
{
	TWO_WORKERS;
	struct model_config config = { 0 }, other = { .lane = "other" };
	struct lane_pass pass;
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	lane_end_as(one->lanes, &pass, ERR_BUSY, "model_rate_limited", 600);
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(lane_try(two->lanes, &config, 100, &pass, e), "lane_paused");
	CHECK(e->retry_after_ms > 300 && e->retry_after_ms <= 600);
	CHECK_EQ_S(lane_try(two->lanes, &config, 2000, &pass, e), "in");
	struct lane_pass late;
	CHECK_EQ_S(lane_try(one->lanes, &other, 0, &late, e), "in");
	for (int i = 0; i < 3; i++) {
		CHECK_EQ_S(lane_try(one->lanes, &other, 0, &pass, e), "in");
		lane_end_as(one->lanes, &pass, ERR_NET, "http_unreachable", 0);
	}
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(lane_try(two->lanes, &other, 50, &pass, e), "lane_paused");
	lane_end_as(one->lanes, &late, ERR_NONE, "", 0); /* it does answer */
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(lane_try(two->lanes, &other, 0, &pass, e), "in");
}

/* ---- Redis that fails ---- */

/* Thirty a minute and worker are the share of two: a tenth of it is there in the beginning. */
static void check_own_share(struct worker *w, const char *lane, struct err *e)
{
	struct model_config config = { .lane = lane, .requests_per_minute = 60 };
	int64_t began = clock_ms(), in = lane_count_in(w->lanes, &config, CALLERS, e);
	CHECK(in >= 3 && in <= 4 + (clock_ms() - began) / 2000);
}

LOOP_TEST(without_redis_at_the_start_calls_go_on_within_the_own_share_until_it_comes)
{
	struct server *s = server_new(a);
	struct worker *w = worker_new(a, s);
	CHECK(loop_sleep(50, e));
	CHECK(!lanes_redis_here(w->redis));
	check_own_share(w, "before", e);
	server_start(s);
	REQUIRE_OK(wait_here(w, true, e));
	struct model_config config = { .lane = "after", .requests_per_minute = 60 };
	int64_t in = lane_count_in(w->lanes, &config, CALLERS, e);
	CHECK(in >= 60 && in <= 65);
}

LOOP_TEST(a_redis_that_is_killed_and_started_again_costs_nothing_but_the_own_share)
{
	TWO_WORKERS;
	struct model_config config = { .lane = "x", .requests_per_minute = 60 };
	struct lane_pass pass;
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	server_kill(s);
	check_own_share(one, "y", e);
	CHECK(!lanes_redis_here(one->redis));
	check_own_share(two, "y", e);
	server_start(s); /* it knows no script now */
	REQUIRE_OK(wait_here(one, true, e));
	REQUIRE_OK(wait_here(two, true, e));
	int64_t in = count_both(one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 65);
}

LOOP_TEST(what_others_granted_is_not_granted_again_when_redis_goes)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	int64_t in = lane_count_in(one->lanes, &config, CALLERS, e), began = clock_ms();
	CHECK(in >= 60 && in <= 63);
	server_kill(s);
	in = lane_count_in(one->lanes, &config, CALLERS, e);
	CHECK(in <= (clock_ms() - began + 500) / 2000);
}

LOOP_TEST(an_emptied_redis_and_one_that_forgot_the_script_go_on_counting)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	CHECK_EQ_I(count_both(one, two, &config, 10, e), 20);
	CHECK_EQ_S(server_ask(s, WORDS("SCRIPT", "FLUSH")), "OK");
	CHECK_EQ_I(count_both(one, two, &config, 10, e), 20);
	CHECK_EQ_S(server_ask(s, WORDS("FLUSHALL")), "OK");
	int64_t in = count_both(one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 65); /* one more minute's worth, and no more */
	CHECK(lanes_redis_here(one->redis) && lanes_redis_here(two->redis));
}

LOOP_TEST(a_redis_that_hangs_holds_up_one_call_for_its_timeout_and_no_other)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct lane_pass pass;
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	kill(s->pid, SIGSTOP);
	int64_t began = clock_ms();
	CHECK_EQ_S(lane_try(one->lanes, &config, 5000, &pass, e), "in");
	CHECK(clock_ms() - began >= 300);
	began = clock_ms();
	check_own_share(one, "y", e);
	CHECK(clock_ms() - began < 250);
	kill(s->pid, SIGCONT);
	REQUIRE_OK(wait_here(one, true, e));
}

LOOP_TEST(a_caller_that_is_cancelled_while_redis_is_asked_breaks_nothing_and_takes_nothing)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct group g = { .keep_going = true };
	struct lane_pass pass;
	CHECK_EQ_S(lane_try(one->lanes, &config, 0, &pass, e), "in");
	kill(s->pid, SIGSTOP);
	struct lane_caller *c = lane_caller_new(a, &g, one->lanes, &config, 5000);
	CHECK(loop_sleep(30, e));
	int64_t began = clock_ms();
	task_cancel(c->task);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(clock_ms() - began < 200);
	kill(s->pid, SIGCONT);
	CHECK(!c->ok);
	CHECK_EQ_I(c->e.kind, ERR_CANCELLED);
	CHECK(loop_sleep(100, e));
	CHECK(lanes_redis_here(one->redis));
	int64_t in = count_both(one, two, &config, 60, e);
	CHECK(in >= 59 && in <= 62); /* of 60 one was taken, and the cancelled one was given back */
}

/* ---- every wait ---- */

struct visit {
	struct worker *worker;
	const struct model_config *config;
};

static bool one_visit(void *arg, struct err *e)
{
	struct visit *v = arg;
	struct lane_pass pass;
	struct lane_wish wish = { .config = v->config, .tokens = 100, .most_ms = 2000 };
	task_torture_mark();
	if (!lane_enter(v->worker->lanes, &wish, &pass, e))
		return false;
	bool ok = loop_sleep(1, e);
	lane_leave(v->worker->lanes, &pass, &(struct lane_end){ .error = ok ? NULL : e });
	return ok;
}

LOOP_TEST(every_wait_of_a_caller_may_fail_and_the_next_one_comes_in)
{
	static const enum err_kind kinds[] = { ERR_CANCELLED, ERR_TIMEOUT, ERR_NET };
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 6000 };
	struct visit v = { one, &config };
	struct lane_pass pass;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		bool ok = false;
		for (int k = 1; !ok && k < 50; k++) {
			struct group g = { 0 };
			loop_torture(k, kinds[i]);
			REQUIRE_OK(group_start(&g, "visit", one_visit, &v, e));
			ok = group_wait(&g, deadline_in(LONG_MS), e);
			CHECK(ok != (loop_torture(0, ERR_NONE) >= k));
			CHECK(ok || e->kind == kinds[i]);
			CHECK_EQ_S(lane_try(two->lanes, &config, 0, &pass, e), "in");
			lane_end_as(two->lanes, &pass, ERR_NONE, "", 0);
		}
		CHECK(ok);
	}
	CHECK_EQ_S(lane_try(one->lanes, &config, 3000, &pass, e), "in");
}
