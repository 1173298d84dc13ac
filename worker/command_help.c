/* SPDX-License-Identifier: MIT */
/* What --help prints, from the tables. */
#include "command.h"
#include "command_text.h"

enum { HELP_WIDTH = 100, NAME_WIDTH = 12, FLAG_WIDTH = 26 };

static void put_wrapped(FILE *to, int indent, const char *text)
{
	int column = indent;
	struct str rest = str_of(text), word;
	for (bool first = true; str_next(&rest, ' ', &word); first = false) {
		bool breaks = !first && column + 1 + (int)word.n > HELP_WIDTH;
		if (breaks)
			fprintf(to, "\n%*s", indent, "");
		else if (!first)
			fputc(' ', to);
		fprintf(to, "%.*s", STR_ARGS(word));
		column = (breaks || first ? indent : column + 1) + (int)word.n;
	}
	fputc('\n', to);
}

static void put_row(FILE *to, const char *name, int width, const char *text)
{
	fprintf(to, "  %-*s", width, name);
	if ((int)strlen(name) >= width)
		fprintf(to, "\n  %*s", width, "");
	put_wrapped(to, width + 2, text);
}

static void put_flags(FILE *to, const char *title, const struct flag *flags)
{
	ARENA_SCOPE(a);
	if (flags && flags->name)
		fprintf(to, "\n%s:\n", title);
	for (const struct flag *f = flags; f && f->name; f++) {
		const char *notes = flag_notes(a, f);
		const char *text = *notes ? arena_printf(a, "%s (%s)", f->text, notes) : f->text;
		if (!f->hidden)
			put_row(to, arena_printf(a, "%s%s", f->letter ? "" : "    ", flag_form(a, f)), FLAG_WIDTH,
				text);
	}
}

static void put_words(FILE *to, const struct word *words)
{
	ARENA_SCOPE(a);
	if (words && words->name)
		fputc('\n', to);
	for (const struct word *w = words; w && w->name; w++)
		put_row(to, word_form(a, w), NAME_WIDTH, w->text);
}

static void put_exits(FILE *to)
{
	fprintf(to, "\nExit codes:\n");
	for (size_t i = 0; i < n_command_exits; i++)
		fprintf(to, "  %d  %s\n", command_exits[i].code, command_exits[i].text);
}

void command_print_help_all(FILE *to, const struct command *const *commands)
{
	fprintf(to, "Usage: drover [OPTION]... COMMAND [OPTION]... [WORD]...\n\n"
		"Runs AI agents from a Postgres queue: an app inserts requests, workers run them and stream what\n"
		"the agents think into a table.\n\nCommands:\n");
	for (; *commands; commands++)
		put_row(to, (*commands)->name, NAME_WIDTH, (*commands)->text);
	fprintf(to, "\n\"drover COMMAND --help\" tells more about each.\n");
	put_flags(to, "Options of every command", command_global_flags);
	put_exits(to);
}

void command_print_help(FILE *to, const struct command *c)
{
	ARENA_SCOPE(a);
	fprintf(to, "Usage: %s\n\n", usage_form(a, c));
	put_wrapped(to, 0, arena_printf(a, "%s.", c->text));
	if (c->more) {
		fputc('\n', to);
		put_wrapped(to, 0, c->more);
	}
	put_words(to, c->words);
	put_flags(to, "Options", c->flags);
	put_flags(to, "Options of every command", command_global_flags);
	if (c->examples)
		fprintf(to, "\nExamples:\n");
	for (const struct example *x = c->examples; x && x->line; x++)
		fprintf(to, "  %s\n      %s\n", x->line, x->text);
	put_exits(to);
}
