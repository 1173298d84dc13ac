/* SPDX-License-Identifier: MIT */
/* Agents: those that are built in, and those that are a prompt and a list of tools in a file. */
#include "catalog_inner.h"
#include "model_api.h"

/* ---- names ---- */

static const struct agent *find_agent(const struct look *l, const char *type)
{
	for (size_t i = 0; i < l->listing.n_agents; i++)
		if (strcmp(l->listing.agents[i].agent->type, type) == 0)
			return l->listing.agents[i].agent;
	return NULL;
}

static const char *agent_hint(struct look *l, const char *word)
{
	const char **names = arena_alloc(l->a, (l->listing.n_agents + 1) * sizeof(*names));
	for (size_t i = 0; i < l->listing.n_agents; i++)
		names[i] = l->listing.agents[i].agent->type;
	return catalog_hint(l->a, word, names, l->listing.n_agents);
}

static const char *tool_hint(struct look *l, const char *word)
{
	size_t n = 0, most = l->listing.n_tools + 1;
	for (const struct catalog_tool *t = l->files.tools; t; t = t->next)
		most++;
	const char **names = arena_alloc(l->a, (most + 1) * sizeof(*names));
	names[n++] = "ask_user";
	for (const struct catalog_tool *t = l->files.tools; t; t = t->next)
		if (!catalog_find_tool(l, t->file->stem))
			names[n++] = t->file->stem;
	for (size_t i = 0; i < l->listing.n_tools; i++)
		names[n++] = l->listing.tools[i].tool->name;
	return catalog_hint(l->a, word, names, n);
}

static const char *model_hint(struct look *l, const char *word)
{
	const char **names = arena_alloc(l->a, (l->n_models + 1) * sizeof(*names));
	for (size_t i = 0; i < l->n_models; i++)
		names[i] = l->models[i].name;
	return catalog_hint(l->a, word, names, l->n_models);
}

/* ---- tools of an agent ---- */

struct task {
	const char *task;
};
static const struct field task_fields[] = {
	{ "task", FIELD_TEXT, offsetof(struct task, task), .required = true, .min = 1,
		.text = "What the agent is to do, complete in itself: it knows nothing of this conversation." },
	{ 0 },
};

static const struct tool *ask_agent(struct look *l, const struct agent *other)
{
	struct tool *tool = arena_alloc(l->a, sizeof(*tool));
	*tool = (struct tool){ .name = arena_printf(l->a, "ask_%s", other->type), .text = other->text, .fields = task_fields,
		.args_size = sizeof(struct task), .effect = TOOL_AGENT, .agent = other->type };
	return tool;
}

static bool is_twice(const struct yaml_node *list, const struct yaml_node *item)
{
	for (const struct yaml_node *before = list->first; before != item; before = before->next)
		if (strcmp(before->text, item->text) == 0)
			return true;
	return false;
}

/* Then its own mistakes were told. */
static bool is_broken_tool(const struct look *l, const char *name)
{
	for (const struct catalog_tool *t = l->files.tools; t; t = t->next)
		if (strcmp(t->file->stem, name) == 0 || (t->name && strcmp(t->name->text, name) == 0))
			return true;
	return false;
}

static const struct tool *named_tool(struct look *l, const struct catalog_agent *from, const struct yaml_node *item)
{
	const struct tool *tool = strcmp(item->text, "ask_user") == 0 ? &tool_ask_user : catalog_find_tool(l, item->text);
	if (is_twice(from->tools, item))
		catalog_problem(l->problems, item->place, "%.64s stands in this list already; keep one", item->text);
	else if (!tool && !is_broken_tool(l, item->text))
		catalog_problem(l->problems, item->place, "there is no tool %.64s; %s", item->text, tool_hint(l, item->text));
	else
		return tool;
	return NULL;
}

static const struct tool *const *tools_of(struct look *l, const struct catalog_agent *from)
{
	size_t n = 0, most = (from->tools ? from->tools->n : 0) + (from->agents ? from->agents->n : 0);
	const struct tool **all = arena_alloc(l->a, (most + 1) * sizeof(*all));
	if (from->tools)
		yaml_each(item, from->tools)
			if ((all[n] = named_tool(l, from, item)))
				n++;
	if (from->agents)
		yaml_each(other, from->agents) {
			const struct agent *agent = find_agent(l, other->text);
			if (is_twice(from->agents, other))
				catalog_problem(l->problems, other->place, "%.64s stands in this list already; keep one", other->text);
			else if (!agent)
				catalog_problem(l->problems, other->place, "there is no agent %.64s; %s", other->text, agent_hint(l, other->text));
			else
				all[n++] = ask_agent(l, agent);
		}
	all[n] = NULL;
	return all;
}

/* ---- prompts and models ---- */

static const char *prompt_of(struct look *l, const struct catalog_agent *from)
{
	const struct yaml_node *file = from->prompt_file;
	struct err e = { 0 };
	struct str text;
	if (!file)
		return from->prompt ? from->prompt->text : "";
	const char *slash = strrchr(from->file->path, '/');
	if (file->text[0] == '/' || file->text[0] == '.' || strstr(file->text, "..")) {
		catalog_problem(l->problems, file->place, "a prompt file stands beside its agent, or below; name it without / or .. in front");
		return "";
	}
	const char *path = arena_printf(l->a, "%.*s/%s", (int)(slash - from->file->path), from->file->path, file->text);
	catalog_watch_file(l, path);
	if (!catalog_text(l->a, path, CATALOG_PROMPT_BYTES, &text, &e))
		catalog_problem(l->problems, file->place, "the file %s %s", file->text, e.msg);
	else if (!str_trim(text).n)
		catalog_problem(l->problems, file->place, "the file %s is empty; write the prompt into it", file->text);
	else
		return text.p;
	return "";
}

