/* SPDX-License-Identifier: MIT */
/*
 * Tool calls: which run at once and which in order, what becomes of one that fails, never returns or loses its outcome,
 * what a dry run leaves, and agents that call agents.
 */
#include "clock.h"
#include "world.h"

/* ---- at once and in order ---- */

LOOP_TEST(writes_of_a_turn_run_in_order_and_reads_beside_them)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n"
		"      - { tool: note, input: { what: first } }\n      - { tool: look, input: {} }\n"
		"      - { tool: note, input: { what: second } }\n      - { tool: look, input: { what: again } }\n"
		"      - { tool: note, input: { what: third } }\n" END_OF("note"));
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select string_agg(what, ' ' order by id) from notes where request_id = %ld", "first second third");
	CHECK(!world.overlapped);
	CHECK_ID("select string_agg(tool_name, ' ' order by sequence_number) from agent_turns where request_id = %ld and role = 'tool'",
		"note look note look note");
	CHECK_PROMISES(r.owner);
	rig_close(&r);
}

LOOP_TEST(as_many_tools_run_at_once_as_the_limit_says_with_fewer_connections)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n"
		"      - { tool: barrier, input: { what: a } }\n      - { tool: barrier, input: { what: b } }\n"
		"      - { tool: barrier, input: { what: c } }\n      - { tool: barrier, input: { what: d } }\n"
		"      - { tool: barrier, input: { what: e } }\n      - { tool: barrier, input: { what: f } }\n"
		"      - { tool: look, input: { what: g } }\n      - { tool: note, input: { what: h } }\n" END_OF("note"));
	r.config.connections = 1;
	r.config.limits.parallel_tools = 3;
	world.barrier = 3;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_EQ_I(world.most, 3);
	CHECK_ID("select count(*) from tool_executions where request_id = %ld and status = 'done'", "8");
	rig_close(&r);
}

/* ---- what goes wrong ---- */

LOOP_TEST(a_failure_cancels_the_other_calls_and_is_the_requests_error)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n      - { tool: send_tell, input: {} }\n      - { tool: bug, input: {} }\n");
	world.hangs = true;
	int64_t id = world_serve(a, &r, "go", "failed", e);
	CHECK_ID("select error_code || ' ' || error from agent_requests where id = %ld", "test_bug tool bug: it is broken");
	CHECK_ID(STATUSES, "send_tell started");
	rig_close(&r);
}

LOOP_TEST(a_statement_that_never_ends_is_cancelled_with_its_tool)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: sleep, input: {} } ]\n");
	r.config.limits.tool_ms = 150;
	r.config.max_attempts = 1;
	int64_t id = world_serve(a, &r, "go", "failed", e);
	CHECK_ID("select error_code from agent_requests where id = %ld", "tool_timeout");
	CHECK_ID("select error from agent_requests where id = %ld",
		"attempt 1 of 1: tool sleep: no end within 150 ms (option limits.tool_time)");
	const char *left = "?";
	for (int64_t end = clock_ms() + WORLD_MS; clock_ms() < end && strcmp(left, "0") != 0; loop_sleep(20, e))
		left = test_ask(a, r.owner, "select count(*) from pg_stat_activity where query like '%pg_sleep(1000)%' and state = "
			"'active' and pid <> pg_backend_pid()");
	CHECK_EQ_S(left, "0");
	rig_close(&r);
}

LOOP_TEST(a_call_outside_that_never_returns_is_left_and_its_outcome_is_unknown)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_tell, input: {} } ]\n" END_OF("send_tell"));
	r.config.limits.tool_ms = 100;
	world.hangs = true;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID(STATUSES, "send_tell unknown");
	CHECK(strstr(rig_sql(a, &r, ANSWERS, id), "the outcome of this call is not known, no end within 100 ms"));
	rig_close(&r);
}

LOOP_TEST(what_the_database_refuses_goes_to_the_model_and_the_other_calls_go_on)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n      - { tool: divide, input: {} }\n      - { tool: note, input: { what: x } }\n"
		END_OF("note"));
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select string_agg(tool_name || ' ' || status, ', ' order by tool_name) from tool_executions where request_id = %ld",
		"divide refused, note done");
	CHECK_ID("select count(*) from notes where request_id = %ld", "1");
	rig_close(&r);
}

LOOP_TEST(a_tool_that_loses_its_connection_is_run_again_and_has_its_effect_once)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: lose, input: { what: x } } ]\n" END_OF("lose"));
	world.lost = 1;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select count(*) from notes where request_id = %ld", "1");
	CHECK_ID("select attempt::text from agent_requests where id = %ld", "2");
	CHECK_ID(STATUSES, "lose done");
	rig_close(&r);
}

/* ---- repeats ---- */

#define SAME "      - { tool: look, input: { what: same } }\n"
#define OTHER "      - { tool: look, input: { what: other } }\n"

