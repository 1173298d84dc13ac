/* SPDX-License-Identifier: MIT */
/*
 * Plans of every statement of the queue, those inside its functions too, as auto_explain saw them
 * run: at no rows, many and very many, with statistics that fit and that do not, and behind a held
 * snapshot. Counts pages, not time. Speaks libpq itself: notices carry the plans.
 */
#include "loop.h"
#include "queue_sql.h"
#include "test_pg.h"
#include <libpq-fe.h>

#define LIVE "00000000-0000-4000-8000-000000000001"
#define BUSY "00000000-0000-4000-8000-000000000005"
#define DEAD "00000000-0000-4000-8000-000000000009"
#define DEEP "dddddddd-0000-4000-8000-00000000000d"

enum { SQL_MS = 120000, ARGS_MOST = 16, BATCH = 100 };
#ifdef __SANITIZE_ADDRESS__
enum { MANY = 400000 };
#else
enum { MANY = 1000000 };
#endif

/* The rows of the largest stage: TEST_PLANS_ROWS, or as many as the time of a test allows. */
static int64_t many(void)
{
	const char *text = getenv("TEST_PLANS_ROWS");
	int64_t n = MANY;
	return text && !str_to_i64(str_of(text), &n) ? MANY : n;
}

/* ---- what a statement did ---- */

struct watch {
	struct arena *a;
	PGconn *db;
	const char *name;
	int64_t pages, plans; /* pages of the outermost statement, which ends last */
	bool on, bad;
};

static int64_t number_of(const cJSON *node, const char *name)
{
	return json_i64(node, name, 0);
}

static bool is_big(const char *table)
{
	static const char *const big[] = { "agent_requests", "agent_logs", "agent_sessions", "agent_turns",
		"tool_executions" };
	for (size_t i = 0; table && i < COUNT(big); i++)
		if (strcmp(big[i], table) == 0)
			return true;
	return false;
}

/* What takes all rows, or throws most of what it read away. Who looks for one worker's requests
 * reads all that run. */
static const char *fault_of(const cJSON *node, const char *statement, bool stops)
{
	enum { MOST = 5000 };
	static const char *const by_worker[] = { "rescue", "give_back" };
	const char *type = json_text(node, "Node Type");
	int64_t loops = number_of(node, "Actual Loops"),
		dropped = loops * number_of(node, "Rows Removed by Filter");
	if (!type)
		return NULL;
	if (strcmp(type, "Seq Scan") == 0 && is_big(json_text(node, "Relation Name")))
		return "a sequential scan";
	for (size_t i = 0; i < COUNT(by_worker); i++)
		if (strcmp(by_worker[i], statement) == 0)
			return NULL;
	/* above all a hashed subplan, which fills itself where one look was meant */
	int64_t seen = dropped + loops * number_of(node, "Actual Rows");
	if (!stops && seen > MOST / 5 && strncmp(type, "Index", 5) == 0 && !json_get(node, "Index Cond") &&
		is_big(json_text(node, "Relation Name")))
		return "a walk through a whole index";
	if (strstr(type, "Sort") &&
		loops * number_of(cJSON_GetArrayItem(json_get(node, "Plans"), 0), "Actual Rows") > MOST)
		return "a sort of thousands";
	return dropped > MOST ? "a filter that drops thousands" : NULL;
}

/* stops: somebody above takes only the first rows. */
static void check_node(struct watch *w, const cJSON *node, const char *query, bool stops)
{
	const cJSON *child;
	const char *type = json_text(node, "Node Type"), *role = json_text(node, "Parent Relationship");
	stops |= (type && strcmp(type, "Limit") == 0) || (role && strcmp(role, "InitPlan") == 0);
	const char *fault = fault_of(node, w->name, stops);
	if (fault) {
		printf("    %s: %s on %s (%s), %ld rows dropped, in\n    %.400s\n", w->name, fault,
			json_text(node, "Relation Name"), json_text(node, "Index Name"),
			(long)number_of(node, "Rows Removed by Filter"), query);
		w->bad = true;
	}
	json_each (child, json_get(node, "Plans"))
		check_node(w, child, query, stops);
}

