/* SPDX-License-Identifier: MIT */
#include "budget.h"
#include "agents_sql.h"

enum { PRICE_UNIT = 1000000 };

int64_t budget_cost(const struct model_price *p, const struct model_usage *u)
{
	int64_t sum = p->input * u->input_tokens + p->output * u->output_tokens + p->cache_write * u->cache_write_tokens
		+ p->cache_read * u->cache_read_tokens;
	return (sum + PRICE_UNIT - 1) / PRICE_UNIT;
}

bool budget_reserve(struct agent_run *run __attribute__((unused)), const struct model_config *config __attribute__((unused)),
	int64_t input_tokens __attribute__((unused)), int64_t output_tokens __attribute__((unused)),
	struct err *e __attribute__((unused)))
{
	return true;
}

struct pg_step budget_settle(struct arena *a, const struct agent_run *run, const struct model_config *config,
	const struct model_usage *u)
{
	const struct pg_arg args[] = { PG(run->request_id), PG(run->version), PG(u->input_tokens), PG(u->output_tokens),
		PG(u->cache_write_tokens), PG(u->cache_read_tokens), PG(budget_cost(&config->price, u)) };
	struct pg_arg *v = arena_alloc(a, sizeof(args));
	memcpy(v, args, sizeof(args));
	return (struct pg_step){ &sql_run_spend, { v, COUNT(args) }, NULL };
}
