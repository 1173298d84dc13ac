/* SPDX-License-Identifier: MIT */
/* The worker as a whole: what a request comes to, and what its rows look like afterwards. */
#include "rig.h"

#define SEQ_WHOLE "select case when count(*) = max(seq) and min(seq) = 1 then 'whole' else 'broken' end from agent_logs " \
	"where request_id = %ld"

LOOP_TEST(a_request_is_answered_and_its_log_is_whole)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - reply:\n      - thinking: Hm.\n      - text: Hello there.\n", &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "project_management", "hello");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_EQ_S(rig_sql(a, &r, "select result ->> 'answer' from agent_requests where id = %ld", id), "Hello there.");
	CHECK_EQ_S(rig_sql(a, &r, "select string_agg(kind || ':' || message, '|' order by seq) from agent_logs where request_id = %ld", id),
		"status:attempt 1|thinking:Hm.|text:Hello there.|complete:Hello there.");
	CHECK_EQ_S(rig_sql(a, &r, SEQ_WHOLE, id), "whole");
	CHECK_EQ_S(rig_sql(a, &r, "select string_agg(content_type, ',' order by sequence_number) from agent_turns where request_id = %ld", id),
		"thinking,text");
	CHECK_EQ_S(rig_sql(a, &r, "select attempt || ' ' || version || ' ' || phase || ' ' || agents_involved::text from agent_requests where id = %ld", id),
		"1 1 completed {project}");
	rig_close(&r);
}

LOOP_TEST(an_unknown_type_fails_and_names_the_known)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - reply: unused\n", &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "astrology", "hello");
	CHECK_EQ_S(rig_wait(a, &r, id), "failed");
	CHECK_EQ_S(rig_sql(a, &r, "select error_code || ': ' || error from agent_requests where id = %ld", id),
		"unknown_agent: unknown type \"astrology\"; known are: orchestrator, project_management, quotes, resourcing");
	rig_close(&r);
}

LOOP_TEST(a_tool_runs_once_and_its_result_goes_back)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n"
		"  - when: { tool_result: project_search }\n    reply: [ { text: 'Found {{project_search.projects.0.code}}.' } ]\n"
		"  - reply: [ { tool: project_search, input: { words: APOLLO } } ]\n", &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "project_management", "find it");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_EQ_S(rig_sql(a, &r, "select result ->> 'answer' from agent_requests where id = %ld", id), "Found APOLLO.");
	CHECK_EQ_S(rig_sql(a, &r, "select string_agg(tool_name || ' ' || status, ',') from tool_executions where request_id = %ld", id),
		"project_search done");
	rig_close(&r);
}

LOOP_TEST(the_orchestrator_plans_waits_without_a_worker_and_answers)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n"
		"  - when: { force_tool: plan }\n    reply:\n      - tool: plan\n        input:\n          mode: parallel\n          reason: two areas\n"
		"          steps:\n            - { agent: project_management, task: tasks please }\n"
		"            - { agent: quotes, task: quote please, after: [0] }\n"
		"  - when: { tool_result: plan }\n    reply: [ { text: All done. } ]\n"
		"  - when: { any_user: [quote please, 3 tasks] }\n    reply: [ { text: quote over 3 tasks } ]\n"
		"  - when: { any_user: tasks please }\n    reply: [ { text: 3 tasks } ]\n", &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "orchestrator", "plan and quote");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_EQ_S(rig_sql(a, &r, "select result::text from agent_requests where id = %ld", id),
		"{\"mode\": \"parallel\", \"answer\": \"All done.\", \"reason\": \"two areas\"}");
	CHECK_EQ_S(rig_sql(a, &r, "select string_agg(type || ' ' || status || ' ' || (result ->> 'answer'), '|' order by id) from agent_requests where parent_id = %ld", id),
		"project_management completed 3 tasks|quotes completed quote over 3 tasks");
	CHECK_EQ_S(rig_sql(a, &r, "select agents_involved::text || attempt from agent_requests where id = %ld", id),
		"{orchestrator,project,quotes}1");
	CHECK_EQ_S(rig_sql(a, &r, SEQ_WHOLE, id), "whole");
	CHECK_EQ_S(rig_sql(a, &r, "select count(distinct l.session_id) || ' ' || count(distinct l.request_id) from agent_logs l "
		"join agent_requests r on r.session_id = l.session_id where r.id = %ld", id), "1 3");
	rig_close(&r);
}