static const char *const *models_of(struct look *l, const struct catalog_agent *from)
{
	size_t n = 0;
	if (!from->models || !from->models->n)
		return NULL;
	const char **all = arena_alloc(l->a, (from->models->n + 1) * sizeof(*all));
	yaml_each(item, from->models) {
		bool known = false;
		for (size_t i = 0; i < l->n_models; i++)
			known |= strcmp(l->models[i].name, item->text) == 0;
		if (!known)
			catalog_problem(l->problems, item->place, "there is no model %.64s; %s", item->text, model_hint(l, item->text));
		all[n++] = item->text;
	}
	return all;
}

/* ---- agents ---- */

static struct agent_limits limits_of(const struct catalog_limits *c)
{
	return (struct agent_limits){ .turns = c->turns, .tool_calls = c->tool_calls, .turn_tools = c->turn_tools,
		.parallel_tools = c->parallel_tools, .repeats = c->repeats, .history = c->history, .expire_ms = c->expire_ms,
		.run_ms = c->run_ms, .tool_ms = c->tool_ms, .children = c->children, .result_bytes = (size_t)c->result_bytes };
}

/* First all types, so that agents may name each other; then what each is. */
static struct agent *declare(struct look *l, const struct catalog_agent *from)
{
	const struct yaml_node *type = from->type;
	if (!type)
		return NULL;
	const struct agent *other = find_agent(l, type->text);
	if (!catalog_is_name(type->text, 60))
		catalog_problem(l->problems, type->place, "a type is of a-z, 0-9 and _, at most 60; rename it");
	else if (other)
		catalog_problem(l->problems, type->place, "%s is an agent already; a file cannot take its type: rename it", type->text);
	else {
		struct agent *agent = arena_alloc(l->a, sizeof(*agent));
		*agent = (struct agent){ .type = type->text, .name = from->name ? from->name : type->text,
			.text = from->text ? from->text : "", .run = agent_loop };
		l->listing.agents[l->listing.n_agents++] = (struct catalog_listed_agent){ agent, from->file->path };
		return agent;
	}
	return NULL;
}

static bool can_search(const struct look *l, const char *model)
{
	for (size_t i = 0; i < l->n_models; i++)
		if (strcmp(l->models[i].name, model) == 0)
			return l->models[i].api != model_api_find("openai");
	return true; /* that it is not there has been said */
}

/* Chat completions have no web search: with no other model in the list every request would fail. */
static void check_searches(struct look *l, const struct catalog_agent *from, const struct agent *agent)
{
	const char *const *names = agent->models ? agent->models : l->fallback;
	bool can = !agent->models && can_search(l, l->models[0].name);
	for (; names && *names; names++)
		can |= can_search(l, *names);
	if (agent->web_searches && !can)
		catalog_problem(l->problems, yaml_get(from->file->root, "web_searches")->key_place, "none of the agent's models can search the web: "
			"they speak chat completions; take it out, or give the agent a model of api anthropic");
}

static void define(struct look *l, const struct catalog_agent *from, struct agent *agent)
{
	agent->prompt = prompt_of(l, from);
	agent->tools = tools_of(l, from);
	agent->models = models_of(l, from);
	agent->limits = limits_of(&from->limits);
	agent->max_tokens = from->max_tokens;
	agent->web_searches = from->web_searches;
	agent->result_schema = from->result_schema;
	check_searches(l, from, agent);
}

/* ---- circles ---- */

static bool reaches(const struct look *l, const struct agent *from, const struct agent *to, const struct agent **seen, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		if (seen[i] == from)
			return false;
	seen[(*n)++] = from;
	for (const struct tool *const *tool = from->tools; tool && *tool; tool++) {
		const struct agent *next = (*tool)->agent ? find_agent(l, (*tool)->agent) : NULL;
		if (next && (next == to || reaches(l, next, to, seen, n)))
			return true;
	}
	return false;
}

/* Each would start the next for ever. */
static void check_circles(struct look *l, const struct catalog_agent *from, const struct agent *agent)
{
	const struct agent **seen = arena_alloc(l->a, (l->listing.n_agents + 1) * sizeof(*seen));
	size_t n = 0;
	if (from->agents && reaches(l, agent, agent, seen, &n))
		catalog_problem(l->problems, from->agents->key_place, "%s would ask itself in the end; take one of the agents out of the circle",
			agent->type);
}

void catalog_build_agents(struct look *l)
{
	size_t n = 0, i = 0;
	for (const struct agent *const *agent = l->c->base->agents; *agent; agent++)
		n++;
	for (const struct catalog_agent *a = l->files.agents; a; a = a->next)
		n++;
	struct agent **made = arena_alloc(l->a, (n + 1) * sizeof(*made));
	l->listing.agents = arena_alloc(l->a, (n + 1) * sizeof(*l->listing.agents));
	for (const struct agent *const *agent = l->c->base->agents; *agent; agent++)
		l->listing.agents[l->listing.n_agents++] = (struct catalog_listed_agent){ *agent, NULL };
	for (const struct catalog_agent *a = l->files.agents; a; a = a->next)
		made[i++] = declare(l, a);
	i = 0;
	for (const struct catalog_agent *a = l->files.agents; a; a = a->next, i++)
		if (made[i])
			define(l, a, made[i]);
	i = 0;
	for (const struct catalog_agent *a = l->files.agents; a; a = a->next, i++)
		if (made[i])
			check_circles(l, a, made[i]);
}
