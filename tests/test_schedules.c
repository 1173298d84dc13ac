/* SPDX-License-Identifier: MIT */
/* Schedules: what a cron line means, by every clock; and that each time is fired once, whatever fires it. */
#include "clock.h"
#include "loop.h"
#include "queue.h"
#include "rights_case.h"

enum { LONG_MS = 60000 };

struct schedule_case {
	struct test_db db;
	struct pg *owner, *worker;
};

static bool case_open(struct arena *a, struct schedule_case *c, struct err *e)
{
	return test_db(a, &c->db, e) && (c->owner = test_connect(a, c->db.owner_url, e)) &&
		(c->worker = test_connect(a, c->db.worker_url, e));
}
#define SCHEDULE_CASE struct schedule_case c = { 0 }; REQUIRE_OK(case_open(a, &c, e))
#define SCHEDULE(name, more, values) \
	"insert into drover.schedules (name, cron, type, request" more ") values ('" name "', '0 * * * *', 'quotes', " \
		"'hello'" \
		values ");"

/* "fired 2, next in 0" */
static const char *fire(struct arena *a, struct pg *db)
{
	struct err e = { 0 };
	int64_t fired, next_ms;
	if (!queue_fire_schedules(db, a, deadline_in(LONG_MS), &fired, &next_ms, &e))
		return arena_text(a, str_of(e.msg));
	return arena_printf(a, "fired %ld, next %s", (long)fired, !next_ms ? "never" : next_ms == 1 ? "now" : "later");
}
#define CHECK_FIRE(want) CHECK_EQ_S(fire(a, c.worker), want)

/* ---- cron ---- */

struct line {
	const char *cron, *zone, *after, *want;
};

static void check_lines(struct arena *a, struct pg *db, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct line *l = &lines[i];
		const char *sql = arena_printf(a, "select drover.instant_text(drover.cron_next('%s', '%s', '%s'))",
			l->cron, l->zone,
			l->after);
		if (!CHECK_EQ_S(test_ask(a, db, sql), l->want))
			printf("      %s in %s after %s\n", l->cron, l->zone, l->after);
	}
}

