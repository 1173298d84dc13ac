/* SPDX-License-Identifier: MIT */
/* The Postgres client: results, errors by kind, transactions, the pool, notifications, lost and hanging servers. */
#include "clock.h"
#include "loop.h"
#include "test_pg.h"

static const struct sql sum = { "sum", "test", "select $1::int + $2::int as sum", 2 };
static const struct sql doubled = { "doubled", "test", "select $1::int * 2 as sum", 1 };
static const struct sql divide = { "divide", "test", "select 1 / $1::int as sum", 1 };
static const struct sql nap = { "nap", "test", "select pg_sleep($1::float8)", 1 };
static const struct sql insert_x = { "insert_x", "test", "insert into x values ($1::int)", 1 };

LOOP_TEST(a_query_gives_its_rows)
{
	struct test_db t;
	struct pg_rows rows;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE(db);
	for (int i = 0; i < 3; i++) {
		REQUIRE_OK(pg_query(db, a, &sum, PG_ARGS(PG(i), PG(40)), NEVER_MS, &rows, e));
		CHECK_EQ_I(pg_i64(&rows, 0, "sum"), 40 + i);
	}
}

LOOP_TEST(a_batch_is_all_or_nothing)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE(db);
	CHECK_SQL(db, "create table x (n int)", "(null)");
	struct pg_step steps[] = { { &insert_x, PG_ARGS(PG(1)), NULL }, { &insert_x, PG_ARGS(PG(2)), NULL },
		{ &divide, PG_ARGS(PG(0)), NULL }, { &insert_x, PG_ARGS(PG(3)), NULL } };
	CHECK(!pg_batch(db, a, steps, 4, NEVER_MS, e));
	CHECK_EQ_S(e->sqlstate, "22012");
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK_SQL(db, "select count(*) from x", "0");
	REQUIRE_OK(pg_batch(db, a, steps, 2, NEVER_MS, e));
	CHECK_SQL(db, "select count(*) from x", "2");
}

LOOP_TEST(a_transaction_spans_calls_and_rolls_back)
{
	struct test_db t;
	struct pg_rows rows;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE(db);
	CHECK_SQL(db, "create table x (n int)", "(null)");
	struct pg_step one = { &insert_x, PG_ARGS(PG(1)), NULL };
	REQUIRE_OK(pg_begin(db, a, &one, 1, NEVER_MS, e));
	REQUIRE_OK(pg_query(db, a, &doubled, PG_ARGS(PG(21)), NEVER_MS, &rows, e));
	CHECK_EQ_I(pg_i64(&rows, 0, "sum"), 42);
	CHECK(!pg_query(db, a, &divide, PG_ARGS(PG(0)), NEVER_MS, NULL, e));
	REQUIRE_OK(pg_rollback(db, NEVER_MS, e));
	CHECK_SQL(db, "select count(*) from x", "0");
	REQUIRE_OK(pg_begin(db, a, NULL, 0, NEVER_MS, e));
	REQUIRE_OK(pg_commit(db, a, &one, 1, NEVER_MS, e));
	CHECK_SQL(db, "select count(*) from x", "1");
}

/* ---- a transaction that begins with its first statement ---- */

#define STATE_OF "select state || ' ' || (xact_start is not null) from pg_stat_activity where pid = %d"

struct held {
	struct pg *db, *admin;
	const char *state; /* the query for it */
};

static bool held_open(struct arena *a, struct held *h, struct err *e)
{
	struct test_db t;
	if (!test_db_empty(a, &t, e))
		return false;
	h->db = test_connect(a, t.owner_url, e);
	h->admin = test_connect(a, t.owner_url, e);
	h->state = arena_printf(a, STATE_OF, pg_backend_pid(h->db));
	CHECK_SQL(h->admin, "create table x (n int check (n < 100))", "(null)");
	return true;
}

static const struct sql raise_fence = { "raise_fence", "test/fence.sql", "do $$ begin raise exception 'gone' using errcode = 'DV001'; "
	"end $$", 0 };
static const struct sql count_x = { "count_x", "test", "select count(*) as n from x", 0 };

