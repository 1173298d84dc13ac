/* SPDX-License-Identifier: MIT */
/* People in the loop: who may decide what, once and in time; and that the request goes on with what was decided. */
#include "clock.h"
#include "queue_case.h"
#include "rights_case.h"
#include "shell.h"
#include "world.h"

/* ---- who decides ---- */

#define PROPOSAL(more) "[{\"tool_call_id\": \"c\", \"tool_name\": \"send\", \"kind\": \"approval\", \"input\": {\"to\": 1, \"b\": 2}, " \
	"\"expire_ms\": 60000" more "}]"
#define QUESTION "[{\"tool_call_id\": \"q\", \"tool_name\": \"ask_user\", \"kind\": \"question\", \"input\": {}, " \
	"\"text\": \"Which one?\", \"expire_ms\": 60000}]"
#define HASH "(select content_hash from change_proposals where id = 1)"
#define APPROVE "select approve_proposal(1, " HASH ", 'go on')"
#define STATE_OF_1 "select phase from agent_requests where id = 1"
#define PROPOSALS "select coalesce(string_agg(id || ' ' || status, ', ' order by id), '') from change_proposals"

/* Request 1, of A in its workspace, has run and asks. */
static void ask(struct arena *a, struct pg *owner, const char *proposals)
{
	CHECK_SQL(owner, arena_printf(a, "update agent_requests set status = 'processing', phase = 'running', version = version + 1, "
		"attempt = attempt + 1, workspace_id = '" SPACE_A "' where id = 1; select drover.wait_for_people(1, version, 'quotes', "
		"'%s') from agent_requests where id = 1", proposals), "");
}

static bool fails_as(struct arena *a, struct pg *db, const char *sql, const char *state, const char *words)
{
	struct err e = { 0 };
	bool ok = !pg_script(db, a, sql, deadline_in(RIGHTS_MS), NULL, &e) && strcmp(e.sqlstate, state) == 0 && strstr(e.msg, words);
	if (!ok)
		printf("      %s: %s %s\n", sql, e.sqlstate, *e.msg ? e.msg : "was done");
	return ok;
}
#define CHECK_FAILS(db, sql, state, words) CHECK(fails_as(a, db, sql, state, words))

LOOP_TEST(the_requester_approves_once_and_the_request_goes_on)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_SQL(p.owner, "select concat_ws(' ', status, phase, attempt, worker_id is null) from agent_requests where id = 1",
		"processing waiting_approval 0 t");
	CHECK_SQL(p.owner, "select message || ' ' || data::text from agent_logs where request_id = 1 and seq = 2",
		"asks for approval of send {\"id\": \"c\", \"kind\": \"approval\", \"tool\": \"send\", \"proposal_id\": 1}");
	CHECK_SQL(p.a, APPROVE, "t");
	CHECK_SQL(p.owner, STATE_OF_1, "ready");
	CHECK_SQL(p.owner, "select concat_ws(' ', status, decided_by = '" USER_A "', decided_at is not null, note) from change_proposals",
		"approved t t go on");
	CHECK_FAILS(p.a, APPROVE, "PT409", "proposal 1 is no longer open: it is approved");
	CHECK_FAILS(p.a, "select reject_proposal(1)", "PT409", "it is approved");
	CHECK_SQL(p.owner, PROPOSALS, "1 approved");
}

LOOP_TEST(others_neither_see_nor_decide_and_hear_the_same_words_as_for_none)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	struct pg *others[] = { p.b, p.nobody };
	for (size_t i = 0; i < COUNT(others); i++) {
		CHECK_SQL(others[i], PROPOSALS, "");
		CHECK_FAILS(others[i], "select approve_proposal(1, 'x')", "PT404", "proposal 1 is not there");
		CHECK_FAILS(others[i], "select reject_proposal(1)", "PT404", "proposal 1 is not there");
		CHECK_FAILS(others[i], "select reject_proposal(9)", "PT404", "proposal 9 is not there");
	}
	CHECK_REFUSED(p.anon, "select reject_proposal(1)");
	CHECK_REFUSED(p.anon, "select * from change_proposals");
	CHECK_REFUSED(p.worker, "select reject_proposal(1)");
	CHECK_REFUSED(p.worker, "update change_proposals set status = 'approved'");
	CHECK_REFUSED(p.a, "update change_proposals set status = 'approved'");
	CHECK_REFUSED(p.a, "select drover.decide_proposal(1, 'approved', null)");
	CHECK_REFUSED(p.server, "update change_proposals set status = 'approved'");
	CHECK_SQL(p.owner, PROPOSALS, "1 open");
	CHECK_SQL(p.server, APPROVE, "t");
}

