/* SPDX-License-Identifier: MIT */
/* Commands that steer the queue: pause, resume, limit, retry --failed, schedules; by the worker's role. */
#include "loop.h"
#include "shell.h"

#define USER "a0000000-0000-4000-8000-0000000000aa"

struct place {
	struct test_db db;
	struct pg *owner;
};

static bool place_open(struct arena *a, struct place *p, const char *sql, struct err *e)
{
	return test_db(a, &p->db, e) && (p->owner = test_connect(a, p->db.owner_url, e)) &&
		pg_script(p->owner, a, sql, deadline_in(10000), NULL, e);
}
#define PLACE(sql) struct place p; REQUIRE_OK(place_open(a, &p, sql, e))
#define RUN(command) shell(a, p.db.worker_url, "$D " command)

static void check_ran(const struct ran *r, int status, const char *out, int line)
{
	test_check_i64(r->status, status, __FILE__, line, "exit");
	if (!test_check_text(r->out, out, __FILE__, line, "stdout"))
		printf("      %s\n", r->err);
}
#define CHECK_RAN(command, status, out) \
	do { struct ran ran_ = RUN(command); check_ran(&ran_, status, out, __LINE__); } while (0)

/* ---- pause, resume, limit ---- */

LOOP_TEST(pause_and_resume_say_what_they_did)
{
	PLACE("insert into agent_requests (type, request, phase, blocked_on) select 'quotes', 'x', 'blocked', "
		"'type:quotes' from "
		"generate_series(1, 2300)");
	CHECK_RAN("limit", 0, "nothing is limited or paused here\n");
	CHECK_RAN("pause type quotes --why 'wrong prices'", 0, "type quotes is paused\n");
	CHECK_RAN("pause type quotes", 3, "type quotes was paused already\n");
	CHECK_HAS(RUN("limit").out, "wrong prices");
	CHECK_HAS(RUN("limit type quotes --json").out, "\"parked\":2300");
	CHECK_RAN("pause all --json", 0, "{\"scope\":\"all\",\"key\":\"\",\"changed\":true}\n");
	CHECK_RAN("resume all", 0, "all goes on\n");
	CHECK_RAN("resume type quotes", 0, "type quotes goes on\n");
	CHECK_RAN("resume type quotes", 3, "type quotes was not paused\n");
	CHECK_SQL(p.owner, "select string_agg(distinct phase, ' ') || count(*) from agent_requests", "ready2300");
}

LOOP_TEST(limit_sets_lists_and_takes_back)
{
	PLACE("insert into agent_requests (type, request, status, phase) select 'quotes', 'x', 'processing', 'running' "
		"from "
		"generate_series(1, 3)");
	CHECK_HAS(RUN("limit type quotes --max 2 --json").out, "\"max_running\":2,\"weight\":1,\"paused\":false");
	CHECK_HAS(RUN("limit type quotes --json").out, "\"running\":3");
	CHECK_HAS(RUN("limit user " USER " --max 0 --weight 4").out, "user   " USER "    0       4");
	CHECK_EQ_I(RUN("limit user " USER " --weight 5").status, 0);
	CHECK_SQL(p.owner, "select max_running || ' ' || weight from drover.limits where scope = 'user'", "0 5");
	CHECK_EQ_I((int64_t)count_lines(RUN("limit").out), 3);
	CHECK_EQ_I((int64_t)count_lines(RUN("limit user").out), 2);
	CHECK(is_json_lines(a, RUN("limit --json").out));
	CHECK_RAN("limit user " USER " --clear", 0, "user " USER " has no limit of its own any more\n");
	CHECK_RAN("limit user " USER " --clear", 3, "user " USER " had no limit of its own\n");
}

LOOP_TEST(mistakes_about_scopes_are_one_line_each)
{
	static const struct {
		const char *command, *says;
		int status;
	} wrong[] = {
		{ "pause kind x", "SCOPE must be all, type, workspace or user, not kind", 2 },
		{ "pause type", "KEY is missing: which type?", 2 },
		{ "pause all x", "scope all has no KEY", 2 },
		{ "pause", "SCOPE is missing", 2 },
		{ "pause user me", "the key of scope user is a uuid", 1 },
		{ "limit --max 5", "SCOPE is missing", 2 },
		{ "limit type --max 5", "KEY is missing", 2 },
		{ "limit type x --max many", "--max N: must be 0 to 1000000, not many", 2 },
		{ "limit type x --max -1", "--max N: must be 0 to 1000000, not -1", 2 },
		{ "limit type x --weight 2", "a weight belongs to one workspace or user", 1 },
		{ "limit type x --max 1 --clear", "--clear goes with neither", 2 },
		{ "retry", "give either IDs or --failed", 2 },
		{ "retry 1 --failed", "give either IDs or --failed", 2 },
		{ "retry 1 --type quotes", "go with --failed", 2 },
		{ "schedules --next 3", "--next goes with NAME or --cron", 2 },
		{ "schedules x --cron '* * * * *'", "give either NAME or --cron", 2 },
		{ "schedules nope", "no schedule is called nope", 3 },
		{ "schedules --cron '* 25 * * *'", "field of the hour", 1 },
		{ "schedules --cron '* * * * *' --time-zone Mars/Base", "Mars/Base", 1 },
	};
	PLACE("select 1");
	for (size_t i = 0; i < COUNT(wrong); i++) {
		/* a slow machine has warnings of its own */
		const char *command = arena_printf(a, "DROVER_LOG_LEVEL=error $D %s", wrong[i].command);
		struct ran r = shell(a, p.db.worker_url, command);
		test_check_i64(r.status, wrong[i].status, __FILE__, __LINE__, wrong[i].command);
		test_check_i64((int64_t)count_lines(r.err), 1, __FILE__, __LINE__, wrong[i].command);
		if (!CHECK(strstr(r.err, wrong[i].says)))
			printf("      %s", r.err);
	}
}

