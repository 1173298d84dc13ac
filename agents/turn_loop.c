/* SPDX-License-Identifier: MIT */
/* The turn loop, and the limits that end it. */
#include "conversation.h"
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

static void result_fill(struct agent_run *run, const struct conversation *c, struct agent_result *result)
{
	cJSON *json = json_object(run->arena);
	json_put_text(json, "answer", c->text);
	json_put_i64(json, "turns", c->turns);
	json_put_i64(json, "tool_calls", c->tool_calls);
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = json_print(run->arena, json), .message = c->text };
}

bool agent_loop(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct conversation c;
	if (!conversation_load(run, &c, e))
		return false;
	while (!conversation_ended(&c)) {
		if (!limits_check(run, &c, e) || !tool_calls_run(run, &c, result, e))
			return false;
		if (result->outcome != AGENT_DONE)
			return true;
		if (!limits_check(run, &c, e) || !conversation_turn(run, &c, NULL, e))
			return false;
	}
	if (!conversation_stop_check(&c, e))
		return false;
	result_fill(run, &c, result);
	return true;
}