LOOP_TEST(a_transaction_is_begun_by_its_first_statement_in_the_same_round_trip)
{
	struct held h;
	struct pg_rows rows;
	REQUIRE_OK(held_open(a, &h, e));
	{
		char number[] = "41"; /* what the caller gave may be gone by then */
		struct pg_step one = { &insert_x, PG_ARGS(PG(number)), NULL };
		REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e));
		number[0] = 'x';
	}
	CHECK_SQL(h.admin, h.state, "idle false");
	task_torture_mark();
	loop_torture(1000, ERR_NET); /* counts */
	REQUIRE_OK(pg_query(h.db, a, &count_x, PG_NO_ARGS, NEVER_MS, &rows, e));
	int64_t waits = loop_torture(0, ERR_NONE);
	CHECK_EQ_I(waits, 1);
	CHECK_EQ_I(pg_i64(&rows, 0, "n"), 1);
	CHECK_SQL(h.admin, h.state, "idle in transaction true");
	CHECK_SQL(h.admin, "select count(*) from x", "0");
	REQUIRE_OK(pg_query(h.db, a, &count_x, PG_NO_ARGS, NEVER_MS, &rows, e)); /* it is not begun twice */
	REQUIRE_OK(pg_commit(h.db, a, NULL, 0, NEVER_MS, e));
	CHECK_SQL(h.admin, "select n from x", "41");
	CHECK_SQL(h.admin, h.state, "idle false");
}

LOOP_TEST(what_follows_a_begin_may_be_a_script_a_check_or_the_commit)
{
	struct held h;
	struct pg_rows rows;
	struct pg_step one = { &insert_x, PG_ARGS(PG(1)), NULL }, two = { &insert_x, PG_ARGS(PG(2)), NULL };
	REQUIRE_OK(held_open(a, &h, e));
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e) && pg_script(h.db, a, "insert into x values (3)", NEVER_MS, NULL, e));
	CHECK_SQL(h.admin, h.state, "idle in transaction true");
	REQUIRE_OK(pg_rollback(h.db, NEVER_MS, e));
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e) && pg_prepare_check(h.db, &doubled, NEVER_MS, e));
	CHECK_SQL(h.admin, h.state, "idle in transaction true");
	REQUIRE_OK(pg_rollback(h.db, NEVER_MS, e));
	CHECK_SQL(h.admin, "select count(*) from x", "0");
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e) && pg_commit(h.db, a, &two, 1, NEVER_MS, e));
	CHECK_SQL(h.admin, "select string_agg(n::text, ' ' order by n) from x", "1 2");
	struct pg_step wanted = { &count_x, PG_NO_ARGS, &rows };
	REQUIRE_OK(pg_begin(h.db, a, &wanted, 1, NEVER_MS, e));
	CHECK_EQ_I(pg_i64(&rows, 0, "n"), 2); /* whose rows are wanted is sent at once */
	REQUIRE_OK(pg_rollback(h.db, NEVER_MS, e));
}

LOOP_TEST(a_fence_that_fails_fails_the_first_statement_with_its_own_error)
{
	struct held h;
	struct pg_step fence = { &raise_fence, PG_NO_ARGS, NULL }, one = { &insert_x, PG_ARGS(PG(1)), NULL };
	REQUIRE_OK(held_open(a, &h, e));
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(pg_begin(h.db, a, &fence, 1, NEVER_MS, e));
		CHECK(!(i ? pg_commit(h.db, a, &one, 1, NEVER_MS, e) : pg_query(h.db, a, &insert_x, PG_ARGS(PG(1)), NEVER_MS, NULL, e)));
		CHECK_EQ_I(e->kind, ERR_FENCE);
		CHECK_EQ_S(e->msg, "raise_fence: gone");
		CHECK(!pg_query(h.db, a, &insert_x, PG_ARGS(PG(1)), NEVER_MS, NULL, e)); /* the transaction is over */
		CHECK_EQ_S(e->sqlstate, "25P02");
		REQUIRE_OK(pg_rollback(h.db, NEVER_MS, e));
		CHECK_SQL(h.admin, "select count(*) from x", "0");
	}
	CHECK_SQL(h.db, "select 1", "1");
}

