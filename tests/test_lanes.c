/* SPDX-License-Identifier: MIT */
/* Lanes: who may call a provider, when, and what one worker learns from another; the counter that they share is a real
 * Redis that is stopped, killed, emptied and slowed down. */
#include "clock.h"
#include "lane_inner.h"
#include "lanes_redis.h"
#include "net.h"
#include "redis.h"
#include "test.h"
#include <signal.h>
#include <unistd.h>

enum { LONG_MS = 10000, CALLERS = 200 };

static const struct lane_rules rules = { 3, 200 };

/* ---- callers ---- */

struct caller {
	struct lanes *lanes;
	struct lane_wish wish;
	struct lane_pass pass;
	struct task *task;
	struct err e;
	bool ended, ok;
	int nth;                   /* in the order of being let in */
	int64_t waited_ms;
};

static int let_in;

static bool enter(void *arg, struct err *unused __attribute__((unused)))
{
	struct caller *c = arg;
	int64_t began = clock_ms();
	c->task = task_self();
	c->ok = lane_enter(c->lanes, &c->wish, &c->pass, &c->e);
	c->ended = true;
	c->waited_ms = clock_ms() - began;
	if (c->ok)
		c->nth = ++let_in;
	return true;
}

static struct caller *caller_new(struct arena *a, struct group *g, struct lanes *l, const struct model_config *config,
	int64_t most_ms)
{
	struct caller *c = arena_alloc(a, sizeof(*c));
	struct err e;
	*c = (struct caller){ .lanes = l, .wish = { .config = config, .tokens = 100, .most_ms = most_ms } };
	CHECK(group_start(g, "caller", enter, c, &e));
	return c;
}

/* "in", or the code of the refusal. */
static const char *try(struct arena *a, struct lanes *l, const struct model_config *config, int64_t most_ms,
	struct lane_pass *pass, struct err *e)
{
	struct lane_wish wish = { .config = config, .tokens = 100, .most_ms = most_ms };
	(void)a;
	*e = (struct err){ 0 };
	return lane_enter(l, &wish, pass, e) ? "in" : e->code;
}

static void leave(struct lanes *l, const struct lane_pass *pass, enum err_kind kind, const char *code, int64_t retry_after_ms)
{
	struct err why = { .kind = kind, .code = code, .retry_after_ms = retry_after_ms, .msg = "what the provider said" };
	lane_leave(l, pass, &(struct lane_end){ .error = kind ? &why : NULL });
}

static struct lanes *lanes_of(struct arena *a, const struct lane_share *share)
{
	struct lanes *l = lanes_new(&rules, share);
	arena_defer(a, (void (*)(void *))lanes_free, l);
	let_in = 0;
	return l;
}

#define TRY(l, config, most_ms) try(a, (l), (config), (most_ms), &pass, e)
#define REFUSE(kind, code, after_ms) do { \
	CHECK_EQ_S(TRY(l, &config, 5000), "in"); \
	leave(l, &pass, kind, code, after_ms); \
} while (0)

/* ---- pauses and circuits ---- */

LOOP_TEST(a_rate_limited_lane_is_left_alone_for_as_long_as_it_said)
{
	struct model_config config = { 0 }, other = { .lane = "other" };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	REFUSE(ERR_BUSY, "model_rate_limited", 300);
	CHECK_EQ_S(TRY(l, &config, 100), "lane_paused");
	CHECK_EQ_I(e->kind, ERR_BUSY);
	CHECK(e->retry_after_ms > 100 && e->retry_after_ms <= 300);
	CHECK(strstr(e->msg, "lane default is left alone for 0.") && strstr(e->msg, "what the provider said"));
	CHECK_EQ_S(TRY(l, &other, 0), "in");
	int64_t began = clock_ms();
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	CHECK(clock_ms() - began >= 200);
}

