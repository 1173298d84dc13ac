/* SPDX-License-Identifier: MIT */
/* The command line: flags of the command and of the program may stand anywhere, "--" ends them. */
#include "command_flags.h"
#include "command_inner.h"

#define GLOBAL(c_type, member) FLAG_AT(struct command_globals, c_type, member)
const struct flag command_global_flags[] = {
	{ 0, "config", "FILE", FLAG_TEXT, GLOBAL(const char *, config), .is_file = true,
		.text = "Configuration; else the file that DROVER_CONFIG names, else ./drover.yaml if it is there" },
	{ 0, "database-url", "URL", FLAG_TEXT, GLOBAL(const char *, database_url),
		.text = "Postgres, instead of what environment and configuration say" },
	{ 'h', "help", NULL, FLAG_SWITCH, GLOBAL(bool, help), .text = "Show help; with a command: its help" },
	{ 0, "version", NULL, FLAG_SWITCH, GLOBAL(bool, version), .text = "Show the version" },
	{ 0, "config-sample", NULL, FLAG_SWITCH, GLOBAL(bool, config_sample),
		.text = "Print a configuration with every option, its default and what it does" },
	{ 0, "config-help", NULL, FLAG_SWITCH, GLOBAL(bool, config_help),
		.text = "Print the table of options and their variables of the environment" },
	{ 0, "config-print", NULL, FLAG_SWITCH, GLOBAL(bool, config_print),
		.text = "Print the values in force and where each came from; secrets are hidden" },
	{ 0 },
};

struct parsing {
	struct arena *a;
	const struct command *const *commands;
	char **rest; /* ends with NULL */
	struct command_line *out;
	struct err *e;
};

const struct command *command_find(const struct command *const *commands, const char *name)
{
	for (; *commands; commands++)
		if (strcmp((*commands)->name, name) == 0)
			return *commands;
	return NULL;
}

PRINTF_LIKE(2, 3) static bool fail_usage(struct parsing *p, const char *format, ...)
{
	char what[400];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	const struct command *c = p->out->command;
	return FAIL(p->e, ERR_INPUT, "usage", "%s (see drover %s%s--help)", what, c ? c->name : "", c ? " " : "");
}

static bool fail_unknown(struct parsing *p, const char *what, const char *word, const char *const *names, size_t n)
{
	const char *near = str_nearest(str_of(word), names, n), *shown = print_clean(p->a, word, 40);
	if (near)
		return fail_usage(p, "unknown %s %s; did you mean %s?", what, shown, near);
	return fail_usage(p, "unknown %s %s", what, shown);
}

/* ---- flags ---- */

static size_t add_names(struct arena *a, const struct flag *f, const char **names, size_t n, size_t max)
{
	for (; f && f->name && n < max; f++)
		if (!f->hidden)
			names[n++] = arena_printf(a, "--%s", f->name);
	return n;
}

static bool fail_flag(struct parsing *p, const char *word)
{
	enum { MOST = 64 };
	const char *names[MOST];
	size_t n = add_names(p->a, command_global_flags, names, 0, MOST);
	if (p->out->command)
		n = add_names(p->a, p->out->command->flags, names, n, MOST);
	return fail_unknown(p, "option", word, names, n);
}

static const struct flag *find_flag(const struct flag *f, struct str name, char letter)
{
	for (; f && f->name; f++)
		if (letter ? f->letter == letter : str_is(name, f->name))
			return f;
	return NULL;
}

/* A value that may be left out is taken from the next word only where no other word could stand. */
static const char *optional_value(struct parsing *p, const struct flag *f)
{
	const char *next = *p->rest;
	if (p->out->command && !p->out->command->words && next && *next >= '0' && *next <= '9')
		return *p->rest++;
	return f->bare;
}

