/* SPDX-License-Identifier: MIT */
/* What the worker may do, which functions lend their owner's rights, and all grants as one text. */
#include "loop.h"
#include "migrate.h"
#include "migrations.h"
#include "rights_case.h"

#define COLUMNS_BUT(table, columns) "select attname as name from pg_attribute where attrelid = '" \
	table "'::regclass and attnum > 0 and attname <> all ('{" columns "}')"

#define ASK_KEY "insert into public.agent_requests (type, request, supersede_key) values ('quotes', 'x', 'k')"

/* ---- the worker ---- */

LOOP_TEST(the_worker_is_an_ordinary_role_that_can_build_nothing)
{
	static const char *const acts[] = {
		"create table public.mine (n int)", "create table drover.mine (n int)", "create table psa.mine (n int)",
		"create schema mine", "create role mine", "create function public.f() returns int return 1",
		"alter table agent_requests disable row level security", "drop policy agent_requests_own on agent_requests",
		"set role postgres", "set role service_role", "set session authorization postgres",
		"copy agent_requests to program 'true'", "copy agent_requests from '/etc/passwd'",
		"select pg_read_file('/etc/passwd')",
		"alter role drover_worker superuser", "alter role drover_worker bypassrls",
		"grant drover_worker to authenticated", "alter publication supabase_realtime add table agent_turns",
		"alter function drover.wake() security invoker",
	};
	PEOPLE;
	CHECK_SQL(p.worker, "select concat_ws(' ', current_user, session_user, rolsuper, rolbypassrls, rolcreaterole, "
		"rolcreatedb, rolreplication, rolcanlogin) from pg_roles where rolname = current_user",
		"drover_worker drover_worker f f f f f t");
	CHECK_SQL(p.owner, "select string_agg(roleid::regrole || ' ' || admin_option, ', ' order by roleid::regrole::text) from pg_auth_members "
		"where member = 'drover_worker'::regrole", "anon false, authenticated false");
	for (size_t i = 0; i < COUNT(acts); i++)
		CHECK_REFUSED(p.worker, acts[i]);
}

/* It may become a role of the app, for SQL tools; until it does, it is as if it could not. */
LOOP_TEST(what_the_worker_may_become_gives_it_no_right_before)
{
	PEOPLE;
	CHECK_SQL(p.owner, "create table for_users (word text); grant all on for_users to anon, authenticated; insert into for_users values ('x'); "
		"create table in_rows (word text); alter table in_rows enable row level security; grant all on in_rows to drover_worker; "
		"create policy users on in_rows to anon, authenticated using (true) with check (true); insert into in_rows values ('x'); "
		"create function for_users_only() returns int language sql return 1; revoke execute on function for_users_only() from public; "
		"grant execute on function for_users_only() to anon, authenticated", "(null)");
	CHECK_REFUSED(p.worker, "select * from for_users");
	CHECK_REFUSED(p.worker, "insert into for_users values ('y')");
	CHECK_REFUSED(p.worker, "select for_users_only()");
	CHECK_SQL(p.worker, "select count(*) from in_rows", "0");
	CHECK_REFUSED(p.worker, "insert into in_rows values ('y')");
	CHECK_REFUSED(p.worker, "alter role authenticated nologin");
	CHECK_REFUSED(p.worker, "grant authenticated to anon");
	CHECK_SQL(p.owner, "select string_agg(r || ' ' || pg_has_role('drover_worker', r, 'usage') || ' ' || pg_has_role('drover_worker', r, 'member'), "
		"', ') from unnest(array['anon', 'authenticated', 'service_role']) r", "anon false true, authenticated false true, service_role false false");
	CHECK_SQL(p.worker, "begin; set local role authenticated; select word from for_users", "x");
	CHECK_REFUSED(p.worker, "select * from agent_turns where false; update agent_requests set status = 'failed'");
	CHECK_SQL(p.worker, "rollback", "(null)");
}

