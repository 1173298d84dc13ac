/* SPDX-License-Identifier: MIT */
/* The agent runtime as the fault and as the race: a second look at what one attempt leaves to the next. */
#include "clock.h"
#include "world.h"

#define CAREFUL "  - when: { turn: 0 }\n    reply: [ { tool: careful, input: { what: x } } ]\n" END_OF("careful")
#define DECIDE(verdict) rig_sql(a, &r, "select drover.decide_proposal(id, '" verdict "', null) from change_proposals where " \
	"status = 'open' and request_id = %ld", id)
#define CANCEL rig_sql(a, &r, "select drover.end_request(id, 'cancelled', 'cancelled', 'enough') from agent_requests where id = %ld", id)
#define RETRY rig_sql(a, &r, "select drover.retry(%ld)", id)

/* ---- people ---- */

LOOP_TEST(a_write_that_waited_for_approval_when_it_was_cancelled_is_asked_anew_when_it_is_run_again)
{
	WORLD(CAREFUL);
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CANCEL;
	CHECK_ID(PHASE, "cancelled");
	CHECK_EQ_S(RETRY, "again");
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CHECK_ID("select status || ' ' || preview::text from change_proposals where request_id = %ld", "open {\"what\": \"x\"}");
	DECIDE("approved");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID(STATUSES, "careful done");
	CHECK_SQL(r.owner, "select count(*) from notes", "1");
	rig_close(&r);
}

LOOP_TEST(a_question_that_the_database_refuses_fails_the_request_with_its_log_whole)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: look, input: {} }, { tool: ask_user, input: { question: 'Which one?' } } ]\n");
	r.config.flush_ms = 60000; /* the log is written with the end */
	CHECK_SQL(r.owner, "alter table change_proposals add constraint never check (kind <> 'question')", "(null)");
	int64_t id = world_serve(a, &r, "go", "failed", e);
	CHECK_ID("select string_agg(kind || ' ' || message, ', ' order by seq) from (select seq, kind, split_part(message, ':', 1) as "
		"message from agent_logs where request_id = %ld) l", "status attempt 1, tool_call look, tool_result look, error the end could not "
		"be written");
	CHECK_PROMISES(r.owner);
	rig_close(&r);
}

/* ---- calls outside ---- */

/* Its worker is gone, whatever it still does. */
static void lose_worker(struct arena *a, struct rig *r)
{
	CHECK_SQL(r->owner, "update drover.workers set lease_until = now() - interval '1 minute' returning 1", "1");
	struct err ignored = { 0 };
	world.hangs = false;
	CHECK(rig_stop(r, &ignored));
	world.looked = false;
}

LOOP_TEST(a_persons_yes_to_run_a_lost_call_again_is_for_one_run)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_human, input: {} } ]\n" END_OF("send_human"));
	REQUIRE_OK(rig_start(&r, e));
	world.fails = 1;
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CHECK_EQ_I((int64_t)world.n, 1);
	world.hangs = true; /* the second is sent, and its worker dies */
	DECIDE("approved");
	for (int64_t end = clock_ms() + WORLD_MS; world.n < 2 && clock_ms() < end;)
		REQUIRE_OK(loop_sleep(5, e));
	rig_sql(a, &r, "update agent_requests set status = 'queued', phase = 'ready', version = version + 1, worker_id = null "
		"where id = %ld", id);
	lose_worker(a, &r);
	REQUIRE_OK(rig_start(&r, e));
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CHECK_EQ_I((int64_t)world.n, 2);
	CHECK_ID("select status || ' ' || \"text\" from change_proposals where request_id = %ld", "open its worker was lost");
	DECIDE("rejected");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_EQ_I((int64_t)world.n, 2);
	CHECK_ID(STATUSES, "send_human unknown");
	rig_close(&r);
}

/* ---- children ---- */

LOOP_TEST(a_childs_answer_that_was_cut_is_not_taken_for_another_childs)
{
	WORLD("  - when: { system: helper, nth: 1 }\n    reply: [ { text: the first answer which is much longer than what is shown of it and so is cut by the limit of the results } ]\n"
		"  - when: { system: helper }\n    reply: [ { text: the second } ]\n"
		"  - when: { turn: 0 }\n    reply: [ { tool: ask_helper, input: { task: one } } ]\n"
		"  - when: { turn: 1 }\n    reply: [ { tool: ask_helper, input: { task: one } } ]\n" END_OF("ask_helper"));
	r.config.limits.result_bytes = 100;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select count(*) from agent_requests where parent_id = %ld", "2");
	CHECK_ID("select tool_output ->> 'answer' from agent_turns where request_id = %ld and role = 'tool' order by sequence_number "
		"desc limit 1", "the second");
	rig_close(&r);
}

LOOP_TEST(children_that_were_cancelled_with_their_parent_are_made_anew_when_it_is_run_again)
{
	WORLD("  - when: { system: helper, turn: 0 }\n    reply: [ { tool: careful, input: { what: x } } ]\n"
		"  - when: { system: helper }\n    reply: [ { text: helped } ]\n"
		"  - when: { turn: 0 }\n    reply: [ { tool: ask_helper, input: { task: one } } ]\n" END_OF("ask_helper"));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, "select phase from agent_requests where parent_id = %ld", id, "waiting_approval"));
	CANCEL;
	CHECK_ID(PHASE, "cancelled");
	CHECK_EQ_S(RETRY, "again");
	REQUIRE(world_await(a, &r, "select string_agg(phase, ' ' order by id) from agent_requests where parent_id = %ld", id,
		"superseded waiting_approval"));
	rig_sql(a, &r, "select drover.decide_proposal(p.id, 'approved', null) from change_proposals p where status = 'open' and "
		"%ld > 0", id);
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID("select output ->> 'answer' from tool_executions where request_id = %ld", "helped");
	rig_close(&r);
}

