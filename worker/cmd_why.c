/* SPDX-License-Identifier: MIT */
/* why: the one answer to "why does my request not run?" */
#include "commands.h"
#include "commands_sql.h"
#include "settings.h"
#include "why.h"

struct why_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct why_options, bool, json),
		"One JSON object: request, causes, waits_for, line and place; each cause has text "
		"and do" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of the request", WORD_ID },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover why 42", "Everything that holds request 42 back, and what to do about it." },
	{ "drover why 42 --json | jq -r '.causes[0].cause'", "What decides, as a word." },
	{ 0 },
};

static bool why_read(struct pg *db, struct arena *a, int64_t id, const char *defaults, struct why *w, struct err *e)
{
	struct pg_step steps[] = {
		{ &sql_why_request, PG_ARGS(PG(id)), &w->request },
		{ &sql_why_causes, PG_ARGS(PG(id), PG(defaults)), &w->causes },
		{ &sql_why_line, PG_ARGS(PG(id), PG(w->fair)), &w->line },
	};
	return pg_batch(db, a, steps, COUNT(steps), command_deadline(), e) &&
	       pg_query(db, a, &sql_why_related, PG_ARGS(PG(why_related_ids(a, w)), PG(defaults)),
		       command_deadline(), &w->related, e);
}

static bool why_run(struct command_run *run, struct err *e)
{
	const struct why_options *o = run->options;
	struct pool_config pool = pool_config_of(run->config);
	const char *defaults = pool.default_limits;
	struct why w = { .fair = pool.fair, .max_attempts = pool.max_attempts };
	struct pg *db = command_db(run, e);
	if (!db || !why_read(db, run->arena, command_id(run, 0), defaults, &w, e))
		return false;
	if (!w.request.n) {
		run->exit = EXIT_NO_MATCH;
		return FAIL(e, ERR_INPUT, "no_request", "there is no request %s", run->words[0]);
	}
	if (o->json)
		print_json(&run->out, why_json(run->arena, &w));
	else
		why_print(&run->out, run->arena, &w);
	return true;
}

const struct command command_why = {
	.name = "why",
	.text = "Say why a request does not run, and what to do about it",
	.more = "All causes are listed, the one that decides as the first: its state, its session, "
		"limits and pauses, the "
		"workers, its place in line. Limits that are options of the workers, and the order "
		"of claims, are read from "
		"the configuration of this command: give it that of the workers.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct why_options),
	.examples = examples,
	.run = why_run,
};