static void on_notice(void *arg, const PGresult *result)
{
	struct watch *w = arg;
	struct err e = { 0 };
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
		   *json = text ? strchr(text, '{') : NULL;
	if (!w->on || !json || strncmp(text, "duration:", 9) != 0)
		return;
	const cJSON *all = json_parse(w->a, str_of(json), &e), *plan = json_get(all, "Plan");
	w->bad |= !CHECK(plan);
	w->plans++;
	w->pages = number_of(plan, "Shared Hit Blocks") + number_of(plan, "Shared Read Blocks");
	check_node(w, plan, json_text(all, "Query Text"), false);
}

static PGresult *ran(PGresult *r, const char *what)
{
	ExecStatusType status = PQresultStatus(r);
	if (!CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK))
		printf("    %.200s: %s\n", what, PQresultErrorMessage(r));
	return r;
}

static void do_sql(struct watch *w, const char *sql)
{
	PQclear(ran(PQexec(w->db, sql), sql));
}

static void watch_end(void *arg)
{
	PQfinish(arg);
}

/* As the worker: with its role's rights and settings. auto_explain needs the superuser who lends
 * the connection. */
static struct watch *watch_start(struct arena *a, const struct test_db *t)
{
	struct watch *w = arena_alloc(a, sizeof(*w));
	*w = (struct watch){ .a = a, .db = PQconnectdb(t->owner_url), .name = "" };
	arena_defer(a, watch_end, w->db);
	PQsetNoticeReceiver(w->db, on_notice, w);
	do_sql(w, "load 'auto_explain'; set auto_explain.log_min_duration = 0; set "
		  "auto_explain.log_analyze = on;"
		  "set auto_explain.log_buffers = on; set auto_explain.log_timing = off; set "
		  "auto_explain.log_format = json;"
		  "set auto_explain.log_nested_statements = on; set auto_explain.log_level = notice;"
		  "select set_config(split_part(c, '=', 1), split_part(c, '=', 2), false) from "
		  "pg_db_role_setting s, unnest(s.setconfig) c "
		  "where s.setrole = 'drover_worker'::regrole;"
		  "set role drover_worker");
	return w;
}

/* ---- the statements ---- */

struct probe {
	const struct sql *q;
	const char *name;    /* when it is not the statement's */
	const char *before;  /* in the same transaction, which is rolled back; as superuser */
	const char *args;    /* a query whose columns are the arguments */
	int units;           /* requests in a batch */
	int64_t each, fixed; /* pages: at most fixed + each * units */
	bool counts_running; /* and one or two for all that run */
};

#define SOME_RUNNING                                                                                               \
	"(select id, version from public.agent_requests where status = 'processing' and phase = "                  \
	"'running' and "                                                                                           \
	"type = 'limited' order by session_id limit 100) r"
#define ONE_RUNNING                                                                                                \
	"(select id, version from public.agent_requests where status = 'processing' and phase = "                  \
	"'running' "                                                                                               \
	"order by session_id limit 1) r right join (values (1)) v on true"
#define CLAIM_OF(defaults, fair) "select '" LIVE "', '100', '0', '0', '" defaults "', '" fair "', null"
#define ONE_OF(phase)                                                                                              \
	"select id from (select id from public.agent_requests where phase = '" phase "' order by id limit 1) r "   \
	"right join (values (1)) v on true"
#define TEXTS(text) "array_agg(" text " order by id)"

