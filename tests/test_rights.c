/* SPDX-License-Identifier: MIT */
/* What apps may do: strangers, users with row level security, and the app's server. */
#include "loop.h"
#include "rights_case.h"

#define TABLES "select oid::regclass as name from pg_class where relkind in ('r', 'v') and relnamespace in " \
	"('public'::regnamespace, 'drover'::regnamespace, 'psa'::regnamespace)"
#define PSA_TABLES "select oid::regclass as name from pg_class where relkind = 'r' and relnamespace = " \
	"'psa'::regnamespace"
#define COLUMNS_BUT(columns) "select attname as name from pg_attribute where attrelid = 'agent_requests'::regclass " \
	"and attnum > 0 and attname <> all ('{" columns "}')"
#define ASK "insert into agent_requests (type, request) values ('quotes', 'hello')"
#define ASK_KEY "insert into agent_requests (type, request, supersede_key) values ('quotes', 'x', 'k')"

/* ---- strangers ---- */

LOOP_TEST(a_stranger_sees_and_does_nothing)
{
	static const char *const acts[] = { "select from %s", "insert into %s default values", "delete from %s",
		"truncate %s" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(acts); i++)
		rights_refuse_each(a, &p, TABLES, p.anon, acts[i]);
	CHECK_REFUSED(p.anon, ASK);
	CHECK_REFUSED(p.anon, "update agent_requests set request = 'x'");
	CHECK_REFUSED(p.anon, "select drover.wake()");
	CHECK_REFUSED(p.anon, "select psa.my_workspaces()");
	CHECK_REFUSED(p.anon, "select setval('agent_requests_id_seq', 1)");
	CHECK_REFUSED(p.anon, "create table public.mine (n int)");
}

LOOP_TEST(a_user_without_claims_sees_and_asks_nothing)
{
	PEOPLE;
	CHECK_SQL(p.nobody, "select (select count(*) from agent_requests) + (select count(*) from agent_sessions) + "
		"(select count(*) from agent_logs) + (select count(*) from agent_turns) + (select count(*) from "
		"tool_executions)", "0");
	CHECK_REFUSED(p.nobody, ASK);
	CHECK_REFUSED(p.nobody, "insert into agent_sessions default values");
}

/* ---- a user's own ---- */

LOOP_TEST(a_user_asks_with_type_and_request_and_it_is_theirs)
{
	PEOPLE;
	CHECK_SQL(p.a, ASK " returning concat_ws(' ', id, user_id, status, phase, version, priority, context, depends_on)",
		"4 " USER_A " queued ready 0 100 {} {}");
	CHECK_SQL(p.a, "insert into agent_requests (session_id, user_id, workspace_id, type, request, context, priority, "
		"run_at, idempotency_key, supersede_key, dry_run) values ('" SESSION_A "', '" USER_A "', '" SPACE_A "', "
		"'quotes', 'x', '{\"k\": 1}', 1000, now() + interval '1 hour', 'i', 'k', true) returning phase", "scheduled");
	CHECK_SQL(p.a, ASK_KEY " returning id", "6");
	CHECK_SQL(p.a, "select phase || ' ' || error from agent_requests where id = 5",
		"superseded superseded by request 6");
	CHECK_SQL(p.a, "insert into agent_requests (type, request, idempotency_key) values ('quotes', 'x', 'i') on "
		"conflict do nothing returning id", "(null)");
	CHECK_SQL(p.a, "insert into agent_sessions (title) values ('mine') returning user_id", USER_A);
	CHECK_SQL(p.a, "update agent_sessions set title = 'renamed', status = 'completed' returning title", "renamed");
}

LOOP_TEST(users_wake_idle_workers_and_stop_only_their_own_requests)
{
	const char *channel, *payload;
	PEOPLE;
	CHECK_SQL(p.owner, "insert into drover.workers (id, host, pid, version, slots, wants_wake, lease_until) values "
		"('" SESSION_S "', 'box', 1, '0', 1, true, now() + interval '1 hour'); update agent_requests set "
		"supersede_key = 'k', status = 'processing', phase = 'running' where id <= 3", "(null)");
	CHECK_SQL(p.worker, "listen drover_wake; listen drover_cancel", "(null)");
	CHECK_SQL(p.a, ASK_KEY " returning id", "4");
	CHECK_SQL(p.owner, "select string_agg(concat_ws(' ', request_id, phase, why), ', ') from drover.cancels",
		"1 superseded superseded by request 4");
	REQUIRE_OK(pg_notification(p.worker, a, &channel, &payload, deadline_in(RIGHTS_MS), e));
	CHECK_EQ_S(channel, "drover_cancel");
	CHECK_EQ_S(payload, "1");
	REQUIRE_OK(pg_notification(p.worker, a, &channel, &payload, deadline_in(RIGHTS_MS), e));
	CHECK_EQ_S(channel, "drover_wake");
}

