/* SPDX-License-Identifier: MIT */
/* Professional services: the agents, and the reading tools that more than one of them has. */
#pragma once
#include "agent.h"

extern const struct agent agent_project, agent_quotes, agent_resourcing;
extern const struct tool tool_booking_list, tool_project_get, tool_task_list;
