/* SPDX-License-Identifier: MIT */
/* Tools: those of the built-in agents, and those that are files. */
#include "agents.h"
#include "catalog_inner.h"

bool catalog_is_name(const char *text, size_t longest)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return n && !text[n] && n <= longest;
}

const struct tool *catalog_find_tool(const struct look *l, const char *name)
{
	for (size_t i = 0; i < l->listing.n_tools; i++)
		if (strcmp(l->listing.tools[i].tool->name, name) == 0)
			return l->listing.tools[i].tool;
	return NULL;
}

static void list_tool(struct look *l, const struct tool *tool, const char *kind, const char *file)
{
	l->listing.tools[l->listing.n_tools++] = (struct catalog_listed_tool){ tool, kind, file };
}

/* ---- built in ---- */

static size_t count_built_in(const struct agent *const *agents)
{
	size_t n = 0;
	for (; *agents; agents++)
		for (const struct tool *const *tool = (*agents)->tools; tool && *tool; tool++)
			n++;
	return n;
}

static void list_built_in(struct look *l, const struct agent *const *agents)
{
	for (; *agents; agents++)
		for (const struct tool *const *tool = (*agents)->tools; tool && *tool; tool++)
			if (!catalog_find_tool(l, (*tool)->name))
				list_tool(l, *tool, "built-in", NULL);
}

/* ---- SQL ---- */

const struct sql *catalog_statement(struct look *l, const char *tool, const struct tool_sql_text *text)
{
	struct catalog *c = l->c;
	for (struct statement *s = c->statements; s; s = s->next)
		if (strcmp(s->sql.text, text->text) == 0 && s->sql.n_params == text->n_params)
			return &s->sql;
	struct statement *s = arena_alloc(c->arena, sizeof(*s));
	const char *name = arena_printf(c->arena, "tool_%zu_%.40s", ++c->n_statements, tool);
	*s = (struct statement){ { name, arena_text(c->arena, str_of(tool)), arena_text(c->arena, str_of(text->text)), text->n_params }, c->statements };
	c->statements = s;
	return &s->sql;
}

static const char *role_of(struct look *l, const struct yaml_node *node)
{
	if (!node)
		return "authenticated";
	if (!catalog_is_name(node->text, 63))
		catalog_problem(l->problems, node->place, "a role is written in a-z, 0-9 and _");
	else if (strcmp(node->text, "service_role") == 0 || strcmp(node->text, "postgres") == 0)
		catalog_problem(l->problems, node->place, "%s stands above row level security: every requester would see all rows; take "
			"authenticated, or a role of the tool's own", node->text);
	return node->text;
}

static bool build_sql(struct look *l, const struct catalog_tool *from, struct tool *to)
{
	struct err e = { 0 };
	size_t at;
	struct tool_sql *t = arena_alloc(l->a, sizeof(*t));
	*t = (struct tool_sql){ .fields = from->fields, .role = role_of(l, from->sql.role), .write = from->sql.write,
		.rows = from->sql.rows, .bytes = from->sql.bytes, .time_ms = from->sql.time_ms };
	if (!from->sql.statement)
		return false;
	struct tool_sql_source source = { from->sql.statement->text, from->fields, t->write, t->rows, t->bytes };
	if (!tool_sql_compile(l->a, &source, &t->text, &at, &e)) {
		catalog_problem(l->problems, catalog_place(from->file, from->sql.statement, at), "%s", e.msg);
		return false;
	}
	t->sql = catalog_statement(l, to->name, &t->text);
	to->self = t;
	to->run = tool_sql_run;
	to->effect = t->write ? TOOL_WRITES : TOOL_READS;
	return true;
}

/* ---- one file ---- */

static bool check_name(struct look *l, const struct catalog_tool *from)
{
	const struct yaml_node *name = from->name;
	size_t problems = l->problems->all.n;
	if (!name || !from->text)
		return false;
	if (!catalog_is_name(name->text, 64))
		catalog_problem(l->problems, name->place, "a tool's name is of a-z, 0-9 and _, at most 64; rename it");
	else if (strncmp(name->text, "ask_", 4) == 0)
		catalog_problem(l->problems, name->place, "names that begin with ask_ are drover's own; rename it");
	else if (strcmp(name->text, from->file->stem) != 0)
		catalog_problem(l->problems, name->place, "the file of %s must be called %s.yaml; rename one of them", name->text,
			name->text);
	else if (catalog_find_tool(l, name->text))
		catalog_problem(l->problems, name->place, "%s is a tool that is built in; rename it", name->text);
	return l->problems->all.n == problems;
}

static void build_tool(struct look *l, const struct catalog_tool *from)
{
	size_t problems = l->problems->all.n;
	struct tool *tool = arena_alloc(l->a, sizeof(*tool));
	bool named = check_name(l, from);
	*tool = (struct tool){ .name = named ? from->name->text : "unnamed", .text = from->text ? from->text->text : "",
		.fields = from->n_fields ? from->fields : NULL, .args_size = from->args_size,
		.approval = { from->approval.needed, from->approval.not_requester, from->approval.why, from->approval.expire_ms } };
	if (from->approval.not_requester && !from->approval.needed)
		catalog_problem(l->problems, from->approval.node->key_place, "not_requester without needed says nothing; write 'needed: "
			"true' too");
	bool built = from->sql.node ? build_sql(l, from, tool) : from->http.call.node && catalog_build_http(l, from, tool);
	if (built && named && l->problems->all.n == problems)
		list_tool(l, tool, from->sql.node ? "sql" : "http", from->file->path);
}

void catalog_build_tools(struct look *l)
{
	size_t n = count_built_in(l->c->base->agents);
	for (const struct catalog_tool *t = l->files.tools; t; t = t->next)
		n++;
	l->listing.tools = arena_alloc(l->a, (n + 1) * sizeof(*l->listing.tools));
	list_built_in(l, l->c->base->agents);
	for (const struct catalog_tool *t = l->files.tools; t; t = t->next)
		build_tool(l, t);
}
