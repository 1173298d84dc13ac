/* SPDX-License-Identifier: MIT */
/* The program: its list of commands. */
#include "commands.h"
#include "fiber.h"
#include <unistd.h>

/* In the order of the help: what runs the pool, what looks at it, what acts on requests. */
static const struct command *const commands[] = {
	&command_worker,
	&command_dev,
	&command_migrate,
	&command_doctor,
	&command_status,
	&command_show,
	&command_why,
	&command_tail,
	&command_enqueue,
	&command_cancel,
	&command_retry,
	&command_proposals,
	&command_approve,
	&command_reject,
	&command_pause,
	&command_resume,
	&command_limit,
	&command_budget,
	&command_schedules,
	&command_agents,
	&command_tools,
	&command_mock_model,
	&command_help,
	NULL,
};

int main(int argc, char **argv)
{
	fiber_guard_install();
	return command_main(commands, argc, argv, environ);
}