static const struct probe probes[] = {
	{ &sql_enqueue, .args = "select gen_random_uuid(), null, 'quotes', 'x', '{}', '100', 'f'", .units = 1,
		.fixed = 400 },
	{ &sql_claim, .args = CLAIM_OF("{}", "f"), .units = BATCH, .each = 80, .fixed = 200 },
	{ &sql_claim, "claim, fair", .args = CLAIM_OF("{}", "t"), .units = BATCH, .each = 80, .fixed = 4000 },
	{ &sql_claim, "claim, limits",
		.args = CLAIM_OF("{\"all\": 900000, \"type\": 900000, \"workspace\": 900000, "
				 "\"user\": 900000}",
			"f"),
		.units = BATCH, .each = 100, .fixed = 4000 },
	{ &sql_claim, "claim, a limit of many",
		"update public.agent_requests set priority = 0, type = 'limited' where id in "
		"(select id from "
		"public.agent_requests where phase = 'ready' order by priority, id limit 100)",
		CLAIM_OF("{}", "f"), BATCH, 100, 4000, true },
	{ &sql_claim, "claim, a deep session",
		"update public.agent_requests set priority = 0 where session_id = '" DEEP
		"' and status = 'queued' and parent_id is null and phase = 'ready'",
		CLAIM_OF("{}", "f"), BATCH, 80, 400 },
	{ &sql_finish,
		.args = "select array_agg(id order by id), " TEXTS("version") ", " TEXTS(
			"'complete"
			"d'::text") ", " TEXTS("'completed'::text") ", " TEXTS("'{\"answer\": 1}'::text") ","
													  " " TEXTS("null::text") ", " TEXTS("null::text") ", " TEXTS("'quotes'::text") ","
																							" " TEXTS("1") ", " TEXTS("1") ", " TEXTS(
																								"1") ", " TEXTS("1") " from " SOME_RUNNING,
		.units = BATCH, .each = 100, .fixed = 400 },
	{ &sql_log_append,
		.args = "select array_agg(id order by id), " TEXTS("version") ", " TEXTS("id") ", " TEXTS("1000") ", " TEXTS(
			"'quotes'::text") ", " TEXTS("'text'::"
						     "text") ","
							     " " TEXTS("'a thought'::text") ", " TEXTS(
								     "null::text") " from " SOME_RUNNING,
		.units = BATCH, .each = 40, .fixed = 200 },
	{ &sql_fence_many, .args = "select array_agg(id order by id), " TEXTS("version") " from " SOME_RUNNING,
		.units = BATCH, .each = 20, .fixed = 200 },
	{ &sql_fence, .args = "select id, version from " ONE_RUNNING, .units = 1, .fixed = 400 },
	{ &sql_worker_heartbeat, .args = "select '" LIVE "', '60000', '1', '1', '1', 'f'", .units = 1,
		.fixed = 400 },
	{ &sql_worker_heartbeat, "heartbeat, one to stop",
		"insert into drover.cancels (request_id, phase, code, why) select r.id, 'cancelled', 'cancelled', 'x' from "
		"public.agent_requests r where r.worker_id = '" LIVE "' and r.status = 'processing' limit 1",
		"select '" LIVE "', '60000', '1', '1', '1', 'f'", 1, 0, 400, false },
	{ &sql_worker_wants_wake, .args = "select '" LIVE "', 't'", .units = 1, .fixed = 400 },
	{ &sql_worker_register, .args = "select gen_random_uuid(), 'box', '7', '0', '5', '60000'", .units = 1,
		.fixed = 400 },
	{ &sql_worker_alone, .args = "select '" LIVE "'", .units = 1, .fixed = 400 },
	{ &sql_worker_lost, .args = "select '" LIVE "'", .units = 1, .fixed = 400 },
	{ &sql_worker_leave, .args = "select '" LIVE "'", .units = 1, .fixed = 400 },
	{ &sql_give_back, .args = "select '" LIVE "', '{}'", .units = BATCH, .each = 100, .fixed = 1000,
		.counts_running = true },
	{ &sql_upkeep, .args = "select '1000', '', '00000000-0000-0000-0000-000000000000', '{}'", .units = 1000,
		.each = 80, .fixed = 4000 },
	{ &sql_rescue, .args = "select '3', '3', '1000'", .units = BATCH, .each = 200, .fixed = 2000,
		.counts_running = true },
	{ &sql_cancel, "cancel, ready", .args = ONE_OF("ready"), .units = 1, .fixed = 400 },
	{ &sql_cancel, "cancel, running", .args = ONE_OF("running"), .units = 1, .fixed = 400 },
	{ &sql_release, .args = "select id, version, '1', '1', '1', '1' from " ONE_RUNNING, .units = 1,
		.fixed = 400 },
	{ &sql_retry_later,
		.args = "select id, version, '1000', 'busy', 'busy', '1', '1', '1', '1', 'f' "
			"from " ONE_RUNNING,
		.units = 1, .fixed = 400 },
	{ &sql_wait_for_children, .args = "select id, version, 'quotes', '1', '1', '1', '1' from " ONE_RUNNING,
		.units = 1, .fixed = 400 },
	{ &sql_spawn_children,
		.args = "select id, version, '[{\"type\": \"quotes\", \"request\": \"x\"}]' "
			"from " ONE_RUNNING,
		.units = 1, .fixed = 400 },
	{ &sql_wait_for_people,
		.args = "select id, version, 'quotes', '[{\"tool_call_id\": \"a\", \"tool_name\": \"t\", \"kind\": \"approval\", "
			"\"input\": {}, \"expire_ms\": 60000}]' from " ONE_RUNNING,
		.units = 1, .fixed = 600 },
	{ &sql_expire_proposals,
		.before = "insert into public.change_proposals (request_id, session_id, tool_call_id, tool_name, kind, input, content_hash, "
			"expires_at) select r.id, r.session_id, 'a', 't', 'approval', '{}', 'x', now() from public.agent_requests r "
			"where r.status = 'processing' order by r.id limit 100",
		.args = "select '1000'", .units = BATCH, .each = 100, .fixed = 400 },
	{ &sql_broadcast,
		.before = "create schema realtime; create function realtime.send(jsonb, text, text, boolean) returns void "
			"language sql as 'select'; grant usage on schema realtime to public",
		.args = "select array_agg(id order by id), " TEXTS("1") ", " TEXTS("1000") " from " SOME_RUNNING,
		.units = BATCH, .each = 40, .fixed = 400 },
	{ &sql_after_run, .args = ONE_OF("running"), .units = 1, .fixed = 400 },
	{ &sql_retry, .args = ONE_OF("failed"), .units = 1, .fixed = 400 },
	{ &sql_schedules_fire, .args = "select '100'", .units = 1, .fixed = 400 },
	{ &sql_prune, .args = "select '86400000', '86400000', '86400000', '86400000', 'f', '250', '5000'",
		.units = 250, .each = 200, .fixed = 2000 },
};