LOOP_TEST(a_cron_line_names_its_next_time)
{
	/* 2025-01-01 was a wednesday */
	static const struct line lines[] = {
		{ "* * * * *", "UTC", "2025-01-01 00:00:00Z", "2025-01-01T00:01:00Z" },
		{ "* * * * *", "UTC", "2025-01-01 00:00:59.9Z", "2025-01-01T00:01:00Z" },
		{ "0 * * * *", "UTC", "2025-01-01 00:00:00Z", "2025-01-01T01:00:00Z" },
		{ "*/15 * * * *", "UTC", "2025-01-01 00:46:00Z", "2025-01-01T01:00:00Z" },
		{ "7-20/6 * * * *", "UTC", "2025-01-01 00:13:00Z", "2025-01-01T00:19:00Z" },
		{ "7-20/6 * * * *", "UTC", "2025-01-01 00:19:00Z", "2025-01-01T01:07:00Z" },
		{ "5,35,50-52 3 * * *", "UTC", "2025-01-01 03:35:00Z", "2025-01-01T03:50:00Z" },
		{ "5,35,50-52 3 * * *", "UTC", "2025-01-01 03:52:00Z", "2025-01-02T03:05:00Z" },
		{ "0 0 * * *", "UTC", "2025-12-31 00:00:00Z", "2026-01-01T00:00:00Z" },
		{ "30 9 * * mon-fri", "UTC", "2025-01-03 09:30:00Z", "2025-01-06T09:30:00Z" },
		{ "30 9 * * MON-Fri", "UTC", "2025-01-03 09:30:00Z", "2025-01-06T09:30:00Z" },
		{ "0 0 * * 0", "UTC", "2025-01-01 00:00:00Z", "2025-01-05T00:00:00Z" },
		{ "0 0 * * 7", "UTC", "2025-01-01 00:00:00Z", "2025-01-05T00:00:00Z" },
		{ "0 0 * * fri-sun", "UTC", "2025-01-04 00:00:00Z", "2025-01-05T00:00:00Z" },
		{ "0 0 * * 5-7", "UTC", "2025-01-05 00:00:00Z", "2025-01-10T00:00:00Z" },
		{ "0 0 1 jan,jul *", "UTC", "2025-01-01 00:00:00Z", "2025-07-01T00:00:00Z" },
		{ "0 0 31 * *", "UTC", "2025-01-31 00:00:00Z", "2025-03-31T00:00:00Z" },
		/* two restrictions: either; one of them a *: the other */
		{ "0 0 13 * 5", "UTC", "2025-01-01 00:00:00Z", "2025-01-03T00:00:00Z" },
		{ "0 0 13 * 5", "UTC", "2025-01-10 00:00:00Z", "2025-01-13T00:00:00Z" },
		{ "0 0 13 * *", "UTC", "2025-01-01 00:00:00Z", "2025-01-13T00:00:00Z" },
		{ "0 0 */2 * 5", "UTC", "2025-01-03 00:00:00Z", "2025-01-17T00:00:00Z" },
		{ "0 0 29 2 *", "UTC", "2025-01-01 00:00:00Z", "2028-02-29T00:00:00Z" },
		{ "0 0 29 2 *", "UTC", "2096-03-01 00:00:00Z", "2104-02-29T00:00:00Z" },
		{ "0 0 29 2 */7", "UTC", "2025-01-01 00:00:00Z", "2032-02-29T00:00:00Z" },
		{ "@hourly", "UTC", "2025-01-01 00:30:00Z", "2025-01-01T01:00:00Z" },
		{ "@daily", "UTC", "2025-01-01 00:30:00Z", "2025-01-02T00:00:00Z" },
		{ "@weekly", "UTC", "2025-01-01 00:30:00Z", "2025-01-05T00:00:00Z" },
		{ "@monthly", "UTC", "2025-01-01 00:30:00Z", "2025-02-01T00:00:00Z" },
		{ " @Yearly ", "UTC", "2025-01-01 00:30:00Z", "2026-01-01T00:00:00Z" },
		{ "  0   9 *  * *  ", "Asia/Kolkata", "2025-01-01 00:00:00Z", "2025-01-01T03:30:00Z" },
		{ "0 0 1 * *", "Pacific/Kiritimati", "2025-01-01 00:00:00Z", "2025-01-31T10:00:00Z" },
	};
	SCHEDULE_CASE;
	check_lines(a, c.owner, lines, COUNT(lines));
	/* the zone of the session has no say */
	CHECK_SQL(c.owner, "set timezone = 'America/New_York'; select 1", "1");
	check_lines(a, c.owner, lines, COUNT(lines));
}

