/* SPDX-License-Identifier: MIT */
/* Migrations of a database that is at work: their locks, their waiting, and the way here from every release. */
#include "clock.h"
#include "list_released.h"
#include "loop.h"
#include "migrate_sql.h"
#include "migrations.h"
#include "queue_case.h"

/* ---- each takes the locks that its second line states ---- */

/* A name as the header writes it, with the strongest lock on what was there before. What does not disturb those who
 * write is not stated. */
#define TAKEN \
	"select coalesce(string_agg(distinct on_table || ' ' || mode, ', ' order by on_table || ' ' || mode), " \
	"'none') from (" \
	"select distinct on (l.relation) o.name as on_table, l.mode from pg_locks l join kept.before o on o.oid = " \
	"l.relation " \
	"where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted and array_position(" MODES \
	", l.mode) is not null " \
	"order by l.relation, array_position(" MODES ", l.mode) desc) t"
#define MODES \
	"array['ShareUpdateExclusiveLock','ShareLock','ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock']"
#define KEEP_BEFORE \
	"drop table if exists kept.before; create schema if not exists kept; create table kept.before as " \
	"select c.oid, c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace " \
	"where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'kept')"

static const struct sql stated = { "stated", "test/stated.sql",
	"select case when $1 ~ '^-- [^\n]*\n-- Locks: none on existing tables\\.\n' then 'none' else "
	"coalesce(string_agg(t || ' ' || replace(initcap(m[1]), ' ', '') || 'Lock', ', ' order by t || ' ' || m[1]), "
	"'not stated') end "
	"from regexp_matches(substring($1 from '^-- [^\n]*\n-- Locks: ([^\n]*)'), "
	"'([A-Z]+(?: [A-Z]+)*) on ((?:[a-z_]+\\.)?[a-z_]+(?:, (?:[a-z_]+\\.)?[a-z_]+)*)', 'g') m, "
	"regexp_split_to_table(m[2], ', ') t",
	1 };

static const char *text_of(struct arena *a, struct pg *db, const struct sql *q, struct pg_args args)
{
	struct err e = { 0 };
	struct pg_rows rows;
	return pg_query(db, a, q, args, deadline_in(CASE_MS), &rows, &e) ? pg_first(&rows)
																	 : arena_text(a, str_of(e.msg));
}

static bool apply_looking(
	struct arena *a, struct pg *db, const struct migration *m, const char **taken, struct err *e)
{
	if (!pg_script(db, a, KEEP_BEFORE, deadline_in(CASE_MS), NULL, e) ||
		!pg_begin(db, a, NULL, 0, deadline_in(CASE_MS), e) ||
		!pg_script(db, a, m->text, deadline_in(CASE_MS), NULL, e))
		return false;
	*taken = test_ask(a, db, TAKEN);
	return pg_commit(db, a, NULL, 0, deadline_in(CASE_MS), e);
}

static void check_locks(struct arena *a, struct pg *db, const struct migration *list)
{
	for (const struct migration *m = list; m->module; m++) {
		struct err e = { 0 };
		const char *taken = e.msg;
		if (!CHECK(apply_looking(a, db, m, &taken, &e)) ||
			!CHECK_EQ_S(text_of(a, db, &stated, PG_ARGS(PG(m->text))), taken))
			printf("      %s %s\n", m->path, e.msg);
	}
}

LOOP_TEST(each_migration_takes_the_locks_that_it_states)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE(db);
	REQUIRE_OK(pg_script(db, a, sql_ledger_make.text, deadline_in(CASE_MS), NULL, e));
	check_locks(a, db, migrations_all);
}

LOOP_TEST(locks_are_seen_and_read)
{
	static const struct migration strong = { "core", 900, "strong", "core/900_strong.sql",
		"-- Adds.\n-- Locks: SHARE ROW EXCLUSIVE "
		"on agent_logs, drover.workers while; ACCESS EXCLUSIVE on agent_requests.\n"
		"alter table agent_requests set (fillfactor = 90); alter table agent_requests add column wide int;"
		"create trigger t after insert on agent_logs for each row execute function drover.wake_on_insert();"
		"lock table drover.workers in share row exclusive mode; create table mine (n int); update agent_turns set "
		"id = default;" };
	struct test_db t;
	const char *taken = "";
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(apply_looking(a, db, &strong, &taken, e));
	CHECK_EQ_S(taken,
		"agent_logs ShareRowExclusiveLock, agent_requests AccessExclusiveLock, drover.workers "
		"ShareRowExclusiveLock");
	CHECK_EQ_S(text_of(a, db, &stated, PG_ARGS(PG(strong.text))), taken);
	CHECK_EQ_S(text_of(a, db, &stated, PG_ARGS(PG("-- Nothing.\nselect 1;"))), "not stated");
}

