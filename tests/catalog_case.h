/* SPDX-License-Identifier: MIT */
/* A catalog's folder that a test writes, with a folder of secrets beside it; both leave with the arena. */
#pragma once
#include "catalog.h"
#include "test.h"

struct catalog_case {
	struct arena *a;
	const char *dir;       /* has agents/, tools/, secrets/ */
	struct config config;
	struct pool_config base;
	struct catalog *catalog;
};

/* The built-in agents, hosts as given, private addresses or not; base.model has the name claude-test. */
struct catalog_case *catalog_case_open(struct arena *a, const char *hosts, bool private_addresses);
/* name: "tools/x.yaml" */
void catalog_case_put(const struct catalog_case *c, const char *name, const char *text);
void catalog_case_remove(const struct catalog_case *c, const char *name);
/* All mistakes, a line each, without the folder's name; "" when there are none. */
const char *catalog_case_mistakes(struct catalog_case *c);
/* The generation, which leaves with the arena; NULL after printing the mistakes. */
struct generation *catalog_case_load(struct catalog_case *c);
const struct tool *catalog_case_tool(struct catalog_case *c, const char *name);