LOOP_TEST(the_worker_cannot_read_what_is_not_its_business)
{
	static const char *const acts[] = {
		"select * from auth.users", "select * from invoices", "insert into invoices values (1)",
		"select * from app.secrets", "select * from psa.counters", "delete from drover.migrations",
		"select * from pg_authid", "select nextval('invoices_n_seq')",
	};
	PEOPLE;
	CHECK_SQL(p.owner, "create table auth.users (id uuid); create schema app; create table app.secrets (word text); "
		"create table invoices (n serial)", "(null)");
	for (size_t i = 0; i < COUNT(acts); i++)
		CHECK_REFUSED(p.worker, acts[i]);
}

LOOP_TEST(the_worker_cannot_change_what_the_app_gave)
{
	PEOPLE;
	rights_refuse_each(a, &p, COLUMNS_BUT("agent_requests", "run_at,status,phase,result,error,error_code,"
		"agents_involved,processing_time_ms,input_tokens,output_tokens,cache_write_tokens,cache_read_tokens,cost_micros,"
		"attempt,version,crashes,waits_on,blocked_on,worker_id,started_at,finished_at"), p.worker,
		"update agent_requests set %s = default");
	rights_refuse_each(a, &p, COLUMNS_BUT("agent_sessions", "last_activity_at,recent"), p.worker,
		"update agent_sessions set %s = default");
	CHECK_REFUSED(p.worker, "insert into agent_requests (type, request, status) values ('quotes', 'x', 'completed')");
	CHECK_REFUSED(p.worker, "insert into agent_requests (type, request, version) values ('quotes', 'x', 7)");
	CHECK_REFUSED(p.worker, "select setval('agent_requests_id_seq', 1)");
	CHECK_SQL(p.worker, "update agent_requests set error = 'x' where id = 1 returning id", "1");
}

LOOP_TEST(what_the_worker_wrote_it_cannot_take_back)
{
	static const char *const tables[] = { "agent_logs", "agent_turns", "tool_executions" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(tables); i++) {
		CHECK_SQL(p.worker, arena_printf(a, "select count(*) from %s", tables[i]), "3");
		CHECK_REFUSED(p.worker, arena_printf(a, "update %s set user_id = null", tables[i]));
		CHECK_REFUSED(p.worker, arena_printf(a, "delete from %s", tables[i]));
		CHECK_REFUSED(p.worker, arena_printf(a, "truncate %s", tables[i]));
	}
	CHECK_REFUSED(p.worker, "delete from agent_requests");
	CHECK_REFUSED(p.worker, "delete from agent_sessions");
	CHECK_REFUSED(p.worker, "truncate agent_requests cascade");
}

#define AS_B "begin; select set_config('request.jwt.claims', '{\"sub\": \"" USER_B "\"}', true); "

LOOP_TEST(the_workers_tools_see_the_workspaces_of_the_requester_alone)
{
	PEOPLE;
	CHECK_SQL(p.worker, "select count(*) from psa.tasks", "0");
	CHECK_SQL(p.worker, AS_B "select count(*) || ' ' || min(workspace_id::text) from psa.tasks", "1 " SPACE_B);
	CHECK_SQL(p.worker, "update psa.tasks set name = 'renamed'", "(null)"); /* of all rows, read or not */
	CHECK_SQL(p.worker, "commit; select count(*) from psa.tasks", "0");
	CHECK_SQL(p.owner, "select string_agg(workspace_id::text, ' ') from psa.tasks where name = 'renamed'", SPACE_B);
	rights_refuse_each(a, &p, "select oid::regclass as name from pg_class where relkind = 'r' and relnamespace = "
		"'psa'::regnamespace",
		p.worker, "delete from %s");
	CHECK_REFUSED(p.worker, AS_B "insert into psa.tasks (workspace_id, project_id, name) select '"
		SPACE_A "', project_id, 'x' from psa.tasks");
	CHECK_SQL(p.worker, "rollback", "(null)");
}

/* ---- functions that lend their owner's rights ---- */

/* A type in pg_temp that is found before the built-in one would run its check as the function's owner. */
#define SHADOWS \
	"create function pg_temp.spy() returns boolean language plpgsql as $$ begin if current_user <> '%s' then " \
	"raise exception 'the spy runs as %%', current_user; end if; return true; end $$; " \
	"create domain pg_temp.text as pg_catalog.text check (pg_temp.spy()); " \
	"create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.spy()); " \
	"create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.spy()); " \
	"create temp table agent_requests (id int); create temp table agent_sessions (id int); " \
	"create temp table workers (id int)"

