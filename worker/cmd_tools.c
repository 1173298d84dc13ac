/* SPDX-License-Identifier: MIT */
/* tools: what agents may call, built in and from the catalog. */
#include "catalog_tell.h"
#include "commands.h"
#include "settings.h"

struct tools_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct tools_options, bool, json), "One JSON object a tool" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover tools", "What agents may call, and where each comes from." },
	{ "drover tools --json | jq 'select(.kind == \"http\")'", "Only those that call out." },
	{ 0 },
};

static const struct print_column columns[] = {
	{ "NAME" }, { "KIND" }, { "EFFECT" }, { "AFTER A CRASH" }, { "APPROVAL" }, { "FILE" }, { 0 },
};

static const char *effect_of(const struct tool *t)
{
	static const char *const names[] = { [TOOL_READS] = "reads", [TOOL_WRITES] = "writes", [TOOL_OUTSIDE] = "outside",
		[TOOL_AGENT] = "agent", [TOOL_QUESTION] = "question" };
	return names[t->effect];
}

static const char *unknown_of(const struct tool *t)
{
	static const char *const names[] = { [UNKNOWN_TELL] = "told", [UNKNOWN_REPEAT] = "repeated", [UNKNOWN_PROBE] = "probed",
		[UNKNOWN_HUMAN] = "asked" };
	return t->effect == TOOL_OUTSIDE ? names[t->unknown] : NULL;
}

static const char *approval_of(const struct tool *t)
{
	return !t->approval.needed ? NULL : t->approval.not_requester ? "by another" : "needed";
}

static void print_one(struct print_table *table, const struct catalog_listed_tool *one)
{
	print_cell(table, STYLE_BOLD, one->tool->name);
	print_cell(table, STYLE_PLAIN, one->kind);
	print_cell(table, STYLE_PLAIN, effect_of(one->tool));
	print_cell(table, STYLE_PLAIN, unknown_of(one->tool));
	print_cell(table, STYLE_YELLOW, approval_of(one->tool));
	print_cell(table, STYLE_DIM, one->file);
}

static void print_one_json(const struct printer *out, struct arena *a, const struct catalog_listed_tool *one)
{
	static const struct field nothing[] = { { 0 } };
	cJSON *object = json_object(a);
	json_put_text(object, "name", one->tool->name);
	json_put_text(object, "kind", one->kind);
	json_put_text(object, "effect", effect_of(one->tool));
	json_put_text(object, "unknown", unknown_of(one->tool));
	json_put_text(object, "approval", approval_of(one->tool));
	json_put_text(object, "file", one->file);
	json_put_text(object, "text", one->tool->text);
	json_put_copy(object, "input_schema", field_schema(a, one->tool->fields ? one->tool->fields : nothing));
	print_json(out, object);
}

static bool tools_run(struct command_run *run, struct err *e)
{
	const struct tools_options *o = run->options;
	struct pool_config base = pool_config_of(run->config);
	struct catalog_problems problems = { .a = run->arena };
	struct catalog_listing listing;
	struct generation *g = catalog_load(catalog_new(run->arena, run->config, &base), &problems, &listing);
	struct print_table *table = print_table_new(run->arena, columns);
	for (size_t i = 0; i < listing.n_tools; i++)
		if (o->json)
			print_one_json(&run->out, run->arena, &listing.tools[i]);
		else
			print_one(table, &listing.tools[i]);
	if (!o->json)
		print_table_end(table, &run->out, 0);
	catalog_drop(g);
	return g || catalog_tell(run, &problems, e);
}

const struct command command_tools = {
	.name = "tools",
	.text = "List the tools that agents may call",
	.more = "Those that are built in and those of catalog.dir. Mistakes in the catalog are told, all of them, and end with exit code 2; "
		"drover doctor also tries statements against the database.",
	.flags = flags,
	.options_size = sizeof(struct tools_options),
	.examples = examples,
	.run = tools_run,
};
