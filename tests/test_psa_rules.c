/* SPDX-License-Identifier: MIT */
/* What the psa schema promises whoever asks: money, bookings, circles, the life of a quote, who sees what. */
#include "demo_sql.h"
#include "loop.h"
#include "test_pg.h"

#define DEMO_USER "00000000-0000-4000-8000-0000000000d0"
#define STRANGER "00000000-0000-4000-8000-0000000000d1"
#define WS "'00000000-0000-4000-8000-0000000000a0'"
#define CLAIMS(user) "select set_config('request.jwt.claims', '{\"sub\":\"" user "\"}', false)"

enum { LONG_MS = 30000 };

/* What the tests say again and again, as functions of the test database. t.quote makes a quote of fixed lines and gives
 * base+tax of each rate, the highest first, then net+tax=gross. */
static const char helpers[] =
	"create schema t;"
	"create function t.ws() returns uuid language sql immutable as $$ select " WS "::uuid $$;"
	"create function t.id(what text, word text) returns uuid language sql as $$ select psa.find(t.ws(), what, word) $$;"
	"create function t.task(word text) returns uuid language sql as"
	" $$ select psa.find_task(t.ws(), t.id('projects', 'IRIS'), word) $$;"
	"create function t.book(who text, first date, last date, share int, how text default 'hard') returns text"
	" language sql as $$"
	"	insert into psa.bookings (workspace_id, resource_id, project_id, during, permille, kind, status, expires_at)"
	"	values (t.ws(), t.id('resources', who), t.id('projects', 'APOLLO'), daterange(first, last), share, how,"
	"		case how when 'hard' then 'confirmed' else 'proposed' end, now() + interval '1 day')"
	"	returning 'booked' $$;"
	"create function t.quote(amounts bigint[], codes text[], discount bigint default 0, mode text default 'exclusive',"
	" rounding text default 'category', way text default 'half_up') returns text language plpgsql as $$"
	"	declare q psa.quotes;"
	"	begin"
	"		insert into psa.quotes (workspace_id, customer_id, title, price_list_id, price_date, currency,"
	"			valid_until, tax_mode, tax_rounding, rounding_mode)"
	"		values (t.ws(), t.id('customers', 'Helios Travel GmbH'), 'x', t.id('price_lists', 'Standard EUR 2027'),"
	"			'2027-02-01', 'EUR', current_date, mode, rounding, way) returning * into q;"
	"		insert into psa.quote_lines (workspace_id, quote_id, position, kind, description, qty_milli,"
	"			unit_price_minor, tax_code)"
	"		select t.ws(), q.id, n, 'fixed', 'x', 1000, l.amount, l.code"
	"		from unnest(amounts, codes) with ordinality l(amount, code, n);"
	"		update psa.quotes p set discount_minor = discount"
	"		where p.workspace_id = q.workspace_id and p.id = q.id returning * into q;"
	"		return (select string_agg(base_minor || '+' || tax_minor, ' ' order by tax_rate_bp desc)"
	"			from psa.quote_taxes(q)) || ' = ' || q.net_minor || '+' || q.tax_minor || '=' || q.gross_minor;"
	"	end $$;"
	"insert into psa.tax_codes (workspace_id, code, category, rate_bp) values (t.ws(), 'R22', 'S', 2200),"
	"	(t.ws(), 'R21', 'S', 2100), (t.ws(), 'R20', 'S', 2000), (t.ws(), 'R825', 'S', 825),"
	"	(t.ws(), 'R10', 'S', 1000), (t.ws(), 'R5', 'S', 500)";

struct psa {
	struct test_db db;
	struct pg *owner;
};

static bool psa_start(struct arena *a, struct psa *t, struct err *e)
{
	return test_db(a, &t->db, e) && (t->owner = test_connect(a, t->db.owner_url, e)) &&
		pg_script(t->owner, a, seed_demo, deadline_in(LONG_MS), NULL, e) &&
		pg_script(t->owner, a, helpers, deadline_in(LONG_MS), NULL, e);
}
#define START struct psa t; REQUIRE_OK(psa_start(a, &t, e))

static bool says(const char *got, const char *part)
{
	bool ok = strstr(got, part);
	if (!ok)
		printf("      got:  %s\n      want: ...%s...\n", got, part);
	return ok;
}
#define CHECK_SAYS(db, sql, part) CHECK(says(test_ask(a, db, sql), part))

