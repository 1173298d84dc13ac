/* SPDX-License-Identifier: MIT */
/*
 * From a turn that an agent wants to a model that gives it: which model, when, and how often. A turn is asked for again
 * as long as nothing of it was kept, with full jitter and at most the provider's own wait; then the next model of the
 * list has its chance. A lane (one key of one provider) that is over its limit, or told to wait, or failing, is left
 * alone by all workers.
 */
#pragma once
#include "model.h"
#include "stats.h"

struct lanes; /* lane.h */

struct route_retry {
	int64_t retries, base_ms, max_ms;
};

/* What a process has; all of it outlives its runs. */
struct models {
	struct http *http;
	const struct model_config *all; /* the first is the default */
	size_t n;
	const char *const *fallback;    /* names after the default, ends with NULL; or NULL */
	struct route_retry retry;
	struct lanes *lanes;            /* NULL = no limits */
	struct stats *stats;            /* NULL = nobody counts */
};

/* NULL when there is none of that name. */
const struct model_config *model_find(const struct models *m, const char *name);

/* How long to wait before the nth repetition (from 0): at least what the provider asked for, and full jitter by dice
 * (0 to 1) up to base_ms * 2^nth on top; at most max_ms. */
int64_t route_wait_ms(const struct route_retry *retry, int64_t nth, int64_t retry_after_ms, double dice);

/*
 * waits. names: the models to ask in their order, ends with NULL; NULL = the default and its fallback. rq->name is not
 * read. Errors as model_turn's; a lane that must be waited for longer than retry.max_ms: ERR_BUSY "lane_paused" |
 * "lane_full" | "circuit_open" with retry_after_ms, after all models were asked; untried when none of them was reached.
 * Only the last of them is waited for until the run's deadline when its lane is merely full: the wait is known to end.
 * When the turn broke off after a block had ended it is not asked for again here: what was kept decides how to go on
 * (conversation.c).
 */
bool route_turn(struct models *m, struct arena *a, const char *const *names, const struct model_request *rq,
	struct thoughts *thoughts, int64_t deadline, struct model_turn *turn, struct err *e);
/* The same turn may succeed when it is asked for again. */
bool route_may_retry(const struct err *e);
