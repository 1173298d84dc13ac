/* SPDX-License-Identifier: MIT */
/*
 * Money and tokens: reserved before a model is asked, settled in the transaction that keeps its turn. What an attempt
 * spent stays counted, whatever becomes of it.
 */
#pragma once
#include "agent.h"

/* micro-units; rounded up, so that what costs something never costs nothing. */
int64_t budget_cost(const struct model_price *price, const struct model_usage *usage);

/*
 * waits, but only where a budget is set. Before each model call: at most input_tokens in and output_tokens out, at the
 * price of config. ERR_INPUT "budget_spent" names the budget, its period and the mend.
 */
bool budget_reserve(struct agent_run *run, const struct model_config *config, int64_t input_tokens, int64_t output_tokens,
	struct err *e);
/*
 * The step, in a, that counts a call: what is spent becomes part of the request and of every budget, the reservation
 * ends. It comes first in its transaction and stands for the fence: DV001 when the request is no longer owned.
 */
struct pg_step budget_settle(struct arena *a, const struct agent_run *run, const struct model_config *config,
	const struct model_usage *usage);
