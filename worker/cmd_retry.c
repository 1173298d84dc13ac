/* SPDX-License-Identifier: MIT */
/* retry: makes failed requests ready again. */
#include "commands.h"
#include "outcome.h"
#include "queue_sql.h"

struct retry_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct retry_options, bool, json), "One JSON object a request" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of a request in status failed", WORD_ID, .many = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover retry 42", "Run request 42 again, with a fresh count of attempts." },
	{ 0 },
};

static bool retry_one(struct pg *db, struct arena *a, int64_t id, struct outcome *out, struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_retry, PG_ARGS(PG(id)), command_deadline(), &rows, e))
		return false;
	const char *parent = rows.n ? pg_text(&rows, 0, "parent_id") : NULL;
	if (!rows.n)
		*out = (struct outcome){ "not_there", "is not there", false };
	else if (pg_bool(&rows, 0, "again"))
		*out = (struct outcome){ "again", "ready again", true };
	else if (parent)
		*out = (struct outcome){ "child", arena_printf(a, "is a child; retry %s, its parent", parent), false };
	else
		*out = (struct outcome){ "not_failed",
			arena_printf(a, "has not failed (%s)", pg_text(&rows, 0, "status")), false };
	return true;
}

static bool retry_run(struct command_run *run, struct err *e)
{
	const struct retry_options *o = run->options;
	return outcome_each(run, retry_one, o->json, e);
}

const struct command command_retry = {
	.name = "retry",
	.text = "Run failed requests again",
	.more = "What they had done stays done: finished turns and tool calls are not repeated.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct retry_options),
	.examples = examples,
	.run = retry_run,
};
