/* SPDX-License-Identifier: MIT */
/*
 * The catalog: what the files of catalog.dir mean, beside the agents and tools that are built in. Each look at the folder
 * that finds no mistake gives a generation; statements are kept by their text, so a connection that has prepared one
 * never meets another by its name.
 */
#pragma once
#include "catalog_yaml.h"
#include "pool.h"

struct catalog;

/* Lives in a, and must outlive every pool that took a generation of it. base: limits and the model of the options. */
struct catalog *catalog_new(struct arena *a, const struct config *config, const struct pool_config *base);

/* What commands list; file is NULL for what is built in. */
struct catalog_listed_tool {
	const struct tool *tool;
	const char *kind;          /* built-in, sql, http */
	const char *file;
};
struct catalog_listed_agent {
	const struct agent *agent;
	const char *file;
};
struct catalog_listing {
	struct catalog_listed_tool *tools;
	size_t n_tools;
	struct catalog_listed_agent *agents;
	size_t n_agents;
};

/*
 * Looks at the folder. problems lists all mistakes; then the generation is NULL, and the listing, if it is wanted, has
 * what could be read. The generation and the listing live in its arena; of a failed look, in problems' own.
 */
struct generation *catalog_load(struct catalog *c, struct catalog_problems *problems, struct catalog_listing *listing);
/* For a generation that nobody took. */
void catalog_drop(struct generation *g);
/* "and 12 more" when not all are listed, or NULL. */
const char *catalog_more(struct arena *a, const struct catalog_problems *problems);

/* Looks every catalog.check and gives the pool what is new; a wrong catalog is told in the log once and left alone.
 * waits, until it is cancelled. */
struct catalog_watch {
	struct catalog *catalog;
	struct pool *pool;
};
bool catalog_watch(void *watch, struct err *e);