/* ---- money ---- */

static const struct {
	const char *call, *want;
} rounding_cases[] = {
	{ "psa.round_ratio(5, 10)", "1" }, { "psa.round_ratio(-5, 10)", "-1" }, { "psa.round_ratio(2675, 10)", "268" },
	{ "psa.round_ratio(-125, 10)", "-13" }, { "psa.round_ratio(25, 10)", "3" }, { "psa.round_ratio(24, 10)", "2" },
	{ "psa.round_ratio(123425, 10)", "12343" }, { "psa.round_ratio(123435, 10)", "12344" },
	{ "psa.round_ratio(5, 10, 'half_even')", "0" }, { "psa.round_ratio(15, 10, 'half_even')", "2" },
	{ "psa.round_ratio(25, 10, 'half_even')", "2" }, { "psa.round_ratio(35, 10, 'half_even')", "4" },
	{ "psa.round_ratio(-25, 10, 'half_even')", "-2" }, { "psa.round_ratio(26, 10, 'half_even')", "3" },
	{ "psa.round_ratio(123425, 10, 'half_even')", "12342" }, { "psa.round_ratio(123435, 10, 'half_even')", "12344" },
	{ "psa.round_ratio(29, 10, 'down')", "2" }, { "psa.round_ratio(-29, 10, 'down')", "-2" },
	{ "psa.line_net(1500, 12345, 1000)", "16666" }, { "psa.line_net(1, 500, 0)", "1" },
	{ "psa.line_net(1000000000, 100000000000, 0)", "100000000000000000" },
	{ "psa.money(5, 'EUR')", "0.05 EUR" }, { "psa.money(1234567, 'JPY')", "1234567 JPY" },
	{ "psa.money(1234567, 'KWD')", "1234.567 KWD" },
};

LOOP_TEST(rounding_is_exact_and_follows_its_mode)
{
	START;
	for (size_t i = 0; i < COUNT(rounding_cases); i++)
		CHECK_SQL(t.owner, arena_printf(a, "select %s", rounding_cases[i].call), rounding_cases[i].want);
}

/* amounts, tax codes, then what t.quote takes; base+tax by falling rate = net+tax=gross */
static const struct {
	const char *quote, *want;
} quote_cases[] = {
	{ "'{999}', '{R22}'", "999+220 = 999+220=1219" },
	{ "'{1665}', '{R22}'", "1665+366 = 1665+366=2031" },
	{ "'{1667}', '{R22}'", "1667+367 = 1667+367=2034" },
	{ "'{1012,1012,1012}', '{R825,R825,R825}'", "3036+250 = 3036+250=3286" },
	{ "'{1012,1012,1012}', '{R825,R825,R825}', 0, 'exclusive', 'line'", "3036+249 = 3036+249=3285" },
	{ "'{50}', '{R5}'", "50+3 = 50+3=53" },
	{ "'{50}', '{R5}', 0, 'exclusive', 'category', 'half_even'", "50+2 = 50+2=52" },
	{ "'{105}', '{R10}'", "105+11 = 105+11=116" },
	{ "'{105}', '{R10}', 0, 'exclusive', 'category', 'half_even'", "105+10 = 105+10=115" },
	{ "'{105}', '{R10}', 0, 'exclusive', 'category', 'down'", "105+10 = 105+10=115" },
	{ "'{10000}', '{R20}', 0, 'inclusive'", "8333+1667 = 8333+1667=10000" },
	{ "'{999}', '{R21}', 0, 'inclusive'", "826+173 = 826+173=999" },
	{ "'{70,30}', '{R10,RC}', 5", "66+7 29+0 = 95+7=102" },
	{ "'{30,70}', '{R10,RC}', 5", "28+3 67+0 = 95+3=98" },
	{ "'{3750,6250}', '{R10,RC}', 1000", "3375+338 5625+0 = 9000+338=9338" },
	{ "'{1000,1000,1000}', '{R10,R5,RC}', 800", "733+73 733+37 734+0 = 2200+110=2310" },
	{ "'{10000,10000,10000}', '{R10,R5,RC}', 10000", "6666+667 6667+333 6667+0 = 20000+1000=21000" },
	{ "'{100}', '{RC}', 100", "0+0 = 0+0=0" },
};

