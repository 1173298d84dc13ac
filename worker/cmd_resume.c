/* SPDX-License-Identifier: MIT */
/* resume: ends a pause. */
#include "commands.h"
#include "commands_sql.h"
#include "limits.h"

struct resume_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct resume_options, bool, json), "One JSON object" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover resume type quotes", "Quotes are claimed again." },
	{ 0 },
};

static bool resume_run(struct command_run *run, struct err *e)
{
	const struct resume_options *o = run->options;
	struct limits_place p;
	struct pg_rows rows;
	if (!limits_whole_place_of(run, &p, e))
		return false;
	struct pg *db = command_db(run, e);
	struct pg_args args = PG_ARGS(PG(p.scope), PG(p.key));
	if (!db || !pg_query(db, run->arena, &sql_pause_end, args, command_deadline(), &rows, e) ||
		!limits_make_room(db, &p, e))
		return false;
	limits_tell(run, &p, "goes on", "was not paused", pg_bool(&rows, 0, "changed"), o->json);
	return true;
}

const struct command command_resume = {
	.name = "resume",
	.text = "End a pause",
	.more = "Say the same words as to pause. Exit code 3 when it was not paused.",
	.words = limits_words,
	.flags = flags,
	.options_size = sizeof(struct resume_options),
	.examples = examples,
	.run = resume_run,
};
