/* SPDX-License-Identifier: MIT */
/* Calls of tools by the model: checked, allowed, run under fence and claims, committed with their answers, once. */
#pragma once
#include "conversation.h"

/*
 * Runs the open calls of the last turn, at most limits.parallel_tools at once; calls that write the database one after
 * the other, in the model's order. waits. What the model can mend becomes a
 * call's answer (refused); a failure ends the run. false without an error kind never happens. When calls need people or
 * children first, the others are run, those stay open, and *result says what to wait for (AGENT_ASKS or AGENT_WAITS);
 * else result->outcome is AGENT_DONE and no call is open.
 */
bool tool_calls_run(struct agent_run *run, struct conversation *c, struct agent_result *result, struct err *e);
/* waits. One call, as above; not for calls that need people or children. */
bool tool_call_run(struct agent_run *run, struct conversation *c, const struct model_block *call, struct err *e);
/* The definitions of an agent's tools, as the model gets them. */
const cJSON *tool_definitions(struct arena *a, const struct tool *const *tools);
