/* SPDX-License-Identifier: MIT */
/* What a lane is and what others are told of it: limits, the own share, pauses. */
#include "lane_inner.h"
#include "clock.h"

enum { MINUTE_MS = 60000, LANES_MOST = 1000 };

static const char *const reason_names[LANE_REASONS] = {
	[LANE_FREE] = "",
	[LANE_RATE_LIMITED] = "rate_limited",
	[LANE_CIRCUIT_OPEN] = "circuit_open",
	[LANE_SPEND_LIMIT] = "spend_limit",
	[LANE_AUTH] = "auth",
};

const char *lane_reason_name(enum lane_reason reason)
{
	return reason_names[reason];
}

enum lane_reason lane_reason_of(const char *name)
{
	for (size_t i = 0; name && i < LANE_REASONS; i++)
		if (strcmp(reason_names[i], name) == 0)
			return i;
	return LANE_FREE;
}

/* ---- lanes ---- */

struct lanes *lanes_new(const struct lane_rules *rules, const struct lane_share *share)
{
	struct arena *a = arena_new();
	struct lanes *l = arena_alloc(a, sizeof(*l));
	*l = (struct lanes){ .arena = a, .rules = *rules, .workers = 1 };
	if (share)
		l->share = *share;
	return l;
}

void lanes_free(struct lanes *l)
{
	if (l)
		arena_free(l->arena);
}

struct lane *lane_of(struct lanes *l, const char *name)
{
	size_t n = 0;
	if (!name || !*name)
		name = "default";
	for (struct lane *lane = l->all; lane; lane = lane->next, n++)
		if (strcmp(lane->name, name) == 0 || n >= LANES_MOST)
			return lane; /* what is over the bound shares the last one */
	struct lane *lane = arena_alloc(l->arena, sizeof(*lane));
	lane->name = arena_text(l->arena, str_of(name));
	lane->end = &lane->first;
	lane->next = l->all;
	l->all = lane;
	return lane;
}

void lane_wake(struct lane *lane)
{
	if (lane->first)
		task_wake(lane->first->task);
}

struct lane_count lane_count_of(const struct lane *lane, const struct model_config *config)
{
	return (struct lane_count){ .lane = lane->name, .api_key = config->api_key,
		.requests_per_minute = lane_requests_limit(lane), .tokens_per_minute = lane_tokens_limit(lane),
		.learned_requests = lane->learned_requests, .learned_tokens = lane->learned_tokens, .requests_left = -1,
		.tokens_left = -1 };
}

/* ---- the own share ---- */

int64_t lane_requests_limit(const struct lane *lane)
{
	return lane->set_requests ? lane->set_requests : lane->learned_requests;
}

int64_t lane_tokens_limit(const struct lane *lane)
{
	return lane->set_tokens ? lane->set_tokens : lane->learned_tokens;
}

/* A new bucket is nearly empty: a worker that dies and comes back brings no new minute with it. */
static void bucket_fill(const struct lanes *l, struct lane_bucket *b, int64_t limit)
{
	int64_t now = clock_ms();
	double share = limit > 0 ? MAX_OF((double)limit / (double)l->workers, 1.0) : 0;
	if (b->limit <= 0)
		b->level = MAX_OF(share / 10, 1.0);
	else
		b->level += (double)(now - b->at) * share / MINUTE_MS;
	b->level = MIN_OF(b->level, share);
	b->limit = share;
	b->at = now;
}

/* More than a minute's worth is never there: it is taken when the bucket is full. */
static int64_t bucket_wait_ms(const struct lane_bucket *b, int64_t need)
{
	double wanted = MIN_OF((double)need, b->limit);
	if (b->limit <= 0 || b->level >= wanted)
		return 0;
	return (int64_t)((wanted - b->level) * MINUTE_MS / b->limit) + 1;
}

static void bucket_take(struct lane_bucket *b, double n, double least)
{
	b->level = MIN_OF(MAX_OF(b->level - n, least), b->limit);
}