/* The arguments; NULL when there is nothing that the statement could act on. */
static PGresult *arguments(struct watch *w, const struct probe *p)
{
	PGresult *r = ran(PQexec(w->db, p->args), p->args);
	if (PQntuples(r) == 1 && !PQgetisnull(r, 0, 0) && CHECK_EQ_I(PQnfields(r), p->q->n_params))
		return r;
	PQclear(r);
	return NULL;
}

static void execute(struct watch *w, const struct probe *p, PGresult *args)
{
	const char *values[ARGS_MOST];
	for (int i = 0; i < p->q->n_params; i++)
		values[i] = PQgetisnull(args, 0, i) ? NULL : PQgetvalue(args, 0, i);
	PGresult *known = PQdescribePrepared(w->db, p->q->name);
	if (PQresultStatus(known) != PGRES_COMMAND_OK)
		do_sql(w, "rollback; begin"),
			PQclear(ran(PQprepare(w->db, p->q->name, p->q->text, p->q->n_params, NULL), p->q->path));
	PQclear(known);
	if (p->before) {
		do_sql(w, "reset role");
		do_sql(w, p->before);
		do_sql(w, "set role drover_worker");
	}
	w->pages = w->plans = 0;
	w->on = true;
	PQclear(ran(PQexecPrepared(w->db, p->q->name, p->q->n_params, values, NULL, NULL, 0), p->q->path));
	do_sql(w, "rollback"); /* a select's plan comes when its portal is dropped */
	w->on = false;
}

static int64_t ask(struct watch *w, const char *sql)
{
	int64_t n = 0;
	PGresult *r = ran(PQexec(w->db, sql), sql);
	if (PQntuples(r) == 1)
		str_to_i64(str_of(PQgetvalue(r, 0, 0)), &n);
	PQclear(r);
	return n;
}

/* Pages that it touched; -1 = there was nothing to act on. */
static int64_t run_probe(struct watch *w, const struct probe *p)
{
	w->name = p->name ? p->name : p->q->name;
	w->bad = false;
	PGresult *args = arguments(w, p);
	if (!args)
		return -1;
	do_sql(w, "begin");
	execute(w, p, args);
	PQclear(args);
	CHECK(w->plans > 0 && !w->bad);
	return w->pages;
}

/* The bound is the same at every stage: it does not grow with the table. */
static size_t run_probes(struct watch *w, const char *stage)
{
	int64_t running = ask(w, "select count(*) from public.agent_requests where status = 'processing'");
	size_t n = 0;
	printf("    %s:\n", stage);
	for (size_t i = 0; i < COUNT(probes); i++) {
		const struct probe *p = &probes[i];
		int64_t pages = run_probe(w, p),
			most = p->fixed + p->each * p->units + (p->counts_running ? 2 * running : 0);
		if (pages < 0)
			continue;
		n++;
		printf("      %-24s %6ld pages, at most %ld\n", w->name, (long)pages, (long)most);
		if (!CHECK(pages <= most))
			printf("    %s\n", w->name);
	}
	return n;
}