LOOP_TEST(a_time_that_the_clock_jumps_over_comes_at_the_jump_and_a_doubled_one_once)
{
	static const struct line lines[] = {
		/* Berlin, 30 March 2025: 02:00 is 03:00; 26 October: 03:00 is 02:00 */
		{ "30 2 * * *", "Europe/Berlin", "2025-03-29 01:30:00Z", "2025-03-30T01:00:00Z" },
		{ "30 2 * * *", "Europe/Berlin", "2025-03-30 01:00:00Z", "2025-03-31T00:30:00Z" },
		{ "*/15 2 * * *", "Europe/Berlin", "2025-03-29 12:00:00Z", "2025-03-30T01:00:00Z" },
		{ "*/15 2 * * *", "Europe/Berlin", "2025-03-30 01:00:00Z", "2025-03-31T00:00:00Z" },
		{ "0 2,3 * * *", "Europe/Berlin", "2025-03-30 00:59:00Z", "2025-03-30T01:00:00Z" },
		{ "0 2,3 * * *", "Europe/Berlin", "2025-03-30 01:00:00Z", "2025-03-31T00:00:00Z" },
		{ "30 2 * * *", "Europe/Berlin", "2025-10-25 12:00:00Z", "2025-10-26T00:30:00Z" },
		{ "30 2 * * *", "Europe/Berlin", "2025-10-26 00:30:00Z", "2025-10-27T01:30:00Z" },
		{ "45 1,2 * * *", "Europe/Berlin", "2025-10-26 00:45:00Z", "2025-10-27T00:45:00Z" },
		/* New York, 9 March and 2 November 2025 */
		{ "15 2 * * *", "America/New_York", "2025-03-08 12:00:00Z", "2025-03-09T07:00:00Z" },
		{ "15 2 * * *", "America/New_York", "2025-03-09 07:00:00Z", "2025-03-10T06:15:00Z" },
		{ "30 1 * * *", "America/New_York", "2025-11-01 12:00:00Z", "2025-11-02T05:30:00Z" },
		{ "30 1 * * *", "America/New_York", "2025-11-02 05:30:00Z", "2025-11-03T06:30:00Z" },
		/* Lord Howe moves by half an hour: 5 October 02:00 is 02:30; 6 April 02:00 is 01:30 */
		{ "15 2 * * *", "Australia/Lord_Howe", "2025-10-04 12:00:00Z", "2025-10-04T15:30:00Z" },
		{ "15 2 * * *", "Australia/Lord_Howe", "2025-10-04 15:30:00Z", "2025-10-05T15:15:00Z" },
		{ "45 1 * * *", "Australia/Lord_Howe", "2025-04-05 12:00:00Z", "2025-04-05T14:45:00Z" },
		{ "45 1 * * *", "Australia/Lord_Howe", "2025-04-05 14:45:00Z", "2025-04-06T15:15:00Z" },
		/* Beirut jumps at midnight, and Samoa left out 30 December 2011 */
		{ "0 0 * * *", "Asia/Beirut", "2025-03-29 12:00:00Z", "2025-03-29T22:00:00Z" },
		{ "0 12 * * *", "Pacific/Apia", "2011-12-29 22:00:00Z", "2011-12-30T10:00:00Z" },
		/* every hour is every hour that passes */
		{ "*/30 * * * *", "Europe/Berlin", "2025-10-26 00:30:00Z", "2025-10-26T01:00:00Z" },
		{ "30 * * * *", "Europe/Berlin", "2025-10-26 00:30:00Z", "2025-10-26T01:30:00Z" },
		{ "30 * * * *", "Europe/Berlin", "2025-03-30 00:30:00Z", "2025-03-30T01:30:00Z" },
		{ "0 * * * *", "Australia/Lord_Howe", "2025-04-05 14:00:00Z", "2025-04-05T15:30:00Z" },
	};
	SCHEDULE_CASE;
	check_lines(a, c.owner, lines, COUNT(lines));
}

/* Each local day has one fire, and each two fires have the right distance: whatever the clocks of three years do. */
LOOP_TEST(three_years_of_every_clock_have_one_fire_a_day)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut",
		"America/St_Johns", "Africa/Casablanca", "UTC" };
	static const char *const hours[] = { "30 2", "0 0", "15 1" };
	SCHEDULE_CASE;
	for (size_t z = 0; z < COUNT(zones); z++)
		for (size_t h = 0; h < COUNT(hours); h++) {
			const char *sql = arena_printf(a, "with recursive f as (select drover.cron_next('%s * * *', "
				"'%s', '2025-01-01 "
				"12:00Z') as t union all select drover.cron_next('%s * * *', '%s', f.t) from f where "
				"f.t < "
				"'2028-01-01 12:00Z') select count(*) - count(distinct (t at time zone '%s')::date) || "
				"' ' || "
				"max((t at time zone '%s')::date) - min((t at time zone '%s')::date) + 1 - count(*) "
				"from f",
				hours[h], zones[z], hours[h], zones[z], zones[z], zones[z], zones[z]);
			if (!CHECK_EQ_S(test_ask(a, c.owner, sql), "0 0"))
				printf("      %s in %s\n", hours[h], zones[z]);
		}
	CHECK_SQL(c.owner, "with recursive f as (select '2025-10-25 12:00Z'::timestamptz as t union all select "
		"drover.cron_next('*/20 * * * *', 'Europe/Berlin', t) from f where t < '2025-10-27 12:00Z') select "
		"string_agg(distinct d::text, ' ') from (select t - lag(t) over (order by t) as d from f) x",
		"00:20:00");
}

