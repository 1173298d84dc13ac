/* SPDX-License-Identifier: MIT */
/* The commands, for the list in main.c. */
#pragma once
#include "command.h"

extern const struct command command_approve;
extern const struct command command_agents;
extern const struct command command_budget;
extern const struct command command_cancel;
extern const struct command command_dev;
extern const struct command command_doctor;
extern const struct command command_enqueue;
extern const struct command command_help;
extern const struct command command_limit;
extern const struct command command_migrate;
extern const struct command command_mock_model;
extern const struct command command_pause;
extern const struct command command_proposals;
extern const struct command command_reject;
extern const struct command command_resume;
extern const struct command command_retry;
extern const struct command command_schedules;
extern const struct command command_show;
extern const struct command command_status;
extern const struct command command_tail;
extern const struct command command_tools;
extern const struct command command_why;
extern const struct command command_worker;
