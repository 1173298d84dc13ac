/* SPDX-License-Identifier: MIT */
/* Inside lane*.c only: what a lane is. */
#pragma once
#include "lane.h"
#include "loop.h"

/* Filled evenly over the minute, to the limit of a minute. */
struct lane_bucket {
	double level, limit;
	int64_t at;
};

/* On the stack of the fiber that waits. */
struct lane_waiter {
	struct lane_waiter *next;
	struct task *task;
	struct lanes *lanes;
	struct lane *lane;
	const struct lane_wish *wish;
	int64_t until;             /* the longest that it waits; of a patient one, for the pause that it met last */
	bool said;
};

struct lane {
	struct lane *next;
	const char *name;
	struct lane_waiter *first, **end;
	size_t waiting;
	bool full;                 /* the first of them was told to wait for its share */
	int64_t set_requests, set_tokens;         /* a minute, by the configuration; 0 = it says nothing */
	int64_t learned_requests, learned_tokens; /* from the provider's answers, or other workers' */
	struct lane_bucket requests, tokens;      /* this process' own share */
	int64_t failures, refusals;               /* in a row */
	bool open;                 /* the circuit; half-open when its pause has passed */
	bool probing;              /* one call tries */
	int64_t paused_until, told_until;         /* by us, by others; 0 = not */
	enum lane_reason reason, told_reason;
	char why[LANE_WHY_BYTES], told_why[LANE_WHY_BYTES];
	bool changed, closed;      /* since it was given out; closed: the circuit */
};

struct lanes {
	struct arena *arena;
	struct lane_rules rules;
	struct lane_share share;   /* take NULL = none */
	struct lane *all;
	int64_t workers;
};

/* What keeps everybody out of a lane now. */
struct lane_hold {
	const char *code;          /* NULL = nothing */
	int64_t wait_ms;           /* 0 = until somebody wakes us */
};

struct lane *lane_of(struct lanes *l, const char *name);
struct lane_hold lane_hold_of(const struct lane *lane);
int64_t lane_requests_limit(const struct lane *lane); /* a minute, all workers; 0 = not known */
int64_t lane_tokens_limit(const struct lane *lane);
/* Takes a request and its tokens of the own share; 0, or how long to wait. */
int64_t lane_take_own(const struct lanes *l, struct lane *lane, int64_t tokens);
/* What others granted counts here too: else a share that was never used would be full when it is needed. */
void lane_count_own(const struct lanes *l, struct lane *lane, int64_t requests, int64_t tokens);
void lane_learn(struct lanes *l, struct lane *lane, int64_t requests, int64_t tokens);
void lane_wake(struct lane *lane);
/* The lane, and what it counts: to be completed by the caller. */
struct lane_count lane_count_of(const struct lane *lane, const struct model_config *config);
