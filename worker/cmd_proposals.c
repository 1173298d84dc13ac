/* SPDX-License-Identifier: MIT */
/* proposals: what agents ask people, and wait for. */
#include "commands.h"
#include "commands_sql.h"

struct proposals_options {
	bool all, json;
};

#define AT(c_type, member) FLAG_AT(struct proposals_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "all", NULL, FLAG_SWITCH, AT(bool, all), "Also those that were decided or have expired; the last 200" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object a proposal, with its input and preview" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover proposals", "What waits for a person, the oldest first." },
	{ "drover proposals --json | jq 'select(.id == 7) | .input, .preview'", "All of one, before it is approved." },
	{ 0 },
};

static const struct print_column columns[] = {
	{ "ID", ALIGN_RIGHT }, { "REQUEST", ALIGN_RIGHT }, { "KIND" }, { "TOOL" }, { "STATUS" }, { "ASKED", ALIGN_RIGHT },
	{ "EXPIRES", ALIGN_RIGHT }, { "TEXT" }, { "INPUT" }, { 0 },
};

static void print_proposal(struct print_table *t, struct arena *a, const struct pg_rows *rows, int i)
{
	enum { TEXT_SHOWN = 60, INPUT_SHOWN = 60 };
	static const char *const cells[] = { "id", "request_id", "kind", "tool_name", "status" };
	bool open = strcmp(pg_text(rows, i, "status"), "open") == 0, question = strcmp(pg_text(rows, i, "kind"), "question") == 0;
	for (size_t c = 0; c < COUNT(cells); c++)
		print_cell(t, open ? STYLE_PLAIN : STYLE_DIM, pg_text(rows, i, cells[c]));
	print_cell(t, STYLE_PLAIN, print_duration(a, pg_i64(rows, i, "age_ms")));
	print_cell(t, STYLE_PLAIN, open ? print_duration(a, MAX_OF(pg_i64(rows, i, "left_ms"), 0)) : NULL);
	print_cell(t, STYLE_PLAIN, print_clean(a, pg_text(rows, i, "text"), TEXT_SHOWN));
	print_cell(t, STYLE_DIM, question ? NULL : print_clean(a, pg_text(rows, i, "input"), INPUT_SHOWN)); /* else it says that once more */
}

static bool proposals_run(struct command_run *run, struct err *e)
{
	const struct proposals_options *o = run->options;
	struct arena *a = run->arena;
	struct pg_rows rows;
	struct pg *db = command_db(run, e);
	if (!db || !pg_query(db, a, &sql_proposals_list, PG_ARGS(PG(o->all)), command_deadline(), &rows, e))
		return false;
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < rows.n; i++) {
		if (o->json)
			print_json(&run->out, pg_row_json(a, &rows, i));
		else
			print_proposal(t, a, &rows, i);
	}
	if (!rows.n && !o->json)
		fputs(o->all ? "nobody was asked anything\n" : "nothing waits for a person\n", run->out.to);
	else if (!o->json)
		print_table_end(t, &run->out, 0);
	return true;
}

const struct command command_proposals = {
	.name = "proposals",
	.text = "List what agents ask people before they go on",
	.more = "Approvals of tool calls, questions, and calls whose outcome was lost. The app decides with approve_proposal, "
		"reject_proposal and answer_question; an operator with \"drover approve\" and \"drover reject\".",
	.flags = flags,
	.options_size = sizeof(struct proposals_options),
	.examples = examples,
	.run = proposals_run,
};
