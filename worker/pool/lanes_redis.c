/* SPDX-License-Identifier: MIT */
#include "lanes_redis.h"
#include "clock.h"
#include "lane_script.h"
#include "redis.h"

enum { TELLS_MOST = 1000, AGAIN_MS = 100, AGAIN_MOST_MS = 5000, N_ARGS = 11, N_ANSWER = 5, NUMBER_BYTES = 24,
	WAIT_MOST_MS = 24 * 3600 * 1000 };

/* On the stack of the fiber that waits for the answer. */
struct ask {
	struct ask *next;
	struct task *task;
	const struct lane_count *count;
	struct lane_answer *answer;
	bool answered;
};

/* What nobody waits for. */
struct tell {
	struct tell *next;
	struct arena *arena;       /* holds it */
	const char *key;
	struct lane_count count;
};

struct lanes_redis {
	struct arena *arena;       /* holds it */
	const char *url;
	int64_t timeout_ms;
	struct task *task;         /* its fiber */
	struct redis *redis;       /* NULL = away */
	char sha[48];              /* of the script, as Redis calls it */
	struct ask *asks, **asks_end;
	struct ask *asking;        /* the one that is under way; NULL when it has left meanwhile */
	struct tell *tells, **tells_end;
	size_t n_tells;
	int64_t try_at, wait_ms;
	bool told_away;            /* the log has it */
};

struct lanes_redis *lanes_redis_new(const char *url, int64_t timeout_ms)
{
	struct arena *a = arena_new();
	struct lanes_redis *r = arena_alloc(a, sizeof(*r));
	*r = (struct lanes_redis){ .arena = a, .url = url, .timeout_ms = timeout_ms, .wait_ms = AGAIN_MS };
	r->asks_end = &r->asks;
	r->tells_end = &r->tells;
	return r;
}

bool lanes_redis_here(const struct lanes_redis *r)
{
	return r->redis != NULL;
}

/* ---- one call of the script ---- */

/* The key of the provider is named by a hash only: whoever reads Redis learns which workers share one, not what it is. */
static const char *redis_key(struct arena *a, const char *lane, const char *api_key)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	for (const char *p = api_key ? api_key : ""; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
	return arena_printf(a, "drover:lane:{%s}:%016lx", lane, (unsigned long)hash);
}

static const char *const *script_words(struct arena *a, const char *how, const char *script, const char *key,
	const struct lane_count *c, bool forced)
{
	const int64_t numbers[] = { c->requests, c->tokens, c->requests_per_minute, c->tokens_per_minute, c->requests_left,
		c->tokens_left, forced, c->pause_ms, c->learned_requests, c->learned_tokens };
	const char **words = arena_alloc(a, (5 + N_ARGS) * sizeof(*words));
	size_t n = 0;
	words[n++] = how;
	words[n++] = script;
	words[n++] = "1";
	words[n++] = key;
	for (size_t i = 0; i < COUNT(numbers); i++)
		words[n++] = arena_printf(a, "%ld", (long)numbers[i]);
	words[n++] = lane_reason_name(c->reason);
	return words;
}

/* Redis forgets its scripts when it starts again, or is told to. */
static bool script_run(struct lanes_redis *r, struct arena *a, const char *key, const struct lane_count *c, bool forced,
	struct redis_reply *reply, struct err *e)
{
	int64_t deadline = deadline_in(r->timeout_ms);
	if (redis_command(r->redis, a, script_words(a, "EVALSHA", r->sha, key, c, forced), deadline, reply, e))
		return true;
	if (e->kind != ERR_INPUT || !strstr(e->msg, "NOSCRIPT"))
		return false;
	return redis_command(r->redis, a, script_words(a, "EVAL", script_lane, key, c, forced), deadline, reply, e);
}

/* Others write there too: no wait is longer than one that a provider could ask for, no limit larger than its column. */
static int64_t bounded(const struct redis_reply *number, int64_t most)
{
	return MIN_OF(MAX_OF(number->i64, (int64_t)0), most);
}

static bool answer_read(const struct redis_reply *reply, struct lane_answer *to, struct err *e)
{
	bool ok = reply->kind == REDIS_LIST && reply->n == N_ANSWER;
	for (size_t i = 0; ok && i < N_ANSWER; i++)
		ok = reply->items[i].kind == REDIS_I64;
	if (!ok)
		return FAIL(e, ERR_INPUT, "redis_error", "redis: the counter of lanes did not answer as it should");
	const struct redis_reply *v = reply->items;
	*to = (struct lane_answer){ v[0].i64 ? LANE_GRANTED : LANE_WAITS, bounded(&v[1], WAIT_MOST_MS), v[2].i64 != 0,
		bounded(&v[3], INT32_MAX), bounded(&v[4], INT32_MAX) };
	return true;
}

/* ---- here and away ---- */

static void answer_all_alone(struct lanes_redis *r)
{
	for (struct ask *q = r->asks; q; q = q->next) {
		*q->answer = (struct lane_answer){ .verdict = LANE_ALONE };
		q->answered = true;
		task_wake(q->task);
	}
	r->asks = NULL;
	r->asks_end = &r->asks;
}

static void tells_drop(struct lanes_redis *r)
{
	for (struct tell *t; (t = r->tells);) {
		r->tells = t->next;
		arena_free(t->arena);
	}
	r->tells_end = &r->tells;
	r->n_tells = 0;
}

