/* SPDX-License-Identifier: MIT */
/* pause: nothing more of a kind is claimed. */
#include "commands.h"
#include "commands_sql.h"
#include "limits.h"

struct pause_options {
	const char *why;
	bool json;
};

#define AT(c_type, member) FLAG_AT(struct pause_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "why", "TEXT", FLAG_TEXT, AT(const char *, why), "The reason, for people; at most 500 characters" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover pause type quotes --why 'price list is wrong'", "No more quotes until drover resume." },
	{ "drover pause all", "The whole queue." },
	{ 0 },
};

static bool pause_run(struct command_run *run, struct err *e)
{
	const struct pause_options *o = run->options;
	struct limits_place p;
	struct pg_rows rows;
	if (!limits_whole_place_of(run, &p, e))
		return false;
	struct pg *db = command_db(run, e);
	struct pg_args args = PG_ARGS(PG(p.scope), PG(p.key), PG(o->why));
	if (!db || !pg_query(db, run->arena, &sql_pause_add, args, command_deadline(), &rows, e))
		return false;
	limits_tell(run, &p, "is paused", "was paused already", pg_bool(&rows, 0, "changed"), o->json);
	return true;
}

const struct command command_pause = {
	.name = "pause",
	.text = "Claim nothing more of a type, workspace or user, or nothing at all",
	.more = "What runs goes on, and inserts are taken. \"drover limit\" lists what is paused. A pause of '*' does "
		"not reach those that have a limit or a weight of their own.",
	.words = limits_words,
	.flags = flags,
	.options_size = sizeof(struct pause_options),
	.examples = examples,
	.run = pause_run,
};
