/* SPDX-License-Identifier: MIT */
/* The primary dies and its synchronous standby takes over, or it can only be read from now on: the worker goes on by
 * itself on the server that can be written, and nothing that was acknowledged is lost or done twice. */
#include "clock.h"
#include "embedded.h"
#include "migrate.h"
#include "migrations.h"
#include "proxy.h"
#include "rig_test.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORY \
	"replies:\n" \
	"  - when: { tool_result: milestone_set }\n    pace: 20ms\n    chunk: 4\n" \
	"    reply: [ { text: 'slow word ', repeat: 100 } ]\n" \
	"  - reply:\n      - { tool: milestone_set, input: { project: APOLLO, name: '{{last_user}}', day: '2027-03-01' } }\n"

enum { MANY = 20, LONG_MS = 60000 };

/* Two servers, each behind a port that stays its own when it is started again. */
struct pair {
	struct embedded server[2];
	struct proxy door[2];
	char dir[2][32];
};

/* ---- servers ---- */

static bool server_start(struct arena *a, struct pair *p, int i, struct err *e)
{
	struct embedded_options o = { .dir = p->dir[i], .fast = true };
	if (!embedded_start(a, &o, &p->server[i], e))
		return false;
	p->door[i].target = p->server[i].port;
	return true;
}

static const char *server_url(struct arena *a, const struct pair *p, int i)
{
	return embedded_url(a, &p->server[i], "postgres", p->server[i].password, "postgres");
}

/* What a fatal error of the machine leaves: no goodbye, no checkpoint. */
static void server_kill(struct pair *p, int i)
{
	struct err ignored = { 0 };
	int status;
	process_signal(p->server[i].server, SIGQUIT);
	CHECK(process_wait(p->server[i].server, deadline_in(LONG_MS), &status, &ignored));
	process_free(p->server[i].server);
	p->server[i].server = NULL;
}

static const char *both(struct arena *a, const struct pair *p, const char *user)
{
	return arena_printf(a, "postgresql://%s:%s@127.0.0.1:%d,127.0.0.1:%d/postgres?target_session_attrs=read-write", user,
		p->server[0].password, p->door[0].port, p->door[1].port);
}

static bool as_server_user(struct arena *a, const struct pair *p, const char *const *argv, struct err *e)
{
	struct stat s;
	struct str ignored;
	if (stat(p->server[0].dir, &s) != 0)
		return FAIL(e, ERR_INPUT, "no_folder", "%s is gone", p->server[0].dir);
	struct process_options o = { .argv = argv, .uid = (int)s.st_uid, .gid = (int)s.st_gid, .cwd = "/" };
	return process_run(a, &o, 65536, deadline_in(LONG_MS), &ignored, e);
}

/* Beside the program that runs. */
static const char *program(struct arena *a, const struct pair *p, const char *name)
{
	char path[512];
	const char *link = arena_printf(a, "/proc/%d/exe", process_pid(p->server[0].server));
	ssize_t n = readlink(link, path, sizeof(path));
	while (n > 0 && path[n - 1] != '/')
		n--;
	return arena_printf(a, "%.*s%s", (int)MAX_OF(n, (ssize_t)0), path, name);
}

static bool standby_make(struct arena *a, struct pair *p, struct err *e)
{
	const char *copy[] = { program(a, p, "pg_basebackup"), "-d", server_url(a, p, 0), "-D", arena_printf(a, "%s/pg", p->dir[1]),
		"-R", "-X", "stream", "-c", "fast", "--no-sync", NULL };
	const char *password[] = { "cp", arena_printf(a, "%s/password", p->dir[0]), p->dir[1], NULL };
	struct stat s;
	if (stat(p->dir[0], &s) != 0 || chown(p->dir[1], s.st_uid, s.st_gid) != 0)
		return FAIL(e, ERR_INPUT, "cannot_write", "cannot give %s away", p->dir[1]);
	return as_server_user(a, p, copy, e) && as_server_user(a, p, password, e) && server_start(a, p, 1, e);
}

/* ---- the pair ---- */

#define IS_SYNCHRONOUS "select count(*) > 0 from pg_stat_replication where sync_state = 'sync'"

static bool wait_for(struct arena *a, struct pg *db, const char *sql, struct err *e)
{
	for (int64_t end = clock_ms() + LONG_MS; clock_ms() < end; loop_sleep(10, e))
		if (strcmp(test_ask(a, db, sql), "t") == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

static bool primary_make(struct arena *a, struct pair *p, struct err *e)
{
	struct migrate_report ignored;
	struct pg *db = server_start(a, p, 0, e) ? test_connect(a, server_url(a, p, 0), e) : NULL;
	return db && migrate(db, migrations_all, NULL, deadline_in(LONG_MS), &ignored, e) &&
		pg_script(db, a, arena_printf(a, "alter role drover_worker password '%s'", p->server[0].password),
			deadline_in(LONG_MS), NULL, e);
}

static bool pair_start(struct arena *a, struct pair *p, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		snprintf(p->dir[i], sizeof(p->dir[i]), "/tmp/drover-test-XXXXXX");
		if (!mkdtemp(p->dir[i]) || !proxy_start(&p->door[i], 0, e))
			return false;
	}
	if (!primary_make(a, p, e) || !standby_make(a, p, e))
		return false;
	struct pg *db = test_connect(a, server_url(a, p, 0), e);
	for (int i = 0; db && i < 3; i++) { /* no transaction may be around them */
		static const char *const steps[] = { "alter system set synchronous_standby_names = '*'",
			"alter system set synchronous_commit = 'remote_apply'", "select pg_reload_conf()" };
		if (!pg_script(db, a, steps[i], deadline_in(LONG_MS), NULL, e))
			return false;
	}
	return db && wait_for(a, db, IS_SYNCHRONOUS, e);
}

static void pair_stop(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		embedded_stop(&p->server[i]);
		proxy_stop(&p->door[i]);
		delete_tree(p->dir[i]);
	}
}