/* In [1/2, 1], so that a fleet does not come back in step. */
static void go_away(struct lanes_redis *r, const struct err *why)
{
	redis_close(r->redis);
	r->redis = NULL;
	answer_all_alone(r);
	tells_drop(r);
	r->try_at = clock_ms() + r->wait_ms / 2 + (int64_t)(drand48() * (double)(r->wait_ms / 2 + 1));
	r->wait_ms = MIN_OF(r->wait_ms * 2, (int64_t)AGAIN_MOST_MS);
	if (!r->told_away && !task_cancelled())
		log_write(LOG_WARN, "redis_away", "%s; the limits of lanes are kept by each worker's own share", why->msg);
	r->told_away = true;
}

static bool script_load(struct lanes_redis *r, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct redis_reply reply;
	const char *const words[] = { "SCRIPT", "LOAD", script_lane, NULL };
	if (!redis_command(r->redis, tmp, words, deadline_in(r->timeout_ms), &reply, e))
		return false;
	snprintf(r->sha, sizeof(r->sha), "%.*s", STR_ARGS(reply.text));
	return true;
}

/* It is there for others only when it has answered. */
static void come_back(struct lanes_redis *r)
{
	struct err e = { 0 };
	struct redis *redis = redis_open(r->url, deadline_in(r->timeout_ms), &e);
	r->redis = redis;
	if (!redis || !script_load(r, &e)) {
		go_away(r, &e);
		return;
	}
	if (r->told_away)
		log_write(LOG_INFO, "redis_back", "the limits of lanes are counted together again");
	r->told_away = false;
	r->wait_ms = AGAIN_MS;
}

/* ---- the fiber ---- */

static void give_back(struct lanes_redis *r, const char *key, struct lane_count count)
{
	ARENA_SCOPE(tmp);
	struct redis_reply reply;
	struct err e = { 0 };
	count.requests = -count.requests;
	count.tokens = -count.tokens;
	if (!script_run(r, tmp, key, &count, true, &reply, &e))
		go_away(r, &e);
}

static void ask_one(struct lanes_redis *r)
{
	ARENA_SCOPE(tmp);
	struct ask *q = r->asks;
	struct lane_count count = *q->count;
	struct lane_answer answer = { .verdict = LANE_ALONE };
	struct redis_reply reply;
	struct err e = { 0 };
	const char *key = redis_key(tmp, count.lane, count.api_key);
	r->asking = q;
	bool ok = script_run(r, tmp, key, &count, false, &reply, &e) && answer_read(&reply, &answer, &e);
	q = r->asking;
	r->asking = NULL;
	if (!ok)
		go_away(r, &e);
	else if (!q && answer.verdict == LANE_GRANTED)
		give_back(r, key, count);
	if (!ok || !q)
		return;
	r->asks = q->next;
	if (!r->asks)
		r->asks_end = &r->asks;
	*q->answer = answer;
	q->answered = true;
	task_wake(q->task);
}

static void tell_one(struct lanes_redis *r)
{
	ARENA_SCOPE(tmp);
	struct tell *t = r->tells;
	struct redis_reply reply;
	struct err e = { 0 };
	r->tells = t->next;
	if (!r->tells)
		r->tells_end = &r->tells;
	r->n_tells--;
	if (!script_run(r, tmp, t->key, &t->count, true, &reply, &e))
		go_away(r, &e);
	arena_free(t->arena);
}

bool lanes_redis_loop(void *arg, struct err *e)
{
	struct lanes_redis *r = arg;
	r->task = task_self();
	while (!task_cancelled()) {
		if (!r->redis && clock_ms() >= r->try_at)
			come_back(r);
		else if (r->redis && r->tells)
			tell_one(r);
		else if (r->redis && r->asks)
			ask_one(r);
		else
			loop_park(r->redis ? NEVER_MS : r->try_at, e);
	}
	struct err ended = { .msg = "the worker ends" };
	go_away(r, &ended);
	r->task = NULL;
	return FAIL(e, ERR_CANCELLED, "cancelled", "the counter of lanes was cancelled");
}

void lanes_redis_free(struct lanes_redis *r)
{
	if (!r)
		return;
	redis_close(r->redis);
	tells_drop(r);
	arena_free(r->arena);
}

/* ---- the others' side ---- */

static void ask_remove(struct lanes_redis *r, struct ask *q)
{
	struct ask **at = &r->asks;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (!q->next)
		r->asks_end = at;
	if (r->asking == q)
		r->asking = NULL;
}

bool lanes_redis_take(void *self, const struct lane_count *count, int64_t deadline, struct lane_answer *answer,
	struct err *e)
{
	struct lanes_redis *r = self;
	struct ask q = { .task = task_self(), .count = count, .answer = answer };
	*answer = (struct lane_answer){ .verdict = LANE_ALONE };
	if (!r->redis)
		return true;
	*r->asks_end = &q;
	r->asks_end = &q.next;
	task_wake(r->task);
	bool ok = true;
	while (ok && !q.answered)
		ok = loop_park(deadline, e);
	if (!q.answered)
		ask_remove(r, &q);
	return q.answered;
}

void lanes_redis_tell(void *self, const struct lane_count *count)
{
	struct lanes_redis *r = self;
	if (!r->redis || r->n_tells >= TELLS_MOST)
		return;
	struct arena *a = arena_new();
	struct tell *t = arena_alloc(a, sizeof(*t));
	*t = (struct tell){ .arena = a, .key = redis_key(a, count->lane, count->api_key), .count = *count };
	t->count.lane = t->count.api_key = NULL;
	*r->tells_end = t;
	r->tells_end = &t->next;
	r->n_tells++;
	task_wake(r->task);
}
