/* SPDX-License-Identifier: MIT */
/* Inside command*.c only: the command line, taken apart by the tables. */
#pragma once
#include "command.h"

struct command_globals {
	const char *config, *database_url;
	bool help, version, config_sample, config_help, config_print;
};

struct command_line {
	const struct command *command; /* NULL = none was named */
	struct command_globals globals;
	void *options;
	const char **words;
	size_t n_words;
};

/* ERR_INPUT "usage". The command is set as soon as it is known, so that help may follow a mistake. */
bool command_parse(struct arena *a, const struct command *const *commands, int argc, char **argv,
	struct command_line *out, struct err *e);
