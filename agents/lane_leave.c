/* SPDX-License-Identifier: MIT */
/* What the end of a call says about its lane: what it took, what the provider lets us take, whether it is well. */
#include "lane_inner.h"
#include "clock.h"

enum { RATE_PAUSE_MS = 1000, SPEND_PAUSE_MS = 60000, PAUSE_MOST_MS = 3600 * 1000 };

/* ---- what an error says ---- */

enum verdict {
	SAYS_NOTHING,
	SAYS_ALIVE,     /* the provider answered, whatever it was */
	SAYS_FAILING,
	SAYS_LATER,
	SAYS_SPENT,
	SAYS_REFUSED,   /* the key or the account; or one model that the key may not use: only many in a row count */
};

static const struct {
	const char *code;
	enum verdict verdict;
} codes[] = {
	{ "model_rate_limited", SAYS_LATER },
	{ "model_spend_limit", SAYS_SPENT },
	{ "model_auth", SAYS_REFUSED },
	{ "model_billing", SAYS_REFUSED },
	{ "model_rejected", SAYS_ALIVE },
	{ "answer_too_large", SAYS_ALIVE },
};

static const enum verdict kinds[ERR_KINDS] = {
	[ERR_TIMEOUT] = SAYS_FAILING, [ERR_BUSY] = SAYS_FAILING, [ERR_NET] = SAYS_FAILING,
	[ERR_REFUSED] = SAYS_ALIVE,
};

static enum verdict verdict_of(const struct lane_pass *pass, const struct lane_end *end)
{
	const struct err *why = end->error;
	if (!why)
		return SAYS_ALIVE;
	bool out_of_time = why->kind == ERR_TIMEOUT && pass->deadline && clock_ms() >= pass->deadline;
	if (end->ours || out_of_time)
		return SAYS_NOTHING;
	for (size_t i = 0; i < COUNT(codes); i++)
		if (strcmp(codes[i].code, why->code) == 0)
			return codes[i].verdict;
	return why->kind < ERR_KINDS ? kinds[why->kind] : SAYS_NOTHING;
}

/* ---- pauses ---- */

static void tell(struct lanes *l, const struct lane_count *count)
{
	if (l->share.tell)
		l->share.tell(l->share.self, count);
}

static void pause_lane(struct lanes *l, const struct lane_pass *pass, enum lane_reason reason, int64_t ms,
	const char *why)
{
	struct lane *lane = pass->lane;
	ms = MIN_OF(ms, (int64_t)PAUSE_MOST_MS);
	int64_t until = clock_ms() + ms;
	if (until <= lane->paused_until)
		return;
	lane->paused_until = until;
	lane->reason = reason;
	snprintf(lane->why, sizeof(lane->why), "%.*s", (int)utf8_cut(str_of(why), sizeof(lane->why) - 1), why);
	lane->changed = true;
	struct lane_count count = lane_count_of(lane, pass->config);
	count.pause_ms = ms;
	count.reason = reason;
	tell(l, &count);
	if (l->share.changed)
		l->share.changed(l->share.self);
	lane_wake(lane);
}

/* The others' word for an open circuit was ours, or is as old. */
static void close_circuit(struct lanes *l, const struct lane_pass *pass)
{
	struct lane *lane = pass->lane;
	lane->failures = 0;
	if (!lane->open)
		return;
	lane->open = false;
	lane->closed = true;
	if (lane->reason == LANE_CIRCUIT_OPEN)
		lane->paused_until = 0;
	if (lane->told_reason == LANE_CIRCUIT_OPEN)
		lane->told_until = 0;
	lane->changed = true;
	struct lane_count count = lane_count_of(lane, pass->config);
	count.pause_ms = -1;
	count.reason = LANE_CIRCUIT_OPEN;
	tell(l, &count);
	if (l->share.changed)
		l->share.changed(l->share.self);
	log_write(LOG_INFO, "circuit_closed", "lane %s answers again", lane->name);
}