/* ---- nobody waits behind a migration that waits ---- */

static const struct migration wide[] = { { "core", 900, "wide", "core/900_wide.sql",
											 "-- Widens.\n-- Locks: ACCESS EXCLUSIVE on agent_requests.\nalter "
											 "table public.agent_requests add column wide int;" },
	{ 0 } };

struct migrator {
	struct pg *db;
	int64_t deadline;
	struct migrate_report report;
};

static bool migrate_later(void *arg, struct err *e)
{
	struct migrator *m = arg;
	return migrate(m->db, wide, NULL, m->deadline, &m->report, e);
}

#define HAS_WIDE \
	"select count(*) from pg_attribute where attrelid = 'agent_requests'::regclass and attname = 'wide'"

LOOP_TEST(the_queue_goes_on_while_a_migration_waits_for_its_lock)
{
	QUEUE_CASE;
	struct group g = { 0 };
	struct migrator m = { .db = test_connect(a, c.db.owner_url, e) };
	int64_t id = case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.two, 1), "1");
	struct pg *holder = test_connect(a, c.db.worker_url, e);
	CHECK_SQL(holder, arena_printf(a, "begin; select drover.fence(%ld, 1)", (long)id), "");
	REQUIRE_OK(group_start(&g, "migrator", migrate_later, &m, e));
	REQUIRE(case_blocked(a, &c, 1));
	CHECK_SQL(c.one.db, "set statement_timeout = '10s'", "(null)"); /* longer than the migration waits */
	for (int i = 0; i < 3; i++) {
		CHECK(case_ask(a, c.owner, "", "") > 0);
		CHECK(strncmp(case_claim(a, &c.one, 1), "ERROR", 5) != 0);
	}
	CHECK_SQL(c.owner, "select string_agg(phase, ',' order by id) from agent_requests",
		"running,running,running,running");
	CHECK_SQL(c.owner, HAS_WIDE, "0");
	CHECK_SQL(holder, "rollback", "(null)");
	REQUIRE_OK(group_wait(&g, deadline_in(CASE_MS), e));
	CHECK_EQ_I(m.report.applied, 1);
	CHECK_SQL(c.owner, HAS_WIDE, "1");
	CHECK_EQ_S(case_finish(a, &c.two, id), "ok");
}

LOOP_TEST(a_migration_that_gets_no_lock_gives_up_and_names_who_is_in_the_way)
{
	QUEUE_CASE;
	struct migrate_report report;
	struct pg *holder = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(holder, "begin; select count(*) from agent_requests", "0");
	REQUIRE_OK(loop_sleep(5, e));
	CHECK(!migrate(c.owner, wide, NULL, deadline_in(6000), &report, e));
	CHECK_EQ_S(e->code, "migration_locked_out");
	CHECK(strstr(e->msg, "core/900_wide.sql got no lock"));
	CHECK(strstr(
		e->msg, arena_printf(a, "connection %d (postgres, no name, idle in transaction)", pg_backend_pid(holder))));
	CHECK_SQL(c.owner, HAS_WIDE, "0");
	CHECK_SQL(c.owner, "select count(*) from drover.migrations where version = 900", "0");
}

/* ---- from every release ---- */

struct listed {
	struct str version, path, checksum;
};

/* The next line of the list that is none of the comments. */
static bool next_listed(struct str *rest, struct listed *l)
{
	struct str line;
	while (str_next(rest, '\n', &line))
		if (str_next(&line, ' ', &l->version) && !str_is(l->version, "#") && str_next(&line, ' ', &l->path) &&
			str_next(&line, ' ', &l->checksum))
			return true;
	return false;
}

static const struct migration *migration_of(struct str path)
{
	for (const struct migration *m = migrations_all; m->module; m++)
		if (str_is(path, m->path))
			return m;
	return NULL;
}

