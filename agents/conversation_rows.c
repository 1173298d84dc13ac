/* SPDX-License-Identifier: MIT */
/* The conversation as rows: one a block. */
#include "agents_sql.h"
#include "budget.h"
#include "conversation_rows.h"

enum { ARRAYS = 10, ENDS = 4, ARRAY_BYTES = 64 * 1024 * 1024 };

struct pg_step conversation_fence(struct arena *a, const struct agent_run *run)
{
	struct pg_arg *v = arena_alloc(a, 2 * sizeof(*v));
	v[0] = PG(run->request_id);
	v[1] = PG(run->version);
	return (struct pg_step){ &sql_run_fence, { v, 2 }, NULL };
}

/* ---- writing blocks ---- */

struct block_row {
	const char *role, *type, *text, *tool, *call, *input, *output, *block, *stop;
};

/* What the row that ends a turn says of it: tokens, model, usage, cost. */
static void ends_of(struct arena *a, const struct model_turn *turn, struct pg_arg v[ENDS])
{
	if (!turn)
		return;
	const struct model_usage *u = &turn->usage;
	cJSON *usage = json_object(a);
	json_put_i64(usage, "input_tokens", u->input_tokens);
	json_put_i64(usage, "output_tokens", u->output_tokens);
	json_put_i64(usage, "cache_write_tokens", u->cache_write_tokens);
	json_put_i64(usage, "cache_read_tokens", u->cache_read_tokens);
	v[0] = PG(u->input_tokens + u->output_tokens + u->cache_write_tokens + u->cache_read_tokens);
	v[1] = PG(turn->model);
	v[2] = PG(json_print(a, usage));
	v[3] = PG(budget_cost(&turn->config->price, u));
}

/* sequence: of the first row. end: the turn that ends with the last row, or NULL. */
static struct pg_step save_step(struct arena *a, const struct agent_run *run, int64_t sequence,
	const struct block_row *rows, size_t n, const struct model_turn *end)
{
	struct buf *arrays[ARRAYS];
	for (size_t i = 0; i < ARRAYS; i++)
		arrays[i] = buf_new(a, ARRAY_BYTES);
	for (size_t i = 0; i < n; i++) {
		const struct block_row *r = &rows[i];
		const char *texts[] = { r->role, r->type, r->text, r->tool, r->call, r->input, r->output, r->block,
			r->stop };
		pg_array_add_i64(arrays[0], sequence + (int64_t)i);
		for (size_t t = 0; t < COUNT(texts); t++)
			pg_array_add(arrays[t + 1], texts[t]);
	}
	struct pg_arg *v = arena_alloc(a, (1 + ARRAYS + ENDS) * sizeof(*v));
	v[0] = PG(run->request_id);
	for (size_t i = 0; i < ARRAYS; i++)
		v[i + 1] = PG(pg_array_end(arrays[i]));
	ends_of(a, end, v + 1 + ARRAYS);
	return (struct pg_step){ &sql_turn_save, { v, 1 + ARRAYS + ENDS }, NULL };
}

bool conversation_commit(struct arena *a, struct agent_run *run, const struct pg_step *steps, size_t n, struct err *e)
{
	struct pg *db = pg_get(run->db, run->deadline, e);
	bool ok = db && pg_batch(db, a, steps, n, run->deadline, e);
	pg_put(run->db, db);
	return ok;
}

bool conversation_ask(struct agent_run *run, const struct sql *q, struct pg_args args, struct pg_rows *rows,
	struct err *e)
{
	return conversation_commit(run->arena, run, &(struct pg_step){ q, args, rows }, 1, e);
}

/* ---- model turns ---- */

static const char *const block_types[] = {
	[BLOCK_TEXT] = "text", [BLOCK_THINKING] = "thinking", [BLOCK_TOOL_CALL] = "tool_call", [BLOCK_OTHER] = "other",
};

