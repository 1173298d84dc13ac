/* SPDX-License-Identifier: MIT */
/*
 * Money and tokens: reserved before a model is asked, settled in the transaction that keeps its turn. What an attempt
 * spent stays counted, whatever becomes of it. A budget is overspent at most by the answer of one call, and by what
 * estimates of input were wrong: schema/core/012_budgets.sql says how.
 */
#pragma once
#include "agent.h"

/*
 * What a process knows of budgets, one for all its runs; starts as { defaults }. Where it knows that there are none a
 * call asks nobody. It believes so for BUDGET_BELIEF_MS after it was told: the first budget of a database holds that
 * much later, every other at once. Calls of that time are counted when a budget of their scope comes: from their turns.
 */
struct budgets {
	const char *defaults;      /* agent_budgets_json */
	int64_t none_until_ms;     /* clock_ms until which there is none */
};
enum { BUDGET_BELIEF_MS = 3000, BUDGET_TEND_MS = 1000 };

/* Looks whether there are budgets, and puts away what nobody else does: to be called every BUDGET_TEND_MS. waits. */
bool budget_tend(struct budgets *b, struct pg *db, int64_t deadline, struct err *e);

/* micro-units; rounded up, so that what costs something never costs nothing. At most 10^15. */
int64_t budget_cost(const struct model_price *price, const struct model_usage *usage);

/*
 * waits, but only where a budget is set. Before each model call: at most input_tokens in and output_tokens out, at the
 * price of config. ERR_INPUT "budget_spent" names the budget, its period and the mend. While calls under way may need
 * what is left it waits for them, at most half a minute: then ERR_BUSY "budget_reserved", untried. A second reservation of a run
 * replaces its first; one that is never settled ends with the run.
 */
bool budget_reserve(struct agent_run *run, const struct model_config *config, int64_t input_tokens,
	int64_t output_tokens, struct err *e);
/*
 * The step, in a, that counts a call: what is spent becomes part of the request and of every budget, the reservation
 * ends. It comes first in its transaction and stands for the fence: DV001 when the request is no longer owned.
 */
struct pg_step budget_settle(struct arena *a, const struct agent_run *run, const struct model_config *config,
	const struct model_usage *usage);
/*
 * waits. Counts what calls that broke off took, run->broken, at most once: else whoever stops his requests just before
 * their end would spend nothing. With an error of the database it may be left out.
 */
bool budget_settle_broken(struct agent_run *run, int64_t deadline, struct err *e);
