/* SPDX-License-Identifier: MIT */
/* The list of agents: what is not here cannot be run. Keep it sorted. */
#include "agents.h"
#include "tool_call.h"

const struct agent *const agents_all[] = {
	&agent_orchestrator,
	&agent_project,
	&agent_quotes,
	&agent_resourcing,
	NULL,
};

const struct agent *agent_find(const struct agent *const *agents, const char *type)
{
	for (; *agents; agents++)
		if (strcmp((*agents)->type, type) == 0)
			return *agents;
	return NULL;
}

const cJSON *agent_definitions(struct arena *a, const struct agent *agent, const struct agent *const *agents)
{
	return agent->define ? agent->define(a, agents) : agent->tools ? tool_definitions(a, agent->tools) : NULL;
}
