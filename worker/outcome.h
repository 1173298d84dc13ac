/* SPDX-License-Identifier: MIT */
/* For commands that do one thing to many requests: what happened to each. */
#pragma once
#include "command.h"

struct outcome {
	const char *code; /* for programs */
	const char *text; /* for people: "42 TEXT" */
	bool matched;
};

/* waits. Does it to each word of the command line, which are ids. One that did not match: exit is EXIT_NO_MATCH. */
bool outcome_each(struct command_run *run,
	bool (*act)(struct pg *db, struct arena *a, int64_t id, struct outcome *out, struct err *e), bool json,
	struct err *e);
