/* SPDX-License-Identifier: MIT */
/* Inside worker/catalog*.c only: one look at the folder on its way to a generation. */
#pragma once
#include "catalog.h"
#include "tool_http.h"
#include "tool_sql.h"

/* A statement that some connection may have prepared: its name and address are given once. */
struct statement {
	struct sql sql;
	struct statement *next;
};

struct catalog {
	struct arena *arena;
	const struct config *config;
	const struct pool_config *base;
	struct statement *statements;
	size_t n_statements;
	uint64_t mark;               /* of the last look */
	const char *const *watched;  /* of the last look: files beside the folder's own */
	struct arena *watched_in;
};

struct look {
	struct catalog *c;
	struct arena *a;
	struct catalog_problems *problems;
	struct catalog_files files;
	const char **watched;
	size_t n_watched;
	const char **secrets;        /* all that were read: to be kept out of results */
	size_t n_secrets;
	struct catalog_listing listing;
	struct model_config *models;
	size_t n_models;
	const char *const *fallback;
};

enum { LOOK_WATCHED = 4000, LOOK_SECRETS = 1000 };

const struct sql *catalog_statement(struct look *l, const char *tool, const struct tool_sql_text *text);
/* A file with one word in it, for headers. NULL after noting a mistake at `at`. */
const char *catalog_secret(struct look *l, const struct yaml_node *at);
void catalog_watch_file(struct look *l, const char *path);
bool catalog_is_name(const char *text, size_t longest); /* a-z, 0-9, _ */

/* catalog_tools.c, catalog_http.c, catalog_agents.c, catalog_models.c */
void catalog_build_tools(struct look *l);
bool catalog_build_http(struct look *l, const struct catalog_tool *from, struct tool *to);
void catalog_build_models(struct look *l);
void catalog_build_agents(struct look *l);
const struct tool *catalog_find_tool(const struct look *l, const char *name);
