/* SPDX-License-Identifier: MIT */
#include "route.h"
#include "budget.h"
#include "clock.h"
#include "lane.h"
#include "loop.h"

enum { NAMES_BYTES = 200, LEAST_WAIT_MS = 250, BYTES_A_TOKEN = 4, ANSWER_SHARE = 4 };

/* One wanted turn, over all its models. */
struct route {
	struct models *models;
	struct arena *arena;
	const struct model_request *wanted;
	struct thoughts *thoughts;
	int64_t deadline;
	char asked[NAMES_BYTES];   /* "a, b" */
	size_t n_asked;
	const char *name;          /* of the model that is asked now */
	bool last;                 /* no other comes after it */
	bool tried;                /* a model was asked, whatever came of it */
	bool kept;                 /* a block of the turn was taken: no other attempt may follow */
	bool keeping_failed;       /* the error is of who took it */
};

const struct model_config *model_find(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->all[i].name, name) == 0)
			return &m->all[i];
	return NULL;
}

bool route_may_retry(const struct err *e)
{
	return e->kind == ERR_BUSY || e->kind == ERR_NET || e->kind == ERR_TIMEOUT;
}

int64_t route_wait_ms(const struct route_retry *retry, int64_t nth, int64_t retry_after_ms, double dice)
{
	int64_t ceiling = MIN_OF(retry->base_ms, retry->max_ms);
	for (int64_t i = 0; i < nth && ceiling < retry->max_ms; i++)
		ceiling = MIN_OF(ceiling * 2, retry->max_ms);
	int64_t jitter = (int64_t)(dice * (double)ceiling);
	return MAX_OF(MIN_OF(retry_after_ms + jitter, retry->max_ms), (int64_t)1);
}

static bool is_over(const struct route *r)
{
	return r->deadline != NEVER_MS && clock_ms() >= r->deadline;
}

/* ---- what people are told ---- */

static void say(struct route *r, const char *code, int64_t wait_ms, const char *message)
{
	ARENA_SCOPE(tmp);
	cJSON *data = json_object(tmp);
	json_put_text(data, "code", code);
	json_put_text(data, "model", r->name);
	json_put_i64(data, "wait_ms", wait_ms);
	if (r->thoughts)
		thought_add(r->thoughts, THOUGHT_STATUS, message, json_print(tmp, data));
}

static void say_lane(void *self, const char *code, int64_t wait_ms)
{
	struct route *r = self;
	ARENA_SCOPE(tmp);
	say(r, code, wait_ms, arena_printf(tmp, "%s is %s: waiting up to %.1f s for it", r->name,
		strcmp(code, "lane_full") == 0 ? "at its limit of a minute" : "paused", (double)wait_ms / 1000));
}

static void say_again(struct route *r, const struct err *why, int64_t wait_ms)
{
	ARENA_SCOPE(tmp);
	say(r, why->code, wait_ms, arena_printf(tmp, "%s failed (%s); the turn starts again in %.1f s", r->name, why->code,
		(double)wait_ms / 1000));
}

static void say_next(struct route *r, const struct err *why, const char *next)
{
	ARENA_SCOPE(tmp);
	const char *last = r->name;
	r->name = next;
	say(r, why->code, 0, arena_printf(tmp, "%s failed (%s); the turn starts again with %s", last, why->code, next));
}

/* ---- one attempt ---- */

static bool block_ended(void *self, const struct model_block *block, struct err *e)
{
	struct route *r = self;
	r->kept = true;
	bool ok = r->wanted->block_ended(r->wanted->self, block, e);
	r->keeping_failed = !ok;
	return ok;
}

static size_t json_bytes(const cJSON *value)
{
	size_t n = 2;
	const cJSON *item;
	if (value && value->string)
		n += strlen(value->string) + 3;
	if (value && value->valuestring)
		n += strlen(value->valuestring);
	json_each (item, value)
		n += json_bytes(item);
	return n;
}

/* Four bytes a token, and a quarter of the longest answer: what is wrong about it is settled after the call. */
static int64_t tokens_of(const struct model_config *c, const struct model_request *rq)
{
	int64_t most = rq->max_tokens ? rq->max_tokens : c->max_tokens;
	size_t bytes = json_bytes(rq->messages) + json_bytes(rq->tools) + str_of(rq->system).n;
	return (int64_t)bytes / BYTES_A_TOKEN + most / ANSWER_SHARE;
}

static bool call(struct route *r, const struct model_config *c, struct model_rate *rate, struct model_turn *turn,
	struct err *e)
{
	struct model one = { r->models->http, *c };
	struct model_request rq = *r->wanted;
	rq.name = NULL;
	rq.rate = rate;
	if (rq.block_ended) {
		rq.block_ended = block_ended;
		rq.self = r;
	}
	return model_turn(&one, r->arena, &rq, r->thoughts, r->deadline, turn, e);
}

static void copy_rate(const struct route *r, const struct model_rate *rate)
{
	if (r->wanted->rate)
		*r->wanted->rate = *rate;
}