TEST(every_statement_of_the_queue_is_among_the_probes)
{
	for (const struct sql *const *q = queue_sql_all; *q; q++) {
		bool found = !(*q)->n_params; /* such a one asks of no request */
		for (size_t i = 0; i < COUNT(probes); i++)
			found |= probes[i].q == *q;
		if (!CHECK(found))
			printf("    %s\n", (*q)->path);
	}
}

/* ---- the tables ---- */

/* Of each 1000: 50 run, 10 of them under a limit that others are parked for; 5 are parked behind
 * some of these; 50 are ready, 20 parked in one deep session, 20 under the limit, 20 not due, 10
 * between attempts, 1 parent with 2 children; the rest has ended. Without triggers. */
#define SESSION_OF(i) "('00000000-0000-4000-8000-' || lpad(to_hex(" i "), 12, '0'))::uuid"
#define FILL \
	"set session_replication_role = replica; " \
	"insert into agent_requests (session_id, workspace_id, user_id, type, request, status, phase, blocked_on, priority, " \
	"run_at, version, attempt, worker_id, created_at, started_at, finished_at, error_code) " \
	"select case when k between 50 and 54 then " SESSION_OF("i - 50") " when k between 105 and 124 then '" DEEP \
	"' else " SESSION_OF("i") " end, " SESSION_OF("i %% 97") ", " SESSION_OF("i %% 1009") ", " \
	"case when k < 10 or k between 125 and 144 then 'limited' else 'quotes' end, 'x', " \
	"case when k < 50 then 'processing' when k < 175 then 'queued' when k %% 10 = 0 then 'failed' else 'completed' end, " \
	"case when k < 50 then 'running' when k < 55 then 'blocked' when k < 105 then 'ready' when k < 145 then 'blocked' " \
	"when k < 165 then 'scheduled' when k < 175 then 'retry_wait' when k %% 10 = 0 then 'failed' else 'completed' end, " \
	"case when k between 50 and 54 or k between 105 and 124 then 'session' " \
	"when k between 125 and 144 then 'type:limited' end, " \
	"i %% 3, case when k between 145 and 174 then now() + (i %% 5000 - 100) * interval '1 minute' end, " \
	"(k < 50 or k >= 175)::integer, (k < 50 or k >= 175)::integer, case when k < 50 then ('" BUSY "')::uuid end, " \
	"now() - interval '2 days', case when k < 50 or k >= 175 then now() - interval '1 hour' end, " \
	"case when k >= 175 then now() - interval '2 days' + i * interval '0.1 seconds' end, " \
	"case when k >= 175 and k %% 10 = 0 then 'broken' end " \
	"from (select i, i %% 1000 as k from generate_series(%ld, %ld) i) g; " \
	"insert into drover.permits (key, request_id, version) select 'type:limited', r.id, r.version from agent_requests r " \
	"where r.status = 'processing' and r.type = 'limited' on conflict do nothing; " \
	"update agent_requests r set worker_id = case when w.nth > 100 then '" LIVE "' else '" DEAD "' end::uuid from (" \
	"select id, row_number() over (order by id desc) as nth from agent_requests where status = 'processing' and " \
	"worker_id = '" BUSY "' order by id desc limit 200) w where r.id = w.id; " \
	"create temp table new on commit drop as select r.* from agent_requests r where r.version > 0 and r.id %% 10 = 0 " \
	"and r.id > %ld; " \
	"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, message) " \
	"select session_id, id, s, 1, 'quotes', 'text', 'x' from new, generate_series(1, 4) s; " \
	"insert into agent_turns (session_id, request_id, attempt, sequence_number, role, content_type, block) " \
	"select session_id, id, 1, 1, 'assistant', 'text', '{}' from new; " \
	"insert into tool_executions (session_id, request_id, tool_call_id, tool_name, status, attempt, duration_ms) " \
	"select session_id, id, 'c', 'tool', 'done', 1, 1 from new; " \
	"set session_replication_role = origin"