LOOP_TEST(where_somebody_else_must_approve_only_a_listed_approver_does)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(", \"not_requester\": true"));
	CHECK_SQL(p.owner, "insert into drover.approvers values ('" SPACE_A "', '" USER_A "', '*'), ('" SPACE_A "', '" USER_B
		"', 'other'), ('" SPACE_B "', '" USER_B "', '*') returning 1", "1");
	CHECK_FAILS(p.a, APPROVE, "42501", "must be decided by somebody else than who asked");
	CHECK_FAILS(p.b, "select approve_proposal(1, 'x')", "PT404", "is not there");
	CHECK_SQL(p.owner, PROPOSALS, "1 open");
	CHECK_SQL(p.owner, "insert into drover.approvers values ('" SPACE_A "', '" USER_B "', 'send') returning 1", "1");
	CHECK_SQL(p.b, PROPOSALS, "1 open");
	CHECK_SQL(p.b, APPROVE, "t");
	CHECK_SQL(p.owner, "select decided_by = '" USER_B "' from change_proposals", "t");
	CHECK_SQL(p.owner, STATE_OF_1, "ready");
}

/* A catalog may have become stricter before a cancelled request is run again. */
LOOP_TEST(what_is_asked_again_is_asked_by_the_rules_of_now)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_SQL(p.owner, "update change_proposals set status = 'cancelled' returning 1", "1");
	ask(a, p.owner, "[{\"tool_call_id\": \"c\", \"tool_name\": \"send\", \"kind\": \"approval\", \"input\": {\"to\": 2}, "
		"\"text\": \"why\", \"expire_ms\": 60000, \"not_requester\": true}]");
	CHECK_SQL(p.owner, "select concat_ws(' ', status, input, text, not_requester, content_hash = drover.content_hash(tool_name, input)) "
		"from change_proposals", "open {\"to\": 2} why t t");
	CHECK_FAILS(p.a, APPROVE, "42501", "must be decided by somebody else than who asked");
}

LOOP_TEST(a_decision_is_for_what_was_read)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_SQL(p.owner, "select content_hash = encode(sha256(convert_to(e'send\\n{\"b\": 2, \"to\": 1}', 'UTF8')), 'hex') from change_proposals", "t");
	CHECK_FAILS(p.a, "select approve_proposal(1, 'another')", "PT409", "the proposal has changed");
	CHECK_FAILS(p.a, "select approve_proposal(1, null)", "22023", "content_hash is missing");
	const char *before = test_ask(a, p.a, "select content_hash from change_proposals");
	CHECK_SQL(p.owner, "update change_proposals set input = '{\"to\": 2}' returning 1", "1");
	CHECK_FAILS(p.a, arena_printf(a, "select approve_proposal(1, '%s')", before), "PT409", "the proposal has changed");
	CHECK_SQL(p.owner, PROPOSALS, "1 open");
}

LOOP_TEST(who_comes_too_late_is_told_and_the_request_has_gone_on)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_SQL(p.worker, "select expired || ' ' || (next_ms between 50000 and 60000) from drover.expire_proposals(10)", "0 true");
	CHECK_SQL(p.owner, "update change_proposals set expires_at = now() returning 1", "1");
	CHECK_FAILS(p.a, APPROVE, "PT409", "proposal 1 has expired");
	CHECK_SQL(p.owner, STATE_OF_1, "waiting_approval");
	CHECK_SQL(p.worker, "select concat_ws(' ', expired, next_ms) from drover.expire_proposals(10)", "1");
	CHECK_SQL(p.owner, STATE_OF_1, "ready");
	CHECK_FAILS(p.a, APPROVE, "PT409", "it is expired");
}