LOOP_TEST(an_orchestrator_whose_child_failed_makes_it_anew_when_it_is_run_again)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - when: { force_tool: plan }\n    reply: [ { tool: plan, input: { mode: single, reason: r, "
		"steps: [ { agent: quotes, task: the task } ] } } ]\n"
		"  - { when: { last_user: the task, nth: 1 }, status: 400 }\n  - when: { last_user: the task }\n    reply: It is so.\n", &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "orchestrator", "do it");
	CHECK_EQ_S(rig_wait(a, &r, id), "failed");
	CHECK_ID("select error_code from agent_requests where id = %ld", "children_failed");
	CHECK_EQ_S(RETRY, "again");
	CHECK_SQL(r.owner, "select count(*) from drover.dead_letters", "0");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID("select result ->> 'answer' from agent_requests where id = %ld", "It is so.");
	CHECK_ID("select string_agg(phase, ' ' order by id) from agent_requests where parent_id = %ld", "superseded completed");
	rig_close(&r);
}

/* ---- once more ---- */

#define CUT(reply, more) "  - when: { turn: 0 }\n    stop_reason: max_tokens\n    reply:\n" reply more

/* A request whose answer was cut is run again, and its model is asked again. */
static void ask_again(struct arena *a, const char *script, const char *roles, struct err *e)
{
	struct rig r = { 0 };
	REQUIRE_OK(world_open(a, script, &r, e) && rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	CHECK_EQ_S(rig_wait(a, &r, id), "failed");
	CHECK_ID("select error_code from agent_requests where id = %ld", "answer_cut");
	CHECK_EQ_S(RETRY, "again");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID("select result ->> 'answer' from agent_requests where id = %ld", "The whole of it.");
	CHECK_ID("select string_agg(role, ' ' order by sequence_number) from agent_turns where request_id = %ld", roles);
	CHECK_SQL(r.owner, "select count(*) from notes", "0");
	rig_close(&r);
}

LOOP_TEST(a_request_whose_answer_was_cut_asks_the_model_again_when_it_is_run_again)
{
	ask_again(a, "replies:\n" CUT("      - { text: The wh }\n", "  - reply: [ { text: The whole of it. } ]\n"),
		"assistant user assistant", e);
	ask_again(a, "replies:\n" CUT("      - { text: The wh }\n      - { tool: note, input: { what: x } }\n",
		"  - reply: [ { text: The whole of it. } ]\n"), "assistant assistant tool assistant", e);
}

/* ---- what is counted ---- */

LOOP_TEST(a_model_that_is_left_alone_for_a_while_costs_no_attempt)
{
	WORLD("  - reply: [ { text: Fine. } ]\n");
	r.config.max_attempts = 2;
	r.config.backoff_max_ms = 1;
	CHECK_SQL(r.owner, "insert into drover.lanes (lane, paused_until, reason, why) values ('default', now() + '2 s', "
		"'circuit_open', 'it failed') returning lane", "default");
	r.config.retry = (struct route_retry){ 0, 1, 1 };
	REQUIRE_OK(rig_start(&r, e) && loop_sleep(2 * r.config.poll_ms, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, "select error_code from agent_requests where id = %ld", id, "circuit_open"));
	CHECK_ID("select attempt::text from agent_requests where id = %ld", "0");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID("select attempt::text from agent_requests where id = %ld", "1");
	CHECK_PROMISES(r.owner);
	rig_close(&r);
}

#define SPENT "select concat_ws(' ', input_tokens, output_tokens > 0, cost_micros > 0) from agent_requests where id = %ld"
#define SLOW(how) "  - reply: [ { text: 'It is the beginning of a long answer, and it goes on and on' } ]\n    chunk: 4\n    usage: { " \
	"input_tokens: 1000, output_tokens: 10 }\n    " how "\n"

LOOP_TEST(an_answer_that_its_user_stops_is_counted_as_far_as_it_came)
{
	WORLD(SLOW("stall_after: { deltas: 10, for: 60s }"));
	r.config.model.price = (struct model_price){ .input = 1000000, .output = 1000000 };
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, "select count(*) > 0 from agent_logs where kind = 'text' and request_id = %ld", id, "t"));
	CANCEL;
	CHECK_EQ_S(rig_wait(a, &r, id), "failed");
	CHECK_ID(PHASE, "cancelled");
	CHECK_ID(SPENT, "1000 t t");
	rig_close(&r);
}

LOOP_TEST(answers_that_break_off_are_counted_each)
{
	WORLD(SLOW("cut_after: { deltas: 5 }"));
	r.config.model.price = (struct model_price){ .input = 1000000, .output = 1000000 };
	r.config.retry = (struct route_retry){ 2, 1, 1 };
	r.config.max_attempts = 1;
	int64_t id = world_serve(a, &r, "go", "failed", e);
	CHECK_ID(SPENT, "3000 t t");
	rig_close(&r);
}