LOOP_TEST(of_a_transaction_that_was_never_sent_nothing_is_sent_and_nothing_is_left)
{
	struct held h;
	struct pg_step one = { &insert_x, PG_ARGS(PG(1)), NULL };
	REQUIRE_OK(held_open(a, &h, e));
	CHECK_SQL(h.db, "select 1", "1");
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e));
	REQUIRE_OK(pg_rollback(h.db, NEVER_MS, e));
	CHECK_SQL(h.admin, arena_printf(a, "select query from pg_stat_activity where pid = %d", pg_backend_pid(h.db)), "select 1");
	CHECK_SQL(h.db, "select count(*) from x", "0");
	CHECK_SQL(h.admin, h.state, "idle false");
}

LOOP_TEST(a_begin_that_somebody_left_in_the_pool_is_forgotten)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg_options o = { .url = t.owner_url, .connect_ms = 5000, .prepare = true };
	struct pg_pool *pool = pg_pool_new(&o, 1);
	struct pg_step none = { &raise_fence, PG_NO_ARGS, NULL };
	struct arena *gone = arena_new();
	struct pg *db = pg_get(pool, NEVER_MS, e);
	CHECK(db && pg_begin(db, gone, &none, 1, NEVER_MS, e));
	pg_put(pool, db);
	arena_free(gone);
	db = pg_get(pool, NEVER_MS, e);
	CHECK(db && pg_query(db, a, &doubled, PG_ARGS(PG(1)), NEVER_MS, NULL, e));
	pg_put(pool, db);
	pg_pool_free(pool);
}