/* The constant has one line break more than the file. */
static const struct sql same_file = { "same_file", "test/same_file.sql",
	"select encode(sha256(convert_to(regexp_replace($1, '\n$', ''), 'UTF8')), 'hex') = $2", 2 };

/* The paths of what was released and is not the same any more. */
static const char *changed_files(struct arena *a, struct pg *db, const char *list)
{
	struct str rest = str_of(list);
	struct listed l;
	const char *changed = "";
	while (next_listed(&rest, &l)) {
		const struct migration *m = migration_of(l.path);
		const char *checksum = arena_text(a, l.checksum), *text = m ? m->text : "";
		if (strcmp(text_of(a, db, &same_file, PG_ARGS(PG(text), PG(checksum))), "t") != 0)
			changed = arena_printf(a, "%s%.*s ", changed, (int)l.path.n, l.path.p);
	}
	return changed;
}

LOOP_TEST(no_released_migration_has_changed)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	CHECK_EQ_S(changed_files(a, db, list_released), "");
	CHECK_EQ_S(changed_files(a, db, "# x\n0.0.1 core/001_roles.sql 12ab\n0.0.1 core/999_gone.sql 12ab\n"),
		"core/001_roles.sql core/999_gone.sql ");
	const char *right = test_ask(a, db,
		arena_printf(a,
			"select encode(sha256(convert_to(regexp_replace($text$%s$text$, E'\\n$', ''), "
			"'UTF8')), 'hex')",
			migrations_all[0].text));
	CHECK_EQ_S(changed_files(a, db, arena_printf(a, "0.0.1 core/001_roles.sql %s", right)), "");
}

/* Those of the migrations that a release had, in today's order. */
static const struct migration *release_of(struct arena *a, const char *list, struct str version)
{
	enum { MOST = 200 };
	struct migration *had = arena_alloc(a, MOST * sizeof(*had));
	size_t n = 0;
	for (const struct migration *m = migrations_all; m->module && n + 1 < MOST; m++) {
		struct str rest = str_of(list);
		struct listed l;
		while (next_listed(&rest, &l))
			if (str_eq(l.version, version) && str_is(l.path, m->path))
				had[n++] = *m;
	}
	had[n] = (struct migration){ 0 };
	return had;
}

/* A row in every phase, and what goes with them. Of columns that every release has. */
#define FILL \
	"insert into agent_requests (type, request, status, phase, blocked_on, run_at, version, attempt, " \
	"finished_at) " \
	"select 'quotes', phase, status, phase, case when phase = 'blocked' then 'type:quotes' end, " \
	"case when phase in ('scheduled', 'retry_wait') then now() + interval '1 h' end, 1, 1, " \
	"case when status in ('completed', 'failed') then now() end " \
	"from (values ('queued', 'ready'), ('queued', 'blocked'), ('queued', 'scheduled'), ('queued', 'retry_wait'), " \
	"('processing', 'running'), ('processing', 'waiting_children'), ('processing', 'ready'), ('processing', " \
	"'blocked'), " \
	"('completed', 'completed'), ('failed', 'failed'), ('failed', 'cancelled'), ('failed', 'superseded')) v " \
	"(status, phase);" \
	"insert into agent_requests (type, request, parent_id, phase, waits_on) select 'quotes', 'child', id, " \
	"'waiting_dependencies', 1 " \
	"from agent_requests where phase = 'waiting_children';" \
	"insert into agent_sessions (id, title) select session_id, 'kept' from agent_requests;" \
	"insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, message) select session_id, " \
	"id, n, 1, 'quotes', " \
	"'text', 'hello' from agent_requests, generate_series(1, 3) n;" \
	"insert into agent_turns (request_id, session_id, attempt, sequence_number, role, content_type, block) " \
	"select id, session_id, 1, 1, " \
	"'assistant', 'text', '{\"a\":  1}' from agent_requests;" \
	"insert into tool_executions (request_id, session_id, tool_call_id, tool_name, status, attempt, duration_ms) " \
	"select id, session_id, " \
	"'c', 't', 'done', 1, 1 from agent_requests;" \
	"insert into drover.workers (id, host, pid, version, slots, lease_until) values ('" WORKER_2 \
	"', 'old', 8, '0', 1, now() + interval '1 h');" \
	"update agent_requests set worker_id = '" WORKER_2 "' where phase = 'running';" \
	"insert into drover.limits (scope, key, max_running) values ('type', 'x', 3);" \
	"insert into drover.permits (key, request_id, version) values ('type:x', 5, 1);" \
	"insert into drover.schedules (name, cron, type, request, next_at) values ('s', '@daily', 'quotes', 'x', " \
	"now() + interval '1 h');"