static bool open_on_pair(struct arena *a, struct pair *p, struct rig *r, struct err *e)
{
	if (!pair_start(a, p, e))
		return false;
	struct test_db db = { "postgres", both(a, p, "postgres"), both(a, p, "drover_worker") };
	if (!rig_open_on(a, &db, STORY, r, e))
		return false;
	r->config.max_attempts = 10;
	r->config.listen_check_ms = 1000;
	return rig_start(r, e);
}

static bool promote(struct arena *a, const struct pair *p, int i, struct err *e)
{
	struct pg *db = test_connect(a, server_url(a, p, i), e);
	return db && wait_for(a, db, "select pg_promote()", e);
}

/* ---- requests ---- */

/* Ids that the database has acknowledged: none of them may be lost. */
static void ask_many(struct arena *a, struct rig *r, int64_t ids[MANY])
{
	for (int i = 0; i < MANY; i++)
		ids[i] = rig_ask(a, r, "project_management", arena_printf(a, "m%d", i));
}

static bool wait_under_way(struct arena *a, struct rig *r, struct err *e)
{
	return wait_for(a, r->owner, "select count(distinct request_id) > 5 from agent_logs where kind = 'text'", e);
}

/* Promises are checked beside it. */
static void check_each_once(struct arena *a, struct rig *r, const int64_t ids[MANY])
{
	for (int i = 0; i < MANY; i++)
		CHECK_EQ_S(rig_wait(a, r, ids[i]), "completed");
	CHECK_SQL(r->owner, "select count(*) || ' ' || count(distinct request_id) from tool_executions where status = 'done'",
		arena_printf(a, "%d %d", MANY, MANY));
	CHECK_SQL(r->owner, "select count(*) || ' ' || count(distinct name) from psa.tasks where name like 'm%'",
		arena_printf(a, "%d %d", MANY, MANY));
	CHECK_PROMISES(r->owner);
}

#define OURS_HERE "select count(*) from pg_stat_activity where usename = 'drover_worker'"

LOOP_TEST(when_the_primary_dies_the_worker_goes_on_with_the_promoted_standby)
{
	struct pair p = { 0 };
	struct rig *r = arena_alloc(a, sizeof(*r));
	int64_t ids[MANY], more[1];
	REQUIRE_OK(open_on_pair(a, &p, r, e));
	ask_many(a, r, ids);
	REQUIRE_OK(wait_under_way(a, r, e));
	server_kill(&p, 0);
	REQUIRE_OK(promote(a, &p, 1, e));
	REQUIRE_OK(r->owner = test_connect(a, r->db.owner_url, e));
	check_each_once(a, r, ids);

	/* the old one comes back, and knows nothing of what happened since: nobody may believe it */
	const char *mark[] = { "touch", arena_printf(a, "%s/pg/standby.signal", p.dir[0]), NULL };
	REQUIRE_OK(as_server_user(a, &p, mark, e) && server_start(a, &p, 0, e));
	CHECK_SQL(r->owner, "select bool_and(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'drover_worker'", "t");
	more[0] = rig_ask(a, r, "project_management", "after");
	CHECK_EQ_S(rig_wait(a, r, more[0]), "completed");
	CHECK_SQL(test_connect(a, server_url(a, &p, 0), e), OURS_HERE, "0");
	rig_close(r);
	pair_stop(&p);
}

LOOP_TEST(a_primary_that_can_only_be_read_from_now_on_is_left_for_the_other)
{
	struct pair p = { 0 };
	struct rig *r = arena_alloc(a, sizeof(*r));
	int64_t ids[MANY];
	REQUIRE_OK(open_on_pair(a, &p, r, e));
	struct pg *first = test_connect(a, server_url(a, &p, 0), e);
	ask_many(a, r, ids);
	REQUIRE_OK(wait_under_way(a, r, e));
	CHECK_SQL(first, "alter system set default_transaction_read_only = on", "(null)");
	CHECK_SQL(first, "select pg_reload_conf()", "t");
	REQUIRE_OK(loop_sleep(500, e) && promote(a, &p, 1, e));
	REQUIRE_OK(r->owner = test_connect(a, r->db.owner_url, e));
	check_each_once(a, r, ids);
	CHECK_SQL(first, OURS_HERE, "0");
	rig_close(r);
	pair_stop(&p);
}
