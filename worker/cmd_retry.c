/* SPDX-License-Identifier: MIT */
/* retry: makes failed requests ready again, by number or all that a filter finds. */
#include "commands.h"
#include "commands_sql.h"
#include "outcome.h"
#include "queue_sql.h"

enum { STEP = 500, SHOWN = 20, ALL = INT32_MAX };

struct retry_options {
	bool failed, dry_run, json;
	const char *type, *code, *workspace;
	int64_t since_ms, limit;
};

#define AT(c_type, member) FLAG_AT(struct retry_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "failed", NULL, FLAG_SWITCH, AT(bool, failed), "Whatever failed for good, instead of IDs" },
	{ 0, "type", "TYPE", FLAG_TEXT, AT(const char *, type), "With --failed: only of this type" },
	{ 0, "code", "CODE", FLAG_TEXT, AT(const char *, code), "With --failed: only with this error code" },
	{ 0, "workspace", "UUID", FLAG_UUID, AT(const char *, workspace), "With --failed: only of this workspace" },
	{ 0, "since", "TIME", FLAG_DURATION, AT(int64_t, since_ms), "With --failed: only what ended in the last 2h, "
	"30m ...",
		.min = 1, .max = INT64_C(315360000000) },
	{ 0, "limit", "N", FLAG_NUMBER, AT(int64_t, limit), "With --failed: at most so many, the oldest first",
	.min = 1,
		.max = ALL },
	{ 0, "dry-run", NULL, FLAG_SWITCH, AT(bool, dry_run), "With --failed: only show them, at most 20 without "
	"--limit" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object a request" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of a request in status failed", WORD_ID, .optional = true, .many = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover retry 42", "Run request 42 again, with a fresh count of attempts." },
	{ "drover retry --failed --dry-run", "What failed for good: the dead letters." },
	{ "drover retry --failed --code model_unreachable --since 2h", "After an outage." },
	{ 0 },
};

/* ---- by number ---- */

static const struct outcome outcomes[] = {
	{ "again", "ready again", true },
	{ "superseded", "was superseded: a newer request of its key is open", false },
	{ "foreign_session", "is not run again: its session has become another user's", false },
};

static bool retry_one(struct pg *db, struct arena *a, int64_t id, struct outcome *out, struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_retry, PG_ARGS(PG(id)), command_deadline(), &rows, e))
		return false;
	const char *parent = rows.n ? pg_text(&rows, 0, "parent_id") : NULL;
	if (!rows.n)
		*out = (struct outcome){ "not_there", "is not there", false };
	else if (parent)
		*out = (struct outcome){ "child", arena_printf(a, "is a child; retry %s, its parent", parent), false };
	else
		*out = (struct outcome){ "not_failed",
			arena_printf(a, "has not failed (%s)", pg_text(&rows, 0, "status")), false };
	for (size_t i = 0; rows.n && i < COUNT(outcomes); i++)
		if (strcmp(outcomes[i].code, pg_text(&rows, 0, "outcome")) == 0)
			*out = outcomes[i];
	return true;
}

/* ---- by filter ---- */

static const struct print_column columns[] = {
	{ "ID", ALIGN_RIGHT }, { "TYPE" }, { "CODE" }, { "ENDED", ALIGN_RIGHT }, { "ATTEMPTS", ALIGN_RIGHT },
		{ "ERROR" }, { 0 },
};

static void print_dead(struct command_run *run, const struct pg_rows *rows)
{
	enum { ERROR_SHOWN = 60 };
	struct arena *a = run->arena;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows->n; i++) {
		print_cell(t, STYLE_PLAIN, pg_text(rows, i, "id"));
		print_cell(t, STYLE_PLAIN, pg_text(rows, i, "type"));
		print_cell(t, STYLE_RED, pg_text(rows, i, "error_code"));
		print_cell(t, STYLE_PLAIN, print_duration(a, pg_i64(rows, i, "ended_ms")));
		print_cell_i64(t, pg_i64(rows, i, "attempt"));
		print_cell(t, STYLE_PLAIN, print_clean(a, pg_text(rows, i, "error"), ERROR_SHOWN));
	}
	if (rows->n)
		print_table_end(t, &run->out, 0);
	const char *n = print_number(a, rows->n ? pg_i64(rows, 0, "n") : 0);
	fprintf(run->out.to, "%s failed for good\n", n);
}

