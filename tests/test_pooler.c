/* SPDX-License-Identifier: MIT */
/* Everything but LISTEN and the lease goes through a pooler in transaction mode, where no session is one's own. */
#include "clock.h"
#include "migrations.h"
#include "pool_inner.h"
#include "pooler.h"
#include "rig_test.h"
#include "shell.h"

#define STORY \
	"replies:\n" \
	"  - when: { force_tool: plan }\n    reply:\n      - tool: plan\n        input:\n          mode: parallel\n" \
	"          reason: two areas\n          steps:\n            - { agent: project_management, task: find it }\n" \
	"            - { agent: quotes, task: slowly, after: [0] }\n" \
	"  - when: { tool_result: plan }\n    reply: [ { text: All done. } ]\n" \
	"  - when: { tool_result: milestone_set }\n    reply: [ { text: It is set. } ]\n" \
	"  - when: { any_user: find it }\n    reply:\n" \
	"      - { tool: milestone_set, input: { project: APOLLO, name: Pooled, day: '2027-03-01' } }\n" \
	"  - pace: 20ms\n    chunk: 4\n    reply: [ { text: 'slow word ', repeat: 30 } ]\n"

enum { MANY = 30, PREPARES_FROM = 12100 };


static bool pooled_start(struct arena *a, struct rig *r, const char *options, struct pooler *p, struct err *e)
{
	if (!pooler_start(a, &r->db, options, p, e))
		return false;
	r->config.database_url = p->worker_url;
	r->config.listen_url = r->db.worker_url;
	r->config.prepare = false;
	return true;
}

