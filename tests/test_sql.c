/* SPDX-License-Identifier: MIT */
/* Every statement of the program fits the schema, and may be run by who runs it; the states fit the table. */
#include "agents_sql.h"
#include "commands_sql.h"
#include "loop.h"
#include "migrate_sql.h"
#include "queue_sql.h"
#include "state.h"
#include "test_pg.h"

enum { LONG_MS = 30000, STATEMENTS_MOST = 200 };

/* Who runs them; a script is no single statement, and is run by the migrations' own tests. */
static const struct list {
	const struct sql *const *all;
	bool owner;
	const char *script;
} lists[] = {
	{ queue_sql_all, false, "" },
	{ agents_sql_all, false, "" },
	{ commands_sql_all, false, "" },
	{ migrate_sql_all, true, "ledger_make" },
};

static bool is_script(const struct list *l, const struct sql *q)
{
	return strcmp(q->name, l->script) == 0;
}

/* Planning asks for no rights, starting does: EXPLAIN EXECUTE starts, and does not run. */
static const char *start(struct arena *a, struct pg *db, const struct sql *q)
{
	const char *nulls = "";
	for (int i = 0; i < q->n_params; i++)
		nulls = arena_printf(a, "%s%snull", nulls, i ? ", " : "");
	test_ask(a, db, "deallocate all");
	return test_ask(a, db, arena_printf(a, "prepare checked as %s; explain execute checked%s%s%s", q->text,
		q->n_params ? "(" : "", nulls, q->n_params ? ")" : ""));
}

static void check_statement(struct arena *a, struct pg *db, const struct sql *q)
{
	struct err e = { 0 };
	if (!CHECK(pg_prepare_check(db, q, deadline_in(LONG_MS), &e)))
		printf("      %s\n", e.msg);
	const char *said = start(a, db, q);
	if (!CHECK(strncmp(said, "ERROR", 5) != 0))
		printf("      %s: %s\n", q->path, said);
	const char *n = test_ask(a, db, "select cardinality(parameter_types) from pg_prepared_statements where name = "
		"'checked'");
	if (!CHECK_EQ_S(n, arena_printf(a, "%d", q->n_params)))
		printf("      %s\n", q->path);
}

/* As on Supabase, where nobody but its owner can let the worker look into schema auth. */
LOOP_TEST(every_statement_may_be_run_by_who_runs_it)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e), *worker = test_connect(a, t.worker_url, e);
	REQUIRE(owner && worker);
	CHECK_SQL(owner, "revoke usage on schema auth from drover_worker", "(null)");
	for (size_t i = 0; i < COUNT(lists); i++)
		for (const struct sql *const *q = lists[i].all; *q; q++)
			if (!is_script(&lists[i], *q))
				check_statement(a, lists[i].owner ? owner : worker, *q);
}

LOOP_TEST(a_statement_that_does_not_fit_is_found)
{
	static const struct sql wrong_column = { "wrong", "test/wrong.sql", "select nothing from public.agent_requests",
		0 };
	static const struct sql forbidden = { "forbidden", "test/forbidden.sql", "delete from public.agent_requests "
		"where id = $1", 1 };
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *worker = test_connect(a, t.worker_url, e);
	CHECK(!pg_prepare_check(worker, &wrong_column, deadline_in(LONG_MS), e));
	CHECK(strstr(e->msg, "test/wrong.sql: ") && strstr(e->msg, "\"nothing\" does not exist"));
	CHECK(strstr(start(a, worker, &forbidden), "permission denied for table agent_requests"));
}

/* They share the names of prepared statements on a connection. */
TEST(names_are_unique_over_all_lists_and_fit)
{
	enum { NAME_MOST = 63 };
	const struct sql *seen[STATEMENTS_MOST];
	size_t n = 0;
	for (size_t i = 0; i < COUNT(lists); i++)
		for (const struct sql *const *q = lists[i].all; *q; q++) {
			CHECK(strlen((*q)->name) <= NAME_MOST);
			for (size_t k = 0; k < n; k++)
				if (!CHECK(strcmp(seen[k]->name, (*q)->name) != 0))
					printf("      %s and %s\n", seen[k]->path, (*q)->path);
			REQUIRE(n < STATEMENTS_MOST);
			seen[n++] = *q;
		}
	CHECK(n > 60);
}