LOOP_TEST(a_quote_adds_up_to_the_reference_cases)
{
	START;
	for (size_t i = 0; i < COUNT(quote_cases); i++)
		CHECK_SQL(t.owner, arena_printf(a, "select t.quote(%s)", quote_cases[i].quote), quote_cases[i].want);
	CHECK_SAYS(t.owner, "select t.quote('{100}', '{RC}', 101)", "the discount is more than the lines");
}

/* ---- the life of a quote ---- */

LOOP_TEST(quote_numbers_have_no_gaps)
{
	START;
	const char *last = "select max(number) || ' ' || count(*) from psa.quotes";
	CHECK_SQL(t.owner, last, "Q-0001 1");
	CHECK_SQL(t.owner, "begin; select t.quote('{1}', '{RC}'); rollback; select t.quote('{1}', '{RC}')", "1+0 = 1+0=1");
	CHECK_SQL(t.owner, last, "Q-0002 2");
}

LOOP_TEST(a_quote_moves_only_along_its_life_and_is_fixed_once_it_left_draft)
{
	START;
	struct pg *db = t.owner;
	CHECK_SAYS(db, "update psa.quotes set title = 'cheaper'", "Q-0001 is sent and cannot be changed");
	CHECK_SAYS(db, "update psa.quote_lines set qty_milli = 1", "Q-0001 is sent and cannot be changed");
	CHECK_SAYS(db, "delete from psa.quote_lines", "Q-0001 is sent and cannot be changed");
	CHECK_SAYS(db, "update psa.quotes set status = 'draft'", "sent cannot become draft");
	CHECK_SQL(db, "select t.quote('{7}', '{RC}')", "7+0 = 7+0=7");
	CHECK_SAYS(db, "update psa.quotes set status = 'sent' where number = 'Q-0002'", "draft cannot become sent");
	CHECK_SAYS(db, "update psa.quotes set version = 1 where number = 'Q-0002'",
		"version 1 was given, it is at version 3");
	CHECK_SAYS(db, "update psa.quotes set price_date = price_date + 1 where number = 'Q-0002'",
		"Q-0002 has lines that were priced");
	CHECK_SAYS(db, "update psa.quotes set discount_bp = 1, discount_minor = 1 where number = 'Q-0002'",
		"one_kind_of_discount");
	CHECK_SQL(db, "update psa.quotes set valid_until = psa.today(workspace_id) - 1, status = 'submitted'"
		" where number = 'Q-0002'; update psa.quotes set status = 'approved' where number = 'Q-0002';"
		" update psa.quotes set status = 'sent' where number = 'Q-0002' returning sent_at is not null", "t");
	CHECK_SAYS(db, "update psa.quotes set status = 'accepted' where number = 'Q-0002'", "Q-0002 expired on");
	CHECK_SAYS(db, "select t.quote('{}', '{}'); update psa.quotes set status = 'submitted' where number = 'Q-0003'",
		"Q-0003 has no lines");
}

LOOP_TEST(two_rates_of_a_role_never_hold_on_one_day)
{
	START;
	CHECK_SAYS(t.owner, "insert into psa.rates (workspace_id, price_list_id, role_id, valid, rate_minor)"
		" values (t.ws(), t.id('price_lists', 'Standard EUR 2027'), t.id('roles', 'Designer'),"
		" '[2027-06-30,2027-07-02)', 1)",
		"one_rate_at_a_time");
}

/* ---- bookings and circles, also when two do it at once ---- */