static bool wait_sql(struct arena *a, struct rig *r, const char *sql, int64_t id, struct err *e)
{
	for (int64_t end = clock_ms() + 15000; clock_ms() < end; loop_sleep(5, e))
		if (strcmp(rig_sql(a, r, sql, id), "t") == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

#define STREAMS "select count(*) > 0 from agent_logs where kind = 'text' and request_id = %ld"
#define END_IT "select drover.end_request(%ld, 'cancelled', 'cancelled', 'cancelled')"
#define CHILDREN "select string_agg(status || attempt, ' ') from agent_requests where parent_id = %ld"

/* One that a worker which died had begun. */
static int64_t left_behind(struct arena *a, struct rig *r, struct err *e)
{
	const struct queue_request *claimed;
	size_t n = 0;
	struct queue_worker w = { "00000000-0000-4000-8000-00000000cafe", "h", 1, "v", 1, 60000 };
	struct pg *db = test_connect(a, r->db.worker_url, e);
	int64_t id = rig_ask(a, r, "quotes", "left behind");
	CHECK(db && queue_register(db, &w, deadline_in(5000), e) &&
		queue_claim(db, a, w.id, 1, deadline_in(5000), &claimed, &n, e));
	CHECK_EQ_I(n, 1);
	CHECK_SQL(r->owner, "update drover.workers set lease_until = now(); select 1", "1");
	return id;
}

/* Claims, tools, logs, ends, cancel, rescue, children; enough at once that sessions change hands. */
static void check_whole_worker(struct arena *a, struct rig *r, struct err *e)
{
	int64_t many[MANY], dead = left_behind(a, r, e);
	REQUIRE_OK(rig_start(r, e));
	int64_t parent = rig_ask(a, r, "orchestrator", "plan it"), cancelled = rig_ask(a, r, "quotes", "slowly");
	for (int i = 0; i < MANY; i++)
		many[i] = rig_ask(a, r, i % 2 ? "quotes" : "project_management", i % 2 ? "slowly" : "find it");
	REQUIRE_OK(wait_sql(a, r, STREAMS, cancelled, e));
	CHECK_EQ_S(rig_sql(a, r, END_IT, cancelled), "t");
	CHECK_FATE(cancelled, "failed cancelled 1");
	for (int i = 0; i < MANY; i++)
		CHECK_FATE(many[i], "completed 1");
	CHECK_FATE(dead, "completed 2");
	CHECK_FATE(parent, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, CHILDREN, parent), "completed1 completed1");
	CHECK_SQL(r->owner, "select count(*) from tool_executions x join agent_requests q on q.id = x.request_id "
		"and q.type = 'project_management' where x.tool_name = 'milestone_set'",
		arena_printf(a, "%d", MANY / 2 + 1));
	CHECK_SQL(r->owner, "select count(*) from psa.tasks where name = 'Pooled'", "1");
	CHECK_SQL(r->owner, "select count(*) from agent_requests where request like 'left%' and attempt = 2", "1");
}

RIG_TEST(a_whole_worker_goes_through_it_without_prepared_statements, STORY)
{
	struct pooler p;
	REQUIRE_OK(pooled_start(a, r, "", &p, e));
	check_whole_worker(a, r, e);
	CHECK(r->pool->listening);
	rig_stop(r, e);
	pooler_stop(&p);
}

RIG_TEST(a_whole_worker_goes_through_it_and_only_polls, STORY)
{
	struct pooler p;
	REQUIRE_OK(pooled_start(a, r, "", &p, e));
	r->config.listen_url = NULL; /* the lease goes through it too */
	r->config.listen = false;
	check_whole_worker(a, r, e);
	rig_stop(r, e);
	pooler_stop(&p);
}

RIG_TEST(a_whole_worker_goes_through_it_with_prepared_statements_where_it_keeps_them, STORY)
{
	struct pooler p;
	REQUIRE_OK(pooled_start(a, r, "", &p, e));
	bool keeps = p.version >= PREPARES_FROM;
	pooler_stop(&p);
	if (!keeps) {
		printf("    left out: this PgBouncer is older than 1.21\n");
		return;
	}
	REQUIRE_OK(pooled_start(a, r, "max_prepared_statements = 200", &p, e));
	r->config.prepare = true;
	check_whole_worker(a, r, e);
	rig_stop(r, e);
	pooler_stop(&p);
}

RIG_TEST(listening_through_it_is_found_out_and_the_poll_does, STORY)
{
	struct pooler p;
	REQUIRE_OK(pooled_start(a, r, "", &p, e));
	r->config.listen_url = NULL;
	r->config.listen_check_ms = 1000;
	REQUIRE_OK(rig_start(r, e));
	for (int i = 0; i < 200; i++) {
		CHECK(!r->pool->listening);
		CHECK(loop_sleep(10, e));
	}
	CHECK_FATE(rig_ask(a, r, "quotes", "slowly"), "completed 1");
	rig_stop(r, e);
	pooler_stop(&p);
}

LOOP_TEST(settings_of_the_role_hold_through_it)
{
	struct test_db db;
	struct pooler p;
	REQUIRE_OK(test_db(a, &db, e) && pooler_start(a, &db, "", &p, e));
	struct pg *worker = test_connect(a, p.worker_url, e);
	CHECK_SQL(worker, "select current_setting('plan_cache_mode') || current_setting('enable_seqscan') || "
		"current_setting('jit') || current_setting('client_connection_check_interval')", "force_generic_planoffoff2s");
	pooler_stop(&p);
}

LOOP_TEST(migrations_go_through_it_and_leave_no_lock)
{
	struct test_db db;
	struct pooler p;
	struct migrate_report report[2];
	REQUIRE_OK(test_db_empty(a, &db, e) && pooler_start(a, &db, "", &p, e));
	for (int i = 0; i < 2; i++) {
		struct pg *owner = pg_open(&(struct pg_options){ .url = p.owner_url, .connect_ms = 5000 }, NEVER_MS, e);
		REQUIRE_OK(owner && migrate(owner, migrations_all, NULL, deadline_in(30000), &report[i], e));
		pg_close(owner);
	}
	CHECK(report[0].applied > 0 && report[0].applied == report[1].already && report[1].applied == 0);
	CHECK_SQL(test_connect(a, db.owner_url, e), "select count(*) from pg_locks where locktype = 'advisory'", "0");
	pooler_stop(&p);
}

/* ---- doctor ---- */

/* "LEVEL TEXT -> MEND" of what doctor says there. */
static const char *doctor_on(struct arena *a, const char *url, const char *environment, const char *what)
{
	struct err ignored = { 0 };
	const char *command = arena_printf(a, "DROVER_MODEL_BASE_URL=http://127.0.0.1:1 %s $D doctor --json", environment);
	const cJSON *line, *all = json_parse(a, str_trim(str_of(shell(a, url, command).out)), &ignored);
	json_each(line, json_get(all, "checks")) {
		const char *mend = json_text(line, "mend");
		if (strcmp(json_text(line, "what"), what) == 0)
			return arena_printf(a, "%s %s -> %s", json_text(line, "level"), json_text(line, "text"), mend ? mend : "");
	}
	return "(none)";
}

LOOP_TEST(doctor_finds_the_mode_and_names_the_options)
{
	struct test_db db;
	struct pooler p;
	REQUIRE_OK(test_db(a, &db, e) && pooler_start(a, &db, "", &p, e));
	const char *direct = arena_printf(a, "DROVER_DATABASE_PREPARE=false DATABASE_LISTEN_URL='%s'", db.worker_url);
	const char *bare = doctor_on(a, p.worker_url, "", "pooler");
	CHECK_HAS(bare, "wrong one in transaction mode");
	CHECK_HAS(bare, "database.listen_url (DATABASE_LISTEN_URL)");
	if (p.version < PREPARES_FROM)
		CHECK_HAS(bare, "-> set database.prepare to false, and ");
	CHECK_HAS(doctor_on(a, p.worker_url, "", "statements"), "ok ");
	CHECK_HAS(doctor_on(a, p.worker_url, "", "listen"), "wrong ");
	CHECK_HAS(doctor_on(a, p.worker_url, direct, "pooler"), "ok one in transaction mode");
	CHECK_HAS(doctor_on(a, p.worker_url, direct, "listen"), "ok a notification arrives by database.listen_url");
	CHECK_HAS(doctor_on(a, p.worker_url, "DROVER_DATABASE_PREPARE=false DROVER_DATABASE_LISTEN=false", "pooler"), "ok ");
	CHECK_HAS(doctor_on(a, db.worker_url, "", "pooler"), "ok none");
	pooler_stop(&p);
}

LOOP_TEST(doctor_is_content_with_session_mode)
{
	struct test_db db;
	struct pooler p;
	REQUIRE_OK(test_db(a, &db, e) && pooler_start(a, &db, "pool_mode = session", &p, e));
	CHECK_HAS(doctor_on(a, p.worker_url, "", "pooler"), "ok one in session mode");
	CHECK_HAS(doctor_on(a, p.worker_url, "", "listen"), "ok ");
	pooler_stop(&p);
}

LOOP_TEST(doctor_finds_a_listen_url_that_leads_elsewhere)
{
	struct test_db db, other;
	REQUIRE_OK(test_db(a, &db, e) && test_db(a, &other, e));
	const char *wrong = arena_printf(a, "DATABASE_LISTEN_URL='%s'", other.worker_url);
	CHECK_HAS(doctor_on(a, db.worker_url, wrong, "listen"), "wrong ");
}

LOOP_TEST(doctor_wants_several_hosts_to_be_asked_whether_they_can_be_written)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	const char *at = arena_printf(a, "127.0.0.1:%d,127.0.0.1:%d", url_port(db.worker_url), url_port(db.worker_url));
	const char *two = url_at(a, db.worker_url, at);
	CHECK_HAS(doctor_on(a, two, "", "hosts"), "wrong database.url names several");
	CHECK_HAS(doctor_on(a, two, "PGTARGETSESSIONATTRS=read-write", "hosts"), "ok ");
	CHECK_HAS(doctor_on(a, arena_printf(a, "%s?target_session_attrs=read-write", two), "", "hosts"), "ok ");
	CHECK_HAS(doctor_on(a, arena_printf(a, "%s?target_session_attrs=any", two), "PGTARGETSESSIONATTRS=primary", "hosts"),
		"-> add target_session_attrs=read-write to database.url");
	CHECK_EQ_S(doctor_on(a, db.worker_url, "", "hosts"), "(none)");
}