/* given: what follows "=" or the letter, NULL when nothing does. */
static bool take_value(struct parsing *p, const struct flag *f, const char *given, void *options)
{
	if (!f->argument) {
		if (given)
			return fail_usage(p, "--%s takes no value", f->name);
	} else if (!given) {
		given = f->value_optional ? optional_value(p, f) : *p->rest ? *p->rest++ : NULL;
		if (!given)
			return fail_usage(p, "--%s needs a value: --%s %s", f->name, f->name, f->argument);
	}
	if (command_flag_set(f, p->a, given, options, p->e))
		return true;
	return fail_usage(p, "%s", arena_text(p->a, str_of(p->e->msg)));
}

static bool take_flag(struct parsing *p, const char *word)
{
	bool is_long = word[1] == '-';
	const char *equals = is_long ? strchr(word, '=') : NULL;
	struct str name = { word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word) - (is_long ? 2 : 1) };
	char letter = is_long ? '\0' : word[1];
	const char *given = equals ? equals + 1 : !is_long && word[2] ? word + 2 : NULL;
	const struct flag *own = p->out->command ? find_flag(p->out->command->flags, name, letter) : NULL;
	if (own)
		return take_value(p, own, given, p->out->options);
	const struct flag *global = find_flag(command_global_flags, name, letter);
	if (global)
		return take_value(p, global, given, &p->out->globals);
	return fail_flag(p, is_long && equals ? arena_text(p->a, (struct str){ word, name.n + 2 }) : word);
}

/* ---- words ---- */

static bool fail_command(struct parsing *p, const char *word)
{
	enum { MOST = 64 };
	const char *names[MOST];
	size_t n = 0;
	for (; p->commands[n] && n < MOST; n++)
		names[n] = p->commands[n]->name;
	return fail_unknown(p, "command", word, names, n);
}

static bool take_command(struct parsing *p, const char *word)
{
	const struct command *c = command_find(p->commands, word);
	if (!c)
		return fail_command(p, word);
	p->out->command = c;
	p->out->options = arena_alloc(p->a, c->options_size + 1);
	return command_flags_preset(c->flags, p->a, p->out->options, p->e);
}

static bool take_word(struct parsing *p, const char *word)
{
	if (!p->out->command)
		return take_command(p, word);
	p->out->words[p->out->n_words++] = word;
	return true;
}

static bool check_word(struct parsing *p, const struct word *w, const char *text)
{
	int64_t id;
	if (w->type == WORD_ID && (!str_to_i64(str_of(text), &id) || id < 1))
		return fail_usage(p, "%s must be the number of a request, not %s", w->name,
			print_clean(p->a, text, 40));
	if (w->type == WORD_COMMAND && !command_find(p->commands, text))
		return fail_command(p, text);
	return utf8_valid(str_of(text)) || fail_usage(p, "%s is not UTF-8", w->name);
}

static bool check_words(struct parsing *p)
{
	const struct word *w = p->out->command->words;
	size_t i = 0;
	for (; w && w->name; w++) {
		if (i == p->out->n_words && !w->optional)
			return fail_usage(p, "%s is missing: %s", w->name, w->text);
		for (size_t last = w->many ? SIZE_MAX : i + 1; i < p->out->n_words && i < last; i++)
			if (!check_word(p, w, p->out->words[i]))
				return false;
	}
	if (i < p->out->n_words)
		return fail_usage(p, "too many words: %s", print_clean(p->a, p->out->words[i], 40));
	return true;
}

bool command_parse(struct arena *a, const struct command *const *commands, int argc, char **argv,
	struct command_line *out, struct err *e)
{
	struct parsing p = { .a = a, .commands = commands, .rest = argv + 1, .out = out, .e = e };
	bool flags_end = false;
	out->words = arena_alloc(a, (size_t)argc * sizeof(*out->words));
	while (*p.rest) {
		const char *word = *p.rest++;
		bool is_flag = !flags_end && word[0] == '-' && word[1];
		if (is_flag && strcmp(word, "--") == 0)
			flags_end = true;
		else if (is_flag ? !take_flag(&p, word) : !take_word(&p, word))
			return false;
	}
	return !out->command || out->globals.help || check_words(&p);
}