LOOP_TEST(hard_bookings_never_pass_full_time)
{
	START;
	struct pg *db = t.owner;
	CHECK_SQL(db, "select t.book('Anna Keller', '2027-01-05', '2027-01-10', 600)", "booked");
	CHECK_SAYS(db, "select t.book('Anna Keller', '2027-01-08', '2027-01-12', 600)",
		"Anna Keller is booked hard to 600 permille on 2027-01-08 (APOLLO 600): 600 more would pass 1000. At most 400");
	CHECK_SQL(db, "select t.book('Anna Keller', '2027-01-10', '2027-01-12', 600)", "booked");
	CHECK_SQL(db, "select t.book('Anna Keller', '2027-01-06', '2027-01-11', 400)", "booked");
	CHECK_SAYS(db, "select t.book('Anna Keller', '2027-01-04', '2027-01-31', 1)", "1000 permille on 2027-01-06");
	CHECK_SAYS(db, "select t.book('Anna Keller', '2027-01-06', '2027-01-07', 1, 'soft')",
		"1000 permille on 2027-01-06");
	CHECK_SQL(db, "select t.book('Anna Keller', '2027-01-12', '2027-01-14', 700, 'soft')", "booked");
	CHECK_SQL(db, "select t.book('Anna Keller', '2027-01-12', '2027-01-14', 700, 'hard')", "booked");
	CHECK_SAYS(db, "update psa.bookings set permille = 1000 where permille = 600", "would pass 1000");
	CHECK_SAYS(db, "select t.book('Anna Keller', '2027-02-15', '2027-02-20', 10)", "does not work on any day from");
	CHECK_SAYS(db, "select t.book('Anna Keller', '2027-02-20', '2027-02-22', 10)", "does not work on any day from");
	CHECK_SAYS(db, "begin isolation level repeatable read; select t.book('Anna Keller', '2027-03-01', '2027-03-02', 1)",
		"this one would not see new bookings");
}

struct second {
	struct arena *a;
	struct pg *db;
	const char *sql, *said;
};

static bool second_run(void *arg, struct err *e)
{
	struct second *s = arg;
	(void)e;
	s->said = test_ask(s->a, s->db, s->sql);
	return true;
}

/* The first transaction does its part and stays open until the second waits for it; then what the second got. */
static const char *race(struct arena *a, struct psa *t, const char *first, const char *second, struct err *e)
{
	struct pg *one = test_connect(a, t->db.owner_url, e);
	struct second s = { a, test_connect(a, t->db.owner_url, e), second, "did not run" };
	struct group g = { 0 };
	if (!one || !s.db || !pg_begin(one, a, NULL, 0, deadline_in(LONG_MS), e))
		return e->msg;
	test_ask(a, one, first);
	if (!group_start(&g, "second", second_run, &s, e))
		return e->msg;
	const char *waits = "select count(*) from pg_stat_activity where datname = current_database()"
		" and wait_event_type = 'Lock'";
	for (int i = 0; i < 100 && str_is(str_of(test_ask(a, t->owner, waits)), "0"); i++)
		if (!loop_sleep(10, e))
			break;
	bool ok = pg_commit(one, a, NULL, 0, deadline_in(LONG_MS), e);
	return group_wait(&g, deadline_in(LONG_MS), e) && ok ? s.said : e->msg;
}

LOOP_TEST(two_sessions_cannot_overbook_together)
{
	START;
	CHECK(says(race(a, &t, "select t.book('Anna Keller', '2027-03-01', '2027-03-10', 600)",
		"select t.book('Anna Keller', '2027-03-05', '2027-03-12', 600)", e), "would pass 1000"));
	CHECK_SQL(t.owner, "select count(*) from psa.bookings where resource_id = t.id('resources', 'Anna Keller')", "1");
}

#define LINK(first, second) "insert into psa.task_dependencies (workspace_id, pred_id, succ_id)" \
	" values (t.ws(), t.task(" first "), t.task(" second "))"

LOOP_TEST(two_sessions_cannot_close_a_circle_together)
{
	START;
	CHECK_SQL(t.owner, "insert into psa.tasks (workspace_id, project_id, name) select t.ws(), t.id('projects', 'IRIS'),"
		" 'new ' || i from generate_series(1, 2) i; select count(*) from psa.tasks where name like 'new %'", "2");
	CHECK(says(race(a, &t, LINK("'new 1'", "'new 2'"), LINK("'new 2'", "'new 1'"), e),
		"in a circle: \"new 2\" -> \"new 1\" -> \"new 2\""));
}

LOOP_TEST(a_task_with_one_date_lies_within_its_project_too)
{
	START;
	static const char insert[] = "insert into psa.tasks (workspace_id, project_id, name, %s)"
		" values (t.ws(), t.id('projects', 'IRIS'), 'x', '%s')";
	CHECK_SAYS(t.owner, arena_printf(a, insert, "planned_start", "2028-01-01"), "lies outside project IRIS");
	CHECK_SAYS(t.owner, arena_printf(a, insert, "planned_start", "2026-01-01"), "lies outside project IRIS");
	CHECK_SAYS(t.owner, arena_printf(a, insert, "planned_finish", "2028-01-01"), "lies outside project IRIS");
	CHECK_SAYS(t.owner, arena_printf(a, insert, "planned_finish", "2026-01-01"), "lies outside project IRIS");
	CHECK_SQL(t.owner, arena_printf(a, insert, "planned_start", "2027-04-30"), "(null)");
}

