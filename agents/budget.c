/* SPDX-License-Identifier: MIT */
#include "budget.h"
#include "agents_sql.h"
#include "clock.h"
#include "loop.h"

/* What a provider says is not trusted to be sane: sums of these fit their columns. */
static const int64_t price_unit = 1000000, most_tokens = 1000000000000, most_micros = 1000000000000000;

static int64_t within(int64_t n, int64_t most)
{
	return n < 0 ? 0 : MIN_OF(n, most);
}

int64_t budget_cost(const struct model_price *p, const struct model_usage *u)
{
	__int128 sum = (__int128)p->input * within(u->input_tokens, most_tokens) +
		(__int128)p->output * within(u->output_tokens, most_tokens) +
		(__int128)p->cache_write * within(u->cache_write_tokens, most_tokens) +
		(__int128)p->cache_read * within(u->cache_read_tokens, most_tokens);
	__int128 micros = (sum + price_unit - 1) / price_unit;
	return micros > most_micros ? most_micros : (int64_t)micros;
}

/* ---- before a call ---- */

const char *agent_budgets_json(struct arena *a, const struct agent_budgets *b)
{
	const struct { const char *scope; int64_t tokens, cost; } all[] = {
		{ "request", b->request.tokens, b->request.cost }, { "session", b->session.tokens, b->session.cost },
		{ "user", b->user.tokens, b->user.cost }, { "workspace", b->workspace.tokens, b->workspace.cost } };
	cJSON *json = json_object(a);
	for (size_t i = 0; i < COUNT(all); i++) {
		if (!all[i].tokens && !all[i].cost)
			continue;
		cJSON *one = json_put_object(json, all[i].scope);
		if (all[i].tokens)
			json_put_i64(one, "tokens", all[i].tokens);
		if (all[i].cost)
			json_put_i64(one, "cost", all[i].cost);
	}
	return json_print(a, json);
}

static void learn(struct budgets *b, int64_t asked_at, bool any)
{
	b->none_until_ms = any || strcmp(b->defaults, "{}") != 0 ? 0 : asked_at + BUDGET_BELIEF_MS;
}

bool budget_tend(struct budgets *b, struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	int64_t asked_at = clock_ms();
	if (!pg_query(db, tmp, &sql_budget_tend, PG_NO_ARGS, deadline, &rows, e))
		return false;
	learn(b, asked_at, pg_bool(&rows, 0, "any_budget"));
	return true;
}

/* By scope: what a period is called, and the option that is its default. */
static const struct {
	const char *scope, *period, *option;
} words[] = {
	{ "request", "in all its attempts", "request" },
	{ "session", "since it began", "session" },
	{ "user", "today (UTC)", "user_day" },
	{ "workspace", "today (UTC)", "workspace_day" },
};

static bool fail_spent(const struct pg_rows *rows, struct err *e)
{
	const char *scope = pg_text(rows, 0, "scope"), *key = pg_text(rows, 0, "key");
	const char *measure = pg_text(rows, 0, "measure");
	bool tokens = strcmp(measure, "tokens") == 0;
	size_t i = 0;
	while (strcmp(words[i].scope, scope) != 0)
		i++;
	return FAIL(e, ERR_INPUT, "budget_spent", "the budget of %s %s is spent: %ld of %ld %s %s, and the next call needs "
		"at least %ld; raise it with drover budget set %s %s --%s N, or option budget.%s_%s", scope, key,
		(long)pg_i64(rows, 0, "used"), (long)pg_i64(rows, 0, "most"), tokens ? "tokens" : "micro-units", words[i].period,
		(long)pg_i64(rows, 0, "needed"), scope, key, measure, words[i].option, measure);
}

static bool fail_reserved(const struct pg_rows *rows, struct err *e)
{
	enum { RETRY_MS = 5000 };
	FAIL(e, ERR_BUSY, "budget_reserved", "of the budget of %s %s %ld of %ld are spent, and %ld reserved by calls under "
		"way (%s)",
		pg_text(rows, 0, "scope"), pg_text(rows, 0, "key"), (long)pg_i64(rows, 0, "used"),
		(long)pg_i64(rows, 0, "most"), (long)pg_i64(rows, 0, "held"), pg_text(rows, 0, "measure"));
	e->retry_after_ms = RETRY_MS;
	e->untried = true;
	return false;
}

