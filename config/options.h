/* SPDX-License-Identifier: MIT */
/* The option table: a row is an option of the file, a variable of the environment, a check and a piece of the help. */
#pragma once
#include "arena.h"
#include "err.h"

struct config;

enum option_type { OPTION_TEXT, OPTION_URL, OPTION_INTEGER, OPTION_BOOL, OPTION_DURATION, OPTION_SIZE, OPTION_CHOICE };

struct config_option {
	const char *path;           /* "section.name" */
	enum option_type type;
	size_t offset;              /* in struct config */
	const char *preset;         /* the default, as text; "" = none */
	int64_t min, max;           /* numbers: range in ms or bytes; text: bytes */
	const char *text;           /* one line for people */
	const char *const *choices; /* CHOICE: values in order of the enum; URL: schemes; ends with NULL */
	bool secret;                /* never shown; may be given as path_file */
	bool or_zero;               /* 0 is allowed beside the range */
	const char *alias;          /* another variable of the environment, or NULL */
	const char *example;        /* for the sample where preset is "" */
};

struct config_section {
	const char *name, *text;
};

/* Options of one section stand together, in the order of config_sections. */
extern const struct config_option config_options[];
extern const size_t config_options_n;
extern const struct config_section config_sections[];
extern const size_t config_sections_n;

/* Two options that only make sense together: the lower one is at most the upper one, or below it. */
struct config_order {
	const char *lower, *upper;
	bool strictly;
};
extern const struct config_order config_orders[];
extern const size_t config_orders_n;

struct option_name {
	const struct config_option *option;
	bool is_file; /* the form that names a file with the secret */
};

/* All names: each option, and the _file form of each secret; the arrays go together. */
struct option_names {
	size_t n;
	struct option_name *names;
	const char **paths;     /* "model.api_key_file" */
	const char **variables; /* "DROVER_MODEL_API_KEY_FILE" */
};
void option_names(struct arena *a, struct option_names *out);
const struct config_option *option_find(const char *path);         /* NULL */

/* Checks the text and writes the value into its place in c. ERR_INPUT "bad_option"; the message never repeats text. */
bool option_set(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e);
/* The value as text that option_set takes; secrets as they are. */
const char *option_get(const struct config_option *o, struct arena *a, const struct config *c);
int64_t option_number(const struct config_option *o, const struct config *c);
/* "1..64", "10ms..5s", "true or false", "debug, info, warn or error" */
const char *option_range(const struct config_option *o, struct arena *a);
