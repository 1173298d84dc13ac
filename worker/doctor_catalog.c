/* SPDX-License-Identifier: MIT */
/* Doctor on the catalog: every mistake in its files, and whether its statements fit the database as the role they run as. */
#include "agents_sql.h"
#include "catalog.h"
#include "doctor.h"
#include "settings.h"
#include "tool_sql.h"

static void drop(void *generation)
{
	catalog_drop(generation);
}

static void say_problems(struct doctor *d, const struct catalog_problems *problems)
{
	const char *more = catalog_more(d->a, problems);
	for (const struct config_problem *p = problems->all.first; p; p = p->next)
		doctor_say(d, DOCTOR_WRONG, "catalog", NULL, "%s", p->text);
	if (more)
		doctor_say(d, DOCTOR_WRONG, "catalog", NULL, "%s", more);
}

/* ---- statements ---- */

/* To prepare asks for no rights; to explain does, and runs nothing. What is prepared here ends with doctor's connection. */
static bool may_run(struct doctor *d, const struct tool_sql *t, struct err *e)
{
	const char *name = arena_printf(d->a, "try_%s", t->sql->name), *args = "";
	for (int i = 0; i < t->sql->n_params; i++)
		args = arena_printf(d->a, "%s%snull", args, i ? ", " : "");
	const char *text = arena_printf(d->a, "prepare %s as %s\n; explain execute %s%s%s%s", name, t->sql->text, name, *args ? "(" : "", args,
		*args ? ")" : "");
	if (pg_script(d->db, d->a, text, command_deadline(), NULL, e))
		return true;
	static const char prefix[] = "script: ";
	size_t n = strlen(prefix);
	if (strncmp(e->msg, prefix, n) == 0)
		memmove(e->msg, e->msg + n, strlen(e->msg + n) + 1);
	return false;
}

static bool prepare(struct doctor *d, const struct tool_sql *t, bool *known, struct err *e)
{
	struct pg_rows entered = { 0 };
	struct pg_args args = PG_ARGS(PG(t->role), PG("5000"), PG("on"));
	bool ok = pg_begin(d->db, d->a, NULL, 0, command_deadline(), e) &&
		pg_query(d->db, d->a, &sql_tool_enter, args, command_deadline(), &entered, e);
	*known = ok && entered.n;
	return *known && pg_prepare_check(d->db, t->sql, command_deadline(), e) && may_run(d, t, e);
}

static void check_statement(struct doctor *d, const struct catalog_listed_tool *listed)
{
	const struct tool_sql *t = listed->tool->self;
	struct err e = { 0 }, ignored = { 0 };
	bool known;
	if (prepare(d, t, &known, &e)) {
		/* it fits */
	} else if (known) {
		doctor_say(d, DOCTOR_WRONG, "tool", strcmp(e.sqlstate, "42501") == 0
			? arena_printf(d->a, "grant %s what it needs, or name a role that has it (sql: role)", t->role)
			: "mend the statement, or run drover migrate", "%s: %s", listed->file, e.msg);
	} else {
		doctor_say(d, DOCTOR_WRONG, "tool", arena_printf(d->a, "make the role, without BYPASSRLS, and: grant %s to the worker's role",
			t->role), "%s: cannot run as %s%s%s", listed->file, t->role, e.kind ? ": " : "", e.msg);
	}
	pg_rollback(d->db, command_deadline(), &ignored);
}

static void check_statements(struct doctor *d, const struct catalog_listing *listing)
{
	size_t n = 0;
	for (size_t i = 0; i < listing->n_tools; i++)
		if (strcmp(listing->tools[i].kind, "sql") == 0) {
			check_statement(d, &listing->tools[i]);
			n++;
		}
	if (n)
		doctor_say(d, DOCTOR_OK, "tools", NULL, "%zu SQL tool%s tried against the database", n, n == 1 ? " was" : "s were");
}

/* ---- all of it ---- */

static size_t from_files(const struct catalog_listing *l, size_t *tools)
{
	size_t agents = 0;
	for (size_t i = 0; i < l->n_agents; i++)
		agents += l->agents[i].file != NULL;
	*tools = 0;
	for (size_t i = 0; i < l->n_tools; i++)
		*tools += l->tools[i].file != NULL;
	return agents;
}

void doctor_check_catalog(struct doctor *d)
{
	struct catalog_problems problems = { .a = d->a };
	struct catalog_listing listing;
	const struct config *c = d->config;
	struct pool_config *base = arena_alloc(d->a, sizeof(*base));
	size_t tools, agents;
	if (!*c->catalog.dir)
		return;
	*base = pool_config_of(c);
	struct generation *g = catalog_load(catalog_new(d->a, c, base), &problems, &listing);
	if (g)
		arena_defer(d->a, drop, g);
	say_problems(d, &problems);
	agents = from_files(&listing, &tools);
	if (g)
		doctor_say(d, DOCTOR_OK, "catalog", NULL, "%s: %zu agent%s and %zu tool%s from files, %zu model%s", c->catalog.dir, agents,
			agents == 1 ? "" : "s", tools, tools == 1 ? "" : "s", g->n_models, g->n_models == 1 ? "" : "s");
	if (d->db && d->migrated)
		check_statements(d, &listing);
	else if (tools)
		doctor_say(d, DOCTOR_WARN, "tools", "run doctor again with a database", "statements of SQL tools were not tried");
}
