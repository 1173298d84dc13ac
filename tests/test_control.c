/* SPDX-License-Identifier: MIT */
/* What an app may do to its requests (cancel, place in line, retry), and what an operator does to the queue. */
#include "clock.h"
#include "loop.h"
#include "queue_case.h"
#include "rights_case.h"

#define STATE_OF(id) "select phase from agent_requests where id = " #id

/* Refused in the same words whether it is another's or nobody's, and as HTTP 404. */
static bool is_not_there(struct arena *a, struct pg *db, const char *function, int id)
{
	struct err e = { 0 };
	bool ok = !pg_script(db, a, arena_printf(a, "select * from %s(%d)", function, id), deadline_in(RIGHTS_MS), NULL,
		&e) &&
		strcmp(e.sqlstate, "PT404") == 0 && strstr(e.msg, arena_printf(a, "request %d is not there", id));
	if (!ok)
		printf("      %s(%d): %s %s\n", function, id, e.sqlstate, *e.msg ? e.msg : "was done");
	return ok;
}

/* ---- whose it is ---- */

LOOP_TEST(a_user_reaches_only_their_own_requests)
{
	static const char *const functions[] = { "cancel_request", "retry_request", "queue_position" };
	PEOPLE;
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', finished_at = now() where "
		"id = 2",
		"(null)");
	for (size_t i = 0; i < COUNT(functions); i++) {
		CHECK(is_not_there(a, p.a, functions[i], 2));
		CHECK(is_not_there(a, p.a, functions[i], 3));
		CHECK(is_not_there(a, p.a, functions[i], 99));
		CHECK(is_not_there(a, p.nobody, functions[i], 3)); /* nobody's is not the property of who is nobody */
		CHECK_REFUSED(p.anon, arena_printf(a, "select * from %s(1)", functions[i]));
		CHECK_REFUSED(p.worker, arena_printf(a, "select * from %s(1)", functions[i]));
	}
	CHECK_REFUSED(p.anon, "select cancel_session('" SESSION_A "')");
	CHECK_SQL(p.a, "select cancel_session('" SESSION_B "')", "0");
	CHECK_SQL(p.nobody, "select cancel_session('" SESSION_S "')", "0");
	CHECK_SQL(p.owner, "select string_agg(phase, ' ' order by id) from agent_requests", "ready failed ready");
}

LOOP_TEST(a_claim_to_be_the_server_makes_nobody_the_server)
{
	PEOPLE;
	CHECK_SQL(p.a, "set request.jwt.claims = '{\"sub\": \"" USER_A "\", \"role\": \"service_role\"}'; select 1",
		"1");
	CHECK(is_not_there(a, p.a, "cancel_request", 2));
	CHECK_SQL(p.server, "select cancel_request(2)", "cancelled");
	CHECK_SQL(p.server, "select cancel_request(3, 'enough')", "cancelled");
	CHECK_SQL(p.server, "select retry_request(2)", "again");
	CHECK_SQL(p.server, "select place from queue_position(2)", "2");
}

#define FOR_APPS "pronamespace = 'public'::regnamespace and proname in ('cancel_request', 'cancel_session', " \
	"'retry_request', " \
	"'queue_position')"

/* Whatever the host grants by default to everybody who comes, as Supabase does. */
LOOP_TEST(users_and_the_server_may_call_the_functions_of_apps_and_nobody_else)
{
	PEOPLE;
	CHECK_SQL(p.owner, "select string_agg(line, ', ' order by line) from (select coalesce(g.rolname, 'everybody') "
		"|| ' ' || count(*) "
		"as line from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) x left join pg_roles g "
		"on g.oid = x.grantee "
		"where " FOR_APPS " and x.grantee <> proowner group by g.rolname) l", "authenticated 4, service_role "
		"4");
	CHECK_SQL(p.owner, "select count(*) from pg_proc where " FOR_APPS " and prosecdef and proconfig @> "
		"'{\"search_path=pg_catalog, "
		"pg_temp\"}' and obj_description(oid) is not null", "4");
}

