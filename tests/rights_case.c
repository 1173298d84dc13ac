/* SPDX-License-Identifier: MIT */
#include "rights_case.h"
#include "loop.h"

#define ROWS \
	"insert into agent_sessions (id, user_id, title) values ('" SESSION_A "', '" USER_A "', '1 of A'), ('" \
		SESSION_B "', '" USER_B "', '2 of B'), ('" SESSION_S "', null, '3 of the server');insert into " \
		"agent_requests (session_id, user_id, type, request) select id, user_id, 'quotes', title from " \
		"agent_sessions order by title;insert into agent_logs (session_id, request_id, user_id, seq, attempt, " \
		"agent_name, kind) select session_id, id, user_id, 1, 1, 'quotes', 'text' from agent_requests;insert into " \
		"agent_turns (session_id, request_id, user_id, attempt, sequence_number, role, content_type, block) select " \
		"session_id, id, user_id, 1, 1, 'assistant', 'text', '{}' from agent_requests;insert into tool_executions " \
		"(session_id, request_id, user_id, tool_call_id, tool_name, status, attempt, duration_ms) select " \
		"session_id, id, user_id, 'c', 'tool', 'done', 1, 1 from agent_requests;"

#define SPACES \
	"insert into psa.workspaces (id, name) values ('" SPACE_A "', 'Space of A'), ('" SPACE_B "', 'Space of " \
		"B');insert into psa.members values ('" SPACE_A "', '" USER_A "', 'owner'), ('" SPACE_B "', '" \
		USER_B "', 'owner');insert into psa.tax_codes (workspace_id, code, category, rate_bp) select id, 'VAT', " \
		"'S', 1900 from psa.workspaces;insert into psa.customers (workspace_id, name, currency, tax_code) select " \
		"id, 'Customer', 'EUR', 'VAT' from psa.workspaces;insert into psa.projects (workspace_id, code, name, " \
		"customer_id, currency) select workspace_id, 'APOLLO', 'Apollo', id, 'EUR' from psa.customers;insert into " \
		"psa.tasks (workspace_id, project_id, number, name) select workspace_id, id, 1, 'Task' from psa.projects"

static struct pg *enter(struct arena *a, struct people *p, const char *role, const char *claims, struct err *e)
{
	struct pg *db = test_connect(a, p->db.owner_url, e);
	const char *sql = arena_printf(a, "set role %s; select set_config('request.jwt.claims', '%s', false)", role,
		claims);
	return db && pg_script(db, a, sql, deadline_in(RIGHTS_MS), NULL, e) ? db : NULL;
}

bool people_enter(struct arena *a, struct people *p, struct err *e)
{
	return (p->owner = test_connect(a, p->db.owner_url, e)) && (p->worker = test_connect(a, p->db.worker_url, e)) &&
		(p->anon = enter(a, p, "anon", "{\"role\": \"anon\"}", e)) &&
		(p->a = enter(a, p, "authenticated", "{\"sub\": \"" USER_A "\", \"role\": \"authenticated\"}", e)) &&
		(p->b = enter(a, p, "authenticated", "{\"sub\": \"" USER_B "\", \"role\": \"authenticated\"}", e)) &&
		(p->nobody = enter(a, p, "authenticated", "", e)) && (p->server = enter(a, p, "service_role", "", e));
}

bool people_open(struct arena *a, struct people *p, struct err *e)
{
	return test_db(a, &p->db, e) && people_enter(a, p, e) &&
		pg_script(p->owner, a, ROWS SPACES, deadline_in(RIGHTS_MS), NULL, e);
}

bool rights_refused(struct arena *a, struct pg *db, const char *sql)
{
	struct err e = { 0 };
	bool ok = !pg_script(db, a, sql, deadline_in(RIGHTS_MS), NULL, &e) && strcmp(e.sqlstate, "42501") == 0;
	if (!ok)
		printf("      %s: %s\n", sql, *e.msg ? e.msg : "was done");
	return ok;
}

void rights_refuse_each(struct arena *a, struct people *p, const char *names, struct pg *db, const char *format)
{
	struct pg_rows rows;
	struct err e = { 0 };
	if (!CHECK(pg_script(p->owner, a, names, deadline_in(RIGHTS_MS), &rows, &e) && rows.n > 0))
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	for (int i = 0; i < rows.n; i++)
		CHECK_REFUSED(db, arena_printf(a, format, pg_text(&rows, i, "name")));
#pragma GCC diagnostic pop
}