static void count_failure(struct lanes *l, const struct lane_pass *pass, const struct err *why)
{
	struct lane *lane = pass->lane;
	lane->failures++;
	bool enough = l->rules.circuit_failures > 0 && lane->failures >= l->rules.circuit_failures;
	if (lane->open ? !pass->probe : !enough)
		return; /* what began before the circuit opened tells nothing new */
	if (!lane->open)
		log_write(LOG_WARN, "circuit_opened", "lane %s: %ld failures in a row, the last: %s", lane->name,
			(long)lane->failures, why->msg);
	lane->open = true;
	pause_lane(l, pass, LANE_CIRCUIT_OPEN, l->rules.circuit_pause_ms, why->msg);
}

static void count_refusal(struct lanes *l, const struct lane_pass *pass, const struct err *why)
{
	if (++pass->lane->refusals < l->rules.circuit_failures || l->rules.circuit_failures <= 0)
		return;
	pause_lane(l, pass, LANE_AUTH, l->rules.circuit_pause_ms, why->msg);
}

static void judge(struct lanes *l, const struct lane_pass *pass, const struct lane_end *end, enum verdict verdict)
{
	const struct err *why = end->error;
	if (verdict != SAYS_NOTHING && verdict != SAYS_FAILING)
		close_circuit(l, pass); /* it answers: that is what the circuit is about */
	switch (verdict) {
	case SAYS_NOTHING:
		break;
	case SAYS_ALIVE:
		pass->lane->refusals = 0;
		break;
	case SAYS_FAILING:
		count_failure(l, pass, why);
		break;
	case SAYS_LATER:
		pause_lane(l, pass, LANE_RATE_LIMITED, why->retry_after_ms ? why->retry_after_ms : RATE_PAUSE_MS, why->msg);
		break;
	case SAYS_SPENT:
		pause_lane(l, pass, LANE_SPEND_LIMIT, MAX_OF(why->retry_after_ms, (int64_t)SPEND_PAUSE_MS), why->msg);
		break;
	case SAYS_REFUSED:
		count_refusal(l, pass, why);
		break;
	}
}

/* ---- what it took ---- */

/* What is read from the provider's cache does not count against its limits. A call that was refused took nothing; of
 * one that broke off nobody knows, so the estimate stands. */
static int64_t tokens_taken(const struct lane_pass *pass, const struct lane_end *end, enum verdict verdict)
{
	const struct model_usage *u = end->usage;
	if (u)
		return u->input_tokens + u->output_tokens + u->cache_write_tokens;
	bool refused = verdict == SAYS_LATER || verdict == SAYS_SPENT || verdict == SAYS_REFUSED ||
		(end->error && !end->ours && end->error->kind == ERR_INPUT);
	return refused ? 0 : pass->tokens;
}

static void settle(struct lanes *l, const struct lane_pass *pass, const struct lane_end *end, enum verdict verdict)
{
	struct lane *lane = pass->lane;
	const struct model_rate *rate = end->rate;
	if (rate)
		lane_learn(l, lane, rate->requests_limit, rate->tokens_limit);
	struct lane_count count = lane_count_of(lane, pass->config);
	count.tokens = tokens_taken(pass, end, verdict) - pass->tokens;
	count.requests_left = rate ? rate->requests_left : -1;
	count.tokens_left = rate ? rate->tokens_left : -1;
	lane_count_own(l, lane, 0, count.tokens);
	if (rate && rate->requests_left >= 0)
		lane->requests.level = MIN_OF(lane->requests.level, (double)rate->requests_left);
	if (rate && rate->tokens_left >= 0)
		lane->tokens.level = MIN_OF(lane->tokens.level, (double)rate->tokens_left);
	if (lane->requests.limit > 0 || lane->tokens.limit > 0)
		tell(l, &count);
}

void lane_leave(struct lanes *l, const struct lane_pass *pass, const struct lane_end *end)
{
	enum verdict verdict = verdict_of(pass, end);
	settle(l, pass, end, verdict);
	if (pass->probe)
		pass->lane->probing = false;
	judge(l, pass, end, verdict);
	lane_wake(pass->lane);
}