LOOP_TEST(a_wrong_line_is_refused_in_words_that_name_the_field)
{
	static const struct {
		const char *cron, *says;
	} wrong[] = {
		{ "61 * * * *", "'61' in the field of the minute is not within 0 to 59" },
		{ "* 24 * * *", "field of the hour" },
		{ "* * 0 * *", "field of the day of the month is not within 1 to 31" },
		{ "* * * 13 *", "field of the month" },
		{ "* * * * 8", "field of the day of the week" },
		{ "* * * foo *", "'foo' in the field of the month" },
		{ "jan * * * *", "field of the minute" },
		{ "5-1 * * * *", "runs backwards" },
		{ "*/0 * * * *", "the step in" },
		{ "5/15 * * * *", "the step in" },
		{ "1,,2 * * * *", "is wrong in the field of the minute" },
		{ "-1 * * * *", "is wrong in the field of the minute" },
		{ "1e3 * * * *", "is wrong in the field of the minute" },
		{ "* * * *", "has 4 fields, not five" },
		{ "* * * * * *", "has 6 fields, not five" },
		{ "", "has 0 fields" },
		{ "@reboot", "is not known" },
		{ "0 0 30 2 *", "a date that never comes" },
		{ "0 0 31 4,6,9,11 *", "a date that never comes" },
	};
	SCHEDULE_CASE;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const char *said = test_ask(a, c.owner, arena_printf(a, "select drover.cron_next('%s', 'UTC', now())",
			wrong[i].cron));
		if (!CHECK(strncmp(said, "ERROR", 5) == 0 && strstr(said, wrong[i].says)))
			printf("      %s: %s\n", wrong[i].cron, said);
	}
}

/* ---- rows ---- */

LOOP_TEST(a_row_is_checked_and_its_next_time_computed)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, SCHEDULE("s", ", time_zone", ", 'Europe/Berlin'") "select next_at = "
		"date_trunc('hour', now()) + interval '1 hour' from drover.schedules", "t");
	CHECK(strstr(test_ask(a, c.owner, SCHEDULE("x", ", time_zone", ", 'Mars/Base'")), "time zone 'Mars/Base' is "
		"not known"));
	CHECK(strstr(test_ask(a, c.owner, SCHEDULE("x", ", time_zone", ", 'foo5'")), "is not known"));
	CHECK(strstr(test_ask(a, c.owner, "update drover.schedules set cron = '99 * * * *'"), "field of the minute"));
	CHECK(strstr(test_ask(a, c.owner, SCHEDULE("x", ", priority", ", 1001")), "priority_0_to_1000"));
	CHECK_SQL(c.owner, "update drover.schedules set cron = '@yearly', time_zone = 'UTC' returning next_at = "
		"date_trunc('year', now() at time zone 'UTC') at time zone 'UTC' + interval '1 year'", "t");
	CHECK_SQL(c.owner, "update drover.schedules set request = 'other', next_at = '2030-01-01Z' returning next_at = "
		"'2030-01-01Z'", "t");
	CHECK_SQL(c.owner, "update drover.schedules set enabled = false returning next_at", "(null)");
	CHECK_SQL(c.owner, "update drover.schedules set enabled = true returning next_at > now()", "t");
}