LOOP_TEST(the_tools_of_operators_are_closed_to_apps)
{
	static const char *const acts[] = { "select drover.pause('all', '')", "select drover.resume('all', '')",
		"select drover.set_limit('all', '', 1, null)", "select drover.clear_limit('all', '')", "select "
		"drover.retry(1)",
		"select drover.retry_failed(null, null, null, null, 1)", "select * from drover.dead_letters",
		"select drover.give_room('all', '', 1)", "select drover.acts_for('" USER_A "')", "select "
		"drover.request_of_mine(1)" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(acts); i++) {
		CHECK_REFUSED(p.anon, acts[i]);
		CHECK_REFUSED(p.a, acts[i]);
		CHECK_REFUSED(p.server, acts[i]);
	}
}

/* Who reads the view reads with their own rights. */
LOOP_TEST(the_view_of_dead_letters_hides_what_its_reader_may_not_see)
{
	PEOPLE;
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', finished_at = now(); grant "
		"usage on schema "
		"drover to authenticated; grant select on drover.dead_letters to authenticated", "(null)");
	CHECK_SQL(p.a, "select string_agg(id::text, ' ') from drover.dead_letters", "1");
	CHECK_SQL(p.worker, "select count(*) from drover.dead_letters", "3");
}

/* ---- cancel ---- */

LOOP_TEST(cancel_says_whether_it_ended_or_will)
{
	PEOPLE;
	CHECK_SQL(p.a, "select cancel_request(1, '  no longer needed ')", "cancelled");
	CHECK_SQL(p.a, "select concat_ws('|', status, phase, error_code, error) from agent_requests where id = 1",
		"failed|cancelled|cancelled|no longer needed");
	CHECK_SQL(p.a, "select cancel_request(1)", "ended");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running' where id = 2", "(null)");
	CHECK_SQL(p.b, "select cancel_request(2, 'stop')", "stopping");
	CHECK_SQL(p.b, "select cancel_request(2)", "stopping");
	CHECK_SQL(p.owner, "select concat_ws('|', request_id, phase, why) from drover.cancels", "2|cancelled|stop");
	CHECK_SQL(p.owner, STATE_OF(2), "running");
	CHECK(strstr(test_ask(a, p.b, "select cancel_request(2, repeat('x', 501))"), "reason has 501 characters"));
}

LOOP_TEST(cancel_takes_the_children_along_and_says_that_one_of_them_runs)
{
	PEOPLE;
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running', version = 1 where id = "
		"1; select "
		"drover.spawn_children(1, 1, '[{\"type\": \"quotes\", \"request\": \"x\"}, {\"type\": \"quotes\", "
		"\"request\": \"y\"}]'); "
		"update agent_requests set status = 'processing', phase = 'running' where id = 5", "(null)");
	CHECK_SQL(p.a, "select cancel_request(1)", "stopping");
	CHECK_SQL(p.owner, "select string_agg(phase, ' ' order by id) from agent_requests where id in (1, 4, 5)",
		"waiting_children cancelled running");
}

LOOP_TEST(the_stop_button_ends_all_of_a_session)
{
	PEOPLE;
	CHECK_SQL(p.a, "insert into agent_requests (session_id, type, request) select '" SESSION_A "', 'quotes', 'x' "
		"from "
		"generate_series(1, 3)", "(null)");
	CHECK_SQL(p.a, "insert into agent_requests (type, request) values ('quotes', 'elsewhere') returning id", "7");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running' where id = 1", "(null)");
	CHECK_SQL(p.a, "select cancel_session('" SESSION_A "', 'stopped')", "4");
	CHECK_SQL(p.owner, "select string_agg(phase, ' ' order by id) from agent_requests where user_id = '" USER_A "'",
		"running cancelled cancelled cancelled ready");
	CHECK_SQL(p.owner, "select concat_ws(' ', request_id, why) from drover.cancels", "1 stopped");
}