LOOP_TEST(a_ring_of_twenty_tasks_is_refused_by_name)
{
	START;
	CHECK_SQL(t.owner, "insert into psa.tasks (workspace_id, project_id, name) select t.ws(), t.id('projects', 'IRIS'),"
		" 'ring ' || i from generate_series(1, 20) i;"
		" insert into psa.task_dependencies (workspace_id, pred_id, succ_id)"
		" select t.ws(), t.task('ring ' || i), t.task('ring ' || i + 1) from generate_series(1, 19) i;"
		" select count(*) from psa.task_dependencies where pred_id = t.task('ring 19')", "1");
	CHECK_SAYS(t.owner, LINK("'ring 20'", "'ring 1'"), "in a circle: \"ring 20\" -> \"ring 1\" -> \"ring 2\"");
	CHECK_SAYS(t.owner, LINK("'ring 7'", "'ring 7'"), "in a circle: \"ring 7\" -> \"ring 7\"");
}

/* ---- who sees and does what ---- */

#define COUNT_ALL "select sum((xpath('/row/c/text()', query_to_xml('select count(*) as c from psa.' || relname," \
	" false, true, '')))[1]::text::int) from pg_class where relnamespace = 'psa'::regnamespace and relkind = 'r'" \
	" and relname not in ('currencies', 'counters')"

LOOP_TEST(rows_are_seen_by_members_only)
{
	START;
	struct pg *worker = test_connect(a, t.db.worker_url, e);
	REQUIRE(worker);
	const char *all = test_ask(a, t.owner, COUNT_ALL);
	CHECK_SQL(worker, COUNT_ALL, "0");
	CHECK_SQL(worker, CLAIMS(STRANGER) ";" COUNT_ALL, "0");
	CHECK_SQL(worker, CLAIMS(DEMO_USER) ";" COUNT_ALL, all);
	CHECK_SQL(t.owner, "set role authenticated;" COUNT_ALL, "0");
	CHECK_SQL(t.owner, CLAIMS(DEMO_USER) ";" COUNT_ALL, all);
	CHECK_SAYS(t.owner, "set role anon;" COUNT_ALL, "ERROR");
}

static const struct {
	const char *sql, *part;
} forbidden[] = {
	{ "delete from psa.tasks", "permission denied" },
	{ "insert into psa.members select workspace_id, '" STRANGER "', 'owner' from psa.members", "permission denied" },
	{ "update psa.quotes set net_minor = 1", "permission denied" },
	{ "update psa.quotes set status = 'sent'", "permission denied" },
	{ "update psa.quote_lines set unit_price_minor = 1", "permission denied" },
	{ "update psa.quote_lines set discount_bp = 1", "permission denied" },
	{ "insert into psa.rates (rate_minor) values (1)", "permission denied" },
	{ "update psa.bookings set kind = 'hard'", "permission denied" },
	{ "insert into psa.tasks (workspace_id, project_id, name) select '00000000-0000-4000-8000-0000000000b0', id, 'x'"
		" from psa.projects limit 1", "ERROR" },
	{ "insert into psa.quote_lines (workspace_id, quote_id, position, kind, description, tax_code) select workspace_id,"
		" id, 9, 'fixed', 'x', 'RC' from psa.quotes where status = 'draft'", "row-level security" },
};

LOOP_TEST(the_worker_may_write_only_what_its_tools_need)
{
	START;
	struct pg *worker = test_connect(a, t.db.worker_url, e);
	REQUIRE(worker);
	CHECK_SQL(t.owner, "select t.quote('{1}', '{RC}'); insert into psa.workspaces (id, name)"
		" values ('00000000-0000-4000-8000-0000000000b0', 'Other')", "(null)");
	test_ask(a, worker, CLAIMS(DEMO_USER));
	for (size_t i = 0; i < COUNT(forbidden); i++)
		CHECK_SAYS(worker, forbidden[i].sql, forbidden[i].part);
	CHECK_SQL(worker, "update psa.bookings set status = 'released' where kind = 'hard';"
		" select count(*) from psa.bookings where status = 'released'", "0");
}