static void count(const struct route *r, const struct model_config *c, int64_t began, const struct model_turn *turn, const struct err *why)
{
	int64_t now = clock_ms();
	if (why)
		stats_model_call(r->models->stats, c, why->code, -1, now - began, NULL, 0);
	else
		stats_model_call(r->models->stats, c, "ok", turn->answered_ms - began, now - began, &turn->usage,
			budget_cost(&c->price, &turn->usage));
}

/* waits. *held: the lane did not let us in. */
static bool attempt(struct route *r, const struct model_config *c, struct model_turn *turn, bool *held, struct err *e)
{
	struct lanes *lanes = r->models->lanes;
	struct model_rate rate = { -1, -1, -1, -1, -1, -1 };
	struct lane_wish wish = { .config = c, .tokens = lanes ? tokens_of(c, r->wanted) : 0,
		.most_ms = MAX_OF(r->models->retry.max_ms, (int64_t)LEAST_WAIT_MS), .patient = r->last,
		.deadline = r->deadline, .waits = say_lane, .self = r };
	struct lane_pass pass;
	*held = lanes && !lane_enter(lanes, &wish, &pass, e);
	if (*held)
		return false;
	r->tried = true;
	int64_t began = clock_ms();
	bool ok = call(r, c, &rate, turn, e);
	count(r, c, began, turn, ok ? NULL : e);
	copy_rate(r, &rate);
	if (lanes)
		lane_leave(lanes, &pass, &(struct lane_end){ .error = ok ? NULL : e, .ours = r->keeping_failed,
			.usage = ok ? &turn->usage : NULL, .rate = &rate });
	return ok;
}

/* ---- one model ---- */

/* Not what is kept, nor what nobody mends by asking again. */
static bool may_ask_again(const struct route *r, const struct err *e, int64_t tries)
{
	const struct route_retry *retry = &r->models->retry;
	return !r->kept && route_may_retry(e) && tries < retry->retries && e->retry_after_ms <= retry->max_ms;
}

static bool wait_again(struct route *r, const struct err *why, int64_t nth, struct err *e)
{
	int64_t ms = route_wait_ms(&r->models->retry, nth, why->retry_after_ms, drand48());
	if (r->deadline != NEVER_MS && clock_ms() + ms >= r->deadline) {
		*e = *why; /* what would come after the wait is only the end of the run */
		return false;
	}
	say_again(r, why, ms);
	stats_model_retry(r->models->stats, model_find(r->models, r->name), why->code);
	return loop_sleep(ms, e);
}

/* waits. */
static bool ask_model(struct route *r, const struct model_config *c, struct model_turn *turn, struct err *e)
{
	for (int64_t tries = 0;; tries++) {
		bool held;
		if (attempt(r, c, turn, &held, e))
			return true;
		struct err why = *e;
		if (held || !may_ask_again(r, &why, tries) || !wait_again(r, &why, tries, e))
			return false;
	}
}

/* ---- the models of the list ---- */

/* Others may serve what this one cannot. */
static bool may_ask_next(const struct route *r, const struct err *e)
{
	static const char *const codes[] = { "unknown_model", "web_search_unavailable" };
	if (r->kept || is_over(r))
		return false;
	for (size_t i = 0; i < COUNT(codes); i++)
		if (strcmp(codes[i], e->code) == 0)
			return true;
	return route_may_retry(e) || e->kind == ERR_REFUSED;
}

/* NULL = the list has ended. */
static const char *name_at(const struct models *m, const char *const *names, size_t i)
{
	if (names)
		return names[i];
	if (i == 0)
		return m->all[0].name;
	return m->fallback ? m->fallback[i - 1] : NULL;
}

static bool ask_named(struct route *r, const char *name, struct model_turn *turn, struct err *e)
{
	const struct model_config *c = model_find(r->models, name);
	size_t used = strlen(r->asked);
	r->name = name;
	snprintf(r->asked + used, sizeof(r->asked) - used, "%s%s", r->n_asked++ ? ", " : "", name);
	if (!c)
		return FAIL(e, ERR_INPUT, "unknown_model", "no model %s", name);
	if (!ask_model(r, c, turn, e))
		return false;
	turn->config = c;
	return true;
}

static bool fail_all(const struct route *r, struct err *e)
{
	e->untried &= !r->tried;
	return r->n_asked > 1 ? err_prefix(e, "asked %s; the last: ", r->asked) : false;
}

bool route_turn(struct models *m, struct arena *a, const char *const *names, const struct model_request *rq,
	struct thoughts *thoughts, int64_t deadline, struct model_turn *turn, struct err *e)
{
	struct route r = { .models = m, .arena = a, .wanted = rq, .thoughts = thoughts, .deadline = deadline };
	const char *const *list = names && names[0] ? names : NULL;
	const char *next;
	for (size_t i = 0;; i++) {
		next = name_at(m, list, i + 1);
		r.last = !next;
		if (ask_named(&r, name_at(m, list, i), turn, e))
			return true;
		if (!next || !may_ask_next(&r, e))
			return fail_all(&r, e);
		say_next(&r, e, next);
	}
}