LOOP_TEST(a_request_goes_on_when_all_is_decided_even_by_two_at_once)
{
	PEOPLE;
	struct group g = { 0 };
	CHECK_SQL(p.owner, "update agent_requests set status = 'processing', phase = 'running', version = 1 where id = 1; select "
		"drover.wait_for_people(1, 1, 'quotes', (select jsonb_agg(jsonb_build_object('tool_call_id', n, 'tool_name', 'send', 'kind', "
		"'approval', 'input', '{}'::jsonb, 'expire_ms', 60000)) from generate_series(1, 3) n))", "");
	CHECK_SQL(p.a, "select reject_proposal(1, 'no')", "t");
	CHECK_SQL(p.owner, STATE_OF_1, "waiting_approval");
	struct case_later other = { .db = p.server, .sql = "select reject_proposal(3)" };
	CHECK_SQL(p.a, "begin; select reject_proposal(2)", "t");
	REQUIRE_OK(group_start(&g, "other", case_run_later, &other, e));
	for (int i = 0; i < 1000 && strcmp(test_ask(a, p.owner, "select count(*) from pg_stat_activity where datname = "
		"current_database() and wait_event_type = 'Lock'"), "1") != 0; i++)
		loop_sleep(5, e);
	CHECK_SQL(p.a, "commit", "(null)");
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(other.said, "t");
	CHECK_SQL(p.owner, STATE_OF_1, "ready");
}

LOOP_TEST(bad_decisions_are_refused_by_the_name_of_the_mistake)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_FAILS(p.a, "select answer_question(1, 'yes')", "22023", "proposal 1 is no question");
	CHECK_FAILS(p.a, "select reject_proposal(1, repeat('x', 2001))", "22023", "the note has 2001 characters");
	CHECK_FAILS(p.a, "select reject_proposal(null)", "PT404", "proposal null is not there");
	CHECK_SQL(p.a, "select reject_proposal(1)", "t");
	ask(a, p.owner, QUESTION);
	CHECK_SQL(p.owner, "select id from change_proposals where kind = 'question'", "2");
	CHECK_FAILS(p.a, "select approve_proposal(2, content_hash) from change_proposals where id = 2", "22023", "is a question");
	CHECK_FAILS(p.a, "select answer_question(2, ' ')", "22023", "the answer is empty");
	CHECK_FAILS(p.a, "select answer_question(2, repeat('x', 262145))", "22023", "the answer has 262145 bytes");
	CHECK_SQL(p.a, "select answer_question(2, 'this one')", "t");
	CHECK_SQL(p.owner, "select answer || ' ' || status from change_proposals where id = 2", "this one answered");
}

/* ---- while a request waits ---- */

#define IN_A "session_id, user_id", "'" SESSION_A "', '" USER_A "'"

LOOP_TEST(a_request_that_waits_keeps_its_session_and_nothing_else)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, "select drover.set_limit('type', 'quotes', 1, null)", "");
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, "", "");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, PROPOSAL("")), "ok");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, PROPOSAL("")), "fence_lost"); /* the answer was lost, and it comes again */
	CHECK_SQL(c.owner, "select count(*) || ' ' || count(distinct request_id) from change_proposals", "1 1");
	CHECK_SQL(c.owner, "select count(*) from drover.permits", "0");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "3"); /* 2 is behind 1 */
	case_expire(a, &c, WORKER_1);
	CHECK_EQ_S(case_maintain(a, &c.two), "moved 1"); /* of 3; its worker's death is nothing to 1 */
	CHECK_STATE(1, "processing waiting_approval");
	CHECK_ROW(1, "attempt, crashes", "0 0");
	CHECK_SQL(c.two.db, "select drover.retry(1)", "not_failed");
	CHECK_SQL(c.owner, "select array_agg(x ->> 'cause')::text from drover.why(1, '{}') x", "{people}");
	queue_case_check(a, &c);
}

LOOP_TEST(a_cancel_ends_it_at_once_and_closes_what_it_asked)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, PROPOSAL("")), "ok");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_ROW(1, "status, phase, error_code", "failed cancelled cancelled");
	CHECK_SQL(c.owner, PROPOSALS, "1 cancelled");
	CHECK_SQL(c.owner, "select count(*) from drover.cancels", "0");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2");
	CHECK_FAILS(c.two.db, "select drover.decide_proposal(1, 'approved', null)", "PT409", "it is cancelled");
	/* run again, it asks again, in the same row */
	CHECK_EQ_S(case_finish(a, &c.one, 2), "ok");
	CHECK_SQL(c.two.db, "select drover.retry(1)", "again");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, PROPOSAL("")), "ok");
	CHECK_SQL(c.owner, PROPOSALS, "1 open");
	CHECK_STATE(1, "processing waiting_approval");
	queue_case_check(a, &c);
}

