/* SPDX-License-Identifier: MIT */
/* Completions for bash, zsh and fish, from the tables. */
#include "command.h"
#include "command_text.h"

struct script {
	FILE *to;
	struct arena *a;
	const struct command *const *commands;
};

static const char *first_choices(struct arena *a, const struct script *s, const struct word *w)
{
	const char *all = "";
	for (const char *const *c = w ? w->choices : NULL; c && *c; c++)
		all = arena_printf(a, "%s %s", all, *c);
	for (const struct command *const *c = s->commands; w && w->type == WORD_COMMAND && *c; c++)
		all = arena_printf(a, "%s %s", all, (*c)->name);
	return *all ? all + 1 : all;
}

static const char *flag_choices(struct arena *a, const struct flag *f)
{
	const char *all = "";
	for (const char *const *c = f->choices; c && *c; c++)
		all = arena_printf(a, "%s%s%s", all, *all ? " " : "", *c);
	return all;
}

/* Text between single quotes; also makes harmless what the shell's own completion language means by these. */
static const char *quoted(struct arena *a, const char *text, const char *special)
{
	struct buf *b = buf_new(a, 4096);
	for (; *text; text++)
		if (*text == '\'')
			buf_add(b, STR("'\\''"));
		else
			buf_printf(b, "%s%c", strchr(special, *text) ? "\\" : "", *text);
	return buf_str(b).p;
}

/* ---- bash ---- */

static void bash_flags(const struct script *s, const struct flag *f)
{
	for (; f && f->name; f++)
		if (!f->hidden)
			fprintf(s->to, " --%s", f->name);
}

static void bash_values(const struct script *s, const char *command, const struct flag *f)
{
	for (; f && f->name; f++) {
		const char *choices = flag_choices(s->a, f);
		if (f->hidden)
			continue;
		if (f->is_file)
			fprintf(s->to, "\t%s\\ --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", command,
				f->name);
		else if (*choices)
			fprintf(s->to, "\t%s\\ --%s) words='%s' ;;\n", command, f->name, choices);
		else if (f->argument && !f->value_optional)
			fprintf(s->to, "\t%s\\ --%s) return ;;\n", command, f->name);
	}
}

static void bash_commands(const struct script *s, const char *between)
{
	for (const struct command *const *c = s->commands; *c; c++)
		fprintf(s->to, "%s%s", c == s->commands ? "" : between, (*c)->name);
}

static void complete_bash(const struct script *s)
{
	fprintf(s->to,
		"# generated\n_drover()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tlocal command= words= i\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n\t\t");
	bash_commands(s, "|");
	fprintf(s->to, ") command=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n\tcase $command in\n\t'') words='");
	bash_commands(s, " ");
	fprintf(s->to, "' ;;\n");
	for (const struct command *const *c = s->commands; *c; c++) {
		fprintf(s->to, "\t%s) words='%s", (*c)->name, first_choices(s->a, s, (*c)->words));
		bash_flags(s, (*c)->flags);
		fprintf(s->to, "' ;;\n");
	}
	fprintf(s->to, "\tesac\n\twords+='");
	bash_flags(s, command_global_flags);
	fprintf(s->to, "'\n\tcase $command\\ $prev in\n");
	for (const struct command *const *c = s->commands; *c; c++)
		bash_values(s, (*c)->name, (*c)->flags);
	bash_values(s, "*", command_global_flags);
	fprintf(s->to, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _drover drover\n");
}

/* ---- zsh ---- */

static void zsh_flags(const struct script *s, const struct flag *f)
{
	for (; f && f->name; f++) {
		const char *choices = flag_choices(s->a, f);
		const char *values = *choices ? arena_printf(s->a, "(%s)", choices) : f->is_file ? "_files" : "";
		const char *text = quoted(s->a, f->text, "[]:\\");
		const char *argument = f->argument ? arena_printf(s->a, ":%s:%s", f->argument, values) : "";
		const char *form = f->value_optional ? "=-" : f->argument ? "=" : "";
		if (!f->hidden)
			fprintf(s->to, " \\\n\t\t\t'--%s%s[%s]%s%s'", f->name, form, text, f->value_optional ? ":" : "",
				argument);
	}
}

static void zsh_command(const struct script *s, const struct command *c)
{
	const char *choices = first_choices(s->a, s, c->words);
	fprintf(s->to, "\t\t%s) _arguments", c->name);
	zsh_flags(s, c->flags);
	zsh_flags(s, command_global_flags);
	if (c->words)
		fprintf(s->to, " \\\n\t\t\t'1:%s:(%s)' '*::'", c->words->name, choices);
	fprintf(s->to, " ;;\n");
}

static void complete_zsh(const struct script *s)
{
	fprintf(s->to, "#compdef drover\n# generated\n_drover()\n{\n\tlocal curcontext=$curcontext state line\n"
		"\ttypeset -A opt_args\n\t_arguments -C");
	zsh_flags(s, command_global_flags);
	fprintf(s->to, " \\\n\t\t'1: :->command' '*:: :->words'\n\tcase $state in\n\tcommand)\n\t\tlocal -a commands\n"
		"\t\tcommands=(");
	for (const struct command *const *c = s->commands; *c; c++)
		fprintf(s->to, "\n\t\t\t'%s:%s'", (*c)->name, quoted(s->a, (*c)->text, "\\:"));
	fprintf(s->to, ")\n\t\t_describe command commands ;;\n\twords)\n\t\tcase $line[1] in\n");
	for (const struct command *const *c = s->commands; *c; c++)
		zsh_command(s, *c);
	fprintf(s->to, "\t\tesac ;;\n\tesac\n}\n_drover \"$@\"\n");
}

/* ---- fish ---- */

static void fish_flags(const struct script *s, const char *when, const struct flag *f)
{
	for (; f && f->name; f++) {
		const char *choices = flag_choices(s->a, f);
		bool needs = f->argument && !f->value_optional;
		if (f->hidden)
			continue;
		fprintf(s->to, "complete -c drover%s -l %s", when, f->name);
		if (f->letter)
			fprintf(s->to, " -s %c", f->letter);
		if (*choices)
			fprintf(s->to, " -x -a '%s'", choices);
		else
			fprintf(s->to, "%s", f->is_file ? " -r -F" : needs ? " -x" : "");
		fprintf(s->to, " -d '%s'\n", quoted(s->a, f->text, "\\"));
	}
}

static void complete_fish(const struct script *s)
{
	fprintf(s->to, "# generated\ncomplete -c drover -f\n");
	fish_flags(s, "", command_global_flags);
	for (const struct command *const *c = s->commands; *c; c++) {
		const char *when = arena_printf(s->a, " -n '__fish_seen_subcommand_from %s'", (*c)->name);
		const char *choices = first_choices(s->a, s, (*c)->words);
		fprintf(s->to, "complete -c drover -n __fish_use_subcommand -a %s -d '%s'\n", (*c)->name,
			quoted(s->a, (*c)->text, "\\"));
		if (*choices)
			fprintf(s->to, "complete -c drover%s -a '%s'\n", when, choices);
		fish_flags(s, when, (*c)->flags);
	}
}

void command_print_completion(FILE *to, const struct command *const *commands, const char *shell)
{
	static const struct {
		const char *shell;
		void (*complete)(const struct script *s);
	} shells[] = { { "bash", complete_bash }, { "zsh", complete_zsh }, { "fish", complete_fish } };
	ARENA_SCOPE(a);
	struct script s = { to, a, commands };
	for (size_t i = 0; i < COUNT(shells); i++)
		if (strcmp(shells[i].shell, shell) == 0)
			shells[i].complete(&s);
}
