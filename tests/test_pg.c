/* SPDX-License-Identifier: MIT */
/* The cluster outlives single tests, and so the loop of each: it is started and stopped by small runs of its own, and
 * dies with the test binary. */
#include "test_pg.h"
#include "embedded.h"
#include "loop.h"
#include "migrate.h"
#include "migrations.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 60000 };

static struct {
	struct arena *arena;
	struct embedded server;
	int pid, databases;
} cluster;

static void cluster_stop(void)
{
	if (!cluster.pid)
		return;
	kill(cluster.pid, SIGQUIT);
	waitpid(cluster.pid, NULL, 0);
	delete_tree(cluster.server.dir);
	arena_free(cluster.arena);
}

static bool migrate_template(struct arena *a, struct pg *admin, struct err *e)
{
	const char *url = embedded_url(a, &cluster.server, "postgres", cluster.server.password, "migrated");
	struct migrate_report report;
	if (!pg_script(admin, a, "create database migrated", deadline_in(LONG_MS), NULL, e))
		return false;
	struct pg *db = pg_open(&(struct pg_options){ .url = url, .connect_ms = LONG_MS }, NEVER_MS, e);
	bool ok = db && migrate(db, migrations_all, NULL, deadline_in(LONG_MS), &report, e) &&
		pg_script(db, a, arena_printf(a, "alter role drover_worker password '%s'", cluster.server.password),
			deadline_in(LONG_MS), NULL, e);
	pg_close(db);
	return ok;
}

static struct pg *admin_open(struct arena *a, struct err *e)
{
	const char *url = embedded_url(a, &cluster.server, "postgres", cluster.server.password, "postgres");
	return pg_open(&(struct pg_options){ .url = url, .connect_ms = LONG_MS }, NEVER_MS, e);
}

static bool cluster_start(struct err *e)
{
	char *dir = arena_text(cluster.arena = arena_new(), STR("/tmp/drover-test-XXXXXX"));
	if (!mkdtemp(dir))
		return FAIL(e, ERR_INPUT, "cannot_write", "no directory for a test cluster under /tmp");
	struct embedded_options o = { .dir = dir, .fast = true };
	if (!embedded_start(cluster.arena, &o, &cluster.server, e))
		return false;
	cluster.pid = process_pid(cluster.server.server);
	atexit(cluster_stop);
	struct pg *admin = admin_open(cluster.arena, e);
	bool ok = admin && migrate_template(cluster.arena, admin, e);
	pg_close(admin);
	/* From here on it is an ordinary child of ours: no loop knows it, so every loop can close. */
	process_disown(cluster.server.server);
	return ok;
}

static bool make_database(struct arena *a, struct test_db *db, const char *from, struct err *e)
{
	if (!cluster.pid && !cluster_start(e))
		return false;
	struct pg *admin = admin_open(a, e);
	db->name = arena_printf(a, "t%d", ++cluster.databases);
	const char *sql = arena_printf(a, "create database %s template %s", db->name, from);
	bool ok = admin && pg_script(admin, a, sql, deadline_in(LONG_MS), NULL, e);
	pg_close(admin);
	db->owner_url = embedded_url(a, &cluster.server, "postgres", cluster.server.password, db->name);
	db->worker_url = embedded_url(a, &cluster.server, "drover_worker", cluster.server.password, db->name);
	return ok;
}

bool test_db(struct arena *a, struct test_db *db, struct err *e)
{
	return make_database(a, db, "migrated", e);
}

bool test_db_empty(struct arena *a, struct test_db *db, struct err *e)
{
	return make_database(a, db, "template1", e);
}

static void connection_end(void *db)
{
	pg_close(db);
}

struct pg *test_connect(struct arena *a, const char *url, struct err *e)
{
	struct pg *db = pg_open(&(struct pg_options){ .url = url, .connect_ms = LONG_MS, .prepare = true }, NEVER_MS, e);
	if (db)
		arena_defer(a, connection_end, db);
	return db;
}

const char *test_ask(struct arena *a, struct pg *db, const char *sql)
{
	struct err e = { 0 };
	struct pg_rows rows = { 0 };
	if (!pg_script(db, a, sql, deadline_in(LONG_MS), &rows, &e))
		return arena_printf(a, "ERROR: %s", e.msg);
	const char *value = rows.n ? pg_first(&rows) : NULL;
	return value ? value : "(null)";
}