static void shadow(struct arena *a, struct pg *db, const char *role)
{
	CHECK_SQL(db, arena_printf(a, SHADOWS, role), "(null)");
}

LOOP_TEST(types_and_tables_of_a_session_shadow_nothing_in_a_function_of_the_owner)
{
	PEOPLE;
	shadow(a, p.worker, "drover_worker");
	shadow(a, p.a, "authenticated");
	shadow(a, p.server, "service_role");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running', supersede_key = 'k'",
		"(null)");
	CHECK_SQL(p.worker, "insert into public.agent_requests (type, request, user_id, supersede_key) values ('quotes', "
		"'x', '" USER_A "', 'k')",
		"(null)");
	CHECK_SQL(p.a, ASK_KEY " returning id", "5");
	CHECK_REFUSED(p.a, "insert into public.agent_requests (type, request, session_id) values ('quotes', 'x', '"
		SESSION_B "')");
	CHECK_SQL(p.server, ASK_KEY " returning id", "7");
	CHECK_SQL(p.server, "delete from public.agent_requests; select count(*) from public.agent_logs", "0");
}

LOOP_TEST(every_function_names_what_it_searches_and_pg_temp_last)
{
	PEOPLE;
	CHECK_SQL(p.owner, "select string_agg(oid::regprocedure::text, ' ') from pg_proc where pronamespace in "
		"('drover'::regnamespace, 'psa'::regnamespace) and (proconfig is null or 'search_path=pg_catalog, pg_temp' <> all (proconfig))",
		"(null)");
}

/* A trigger's function runs as its owner wherever it is put, and checks rights only when it is put there. */
LOOP_TEST(nobody_can_put_a_trigger_function_on_a_table_of_their_own)
{
	PEOPLE;
	CHECK_SQL(p.worker, "create temp table bait (id bigint)", "(null)");
	CHECK_REFUSED(p.worker, "create trigger t after delete on bait referencing old table as gone for each statement "
		"execute function drover.forget_logs()");
	CHECK_SQL(p.owner, "select string_agg(oid::regprocedure::text, ' ') from pg_proc where prorettype = 'trigger'::regtype "
		"and pronamespace in ('drover'::regnamespace, 'psa'::regnamespace) "
		"and has_function_privilege('drover_worker', oid, 'execute')", "(null)");
	CHECK_SQL(p.owner, "select string_agg(p.oid::regprocedure || ' ' || r.rolname, ', ') from pg_proc p, pg_roles r "
		"where p.pronamespace = 'drover'::regnamespace and p.prorettype = 'trigger'::regtype and not r.rolsuper and "
		"r.rolname !~ '^pg_' and has_function_privilege(r.oid, p.oid, 'execute') and r.oid <> p.proowner", "(null)");
}

/* ---- all grants ---- */

#define GRANTEE "coalesce(g.rolname, 'everybody')"
#define WHO "left join pg_roles g on g.oid = x.grantee"
#define OURS "relnamespace in ('public'::regnamespace, 'drover'::regnamespace) and x.grantee <> relowner"
#define IN_LINES(of) "select string_agg(line, E'\\n' order by line) from (" of ") l"

#define TABLE_GRANTS IN_LINES("select " GRANTEE " || ' ' || relname || ': ' || string_agg(x.privilege_type, ' ' " \
	"order by x.privilege_type) as line from pg_class, aclexplode(relacl) x " WHO " where " OURS " group by " \
	GRANTEE ", relname")
#define COLUMN_GRANTS IN_LINES("select " GRANTEE " || ' ' || relname || ' ' || x.privilege_type || ': ' || " \
	"string_agg(attname, ' ' order by attname) as line from pg_class c join pg_attribute a on attrelid = c.oid, " \
	"aclexplode(attacl) x " WHO \
	" where " OURS " group by " GRANTEE ", relname, x.privilege_type")
#define FUNCTION_GRANTS IN_LINES("select " GRANTEE " || ': ' || string_agg(proname, ' ' order by proname) as line " \
	"from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) x " WHO " where pronamespace = " \
	"'drover'::regnamespace and x.grantee <> proowner group by " GRANTEE)