#define EACH_TABLE(todo) \
	"do $do$ declare t text; begin for t in select format('%I.%I', n.nspname, c.relname) from pg_class c " \
	"join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname in ('public', 'drover', " \
	"'psa') " \
	"and c.relname <> 'migrations' loop execute format(" todo ", t, t, t); end loop; end $do$;"
#define KEEP \
	"create schema kept; create table kept.rows (of_table text, row jsonb); create table kept.lost (of_table " \
	"text, row jsonb);" EACH_TABLE("'insert into kept.rows select %L, to_jsonb(x) from %s x'")
/* Every old row is in a new one, which may have more columns. */
#define LOOK \
	EACH_TABLE("'insert into kept.lost select k.of_table, k.row from kept.rows k where k.of_table = %L and " \
			   "not exists (select from %s x where to_jsonb(x) @> k.row)'") \
	"select string_agg(l.of_table || ' ' || l.row, '; ') from kept.lost l"

static void check_work_goes_on(struct arena *a, struct pg *owner, const char *worker_url, struct err *e)
{
	struct queue_side side = {
		.worker = { .id = WORKER_1, .host = "box", .pid = 7, .version = "0", .slots = 100, .lease_ms = 60000 }
	};
	side.held = arena_alloc(a, HELD_MOST * sizeof(*side.held));
	side.db = test_connect(a, worker_url, e);
	REQUIRE(side.db);
	REQUIRE_OK(queue_register(side.db, &side.worker, deadline_in(CASE_MS), e));
	int64_t id = case_ask(a, owner, "", "");
	CHECK_EQ_S(case_claim(a, &side, 10), arena_printf(a, "1,7,%ld", (long)id));
	CHECK_EQ_S(case_think(a, &side, 7, 4, 5), "7");
	CHECK_EQ_S(case_finish(a, &side, 7), "ok");
	CHECK_EQ_S(case_finish(a, &side, id), "ok");
	CHECK_EQ_S(case_retry_later(a, &side, 1, 1000), "ok");
	CHECK(strncmp(case_maintain(a, &side), "moved", 5) == 0);
	CHECK_SQL(owner, "select count(*) from agent_logs where request_id = 7", "5");
}

static void check_upgrade(struct arena *a, const struct migration *had, struct err *e)
{
	struct test_db t;
	struct migrate_report report;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(migrate(db, had, NULL, deadline_in(CASE_MS), &report, e));
	CHECK(report.applied > 0);
	REQUIRE_OK(pg_script(db, a, FILL KEEP, deadline_in(CASE_MS), NULL, e));
	CHECK_SQL(db, "select count(*) > 90 from kept.rows", "t");
	REQUIRE_OK(migrate(db, migrations_all, NULL, deadline_in(CASE_MS), &report, e));
	CHECK_SQL(db, LOOK, "(null)");
	check_work_goes_on(a, db, t.worker_url, e);
}

LOOP_TEST(from_every_release_all_rows_come_here_and_work_goes_on)
{
	struct str rest = str_of(list_released), before = { 0 };
	struct listed l;
	struct test_db first; /* starts the cluster */
	REQUIRE_OK(test_db(a, &first, e));
	while (next_listed(&rest, &l)) {
		if (!str_eq(l.version, before))
			check_upgrade(a, release_of(a, list_released, l.version), e);
		before = l.version;
	}
}

/* As long as few releases are listed: what the one before the newest core migration would have been. */
LOOP_TEST(without_the_newest_migration_all_rows_come_here_and_work_goes_on)
{
	const struct migration *newest = NULL;
	const char *list = "";
	struct test_db first;
	REQUIRE_OK(test_db(a, &first, e));
	for (const struct migration *m = migrations_all; m->module; m++)
		newest = strcmp(m->module, "core") == 0 ? m : newest;
	for (const struct migration *m = migrations_all; m->module; m++)
		if (m != newest)
			list = arena_printf(a, "%s0.0.1 %s -\n", list, m->path);
	check_upgrade(a, release_of(a, list, STR("0.0.1")), e);
}