LOOP_TEST(who_was_told_to_stop_while_it_asked_ends)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_cancel(a, c.two.db, 1), "t");
	CHECK_STATE(1, "processing running");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, PROPOSAL("")), "ok");
	CHECK_STATE(1, "failed cancelled");
	CHECK_SQL(c.owner, PROPOSALS, "1 cancelled");
}

LOOP_TEST(the_stop_button_and_a_deletion_reach_what_waits)
{
	PEOPLE;
	ask(a, p.owner, PROPOSAL(""));
	CHECK_SQL(p.a, "select cancel_session('" SESSION_A "', 'enough')", "1");
	CHECK_SQL(p.owner, PROPOSALS, "1 cancelled");
	CHECK_SQL(p.owner, "delete from agent_requests where id = 1; select count(*) from change_proposals", "0");
}

/* ---- questions ---- */

LOOP_TEST(the_next_row_of_the_session_is_the_answer)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, QUESTION), "ok");
	CHECK_SQL(c.owner, "select message from agent_logs where request_id = 1 order by seq desc limit 1", "asks: Which one?");
	case_ask(a, c.owner, "session_id, user_id", "'" SESSION_A "', '" USER_B "'"); /* another's */
	case_ask(a, c.owner, "session_id, user_id", "'" SESSION_B "', '" USER_A "'"); /* elsewhere */
	case_ask(a, c.owner, "session_id, user_id, run_at", "'" SESSION_A "', '" USER_A "', now() + interval '1 h'");
	CHECK_SQL(c.owner, PROPOSALS, "1 open");
	CHECK_EQ_I(case_ask(a, c.owner, "session_id, user_id, request", "'" SESSION_A "', '" USER_A "', 'the red one'"), 5);
	CHECK_ROW(5, "status, phase, result, attempt", "completed completed {\"answered\": 1} 0");
	CHECK_SQL(c.owner, "select concat_ws(' ', status, answer, decided_by = '" USER_A "') from change_proposals", "answered the red one t");
	CHECK_STATE(1, "processing ready");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 6);
	CHECK_STATE(6, "queued ready");
	queue_case_check(a, &c);
}

/* The clock says nothing that a person could have meant as an answer; nor is a dry run meant to have an effect. */
LOOP_TEST(a_schedule_and_a_dry_run_answer_nothing)
{
	QUEUE_CASE;
	case_ask(a, c.owner, IN_A);
	CHECK_SQL(c.owner, "insert into drover.schedules (name, cron, type, request, user_id, session_id, next_at) values ('s', '@daily', "
		"'quotes', 'nightly', '" USER_A "', '" SESSION_A "', now() - interval '1 s') returning 1", "1");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, QUESTION), "ok");
	case_maintain(a, &c.two);
	CHECK_SQL(c.owner, "select drover.fire_schedule(s) >= 0 from drover.schedules s where s.next_at <= now() union all select true limit 1", "t");
	CHECK_STATE(2, "queued ready");
	case_ask(a, c.owner, "session_id, user_id, dry_run", "'" SESSION_A "', '" USER_A "', true");
	CHECK_STATE(3, "queued ready");
	CHECK_SQL(c.owner, PROPOSALS, "1 open");
	case_ask(a, c.owner, IN_A);
	CHECK_SQL(c.owner, PROPOSALS, "1 answered");
}

LOOP_TEST(an_insert_that_is_refused_or_doubled_answers_nothing)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "session_id, user_id, idempotency_key", "'" SESSION_A "', '" USER_A "', 'k'");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, QUESTION), "ok");
	CHECK_SQL(c.owner, "insert into agent_requests (session_id, user_id, type, request, idempotency_key) values ('" SESSION_A "', '"
		USER_A "', 'quotes', 'x', 'k') on conflict do nothing; select count(*) from agent_requests", "1");
	CHECK_SQL(c.owner, PROPOSALS, "1 open");
}

