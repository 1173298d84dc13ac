/* SPDX-License-Identifier: MIT */
/*
 * Agents, tools and models as YAML files, read into plain structs: what is written, and where. What it means to agents
 * and tools, and whether the names in it exist, is worker/catalog.c's to say. Times are milliseconds, sizes bytes.
 */
#pragma once
#include "config.h"
#include "field.h"
#include "yamldoc.h"

enum {
	CATALOG_FILES = 1000,       /* of tools, and as many of agents */
	CATALOG_FIELDS = 50,        /* of one tool */
	CATALOG_ITEMS = 100,        /* of any list: tools or models of an agent, choices of a field */
	CATALOG_MODELS = 200,
	CATALOG_PROBLEMS = 200,     /* told; more are counted */
	CATALOG_STATEMENT_BYTES = 64 * 1024,
	CATALOG_PROMPT_BYTES = 256 * 1024,
	CATALOG_JSON_BYTES = 256 * 1024,
};

/* Mistakes of all files, in their order. */
struct catalog_problems {
	struct arena *a;
	struct config_problems all;
	const struct config_problem **end;
};

/* "file:line:col: what; mend"; without a line "file: what", without a file "what". */
void catalog_problem(struct catalog_problems *p, struct yaml_place at, const char *format, ...) PRINTF_LIKE(3, 4);

/* A file that was read; its text tells where in a block a statement's mistake stands. */
struct catalog_file {
	const char *path, *stem; /* "tools/crm.yaml" below the folder: "crm" */
	struct str text;
	const struct yaml_node *root;
	const struct catalog_file *next;
};

/* The place of byte `at` of a text of the file. */
struct yaml_place catalog_place(const struct catalog_file *file, const struct yaml_node *node, size_t at);

struct catalog_sql {
	const struct yaml_node *node; /* NULL = there is none; so in each of these */
	const struct yaml_node *statement;
	bool write;
	const struct yaml_node *role; /* or NULL */
	int64_t rows, bytes, time_ms;
};

struct catalog_header {
	const char *name;
	const struct yaml_node *value;  /* text; or NULL: */
	const struct yaml_node *secret; /* name of its file */
	const char *prefix;
};

struct catalog_call {
	const struct yaml_node *node;
	const char *method;
	const struct yaml_node *url;
	const struct catalog_header *headers;
	size_t n_headers;
	const struct yaml_node *body;   /* text "input", a mapping, or NULL */
};

enum catalog_unknown { CATALOG_TELL, CATALOG_REPEAT, CATALOG_HUMAN };

struct catalog_http {
	struct catalog_call call;       /* its node is the whole */
	struct catalog_call probe;
	struct {
		const struct yaml_node *node;
		int64_t bytes, time_ms;
		const struct yaml_node *pointer;
	} response;
	const char *effect;             /* read, outside, or NULL: read for GET */
	const struct yaml_node *unknown; /* or NULL */
	enum catalog_unknown unknown_is;
	const struct yaml_node *idempotency_header;
};

struct catalog_approval {
	const struct yaml_node *node;
	bool needed, not_requester;
	const char *why;
	int64_t expire_ms;
};

struct catalog_tool {
	const struct catalog_file *file;
	const struct yaml_node *name, *text;
	const struct field *fields;     /* ends with { 0 }; offsets, and where to note what was given */
	size_t n_fields, args_size;
	struct catalog_sql sql;         /* exactly one of the two */
	struct catalog_http http;
	struct catalog_approval approval;
	struct catalog_tool *next;
};

struct catalog_limits {
	const struct yaml_node *node;
	int64_t turns, tool_calls, turn_tools, parallel_tools, repeats, history, children; /* 0 = not set */
	int64_t expire_ms, run_ms, tool_ms, result_bytes;
};

struct catalog_agent {
	const struct catalog_file *file;
	const struct yaml_node *type;
	const char *name, *text;
	const struct yaml_node *prompt, *prompt_file; /* one of the two */
	const struct yaml_node *models, *tools, *agents; /* lists of text, or NULL */
	struct catalog_limits limits;
	int64_t max_tokens, web_searches;
	const cJSON *result_schema;     /* or NULL */
	struct catalog_agent *next;
};

struct catalog_provider {
	const char *name;
	const struct yaml_node *node;
	enum config_api api;
	const struct yaml_node *base_url, *api_key_file;
	enum config_key_header key_header;
	const char *version;
	int64_t requests_per_minute, tokens_per_minute;
	struct catalog_provider *next;
};

struct catalog_price {
	const struct yaml_node *node;
	int64_t input, output, cache_write, cache_read; /* micro-units per million tokens */
};

struct catalog_model {
	const char *key;                /* what agents call it */
	const struct yaml_node *node, *provider, *name;
	int64_t max_tokens, thinking_tokens, context_tokens; /* thinking_tokens -1 = not set; else 0 */
	struct catalog_price price;
	struct catalog_model *next;
};

struct catalog_files {
	struct catalog_tool *tools;
	struct catalog_agent *agents;
	struct catalog_provider *providers;
	struct catalog_model *models;
};

/*
 * Reads DIR/tools/[name].yaml, DIR/agents/[name].yaml and DIR/models.yaml; a folder or file that is not there is empty.
 * Everything lives in a. Mistakes go to problems; what has one may be half filled or left out.
 */
void catalog_read(struct arena *a, const char *dir, struct catalog_files *out, struct catalog_problems *problems);

/* "did you mean X?", or "known are: ..." */
const char *catalog_hint(struct arena *a, const char *word, const char *const *choices, size_t n);
/* "3.75" is 3750000: at most six decimals, nothing is rounded. */
bool catalog_micros(const char *text, int64_t *micros);
/* A node as JSON: plain true, false, null and numbers are what they look like. Problem and NULL when it cannot be. */
const cJSON *catalog_json(struct arena *a, const struct yaml_node *node, struct catalog_problems *problems);
/* Text of a file below or beside the catalog; at most limit bytes, valid UTF-8. ERR_INPUT. */
bool catalog_text(struct arena *a, const char *path, size_t limit, struct str *out, struct err *e);

/*
 * Changes whenever a file of the folder does: names, sizes, times, inodes. more: other paths to look at (secrets,
 * prompts), ends with NULL, or NULL.
 */
uint64_t catalog_mark(const char *dir, const char *const *more);