/* ---- place in line ---- */

#define POSITION(db, id, want) CHECK_SQL(db, "select concat_ws(' ', coalesce(place::text, '-'), " \
	"coalesce(ahead::text, '-'), " \
	"phase, blocked_on, coalesce(blocked_by::text, '-'), paused, due_at) from queue_position(" #id ")", want)

LOOP_TEST(the_place_counts_everybody_and_names_nobody)
{
	PEOPLE;
	CHECK_SQL(p.server, "insert into agent_requests (type, request, priority) select 'quotes', 'x', 50 from "
		"generate_series(1, 5)",
		"(null)");
	CHECK_SQL(p.a, "insert into agent_requests (type, request) values ('quotes', 'x') returning id", "9");
	POSITION(p.a, 1, "6 5 ready - f");
	POSITION(p.a, 9, "9 8 ready - f");
	CHECK_SQL(p.a, "insert into agent_requests (type, request, run_at) values ('quotes', 'x', '2100-01-01Z') "
		"returning id", "10");
	CHECK_SQL(p.a, "set timezone = 'UTC'; select 1", "1");
	POSITION(p.a, 10, "- - scheduled - f 2100-01-01 00:00:00+00");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running' where id = 1", "(null)");
	POSITION(p.a, 1, "- - running - f");
	CHECK_SQL(p.owner, "select drover.pause('type', 'quotes')", "t");
	POSITION(p.a, 9, "8 7 ready - t");
}

LOOP_TEST(the_place_of_a_blocked_one_is_in_the_line_that_blocks_it)
{
	PEOPLE;
	CHECK_SQL(p.a, "insert into agent_requests (session_id, type, request) select '" SESSION_A "', 'quotes', 'x' "
		"from "
		"generate_series(1, 2)", "(null)"); /* 4, 5 */
	CHECK_SQL(p.owner, "update agent_requests set phase = 'blocked', blocked_on = 'session' where id in (4, 5)",
		"(null)");
	POSITION(p.a, 5, "3 2 blocked session 1 f");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running' where id = 1", "(null)");
	POSITION(p.a, 5, "3 2 blocked session 1 f");
	/* the server's own request in the session is counted, not shown */
	CHECK_SQL(p.owner, "update agent_requests set user_id = null where id = 1", "(null)");
	POSITION(p.a, 4, "2 1 blocked session - f");
	CHECK_SQL(p.owner, "update agent_requests set phase = 'blocked', blocked_on = 'type:quotes' where id in (2, 3, "
		"5)", "(null)");
	POSITION(p.a, 5, "3 2 blocked type:quotes - f");
}

LOOP_TEST(the_count_ends_at_ten_thousand)
{
	PEOPLE;
	CHECK_SQL(p.server, "insert into agent_requests (type, request, priority) select 'quotes', 'x', 50 from "
		"generate_series(1, 10050)", "(null)");
	POSITION(p.a, 1, "10001 10000 ready - f");
}

/* ---- retry ---- */

LOOP_TEST(a_user_retries_what_failed)
{
	PEOPLE;
	CHECK_SQL(p.a, "select retry_request(1)", "not_failed");
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', finished_at = now(), error "
		"= 'e', error_code "
		"= 'c', attempt = 3, crashes = 2 where id = 1", "(null)");
	CHECK_SQL(p.a, "select retry_request(1)", "again");
	CHECK_SQL(p.a, "select concat_ws(' ', status, phase, attempt, crashes, version, error, error_code, "
		"finished_at) from "
		"agent_requests where id = 1", "queued ready 0 0 1");
	CHECK_SQL(p.a, "select retry_request(1)", "not_failed");
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', parent_id = 2 where id = 1",
		"(null)");
	CHECK_SQL(p.a, "select retry_request(1)", "child");
}

#define ASK_KEY "insert into agent_requests (type, request, supersede_key) values ('quotes', 'x', 'k')"