static const char *const viewer_inserts[] = {
	"insert into psa.tasks (workspace_id, project_id, name) select workspace_id, id, 'x' from psa.projects limit 1",
	"insert into psa.task_dependencies (workspace_id, pred_id, succ_id) select p.workspace_id, p.id, s.id"
		" from psa.tasks p, psa.tasks s where p.name = 'Store release' and s.name = 'Token library'",
	"insert into psa.bookings (workspace_id, resource_id, project_id, during, permille, expires_at)"
		" select r.workspace_id, r.id, p.id, '[2027-04-12,2027-04-13)', 1, now() + interval '1 day'"
		" from psa.resources r, psa.projects p where r.name = 'Anna Keller' and p.code = 'IRIS'",
	"insert into psa.quotes (workspace_id, customer_id, title, price_list_id, price_date, currency, valid_until)"
		" select workspace_id, customer_id, title, price_list_id, price_date, currency, valid_until"
		" from psa.quotes limit 1",
	"insert into psa.quote_lines (workspace_id, quote_id, position, kind, description)"
		" select workspace_id, id, 9, 'note', 'x' from psa.quotes where status = 'draft'",
};
static const char *const viewer_updates[] = {
	"update psa.tasks set progress_bp = 1", "update psa.bookings set status = 'released'",
	"update psa.quotes set version = version", "update psa.quote_lines set description = 'x'",
};

LOOP_TEST(a_viewer_writes_nothing_through_the_worker)
{
	START;
	struct pg *worker = test_connect(a, t.db.worker_url, e);
	REQUIRE(worker);
	CHECK_SQL(t.owner, "select t.quote('{1}', '{RC}');"
		" insert into psa.members values (t.ws(), '" STRANGER "', 'viewer') returning role", "viewer");
	test_ask(a, worker, CLAIMS(STRANGER));
	for (size_t i = 0; i < COUNT(viewer_inserts); i++)
		CHECK_SAYS(worker, viewer_inserts[i], "row-level security");
	for (size_t i = 0; i < COUNT(viewer_updates); i++)
		CHECK_SQL(worker, arena_printf(a, "with u as (%s returning 1) select count(*) from u", viewer_updates[i]), "0");
	CHECK_SQL(t.owner, "update psa.members set role = 'member' where user_id = '" STRANGER "' returning role",
		"member");
	for (size_t i = 0; i < COUNT(viewer_inserts); i++)
		CHECK_SQL(worker, viewer_inserts[i], "(null)");
}

LOOP_TEST(every_table_is_guarded_and_every_column_explained)
{
	START;
	CHECK_SQL(t.owner, "select string_agg(relname, ' ') from pg_class where relnamespace = 'psa'::regnamespace"
		" and relkind = 'r' and (not relrowsecurity or obj_description(oid, 'pg_class') is null)", "(null)");
	CHECK_SQL(t.owner, "select string_agg(c.relname || '.' || attname, ' ') from pg_attribute join pg_class c"
		" on c.oid = attrelid where relnamespace = 'psa'::regnamespace and relkind = 'r' and attnum > 0"
		" and not attisdropped and col_description(attrelid, attnum) is null", "(null)");
	CHECK_SQL(t.owner, "select string_agg(proname, ' ') from pg_proc where pronamespace = 'psa'::regnamespace"
		" and (has_function_privilege('anon', oid, 'execute') or obj_description(oid, 'pg_proc') is null"
		" or not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false))", "(null)");
}

#define SUM_ALL "select md5(string_agg(query_to_xml('select * from psa.' || relname || ' t order by t::text', true," \
	" true, '')::text, '' order by relname)) from pg_class where relnamespace = 'psa'::regnamespace and relkind = 'r'"

LOOP_TEST(the_demo_data_run_twice_changes_nothing)
{
	START;
	const char *before = test_ask(a, t.owner, SUM_ALL);
	REQUIRE_OK(pg_script(t.owner, a, seed_demo, deadline_in(LONG_MS), NULL, e));
	CHECK_SQL(t.owner, SUM_ALL, before);
	CHECK_SQL(t.owner, "update psa.customers set payment_terms_days = 31; select md5('') <> ''", "t");
	CHECK(strcmp(test_ask(a, t.owner, SUM_ALL), before) != 0);
}
