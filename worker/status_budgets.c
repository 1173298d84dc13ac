/* SPDX-License-Identifier: MIT */
#include "status.h"

static const char *part(struct arena *a, const struct pg_rows *rows, int i, const char *spent, const char *most)
{
	if (!pg_text(rows, i, most))
		return NULL;
	return arena_printf(a, "%s of %s", print_number(a, pg_i64(rows, i, spent)), print_number(a, pg_i64(rows, i, most)));
}

void status_budgets_print(const struct printer *p, struct arena *a, const struct pg_rows *rows)
{
	enum { NEAR = 80, FULL = 100 };
	static const struct print_column columns[] = {
		{ "scope", ALIGN_LEFT }, { "key", ALIGN_LEFT }, { "used", ALIGN_RIGHT }, { "tokens", ALIGN_RIGHT },
		{ "cost in micro-units", ALIGN_RIGHT }, { 0 },
	};
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows->n; i++) {
		int64_t percent = pg_i64(rows, i, "percent");
		print_cell(t, STYLE_PLAIN, pg_text(rows, i, "scope"));
		print_cell(t, STYLE_PLAIN, pg_text(rows, i, "key"));
		print_cell(t, percent >= FULL ? STYLE_RED : percent >= NEAR ? STYLE_YELLOW : STYLE_GREEN,
			arena_printf(a, "%ld %%", (long)percent));
		print_cell(t, STYLE_PLAIN, part(a, rows, i, "tokens", "max_tokens"));
		print_cell(t, STYLE_PLAIN, part(a, rows, i, "cost_micros", "max_cost_micros"));
	}
	if (!rows->n)
		return;
	print_styled(p, STYLE_BOLD, "\nBudgets");
	fputs(", those that are used most\n", p->to);
	print_table_end(t, p, 2);
}
