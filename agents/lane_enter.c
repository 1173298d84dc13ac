/* SPDX-License-Identifier: MIT */
/* The queue of a lane: the first asks, the others sleep until they are the first. */
#include "lane_inner.h"
#include "clock.h"

enum { SAY_MS = 1000, MINUTE_MS = 60000, FULL_MS = 1000 };

/* ---- refused ---- */

static bool is_full(const struct lane_hold *hold)
{
	return hold->code && strcmp(hold->code, "lane_full") == 0;
}

static const char *why_of(const struct lane *lane)
{
	return lane->told_until > lane->paused_until ? lane->told_why : lane->why;
}

static bool fail_hold(const struct lane *lane, struct lane_hold hold, struct err *e)
{
	double s = (double)MAX_OF(hold.wait_ms, (int64_t)1) / 1000;
	if (is_full(&hold))
		FAIL(e, ERR_BUSY, "lane_full", "lane %s is at its limit of %ld requests and %ld tokens a minute, %zu wait; "
			"again in %.1f s", lane->name, (long)lane_requests_limit(lane), (long)lane_tokens_limit(lane), lane->waiting, s);
	else
		FAIL(e, ERR_BUSY, hold.code, "lane %s is left alone for %.1f s more%s%s", lane->name, s,
			*why_of(lane) ? ": " : "", why_of(lane));
	e->retry_after_ms = MAX_OF(hold.wait_ms, (int64_t)1);
	e->untried = true;
	return false;
}

/* How long those before us will take, as far as the limit tells: nobody joins a queue longer than he can wait. */
static int64_t queue_ms(const struct lanes *l, const struct lane *lane)
{
	int64_t limit = lane_requests_limit(lane);
	int64_t share = MAX_OF(limit / l->workers, (int64_t)1);
	return limit > 0 && lane->full ? (int64_t)lane->waiting * MINUTE_MS / share : 0;
}

/* Past its longest wait: by what it was kept out. */
static struct lane_hold last_hold(const struct lanes *l, const struct lane *lane)
{
	struct lane_hold hold = lane_hold_of(lane);
	if (!hold.code)
		hold = (struct lane_hold){ "lane_full", queue_ms(l, lane) };
	hold.wait_ms = MAX_OF(hold.wait_ms, (int64_t)FULL_MS);
	return hold;
}

/* ---- the first in line ---- */

static void give_back(struct lane_waiter *w)
{
	struct lane_count back = lane_count_of(w->lane, w->wish->config);
	back.requests = -1;
	back.tokens = -w->wish->tokens;
	w->lanes->share.tell(w->lanes->share.self, &back);
}

static bool ask_share(struct lane_waiter *w, struct lane_answer *answer, struct err *e)
{
	const struct lane_share *s = &w->lanes->share;
	struct lane_count count = lane_count_of(w->lane, w->wish->config);
	count.requests = 1;
	count.tokens = w->wish->tokens;
	*answer = (struct lane_answer){ .verdict = LANE_ALONE };
	if (!s->take)
		return true;
	if (!s->take(s->self, &count, w->wish->deadline, answer, e))
		return false;
	if (answer->verdict != LANE_ALONE)
		lane_learn(w->lanes, w->lane, answer->learned_requests, answer->learned_tokens);
	return true;
}

/* The lane may have been paused while we asked. */
static struct lane_hold taken(struct lane_waiter *w)
{
	struct lane_hold hold = lane_hold_of(w->lane);
	if (hold.code)
		give_back(w);
	else
		lane_count_own(w->lanes, w->lane, 1, w->wish->tokens);
	return hold;
}