LOOP_TEST(the_same_call_too_often_is_refused_and_another_is_not)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n" SAME SAME SAME OTHER END_OF("look"));
	r.config.limits.repeats = 2;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select string_agg(status, ' ' order by t.sequence_number) from tool_executions x join agent_turns t using "
		"(request_id, tool_call_id) where request_id = %ld and role = 'tool'", "done done refused done");
	CHECK(strstr(rig_sql(a, &r, ANSWERS, id), "this is call number 3 of look with the same arguments"));
	rig_close(&r);
}

LOOP_TEST(the_same_call_for_ever_ends_the_request)
{
	WORLD("  - reply: [ { tool: look, input: { what: same } } ]\n");
	r.config.limits.repeats = 2;
	r.config.limits.turns = 50;
	int64_t id = world_serve(a, &r, "go", "failed", e);
	CHECK_ID("select error_code from agent_requests where id = %ld", "tool_loop");
	CHECK_ID("select string_agg(status, ' ' order by id) from tool_executions where request_id = %ld",
		"done done refused refused");
	rig_close(&r);
}

/* ---- calls outside ---- */

LOOP_TEST(a_call_outside_has_its_intent_and_a_key_of_its_own)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n      - { tool: send_tell, input: {} }\n      - { tool: send_tell, input: { what: x } }\n"
		END_OF("send_tell"));
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_EQ_I((int64_t)world.n, 2);
	CHECK(strcmp(world.sent[0].key, world.sent[1].key) != 0 && strlen(world.sent[0].key) == 36);
	CHECK_ID("select count(*) from tool_executions where request_id = %ld and status = 'done' and started_at is not null and "
		"idempotency_key is not null", "2");
	CHECK(world_has_key(rig_sql(a, &r, "select min(idempotency_key) from tool_executions where request_id = %ld", id)));
	rig_close(&r);
}

LOOP_TEST(what_may_be_repeated_is_with_one_key_until_it_is_told)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_repeat, input: {} } ]\n" END_OF("send_repeat"));
	world.fails = 2;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_EQ_I((int64_t)world.n, 3);
	CHECK(strcmp(world.sent[0].key, world.sent[2].key) == 0);
	CHECK_ID(STATUSES, "send_repeat done");
	rig_close(&r);
}

LOOP_TEST(repeats_end_and_then_the_outcome_is_unknown)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_repeat, input: {} } ]\n" END_OF("send_repeat"));
	world.fails = 100;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_EQ_I((int64_t)world.n, 4);
	CHECK_ID(STATUSES, "send_repeat unknown");
	rig_close(&r);
}

LOOP_TEST(a_probe_decides_whether_it_is_called_again)
{
	static const struct { bool before; enum tool_found found; int64_t calls; const char *want; } cases[] = {
		{ false, FOUND_DONE, 1, "send_probed done" },
		{ true, FOUND_DONE, 1, "send_probed done" },
		{ false, FOUND_UNKNOWN, 1, "send_probed unknown" },
		{ true, FOUND_UNKNOWN, 0, "send_probed unknown" },
	};
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_probed, input: {} } ]\n" END_OF("send_probed"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(&world, 0, sizeof(world));
		world.fails = 1;
		world.fails_before = cases[i].before;
		world.found = cases[i].found;
		int64_t id = world_serve(a, &r, "go", "completed", e);
		CHECK_EQ_I((int64_t)world.n, cases[i].calls);
		CHECK_ID(STATUSES, cases[i].want);
	}
	rig_close(&r);
}

LOOP_TEST(a_person_decides_whether_a_lost_call_is_made_again)
{
	static const struct { const char *verdict, *want; int64_t calls; } cases[] = {
		{ "approved", "send_human done", 2 }, { "rejected", "send_human unknown", 1 },
	};
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: send_human, input: {} } ]\n" END_OF("send_human"));
	REQUIRE_OK(rig_start(&r, e));
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(&world, 0, sizeof(world));
		world.fails = 1;
		int64_t id = rig_ask(a, &r, "tester", "go");
		REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
		CHECK_ID(STATUSES, "send_human started");
		CHECK_ID("select kind || ' ' || status || ' ' || \"text\" from change_proposals where request_id = %ld", "unknown open no answer");
		rig_sql(a, &r, arena_printf(a, "select drover.decide_proposal(id, '%s', 'so it is') from change_proposals where "
			"request_id = %%ld", cases[i].verdict), id);
		CHECK_EQ_S(rig_wait(a, &r, id), "completed");
		CHECK_ID(STATUSES, cases[i].want);
		CHECK_EQ_I((int64_t)world.n, cases[i].calls);
		CHECK(world.n < 2 || strcmp(world.sent[0].key, world.sent[1].key) == 0);
	}
	rig_close(&r);
}

/* ---- dry run ---- */

