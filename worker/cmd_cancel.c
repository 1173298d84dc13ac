/* SPDX-License-Identifier: MIT */
/* cancel: ends requests; one that runs is told to stop. */
#include "commands.h"
#include "commands_sql.h"
#include "outcome.h"
#include "queue_sql.h"

struct cancel_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct cancel_options, bool, json), "One JSON object a request" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of the request; its children are cancelled with it", WORD_ID, .many = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover cancel 42 43", "Cancel two requests." },
	{ 0 },
};

/* Both in one transaction, so what is said is what was done. */
static bool cancel_one(struct pg *db, struct arena *a, int64_t id, struct outcome *out, struct err *e)
{
	struct pg_rows done, after;
	struct pg_step steps[] = {
		{ &sql_cancel, PG_ARGS(PG(id)), &done },
		{ &sql_request_after, PG_ARGS(PG(id)), &after },
	};
	if (!pg_batch(db, a, steps, COUNT(steps), command_deadline(), e))
		return false;
	if (!done.n)
		*out = (struct outcome){ "not_there", "is not there", false };
	else if (!pg_bool(&done, 0, "cancelled"))
		*out = (struct outcome){ "ended",
			arena_printf(a, "had ended already (%s)", pg_text(&after, 0, "phase")), false };
	else if (pg_bool(&after, 0, "cancel_requested"))
		*out = (struct outcome){ "told", "runs and was told to stop", true };
	else
		*out = (struct outcome){ "cancelled", "cancelled", true };
	return true;
}

static bool cancel_run(struct command_run *run, struct err *e)
{
	const struct cancel_options *o = run->options;
	return outcome_each(run, cancel_one, o->json, e);
}

const struct command command_cancel = {
	.name = "cancel",
	.text = "Cancel requests",
	.more = "One that waits ends at once, in phase cancelled. One that runs is told to stop and ends when "
		"its worker has noticed; \"drover show\" tells. Children end with their parent.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct cancel_options),
	.examples = examples,
	.run = cancel_run,
};