LOOP_TEST(of_a_supersede_key_only_the_newest_is_open_after_a_retry_too)
{
	PEOPLE;
	CHECK_SQL(p.a, ASK_KEY " returning id", "4");
	CHECK_SQL(p.a, ASK_KEY " returning id", "5");
	CHECK_SQL(p.a, "select retry_request(4)", "superseded");
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', finished_at = now() where "
		"id = 5", "(null)");
	CHECK_SQL(p.a, "select retry_request(4)", "again");
	CHECK_SQL(p.a, "select retry_request(5)", "again");
	CHECK_SQL(p.owner, "select string_agg(phase, ' ' order by id) from agent_requests where id > 3", "superseded "
		"ready");
}

/* 11 to 20 of type a, 21 to 30 of b; even ones with code net; ended n minutes ago. */
#define DEAD "delete from agent_requests; alter sequence agent_requests_id_seq restart 11; insert into " \
	"agent_requests (type, " \
	"request, status, phase, error, error_code, finished_at, workspace_id) select case when n <= 20 then 'a' " \
	"else 'b' end, 'x', " \
	"'failed', 'failed', 'e', case n % 2 when 0 then 'net' else 'input' end, now() - n * interval '1 min', case " \
	"when n = 12 then '" \
	SPACE_A "'::uuid end from generate_series(11, 30) n; insert into agent_requests (type, request, status, " \
	"phase, finished_at) " \
	"values ('a', 'x', 'failed', 'cancelled', now()), ('a', 'x', 'failed', 'superseded', now()), ('a', 'x', " \
	"'completed', " \
	"'completed', now())"
#define RETRY(arguments, want) CHECK_SQL(p.worker, "select string_agg(id::text, ' ') from " \
	"drover.retry_failed(" arguments ") id", \
	want)

LOOP_TEST(dead_letters_are_what_failed_for_good_newest_first)
{
	PEOPLE;
	CHECK_SQL(p.owner, DEAD, "(null)");
	CHECK_SQL(p.worker, "select count(*) || ' ' || min(id) || ' ' || max(id) from drover.dead_letters", "20 11 30");
	CHECK_SQL(p.worker, "select string_agg(id::text, ' ') from (select id from drover.dead_letters limit 3) d",
		"11 12 13");
	CHECK_SQL(p.owner, "create function plan() returns text language plpgsql as $$ declare line text; begin for "
		"line in explain "
		"select * from drover.dead_letters limit 20 loop if line ~ 'Scan' then return line; end if; end loop; "
		"end $$; "
		"set enable_seqscan = off; select plan() ~ 'Index Scan Backward using agent_requests_dead'", "t");
}

LOOP_TEST(a_retry_by_filter_takes_what_fits_oldest_first_step_by_step)
{
	PEOPLE;
	CHECK_SQL(p.owner, DEAD, "(null)");
	RETRY("null, null, now() - interval '12 min 30 s', null, 10", "12 11");
	RETRY("'a', 'net', null, null, 2", "20 18");
	RETRY("'a', 'net', null, null, 2", "16 14");
	RETRY("'a', 'net', null, null, 2", "(null)");
	RETRY("null, null, null, '" SPACE_A "', 10", "(null)"); /* 12 is open again */
	RETRY("'b', null, null, null, 3, now() - interval '25 min 30 s'", "30 29 28");
	CHECK_SQL(p.owner, "select string_agg(distinct phase || ' ' || attempt, ', ') from agent_requests where id in "
		"(11, 12, 20, 30)",
		"ready 0");
}

LOOP_TEST(a_retry_by_filter_leaves_what_a_newer_one_replaced)
{
	PEOPLE;
	for (int i = 0; i < 3; i++)
		test_ask(a, p.a, ASK_KEY);
	for (int i = 0; i < 3; i++)
		test_ask(a, p.server, ASK_KEY); /* 7 to 9, nobody's */
	CHECK_SQL(p.owner, "update agent_requests set status = 'failed', phase = 'failed', finished_at = now() where "
		"id > 3", "(null)");
	RETRY("null, null, null, null, 10", "6 9");
}