#define APP_FUNCTION_GRANTS IN_LINES("select " GRANTEE " || ': ' || string_agg(proname, ' ' order by proname) as line " \
	"from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) x " WHO " where pronamespace = " \
	"'public'::regnamespace and x.grantee <> proowner and prosrc like '%drover.%' group by " GRANTEE)
#define SCHEMA_GRANTS "select string_agg(" GRANTEE " || ' ' || x.privilege_type, ', ' order by g.rolname) from " \
	"pg_namespace, aclexplode(nspacl) x " WHO " where nspname = 'drover' and x.grantee <> nspowner"

static void check_grants(struct arena *a, struct pg *owner)
{
	CHECK_SQL(owner, SCHEMA_GRANTS, "drover_worker USAGE");
	CHECK_SQL(owner, FUNCTION_GRANTS,
		"authenticated: approves session_open_to_me\n"
		"drover_worker: after_run broadcast budget_key budgets_of budgets_used caller can_broadcast cause "
		"check_approval claim clear_budget clear_limit close_proposals content_hash count_ahead "
		"count_ahead_fair count_running count_spending cron_field cron_next decide_proposal drop_void "
		"end_if_told end_request expire_proposals fair_candidates fence fence_to_end finish fire_schedule "
		"fire_schedules free_waiting give_room instant_text is_paused judge_budget last_seq lock_keys "
		"lock_limits lock_spending max_running open_places park_in_session parked_heads pause permit_key "
		"places_of prune queue_log rescue reserve resume retry retry_failed return_permits room running_under "
		"session_history session_recent set_budget set_limit spawn_children spend sweep_parked sweep_sessions "
		"tend_budgets today turn_tokens under_limits unpark_key unpark_sessions upkeep wait_for_people wake "
		"wall_instant why why_lanes why_limits why_no_worker why_people why_runs why_session why_state "
		"why_stops why_waits");
	CHECK_SQL(owner, APP_FUNCTION_GRANTS,
		"authenticated: answer_question approve_proposal cancel_request cancel_session queue_position "
		"reject_proposal retry_request\n"
		"service_role: answer_question approve_proposal cancel_request cancel_session queue_position "
		"reject_proposal retry_request");
	CHECK_SQL(owner, TABLE_GRANTS,
		"authenticated agent_logs: SELECT\n"
		"authenticated agent_requests: SELECT\n"
		"authenticated agent_sessions: SELECT\n"
		"authenticated agent_turns: SELECT\n"
		"authenticated change_proposals: SELECT\n"
		"authenticated tool_executions: SELECT\n"
		"drover_worker agent_logs: INSERT SELECT\n"
		"drover_worker agent_requests: SELECT\n"
		"drover_worker agent_sessions: SELECT\n"
		"drover_worker agent_turns: INSERT SELECT\n"
		"drover_worker budgets: DELETE INSERT SELECT UPDATE\n"
		"drover_worker cancels: DELETE INSERT SELECT\n"
		"drover_worker change_proposals: SELECT\n"
		"drover_worker counting: UPDATE\n"
		"drover_worker dead_letters: SELECT\n"
		"drover_worker lanes: DELETE INSERT SELECT UPDATE\n"
		"drover_worker limits: DELETE INSERT SELECT UPDATE\n"
		"drover_worker migrations: SELECT\n"
		"drover_worker permits: DELETE INSERT SELECT UPDATE\n"
		"drover_worker pruning: SELECT\n"
		"drover_worker reservations: DELETE INSERT SELECT UPDATE\n"
		"drover_worker returns: SELECT USAGE\n"
		"drover_worker schedules: SELECT\n"
		"drover_worker spending: DELETE INSERT SELECT UPDATE\n"
		"drover_worker spending_counted: DELETE INSERT SELECT UPDATE\n"
		"drover_worker tool_executions: INSERT SELECT\n"
		"drover_worker workers: DELETE INSERT SELECT UPDATE\n"
		"everybody asking: SELECT\n"
		"everybody waiting: SELECT\n"
		"service_role agent_logs: DELETE SELECT\n"
		"service_role agent_requests: DELETE INSERT SELECT UPDATE\n"
		"service_role agent_sessions: DELETE INSERT SELECT UPDATE\n"
		"service_role agent_turns: DELETE SELECT\n"
		"service_role change_proposals: DELETE SELECT\n"
		"service_role tool_executions: DELETE SELECT");
	CHECK_SQL(owner, COLUMN_GRANTS,
		"authenticated agent_requests INSERT: context dry_run idempotency_key priority request run_at "
		"session_id supersede_key type user_id workspace_id\n"
		"authenticated agent_sessions INSERT: id title user_id workspace_id\n"
		"authenticated agent_sessions UPDATE: status title\n"
		"drover_worker agent_requests INSERT: context depends_on dry_run idempotency_key parent_id phase "
		"priority request run_at session_id supersede_key type user_id waits_on workspace_id\n"
		"drover_worker agent_requests UPDATE: agents_involved attempt blocked_on cache_read_tokens "
		"cache_write_tokens cost_micros crashes error error_code finished_at input_tokens output_tokens phase "
		"processing_time_ms result run_at started_at status version waits_on worker_id\n"
		"drover_worker agent_sessions INSERT: id recent user_id workspace_id\n"
		"drover_worker agent_sessions UPDATE: last_activity_at recent\n"
		"drover_worker schedules UPDATE: last_at last_error last_request_id next_at retry_at\n"
		"drover_worker tool_executions UPDATE: duration_ms output started_at status");
}

