/* SPDX-License-Identifier: MIT */
/* agents: what requests may ask for, built in and from the catalog. */
#include "catalog_tell.h"
#include "commands.h"
#include "settings.h"

struct agents_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct agents_options, bool, json), "One JSON object an agent" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover agents", "The types of requests that are known." },
	{ "drover agents --json | jq -r .type", "Only their names." },
	{ 0 },
};

static const struct print_column columns[] = {
	{ "TYPE" }, { "MODELS" }, { "TOOLS", ALIGN_RIGHT }, { "TEXT" }, { "FILE" }, { 0 },
};

static const char *models_of(struct arena *a, const struct agent *agent)
{
	const char *all = NULL;
	for (const char *const *model = agent->models; model && *model; model++)
		all = all ? arena_printf(a, "%s, %s", all, *model) : *model;
	return all;
}

static size_t count_tools(const struct agent *agent)
{
	size_t n = 0;
	while (agent->tools && agent->tools[n])
		n++;
	return n;
}

static void print_one(struct print_table *table, struct arena *a, const struct catalog_listed_agent *one)
{
	enum { TEXT_WIDTH = 60 };
	print_cell(table, STYLE_BOLD, one->agent->type);
	print_cell(table, STYLE_PLAIN, models_of(a, one->agent));
	print_cell_i64(table, (int64_t)count_tools(one->agent));
	print_cell(table, STYLE_PLAIN, print_clean(a, one->agent->text, TEXT_WIDTH));
	print_cell(table, STYLE_DIM, one->file);
}

static void print_one_json(const struct printer *out, struct arena *a, const struct catalog_listed_agent *one)
{
	cJSON *object = json_object(a);
	json_put_text(object, "type", one->agent->type);
	json_put_text(object, "name", one->agent->name);
	json_put_text(object, "text", one->agent->text);
	cJSON *models = json_put_array(object, "models"), *tools = json_put_array(object, "tools");
	for (const char *const *model = one->agent->models; model && *model; model++)
		json_add_text(models, *model);
	for (const struct tool *const *tool = one->agent->tools; tool && *tool; tool++)
		json_add_text(tools, (*tool)->name);
	json_put_text(object, "file", one->file);
	print_json(out, object);
}

static bool agents_run(struct command_run *run, struct err *e)
{
	const struct agents_options *o = run->options;
	struct pool_config base = pool_config_of(run->config);
	struct catalog_problems problems = { .a = run->arena };
	struct catalog_listing listing;
	struct generation *g = catalog_load(catalog_new(run->arena, run->config, &base), &problems, &listing);
	struct print_table *table = print_table_new(run->arena, columns);
	for (size_t i = 0; i < listing.n_agents; i++)
		if (o->json)
			print_one_json(&run->out, run->arena, &listing.agents[i]);
		else
			print_one(table, run->arena, &listing.agents[i]);
	if (!o->json)
		print_table_end(table, &run->out, 0);
	catalog_drop(g);
	return g || catalog_tell(run, &problems, e);
}

const struct command command_agents = {
	.name = "agents",
	.text = "List the agents, which are the types that requests may have",
	.more = "Those that are built in and those of catalog.dir. Mistakes in the catalog are told, all of them, and end with exit code 2.",
	.flags = flags,
	.options_size = sizeof(struct agents_options),
	.examples = examples,
	.run = agents_run,
};