/* ---- states ---- */

#define TRY "create function accepts(s text, p text) returns boolean language plpgsql as $$ begin " \
	"insert into agent_requests (type, request, status, phase) values ('x', 'x', s, p); return true; " \
	"exception when check_violation then return false; end $$; " \
	"create table words (word text)"

/* Every pair of words is tried, those that go together in no state among them. */
LOOP_TEST(the_states_are_those_that_the_table_accepts)
{
	struct test_db t;
	const char *states = "";
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e);
	CHECK_SQL(owner, TRY, "(null)");
	for (size_t i = 0; i < n_queue_states; i++) {
		const struct queue_state *s = &queue_states[i];
		states = arena_printf(a, "%s%s('%s', '%s')", states, i ? ", " : "", s->status, s->phase);
		test_ask(a, owner, arena_printf(a, "insert into words values ('%s'), ('%s')", s->status, s->phase));
	}
	/* and the words of the constraint that the table of states may lack */
	CHECK_SQL(owner, "insert into words select m[1] from pg_constraint, regexp_matches(pg_get_constraintdef(oid), "
		"'''(\\w+)''', 'g') m where conname = 'status_and_phase' and conrelid = 'agent_requests'::regclass returning "
		"'some'", "some");
	CHECK_SQL(owner, arena_printf(a, "with pairs as (select distinct s.word as s, p.word as p from words s, words p), "
		"states (s, p) as (values %s) select string_agg(s || ' ' || p, ', ') from pairs "
		"where accepts(s, p) <> ((s, p) in (select * from states))", states), "(null)");
}

static bool is_phase(const char *word)
{
	for (size_t i = 0; i < n_queue_states; i++)
		if (strcmp(queue_states[i].phase, word) == 0)
			return true;
	return false;
}

static bool is_query(const char *name)
{
	for (const struct sql *const *q = queue_sql_all; *q; q++)
		if (strcmp((*q)->name, name) == 0)
			return true;
	return false;
}

LOOP_TEST(every_move_is_between_phases_and_made_by_something_that_exists)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e);
	for (size_t i = 0; i < n_queue_moves; i++) {
		const struct queue_move *m = &queue_moves[i];
		const char *found = test_ask(a, owner, arena_printf(a, "select count(*) from pg_proc where pronamespace = "
			"'drover'::regnamespace and proname = '%s'", m->by));
		CHECK(!*m->from || is_phase(m->from));
		CHECK(is_phase(m->to) && strcmp(m->from, m->to) != 0);
		if (!CHECK(strcmp(m->by, "insert") == 0 || is_query(m->by) || strcmp(found, "1") == 0))
			printf("      %s\n", m->by);
	}
}

TEST(every_phase_is_reached_and_every_open_one_left)
{
	for (size_t i = 0; i < n_queue_states; i++) {
		const struct queue_state *s = &queue_states[i];
		bool reached = false, left = strcmp(s->status, "completed") == 0;
		for (size_t m = 0; m < n_queue_moves; m++) {
			reached |= strcmp(queue_moves[m].to, s->phase) == 0;
			left |= strcmp(queue_moves[m].from, s->phase) == 0;
		}
		if (!CHECK(reached && left))
			printf("      %s\n", s->phase);
	}
}

/* ---- realtime ---- */

LOOP_TEST(the_publication_has_requests_logs_and_proposals_and_nothing_else)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e);
	CHECK_SQL(owner, "select string_agg(schemaname || '.' || tablename || coalesce(rowfilter, ''), ' ' order by "
		"tablename) from pg_publication_tables where pubname = 'supabase_realtime'", "public.agent_logs "
		"public.agent_requests public.change_proposals");
	CHECK_SQL(owner, "select pubinsert and pubupdate and not puballtables from pg_publication where pubname = "
		"'supabase_realtime'", "t");
	/* every column is sent, and an update or a deletion is known by the primary key alone */
	CHECK_SQL(owner, "select count(*) from pg_publication_rel where prattrs is not null", "0");
	CHECK_SQL(owner, "select string_agg(relreplident::text, '') from pg_class where oid in "
		"('agent_requests'::regclass, 'agent_logs'::regclass)",
		"dd");
}
