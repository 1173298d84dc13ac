/* SPDX-License-Identifier: MIT */
/* Pruning and archiving: what goes, what stays, in how large steps; and each alarm of status, raised by what it is
 * for. */
#include "commands_sql.h"
#include "json.h"
#include "loop.h"
#include "prune.h"
#include "queue_case.h"
#include "shell.h"
#include "status_alarms.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)

static const struct queue_retention usual = {
	.completed_ms = 30 * DAY_MS, .failed_ms = 90 * DAY_MS, .cancelled_ms = 30 * DAY_MS, .logs_ms = 7 * DAY_MS
};

/* A request that ended so many days ago, with two log rows, a turn and a tool's row. Its id is given. */
#define ENDED(id, phase, days) ENDED_CHILD(id, "null", phase, days)
#define ENDED_CHILD(id, parent, phase, days) \
	"insert into agent_requests (id, parent_id, type, request, session_id, status, phase, created_at, " \
	"finished_at) " \
	"overriding system value values (" #id ", " parent ", 'quotes', 'x', '" SESSION_A "', case '" phase \
	"' when 'completed' " \
	"then 'completed' when 'running' then 'processing' else 'failed' end, '" phase "', " \
	"now() - interval '" #days " days', case when '" phase "' <> 'running' then now() - interval '" #days \
	" days' end);" \
	"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, timestamp) select " \
	"'" SESSION_A "', " #id ", n, 1, 'quotes', 'text', now() - interval '" #days \
	" days' from generate_series(1, 2) n;" \
	"insert into agent_sessions (id) values ('" SESSION_A "') on conflict do nothing;" \
	"insert into agent_turns (request_id, session_id, attempt, sequence_number, role, content_type, block) " \
	"values (" #id ", '" SESSION_A "', 1, 1, 'assistant', 'text', '{}');" \
	"insert into tool_executions (request_id, session_id, tool_call_id, tool_name, status, attempt, duration_ms) " \
	"values (" #id ", '" SESSION_A "', 'c', 't', 'done', 1, 1);"

struct yard {
	struct test_db db;
	struct pg *owner, *worker;
};

static bool yard_open(struct arena *a, struct yard *y, const char *sql, struct err *e)
{
	return test_db(a, &y->db, e) && (y->owner = test_connect(a, y->db.owner_url, e)) &&
		(y->worker = test_connect(a, y->db.worker_url, e)) &&
		pg_script(y->owner, a, sql, deadline_in(CASE_MS), NULL, e);
}
#define YARD(sql) \
	struct yard y; \
	REQUIRE_OK(yard_open(a, &y, sql, e))

/* "pruned 3", "pruned 500 more", or the error. */
static const char *prune(struct arena *a, struct yard *y, const struct queue_retention *r)
{
	struct err e = { 0 };
	int64_t pruned;
	bool more;
	if (!queue_prune(y->worker, a, r, deadline_in(CASE_MS), &pruned, &more, &e))
		return arena_text(a, str_of(e.msg));
	return arena_printf(a, "pruned %ld%s", (long)pruned, more ? " more" : "");
}

static void next_pass(struct yard *y, struct arena *a)
{
	CHECK_SQL(y->owner,
		"update drover.pruning set pass_began_at = pass_began_at - interval '2 days', "
		"done_at = done_at - interval '1 day'",
		"(null)");
}

#define IDS "select string_agg(id::text, ',' order by id) from agent_requests"

/* ---- what goes ---- */

LOOP_TEST(what_ended_long_ago_goes_by_how_it_ended)
{
	YARD(ENDED(1, "completed", 31) ENDED(2, "completed", 29) ENDED(3, "failed", 89) ENDED(4, "failed", 91)
			ENDED(5, "cancelled", 31) ENDED(6, "superseded", 31) ENDED(7, "running", 400) ENDED(8, "completed", 1));
	struct queue_retention r = usual;
	r.logs_ms = 0;
	CHECK_EQ_S(prune(a, &y, &r), "pruned 4");
	CHECK_SQL(y.owner, IDS, "2,3,7,8");
	CHECK_SQL(y.owner, "select string_agg(distinct request_id::text, ',') from agent_logs", "2,3,7,8");
	CHECK_SQL(y.owner, "select string_agg(distinct request_id::text, ',') from agent_turns", "2,3,7,8");
	CHECK_SQL(y.owner, "select string_agg(distinct request_id::text, ',') from tool_executions", "2,3,7,8");
	CHECK_SQL(y.owner, "select count(*) from drover.archived_requests", "0");
}

