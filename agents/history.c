/* SPDX-License-Identifier: MIT */
#include "history.h"
#include "conversation_rows.h"

struct past {
	struct prompt *prompt;
	const struct pg_rows *rows;
	int i;
};

static const char *column(const struct past *h, const char *name)
{
	const char *text = pg_text(h->rows, h->i, name);
	return text ? text : "";
}

static bool is_blank(const char *text)
{
	return str_trim(str_of(text)).n == 0;
}

/* ---- as plain text ---- */

static void say(const struct past *h, enum part_kind kind, const char *text)
{
	struct prompt *p = h->prompt;
	if (!is_blank(text))
		prompt_add(p, kind, prompt_text_block(p->arena, text));
}

static const char *no_answer(const struct past *h)
{
	const char *tools = column(h, "tools"), *code = column(h, "error_code");
	return arena_printf(h->prompt->arena, "This request ended without an answer%s%s.%s%s%s", *code ? ": " : "", code,
		*tools ? " Tools that had run: " : "", tools, *tools ? "." : "");
}

static void fold_plain(const struct past *h)
{
	bool answered = strcmp(column(h, "status"), "completed") == 0 && !is_blank(column(h, "answer"));
	say(h, PART_TEXT, is_blank(column(h, "request")) ? "(nothing)" : column(h, "request"));
	h->prompt->turn += answered;
	say(h, answered ? PART_BLOCK : PART_TEXT, answered ? column(h, "answer") : no_answer(h));
}

/* ---- block for block ---- */

/* The API takes no call without a result. One whose request ended well had its answer in another way. */
static void close_calls(const struct past *h, struct conversation *c)
{
	struct arena *a = h->prompt->arena;
	cJSON *output = json_object(a);
	json_put_text(output, "not_run", "the request ended before this call had a result");
	if (!is_blank(column(h, "answer")))
		json_put_text(output, "answer", column(h, "answer"));
	const char *text = json_print(a, output);
	while (c->n_open) {
		struct model_block call = c->open[0];
		struct tool_answer answer = { &call, text, "done", 0 };
		fold_result(c, call.tool_id, conversation_result_block(a, &answer));
	}
}

static bool fold_blocks(const struct past *h, const struct pg_rows *turns, int from, int to, struct err *e)
{
	struct conversation c;
	struct arena *a = h->prompt->arena;
	const cJSON *context = json_parse(a, str_of(column(h, "context")), e);
	if (!context)
		return false;
	fold_begin(&c, h->prompt);
	fold_text(&c, conversation_first_block(a, column(h, "request"), context, NULL));
	if (!conversation_replay(&c, turns, from, to, false, e))
		return false;
	close_calls(h, &c);
	return true;
}

/* ---- all of it ---- */

static int rows_end(const struct pg_rows *turns, int from, int64_t id)
{
	while (from < turns->n && pg_i64(turns, from, "request_id") == id)
		from++;
	return from;
}

bool history_fold(struct prompt *p, const struct pg_rows *history, const struct pg_rows *turns, struct err *e)
{
	int at = 0;
	for (int i = 0; i < history->n; i++, p->request++) {
		struct past h = { p, history, i };
		int end = rows_end(turns, at, pg_i64(history, i, "id"));
		if (end == at)
			fold_plain(&h);
		else if (!fold_blocks(&h, turns, at, end, e))
			return false;
		at = end;
	}
	return true;
}
