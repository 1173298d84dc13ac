/* SPDX-License-Identifier: MIT */
/* The conversation out of its rows. */
#include "agents_sql.h"
#include "conversation_rows.h"
#include "history.h"
#include "prompt.h"

/* ---- rows ---- */

static enum model_block_kind kind_of(const char *content_type)
{
	static const struct { const char *type; enum model_block_kind kind; } kinds[] = {
		{ "text", BLOCK_TEXT }, { "thinking", BLOCK_THINKING }, { "tool_call", BLOCK_TOOL_CALL },
	};
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(content_type, kinds[i].type) == 0)
			return kinds[i].kind;
	return BLOCK_OTHER;
}

static bool read_block(struct arena *a, const struct pg_rows *rows, int i, bool own, struct model_block *b,
	struct err *e)
{
	const char *text = pg_text(rows, i, "content"), *input = own ? pg_text(rows, i, "tool_input") : NULL;
	*b = (struct model_block){ .kind = kind_of(pg_text(rows, i, "content_type")), .raw = pg_text(rows, i, "block"),
		.text = text ? text : "", .tool_id = pg_text(rows, i, "tool_call_id"), .tool_name = pg_text(rows, i, "tool_name") };
	if (input && !(b->input = json_parse(a, str_of(input), e)))
		return false;
	if (b->kind == BLOCK_TOOL_CALL && !input)
		b->input_error = "the arguments were not a JSON object";
	return true;
}

static bool replay_model(struct conversation *c, const struct pg_rows *rows, int i, bool own, struct err *e)
{
	struct model_block b;
	const char *stop = pg_text(rows, i, "stop_reason");
	bool only_ends = strcmp(pg_text(rows, i, "block"), "null") == 0;
	if (!only_ends && !read_block(c->prompt->arena, rows, i, own, &b, e))
		return false;
	if (!only_ends)
		fold_block(c, &b);
	c->sequence = pg_i64(rows, i, "sequence_number");
	if (stop && strcmp(stop, STOP_BROKEN) == 0) {
		fold_broken(c);
		c->mend = MEND_NONE; /* this row is the mend */
	} else if (stop) {
		fold_end(c, stop, pg_i64(rows, i, "prompt_tokens"));
	}
	return true;
}

/* A turn without an end is followed by what was made of it: a result, or the word that it broke off. */
static bool replay_row(struct conversation *c, const struct pg_rows *rows, int i, bool own, struct err *e)
{
	const char *role = pg_text(rows, i, "role");
	if (strcmp(role, "assistant") == 0)
		return replay_model(c, rows, i, own, e);
	if (c->turn_open)
		fold_broken(c);
	if (strcmp(role, "tool") == 0)
		fold_result(c, pg_text(rows, i, "tool_call_id"), pg_text(rows, i, "block"));
	else
		fold_text(c, pg_text(rows, i, "block"));
	c->sequence = MAX_OF(c->sequence, pg_i64(rows, i, "sequence_number"));
	return true;
}

bool conversation_replay(struct conversation *c, const struct pg_rows *rows, int from, int to, bool own, struct err *e)
{
	for (int i = from; i < to; i++)
		if (!replay_row(c, rows, i, own, e))
			return false;
	if (c->turn_open)
		fold_broken(c);
	return true;
}

/* ---- what is said first ---- */

static const char *earlier_results(struct arena *a, const struct pg_rows *before)
{
	if (!before || !before->n)
		return "";
	return arena_printf(a, "\n\nResults of earlier steps (JSON):\n%s", json_print(a, pg_rows_json(a, before)));
}

const char *conversation_first_block(struct arena *a, const char *request, const cJSON *context,
	const struct pg_rows *before)
{
	ARENA_SCOPE(tmp);
	const char *given = context && context->child
		? arena_printf(tmp, "\n\nContext (JSON):\n%s", json_print(tmp, context)) : "";
	return prompt_text_block(a, arena_printf(tmp, "%s%s%s", request, given, earlier_results(tmp, before)));
}

/* ---- loading ---- */

static struct prompt *prompt_of(struct agent_run *run)
{
	ARENA_SCOPE(tmp);
	int64_t window = conversation_window(run);
	size_t tools = run->definitions ? strlen(json_print(tmp, run->definitions)) : 0;
	return prompt_new(run->arena, str_of(run->agent->prompt).n + tools, window);
}

/* Rows are in order of their requests; this one's are the last. */
static int first_own(const struct agent_run *run, const struct pg_rows *turns)
{
	int i = turns->n;
	while (i > 0 && pg_i64(turns, i - 1, "request_id") == run->request_id)
		i--;
	return i;
}

/* The rows are in a. *none: nothing of them is needed any more. */
static bool load(struct agent_run *run, struct arena *a, struct conversation *c, bool *none, struct err *e)
{
	struct pg_rows session, history, turns, before;
	struct pg_args id = PG_ARGS(PG(run->request_id));
	struct pg_args most = PG_ARGS(PG(run->request_id), PG(run->is_child ? (int64_t)0 : run->limits.history));
	struct pg_step steps[] = { conversation_fence(a, run), { &sql_session_open, id, &session },
		{ &sql_history, most, &history }, { &sql_turn_load, most, &turns }, { &sql_results_before, id, &before } };
	if (!conversation_commit(a, run, steps, COUNT(steps), e))
		return false;
	if (!session.n)
		return FAIL(e, ERR_INPUT, "foreign_session", "session %s belongs to another user", run->session_id);
	struct prompt *p = prompt_of(run);
	if (!history_fold(p, &history, &turns, e))
		return false;
	fold_begin(c, p);
	fold_text(c, conversation_first_block(run->arena, run->request, run->context, &before));
	*none = !history.n && !turns.n;
	return conversation_replay(c, &turns, first_own(run, &turns), turns.n, true, e);
}

static void rows_end(void *rows)
{
	arena_free(rows);
}

/* A prompt points into its rows; a conversation that only begins has none, and thousands of them wait for their models. */
bool conversation_load(struct agent_run *run, struct conversation *c, struct err *e)
{
	struct arena *rows = arena_new();
	bool none = false;
	bool ok = load(run, rows, c, &none, e);
	if (none)
		arena_free(rows);
	else
		arena_defer(run->arena, rows_end, rows);
	return ok;
}