LOOP_TEST(zero_keeps_for_ever)
{
	YARD(ENDED(1, "completed", 4000) ENDED(2, "failed", 4000) ENDED(3, "cancelled", 4000));
	CHECK_EQ_S(prune(a, &y, &(struct queue_retention){ .archive = true }), "pruned 0");
	CHECK_SQL(y.owner, "select sum(place) + sum(pruned) from drover.pruning", "0");
	CHECK_EQ_S(prune(a, &y, &(struct queue_retention){ .cancelled_ms = DAY_MS }), "pruned 1");
	CHECK_SQL(y.owner, IDS, "1,2");
	CHECK_SQL(y.owner, "select count(*) from agent_logs", "4");
}

LOOP_TEST(a_tree_goes_as_a_whole_when_all_of_it_has_ended)
{
	YARD(ENDED(1, "completed", 40) ENDED_CHILD(2, "1", "completed", 40) ENDED_CHILD(3, "2", "failed", 40)
			ENDED(4, "running", 40) ENDED_CHILD(5, "4", "completed", 40) ENDED(6, "cancelled", 40)
				ENDED_CHILD(7, "6", "running", 40) ENDED(8, "completed", 2) ENDED_CHILD(9, "8", "completed", 40));
	CHECK_EQ_S(test_ask(a, y.owner, "update agent_requests set phase = 'waiting_children' where id = 4"), "(null)");
	struct queue_retention r = usual;
	r.logs_ms = 0;
	CHECK_EQ_S(prune(a, &y, &r), "pruned 3");
	CHECK_SQL(y.owner, IDS, "4,5,6,7,8,9");
	CHECK_SQL(y.owner, "select count(*) from agent_logs where request_id in (1, 2, 3)", "0");
	CHECK_SQL(y.owner, "select phase || waits_on from agent_requests where id = 4", "waiting_children0");
}

LOOP_TEST(an_archived_request_is_the_same_with_every_column)
{
	YARD(ENDED(1, "completed", 31) ENDED_CHILD(2, "1", "failed", 31) ENDED(3, "completed", 3));
	struct queue_retention r = usual;
	r.archive = true;
	CHECK_EQ_S(test_ask(a, y.owner,
				   "update agent_requests set result = '{\"answer\": \"forty\"}', context = '{\"k\": 1}', "
				   "supersede_key = 'k', input_tokens = 7 where id = 1; create table was as select id, to_jsonb(r) "
				   "as row from agent_requests r"),
		"(null)");
	CHECK_EQ_S(prune(a, &y, &r), "pruned 5"); /* three log rows by age, the fourth with its request */
	CHECK_SQL(y.owner,
		"select string_agg(w.id || ' ' || (to_jsonb(r) - 'archived_at' = w.row), ',' order by w.id) from was w "
		"join "
		"drover.archived_requests r using (id) where r.archived_at > now() - interval '1 minute'",
		"1 true,2 true");
	CHECK_SQL(y.owner, IDS, "3");
}

/* archive: insert ... select now(), r.* */
LOOP_TEST(the_archive_has_the_columns_of_agent_requests_in_their_order)
{
	YARD("select 1");
#define COLUMNS \
	"select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) from " \
	"pg_attribute " \
	"where attnum > 0 and not attisdropped and attname <> 'archived_at' and attrelid = "
	const char *want = test_ask(a, y.owner, COLUMNS "'public.agent_requests'::regclass");
	CHECK(strlen(want) > 100);
	CHECK_SQL(y.owner, COLUMNS "'drover.archived_requests'::regclass", want);
}

/* ---- logs before their request ---- */

