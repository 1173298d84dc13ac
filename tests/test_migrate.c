/* SPDX-License-Identifier: MIT */
/* Migrations: once, in order, checked, documented, and on databases that have Supabase's things already. */
#include "loop.h"
#include "migrate.h"
#include "migrations.h"
#include "test_pg.h"

static bool run_all(struct pg *db, struct migrate_report *r, struct err *e)
{
	return migrate(db, migrations_all, NULL, deadline_in(60000), r, e);
}

LOOP_TEST(a_second_run_changes_nothing)
{
	struct test_db t;
	struct migrate_report first, second;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(run_all(db, &first, e));
	CHECK(first.applied > 0);
	const char *before = test_ask(a, db, "select string_agg(module || version || checksum || applied_at, ',' order by module, version) from drover.migrations");
	REQUIRE_OK(run_all(db, &second, e));
	CHECK_EQ_I(second.applied, 0);
	CHECK_EQ_I(second.already, first.applied);
	CHECK_SQL(db, "select string_agg(module || version || checksum || applied_at, ',' order by module, version) from drover.migrations", before);
}

LOOP_TEST(a_changed_file_is_refused_by_name)
{
	struct test_db t;
	struct migrate_report r;
	struct migration changed[] = { { "core", 1, "one", "core/001_one.sql", "create table one (n int);" }, { 0 } };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(migrate(db, changed, NULL, NEVER_MS, &r, e));
	changed[0].text = "create table one (n bigint);";
	CHECK(!migrate(db, changed, NULL, NEVER_MS, &r, e));
	CHECK_EQ_S(e->code, "migration_changed");
	CHECK(strstr(e->msg, "core/001_one.sql"));
}

LOOP_TEST(a_failing_migration_leaves_nothing_and_is_named)
{
	struct test_db t;
	struct migrate_report r;
	struct migration bad[] = { { "core", 1, "bad", "core/001_bad.sql", "create table half (n int); select 1/0;" }, { 0 } };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	CHECK(!migrate(db, bad, NULL, NEVER_MS, &r, e));
	CHECK(strstr(e->msg, "core/001_bad.sql"));
	CHECK_SQL(db, "select to_regclass('half')", "(null)");
	CHECK_SQL(db, "select count(*) from drover.migrations", "0");
}

struct racer {
	struct pg *db;
	struct migrate_report report;
};

static bool race(void *arg, struct err *e)
{
	struct racer *r = arg;
	return run_all(r->db, &r->report, e);
}

LOOP_TEST(two_at_once_apply_each_file_once)
{
	struct test_db t;
	struct group g = { 0 };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct racer r[2] = { { .db = test_connect(a, t.owner_url, e) }, { .db = test_connect(a, t.owner_url, e) } };
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(group_start(&g, "racer", race, &r[i], e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	struct migrate_report again = { 0 };
	REQUIRE_OK(run_all(r[0].db, &again, e));
	CHECK_EQ_I(r[0].report.applied + r[1].report.applied, again.already);
	CHECK_EQ_I(again.applied, 0);
}

LOOP_TEST(what_supabase_has_already_is_left_alone)
{
	struct test_db t;
	struct migrate_report r;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	CHECK_SQL(db, "create schema auth; create function auth.uid() returns uuid language sql stable as "
		"$$ select '11111111-1111-4111-8111-111111111111'::uuid $$; create table public.messages (id int primary key); "
		"create publication supabase_realtime for table public.messages; select 1", "1");
	REQUIRE_OK(run_all(db, &r, e));
	CHECK_SQL(db, "select auth.uid()", "11111111-1111-4111-8111-111111111111");
	CHECK_SQL(db, "select string_agg(tablename, ',' order by tablename) from pg_publication_tables where pubname = 'supabase_realtime'",
		"agent_logs,agent_requests,change_proposals,messages");
}

LOOP_TEST(an_owner_that_is_no_superuser_can_migrate)
{
	struct test_db t;
	struct migrate_report r;
	REQUIRE_OK(test_db(a, &t, e)); /* the roles exist in the cluster, as on Supabase */
	struct test_db bare;
	REQUIRE_OK(test_db_empty(a, &bare, e));
	struct pg *admin = test_connect(a, bare.owner_url, e);
	CHECK_SQL(admin, arena_printf(a, "drop role if exists host_owner; create role host_owner login createrole password 'x'; "
		"grant drover_worker to host_owner with admin option; alter database %s owner to host_owner; select 1", bare.name), "1");
	const char *url = arena_printf(a, "postgresql://host_owner:x%s", strchr(bare.owner_url, '@'));
	struct pg *db = test_connect(a, url, e);
	REQUIRE(db);
	REQUIRE_OK(run_all(db, &r, e));
	CHECK(r.applied > 0);
}

LOOP_TEST(every_table_and_column_has_a_comment)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	CHECK_SQL(db, "select string_agg(c.oid::regclass::text || '.' || a.attname, ' ') from pg_class c join pg_namespace n on "
		"n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
		"where n.nspname in ('public', 'drover', 'psa') and c.relkind = 'r' and col_description(c.oid, a.attnum) is null", "(null)");
	CHECK_SQL(db, "select string_agg(c.oid::regclass::text, ' ') from pg_class c join pg_namespace n on n.oid = c.relnamespace "
		"where n.nspname in ('public', 'drover', 'psa') and c.relkind in ('r', 'v') and obj_description(c.oid) is null", "(null)");
}