/* ---- generations ---- */

LOOP_TEST(each_request_of_a_supersede_key_has_the_next_generation_of_its_user)
{
	PEOPLE;
	CHECK_SQL(p.a, ASK_KEY " returning generation", "1");
	CHECK_SQL(p.a, ASK_KEY " returning generation", "2");
	CHECK_SQL(p.b, ASK_KEY " returning generation", "1");
	CHECK_SQL(p.server, "insert into agent_requests (type, request, supersede_key, generation) select 'quotes', "
		"'x', 'k', 77 from "
		"generate_series(1, 3); select string_agg(generation::text, ' ' order by id) from agent_requests where "
		"user_id is null and "
		"supersede_key = 'k'", "1 2 3");
	CHECK_SQL(p.a, "insert into agent_requests (type, request) values ('quotes', 'x') returning generation", "1");
	CHECK_SQL(p.a, "insert into agent_requests (type, request, supersede_key) values ('quotes', 'x', 'other') "
		"returning generation",
		"1");
}

/* The second has the lower id, as an app sees it whose transaction was slower. */
LOOP_TEST(who_comes_last_wins_whatever_its_number)
{
	struct group g = { 0 };
	PEOPLE;
	struct case_later late = { .db = test_connect(a, p.db.owner_url, e) };
	CHECK_SQL(p.owner, "begin; insert into agent_requests (type, request, supersede_key) values ('quotes', 'x', "
		"'k') returning id",
		"4");
	late.sql = "insert into agent_requests (id, type, request, supersede_key) overriding system value values (-1, "
		"'quotes', 'x', 'k') "
		"returning generation";
	REQUIRE_OK(group_start(&g, "late", case_run_later, &late, e));
	REQUIRE_OK(loop_sleep(100, e));
	CHECK_SQL(p.owner, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(late.said, "2");
	CHECK_SQL(p.owner, "select string_agg(concat_ws(' ', id, generation, phase), ', ' order by id) from "
		"agent_requests where "
		"supersede_key = 'k'", "-1 2 ready, 4 1 superseded");
}

/* ---- pauses and limits, through the claim ---- */

#define ADD(type, more, values) "insert into agent_requests (type, request" more ") values ('" type "', 'x'" values ");"
#define DO(sql, want) CHECK_SQL(c.two.db, "select drover." sql, want)

LOOP_TEST(what_is_paused_is_not_claimed_and_what_runs_goes_on)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ADD("quotes", "", "") ADD("resourcing", "", "") ADD("quotes", "", ""), "(null)");
	CHECK_EQ_S(case_claim(a, &c.one, 1), "1");
	DO("pause('type', 'quotes', 'wrong prices')", "t");
	DO("pause('type', 'quotes')", "f");
	CHECK_SQL(c.owner, "select concat_ws('|', key, paused_why) from drover.limits", "quotes|wrong prices");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_ROW(3, "status, phase, blocked_on", "queued blocked type:quotes");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_SQL(c.owner, ADD("quotes", "", ""), "(null)");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "");
	DO("resume('type', 'quotes')", "t");
	DO("resume('type', 'quotes')", "f");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3,4");
	CHECK_SQL(c.owner, "select count(*) from drover.limits", "0");
	queue_case_check(a, &c);
}

LOOP_TEST(workspaces_users_and_the_whole_queue_can_be_paused)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, ADD("quotes", ", user_id", ", '" USER_A "'") ADD("quotes", ", user_id", ", '" USER_B "'")
		ADD("quotes", ", workspace_id", ", '" SPACE_A "'") ADD("quotes", "", ""), "(null)");
	DO("pause('all', '')", "t");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	DO("pause('user', upper('" USER_A "'))", "t");
	DO("pause('workspace', '*')", "t");
	DO("resume('all', '')", "t");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2,4");
	CHECK_ROW(1, "blocked_on", "user:" USER_A);
	CHECK_ROW(3, "blocked_on", "workspace:" SPACE_A);
	DO("resume('workspace', '*')", "t");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3");
	DO("resume('user', '" USER_A "')", "t");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	queue_case_check(a, &c);
}

