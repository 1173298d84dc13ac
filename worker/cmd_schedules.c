/* SPDX-License-Identifier: MIT */
/* schedules: what the clock makes, when it fires next, and what a cron line means. */
#include "commands.h"
#include "commands_sql.h"

struct schedules_options {
	const char *cron, *time_zone;
	int64_t next;
	bool json;
};

#define AT(c_type, member) FLAG_AT(struct schedules_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "next", "N", FLAG_NUMBER, AT(int64_t, next), "The next N times, of NAME or --cron", .min = 1,
		.max = 1000 },
	{ 0, "cron", "LINE", FLAG_TEXT, AT(const char *, cron), "Times of this line, which need not be in use" },
	{ 0, "time-zone", "ZONE", FLAG_TEXT, AT(const char *, time_zone), "By whose clock --cron is read",
	.preset = "UTC" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object a schedule or time" },
	{ 0 },
};

static const struct word words[] = {
	{ "NAME", "One schedule", WORD_TEXT, .optional = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover schedules", "All, the next to fire first." },
	{ "drover schedules morning --next 5", "The next five times of one." },
	{ "drover schedules --cron '30 9 * * mon-fri' --time-zone Europe/Berlin", "What a line means, before it is "
	"used." },
	{ 0 },
};

/* ---- the list ---- */

static const struct print_column columns[] = {
	{ "NAME" }, { "TYPE" }, { "CRON" }, { "TIME ZONE" }, { "NEXT" }, { "IN", ALIGN_RIGHT }, { "FIRED",
		ALIGN_RIGHT },
	{ "REQUEST", ALIGN_RIGHT }, { "TROUBLE" }, { 0 },
};

static void print_schedule(struct print_table *t, struct arena *a, const struct pg_rows *rows, int i)
{
	static const char *const cells[] = { "name", "type", "cron", "time_zone" };
	enum { ERROR_SHOWN = 60 };
	bool enabled = pg_bool(rows, i, "enabled"), fired = pg_text(rows, i, "last_at");
	const char *error = pg_text(rows, i, "last_error");
	for (size_t c = 0; c < COUNT(cells); c++)
		print_cell(t, enabled ? STYLE_PLAIN : STYLE_DIM, pg_text(rows, i, cells[c]));
	print_cell(t, enabled ? STYLE_PLAIN : STYLE_DIM, enabled ? pg_text(rows, i, "next_there") : "off");
	print_cell(t, STYLE_PLAIN, enabled ? print_duration(a, MAX_OF(pg_i64(rows, i, "next_in_ms"), 0)) : NULL);
	print_cell(t, STYLE_PLAIN, fired ? print_duration(a, pg_i64(rows, i, "last_ago_ms")) : NULL);
	print_cell(t, STYLE_PLAIN, pg_text(rows, i, "last_request_id"));
	print_cell(t, STYLE_RED, error ? print_clean(a, error, ERROR_SHOWN) : NULL);
}

static bool print_list(struct command_run *run, const struct pg_rows *rows)
{
	const struct schedules_options *o = run->options;
	struct arena *a = run->arena;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows->n; i++) {
		if (o->json)
			print_json(&run->out, pg_row_json(a, rows, i));
		else
			print_schedule(t, a, rows, i);
	}
	if (!rows->n && !o->json)
		fputs("no schedules; a row in drover.schedules makes one\n", run->out.to);
	else if (!o->json)
		print_table_end(t, &run->out, 0);
	return true;
}

/* ---- times ---- */

static bool print_times(struct command_run *run, struct pg *db, const char *cron, const char *zone, struct err *e)
{
	enum { TIMES = 5 };
	const struct schedules_options *o = run->options;
	struct pg_rows rows;
	struct pg_args args = PG_ARGS(PG(cron), PG(zone), PG(o->next ? o->next : TIMES));
	if (!pg_query(db, run->arena, &sql_schedules_next, args, command_deadline(), &rows, e))
		return false;
	for (int i = 0; i < rows.n; i++) {
		if (o->json)
			print_json(&run->out, pg_row_json(run->arena, &rows, i));
		else
			fprintf(run->out.to, "%s  %s  in %s\n", pg_text(&rows, i, "there"), pg_text(&rows, i, "at"),
				print_duration(run->arena, pg_i64(&rows, i, "in_ms")));
	}
	return true;
}

static bool schedules_run(struct command_run *run, struct err *e)
{
	const struct schedules_options *o = run->options;
	const char *name = run->n_words ? run->words[0] : NULL;
	struct pg_rows rows;
	if (name && o->cron)
		return command_usage(run, e, "give either NAME or --cron");
	if (o->next && !name && !o->cron)
		return command_usage(run, e, "--next goes with NAME or --cron");
	struct pg *db = command_db(run, e);
	if (!db)
		return false;
	if (o->cron)
		return print_times(run, db, o->cron, o->time_zone, e);
	if (!pg_query(db, run->arena, &sql_schedules_list, PG_ARGS(PG(name)), command_deadline(), &rows, e))
		return false;
	if (name && !rows.n) {
		run->exit = EXIT_NO_MATCH;
		return FAIL(e, ERR_INPUT, "no_schedule", "no schedule is called %s (see drover schedules)", name);
	}
	return name && o->next ? print_times(run, db, pg_text(&rows, 0, "cron"), pg_text(&rows, 0, "time_zone"), e)
		: print_list(run, &rows);
}

const struct command command_schedules = {
	.name = "schedules",
	.text = "List schedules and when they fire next",
	.more = "Schedules are rows of drover.schedules, which an operator inserts and changes; workers fire them. A "
	"cron line "
		"has five fields: minute, hour, day of the month, month, day of the week.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct schedules_options),
	.examples = examples,
	.run = schedules_run,
};
