/* SPDX-License-Identifier: MIT */
/*
 * A command of the program is one struct: its words, flags and texts are a table that drives parsing, help, man page
 * and completions. main.c lists them all; each cmd_NAME.c defines one.
 */
#pragma once
#include "config.h"
#include "pg.h"
#include "print.h"

/* What the shell sees; command_exits gives the texts. */
enum command_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,       /* command line or configuration */
	EXIT_NO_MATCH = 3,
	EXIT_NO_DATABASE = 4,
	EXIT_UNWELL = 5,
};

enum flag_type {
	FLAG_SWITCH,   /* bool */
	FLAG_TEXT,     /* const char *, NULL when not given */
	FLAG_NUMBER,   /* int64_t within min..max; preset, else 0, when not given */
	FLAG_UUID,     /* const char * */
	FLAG_JSON,     /* const char *, text of a JSON object */
	FLAG_CHOICE,   /* const char *, one of choices */
	FLAG_DURATION, /* int64_t milliseconds within min..max, written 500ms, 2s, 5m, 1h; a bare number is seconds */
};

/* Ends with { 0 }. Written --name VALUE, --name=VALUE, -l VALUE. */
struct flag {
	char letter;                /* 0 = none */
	const char *name;
	const char *argument;       /* "FILE"; NULL for a switch */
	enum flag_type type;
	size_t offset;              /* FLAG_AT */
	const char *text;           /* one line: help, man page and completions */
	const char *preset;         /* the default, as text, or NULL */
	int64_t min, max;
	const char *const *choices; /* ends with NULL */
	bool value_optional;        /* only --name=VALUE takes one; a bare --name stores .bare */
	const char *bare;
	bool is_file;               /* completions offer files */
	bool hidden;                /* parsed, but in no help */
};
/* The member's place, checked against its C type: FLAG_AT(struct worker_options, int64_t, processes). */
#define FLAG_AT(options, c_type, member) _Generic(((options *)0)->member, c_type: offsetof(options, member))

enum word_type { WORD_TEXT, WORD_ID /* a positive whole number */, WORD_COMMAND };

/* What follows the flags. Ends with { 0 }. */
struct word {
	const char *name; /* "ID" */
	const char *text;
	enum word_type type;
	bool optional;
	bool many;        /* the last one only: one or more, zero or more when optional */
	const char *const *choices; /* for completions; others are allowed. Ends with NULL */
};

struct example {
	const char *line, *text;
};

struct command_run {
	const struct command *command;
	const struct command *const *commands; /* all, ends with NULL */
	struct arena *arena;                   /* of the process */
	void *options;                         /* the command's struct, filled from its flags */
	const char *const *words;
	size_t n_words;
	char *const *environment;              /* ends with NULL */
	const char *program;                   /* argv[0]: for a command that starts others */
	const char *config_file;               /* --config, DROVER_CONFIG or ./drover.yaml; NULL = none */
	const char *database_url;              /* --database-url or NULL */
	const struct config *config;           /* database_url is in it already */
	struct config_problems problems;       /* only a command with .any_config sees them: config is NULL then */
	struct printer out;                    /* stdout */
	enum command_exit exit;                /* set by run for another end than done or failed */
};

struct command {
	const char *name;
	const char *text;              /* one line, without a full stop */
	const char *more;              /* paragraphs for its help, or NULL */
	const struct word *words;      /* or NULL */
	const struct flag *flags;      /* or NULL */
	size_t options_size;           /* of the struct that the flags' offsets are in */
	const struct example *examples; /* ends with { 0 }; or NULL */
	bool any_config;               /* runs with a wrong configuration too, or needs none */
	bool without_loop;             /* run forks first and opens its own loops; else it runs in a fiber */
	/* false: e is printed as one line on stderr; exit is EXIT_FAILED unless run->exit says otherwise. */
	bool (*run)(struct command_run *run, struct err *e);
};

extern const char drover_version[];

/* The whole program: parses argv, loads the configuration, runs the command. Returns the exit code. */
int command_main(const struct command *const *commands, int argc, char **argv, char *const *environment);

/* ---- for the bodies of commands ---- */

/* waits. One connection to database.url, closed with the arena. Failing sets run->exit to EXIT_NO_DATABASE. */
struct pg *command_db(struct command_run *run, struct err *e);
int64_t command_deadline(void); /* for one statement of a person at a terminal */
int64_t command_id(const struct command_run *run, size_t word); /* of a WORD_ID */
/* A usage error found late: "drover NAME: message", EXIT_USAGE. Always returns false. */
bool command_usage(struct command_run *run, struct err *e, const char *format, ...) PRINTF_LIKE(3, 4);
/* waits. Runs body in a fiber of its own until it ends, or until SIGINT or SIGTERM cancel it: then *stopped,
 * and true. */
bool command_until_signal(bool (*body)(void *arg, struct err *e), void *arg, bool *stopped, struct err *e);

/* ---- for help: what is the same for all ---- */

extern const struct flag command_global_flags[];

struct command_exit_text {
	enum command_exit code;
	const char *text;
};
extern const struct command_exit_text command_exits[];
extern const size_t n_command_exits;

const struct command *command_find(const struct command *const *commands, const char *name); /* NULL */
void command_print_help_all(FILE *to, const struct command *const *commands);
void command_print_help(FILE *to, const struct command *c);
void command_print_man(FILE *to, const struct command *const *commands);
void command_print_completion(FILE *to, const struct command *const *commands, const char *shell);