LOOP_TEST(a_limit_holds_counts_what_runs_already_and_gives_way_when_it_is_raised)
{
	QUEUE_CASE;
	for (int i = 0; i < 6; i++)
		case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 2), "1,2"); /* before there is a limit */
	DO("set_limit('type', 'quotes', 2, null)", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	CHECK_EQ_S(case_finish(a, &c.one, 1), "ok");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "3");
	DO("set_limit('type', 'quotes', 3, null)", "");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "4");
	DO("clear_limit('type', 'quotes')", "t");
	DO("clear_limit('type', 'quotes')", "f");
	CHECK_EQ_S(case_claim(a, &c.two, 10), "5,6");
	queue_case_check(a, &c);
}

LOOP_TEST(a_pause_does_not_take_a_key_out_of_the_limit_for_all)
{
	QUEUE_CASE;
	for (int i = 0; i < 3; i++)
		case_ask(a, c.owner, "user_id", "'" USER_A "'");
	DO("set_limit('user', '*', 1, null)", "");
	DO("pause('user', '" USER_A "')", "t");
	DO("resume('user', '" USER_A "')", "t");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	DO("set_limit('user', '" USER_A "', null, 3)", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "");
	DO("set_limit('user', '" USER_A "', 2, null)", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_SQL(c.owner, "select max_running || ' ' || weight from drover.limits where key <> '*'", "2 3");
}

LOOP_TEST(room_is_given_in_steps_and_no_more_than_there_is)
{
	QUEUE_CASE;
	DO("pause('type', 'quotes')", "t");
	CHECK_SQL(c.owner, "insert into agent_requests (type, request, status, phase, blocked_on) select 'quotes', "
		"'x', 'queued', "
		"'blocked', 'type:quotes' from generate_series(1, 2500)", "(null)");
	DO("resume('type', 'quotes')", "t");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where phase = 'ready'", "1000");
	DO("give_room('type', 'quotes', 1000)", "1000");
	DO("give_room('type', '*', 1000)", "500");
	DO("give_room('type', '*', 1000)", "0");
	CHECK_SQL(c.owner, "update agent_requests set phase = 'blocked', blocked_on = 'type:quotes'", "(null)");
	DO("set_limit('type', 'quotes', 5, null)", "");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where phase = 'ready'", "5");
}

LOOP_TEST(a_wrong_scope_or_key_is_refused_in_words)
{
	static const struct {
		const char *call, *says;
	} wrong[] = {
		{ "pause('kind', 'x')", "the scope is all, type, workspace or user" },
		{ "pause(null, 'x')", "the scope is all, type, workspace or user" },
		{ "pause('all', 'x')", "scope all has no key" },
		{ "pause('type', '')", "the key of scope type is the name of a type" },
		{ "pause('user', 'me')", "the key of scope user is a uuid" },
		{ "resume('workspace', null)", "the key of scope workspace is a uuid" },
		{ "pause('type', 'quotes', repeat('x', 501))", "the reason has 501 characters" },
		{ "set_limit('type', 'quotes', 1, 2)", "a weight belongs to one workspace or user" },
		{ "set_limit('user', '*', 1, 2)", "a weight belongs to one workspace or user" },
		{ "set_limit('type', 'quotes', -1, null)", "max_running is 0 to 1000000" },
		{ "set_limit('user', '" USER_A "', 1, 0)", "weight 1 to 1000" },
	};
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const char *said = test_ask(a, c.two.db, arena_printf(a, "select drover.%s", wrong[i].call));
		if (!CHECK(strncmp(said, "ERROR", 5) == 0 && strstr(said, wrong[i].says)))
			printf("      %s: %s\n", wrong[i].call, said);
	}
	CHECK_SQL(c.owner, "select count(*) from drover.limits", "0");
}
