/* SPDX-License-Identifier: MIT */
#include "decide.h"
#include "commands_sql.h"

const struct word decide_words[] = {
	{ "ID", "Number of the proposal, from drover proposals", WORD_ID },
	{ 0 },
};

static void tell(struct command_run *run, const char *outcome, bool done, const char *text)
{
	const struct decide_options *o = run->options;
	if (!done)
		run->exit = EXIT_NO_MATCH;
	if (!o->json) {
		fprintf(run->out.to, "%s ", run->words[0]);
		print_text(&run->out, done ? STYLE_GREEN : STYLE_YELLOW, str_of(text), -1);
		fputc('\n', run->out.to);
		return;
	}
	cJSON *line = json_object(run->arena);
	json_put_i64(line, "id", command_id(run, 0));
	json_put_text(line, "outcome", outcome);
	json_put_bool(line, "done", done);
	print_json(&run->out, line);
}

bool decide(struct command_run *run, const char *verdict, struct err *e)
{
	const struct decide_options *o = run->options;
	struct arena *a = run->arena;
	struct pg_rows rows;
	struct pg *db = command_db(run, e);
	struct pg_args args = PG_ARGS(PG(command_id(run, 0)), PG(verdict), PG(o->note));
	if (!db || !pg_query(db, a, &sql_proposal_decide, args, command_deadline(), &rows, e))
		return false;
	if (rows.n && !pg_text(&rows, 0, "decided") && pg_bool(&rows, 0, "needs_answer"))
		return command_usage(run, e, "%s is a question: drover approve %s --note 'the answer'", run->words[0], run->words[0]);
	if (!rows.n) {
		tell(run, "not_there", false, "is not there");
		return true;
	}
	const char *status = pg_text(&rows, 0, "status");
	bool question = strcmp(pg_text(&rows, 0, "kind"), "question") == 0, open = strcmp(status, "open") == 0;
	if (pg_bool(&rows, 0, "decided")) {
		verdict = question && strcmp(verdict, "approved") == 0 ? "answered" : verdict;
		tell(run, verdict, true, arena_printf(a, "%s; request %s goes on when nothing else is open", verdict,
			pg_text(&rows, 0, "request_id")));
		return true;
	}
	tell(run, open ? "expired" : status, false, open ? "has expired" : arena_printf(a, "was %s already", status));
	return true;
}
