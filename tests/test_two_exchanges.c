/* SPDX-License-Identifier: MIT */
/* Two exchanges at once: one gives back what it does not know of, and the other must not claim meanwhile. */
#include "clock.h"
#include "rig_test.h"

#define SLOW_WORDS(times) \
	"replies:\n  - pace: 20ms\n    chunk: 4\n    reply: [ { text: 'slow word ', repeat: " #times " } ]\n"
#define REFUSED \
	"create function public.no() returns trigger language plpgsql as $$ begin raise 'not this'; end $$; create " \
	"trigger no before update on public.agent_requests for each row when (new.id = 1 and new.finished_at is not " \
	"null) execute function public.no(); select 1"
#define GIVES_BACK \
	"select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'from drover.workers' and " \
	"query ~ 'for update'"
#define PHASES "select string_agg(phase, ' ' order by id) from agent_requests"

static bool wait_for(struct arena *a, struct rig *r, const char *sql, const char *want, struct err *e)
{
	for (int64_t end = clock_ms() + 15000; clock_ms() < end; loop_sleep(5, e))
		if (strcmp(test_ask(a, r->owner, sql), want) == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

/* 1 cannot be ended, so it is given back; that waits, as for a claim whose answer was lost. Then 2 ends. */
static bool give_back_and_wait(struct arena *a, struct rig *r, struct pg *gate, struct err *e)
{
	r->config.slots = 2;
	r->config.batch = 1;
	if (!rig_start(r, e))
		return false;
	CHECK_EQ_I(rig_ask(a, r, "quotes", "x"), 1);
	if (!wait_for(a, r, "select count(*) > 0 from agent_logs where request_id = 1 and kind = 'text'", "t", e) ||
			!loop_sleep(800, e)) /* 2 ends after 1 */
		return false;
	for (int id = 2; id <= 4; id++)
		CHECK_EQ_I(rig_ask(a, r, "quotes", "x"), id);
	CHECK_SQL(r->owner, REFUSED, "1");
	CHECK_SQL(gate, "begin; select id from drover.workers for key share; select 1", "1");
	return wait_for(a, r, PHASES, "running running ready ready", e) && wait_for(a, r, GIVES_BACK, "t", e);
}

RIG_TEST(who_is_claimed_while_the_unknown_is_given_back_is_not_given_back_too, SLOW_WORDS(40))
{
	struct pg *gate = test_connect(a, r->db.owner_url, e);
	REQUIRE_OK(gate && give_back_and_wait(a, r, gate, e));
	CHECK(loop_sleep(3000, e)); /* 2 is over */
	CHECK_SQL(r->owner, PHASES, "running running ready ready");
	CHECK_SQL(r->owner, "drop trigger no on public.agent_requests; select 1", "1");
	CHECK_SQL(gate, "commit; select 1", "1");
	for (int id = 1; id <= 4; id++)
		CHECK_EQ_S(rig_wait(a, r, id), "completed");
	CHECK_SQL(r->owner, "select string_agg(version::text, ' ' order by id) from agent_requests where id > 1", "1 1 1");
	CHECK_SQL(r->owner, "select version > 1 from agent_requests where id = 1", "t");
}