LOOP_TEST(a_user_sees_only_their_own)
{
	static const char *const tables[] = { "agent_requests", "agent_sessions", "agent_logs", "agent_turns",
		"tool_executions" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(tables); i++) {
		const char *sql = arena_printf(a, "select string_agg(user_id::text, ' ') from %s", tables[i]);
		CHECK_SQL(p.a, sql, USER_A);
		CHECK_SQL(p.b, sql, USER_B);
		CHECK_SQL(p.server, arena_printf(a, "select count(*) from %s", tables[i]), "3");
	}
	CHECK_SQL(p.b, "update agent_sessions set title = 'taken'", "(null)"); /* of all rows, read or not */
	CHECK_SQL(p.owner, "select string_agg(title, ', ' order by id) from agent_sessions",
		"3 of the server, 1 of A, taken");
}

/* ---- what a user may not ---- */

LOOP_TEST(what_the_server_decides_no_user_can_set)
{
	PEOPLE;
	rights_refuse_each(a, &p, COLUMNS_BUT("session_id,user_id,workspace_id,type,request,context,priority,run_at,"
		"idempotency_key,supersede_key,dry_run"), p.a,
		"insert into agent_requests (type, request, %s) values ('quotes', 'x', default)");
	CHECK_REFUSED(p.a, "insert into agent_requests (type, request, status, phase) values ('quotes', 'x', "
		"'completed', 'completed')");
	CHECK_REFUSED(p.a, "insert into agent_requests (type, request, parent_id) values ('quotes', 'x', 2)");
	CHECK_REFUSED(p.a, "insert into agent_requests (type, request, priority) values ('quotes', 'x', 99)");
	CHECK_SQL(p.a, "insert into agent_requests (type, request, priority) values ('quotes', 'x', 100) returning 1", "1");
	CHECK_REFUSED(p.a, "insert into agent_sessions (status) values ('failed')");
	CHECK_REFUSED(p.a, "insert into agent_sessions (created_at) values (now())");
}

LOOP_TEST(a_user_asks_for_nobody_else)
{
	PEOPLE;
	CHECK_REFUSED(p.a, "insert into agent_requests (type, request, user_id) values ('quotes', 'x', '" USER_B "')");
	CHECK_REFUSED(p.a, "insert into agent_requests (type, request, user_id) values ('quotes', 'x', null)");
	CHECK_REFUSED(p.a, "insert into agent_sessions (user_id) values ('" USER_B "')");
	CHECK_REFUSED(p.a, "insert into agent_sessions (user_id) values (null)");
	CHECK_SQL(p.a, "set request.jwt.claims = '{\"sub\": \"no uuid\"}'; select 1", "1");
	CHECK(strstr(test_ask(a, p.a, ASK), "ERROR"));
}

#define ASK_IN(session) "insert into agent_requests (type, request, session_id) values ('quotes', 'x', '" session "')"
#define FRESH "f0000000-0000-4000-8000-0000000000f5"

LOOP_TEST(a_user_cannot_ask_in_the_session_of_another)
{
	PEOPLE;
	CHECK_SQL(p.owner, "delete from agent_requests", "(null)");
	CHECK_REFUSED(p.a, ASK_IN(SESSION_B));
	CHECK_REFUSED(p.a, ASK_IN(SESSION_S));
	CHECK_SQL(p.a, ASK_IN(SESSION_A) " returning 1", "1");
	CHECK_SQL(p.b, ASK_IN(FRESH) " returning 1", "1"); /* no row in agent_sessions before its first request runs */
	CHECK_REFUSED(p.a, ASK_IN(FRESH));
	CHECK_SQL(p.b, ASK_IN(FRESH) " returning 1", "1");
	CHECK_REFUSED(p.a, "insert into agent_sessions (id, user_id) values ('" SESSION_A "', '" USER_B "')");
}

LOOP_TEST(a_user_changes_and_deletes_nothing_but_the_title_of_a_session)
{
	static const char *const tables[] = { "agent_requests", "agent_logs", "agent_turns", "tool_executions" };
	PEOPLE;
	for (size_t i = 1; i < COUNT(tables); i++)
		CHECK_REFUSED(p.a, arena_printf(a, "insert into %s (session_id, user_id) values ('" SESSION_A "', '"
			USER_A "')", tables[i]));
	for (size_t i = 0; i < COUNT(tables); i++) {
		CHECK_REFUSED(p.a, arena_printf(a, "update %s set user_id = user_id", tables[i]));
		CHECK_REFUSED(p.a, arena_printf(a, "delete from %s", tables[i]));
		CHECK_REFUSED(p.a, arena_printf(a, "truncate %s cascade", tables[i]));
	}
	CHECK_REFUSED(p.a, "delete from agent_sessions");
	CHECK_REFUSED(p.a, "update agent_sessions set user_id = '" USER_B "'");
	CHECK_REFUSED(p.a, "update agent_requests set status = 'completed' where id = 1");
	CHECK_REFUSED(p.a, "select setval('agent_requests_id_seq', 1)");
	CHECK_REFUSED(p.a, "alter table agent_requests disable row level security");
	CHECK_REFUSED(p.a, "create table public.mine (n int)");
}