LOOP_TEST(what_is_due_becomes_a_request_with_all_that_the_row_says)
{
	SCHEDULE_CASE;
	CHECK_FIRE("fired 0, next never");
	CHECK_SQL(c.owner, SCHEDULE("s", ", user_id, workspace_id, session_id, context, priority, supersede_key, "
		"next_at",
		", '" USER_A "', '" SPACE_A "', '" SESSION_A "', '{\"k\": 1}', 5, 'sk', '2025-01-31 08:00Z'")
		SCHEDULE("later", "", ""), "(null)");
	CHECK_FIRE("fired 1, next later");
	CHECK_FIRE("fired 0, next later");
	CHECK_SQL(c.owner, "select concat_ws(' ', user_id, workspace_id, session_id, context, priority, supersede_key, "
		"type, "
		"request, status, phase, idempotency_key) from agent_requests", USER_A " " SPACE_A " " SESSION_A " "
		"{\"k\": 1} 5 sk "
		"quotes hello queued ready schedule:s:2025-01-31T08:00:00Z");
	CHECK_SQL(c.owner, "select concat_ws(' ', last_request_id, last_at is not null, last_error is null, next_at > "
		"now()) from "
		"drover.schedules where name = 's'", "1 t t t");
}

LOOP_TEST(without_a_session_each_fire_has_its_own)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, SCHEDULE("s", ", catch_up, next_at", ", 'all', date_trunc('hour', now()) - interval '2 h'"),
		"(null)");
	CHECK_FIRE("fired 3, next later");
	CHECK_SQL(c.owner, "select count(distinct session_id) || ' ' || count(user_id) from agent_requests", "3 0");
}

/* ---- what passed unfired ---- */

LOOP_TEST(after_an_outage_the_policy_decides)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner,
		SCHEDULE("skip", ", catch_up, next_at", ", 'skip', date_trunc('hour', now()) - interval '5 h'")
		SCHEDULE("skip_soon", ", catch_up, next_at", ", 'skip', now() - interval '30 s'")
		SCHEDULE("one", ", catch_up, next_at", ", 'one', date_trunc('hour', now()) - interval '5 h'")
		SCHEDULE("all", ", catch_up, next_at", ", 'all', date_trunc('hour', now()) - interval '5 h'")
		SCHEDULE("most", ", catch_up, max_catch_up, next_at", ", 'all', 3, date_trunc('hour', now()) - "
		"interval '5 h'"), "(null)");
	CHECK_FIRE("fired 11, next later");
	CHECK_SQL(c.owner, "select string_agg(name || ' ' || n, ', ' order by name) from (select "
		"split_part(idempotency_key, ':', "
		"2) as name, count(*) as n from agent_requests group by 1) x", "all 6, most 3, one 1, skip_soon 1");
	CHECK_SQL(c.owner, "select string_agg(name, ' ' order by name) from drover.schedules where last_error is not "
		"null",
		"most skip");
	CHECK_SQL(c.owner, "select bool_and(next_at = date_trunc('hour', now()) + interval '1 h') from "
		"drover.schedules", "t");
	/* the oldest are made up */
	CHECK_SQL(c.owner, "select max(idempotency_key) = 'schedule:most:' || drover.instant_text(date_trunc('hour', "
		"now()) - "
		"interval '3 h') from agent_requests where idempotency_key like 'schedule:most:%'", "t");
}

LOOP_TEST(a_time_that_was_fired_is_not_fired_again)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, SCHEDULE("s", ", next_at", ", '2025-01-31 08:00Z'"), "(null)");
	CHECK_FIRE("fired 1, next later");
	CHECK_SQL(c.owner, "update drover.schedules set next_at = '2025-01-31 08:00Z' returning 1", "1");
	CHECK_FIRE("fired 0, next later");
	CHECK_SQL(c.owner, "select count(*) from agent_requests", "1");
	CHECK_SQL(c.owner, "select next_at > now() and last_request_id = 1 from drover.schedules", "t");
}

LOOP_TEST(a_broken_schedule_says_why_and_stops_nobody)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, SCHEDULE("broken", ", next_at", ", now() - interval '2 min'")
		SCHEDULE("well", ", next_at", ", now() - interval '1 min'")
		"alter table drover.schedules disable trigger schedules_check; update drover.schedules set time_zone = "
		"'Mars/Base' where "
		"name = 'broken'; alter table drover.schedules enable trigger schedules_check", "(null)");
	CHECK_FIRE("fired 1, next later");
	CHECK_FIRE("fired 0, next later");
	CHECK_SQL(c.owner, "select count(*) || ' ' || max(request) from agent_requests", "1 hello");
	CHECK_SQL(c.owner, "select last_error like '%Mars/Base%' and retry_at > now() + interval '50 s' and next_at < "
		"now() from "
		"drover.schedules where name = 'broken'", "t");
	/* mended, it fires what it owes */
	CHECK_SQL(c.owner, "update drover.schedules set time_zone = 'UTC', next_at = now() where name = 'broken' "
		"returning retry_at",
		"(null)");
	CHECK_FIRE("fired 1, next later");
	CHECK_SQL(c.owner, "select count(last_error) from drover.schedules", "0");
}