LOOP_TEST(logs_go_first_but_not_of_what_is_open)
{
	YARD(ENDED(1, "completed", 8) ENDED(2, "completed", 6) ENDED(3, "running", 8) ENDED(4, "cancelled", 8));
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 3"); /* a cancelled one may be retried: its last row stays */
	CHECK_SQL(y.owner, IDS, "1,2,3,4");
	CHECK_SQL(y.owner, "select string_agg(request_id || '/' || seq, ',' order by request_id, seq) from agent_logs",
		"2/1,2/2,3/1,3/2,4/2");
	CHECK_SQL(y.owner, "select drover.last_seq(4)", "2");
}

/* ---- how it goes ---- */

LOOP_TEST(a_step_is_bounded_and_the_next_goes_on_from_there)
{
	YARD("insert into agent_requests (type, request, status, phase, created_at, finished_at) select 'quotes', 'x', "
		 "'completed', "
		 "'completed', now() - interval '40 d', now() - interval '40 d' from generate_series(1, 1200)");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 500 more");
	CHECK_SQL(y.owner,
		"select min(id) || ' ' || (select place from drover.pruning where task = 'requests') from agent_requests",
		"501 500");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 500 more");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 200");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 0");
	CHECK_SQL(y.owner,
		"select pruned || ' ' || (done_at >= pass_began_at) from drover.pruning where task = 'requests'",
		"1200 true");
}

LOOP_TEST(a_request_with_many_logs_goes_in_several_steps)
{
	YARD(ENDED(1, "completed", 40) ENDED(2, "completed",
		40) "insert into agent_logs (session_id, request_id, seq, attempt, agent_name, "
			"kind) select '" SESSION_A "', 1, n, 1, 'quotes', 'text' from generate_series(3, 2500) n");
	struct queue_retention r = usual;
	r.logs_ms = 0;
	CHECK_EQ_S(prune(a, &y, &r), "pruned 0 more");
	CHECK_SQL(y.owner, "select count(*) from agent_logs where request_id = 1", "1500");
	CHECK_EQ_S(prune(a, &y, &r), "pruned 0 more");
	CHECK_EQ_S(prune(a, &y, &r), "pruned 2");
	CHECK_SQL(y.owner, "select count(*) from agent_logs", "0");
}

LOOP_TEST(a_step_weighs_what_goes_with_its_requests)
{
	YARD("insert into agent_sessions (id) values ('" SESSION_A
		 "'); with r as (insert into agent_requests (type, request, session_id, status, "
		 "phase, created_at, finished_at) select 'quotes', 'x', '" SESSION_A
		 "', 'completed', 'completed', now() - interval '40 d', "
		 "now() - interval '40 d' from generate_series(1, 10) returning id) insert into agent_turns (request_id, "
		 "session_id, attempt, "
		 "sequence_number, role, content_type, block) select id, '" SESSION_A
		 "', 1, 300, 'assistant', 'text', '{}' from r");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 3 more");
	CHECK_SQL(y.owner, IDS, "4,5,6,7,8,9,10");
}

LOOP_TEST(what_another_holds_is_left_and_found_by_the_next_pass)
{
	YARD(ENDED(1, "completed", 40) ENDED(2, "completed", 40) ENDED_CHILD(3, "2", "completed", 40)
			ENDED(4, "completed", 1));
	struct pg *other = test_connect(a, y.db.owner_url, e);
	CHECK_SQL(other, "begin; select id from agent_requests where id = 3 for update", "3");
	struct queue_retention r = usual;
	r.logs_ms = 0;
	CHECK_EQ_S(prune(a, &y, &r), "pruned 1");
	CHECK_SQL(y.owner, IDS, "2,3,4");
	CHECK_SQL(other, "rollback", "(null)");
	CHECK_EQ_S(prune(a, &y, &r), "pruned 0"); /* the pass has gone past it */
	next_pass(&y, a);
	CHECK_EQ_S(prune(a, &y, &r), "pruned 2");
	CHECK_SQL(y.owner, IDS, "4");
}

