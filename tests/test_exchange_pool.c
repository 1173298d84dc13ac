/* SPDX-License-Identifier: MIT */
/* The exchange as the pool makes it: ends that travel together, and ends while it drains. */
#include "clock.h"
#include "rig_test.h"

#define SLOW_WORDS(times) \
	"replies:\n  - pace: 20ms\n    chunk: 4\n    reply: [ { text: 'slow word ', repeat: " #times " } ]\n"
#define TRIP_WAITS \
	"select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'drover.claim|set wants_wake'"
#define RUNNING "select count(*) from agent_requests where phase = 'running'"

/* Until the query gives what is wanted. */
static bool wait_for(struct arena *a, struct rig *r, const char *sql, const char *want, struct err *e)
{
	for (int64_t end = clock_ms() + 15000; clock_ms() < end; loop_sleep(5, e))
		if (strcmp(test_ask(a, r->owner, sql), want) == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

#define NOT_THIS \
	"create function public.no() returns trigger language plpgsql as $$ begin raise 'not this'; end $$; create " \
		"trigger no " \
	"before update on public.agent_requests for each row when (new.id = %ld and new.status = 'completed') " \
		"execute function " \
	"public.no(); select 1"

/* Three runs end while a claim is held up, so that their ends go out together; one is refused. */
RIG_TEST(an_end_that_is_refused_does_not_stop_those_that_travel_with_it, SLOW_WORDS(20))
{
	struct pg *other = test_connect(a, r->db.owner_url, e);
	int64_t ids[4];
	REQUIRE_OK(other && rig_start(r, e));
	for (int i = 0; i < 3; i++)
		ids[i] = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_for(a, r, RUNNING, "3", e));
	CHECK_EQ_S(rig_sql(a, r, NOT_THIS, ids[1]), "1");
	CHECK_SQL(other, "begin; select id from drover.workers for update; select 1", "1");
	ids[3] = rig_ask(a, r, "quotes", "y");
	REQUIRE_OK(wait_for(a, r, TRIP_WAITS, "t", e));
	CHECK(loop_sleep(2000, e)); /* all three are over */
	CHECK_SQL(r->owner, RUNNING, "3");
	CHECK_SQL(other, "commit; select 1", "1");
	CHECK_FATE(ids[0], "completed 1");
	CHECK_FATE(ids[1], "failed db_rejected 1");
	CHECK_FATE(ids[2], "completed 1");
	CHECK_FATE(ids[3], "completed 1");
	CHECK_SQL(r->owner, "select count(distinct version) || max(version)::text from agent_requests where id <= 3", "11");
}

#define SESSION "d0000000-0000-4000-8000-00000000000d"
#define ASK_IN_SESSION "insert into agent_requests (session_id, user_id, type, request) values ('" SESSION "', " \
	"'00000000-0000-4000-8000-0000000000d0', 'quotes', 'x') returning id"

static bool stop(void *rig, struct err *e)
{
	return rig_stop(rig, e);
}

/* A drain lets run, writes the ends, claims nothing, and leaves to others who is ready by them. */
RIG_TEST(ends_are_written_while_a_drain_claims_nothing_more, SLOW_WORDS(20))
{
	struct group g = { 0 };
	REQUIRE_OK(rig_start(r, e));
	int64_t first = rig_ask(a, r, "quotes", "x");
	const char *second = test_ask(a, r->owner, ASK_IN_SESSION), *third = test_ask(a, r->owner, ASK_IN_SESSION);
	REQUIRE_OK(wait_for(a, r, RUNNING, "2", e));
	const char *phase = arena_printf(a, "select phase from agent_requests where id = %s", third);
	REQUIRE_OK(wait_for(a, r, phase, "blocked", e));
	REQUIRE_OK(group_start(&g, "stop", stop, r, e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_FATE(first, "completed 1");
	CHECK_SQL(r->owner, arena_printf(a, "select phase || attempt || version from agent_requests where id = %s",
		second), "completed11");
	CHECK_SQL(r->owner, phase, "ready");
	CHECK_SQL(r->owner, arena_printf(a, "select version from agent_requests where id = %s", third), "0");
	CHECK_SQL(r->owner, "select count(*) from drover.workers", "0");
	REQUIRE_OK(rig_start(r, e));
	REQUIRE_OK(wait_for(a, r, phase, "completed", e));
}