LOOP_TEST(inserts_look_for_questions_only_while_one_is_open)
{
	QUEUE_CASE;
	CHECK_SQL(c.owner, "select last_value from drover.asking", "0");
	case_ask(a, c.owner, IN_A);
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1");
	CHECK_EQ_S(case_ask_people(a, &c.one, 1, QUESTION), "ok");
	CHECK_SQL(c.owner, "select last_value from drover.asking", "1");
	CHECK_SQL(c.two.db, "select expired from drover.expire_proposals(10)", "0");
	CHECK_SQL(c.owner, "select last_value from drover.asking", "1");
	CHECK_SQL(c.two.db, "select drover.decide_proposal(1, 'approved', 'the red one')", "t");
	struct pg *asker = test_connect(a, c.db.owner_url, e);
	CHECK_SQL(asker, "begin; lock table drover.asking_count in row exclusive mode; select 1", "1");
	CHECK_SQL(c.two.db, "select expired from drover.expire_proposals(10)", "0");
	CHECK_SQL(c.owner, "select last_value from drover.asking", "1"); /* somebody is just asking */
	CHECK_SQL(asker, "commit", "(null)");
	CHECK_SQL(c.two.db, "select expired from drover.expire_proposals(10)", "0");
	CHECK_SQL(c.owner, "select last_value from drover.asking", "0");
	/* what is not looked for is not found: the gate is what an insert asks */
	CHECK_SQL(c.owner, "update change_proposals set status = 'open' returning 1", "1");
	CHECK_EQ_I(case_ask(a, c.owner, IN_A), 2);
	CHECK_STATE(2, "queued ready");
}

/* ---- a whole worker ---- */

#define CAREFUL \
	"  - when: { turn: 0 }\n    reply:\n      - { tool: careful, input: { what: x } }\n      - { tool: look, input: {} }\n" END_OF("careful")
#define DECIDE(verdict, note) rig_sql(a, &r, "select drover.decide_proposal(id, '" verdict "', " note ") from change_proposals where " \
	"status = 'open' and request_id = %ld", id)
#define CAREFUL_ENDED "select status || ' ' || (output #>> '{}') from tool_executions where tool_name = 'careful' and request_id = %ld"

LOOP_TEST(an_approved_call_runs_once_after_it_was_shown_what_it_would_do)
{
	WORLD(CAREFUL);
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE_OK(rig_start(&r, e));
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CHECK_ID("select concat_ws(' ', input, preview) from change_proposals where request_id = %ld", "{\"what\": \"x\"} {\"what\": \"x\"}");
	CHECK_ID(STATUSES, "look done");
	CHECK_SQL(r.owner, "select count(*) from notes", "0");
	CHECK_EQ_I((int64_t)pool_running(r.pool), 0);
	REQUIRE_OK(rig_stop(&r, e)); /* whoever is there then goes on */
	CHECK_ID(PHASE, "waiting_approval");
	REQUIRE_OK(rig_start(&r, e));
	DECIDE("approved", "null");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_SQL(r.owner, "select count(*) from notes", "1");
	CHECK_ID("select count(*) from agent_logs where kind = 'tool_call' and message = 'careful' and request_id = %ld", "1");
	CHECK_ID("select attempt::text from agent_requests where id = %ld", "1");
	CHECK_PROMISES(r.owner);
	rig_close(&r);
}

LOOP_TEST(what_a_person_refused_or_nobody_decided_is_told_to_the_model)
{
	WORLD(CAREFUL);
	r.config.limits.expire_ms = 60000;
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	DECIDE("rejected", "'not today'");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID(CAREFUL_ENDED, "rejected {\"error\": \"not done, a person said no: not today\"}");
	id = rig_ask(a, &r, "tester", "go");
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	rig_sql(a, &r, "update change_proposals set expires_at = now() where request_id = %ld", id);
	CHECK_SQL(r.owner, "select expired from drover.expire_proposals(10)", "1");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID(CAREFUL_ENDED, "expired {\"error\": \"not done, nobody answered in time\"}");
	CHECK_SQL(r.owner, "select count(*) from notes", "0");
	rig_close(&r);
}

LOOP_TEST(upkeep_finds_what_has_expired)
{
	WORLD(CAREFUL);
	r.config.limits.expire_ms = 1;
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE_OK(rig_start(&r, e));
	for (int i = 0; i < 100 && strcmp(rig_sql(a, &r, "select count(*) from change_proposals where request_id = %ld", id), "1") != 0; i++)
		loop_sleep(20, e);
	REQUIRE_OK(rig_stop(&r, e)); /* a worker looks when it begins */
	REQUIRE_OK(rig_start(&r, e));
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID(CAREFUL_ENDED, "expired {\"error\": \"not done, nobody answered in time\"}");
	rig_close(&r);
}