#define WORKERS                                                                                                    \
	"insert into drover.workers (id, host, pid, version, slots, lease_until) values ('" LIVE                   \
	"', 'box', 1, '0', 100, "                                                                                  \
	"now() + interval '1 day'), ('" BUSY "', 'box', 3, '0', 100000, now() + interval '1 day'), ('" DEAD        \
	"', 'box', 2, '0', 100, now() - interval '1 hour') on conflict do nothing; "                               \
	"insert into drover.workers (id, host, pid, version, slots, lease_until) select "                          \
	"gen_random_uuid(), 'box', i, '0', 100, "                                                                  \
	"now() + interval '1 day' from generate_series(3, 50) i; insert into drover.limits "                       \
	"(scope, key, max_running) values ('type', 'limited', 1000000)"
/* Some heads of the deep session that no claim has seen yet. */
#define DEEP_HEADS                                                                                                 \
	"update agent_requests set phase = 'ready', blocked_on = null where id in (select id "                     \
	"from agent_requests where "                                                                               \
	"session_id = '" DEEP "' and phase = 'blocked' order by id desc limit 300)"
#define NEVER_BY_ITSELF "alter system set autovacuum = off; select pg_reload_conf()"

struct ground {
	struct test_db db;
	struct pg *owner;
	int64_t rows;
};

static bool owner_does(struct ground *g, struct arena *a, const char *sql, struct err *e)
{
	return pg_script(g->owner, a, sql, deadline_in(SQL_MS), NULL, e);
}

static bool fill(struct ground *g, struct arena *a, int64_t rows, struct err *e)
{
	const char *sql = arena_printf(a, FILL, (long)g->rows, (long)rows - 1, (long)g->rows);
	g->rows = rows;
	return owner_does(g, a, sql, e);
}

static bool open_ground(struct ground *g, struct arena *a, struct err *e)
{
	*g = (struct ground){ 0 };
	return test_db(a, &g->db, e) && (g->owner = test_connect(a, g->db.owner_url, e)) &&
	       owner_does(g, a, "alter system set autovacuum = off", e) &&
	       owner_does(g, a, "select pg_reload_conf()", e) && owner_does(g, a, WORKERS, e);
}

#define ANALYZE                                                                                                    \
	"analyze agent_requests, agent_logs, agent_sessions, agent_turns, tool_executions, drover.workers, drover.permits, "                     \
	"drover.limits, drover.cancels"

LOOP_TEST(plans_and_pages_do_not_depend_on_the_number_of_rows_nor_on_statistics)
{
	struct ground g;
	REQUIRE_OK(open_ground(&g, a, e));
	REQUIRE_OK(owner_does(&g, a, ANALYZE, e));
	struct watch *old = watch_start(a, &g.db);
	CHECK(run_probes(old, "no rows") >= 10);
	REQUIRE_OK(fill(&g, a, many() / 5, e));
	REQUIRE_OK(owner_does(&g, a, DEEP_HEADS, e));
	CHECK_EQ_I(run_probes(old, "a fifth of the rows, statistics and plans of none"), COUNT(probes));
	CHECK_EQ_I(run_probes(watch_start(a, &g.db), "the same, new plans"), COUNT(probes));
	REQUIRE_OK(owner_does(&g, a, ANALYZE, e));
	CHECK_EQ_I(run_probes(old, "the same, fresh statistics"), COUNT(probes));
	REQUIRE_OK(fill(&g, a, many(), e));
	CHECK_EQ_I(run_probes(watch_start(a, &g.db), "all rows, statistics of a fifth"), COUNT(probes));
	REQUIRE_OK(owner_does(&g, a, ANALYZE, e));
	CHECK_EQ_I(run_probes(watch_start(a, &g.db), "all rows, fresh statistics"), COUNT(probes));
	REQUIRE_OK(owner_does(&g, a, "truncate agent_requests, agent_logs, agent_turns, tool_executions, drover.permits", e));
	CHECK(run_probes(watch_start(a, &g.db), "no rows, statistics of all") >= 10);
	g.rows = 0;
	REQUIRE_OK(fill(&g, a, many() / 20, e));
	REQUIRE_OK(owner_does(&g, a, DEEP_HEADS, e));
	CHECK_EQ_I(run_probes(watch_start(a, &g.db), "a twentieth of the rows, statistics of all"), COUNT(probes));
}

