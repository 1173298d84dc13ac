/* SPDX-License-Identifier: MIT */
/* The orchestrator's plan: what the model may say in the forced tool call, read and checked. */
#pragma once
#include "agent.h"

struct plan_step {
	const char *agent, *task;
	struct field_list after; /* of int64_t: numbers of earlier steps */
};

struct plan {
	const char *mode, *reason, *question;
	struct field_list steps; /* of struct plan_step */
};

/* most: steps that are allowed. ERR_INPUT names what is wrong with the plan, for the model to mend. */
bool plan_read(struct arena *a, const cJSON *input, const struct agent *const *agents, int64_t most, struct plan *plan,
	struct err *e);
/* The tool's definition, with the agents there are. */
const cJSON *plan_tools(struct arena *a, const struct agent *const *agents);
/* For the log: "parallel: project_management: ...; quotes: ..." */
const char *plan_text(struct arena *a, const struct plan *plan);
bool plan_has_steps(const struct plan *plan); /* single, sequential or parallel */
