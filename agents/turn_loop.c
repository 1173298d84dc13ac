/* SPDX-License-Identifier: MIT */
/* The turn loop, and the limits that end it. */
#include "conversation.h"
#include "schema_check.h"
#include "tool_call.h"

static bool limits_check(const struct agent_run *run, const struct conversation *c, struct err *e)
{
	const struct agent_limits *l = &run->limits;
	if ((int64_t)c->n_open > l->turn_tools)
		return FAIL(e, ERR_INPUT, "tool_call_limit", "the model called %zu tools in one turn, the limit is %ld (option "
			"limits.turn_tools)", c->n_open, (long)l->turn_tools);
	if (c->tool_calls > l->tool_calls)
		return FAIL(e, ERR_INPUT, "tool_call_limit", "the model called %ld tools, the limit is %ld (option "
			"limits.tool_calls)", (long)c->tool_calls, (long)l->tool_calls);
	if (!c->n_open && c->turns >= l->turns)
		return FAIL(e, ERR_INPUT, "turn_limit", "the model did not come to an end in %ld turns (option limits.turns)",
			(long)l->turns);
	return true;
}

/* ---- the answer ---- */

/* The answer as the value that the agent's schema wants. */
static const cJSON *value_read(struct agent_run *run, const struct conversation *c, struct err *e)
{
	const cJSON *value = json_parse(run->arena, str_trim(str_of(c->text)), e);
	if (!value)
		e->code = "bad_result";
	return value && schema_check(run->agent->result_schema, value, e) ? value : NULL;
}

static bool result_fill(struct agent_run *run, const struct conversation *c, struct agent_result *result, struct err *e)
{
	const cJSON *value = NULL;
	if (run->agent->result_schema && !(value = value_read(run, c, e)))
		return false;
	cJSON *json = json_object(run->arena);
	json_put_text(json, "answer", c->text);
	if (value)
		json_put_copy(json, "value", value);
	json_put_i64(json, "turns", c->turns);
	json_put_i64(json, "tool_calls", c->tool_calls);
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = json_print(run->arena, json), .message = c->text };
	return true;
}

/* The model may mend what it said while it has turns. */
static bool ask_to_mend(struct agent_run *run, struct conversation *c, struct err *e)
{
	if (c->turns >= run->limits.turns)
		return err_prefix(e, "the answer is not what the agent's result_schema wants, after %ld turns: ", (long)c->turns);
	const char *text = arena_printf(run->arena, "Your answer cannot be used: %s. Answer again, with nothing but JSON that "
		"follows the schema.", e->msg);
	return conversation_say(run, c, text, e);
}

/* ---- run again ---- */

/*
 * The conversation of a failed request that somebody runs again ends as it did: cut, refused. Then the model is asked
 * once more; else the same end would be found again, whatever was mended meanwhile.
 */
static bool reopen(struct agent_run *run, struct conversation *c, struct err *e)
{
	struct err why;
	if (run->attempt > 1 || !conversation_ended(c) || conversation_stop_check(c, &why))
		return true;
	const char *text = arena_printf(run->arena, "Your last answer could not be used: %s. Answer again, whole.", why.msg);
	if (!c->n_open)
		return conversation_say(run, c, text, e);
	cJSON *output = json_object(run->arena);
	json_put_text(output, "error", text);
	while (c->n_open) {
		struct model_block call = c->open[0];
		struct tool_answer answer = { &call, json_print(run->arena, output), "refused", 0 };
		if (!conversation_answer(run, c, &answer, e))
			return false;
	}
	return true;
}

/* ---- the loop ---- */

/* Until the model ends, or its calls must wait for somebody: then *result says for whom. */
static bool go_to_end(struct agent_run *run, struct conversation *c, struct agent_result *result, struct err *e)
{
	*result = (struct agent_result){ .outcome = AGENT_DONE };
	while (!conversation_ended(c)) {
		if (!limits_check(run, c, e) || !tool_calls_run(run, c, result, e))
			return false;
		if (result->outcome != AGENT_DONE)
			return true;
		if (!limits_check(run, c, e) || !conversation_turn(run, c, NULL, e))
			return false;
	}
	return conversation_stop_check(c, e);
}

bool agent_loop(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct conversation c;
	if (!conversation_load(run, &c, e) || !reopen(run, &c, e))
		return false;
	for (;;) {
		if (!go_to_end(run, &c, result, e))
			return false;
		if (result->outcome != AGENT_DONE || result_fill(run, &c, result, e))
			return true;
		if (!ask_to_mend(run, &c, e))
			return false;
	}
}