/* ---- behind a held snapshot ---- */

/* Nothing that died is removed, and no entry of an index is marked as dead, while an older
 * transaction stays open. */
enum { HELD_CLAIMS = MANY / 20, LEFT = 2000, LAG = 1000 };
#define READY                                                                                                      \
	"insert into agent_requests (type, request) select 'quotes', 'x' from generate_series(1, "                 \
	"%d)"
/* As the worker does it: the floor is a place that was claimed some time ago. */
#define CLAIM_MANY                                                                                                 \
	"do $$ declare c record; n integer := 100; below bigint := 0; begin for i in 1 .. %d / "                   \
	"100 loop "                                                                                                \
	"select array_agg(k.id order by k.id) as ids, array_agg(k.version order by k.id) as "                      \
	"versions into c "                                                                                         \
	"from drover.claim('" LIVE "', 100, 100, below, '{}', false, null) k; "                                    \
	"n := cardinality(c.ids); below := greatest(c.ids[n] - %d, 0); "                                           \
	"perform drover.finish(c.ids, c.versions, array_fill('completed'::text, array[n]), "                       \
	"array_fill('completed'::text, array[n]), "                                                                \
	"array_fill('{}'::text, array[n]), array_fill(null::text, array[n]), "                                     \
	"array_fill(null::text, array[n]), "                                                                       \
	"array_fill('quotes'::text, array[n]), array_fill(1::bigint, array[n]), "                                  \
	"array_fill(1::bigint, array[n]), "                                                                        \
	"array_fill(1::bigint, array[n]), array_fill(1::bigint, array[n])); commit; end loop; "                    \
	"end $$"
#define CLAIM_FROM(floor) "select '" LIVE "', '100', '100', " floor "::text, '{}', 'f', null"
#define FIRST_READY "(select min(id) from public.agent_requests where phase = 'ready')"
#define NEWEST "(select max(id) from public.agent_requests)"

static int64_t claim_pages(struct watch *w, const char *what, const char *args)
{
	struct probe p = { &sql_claim, what, NULL, args, BATCH, 0, 0, false };
	int64_t pages = run_probe(w, &p);
	printf("      %-40s %6ld pages\n", what, (long)pages);
	return pages;
}

LOOP_TEST(a_held_snapshot_costs_a_claim_with_a_floor_little)
{
	struct ground g;
	REQUIRE_OK(open_ground(&g, a, e));
	REQUIRE_OK(owner_does(&g, a, arena_printf(a, READY, HELD_CLAIMS + LEFT), e));
	REQUIRE_OK(owner_does(&g, a, ANALYZE, e));
	struct watch *w = watch_start(a, &g.db);
	struct pg *holder = test_connect(a, g.db.owner_url, e);
	CHECK_SQL(holder,
		"begin isolation level repeatable read; select count(*) from agent_requests where "
		"phase = 'ready'",
		arena_printf(a, "%d", HELD_CLAIMS + LEFT));
	REQUIRE_OK(owner_does(&g, a, arena_printf(a, CLAIM_MANY, HELD_CLAIMS, LAG), e));
	CHECK_SQL(g.owner, "select count(*) from agent_requests where phase = 'completed'",
		arena_printf(a, "%d", HELD_CLAIMS));
	CHECK(claim_pages(w, "claim of 100 with a floor", CLAIM_FROM("(" FIRST_READY " - 1000)")) <=
		80 * BATCH + LAG + 200);
	claim_pages(w, "without a floor, for the record", CLAIM_FROM("0"));
	REQUIRE_OK(owner_does(&g, a, arena_printf(a, CLAIM_MANY, LEFT, LAG), e));
	CHECK(claim_pages(w, "claim of none with a floor", CLAIM_FROM("(" NEWEST " - 1000)")) <= 2 * LAG + 200);
	int64_t without = claim_pages(w, "of none without a floor, for the record", CLAIM_FROM("0"));
	CHECK_SQL(holder, "commit", "(null)");
	claim_pages(w, "the first after the snapshot", CLAIM_FROM("0"));
	int64_t after = claim_pages(w, "the next", CLAIM_FROM("0"));
	CHECK(after <= 500);
	CHECK(without > after + 500); /* the snapshot was held indeed */
}
