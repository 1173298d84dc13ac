/* SPDX-License-Identifier: MIT */
/* show: everything about one request. */
#include "commands.h"
#include "commands_sql.h"
#include "show.h"

struct show_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct show_options, bool, json),
		"One JSON object: request (its row), timeline, children" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of the request", WORD_ID },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover show 42", "What was asked, what happened when, and the answer." },
	{ "drover show 42 --json | jq .request.result", "The answer alone." },
	{ 0 },
};

static bool show_read(struct pg *db, struct arena *a, int64_t id, struct shown *s, struct err *e)
{
	struct pg_step steps[] = {
		{ &sql_show_request, PG_ARGS(PG(id)), &s->request },
		{ &sql_show_timeline, PG_ARGS(PG(id)), &s->timeline },
		{ &sql_show_children, PG_ARGS(PG(id)), &s->children },
		{ &sql_show_blocker, PG_ARGS(PG(id)), &s->blocker },
	};
	return pg_batch(db, a, steps, COUNT(steps), command_deadline(), e);
}

static bool show_run(struct command_run *run, struct err *e)
{
	const struct show_options *o = run->options;
	struct shown s;
	struct pg *db = command_db(run, e);
	if (!db || !show_read(db, run->arena, command_id(run, 0), &s, e))
		return false;
	if (!s.request.n) {
		run->exit = EXIT_NO_MATCH;
		return FAIL(e, ERR_INPUT, "no_request", "there is no request %s", run->words[0]);
	}
	if (o->json)
		print_json(&run->out, show_json(run->arena, &s));
	else
		show_print(&run->out, run->arena, &s);
	return true;
}

const struct command command_show = {
	.name = "show",
	.text = "Show one request: what was asked, what happened, the answer",
	.more = "The timeline has the attempts, what the queue noted (a rescue, a retry), model turns with "
		"their tokens, tool calls with their duration, and children. \"drover tail\" shows the "
		"thoughts.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct show_options),
	.examples = examples,
	.run = show_run,
};
