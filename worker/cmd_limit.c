/* SPDX-License-Identifier: MIT */
/* limit: how many of a kind run at once, over all workers; and the list of limits and pauses. */
#include "commands.h"
#include "commands_sql.h"
#include "limits.h"

enum { MAX_MOST = 1000000 };

struct limit_options {
	const char *max; /* text: 0 is a limit, and another than none */
	int64_t weight;
	bool clear, json;
};

#define AT(c_type, member) FLAG_AT(struct limit_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "max", "N", FLAG_TEXT, AT(const char *, max), "At most so many at once (0 to 1000000)" },
	{ 0, "weight", "N", FLAG_NUMBER, AT(int64_t, weight), "Share of a workspace or user in fair order, against 1 "
	"of others",
		.min = 1, .max = 1000 },
	{ 0, "clear", NULL, FLAG_SWITCH, AT(bool, clear), "Take limit and weight back; a pause stays" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object a row" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover limit", "What is limited or paused, how many run and how many wait for it." },
	{ "drover limit type quotes --max 5", "At most five quotes at once." },
	{ "drover limit user '*' --max 2", "Two for each user without a limit of their own." },
	{ "drover limit user 8f14e45f-ceea-467f-a0e6-9d1f2c6a7b10 --max 5 --weight 2", "More for this one." },
	{ 0 },
};

/* ---- the list ---- */

static const struct print_column columns[] = {
	{ "SCOPE" }, { "KEY" }, { "MAX", ALIGN_RIGHT }, { "WEIGHT", ALIGN_RIGHT }, { "RUNNING", ALIGN_RIGHT },
	{ "PARKED", ALIGN_RIGHT }, { "PAUSED", ALIGN_RIGHT }, { "WHY" }, { 0 },
};

static void print_row(struct print_table *t, struct arena *a, const struct pg_rows *rows, int i)
{
	static const char *const cells[] = { "scope", "key", "max_running", "weight", "running", "parked" };
	bool paused = pg_bool(rows, i, "paused");
	for (size_t c = 0; c < COUNT(cells); c++)
		print_cell(t, paused ? STYLE_YELLOW : STYLE_PLAIN, pg_text(rows, i, cells[c]));
	print_cell(t, STYLE_YELLOW, paused ? print_duration(a, pg_i64(rows, i, "paused_ms")) : NULL);
	print_cell(t, STYLE_PLAIN, paused ? pg_text(rows, i, "paused_why") : NULL);
}

static bool list(struct command_run *run, struct pg *db, const struct limits_place *p, struct err *e)
{
	const struct limit_options *o = run->options;
	struct arena *a = run->arena;
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_limit_list, PG_ARGS(PG(p->scope), PG(p->key)), command_deadline(), &rows, e))
		return false;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows.n; i++) {
		if (o->json)
			print_json(&run->out, pg_row_json(a, &rows, i));
		else
			print_row(t, a, &rows, i);
	}
	if (!rows.n && !o->json)
		fputs("nothing is limited or paused here\n", run->out.to);
	else if (!o->json)
		print_table_end(t, &run->out, 0);
	return true;
}

/* ---- changes ---- */

static bool clear(struct command_run *run, struct pg *db, const struct limits_place *p, struct err *e)
{
	const struct limit_options *o = run->options;
	struct pg_rows rows;
	struct pg_args args = PG_ARGS(PG(p->scope), PG(p->key));
	if (!pg_query(db, run->arena, &sql_limit_clear, args, command_deadline(), &rows, e) ||
		!limits_make_room(db, p, e))
		return false;
	limits_tell(run, p, "has no limit of its own any more", "had no limit of its own", pg_bool(&rows, 0, "changed"),
		o->json);
	return true;
}

static bool set(struct command_run *run, struct pg *db, const struct limits_place *p, struct err *e)
{
	const struct limit_options *o = run->options;
	struct pg_arg none = PG((const char *)NULL);
	int64_t max = 0;
	if (o->max && (!str_to_i64(str_of(o->max), &max) || max < 0 || max > MAX_MOST))
		return command_usage(run, e, "--max N: must be 0 to %d, not %s", MAX_MOST, o->max);
	struct pg_args args = PG_ARGS(PG(p->scope), PG(p->key), o->max ? PG(max) : none,
		o->weight ? PG(o->weight) : none);
	return pg_query(db, run->arena, &sql_limit_set, args, command_deadline(), NULL, e) && limits_make_room(db, p,
		e) &&
		list(run, db, p, e);
}

static bool limit_run(struct command_run *run, struct err *e)
{
	const struct limit_options *o = run->options;
	struct limits_place p;
	bool sets = o->max || o->weight;
	if (!limits_place_of(run, &p, e))
		return false;
	if ((sets || o->clear) && !p.key)
		return command_usage(run, e, p.scope ? "KEY is missing: whose limit?" : "SCOPE is missing: a limit of "
			"what?");
	if (sets && o->clear)
		return command_usage(run, e, "--clear goes with neither --max nor --weight");
	struct pg *db = command_db(run, e);
	return db && (sets ? set : o->clear ? clear : list)(run, db, &p, e);
}

const struct command command_limit = {
	.name = "limit",
	.text = "Limit how many of a type, workspace or user run at once; list limits and pauses",
	.more = "Limits hold over all workers and exactly; lowering one stops nothing that runs. Without --max, "
	"--weight "
		"and --clear it lists. Where a row names no maximum, that of '*' holds, then that of the "
		"configuration.",
	.words = limits_optional_words,
	.flags = flags,
	.options_size = sizeof(struct limit_options),
	.examples = examples,
	.run = limit_run,
};
