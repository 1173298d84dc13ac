/* SPDX-License-Identifier: MIT */
/* From argv to exit code: the command line, the configuration, the command in its loop, the one line of an error. */
#include "command.h"
#include "command_inner.h"
#include "loop.h"
#include "options.h"
#include <unistd.h>

const char drover_version[] = DROVER_VERSION;

const struct command_exit_text command_exits[] = {
	{ EXIT_DONE, "done" },
	{ EXIT_FAILED, "failed; the line on stderr says why" },
	{ EXIT_USAGE, "the command line or the configuration is wrong" },
	{ EXIT_NO_MATCH, "the request is not there, or is not in a state that the command could change" },
	{ EXIT_NO_DATABASE, "the database is not reachable" },
	{ EXIT_UNWELL, "something is wrong: doctor found mistakes, or status saw no live worker" },
};
const size_t n_command_exits = COUNT(command_exits);

/* ---- errors ---- */

/* One line: a database's words may hold line breaks, and anybody's words may hold controls. */
PRINTF_LIKE(2, 3) static void complain(const struct command *c, const char *format, ...)
{
	struct printer err = print_to(stderr);
	char message[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	print_styled(&err, STYLE_RED, "drover%s%s:", c ? " " : "", c ? c->name : "");
	fputc(' ', stderr);
	print_brief(&err, STYLE_PLAIN, message, 0);
	fputc('\n', stderr);
}

static enum command_exit exit_of(const struct command_run *run, const struct err *e)
{
	if (run->exit != EXIT_DONE)
		return run->exit;
	bool database = e->kind == ERR_NET && e->code && strncmp(e->code, "db_", 3) == 0;
	return database ? EXIT_NO_DATABASE : strcmp(e->code ? e->code : "", "usage") == 0 ? EXIT_USAGE : EXIT_FAILED;
}

/* What could not be written was not done: a full disk must not look like success. */
static bool flush_output(struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	return FAIL(e, ERR_INPUT, "output", "cannot write to standard output");
}

/* ---- running ---- */

static bool run_in_fiber(void *arg, struct err *e)
{
	struct command_run *run = arg;
	ARENA_SCOPE(a); /* connections in it close before the loop does */
	run->arena = a;
	return run->command->run(run, e);
}

static bool run_in_loop(struct command_run *run, struct err *e)
{
	if (!loop_open(e))
		return false;
	bool ok = loop_run(run->command->name, run_in_fiber, run, e);
	loop_close();
	return ok;
}

/* What a person can do about a server's error that is no mistake of the command. */
static const char *advice(const struct err *e)
{
	static const char tables[] = "; drover migrate brings the tables up to date";
	static const char pooler[] = "; through a pooler in transaction mode set database.prepare to false";
	static const struct {
		const char *state, *advice;
	} states[] = {
		{ "42P01", tables }, { "42703", tables }, { "42883", tables }, { "3F000", tables },
		{ "42P05", pooler }, { "26000", pooler },
	};
	for (size_t i = 0; i < COUNT(states); i++)
		if (strcmp(e->sqlstate, states[i].state) == 0)
			return states[i].advice;
	return "";
}

/* What Drover's own functions raise for a wrong value is said whole: the name of the statement before it tells nothing. */
static const char *message_of(const struct err *e)
{
	static const char invalid_parameter_value[] = "22023";
	const char *after = strstr(e->msg, ": ");
	return after && strcmp(e->sqlstate, invalid_parameter_value) == 0 ? after + 2 : e->msg;
}

static enum command_exit run_command(struct command_run *run)
{
	struct err e = { 0 };
	bool ok = run->command->without_loop ? run->command->run(run, &e) : run_in_loop(run, &e);
	bool written = flush_output(ok ? &e : &(struct err){ 0 });
	if (ok && written)
		return run->exit;
	if (ok)
		run->exit = EXIT_FAILED;
	complain(run->command, "%s%s", message_of(&e), advice(&e));
	return exit_of(run, &e);
}

/* ---- configuration ---- */

static const char *config_file(const struct command_line *line)
{
	const char *named = getenv("DROVER_CONFIG");
	if (line->globals.config)
		return line->globals.config;
	if (named && *named)
		return named;
	return access("drover.yaml", F_OK) == 0 ? "drover.yaml" : NULL;
}

static void add_problem(struct arena *a, struct config_problems *problems, const char *text)
{
	struct config_problem *p = arena_alloc(a, sizeof(*p));
	*p = (struct config_problem){ text, problems->first };
	problems->first = p;
	problems->n++;
}

static bool load_config(struct arena *a, const struct command_line *line, char *const *environment, struct config *out,
	struct config_problems *problems)
{
	struct err e = { 0 };
	const struct config_option *url = option_find("database.url");
	bool ok = config_load(a, config_file(line), environment, out, problems);
	if (!line->globals.database_url)
		return ok;
	if (option_set(url, a, str_of(line->globals.database_url), out, &e)) {
		out->database.listen_url = ""; /* it was another way to what the configuration's url names */
		return ok;
	}
	add_problem(a, problems, arena_printf(a, "--database-url: %s", e.msg));
	return false;
}

static enum command_exit complain_config(const struct config_problems *problems)
{
	for (const struct config_problem *p = problems->first; p; p = p->next)
		complain(NULL, "%s", p->text);
	return EXIT_USAGE;
}

/* ---- the program ---- */

static enum command_exit run_configured(struct arena *a, const struct command *const *commands,
	const struct command_line *line, char **argv, char *const *environment)
{
	struct config config = { 0 };
	struct command_run run = { .command = line->command, .commands = commands, .arena = a, .options = line->options,
		.words = line->words, .n_words = line->n_words, .environment = environment, .program = argv[0],
		.config_file = config_file(line), .database_url = line->globals.database_url, .out = print_to(stdout) };
	if (load_config(a, line, environment, &config, &run.problems)) {
		run.config = &config;
		log_level_set(config.log.level);
	}
	bool any = line->command && line->command->any_config && !line->globals.config_print;
	if (!run.config && !any)
		return complain_config(&run.problems);
	if (!line->globals.config_print)
		return run_command(&run);
	config_print(stdout, run.config);
	return EXIT_DONE;
}

/* false = the command line asks for none of these. */
static bool show_texts(const struct command *const *commands, const struct command_line *line)
{
	const struct command_globals *g = &line->globals;
	if (g->help && line->command)
		command_print_help(stdout, line->command);
	else if (g->help)
		command_print_help_all(stdout, commands);
	else if (g->version)
		printf("drover %s\n", drover_version);
	else if (g->config_sample)
		config_sample(stdout);
	else if (g->config_help)
		config_help(stdout);
	return g->help || g->version || g->config_sample || g->config_help;
}

static enum command_exit run_line(struct arena *a, const struct command *const *commands, int argc, char **argv,
	char *const *environment)
{
	struct err e = { 0 };
	struct command_line line = { 0 };
	if (!command_parse(a, commands, argc, argv, &line, &e)) {
		complain(line.command, "%s", e.msg);
		return EXIT_USAGE;
	}
	if (show_texts(commands, &line))
		return flush_output(&e) ? EXIT_DONE : EXIT_FAILED;
	if (line.command || line.globals.config_print)
		return run_configured(a, commands, &line, argv, environment);
	command_print_help_all(stderr, commands);
	return EXIT_USAGE;
}

int command_main(const struct command *const *commands, int argc, char **argv, char *const *environment)
{
	ARENA_SCOPE(a);
	return (int)run_line(a, commands, argc, argv, environment);
}