/* waits. hold->code NULL: it is our turn, and what we need is taken. */
static bool look(struct lane_waiter *w, struct lane_hold *hold, struct err *e)
{
	struct lane_answer answer;
	*hold = lane_hold_of(w->lane);
	if (hold->code)
		return true;
	if (!ask_share(w, &answer, e))
		return false;
	if (answer.verdict == LANE_GRANTED)
		*hold = taken(w);
	else if (answer.verdict == LANE_WAITS)
		*hold = (struct lane_hold){ answer.paused ? "lane_paused" : "lane_full", MAX_OF(answer.wait_ms, (int64_t)1) };
	else if ((hold->wait_ms = lane_take_own(w->lanes, w->lane, w->wish->tokens)))
		hold->code = "lane_full";
	return true;
}

/* ---- waiting ---- */

static void say(struct lane_waiter *w, const struct lane_hold *hold)
{
	if (w->said || !w->wish->waits || hold->wait_ms < SAY_MS)
		return;
	w->said = true;
	w->wish->waits(w->wish->self, hold->code, hold->wait_ms);
}

static bool is_past(int64_t at, int64_t deadline)
{
	return deadline != NEVER_MS && at >= deadline;
}

/* As a deadline. */
static int64_t patience(struct lane_waiter *w, const struct lane_hold *hold)
{
	if (!w->wish->patient)
		return w->until;
	if (is_full(hold)) {
		w->until = NEVER_MS;
		return w->wish->deadline;
	}
	if (w->until == NEVER_MS)
		w->until = clock_ms() + MAX_OF(w->wish->most_ms, (int64_t)1);
	return w->until;
}

static bool hold_out(struct lane_waiter *w, const struct lane_hold *hold, struct err *e)
{
	int64_t now = clock_ms(), most = patience(w, hold), run_ends = w->wish->deadline;
	if (hold->wait_ms && is_past(now + hold->wait_ms, most))
		return fail_hold(w->lane, *hold, e);
	say(w, hold);
	int64_t until = hold->wait_ms ? now + hold->wait_ms : most;
	if (loop_park(deadline_first(until, run_ends), e))
		return true;
	if (e->kind != ERR_TIMEOUT || is_past(clock_ms(), run_ends))
		return false;
	return !is_past(clock_ms(), most) || fail_hold(w->lane, last_hold(w->lanes, w->lane), e);
}

static bool wait_for_turn(struct lane_waiter *w, struct err *e)
{
	for (;;) {
		struct lane_hold hold = { "lane_full", 0 };
		bool first = w->lane->first == w;
		if (first && !look(w, &hold, e))
			return false;
		if (first)
			w->lane->full = is_full(&hold);
		if (!hold.code)
			return true;
		if (!hold_out(w, &hold, e))
			return false;
	}
}

static void queue_join(struct lane_waiter *w)
{
	*w->lane->end = w;
	w->lane->end = &w->next;
	w->lane->waiting++;
}

static void queue_quit(struct lane_waiter *w)
{
	struct lane_waiter **at = &w->lane->first;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (!w->next)
		w->lane->end = at;
	w->lane->waiting--;
	lane_wake(w->lane);
}

bool lane_enter(struct lanes *l, const struct lane_wish *wish, struct lane_pass *pass, struct err *e)
{
	struct lane *lane = lane_of(l, wish->config->lane);
	lane->set_requests = wish->config->requests_per_minute;
	lane->set_tokens = wish->config->tokens_per_minute;
	struct lane_waiter w = { .task = task_self(), .lanes = l, .lane = lane, .wish = wish,
		.until = wish->patient ? NEVER_MS : clock_ms() + MAX_OF(wish->most_ms, (int64_t)1) };
	struct lane_hold crowd = { "lane_full", queue_ms(l, lane) };
	if (crowd.wait_ms && is_past(clock_ms() + crowd.wait_ms, patience(&w, &crowd)))
		return fail_hold(lane, crowd, e);
	queue_join(&w);
	bool ok = wait_for_turn(&w, e);
	bool probe = ok && lane->open;
	lane->probing |= probe;
	queue_quit(&w);
	if (ok)
		*pass = (struct lane_pass){ lane, wish->config, wish->tokens, wish->deadline, probe };
	return ok;
}