/* Between rows that are kept: those that go leave the way free by themselves. */
LOOP_TEST(one_date_to_come_does_not_stop_the_walk)
{
	YARD("insert into agent_requests (type, request, status, phase, created_at, finished_at) select 'quotes', 'x', s, s, "
		 "now() + case when n = 2 then interval '40 d' else interval '-40 d' end, now() - interval '40 d' from "
		 "generate_series(1, 4100) n, lateral (select case when n < 4000 then 'failed' else 'completed' end as s) x");
	for (int i = 0; i < 4; i++)
		prune(a, &y, &(struct queue_retention){ .completed_ms = 30 * DAY_MS });
	CHECK_SQL(y.owner, "select count(*) || ' ' || max(id) from agent_requests", "3999 3999");
}

LOOP_TEST(one_worker_prunes_at_a_time)
{
	YARD(ENDED(1, "completed", 40));
	struct pg *other = test_connect(a, y.db.worker_url, e);
	CHECK_SQL(
		other, "begin; select requests || ' ' || logs from drover.prune(3600000, 0, 0, 0, false, 9, 9)", "1 0");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 0");
	CHECK_SQL(other, "rollback", "(null)");
	CHECK_EQ_S(prune(a, &y, &usual), "pruned 3");
}

LOOP_TEST(the_worker_can_delete_only_by_pruning_and_not_what_is_young)
{
	YARD(ENDED(1, "completed", 0));
	const struct queue_retention hasty[] = { { .completed_ms = 3599999 }, { .failed_ms = 1 },
		{ .cancelled_ms = 3599999 }, { .logs_ms = 1000 }, { .completed_ms = DAY_MS, .logs_ms = -1 } };
	for (size_t i = 0; i < COUNT(hasty); i++)
		CHECK(strstr(prune(a, &y, &hasty[i]), "less than 01:00:00 ago is not pruned"));
	CHECK(strstr(test_ask(a, y.worker, "delete from agent_requests"), "permission denied"));
	CHECK(strstr(test_ask(a, y.worker, "select drover.prune_logs('0', 10)"), "permission denied"));
	CHECK(strstr(test_ask(a, y.worker, "delete from drover.pruning"), "permission denied"));
	CHECK_SQL(y.owner, IDS, "1");
}

/* ---- alarms ---- */

#define WORKER(id, columns, values) \
	"insert into drover.workers (id, host, pid, version, slots, lease_until" columns ") values " \
	"('00000000-0000-4000-8000-00000000000" #id "', 'box', 7, '0', 10" values ");"
#define WELL WORKER(1, "", ", now() + interval '60 s'")
#define STATUS "$D status --json"

static const cJSON *alarm_of(struct arena *a, struct ran r, const char *name)
{
	struct err ignored = { 0 };
	const cJSON *one, *all = json_get(json_parse(a, str_trim(str_of(r.out)), &ignored), "alarms");
	CHECK(cJSON_IsArray(all));
	json_each (one, all)
		if (strcmp(json_text(one, "name"), name) == 0)
			return one;
	return NULL;
}

static const char *level_of(struct arena *a, const char *url, const char *command, const char *name)
{
	const cJSON *one = alarm_of(a, shell(a, url, command), name);
	return one ? json_text(one, "level") : "(none)";
}
#define CHECK_ALARM(name, want) CHECK_EQ_S(level_of(a, y.db.worker_url, STATUS, name), want)

LOOP_TEST(every_alarm_is_measured_and_every_measure_has_an_alarm)
{
	YARD("select 1");
	struct pg_rows rows;
	const char *none = NULL, *names = "clock_skew";
	struct pg_args args = PG_ARGS(PG(true), PG(true), PG(true), PG(1), PG(1), PG(none), PG(none));
	REQUIRE_OK(pg_query(y.worker, a, &sql_status_alarms, args, deadline_in(CASE_MS), &rows, e));
	CHECK_EQ_I(rows.n + 1, (int64_t)n_alarm_rules);
	for (int i = 0; i < rows.n; i++)
		names = arena_printf(a, "%s %s", names, pg_text(&rows, i, "name"));
	for (size_t i = 0; i < n_alarm_rules; i++)
		if (!CHECK(strstr(names, alarm_rules[i].name)))
			printf("      %s\n", alarm_rules[i].name);
}

