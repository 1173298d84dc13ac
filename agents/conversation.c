/* SPDX-License-Identifier: MIT */
#include "conversation_rows.h"
#include "prompt.h"

/* ---- ends ---- */

/* Why the model stopped, when it is neither its end nor a tool's turn. */
static const struct {
	const char *reason, *code, *message;
} bad_stops[] = {
	{ "refusal", "model_refused", "the model refused to go on with this request" },
	{ "model_context_window_exceeded", "context_too_long", "the conversation is longer than the model's context window, "
		"also after a part of it was cut: begin a new session, or ask for less" },
	{ "max_tokens", "answer_cut", "the answer was cut at the token limit of one turn (option model.max_tokens)" },
};

bool conversation_stop_check(const struct conversation *c, struct err *e)
{
	for (size_t i = 0; i < COUNT(bad_stops); i++)
		if (strcmp(c->stop_reason, bad_stops[i].reason) == 0)
			return FAIL(e, ERR_INPUT, bad_stops[i].code, "%s", bad_stops[i].message);
	return true;
}

/* Only a provider's own pause asks to be called again without a tool's answer. */
bool conversation_ended(const struct conversation *c)
{
	struct err ignored;
	if (!c->over)
		return false;
	return !conversation_stop_check(c, &ignored) || (!c->n_open && strcmp(c->stop_reason, "pause_turn") != 0);
}

/* ---- what the model is told ---- */

bool conversation_say(struct agent_run *run, struct conversation *c, const char *text, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *block = prompt_text_block(run->arena, text);
	struct pg_step steps[] = { conversation_fence(tmp, run),
		conversation_say_step(tmp, run, c->sequence + 1, text, block) };
	if (!conversation_commit(tmp, run, steps, COUNT(steps), e))
		return false;
	c->sequence++;
	fold_text(c, block);
	return true;
}

void conversation_answered(struct agent_run *run, struct conversation *c, const struct tool_answer *t)
{
	struct model_block call = *t->call; /* its place may move when it is answered */
	fold_result(c, call.tool_id, conversation_result_block(run->arena, t));
	cJSON *data = json_object(run->arena);
	json_put_text(data, "id", call.tool_id);
	json_put_text(data, "tool", call.tool_name);
	json_put_bool(data, "is_error", conversation_is_error(t->status));
	json_put_raw(data, "output", t->output);
	thought_add(run->thoughts, THOUGHT_TOOL_RESULT, arena_printf(run->arena, "%s: %s, %ld ms", call.tool_name, t->status,
		(long)t->ms), json_print(run->arena, data));
	stats_tool_call(run->stats, call.tool_name, t->status, t->ms);
}

bool conversation_answer(struct agent_run *run, struct conversation *c, const struct tool_answer *t, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_step steps[3] = { conversation_fence(tmp, run) };
	size_t n = conversation_answer_steps(tmp, run, c, t, steps + 1);
	if (!conversation_commit(tmp, run, steps, n + 1, e))
		return false;
	conversation_answered(run, c, t);
	return true;
}