LOOP_TEST(the_machinery_is_closed_to_apps)
{
	static const char *const acts[] = {
		"select * from drover.workers", "select * from drover.migrations", "delete from drover.workers",
		"select drover.wake()", "select drover.caller()", "select drover.session_open_to_me('" SESSION_B "')",
		"select drover.end_request(2, 'cancelled', 'x', 'x')", "select drover.fence(1, 0)",
		"select drover.free_waiting(1)", "select drover.queue_log(1, 'text', 'x', null)",
		"select drover.spawn_children(1, 0, '[]')", "select drover.last_seq(2)",
	};
	PEOPLE;
	for (size_t i = 0; i < COUNT(acts); i++) {
		CHECK_REFUSED(p.anon, acts[i]);
		CHECK_REFUSED(p.a, acts[i]);
		CHECK_REFUSED(p.server, acts[i]);
	}
}

/* ---- the app's server ---- */

LOOP_TEST(the_server_asks_for_anybody_and_deletes_with_the_logs)
{
	PEOPLE;
	CHECK_SQL(p.server, "insert into agent_requests (type, request, user_id, priority, supersede_key) values "
		"('quotes', 'x', '" USER_A "', 0, 'k'), ('quotes', 'x', '" USER_A "', 0, 'k') returning id", "4");
	CHECK_SQL(p.server, "select phase from agent_requests where id = 4", "superseded");
	CHECK_SQL(p.server, ASK " returning user_id", "(null)");
	CHECK_SQL(p.owner, "update agent_requests set parent_id = 1 where id = 2", "(null)");
	CHECK_SQL(p.owner, "delete from agent_logs where request_id > 3", "(null)"); /* that 4 was superseded */
	CHECK_SQL(p.server, "delete from agent_requests where id = 1; select string_agg(request_id::text, ' ') from "
		"agent_logs", "3");
	CHECK_SQL(p.server, "delete from agent_sessions where id = '" SESSION_S "' returning 1", "1");
	CHECK_SQL(p.server, "delete from agent_logs returning 1", "1");
	CHECK_REFUSED(p.server, "insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind) values "
		"('" SESSION_S "', 3, 2, 1, 'x', 'text')");
	CHECK_REFUSED(p.server, "update tool_executions set status = 'done'");
}

/* ---- psa ---- */

LOOP_TEST(members_read_their_own_workspace_and_write_nothing_by_themselves)
{
	static const char *const acts[] = { "insert into %s default values", "delete from %s", "truncate %s cascade" };
	PEOPLE;
	CHECK_SQL(p.a, "select count(*) || ' ' || min(workspace_id::text) from psa.tasks", "1 " SPACE_A);
	CHECK_SQL(p.b, "select count(*) || ' ' || min(workspace_id::text) from psa.tasks", "1 " SPACE_B);
	CHECK_SQL(p.nobody, "select count(*) from psa.tasks", "0");
	for (size_t i = 0; i < COUNT(acts); i++)
		rights_refuse_each(a, &p, PSA_TABLES, p.a, acts[i]);
	CHECK_REFUSED(p.a, "update psa.tasks set name = 'x'");
	CHECK_REFUSED(p.a, "update psa.members set role = 'owner'");
	CHECK_REFUSED(p.a, "insert into psa.members values ('" SPACE_B "', '" USER_A "', 'owner')");
	CHECK_REFUSED(p.a, "select * from psa.counters");
}

/* Whatever table a later migration adds: what has a workspace is seen by its members alone. */
LOOP_TEST(no_table_of_a_workspace_is_open_to_the_members_of_another)
{
	PEOPLE;
	struct pg_rows rows;
	REQUIRE_OK(pg_script(p.owner, a, "select attrelid::regclass as name from pg_attribute join pg_class c on c.oid = "
		"attrelid where attname = 'workspace_id' and relkind = 'r' and relnamespace = 'psa'::regnamespace and "
		"relname <> 'counters'",
		deadline_in(RIGHTS_MS), &rows, e));
	CHECK(rows.n >= 18);
	for (int i = 0; i < rows.n; i++) {
		const char *table = pg_text(&rows, i, "name");
		CHECK_SQL(p.a, arena_printf(a, "select count(*) from %s where workspace_id <> '" SPACE_A "'", table), "0");
		CHECK_SQL(p.owner, arena_printf(a, "select count(*) from pg_policy where polrelid = '%s'::regclass and "
			"polcmd in ('r', '*') and pg_get_expr(polqual, polrelid) !~ 'my_workspaces'", table), "0");
	}
	CHECK_SQL(p.a, "select string_agg(name, ' ') from psa.workspaces", "Space of A");
	CHECK(strstr(test_ask(a, p.a, "select psa.here('" SPACE_B "')"), "no member of workspace"));
}