LOOP_TEST(where_all_is_well_no_alarm_is_raised)
{
	YARD(WELL);
	struct ran r = shell(a, y.db.worker_url, STATUS);
	CHECK_HAS(r.out, "\"alarms\":[]");
	CHECK_EQ_I(r.status, 0);
	CHECK_LACKS(shell(a, y.db.worker_url, "$D status").out, "ALARM");
}

LOOP_TEST(an_alarm_stands_first_with_what_to_do_and_ends_with_5)
{
	YARD("select 1");
	struct ran r = shell(a, y.db.worker_url, "$D status");
	CHECK_EQ_I(r.status, 5);
	CHECK(
		strncmp(r.out,
			"ALARM no_worker  no worker lives (0 request(s) are ready or run)\n  -> start one with drover worker\n",
			90) == 0);
}

#define OLD_READY \
	"insert into agent_requests (type, request, created_at) values ('quotes', 'x', now() - interval '2 min');"

LOOP_TEST(claims_that_stop_while_slots_are_free_are_an_alarm)
{
	YARD(WELL OLD_READY);
	CHECK_ALARM("claims_stopped", "wrong");
	CHECK_EQ_S(test_ask(a, y.owner, "insert into drover.limits (scope, key, paused_at) values ('all', '', now())"),
		"(null)");
	CHECK_ALARM("claims_stopped", "(none)");
	CHECK_EQ_S(test_ask(a, y.owner, "delete from drover.limits; update drover.workers set slots = 0"), "(null)");
	CHECK_ALARM("claims_stopped", "(none)");
}

LOOP_TEST(a_request_that_is_ready_only_for_a_moment_is_no_alarm)
{
	YARD(WELL OLD_READY);
	struct shell *s = shell_start(a, y.db.worker_url, STATUS);
	for (int i = 0; i < 40; i++) {
		CHECK_EQ_S(test_ask(a, y.owner, "update agent_requests set version = version + 1"), "(null)");
		REQUIRE_OK(loop_sleep(50, e));
	}
	CHECK(alarm_of(a, shell_end(s), "claims_stopped") == NULL);
}

#define RUNS_AT(worker) \
	"insert into agent_requests (type, request, status, phase, worker_id) values ('quotes', 'x', 'processing', " \
	"'running', '00000000-0000-4000-8000-00000000000" #worker "');"

LOOP_TEST(trouble_with_leases_is_an_alarm)
{
	YARD(WELL RUNS_AT(1));
	CHECK_ALARM("lease_lapsed", "(none)");
	CHECK_ALARM("no_owner", "(none)");
	CHECK_SQL(y.owner, WORKER(2, "", ", now() - interval '10 s'") RUNS_AT(2) RUNS_AT(3) "select 1", "1");
	CHECK_ALARM("lease_lapsed", "warn");
	CHECK_ALARM("no_owner", "wrong");
	CHECK_ALARM("heartbeat_late", "(none)");
	CHECK_EQ_S(test_ask(a, y.owner,
				   "update drover.workers set heartbeat_at = now() - interval '50 s', "
				   "lease_until = now() + interval '10 s' where pid = 7 and lease_until > now()"),
		"(null)");
	CHECK_ALARM("heartbeat_late", "warn");
}

LOOP_TEST(workers_of_which_none_listens_are_an_alarm)
{
	YARD(WORKER(1, ", started_at", ", now() + interval '60 s', now() - interval '2 min'"));
	CHECK_ALARM("nobody_listens", "warn");
	CHECK_EQ_S(level_of(a, y.db.worker_url, "DROVER_DATABASE_LISTEN=false " STATUS, "nobody_listens"), "(none)");
	struct pg *listener = pg_open(
		&(struct pg_options){
			.url = y.db.worker_url, .application_name = "drover listener", .connect_ms = CASE_MS },
		NEVER_MS, e);
	REQUIRE(listener);
	CHECK_ALARM("nobody_listens", "(none)");
	pg_close(listener);
}

