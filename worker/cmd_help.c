/* SPDX-License-Identifier: MIT */
/* help: one command's help or all; hidden: what packages need, the man page and the completions. */
#include "commands.h"

struct help_options {
	bool man;
	const char *completion;
};

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

static const struct flag flags[] = {
	{ 0, "man", NULL, FLAG_SWITCH, FLAG_AT(struct help_options, bool, man), "Print the man page", .hidden = true },
	{ 0, "completion", "SHELL", FLAG_CHOICE, FLAG_AT(struct help_options, const char *, completion),
		"Print the completions for a shell", .choices = shells, .hidden = true },
	{ 0 },
};

static const struct word words[] = {
	{ "COMMAND", "Which command; without one: all", WORD_COMMAND, .optional = true },
	{ 0 },
};

static bool help_run(struct command_run *run, struct err *e)
{
	const struct help_options *o = run->options;
	(void)e;
	if (o->man)
		command_print_man(stdout, run->commands);
	else if (o->completion)
		command_print_completion(stdout, run->commands, o->completion);
	else if (run->n_words)
		command_print_help(stdout, command_find(run->commands, run->words[0]));
	else
		command_print_help_all(stdout, run->commands);
	return true;
}

const struct command command_help = {
	.name = "help",
	.text = "Show what the commands do",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct help_options),
	.any_config = true,
	.without_loop = true,
	.run = help_run,
};