LOOP_TEST(a_lost_connection_or_a_deadline_fails_the_statement_that_begins)
{
	struct held h;
	struct pg_step one = { &insert_x, PG_ARGS(PG(1)), NULL };
	REQUIRE_OK(held_open(a, &h, e));
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e));
	CHECK(!pg_query(h.db, a, &nap, PG_ARGS(PG("5")), deadline_in(20), NULL, e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(pg_broken(h.db) && !pg_begin(h.db, a, &one, 1, NEVER_MS, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	REQUIRE_OK(held_open(a, &h, e));
	REQUIRE_OK(pg_begin(h.db, a, &one, 1, NEVER_MS, e));
	CHECK_SQL(h.admin, arena_printf(a, "select pg_terminate_backend(%d, 5000)", pg_backend_pid(h.db)), "t");
	CHECK(!pg_commit(h.db, a, NULL, 0, NEVER_MS, e));
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_SQL(h.admin, "select count(*) from x", "0");
}

LOOP_TEST(errors_have_the_kind_that_decides_what_to_do)
{
	static const struct { const char *sql; enum err_kind kind; const char *code; } cases[] = {
		{ "select 1/0", ERR_INPUT, "db_rejected" },
		{ "do $$ begin raise exception 'no'; end $$", ERR_INPUT, "db_rejected" },
		{ "do $$ begin raise exception 'gone' using errcode = 'DV001'; end $$", ERR_FENCE, "fence_lost" },
		{ "do $$ begin raise exception 'x' using errcode = '40P01'; end $$", ERR_BUSY, "db_busy" },
		{ "set statement_timeout = 10; select pg_sleep(1)", ERR_TIMEOUT, "db_timeout" },
		{ "select * from no_such_table", ERR_BUG, "db_error" },
		{ "set role drover_nobody", ERR_INPUT, "db_rejected" },
		{ "select pg_terminate_backend(pg_backend_pid())", ERR_NET, "db_lost" },
	};
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pg *db = test_connect(a, t.owner_url, e);
		REQUIRE(db);
		CHECK(!pg_script(db, a, cases[i].sql, NEVER_MS, NULL, e));
		if (!CHECK_EQ_I(e->kind, cases[i].kind) || !CHECK_EQ_S(e->code, cases[i].code))
			printf("      %s: %s\n", cases[i].sql, e->msg);
		CHECK_EQ_I(pg_broken(db), cases[i].kind == ERR_NET);
	}
}

LOOP_TEST(a_deadline_ends_a_slow_query_and_breaks_the_connection)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE(db);
	CHECK(!pg_query(db, a, &nap, PG_ARGS(PG("5")), deadline_in(20), NULL, e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(pg_broken(db));
	CHECK(!pg_query(db, a, &doubled, PG_ARGS(PG(1)), NEVER_MS, NULL, e));
	CHECK_EQ_I(e->kind, ERR_NET);
}

struct user {
	struct pg_pool *pool;
	int done;
};

static bool use_pool(void *arg, struct err *e)
{
	struct user *u = arg;
	ARENA_SCOPE(a);
	struct pg *db = pg_get(u->pool, NEVER_MS, e);
	bool ok = db && pg_query(db, a, &nap, PG_ARGS(PG("0.01")), NEVER_MS, NULL, e);
	pg_put(u->pool, db);
	u->done += ok;
	return ok;
}

static bool leave_transaction_open(void *arg, struct err *e)
{
	struct user *u = arg;
	ARENA_SCOPE(a);
	struct pg *db = pg_get(u->pool, NEVER_MS, e);
	bool ok = db && pg_begin(db, a, &(struct pg_step){ &insert_x, PG_ARGS(PG(1)), NULL }, 1, NEVER_MS, e);
	pg_put(u->pool, db);
	return ok;
}

LOOP_TEST(the_pool_serves_many_with_few_and_puts_right_what_was_left_open)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *admin = test_connect(a, t.owner_url, e);
	CHECK_SQL(admin, "create table x (n int)", "(null)");
	struct pg_options o = { .url = t.owner_url, .connect_ms = 5000, .prepare = true };
	struct user u = { .pool = pg_pool_new(&o, 2) };
	struct group g = { 0 };
	REQUIRE_OK(group_start(&g, "open", leave_transaction_open, &u, e));
	for (int i = 0; i < 20; i++)
		REQUIRE_OK(group_start(&g, "user", use_pool, &u, e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_I(u.done, 20);
	CHECK_SQL(admin, "select count(*) from pg_stat_activity where datname = current_database() "
		"and pid <> pg_backend_pid()", "2");
	CHECK_SQL(admin, "select count(*) from x", "0");
	pg_pool_free(u.pool);
}

LOOP_TEST(who_gives_up_waiting_for_the_pool_loses_no_place)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg_options o = { .url = t.owner_url, .connect_ms = 5000, .prepare = true };
	struct pg_pool *pool = pg_pool_new(&o, 1);
	struct pg *db = pg_get(pool, NEVER_MS, e);
	REQUIRE(db);
	CHECK(!pg_get(pool, deadline_in(10), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(strstr(e->msg, "database.pool"));
	pg_put(pool, db);
	db = pg_get(pool, deadline_in(1000), e);
	CHECK(db);
	pg_put(pool, db);
	pg_pool_free(pool);
}

LOOP_TEST(a_notification_arrives)
{
	struct test_db t;
	const char *channel, *payload;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *listener = test_connect(a, t.owner_url, e), *other = test_connect(a, t.owner_url, e);
	REQUIRE(listener && other);
	CHECK_SQL(listener, "listen bell", "(null)");
	CHECK(!pg_notification(listener, a, &channel, &payload, deadline_in(10), e));
	CHECK_SQL(other, "notify bell, 'ding'", "(null)");
	REQUIRE_OK(pg_notification(listener, a, &channel, &payload, deadline_in(5000), e));
	CHECK_EQ_S(channel, "bell");
	CHECK_EQ_S(payload, "ding");
}

LOOP_TEST(a_lost_listener_is_told)
{
	struct test_db t;
	const char *channel, *payload;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *listener = test_connect(a, t.owner_url, e), *other = test_connect(a, t.owner_url, e);
	CHECK_SQL(listener, "listen bell", "(null)");
	CHECK_SQL(other, arena_printf(a, "select pg_terminate_backend(%d)", pg_backend_pid(listener)), "t");
	CHECK(!pg_notification(listener, a, &channel, &payload, deadline_in(5000), e));
	CHECK_EQ_I(e->kind, ERR_NET);
}

LOOP_TEST(array_literals_survive_quotes_and_backslashes)
{
	struct test_db t;
	struct pg_rows rows;
	static const struct sql joined = { "joined", "test", "select array_to_string($1::text[], '|', 'NULL') as j", 1 };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	struct buf *b = buf_new(a, 1000);
	pg_array_add(b, "a\"b\\c,{}");
	pg_array_add(b, "");
	pg_array_add(b, NULL);
	pg_array_add(b, "NULL");
	REQUIRE_OK(pg_query(db, a, &joined, PG_ARGS(PG(pg_array_end(b))), NEVER_MS, &rows, e));
	CHECK_EQ_S(pg_text(&rows, 0, "j"), "a\"b\\c,{}||NULL|NULL");
}

LOOP_TEST(invalid_text_is_cleaned_at_the_border)
{
	struct test_db t;
	struct pg_rows rows;
	static const struct sql same = { "same", "test", "select $1::text as same", 1 };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(pg_query(db, a, &same, PG_ARGS(PG("x\xFFy")), NEVER_MS, &rows, e));
	CHECK_EQ_S(pg_text(&rows, 0, "same"), "x\xEF\xBF\xBDy");
}

LOOP_TEST(rows_become_json_by_their_types)
{
	struct test_db t;
	struct pg_rows rows;
	static const struct sql mixed = { "mixed", "test", "select 1 as i, 9007199254740993 as big, 1.50::numeric as n, true as b, "
		"'x' as t, '{\"k\":[1]}'::jsonb as j, null::text as nothing, 'NaN'::float8 as nan", 0 };
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *db = test_connect(a, t.owner_url, e);
	REQUIRE_OK(pg_query(db, a, &mixed, PG_NO_ARGS, NEVER_MS, &rows, e));
	CHECK_EQ_S(json_print(a, pg_row_json(a, &rows, 0)), "{\"i\":1,\"big\":\"9007199254740993\",\"n\":1.50,\"b\":true,\"t\":\"x\","
		"\"j\":{\"k\": [1]},\"nothing\":null,\"nan\":\"NaN\"}");
}

LOOP_TEST(what_cannot_connect_says_why_and_keeps_the_password)
{
	static const struct { const char *url; enum err_kind kind; } cases[] = {
		{ "postgresql://u:secret@127.0.0.1:1/x", ERR_NET },
		{ "postgresql://u:secret@no-such-host.invalid/x", ERR_NET },
		{ "postgresql:/u:secret@", ERR_INPUT },
		{ "host=127.0.0.1 port=1 pasword=secret", ERR_INPUT },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(!pg_open(&(struct pg_options){ .url = cases[i].url, .connect_ms = 3000 }, NEVER_MS, e));
		if (!CHECK_EQ_I(e->kind, cases[i].kind))
			printf("      %s\n", e->msg);
		CHECK(!strstr(e->msg, "secret"));
	}
	CHECK_EQ_S(pg_url_redact(a, "postgresql://u:secret@h:5/d"), "postgresql://u:***@h:5/d");
	CHECK_EQ_S(pg_url_redact(a, "host=h password=secret dbname=d"), "host=h password=*** dbname=d");
	CHECK_EQ_S(pg_url_redact(a, "postgresql://h/d?user=u&password=secret"), "postgresql://h/d?user=u&password=***");
}

LOOP_TEST(a_wrong_password_is_for_an_operator)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	const char *url = arena_printf(a, "%s%s", "postgresql://postgres:wrong", strchr(t.owner_url, '@'));
	CHECK(!pg_open(&(struct pg_options){ .url = url, .connect_ms = 3000 }, NEVER_MS, e));
	CHECK_EQ_I(e->kind, ERR_REFUSED);
}

LOOP_TEST(torture_at_every_wait_of_a_transaction_leaves_nothing_open)
{
	struct test_db t;
	REQUIRE_OK(test_db_empty(a, &t, e));
	struct pg *admin = test_connect(a, t.owner_url, e);
	CHECK_SQL(admin, "create table x (n int)", "(null)");
	struct pg_options o = { .url = t.owner_url, .connect_ms = 5000, .prepare = true };
	task_torture_mark();
	for (int k = 1; k < 100; k++) {
		struct user u = { .pool = pg_pool_new(&o, 1) };
		loop_torture(k, ERR_NET);
		struct err ignored = { 0 };
		bool done = use_pool(&u, &ignored) && use_pool(&u, &ignored);
		loop_torture(0, ERR_NONE);
		pg_pool_free(u.pool);
		if (done)
			break;
		CHECK(k < 99);
	}
	CHECK_SQL(admin, "select pg_sleep(0.1)", "");
	CHECK_SQL(admin, "select count(*) from pg_stat_activity where datname = current_database() "
		"and pid <> pg_backend_pid() and query not like '%pg_sleep%'", "0");
}