LOOP_TEST(who_holds_an_old_snapshot_is_named_as_far_as_the_role_may_see)
{
	YARD(WELL);
	struct pg *holder = test_connect(a, y.db.owner_url, e);
	CHECK_SQL(holder, "begin isolation level repeatable read; select 1", "1");
	CHECK_ALARM("held_snapshot", "(none)");
	CHECK_EQ_S(test_ask(a, y.owner,
				   "do $$ begin for i in 1..100001 loop perform txid_current(); commit; end loop; end $$"),
		"(null)");
	const cJSON *seen = alarm_of(a, shell(a, y.db.worker_url, STATUS), "held_snapshot");
	const cJSON *all = alarm_of(a, shell(a, y.db.owner_url, STATUS), "held_snapshot");
	REQUIRE(seen && all);
	CHECK_EQ_S(json_text(seen, "level"), "warn");
	const char *who = arena_printf(a, "connection %d of postgres", pg_backend_pid(holder));
	CHECK_HAS(json_text(seen, "detail"), who);
	CHECK_HAS(json_text(seen, "detail"), "since when is not visible to this role");
	CHECK_HAS(json_text(all, "detail"), who);
	CHECK_HAS(json_text(all, "detail"), "idle in transaction, since ");
}

LOOP_TEST(dead_rows_that_nobody_vacuums_are_an_alarm)
{
	YARD(WELL "alter table drover.permits set (autovacuum_enabled = off);"
			  "insert into drover.permits select 'all', n, 1 from generate_series(1, 200001) n; delete from "
			  "drover.permits;");
	CHECK_SQL(y.owner, "select pg_stat_force_next_flush() is null", "f");
	const cJSON *one = alarm_of(a, shell(a, y.db.worker_url, STATUS), "dead_rows");
	REQUIRE(one);
	CHECK_HAS(json_text(one, "detail"), "drover.permits");
	CHECK_EQ_S(test_ask(a, y.owner, "vacuum drover.permits"), "(null)");
	CHECK_ALARM("dead_rows", "(none)");
}

LOOP_TEST(pruning_that_is_late_is_an_alarm_unless_it_is_off)
{
	YARD(WELL "update drover.pruning set pass_began_at = now() - interval '7 h' where task = 'requests'; "
			  "update drover.pruning set pass_began_at = now() - interval '9 d', done_at = now() where task = 'logs';");
	CHECK_ALARM("prune_late", "warn");
	CHECK_EQ_S(level_of(a, y.db.worker_url,
				   "DROVER_RETENTION_COMPLETED=0 DROVER_RETENTION_FAILED=0 DROVER_RETENTION_CANCELLED=0 " STATUS,
				   "prune_late"),
		"(none)");
	CHECK_EQ_S(
		test_ask(a, y.owner,
			"update drover.pruning set done_at = now() - interval '4 d', pass_began_at = now() - interval '5 d'"),
		"(null)");
	CHECK_ALARM("prune_late", "wrong");
}

LOOP_TEST(more_than_realtime_can_bear_is_an_alarm_where_there_is_realtime)
{
	YARD(WELL
		"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, timestamp) select "
		"'" SESSION_A "', 1, "
		"n, 1, 'quotes', 'text', now() - interval '1 s' + n * interval '1 ms' from generate_series(1, 1000) n;");
	CHECK_ALARM("realtime_messages", "(none)");
	CHECK_EQ_S(test_ask(a, y.owner,
				   "create schema realtime; create table realtime.subscription (id int); "
				   "insert into realtime.subscription select generate_series(1, 200); select "
				   "pg_stat_force_next_flush() is null"),
		"f");
#define NOW "update agent_logs set timestamp = now() - interval '1 s' + seq * interval '1 ms'"
	CHECK_EQ_S(test_ask(a, y.owner, NOW), "(null)");
	CHECK_ALARM("realtime_messages", "wrong"); /* some hundreds a second, of 500; */
	CHECK_EQ_S(test_ask(a, y.owner, NOW), "(null)");
	CHECK_ALARM("realtime_rows", "wrong"); /* past 200 subscriptions, of 15,000 */
	CHECK_EQ_S(test_ask(a, y.owner, NOW), "(null)");
	CHECK_EQ_S(level_of(a, y.db.worker_url, "DROVER_REALTIME_MESSAGES=0 " STATUS, "realtime_messages"), "(none)");
}