LOOP_TEST(the_grants_are_these_and_no_others)
{
	PEOPLE;
	check_grants(a, p.owner);
	CHECK_SQL(p.owner, "select string_agg(relname, ' ') from pg_class where relkind = 'r' and relnamespace = "
		"'public'::regnamespace and not relrowsecurity", "(null)");
}

/* Supabase gives its three roles every right on what its postgres makes in public, owns schema auth itself, and its
 * postgres is no superuser. */
#define GIVE(kind) "alter default privileges for role host_postgres in schema public grant all on " kind \
	" to anon, authenticated, service_role; "
#define SUPABASE \
	"drop role if exists host_postgres, host_auth; create role host_auth; " \
	"create role host_postgres login createrole bypassrls password 'x'; " \
	"grant drover_worker to host_postgres with admin option; " \
	"grant anon, authenticated, service_role to host_postgres; create schema auth authorization host_auth; " \
	"grant usage on schema auth to anon, authenticated, service_role, host_postgres; " \
	"create function auth.uid() returns uuid language sql stable as $$ " \
	"select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$; " \
	"alter function auth.uid() owner to host_auth; alter schema public owner to host_postgres; " \
	GIVE("tables") GIVE("sequences") GIVE("functions")

static bool migrate_as_host(struct arena *a, struct people *p, struct err *e)
{
	struct migrate_report report;
	struct test_db roles;
	if (!test_db(a, &roles, e) || !test_db_empty(a, &p->db, e)) /* the roles exist once a database was migrated */
		return false;
	struct pg *admin = test_connect(a, p->db.owner_url, e);
	const char *sql = arena_printf(a, SUPABASE "alter database %s owner to host_postgres", p->db.name);
	const char *url = arena_printf(a, "postgresql://host_postgres:x%s", strchr(p->db.owner_url, '@'));
	if (!admin || !pg_script(admin, a, sql, deadline_in(RIGHTS_MS), NULL, e))
		return false;
	struct pg *host = test_connect(a, url, e);
	return host && migrate(host, migrations_all, NULL, deadline_in(RIGHTS_MS), &report, e) && people_enter(a, p, e);
}

LOOP_TEST(the_grants_are_the_same_where_the_host_grants_everything)
{
	struct people p = { 0 };
	REQUIRE_OK(migrate_as_host(a, &p, e));
	check_grants(a, p.owner);
	CHECK_SQL(p.a, ASK_KEY " returning user_id", USER_A);
	CHECK_SQL(p.a, ASK_KEY " returning id", "2");
	CHECK_SQL(p.b, "select count(*) from agent_requests", "0");
	CHECK_SQL(p.worker, "select string_agg(id || phase, ' ' order by id) from agent_requests", "1superseded 2ready");
	CHECK_SQL(p.server, "delete from agent_requests; select count(*) from agent_logs", "0");
	CHECK_REFUSED(p.anon, "select from agent_requests");
	CHECK_REFUSED(p.anon, "select setval('agent_requests_id_seq', 1)");
}