static bool show_dead(struct command_run *run, struct pg *db, struct err *e)
{
	const struct retry_options *o = run->options;
	struct pg_rows rows;
	struct pg_arg since = o->since_ms ? PG(o->since_ms) : PG((const char *)NULL);
	struct pg_args args = PG_ARGS(PG(o->type), PG(o->code), since, PG(o->workspace),
		PG(o->limit ? o->limit : SHOWN));
	if (!pg_query(db, run->arena, &sql_retry_dead, args, command_deadline(), &rows, e))
		return false;
	for (int i = 0; o->json && i < rows.n; i++)
		print_json(&run->out, pg_row_json(run->arena, &rows, i));
	if (!o->json)
		print_dead(run, &rows);
	if (!rows.n)
		run->exit = EXIT_NO_MATCH;
	return true;
}

static void tell_step(const struct command_run *run, const struct pg_rows *ids)
{
	ARENA_SCOPE(tmp);
	for (int i = 0; i < ids->n; i++) {
		cJSON *line = json_object(tmp);
		json_put_i64(line, "id", pg_i64(ids, i, "id"));
		json_put_text(line, "outcome", outcomes[0].code);
		json_put_bool(line, "done", true);
		print_json(&run->out, line);
	}
}

/* One transaction a step: it holds few locks, and what is done stays done. */
static bool retry_step(struct command_run *run, struct pg *db, const struct pg_rows *window, int64_t most, int64_t *n,
	struct err *e)
{
	ARENA_SCOPE(tmp);
	const struct retry_options *o = run->options;
	struct pg_rows ids;
	struct pg_args args = PG_ARGS(PG(o->type), PG(o->code), PG(pg_text(window, 0, "since")), PG(o->workspace),
		PG(most),
		PG(pg_text(window, 0, "before")));
	if (!pg_query(db, tmp, &sql_retry_failed, args, command_deadline(), &ids, e))
		return false;
	*n = ids.n;
	if (o->json)
		tell_step(run, &ids);
	return true;
}

static bool retry_failed(struct command_run *run, struct pg *db, struct err *e)
{
	const struct retry_options *o = run->options;
	struct pg_rows window;
	struct pg_arg since = o->since_ms ? PG(o->since_ms) : PG((const char *)NULL);
	int64_t most = o->limit ? o->limit : ALL, done = 0, n = 1;
	if (!pg_query(db, run->arena, &sql_retry_window, PG_ARGS(since), command_deadline(), &window, e))
		return false;
	for (; n && done < most; done += n)
		if (!retry_step(run, db, &window, MIN_OF(most - done, STEP), &n, e))
			return err_prefix(e, "after %lld requests: ", (long long)done);
	if (!o->json)
		fprintf(run->out.to, "%s ready again\n", print_number(run->arena, done));
	if (!done)
		run->exit = EXIT_NO_MATCH;
	return true;
}

static bool retry_run(struct command_run *run, struct err *e)
{
	const struct retry_options *o = run->options;
	bool filter = o->type || o->code || o->workspace || o->since_ms || o->limit || o->dry_run;
	if (o->failed == (run->n_words > 0))
		return command_usage(run, e, "give either IDs or --failed");
	if (filter && !o->failed)
		return command_usage(run, e, "--type, --code, --workspace, --since, --limit and --dry-run go with "
			"--failed");
	if (!o->failed)
		return outcome_each(run, retry_one, o->json, e);
	struct pg *db = command_db(run, e);
	return db && (o->dry_run ? show_dead : retry_failed)(run, db, e);
}

const struct command command_retry = {
	.name = "retry",
	.text = "Run failed requests again",
	.more = "What they had done stays done: finished turns and tool calls are not repeated. --failed takes what "
	"failed "
		"for good, not what was cancelled or superseded; what fails again meanwhile is not taken twice.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct retry_options),
	.examples = examples,
	.run = retry_run,
};