/* ---- retry --failed ---- */

#define FAILED(from, to, type, code, ago) "insert into agent_requests (type, request, status, phase, error, " \
	"error_code, finished_at) " \
	"select '" type "', 'x', 'failed', 'failed', 'no answer', '" code "', now() - interval '" ago "' - n * " \
	"interval '1 ms' from " \
	"generate_series(" #from ", " #to ") n;"

LOOP_TEST(retry_failed_shows_and_takes_what_the_filter_says)
{
	PLACE(FAILED(1, 3, "quotes", "net", "1 h") FAILED(4, 5, "quotes", "input", "3 h") FAILED(6, 6, "other", "net",
		"1 min"));
	struct ran dry = RUN("retry --failed --type quotes --since 2h --dry-run");
	CHECK_EQ_I(dry.status, 0);
	CHECK_HAS(dry.out, "no answer");
	CHECK_HAS(dry.out, "\n3 failed for good\n");
	CHECK_EQ_I((int64_t)count_lines(dry.out), 5);
	struct ran json = RUN("retry --failed --dry-run --json --limit 2");
	CHECK(is_json_lines(a, json.out));
	CHECK_EQ_I((int64_t)count_lines(json.out), 2);
	CHECK_SQL(p.owner, "select count(*) from agent_requests where phase = 'failed'", "6");
	CHECK_RAN("retry --failed --code net --since 2h --limit 1 --json", 0,
		"{\"id\":3,\"outcome\":\"again\",\"done\":true}\n");
	CHECK_RAN("retry --failed --code net --since 2h", 0, "3 ready again\n");
	CHECK_RAN("retry --failed --code net", 3, "0 ready again\n");
	CHECK_RAN("retry --failed --dry-run --type nope", 3, "0 failed for good\n");
	CHECK_SQL(p.owner, "select string_agg(id::text, ' ' order by id) from agent_requests where phase = 'failed'",
		"4 5");
}

LOOP_TEST(retry_failed_goes_on_until_all_is_taken_and_takes_nothing_twice)
{
	PLACE(FAILED(1, 1201, "quotes", "net", "1 h") "create function fail_again() returns trigger language plpgsql "
		"as $$ begin if "
		"new.phase = 'ready' then new.status := 'failed'; new.phase := 'failed'; new.finished_at := "
		"clock_timestamp(); end if; "
		"return new; end $$; create trigger fail_again before update on agent_requests for each row execute "
		"function fail_again()");
	CHECK_RAN("retry --failed", 0, "1,201 ready again\n");
	CHECK_SQL(p.owner, "select min(version) || ' ' || max(version) from agent_requests", "1 1");
}

LOOP_TEST(retry_says_when_a_newer_one_is_open)
{
	PLACE("insert into agent_requests (type, request, supersede_key) values ('quotes', 'x', 'k'); insert into "
		"agent_requests "
		"(type, request, supersede_key) values ('quotes', 'x', 'k')");
	CHECK_RAN("retry 1", 3, "1 was superseded: a newer request of its key is open\n");
}

/* ---- schedules ---- */

LOOP_TEST(schedules_are_listed_with_their_next_time_and_trouble)
{
	PLACE("select 1");
	CHECK_RAN("schedules", 0, "no schedules; a row in drover.schedules makes one\n");
	CHECK_SQL(p.owner, "insert into drover.schedules (name, cron, time_zone, type, request, next_at) values "
		"('morning', '30 9 * * *', "
		"'Europe/Berlin', 'quotes', 'x', '2100-01-01 08:30Z'), ('off', '@daily', 'UTC', 'quotes', 'x', null); "
		"update "
		"drover.schedules set enabled = false, last_error = 'it broke' where name = 'off'", "(null)");
	struct ran all = RUN("schedules");
	CHECK_HAS(all.out, "2100-01-01 09:30");
	CHECK_HAS(all.out, "it broke");
	CHECK_EQ_I((int64_t)count_lines(all.out), 3);
	CHECK(is_json_lines(a, RUN("schedules --json").out));
	CHECK_EQ_I((int64_t)count_lines(RUN("schedules morning").out), 2);
	struct ran next = RUN("schedules morning --next 3");
	CHECK_EQ_I((int64_t)count_lines(next.out), 3);
	CHECK_HAS(next.out, " 09:30  ");
}

LOOP_TEST(a_cron_line_can_be_tried_before_it_is_used)
{
	PLACE("select 1");
	struct ran r = RUN("schedules --cron '0 0 29 2 *' --next 2 --json");
	CHECK_EQ_I(r.status, 0);
	CHECK_EQ_I((int64_t)count_lines(r.out), 2);
	CHECK_HAS(r.out, "-02-29T00:00:00Z");
	CHECK_EQ_I((int64_t)count_lines(RUN("schedules --cron @hourly").out), 5);
}