LOOP_TEST(doctor_counts_the_connections_and_what_limits_them)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	const char *two = "DROVER_WORKER_PROCESSES=2";
	CHECK_HAS(doctor_on(a, db.worker_url, two, "connections"), "ok 8 a worker process (database.pool 4 + 2 for upkeep + 1 for "
		"the lease + 1 that listens), 16 for 2 processes; 197 allowed by max_connections");
	struct pg *owner = test_connect(a, db.owner_url, e);
	CHECK_SQL(owner, "alter role drover_worker connection limit 15; select 1", "1");
	CHECK_HAS(doctor_on(a, db.worker_url, two, "connections"), "16 for 2 processes; 15 allowed by the role's connection limit");
	CHECK_HAS(doctor_on(a, db.worker_url, two, "connections"), "warn ");
	CHECK_HAS(doctor_on(a, db.worker_url, "DROVER_WORKER_PROCESSES=1", "connections"), "ok ");
	CHECK_SQL(owner, "alter role drover_worker connection limit -1; select 1", "1");
}

RIG_TEST(status_shows_the_connections_of_the_live_workers, STORY)
{
	REQUIRE_OK(rig_start(r, e));
	CHECK_HAS(shell(a, r->db.worker_url, "$D status").out, "connections: 8 a worker process");
	CHECK_HAS(shell(a, r->db.worker_url, "$D status").out, "8 for 1 process; 197 allowed");
}
