/* SPDX-License-Identifier: MIT */
/* The agents there are. */
#pragma once
#include "agent.h"
#include "psa.h"

extern const struct agent agent_orchestrator;