LOOP_TEST(what_is_too_much_for_one_call_is_due_at_once)
{
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, "insert into drover.schedules (name, cron, type, request, next_at) select n, '@daily', "
		"'quotes', 'x', "
		"now() from generate_series(1, 150) n", "(null)");
	CHECK_FIRE("fired 100, next now");
	CHECK_FIRE("fired 50, next later");
}

/* ---- many workers ---- */

struct firer {
	struct pg *db;
	int64_t fired;
};

static bool fire_all(void *arg, struct err *e)
{
	enum { CALLS = 6 };
	struct firer *x = arg;
	ARENA_SCOPE(a);
	for (int i = 0; i < CALLS; i++) {
		int64_t fired, next_ms;
		if (!queue_fire_schedules(x->db, a, deadline_in(LONG_MS), &fired, &next_ms, e))
			return false;
		x->fired += fired;
	}
	return true;
}

/* Attempts are counted before the idempotency key could hide a second one. */
LOOP_TEST(eight_workers_at_once_fire_each_of_two_hundred_once)
{
	enum { WORKERS = 8 };
	struct firer x[WORKERS];
	struct group g = { 0 };
	int64_t fired = 0;
	SCHEDULE_CASE;
	CHECK_SQL(c.owner, "create table attempts (key text); create function attempt() returns trigger language "
		"plpgsql security "
		"definer as $$ begin insert into public.attempts values (new.idempotency_key); return new; end $$; "
		"create trigger attempt "
		"before insert on agent_requests for each row execute function attempt(); insert into drover.schedules "
		"(name, cron, type, "
		"request, next_at) select n, '* * * * *', 'quotes', 'x', '2025-01-01Z' from generate_series(1, 200) n",
		"(null)");
	for (int i = 0; i < WORKERS; i++) {
		x[i] = (struct firer){ .db = test_connect(a, c.db.worker_url, e) };
		REQUIRE_OK(group_start(&g, "firer", fire_all, &x[i], e));
	}
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	for (int i = 0; i < WORKERS; i++)
		fired += x[i].fired;
	/* a minute may have passed meanwhile: what is asked is the time that was due */
	CHECK_SQL(c.owner, "select count(*) || ' ' || count(distinct key) from attempts where key like "
		"'%:2025-01-01T%'", "200 200");
	CHECK_SQL(c.owner, "select count(*) from agent_requests where idempotency_key like '%:2025-01-01T%'", "200");
	CHECK_SQL(c.owner, arena_printf(a, "select count(*) = %ld from agent_requests", (long)fired), "t");
	CHECK_SQL(c.owner, "select count(*) from drover.schedules where last_error is not null", "0");
}

/* ---- rights ---- */

LOOP_TEST(apps_reach_no_schedule)
{
	static const char *const acts[] = { "select * from drover.schedules", "select * from drover.fire_schedules(1)",
		"select drover.cron_next('* * * * *', 'UTC', now())", "insert into drover.schedules (name, cron, type, "
		"request) values "
		"('x', '* * * * *', 'x', 'x')", "delete from drover.schedules" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(acts); i++) {
		CHECK_REFUSED(p.anon, acts[i]);
		CHECK_REFUSED(p.a, acts[i]);
		CHECK_REFUSED(p.server, acts[i]);
	}
	CHECK_REFUSED(p.worker, "delete from drover.schedules");
	CHECK_REFUSED(p.worker, "update drover.schedules set request = 'x'");
}