int64_t lane_take_own(const struct lanes *l, struct lane *lane, int64_t tokens)
{
	bucket_fill(l, &lane->requests, lane_requests_limit(lane));
	bucket_fill(l, &lane->tokens, lane_tokens_limit(lane));
	int64_t requests_ms = bucket_wait_ms(&lane->requests, 1), tokens_ms = bucket_wait_ms(&lane->tokens, tokens);
	if (requests_ms || tokens_ms)
		return MAX_OF(requests_ms, tokens_ms);
	bucket_take(&lane->requests, 1, 0);
	bucket_take(&lane->tokens, MIN_OF((double)tokens, lane->tokens.limit), 0);
	return 0;
}

void lane_count_own(const struct lanes *l, struct lane *lane, int64_t requests, int64_t tokens)
{
	bucket_fill(l, &lane->requests, lane_requests_limit(lane));
	bucket_fill(l, &lane->tokens, lane_tokens_limit(lane));
	bucket_take(&lane->requests, (double)requests, MIN_OF(lane->requests.level, 0.0));
	bucket_take(&lane->tokens, (double)tokens, requests > 0 ? MIN_OF(lane->tokens.level, 0.0) : -lane->tokens.limit);
}

void lane_learn(struct lanes *l, struct lane *lane, int64_t requests, int64_t tokens)
{
	bool known = (requests <= 0 || requests == lane->learned_requests) &&
		(tokens <= 0 || tokens == lane->learned_tokens);
	if (known)
		return;
	lane->learned_requests = requests > 0 ? requests : lane->learned_requests;
	lane->learned_tokens = tokens > 0 ? tokens : lane->learned_tokens;
	lane->changed = true;
	lane_wake(lane);
	if (l->share.changed)
		l->share.changed(l->share.self);
}

void lanes_set_workers(struct lanes *l, int64_t n)
{
	l->workers = MAX_OF(n, (int64_t)1);
}

/* ---- pauses ---- */

struct lane_hold lane_hold_of(const struct lane *lane)
{
	int64_t now = clock_ms(), until = MAX_OF(lane->paused_until, lane->told_until);
	bool told = lane->told_until > lane->paused_until;
	enum lane_reason reason = told ? lane->told_reason : lane->reason;
	if (until > now)
		return (struct lane_hold){ reason == LANE_CIRCUIT_OPEN ? "circuit_open" : "lane_paused", until - now };
	return (struct lane_hold){ lane->open && lane->probing ? "circuit_open" : NULL, 0 };
}

void lanes_told(struct lanes *l, const struct lane_state *all, size_t n)
{
	int64_t now = clock_ms();
	for (struct lane *lane = l->all; lane; lane = lane->next)
		lane->told_until = 0;
	for (size_t i = 0; i < n; i++) {
		struct lane *lane = lane_of(l, all[i].name);
		lane->told_until = all[i].paused_ms > 0 ? now + all[i].paused_ms : 0;
		lane->told_reason = all[i].reason;
		snprintf(lane->told_why, sizeof(lane->told_why), "%s", all[i].why ? all[i].why : "");
		lane->learned_requests = lane->learned_requests ? lane->learned_requests : all[i].learned_requests;
		lane->learned_tokens = lane->learned_tokens ? lane->learned_tokens : all[i].learned_tokens;
	}
	for (struct lane *lane = l->all; lane; lane = lane->next)
		lane_wake(lane);
}

bool lanes_changed(struct lanes *l, struct lane_state *state)
{
	struct lane *lane = l->all;
	while (lane && !lane->changed)
		lane = lane->next;
	if (!lane)
		return false;
	int64_t left = lane->paused_until - clock_ms();
	int64_t paused_ms = left > 0 ? left : lane->closed ? 0 : -1;
	*state = (struct lane_state){ lane->name, left > 0 ? lane->reason : LANE_FREE, paused_ms, lane->why,
		lane->learned_requests, lane->learned_tokens };
	lane->changed = lane->closed = false;
	return true;
}

void lanes_change_again(struct lanes *l, const struct lane_state *state)
{
	struct lane *lane = lane_of(l, state->name);
	lane->changed = true;
	lane->closed |= state->paused_ms == 0;
}