LOOP_TEST(a_spend_limit_pauses_a_minute_and_refused_keys_only_when_there_are_many_in_a_row)
{
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	REFUSE(ERR_REFUSED, "model_auth", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	REFUSE(ERR_NONE, "", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	REFUSE(ERR_REFUSED, "model_billing", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	CHECK_EQ_S(TRY(l, &config, 50), "lane_paused");
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	leave(l, &pass, ERR_REFUSED, "model_spend_limit", 0);
	CHECK_EQ_S(TRY(l, &config, 5000), "lane_paused");
	CHECK(e->retry_after_ms > 55000 && e->retry_after_ms <= 60000);
	struct lane_state state;
	CHECK(lanes_changed(l, &state) && state.reason == LANE_SPEND_LIMIT && state.paused_ms > 55000);
	CHECK(!lanes_changed(l, &state));
}

LOOP_TEST(a_circuit_opens_lets_one_call_try_and_closes_when_that_goes_well)
{
	static const struct { enum err_kind kind; const char *code; } failures[] = { { ERR_NET, "http_unreachable" },
		{ ERR_TIMEOUT, "stall_timeout" }, { ERR_BUSY, "model_overloaded" } };
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass, late;
	struct group g = { 0 };
	CHECK_EQ_S(try(a, l, &config, 0, &late, e), "in");
	for (size_t i = 0; i < COUNT(failures); i++)
		REFUSE(failures[i].kind, failures[i].code, 0);
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	struct caller *one = caller_new(a, &g, l, &config, 5000), *two = caller_new(a, &g, l, &config, 5000);
	CHECK(loop_sleep(50, e));
	leave(l, &late, ERR_NET, "model_cut", 0); /* it began before: it tells nothing new */
	while (!one->ended)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK(one->ok && one->pass.probe);
	CHECK(loop_sleep(50, e));
	CHECK(!two->ended);
	leave(l, &one->pass, ERR_NET, "http_unreachable", 0); /* open again */
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	while (!two->ended)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK(two->ok && two->pass.probe && two->waited_ms >= 350);
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	leave(l, &two->pass, ERR_NONE, "", 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ_S(TRY(l, &config, 0), "in");
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
}

LOOP_TEST(what_speaks_of_one_request_or_of_us_opens_no_circuit)
{
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	struct err away = { .kind = ERR_NET, .code = "db_away" }, late = { .kind = ERR_TIMEOUT, .code = "timeout" };
	for (int i = 0; i < 10; i++) {
		CHECK_EQ_S(TRY(l, &config, 0), "in");
		leave(l, &pass, ERR_INPUT, "model_rejected", 0);
		CHECK_EQ_S(TRY(l, &config, 0), "in");
		lane_leave(l, &pass, &(struct lane_end){ .error = &away, .ours = true });
		CHECK_EQ_S(TRY(l, &config, 0), "in");
		leave(l, &pass, ERR_CANCELLED, "cancelled", 0);
		CHECK_EQ_S(TRY(l, &config, 0), "in");
		pass.deadline = clock_ms();
		lane_leave(l, &pass, &(struct lane_end){ .error = &late });
	}
	struct lane_state state;
	CHECK(!lanes_changed(l, &state));
}

LOOP_TEST(a_probe_that_is_cancelled_leaves_the_next_one_to_try)
{
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	for (int i = 0; i < 3; i++)
		REFUSE(ERR_NET, "http_unreachable", 0);
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	leave(l, &pass, ERR_CANCELLED, "cancelled", 0);
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	CHECK(pass.probe);
}

LOOP_TEST(what_others_tell_counts_until_they_tell_otherwise)
{
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	struct group g = { 0 };
	struct lane_state told = { "default", LANE_RATE_LIMITED, 60000, "too fast", 0, 0 };
	lanes_told(l, &told, 1);
	CHECK_EQ_S(TRY(l, &config, 1000), "lane_paused");
	CHECK(strstr(e->msg, "too fast"));
	struct caller *c = caller_new(a, &g, l, &config, 100000);
	CHECK(loop_sleep(30, e));
	CHECK(!c->ended);
	lanes_told(l, NULL, 0);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(c->ok);
}

/* ---- the own share ---- */

/* How many of n are let in without waiting. */
static int64_t count_in(struct arena *a, struct lanes *l, const struct model_config *config, int n, struct err *e)
{
	struct lane_pass pass;
	int64_t in = 0;
	for (int i = 0; i < n; i++)
		in += strcmp(TRY(l, config, 0), "in") == 0;
	return in;
}

LOOP_TEST(a_process_alone_keeps_to_its_share_and_begins_with_little)
{
	struct model_config config = { .requests_per_minute = 600 }, tokens = { .lane = "t", .tokens_per_minute = 60000 };
	struct model_config small = { .lane = "s", .requests_per_minute = 2 };
	struct lanes *l = lanes_of(a, NULL);
	lanes_set_workers(l, 3);
	int64_t began = clock_ms(), in = count_in(a, l, &config, CALLERS, e), passed = clock_ms() - began;
	CHECK(in >= 20 && in <= 21 + passed * 200 / 60000); /* 200 a minute are its share, a tenth is there */
	CHECK_EQ_S(e->code, "lane_full");
	CHECK(e->retry_after_ms > 0 && e->retry_after_ms <= 301);
	CHECK(strstr(e->msg, "600 requests"));
	in = count_in(a, l, &tokens, CALLERS, e);
	CHECK(in >= 20 && in <= 22);
	lanes_set_workers(l, 100);
	CHECK_EQ_I(count_in(a, l, &small, CALLERS, e), 1); /* at least one a minute */
	CHECK(e->retry_after_ms > 50000);
}

LOOP_TEST(waiters_go_in_as_they_came_and_not_sooner_than_the_limit_lets_them)
{
	enum { N = 12 };
	struct model_config config = { .requests_per_minute = 1200 }; /* one each 50 ms */
	struct lanes *l = lanes_of(a, NULL);
	struct group g = { 0 };
	struct caller *all[N];
	struct lane_pass pass;
	int64_t began = clock_ms();
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	for (int i = 0; i < N; i++)
		all[i] = caller_new(a, &g, l, &config, 5000);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	for (int i = 0; i < N; i++)
		CHECK_EQ_I(all[i]->nth, i + 1);
	CHECK(clock_ms() - began >= (N - 1) * 50);
}

LOOP_TEST(nobody_joins_a_queue_that_is_longer_than_he_can_wait)
{
	struct model_config config = { .requests_per_minute = 60 };
	struct lanes *l = lanes_of(a, NULL);
	struct group g = { 0 };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	for (int i = 0; i < 5; i++)
		caller_new(a, &g, l, &config, 60000);
	CHECK(loop_sleep(20, e));
	int64_t began = clock_ms();
	CHECK_EQ_S(TRY(l, &config, 3000), "lane_full");
	CHECK(clock_ms() - began < 500);
	CHECK_EQ_I(e->retry_after_ms, 5000);
	group_cancel(&g);
	struct err ignored;
	group_wait(&g, deadline_in(LONG_MS), &ignored);
}

LOOP_TEST(who_is_cancelled_or_out_of_time_leaves_the_queue_and_holds_nobody_up)
{
	struct model_config config = { .requests_per_minute = 120 };
	struct lanes *l = lanes_of(a, NULL);
	struct group g = { .keep_going = true };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	struct caller *first = caller_new(a, &g, l, &config, 60000), *late = caller_new(a, &g, l, &config, 60000),
		      *third = caller_new(a, &g, l, &config, 60000);
	late->wish.deadline = clock_ms() + 100;
	CHECK(loop_sleep(50, e));
	task_cancel(first->task);
	CHECK(loop_sleep(20, e));
	CHECK(first->ended && !first->ok);
	CHECK_EQ_I(first->e.kind, ERR_CANCELLED);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(!late->ok);
	CHECK_EQ_I(late->e.kind, ERR_TIMEOUT);
	CHECK(third->ok && third->waited_ms < 5000);
}

LOOP_TEST(limits_are_learned_from_answers_and_what_is_left_counts)
{
	struct model_config config = { 0 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	CHECK_EQ_I(count_in(a, l, &config, CALLERS, e), CALLERS); /* nothing is known */
	struct model_rate rate = { .requests_limit = 60, .requests_left = 3, .tokens_limit = -1, .tokens_left = -1 };
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	lane_leave(l, &pass, &(struct lane_end){ .rate = &rate });
	CHECK_EQ_I(count_in(a, l, &config, CALLERS, e), 3);
	struct lane_state state;
	CHECK(lanes_changed(l, &state) && state.learned_requests == 60 && state.learned_tokens == 0);
	CHECK_EQ_I(state.paused_ms, -1);
}

LOOP_TEST(what_a_call_really_took_settles_its_estimate)
{
	struct model_config config = { .tokens_per_minute = 10000 };
	struct lanes *l = lanes_of(a, NULL);
	struct lane_pass pass;
	CHECK_EQ_I(count_in(a, l, &config, 4, e), 4);
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	struct model_usage usage = { .input_tokens = 2000, .output_tokens = 100, .cache_read_tokens = 90000 };
	lane_leave(l, &pass, &(struct lane_end){ .usage = &usage });
	CHECK_EQ_S(TRY(l, &config, 0), "lane_full");
	CHECK(e->retry_after_ms > 9000 && e->retry_after_ms < 10000); /* 1,600 below, 166 come back a second */
}

/* ---- Redis ---- */

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
	w->lanes = lanes_new(&rules, &(struct lane_share){ w->redis, lanes_redis_take, lanes_redis_tell, NULL });
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
static int64_t count_both(struct arena *a, struct worker *one, struct worker *two, const struct model_config *config, int n,
	struct err *e)
{
	int64_t in = 0;
	for (int i = 0; i < n; i++)
		in += count_in(a, one->lanes, config, 1, e) + count_in(a, two->lanes, config, 1, e);
	return in;
}

LOOP_TEST(two_workers_share_one_limit_exactly)
{
	TWO_WORKERS;
	struct model_config config = { .api_key = "sk-very-secret", .requests_per_minute = 60 };
	int64_t began = clock_ms(), in = count_both(a, one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 61 + (clock_ms() - began) / 1000);
	CHECK_EQ_S(e->code, "lane_full");
	CHECK(e->retry_after_ms > 0 && e->retry_after_ms <= 1000);
	const char *key = server_ask(s, WORDS("KEYS", "*"));
	CHECK(strncmp(key, "drover:lane:{default}:", 22) == 0);
	CHECK(!strstr(key, "secret"));
	CHECK(!strstr(server_ask(s, WORDS("EVAL", "return redis.call('HGETALL', redis.call('KEYS', '*')[1])", "0")), "secret"));
	struct model_config other = { .api_key = "sk-another", .requests_per_minute = 60 };
	CHECK_EQ_S(server_ask(s, WORDS("EVAL", "return tostring(redis.call('PTTL', KEYS[1]) > 100000)", "1", key)), "true");
	CHECK_EQ_I(count_in(a, two->lanes, &other, 10, e), 10);
}

LOOP_TEST(two_workers_whose_calls_come_at_once_share_one_limit_exactly)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct group g = { .keep_going = true };
	struct caller *all[CALLERS];
	int64_t began = clock_ms(), in = 0;
	for (int i = 0; i < CALLERS; i++)
		all[i] = caller_new(a, &g, i % 2 ? one->lanes : two->lanes, &config, 100);
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
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	CHECK_EQ_I(count_both(a, one, two, &config, 5, e), 10);
	struct model_usage usage = { .input_tokens = 1000, .output_tokens = 0 };
	lane_leave(one->lanes, &pass, &(struct lane_end){ .usage = &usage });
	CHECK(loop_sleep(50, e));
	int64_t in = count_both(a, one, two, &config, 20, e);
	CHECK(in >= 10 && in <= 12);
	struct model_config large = { .lane = "large", .tokens_per_minute = 50 };
	CHECK_EQ_I(count_in(a, two->lanes, &large, 3, e), 1); /* more than a minute has is taken when all of it is there */
}

LOOP_TEST(a_limit_that_one_worker_learned_binds_the_other)
{
	TWO_WORKERS;
	struct model_config config = { 0 };
	struct lane_pass pass;
	struct model_rate rate = { .requests_limit = 60, .requests_left = 5, .tokens_limit = -1, .tokens_left = -1 };
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	lane_leave(one->lanes, &pass, &(struct lane_end){ .rate = &rate });
	CHECK(loop_sleep(50, e));
	int64_t in = count_in(a, two->lanes, &config, 20, e);
	CHECK(in >= 5 && in <= 6);
}

LOOP_TEST(a_limit_that_is_configured_ends_with_its_configuration)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 }, without = { 0 };
	struct lane_state state;
	CHECK(count_in(a, one->lanes, &config, 100, e) <= 65);
	CHECK_EQ_I(count_in(a, two->lanes, &without, 100, e), 100);
	CHECK_EQ_I(count_in(a, one->lanes, &without, 100, e), 100);
	CHECK(!lanes_changed(one->lanes, &state));
}

LOOP_TEST(a_429_at_one_worker_pauses_the_other_and_the_end_of_a_circuit_is_heard)
{
	TWO_WORKERS;
	struct model_config config = { 0 }, other = { .lane = "other" };
	struct lane_pass pass;
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	leave(one->lanes, &pass, ERR_BUSY, "model_rate_limited", 600);
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(try(a, two->lanes, &config, 100, &pass, e), "lane_paused");
	CHECK(e->retry_after_ms > 300 && e->retry_after_ms <= 600);
	CHECK_EQ_S(try(a, two->lanes, &config, 2000, &pass, e), "in");
	struct lane_pass late;
	CHECK_EQ_S(try(a, one->lanes, &other, 0, &late, e), "in");
	for (int i = 0; i < 3; i++) {
		CHECK_EQ_S(try(a, one->lanes, &other, 0, &pass, e), "in");
		leave(one->lanes, &pass, ERR_NET, "http_unreachable", 0);
	}
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(try(a, two->lanes, &other, 50, &pass, e), "lane_paused");
	leave(one->lanes, &late, ERR_NONE, "", 0); /* it does answer */
	CHECK(loop_sleep(50, e));
	CHECK_EQ_S(try(a, two->lanes, &other, 0, &pass, e), "in");
}

/* ---- Redis that fails ---- */

/* Thirty a minute and worker are the share of two: a tenth of it is there in the beginning. */
static void check_own_share(struct arena *a, struct worker *w, const char *lane, struct err *e)
{
	struct model_config config = { .lane = lane, .requests_per_minute = 60 };
	int64_t began = clock_ms(), in = count_in(a, w->lanes, &config, CALLERS, e);
	CHECK(in >= 3 && in <= 4 + (clock_ms() - began) / 2000);
}

LOOP_TEST(without_redis_at_the_start_calls_go_on_within_the_own_share_until_it_comes)
{
	struct server *s = server_new(a);
	struct worker *w = worker_new(a, s);
	CHECK(loop_sleep(50, e));
	CHECK(!lanes_redis_here(w->redis));
	check_own_share(a, w, "before", e);
	server_start(s);
	REQUIRE_OK(wait_here(w, true, e));
	struct model_config config = { .lane = "after", .requests_per_minute = 60 };
	int64_t in = count_in(a, w->lanes, &config, CALLERS, e);
	CHECK(in >= 60 && in <= 65);
}

LOOP_TEST(a_redis_that_is_killed_and_started_again_costs_nothing_but_the_own_share)
{
	TWO_WORKERS;
	struct model_config config = { .lane = "x", .requests_per_minute = 60 };
	struct lane_pass pass;
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	server_kill(s);
	check_own_share(a, one, "y", e);
	CHECK(!lanes_redis_here(one->redis));
	check_own_share(a, two, "y", e);
	server_start(s); /* it knows no script now */
	REQUIRE_OK(wait_here(one, true, e));
	REQUIRE_OK(wait_here(two, true, e));
	int64_t in = count_both(a, one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 65);
}

LOOP_TEST(what_others_granted_is_not_granted_again_when_redis_goes)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	int64_t in = count_in(a, one->lanes, &config, CALLERS, e);
	CHECK(in >= 60 && in <= 63);
	server_kill(s);
	CHECK(count_in(a, one->lanes, &config, CALLERS, e) <= 1);
}

LOOP_TEST(an_emptied_redis_and_one_that_forgot_the_script_go_on_counting)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	CHECK_EQ_I(count_both(a, one, two, &config, 10, e), 20);
	CHECK_EQ_S(server_ask(s, WORDS("SCRIPT", "FLUSH")), "OK");
	CHECK_EQ_I(count_both(a, one, two, &config, 10, e), 20);
	CHECK_EQ_S(server_ask(s, WORDS("FLUSHALL")), "OK");
	int64_t in = count_both(a, one, two, &config, 60, e);
	CHECK(in >= 60 && in <= 65); /* one more minute's worth, and no more */
	CHECK(lanes_redis_here(one->redis) && lanes_redis_here(two->redis));
}

LOOP_TEST(a_redis_that_hangs_holds_up_one_call_for_its_timeout_and_no_other)
{
	TWO_WORKERS;
	struct model_config config = { .requests_per_minute = 60 };
	struct lane_pass pass;
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	kill(s->pid, SIGSTOP);
	int64_t began = clock_ms();
	CHECK_EQ_S(try(a, one->lanes, &config, 5000, &pass, e), "in");
	CHECK(clock_ms() - began >= 300);
	began = clock_ms();
	check_own_share(a, one, "y", e);
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
	CHECK_EQ_S(try(a, one->lanes, &config, 0, &pass, e), "in");
	kill(s->pid, SIGSTOP);
	struct caller *c = caller_new(a, &g, one->lanes, &config, 5000);
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
	int64_t in = count_both(a, one, two, &config, 60, e);
	CHECK(in >= 59 && in <= 62); /* of 60 one was taken, and the cancelled one was given back */
}