/* *reserved: calls under way stand in the way; false with e all the same. */
static bool reserve_once(struct agent_run *run, struct pg_args args, bool *reserved, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	int64_t asked_at = clock_ms();
	struct pg *db = pg_get(run->db, run->deadline, e);
	bool ok = db && pg_query(db, tmp, &sql_budget_reserve, args, run->deadline, &rows, e);
	pg_put(run->db, db);
	*reserved = false;
	if (!ok)
		return false;
	learn(run->budgets, asked_at, pg_bool(&rows, 0, "any_budget"));
	const char *refused = pg_text(&rows, 0, "refused");
	if (!refused)
		return true;
	*reserved = strcmp(refused, "reserved") == 0;
	return *reserved ? fail_reserved(&rows, e) : fail_spent(&rows, e);
}

/* Input that goes into the cache costs more than other. */
static struct model_price dearest(const struct model_config *config)
{
	struct model_price p = config->price;
	if (config->cache)
		p.input = MAX_OF(p.input, p.cache_write);
	return p;
}

bool budget_reserve(struct agent_run *run, const struct model_config *config, int64_t input_tokens,
	int64_t output_tokens, struct err *e)
{
	enum { WAIT_MS = 30000, FIRST_MS = 100, LONGEST_MS = 2000 };
	if (!run->budgets || clock_ms() < run->budgets->none_until_ms)
		return true;
	const struct model_price price = dearest(config);
	struct model_usage least = { .input_tokens = input_tokens, .output_tokens = 1 };
	struct model_usage most = { .input_tokens = input_tokens, .output_tokens = output_tokens };
	struct pg_args args = PG_ARGS(PG(run->request_id), PG(run->version), PG(within(input_tokens, most_tokens)),
		PG(within(output_tokens, most_tokens)), PG(budget_cost(&price, &least)), PG(budget_cost(&price, &most)),
		PG(run->budgets->defaults));
	int64_t until = deadline_first(run->deadline, deadline_in(WAIT_MS)), pause_ms = FIRST_MS;
	bool reserved;
	while (!reserve_once(run, args, &reserved, e)) {
		if (!reserved || clock_ms() + pause_ms >= until)
			return false;
		if (!loop_sleep((int64_t)((0.5 + drand48()) * (double)pause_ms), e))
			return false;
		pause_ms = MIN_OF(2 * pause_ms, (int64_t)LONGEST_MS);
	}
	return true;
}

/* ---- after a call ---- */

struct pg_step budget_settle(struct arena *a, const struct agent_run *run, const struct model_config *config,
	const struct model_usage *u)
{
	const struct pg_arg args[] = { PG(run->request_id), PG(run->version), PG(within(u->input_tokens, most_tokens)),
		PG(within(u->output_tokens, most_tokens)), PG(within(u->cache_write_tokens, most_tokens)),
		PG(within(u->cache_read_tokens, most_tokens)), PG(budget_cost(&config->price, u)) };
	struct pg_arg *v = arena_alloc(a, sizeof(args));
	memcpy(v, args, sizeof(args));
	return (struct pg_step){ &sql_run_spend, { v, COUNT(args) }, NULL };
}

bool budget_settle_broken(struct agent_run *run, int64_t deadline, struct err *e)
{
	struct model_usage u = run->broken;
	if (!run->broken_config || !(u.input_tokens + u.output_tokens + u.cache_write_tokens + u.cache_read_tokens))
		return true;
	ARENA_SCOPE(tmp);
	run->broken = (struct model_usage){ 0 };
	struct pg_step step = budget_settle(tmp, run, run->broken_config, &u);
	struct pg *db = pg_get(run->db, deadline, e);
	bool ok = db && pg_batch(db, tmp, &step, 1, deadline, e);
	pg_put(run->db, db);
	return ok;
}
