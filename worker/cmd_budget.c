/* SPDX-License-Identifier: MIT */
/* budget: what may be spent on models by a request, a session, a user or a workspace; and how much of it is spent. */
#include "commands.h"
#include "commands_sql.h"
#include "settings.h"

#define MOST_TEXT "0 to 1000000000000000"
static const int64_t most = 1000000000000000;

struct budget_options {
	const char *tokens, *cost; /* text: 0 is a budget, and another than none */
	bool json;
};

#define AT(c_type, member) FLAG_AT(struct budget_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "tokens", "N", FLAG_TEXT, AT(const char *, tokens), "Tokens of all kinds, summed (" MOST_TEXT ")" },
	{ 0, "cost", "N", FLAG_TEXT, AT(const char *, cost),
		"Millionths of the currency of the price table (" MOST_TEXT ")" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object a row" },
	{ 0 },
};

static const char *const verbs[] = { "list", "set", "clear", NULL };
static const char *const scopes[] = { "request", "session", "user", "workspace", NULL };
#define SCOPE_TEXT "request, session, user or workspace"

static const struct word words[] = {
	{ "VERB", "list, set or clear", WORD_TEXT, .optional = true, .choices = verbs },
	{ "SCOPE", SCOPE_TEXT, WORD_TEXT, .optional = true, .choices = scopes },
	{ "KEY", "Number of the request, or UUID; '*' is each one that has no row of its own", WORD_TEXT,
		.optional = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover budget", "All budgets, and what is spent of them." },
	{ "drover budget set workspace '*' --cost 20000000", "Twenty units of the currency a day for each workspace." },
	{ "drover budget set session 8f14e45f-ceea-467f-a0e6-9d1f2c6a7b10 --tokens 500000", "For this session in all." },
	{ "drover budget clear session 8f14e45f-ceea-467f-a0e6-9d1f2c6a7b10", "As every other again." },
	{ 0 },
};

struct place {
	const char *verb, *scope, *key;
};

static bool is_one_of(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

static bool place_of(struct command_run *run, struct place *p, struct err *e)
{
	*p = (struct place){ run->n_words ? run->words[0] : "list", run->n_words > 1 ? run->words[1] : NULL,
		run->n_words > 2 ? run->words[2] : NULL };
	if (!is_one_of(verbs, p->verb))
		return command_usage(run, e, "VERB must be list, set or clear, not %s", p->verb);
	if (p->scope && !is_one_of(scopes, p->scope))
		return command_usage(run, e, "SCOPE must be " SCOPE_TEXT ", not %s", p->scope);
	if (strcmp(p->verb, "list") != 0 && !p->key)
		return command_usage(run, e, "%s is missing: whose budget?", p->scope ? "KEY" : "SCOPE");
	return true;
}

/* ---- the list ---- */

static const struct print_column columns[] = {
	{ "SCOPE" }, { "KEY" }, { "MAX TOKENS", ALIGN_RIGHT }, { "SPENT", ALIGN_RIGHT }, { "MAX COST", ALIGN_RIGHT },
	{ "SPENT", ALIGN_RIGHT }, { "SET BY" }, { 0 },
};

static void print_row(struct print_table *t, const struct pg_rows *rows, int i)
{
	static const char *const cells[] = { "scope", "key", "max_tokens", "tokens", "max_cost_micros", "cost_micros" };
	for (size_t c = 0; c < COUNT(cells); c++)
		print_cell(t, STYLE_PLAIN, pg_text(rows, i, cells[c]));
	print_cell(t, STYLE_PLAIN, strcmp(pg_text(rows, i, "set_by"), "row") == 0 ? "drover budget" : "configuration");
}

static bool list(struct command_run *run, struct pg *db, const struct place *p, struct err *e)
{
	const struct budget_options *o = run->options;
	struct arena *a = run->arena;
	struct pool_config pool = pool_config_of(run->config);
	struct pg_rows rows;
	struct pg_args args = PG_ARGS(PG(p->scope), PG(p->key), PG(agent_budgets_json(a, &pool.budgets)));
	if (!pg_query(db, a, &sql_budget_list, args, command_deadline(), &rows, e))
		return false;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows.n; i++) {
		if (o->json)
			print_json(&run->out, pg_row_json(a, &rows, i));
		else
			print_row(t, &rows, i);
	}
	if (!rows.n && !o->json)
		fputs("nothing has a budget here\n", run->out.to);
	else if (!o->json)
		print_table_end(t, &run->out, 0);
	return true;
}

/* ---- changes ---- */

static bool amount_of(struct command_run *run, const char *flag, const char *text, struct pg_arg *arg, struct err *e)
{
	int64_t n = 0;
	*arg = PG((const char *)NULL);
	if (!text)
		return true;
	if (!str_to_i64(str_of(text), &n) || n < 0 || n > most)
		return command_usage(run, e, "--%s N: must be " MOST_TEXT ", not %s", flag, text);
	*arg = PG(n);
	return true;
}

static bool set(struct command_run *run, struct pg *db, const struct place *p, struct err *e)
{
	const struct budget_options *o = run->options;
	struct pg_arg tokens, cost;
	if (!amount_of(run, "tokens", o->tokens, &tokens, e) || !amount_of(run, "cost", o->cost, &cost, e))
		return false;
	struct pg_args args = PG_ARGS(PG(p->scope), PG(p->key), tokens, cost);
	return pg_query(db, run->arena, &sql_budget_set, args, command_deadline(), NULL, e) && list(run, db, p, e);
}

static bool clear(struct command_run *run, struct pg *db, const struct place *p, struct err *e)
{
	const struct budget_options *o = run->options;
	struct pg_rows rows;
	if (!pg_query(db, run->arena, &sql_budget_clear, PG_ARGS(PG(p->scope), PG(p->key)), command_deadline(), &rows, e))
		return false;
	bool changed = pg_bool(&rows, 0, "changed");
	if (!changed)
		run->exit = EXIT_NO_MATCH;
	if (o->json) {
		cJSON *line = json_object(run->arena);
		json_put_text(line, "scope", p->scope);
		json_put_text(line, "key", p->key);
		json_put_bool(line, "changed", changed);
		print_json(&run->out, line);
		return true;
	}
	print_text(&run->out, STYLE_PLAIN, str_of(arena_printf(run->arena, "%s %s", p->scope, p->key)), -1);
	print_styled(&run->out, changed ? STYLE_GREEN : STYLE_YELLOW, " %s\n", changed ? "has no budget of its own any more"
		: "had no budget of its own");
	return true;
}

static bool budget_run(struct command_run *run, struct err *e)
{
	const struct budget_options *o = run->options;
	struct place p;
	if (!place_of(run, &p, e))
		return false;
	bool sets = strcmp(p.verb, "set") == 0;
	if (sets != (o->tokens || o->cost))
		return command_usage(run, e, sets ? "set needs --tokens, --cost or both" : "--tokens and --cost go with set");
	struct pg *db = command_db(run, e);
	return db && (sets ? set : strcmp(p.verb, "clear") == 0 ? clear : list)(run, db, &p, e);
}

const struct command command_budget = {
	.name = "budget",
	.text = "Limit what is spent on models; list budgets and what is spent of them",
	.more = "A request or session has its budget in all, a user or workspace a day (UTC). Each model call reserves what "
		"it may need before it is made; where that is not left the request ends in failed, error_code budget_spent. "
		"Where a row names no maximum, that of '*' holds, then that of the configuration. The first budget of a "
		"database holds within three seconds, every other from the next call on.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct budget_options),
	.examples = examples,
	.run = budget_run,
};