static struct block_row row_of(struct arena *a, const struct model_block *b)
{
	bool is_call = b->kind == BLOCK_TOOL_CALL, has_text = b->kind == BLOCK_TEXT || b->kind == BLOCK_THINKING;
	return (struct block_row){
		.role = "assistant",
		.type = block_types[b->kind],
		.text = has_text ? b->text : NULL,
		.tool = is_call ? b->tool_name : NULL,
		.call = is_call ? b->tool_id : NULL,
		.input = is_call && b->input ? json_print(a, b->input) : NULL,
		.block = b->raw,
	};
}

/* Ends a turn, and holds nothing that goes back. */
static struct block_row end_row(const char *stop)
{
	return (struct block_row){ .role = "assistant", .type = block_types[BLOCK_OTHER], .block = "null", .stop = stop };
}

struct pg_step conversation_keep_step(struct arena *a, const struct agent_run *run, const struct kept_blocks *k)
{
	struct block_row *rows = arena_alloc(a, (k->to - k->from + 2) * sizeof(*rows));
	size_t n = 0;
	if (k->mark)
		rows[n++] = end_row(STOP_BROKEN);
	for (size_t i = k->from; i < k->to; i++)
		rows[n++] = row_of(a, &k->blocks[i]);
	if (k->end && k->from == k->to)
		rows[n++] = end_row(k->end->stop_reason);
	else if (k->end)
		rows[n - 1].stop = k->end->stop_reason;
	return save_step(a, run, k->sequence + (int64_t)k->from + !k->mark, rows, n, k->end);
}

bool conversation_keep_turn(struct agent_run *run, const struct conversation *c, const struct model_turn *turn,
	struct err *e)
{
	ARENA_SCOPE(tmp);
	struct kept_blocks k = { .sequence = c->sequence, .blocks = turn->blocks, .to = turn->n, .end = turn };
	struct pg_step steps[] = { budget_settle(tmp, run, turn->config, &turn->usage),
		conversation_keep_step(tmp, run, &k) };
	return conversation_commit(tmp, run, steps, COUNT(steps), e);
}

struct pg_step conversation_say_step(struct arena *a, const struct agent_run *run, int64_t sequence, const char *text,
	const char *block)
{
	struct block_row row = { .role = "user", .type = "text", .text = text, .block = block };
	return save_step(a, run, sequence, &row, 1, NULL);
}

/* ---- answers of tools ---- */

bool conversation_is_error(const char *status)
{
	static const char *const errors[] = { "refused", "rejected", "expired" };
	for (size_t i = 0; i < COUNT(errors); i++)
		if (strcmp(status, errors[i]) == 0)
			return true;
	return false;
}

const char *conversation_result_block(struct arena *a, const struct tool_answer *answer)
{
	cJSON *block = json_object(a);
	json_put_text(block, "type", "tool_result");
	json_put_text(block, "tool_use_id", answer->call->tool_id);
	json_put_text(block, "content", answer->output);
	if (conversation_is_error(answer->status))
		json_put_bool(block, "is_error", true);
	return json_print(a, block);
}

size_t conversation_answer_steps(struct arena *a, const struct agent_run *run, const struct conversation *c,
	const struct tool_answer *t, struct pg_step steps[2])
{
	const struct model_block *call = t->call;
	struct pg_arg *v = arena_alloc(a, 7 * sizeof(*v));
	const char *input = call->input ? json_print(a, call->input) : NULL;
	const struct pg_arg executed[] = { PG(run->request_id), PG(call->tool_id), PG(call->tool_name), PG(input),
		PG(t->output), PG(t->status), PG(t->ms) };
	memcpy(v, executed, sizeof(executed));
	struct block_row row = { .role = "tool", .type = "tool_result", .tool = call->tool_name, .call = call->tool_id,
		.output = t->output, .block = conversation_result_block(a, t) };
	steps[0] = (struct pg_step){ &sql_tool_executed, { v, COUNT(executed) }, NULL };
	steps[1] = save_step(a, run, c->turn_end + 1 + fold_call_place(c, call->tool_id), &row, 1, NULL);
	return 2;
}
