/* SPDX-License-Identifier: MIT */
#include "catalog_case.h"
#include "agents.h"
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void folder_end(void *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct catalog_case *catalog_case_open(struct arena *a, const char *hosts, bool private_addresses)
{
	struct catalog_case *c = arena_alloc(a, sizeof(*c));
	struct config_problems problems;
	char *dir = arena_text(a, STR("/tmp/drover-catalog-XXXXXX"));
	if (!mkdtemp(dir) || !config_load_text(a, "none", STR(""), NULL, &c->config, &problems))
		abort();
	arena_defer(a, folder_end, dir);
	const char *const folders[] = { "agents", "tools", "secrets" };
	for (size_t i = 0; i < COUNT(folders); i++)
		mkdir(arena_printf(a, "%s/%s", dir, folders[i]), 0700);
	c->a = a;
	c->dir = dir;
	c->config.catalog.dir = dir;
	c->config.catalog.check_ms = 100;
	c->config.tools.hosts = hosts;
	c->config.tools.private_addresses = private_addresses;
	c->config.tools.secrets_dir = arena_printf(a, "%s/secrets", dir);
	c->base = (struct pool_config){ .agents = agents_all, .model = { .name = "claude-test", .max_tokens = 1000 } };
	c->catalog = catalog_new(a, &c->config, &c->base);
	return c;
}

void catalog_case_put(const struct catalog_case *c, const char *name, const char *text)
{
	/* as editors and deployments do it: what is there is whole */
	const char *path = arena_printf(c->a, "%s/%s", c->dir, name), *half = arena_printf(c->a, "%s/half", c->dir);
	FILE *f = fopen(half, "we");
	if (!f || fwrite(text, 1, strlen(text), f) != strlen(text) || fclose(f) != 0 || rename(half, path) != 0)
		abort();
}

void catalog_case_remove(const struct catalog_case *c, const char *name)
{
	unlink(arena_printf(c->a, "%s/%s", c->dir, name));
}

static const char *without(struct arena *a, const char *text, const char *word)
{
	struct buf *b = buf_new(a, 1 << 20);
	for (const char *hit; (hit = strstr(text, word)); text = hit + strlen(word))
		buf_add(b, (struct str){ text, (size_t)(hit - text) });
	buf_add(b, str_of(text));
	return buf_str(b).p;
}

const char *catalog_case_mistakes(struct catalog_case *c)
{
	struct catalog_problems problems = { .a = c->a };
	const char *all = "", *word = arena_printf(c->a, "%s/", c->dir);
	catalog_drop(catalog_load(c->catalog, &problems, NULL));
	for (const struct config_problem *p = problems.all.first; p; p = p->next)
		all = arena_printf(c->a, "%s%s%s", all, *all ? "\n" : "", without(c->a, p->text, word));
	return all;
}

static void generation_end(void *g)
{
	catalog_drop(g);
}

struct generation *catalog_case_load(struct catalog_case *c)
{
	struct catalog_problems problems = { .a = c->a };
	struct generation *g = catalog_load(c->catalog, &problems, NULL);
	for (const struct config_problem *p = problems.all.first; p; p = p->next)
		printf("    %s\n", p->text);
	if (g)
		arena_defer(c->a, generation_end, g);
	return g;
}

const struct tool *catalog_case_tool(struct catalog_case *c, const char *name)
{
	struct catalog_problems problems = { .a = c->a };
	struct catalog_listing listing;
	struct generation *g = catalog_load(c->catalog, &problems, &listing);
	for (const struct config_problem *p = problems.all.first; p; p = p->next)
		printf("    %s\n", p->text);
	if (g)
		arena_defer(c->a, generation_end, g);
	for (size_t i = 0; i < listing.n_tools; i++)
		if (strcmp(listing.tools[i].tool->name, name) == 0)
			return listing.tools[i].tool;
	return NULL;
}