LOOP_TEST(a_call_that_changed_after_it_was_approved_is_not_run)
{
	WORLD(CAREFUL);
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE_OK(rig_start(&r, e));
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	rig_sql(a, &r, "update agent_turns set tool_input = '{\"what\": \"worse\"}' where tool_name = 'careful' and request_id = %ld", id);
	DECIDE("approved", "null");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID(CAREFUL_ENDED, "refused {\"error\": \"changed after approval: what was approved is not this call of careful\"}");
	CHECK_SQL(r.owner, "select count(*) from notes", "0");
	rig_close(&r);
}

LOOP_TEST(what_the_database_would_refuse_is_not_asked)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: careful, input: { what: x } } ]\n" END_OF("careful"));
	CHECK_SQL(r.owner, "alter table notes add constraint never check (what <> 'x')", "(null)");
	int64_t id = world_serve(a, &r, "go", "completed", e);
	CHECK_ID(STATUSES, "careful refused");
	CHECK_SQL(r.owner, "select count(*) from change_proposals", "0");
	rig_close(&r);
}

LOOP_TEST(a_question_is_answered_by_what_the_user_says_next)
{
	WORLD("  - when: { turn: 0 }\n    reply: [ { tool: ask_user, input: { question: 'Which one?', choices: [ red, blue ] } } ]\n"
		END_OF("ask_user"));
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE_OK(rig_start(&r, e));
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	rig_sql(a, &r, "insert into agent_requests (session_id, user_id, type, request) select session_id, user_id, type, 'red' from "
		"agent_requests where id = %ld", id);
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_ID("select output::text from tool_executions where request_id = %ld", "{\"answer\": \"red\"}");
	CHECK_ID("select string_agg(status || coalesce(result ->> 'answered', ''), ' ' order by id) = 'completed completed' || %1$ld from "
		"agent_requests", "t");
	rig_close(&r);
}

/* ---- commands ---- */

#define RUN(command) shell(a, r.db.worker_url, "$D " command)
static void check_ran(const struct ran *ran, int status, const char *out, int line)
{
	test_check_i64(ran->status, status, __FILE__, line, "exit");
	if (!test_check_text(ran->out, out, __FILE__, line, "stdout"))
		printf("      %s\n", ran->err);
}
#define CHECK_RAN(command, status, out) do { struct ran ran_ = RUN(command); check_ran(&ran_, status, out, __LINE__); } while (0)

LOOP_TEST(operators_list_and_decide_proposals)
{
	WORLD("  - when: { turn: 0 }\n    reply:\n      - { tool: careful, input: { what: x } }\n"
		"      - { tool: ask_user, input: { question: Which? } }\n" END_OF("careful"));
	CHECK_RAN("proposals", 0, "nothing waits for a person\n");
	int64_t id = rig_ask(a, &r, "tester", "go");
	REQUIRE_OK(rig_start(&r, e));
	REQUIRE(world_await(a, &r, PHASE, id, "waiting_approval"));
	CHECK_EQ_I((int64_t)count_lines(RUN("proposals").out), 3);
	CHECK(is_json_lines(a, RUN("proposals --json").out));
	CHECK_HAS(RUN("why 1").out, "it has waited for people for");
	CHECK_HAS(RUN("why 1").out, "a decision on careful, and more (proposals 1, 2)");
	CHECK_HAS(RUN("approve 2").err, "is a question");
	CHECK_RAN("approve 1 --json", 0, "{\"id\":1,\"outcome\":\"approved\",\"done\":true}\n");
	CHECK_RAN("approve 1", 3, "1 was approved already\n");
	CHECK_RAN("reject 9", 3, "9 is not there\n");
	CHECK_RAN("reject 2 --note 'find out'", 0, "2 rejected; request 1 goes on when nothing else is open\n");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	CHECK_HAS(RUN("show 1").out, "asked approval 1 of careful");
	CHECK_HAS(RUN("show 1").out, "rejected question 2 of ask_user: find out");
	CHECK_RAN("proposals", 0, "nothing waits for a person\n");
	CHECK_EQ_I((int64_t)count_lines(RUN("proposals --all").out), 3);
	rig_close(&r);
}
