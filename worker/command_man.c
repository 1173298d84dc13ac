/* SPDX-License-Identifier: MIT */
/* The man page, from the tables: commands, flags, options of the configuration, exit codes. */
#include "command.h"
#include "command_text.h"
#include "options.h"

/* As roff text: a backslash is \e, a hyphen \- so that it can be copied, and no line begins as a request. */
static void put_roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", to);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
	}
}

static void put_section(FILE *to, const char *title)
{
	fprintf(to, ".SH %s\n", title);
}

static void put_term(FILE *to, const char *term, const char *text)
{
	fprintf(to, ".TP\n.B ");
	put_roff(to, term);
	fputc('\n', to);
	put_roff(to, text);
	fputc('\n', to);
}

static void put_flags(FILE *to, const struct flag *f)
{
	ARENA_SCOPE(a);
	for (; f && f->name; f++) {
		const char *notes = flag_notes(a, f);
		if (!f->hidden)
			put_term(to, flag_form(a, f), *notes ? arena_printf(a, "%s (%s).", f->text, notes)
							     : arena_printf(a, "%s.", f->text));
	}
}

static void put_command(FILE *to, const struct command *c)
{
	ARENA_SCOPE(a);
	fprintf(to, ".SS ");
	put_roff(to, usage_form(a, c));
	fputc('\n', to);
	put_roff(to, arena_printf(a, "%s.", c->text));
	fputs("\n.PP\n", to);
	put_roff(to, c->more ? c->more : "");
	fputc('\n', to);
	for (const struct word *w = c->words; w && w->name; w++)
		put_term(to, word_form(a, w), w->text);
	put_flags(to, c->flags);
}

static void put_examples(FILE *to, const struct command *const *commands)
{
	put_section(to, "EXAMPLES");
	for (; *commands; commands++)
		for (const struct example *x = (*commands)->examples; x && x->line; x++)
			put_term(to, x->line, x->text);
}

static void put_options(FILE *to)
{
	ARENA_SCOPE(a);
	struct option_names all;
	option_names(a, &all);
	put_section(to, "CONFIGURATION");
	put_roff(to,
		"A YAML file with a section for each word before the dot. Each option may come from the environment "
		"instead, and wins over the file then. \"drover --config-sample\" prints a file with all of them.\n");
	for (size_t i = 0; i < all.n; i++) {
		const struct config_option *o = all.names[i].option;
		const char *preset = *o->preset ? arena_printf(a, "; default %s", o->preset) : "";
		if (!all.names[i].is_file)
			put_term(to, arena_printf(a, "%s, %s", all.paths[i], all.variables[i]),
				arena_printf(a, "%s (%s%s)", o->text, option_range(o, a), preset));
	}
}

static void put_exits(FILE *to)
{
	ARENA_SCOPE(a);
	put_section(to, "EXIT STATUS");
	for (size_t i = 0; i < n_command_exits; i++)
		put_term(to, arena_printf(a, "%d", command_exits[i].code), command_exits[i].text);
}

void command_print_man(FILE *to, const struct command *const *commands)
{
	fprintf(to, ".\\\" generated\n.TH DROVER 1 \"\" \"drover %s\" \"User Commands\"\n", drover_version);
	put_section(to, "NAME");
	put_roff(to, "drover - runs AI agents from a Postgres queue\n");
	put_section(to, "SYNOPSIS");
	fprintf(to, ".B drover\n[OPTION]... COMMAND [OPTION]... [WORD]...\n");
	put_section(to, "DESCRIPTION");
	put_roff(to,
		"An app inserts a row into agent_requests; a worker claims it, runs the agent, streams what the agent "
		"thinks into agent_logs, and writes the result into the row.\n");
	put_section(to, "COMMANDS");
	for (const struct command *const *c = commands; *c; c++)
		put_command(to, *c);
	put_section(to, "OPTIONS OF EVERY COMMAND");
	put_flags(to, command_global_flags);
	put_options(to);
	put_exits(to);
	put_examples(to, commands);
}
