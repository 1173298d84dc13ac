/* SPDX-License-Identifier: MIT */
/* One call of a tool by the model, to its end: checked, run under fence and claims, committed with its answer, once. */
#pragma once
#include "conversation.h"

/* waits. What the model can mend becomes its answer (refused); a failure ends the run. */
bool tool_call_run(struct agent_run *run, struct conversation *c, const struct model_block *call, struct err *e);
/* The definitions of an agent's tools, as the model gets them. */
const cJSON *tool_definitions(struct arena *a, const struct tool *const *tools);