LOOP_TEST(a_dry_run_leaves_nothing_asks_nobody_and_says_what_it_would_have_done)
{
	WORLD("  - when: { system: helper, turn: 0 }\n    reply: [ { tool: send_tell, input: {} } ]\n"
		"  - when: { system: helper }\n    reply: [ { text: helped } ]\n"
		"  - when: { turn: 0 }\n    reply:\n      - { tool: note, input: { what: x } }\n      - { tool: careful, input: { what: y } }\n"
		"      - { tool: send_human, input: { what: z } }\n      - { tool: ask_user, input: { question: Why? } }\n"
		"      - { tool: ask_helper, input: { task: Send it. } }\n"
		END_OF("ask_helper"));
	int64_t id = rig_ask(a, &r, "tester", "go");
	rig_sql(a, &r, "update agent_requests set dry_run = true where id = %ld", id);
	REQUIRE_OK(rig_start(&r, e));
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_SQL(r.owner, "select count(*) from notes", "0");
	CHECK_SQL(r.owner, "select count(*) from change_proposals", "0");
	CHECK_EQ_I((int64_t)world.n, 0);
	CHECK_ID("select string_agg(tool_name || ' ' || status, ', ' order by tool_name) from tool_executions where request_id = %ld",
		"ask_helper done, ask_user dry_run, careful dry_run, note dry_run, send_human dry_run");
	CHECK_ID("select output::text from tool_executions where tool_name = 'send_human' and request_id = %ld",
		"{\"input\": {\"what\": \"z\"}, \"dry_run\": \"would have called send_human\"}");
	CHECK_ID("select dry_run || ' ' || (select string_agg(x.status, ' ') from tool_executions x where x.request_id = c.id) from "
		"agent_requests c where parent_id = %ld", "true dry_run");
	CHECK_ID("select count(*) from agent_logs where kind = 'tool_result' and data -> 'output' ->> 'dry_run' like 'would have %%' and "
		"request_id = %ld", "2");
	rig_close(&r);
}

/* ---- agents that are called as tools ---- */

LOOP_TEST(agents_are_called_beside_other_tools_and_their_answers_come_back_to_their_calls)
{
	WORLD("  - when: { system: helper, last_user: fail }\n    status: 400\n"
		"  - when: { system: helper, last_user: one }\n    reply: [ { text: the first } ]\n"
		"  - when: { system: helper }\n    reply: [ { text: the second } ]\n"
		"  - when: { turn: 0 }\n    reply:\n      - { tool: ask_helper, input: { task: one } }\n"
		"      - { tool: note, input: { what: beside } }\n      - { tool: ask_helper, input: { task: two } }\n"
		"      - { tool: ask_helper, input: { task: fail } }\n      - { tool: ask_helper, input: {} }\n"
		"  - when: { turn: 1 }\n    reply: [ { tool: ask_helper, input: { task: two } } ]\n"
		END_OF("ask_helper"));
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select string_agg(coalesce(tool_output ->> 'answer', 'error'), ', ' order by sequence_number) from agent_turns where "
		"request_id = %ld and role = 'tool' and tool_name = 'ask_helper'", "the first, the second, error, error, the second");
	CHECK_ID("select string_agg(request, ' ' order by id) from agent_requests where parent_id = %ld", "one two fail two");
	CHECK_ID("select string_agg(tool_output ->> 'child', ' ' order by sequence_number) = (select string_agg(c.id::text, ' ' order by "
		"c.id) from agent_requests c where c.parent_id = request_id) from agent_turns where request_id = %ld and role = 'tool' "
		"group by request_id", "t");
	CHECK_ID("select count(*) from notes where request_id = %ld", "1");
	CHECK_PROMISES(r.owner);
	rig_close(&r);
}

LOOP_TEST(too_many_agents_of_one_turn_are_refused)
{
	WORLD("  - when: { system: helper }\n    reply: [ { text: helped } ]\n"
		"  - when: { turn: 0 }\n    reply:\n      - { tool: ask_helper, input: { task: one } }\n"
		"      - { tool: ask_helper, input: { task: two } }\n" END_OF("ask_helper"));
	r.config.limits.children = 1;
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID("select count(*) from agent_requests where parent_id = %ld", "1");
	CHECK(strstr(rig_sql(a, &r, ANSWERS, id), "at most 1 agents may be called in one turn"));
	rig_close(&r);
}

LOOP_TEST(agents_that_call_each_other_come_to_an_end)
{
	WORLD("  - when: { tool_result: ask_helper }\n    reply: [ { text: done } ]\n"
		"  - reply: [ { tool: ask_helper, input: { task: more } } ]\n");
	world_serve(a, &r, "go", "completed", e);
	CHECK_SQL(r.owner, "select count(*) from agent_requests", "5");
	CHECK_SQL(r.owner, "select count(*) from tool_executions where output ->> 'error' like 'agents have called agents too deep%'", "1");
	rig_close(&r);
}
