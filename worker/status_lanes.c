/* SPDX-License-Identifier: MIT */
#include "status_lanes.h"

static const char *limit_text(struct arena *a, const struct pg_rows *rows, int i, const char *column)
{
	return pg_text(rows, i, column) ? print_number(a, pg_i64(rows, i, column)) : "-";
}

/* An operator must act, or time mends it. */
static enum print_style style_of(const char *reason)
{
	bool act = strcmp(reason, "spend_limit") == 0 || strcmp(reason, "auth") == 0;
	return act ? STYLE_RED : STYLE_YELLOW;
}

static void print_lane(struct print_table *t, struct arena *a, const struct pg_rows *rows, int i)
{
	bool paused = pg_bool(rows, i, "paused");
	const char *reason = paused ? pg_text(rows, i, "reason") : "free", *why = pg_text(rows, i, "why");
	print_cell(t, STYLE_PLAIN, pg_text(rows, i, "lane"));
	print_cell(t, paused ? style_of(reason) : STYLE_GREEN, reason);
	print_cell(t, STYLE_PLAIN, paused ? print_duration(a, pg_i64(rows, i, "paused_ms")) : "-");
	print_cell(t, STYLE_PLAIN, limit_text(a, rows, i, "requests_per_minute"));
	print_cell(t, STYLE_PLAIN, limit_text(a, rows, i, "tokens_per_minute"));
	print_cell(t, STYLE_PLAIN, why ? why : "");
}

/* Lanes that are free, and have said no limit, tell nothing. */
static bool is_news(const struct pg_rows *lanes)
{
	for (int i = 0; i < lanes->n; i++)
		if (pg_bool(lanes, i, "paused") || pg_text(lanes, i, "requests_per_minute") || pg_text(lanes, i, "tokens_per_minute"))
			return true;
	return false;
}

void status_lanes_print(const struct printer *p, struct arena *a, const struct pg_rows *lanes)
{
	static const struct print_column columns[] = {
		{ "lane", ALIGN_LEFT },
		{ "state", ALIGN_LEFT },
		{ "for", ALIGN_RIGHT },
		{ "requests/min", ALIGN_RIGHT },
		{ "tokens/min", ALIGN_RIGHT },
		{ "why", ALIGN_LEFT },
		{ 0 },
	};
	if (!is_news(lanes))
		return;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < lanes->n; i++)
		print_lane(t, a, lanes, i);
	fputc('\n', p->to);
	print_styled(p, STYLE_BOLD, "Lanes of models");
	fputc('\n', p->to);
	print_table_end(t, p, 2);
}
