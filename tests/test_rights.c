/* SPDX-License-Identifier: MIT */
/* Who may do what: apps' users, apps' servers, strangers, and the worker itself. */
#include "loop.h"
#include "migrate.h"
#include "migrations.h"
#include "test_pg.h"

#define USER_A "a0000000-0000-4000-8000-0000000000aa"
#define USER_B "b0000000-0000-4000-8000-0000000000bb"
#define SESSION_A "a0000000-0000-4000-8000-00000000000a"
#define SESSION_B "b0000000-0000-4000-8000-00000000000b"
#define SESSION_S "50000000-0000-4000-8000-00000000005e" /* the server's own */
#define SPACE_A "a0000000-0000-4000-8000-0000000000a5"
#define SPACE_B "b0000000-0000-4000-8000-0000000000b5"

enum { LONG_MS = 60000 };

struct people {
	struct test_db db;
	struct pg *owner, *anon, *a, *b, *nobody, *server, *worker;
};

/* A request of A, of B and of the server, each with a session, a log row, a turn and a tool call. */
#define ROWS \
	"insert into agent_sessions (id, user_id, title) values ('" SESSION_A "', '" USER_A "', 'of A'), ('" SESSION_B "', '" USER_B \
	"', 'of B'), ('" SESSION_S "', null, 'of the server');" \
	"insert into agent_requests (session_id, user_id, type, request) select id, user_id, 'quotes', title from agent_sessions order by title;" \
	"insert into agent_logs (session_id, request_id, user_id, seq, attempt, agent_name, kind) " \
	"select session_id, id, user_id, 1, 1, 'quotes', 'text' from agent_requests;" \
	"insert into agent_turns (session_id, request_id, user_id, attempt, sequence_number, role, content_type, block) " \
	"select session_id, id, user_id, 1, 1, 'assistant', 'text', '{}' from agent_requests;" \
	"insert into tool_executions (session_id, request_id, user_id, tool_call_id, tool_name, status, attempt, duration_ms) " \
	"select session_id, id, user_id, 'c', 'tool', 'done', 1, 1 from agent_requests;" \
	"insert into psa.workspaces (id, name) values ('" SPACE_A "', 'Space of A'), ('" SPACE_B "', 'Space of B');" \
	"insert into psa.members values ('" SPACE_A "', '" USER_A "', 'owner'), ('" SPACE_B "', '" USER_B "', 'owner');" \
	"insert into psa.tax_codes (workspace_id, code, category, rate_bp) select id, 'VAT', 'S', 1900 from psa.workspaces;" \
	"insert into psa.customers (workspace_id, name, currency, tax_code) select id, 'Customer', 'EUR', 'VAT' from psa.workspaces;" \
	"insert into psa.projects (workspace_id, code, name, customer_id, currency) select workspace_id, 'APOLLO', 'Apollo', id, 'EUR' " \
	"from psa.customers;" \
	"insert into psa.tasks (workspace_id, project_id, number, name) select workspace_id, id, 1, 'Task' from psa.projects"

/* As PostgREST does it: a role, and the claims of the token. */
static struct pg *enter(struct arena *a, struct people *p, const char *role, const char *claims, struct err *e)
{
	struct pg *db = test_connect(a, p->db.owner_url, e);
	const char *sql = arena_printf(a, "set role %s; select set_config('request.jwt.claims', '%s', false)", role, claims);
	return db && pg_script(db, a, sql, deadline_in(LONG_MS), NULL, e) ? db : NULL;
}

static bool enter_all(struct arena *a, struct people *p, struct err *e)
{
	return (p->owner = test_connect(a, p->db.owner_url, e)) && (p->worker = test_connect(a, p->db.worker_url, e)) &&
		(p->anon = enter(a, p, "anon", "{\"role\": \"anon\"}", e)) &&
		(p->a = enter(a, p, "authenticated", "{\"sub\": \"" USER_A "\", \"role\": \"authenticated\"}", e)) &&
		(p->b = enter(a, p, "authenticated", "{\"sub\": \"" USER_B "\", \"role\": \"authenticated\"}", e)) &&
		(p->nobody = enter(a, p, "authenticated", "", e)) && (p->server = enter(a, p, "service_role", "", e));
}

static bool people_open(struct arena *a, struct people *p, struct err *e)
{
	return test_db(a, &p->db, e) && enter_all(a, p, e) && pg_script(p->owner, a, ROWS, deadline_in(LONG_MS), NULL, e);
}
#define PEOPLE struct people p = { 0 }; REQUIRE_OK(people_open(a, &p, e))

/* Refused for want of a right, by grant or by policy: nothing else will do. */
static bool refused(struct arena *a, struct pg *db, const char *sql)
{
	struct err e = { 0 };
	bool ok = !pg_script(db, a, sql, deadline_in(LONG_MS), NULL, &e) && strcmp(e.sqlstate, "42501") == 0;
	if (!ok)
		printf("      %s: %s\n", sql, *e.msg ? e.msg : "was done");
	return ok;
}
#define CHECK_REFUSED(db, sql) CHECK(refused(a, db, sql))

/* Runs a statement for each name that a query gives; %s is the name. */
static void refuse_each(struct arena *a, struct pg *owner, const char *names, struct pg *db, const char *format)
{
	struct pg_rows rows;
	struct err e = { 0 };
	REQUIRE_OK_IN(pg_script(owner, a, names, deadline_in(LONG_MS), &rows, &e));
	CHECK(rows.n > 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	for (int i = 0; i < rows.n; i++)
		CHECK_REFUSED(db, arena_printf(a, format, pg_text(&rows, i, "name")));
#pragma GCC diagnostic pop
}
