/* SPDX-License-Identifier: MIT */
/* Conversations that last: kept block by block, gone on with after every accident, over many requests of a session. */
#include "agents.h"
#include "conversation.h"
#include "http.h"
#include "rig_test.h"
#include "schema_check.h"
#include "tool_call.h"

#define USER "00000000-0000-4000-8000-0000000000d0"
#define SESSION "a0000000-0000-4000-8000-00000000000a"

/* ---- agents of these tests ---- */

struct note_args {
	int64_t n, bytes;
};

static const struct field note_fields[] = {
	{ "n", FIELD_I64, offsetof(struct note_args, n), .text = "Which.", .max = 100 },
	{ "bytes", FIELD_I64, offsetof(struct note_args, bytes), .text = "How long the result is.", .max = 100000 },
	{ 0 },
};

static const struct sql sql_note = { "test_note", "tests/test_turns.c",
	"insert into public.test_notes (request_id, n) values ($1::bigint, $2::integer) returning n, "
	"repeat('x', $3::integer) as long", 3 };

static bool note_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct note_args *in = args;
	return tool_row(env, &sql_note, PG_ARGS(PG(env->request_id), PG(in->n), PG(in->bytes)), "none", result, e);
}

static const struct tool tool_note = { .name = "note", .text = "Notes a number.", .fields = note_fields,
	.args_size = sizeof(struct note_args), .effect = TOOL_WRITES, .run = note_run };
static const struct tool *const note_tools[] = { &tool_note, NULL };

/* Answers the calls of its first turn in an order of its own, and breaks off after the first of them. */
static bool backwards_run(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct conversation c;
	if (!conversation_load(run, &c, e) || (!c.turns && !conversation_turn(run, &c, NULL, e)))
		return false;
	while (c.n_open) {
		struct model_block call = c.open[c.n_open / 2];
		struct tool_answer answer = { &call, arena_printf(run->arena, "{\"of\":%ld}",
			(long)json_i64(call.input, "n", 0)), "done", 0 };
		if (!conversation_answer(run, &c, &answer, e))
			return false;
		if (run->attempt == 1)
			return FAIL(e, ERR_BUSY, "busy", "later");
	}
	if (!conversation_ended(&c) && !conversation_turn(run, &c, NULL, e))
		return false;
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{\"answer\":\"turned\"}", .message = c.text };
	return true;
}

static const struct agent agent_talk = { .type = "talk", .name = "talk", .text = "Talks.", .prompt = "You talk.",
	.tools = note_tools, .run = agent_loop };
static const struct agent agent_other = { .type = "other", .name = "other", .text = "Talks.", .prompt = "You talk too.",
	.tools = note_tools, .run = agent_loop };
static const struct agent agent_backwards = { .type = "backwards", .name = "backwards", .text = "Answers in any order.",
	.prompt = "Backwards.", .tools = note_tools, .run = backwards_run };
static struct agent agent_schema = { .type = "schema", .name = "schema", .text = "Answers by a "
	"schema.", .prompt = "JSON.",
	.tools = note_tools, .run = agent_loop };
static const struct agent *const agents[] = { &agent_talk, &agent_other, &agent_backwards, &agent_schema,
	&agent_orchestrator, NULL };

static bool start(struct arena *a, struct rig *r, struct err *e)
{
	r->config.agents = agents;
	r->config.max_attempts = 20;
	CHECK_SQL(r->owner, "create table if not exists test_notes (request_id bigint, n int); "
		"grant insert, select on test_notes to drover_worker; select 1", "1");
	return rig_start(r, e);
}

static int64_t ask_in(struct arena *a, struct rig *r, const char *session, const char *type, const char *request)
{
	int64_t id = 0;
	const char *sql = arena_printf(a, "insert into agent_requests (user_id, session_id, type, request) values "
		"('" USER "', '%s', '%s', '%s') returning id", session, type, request);
	str_to_i64(str_of(test_ask(a, r->owner, sql)), &id);
	return id;
}

/* ---- what the model was asked ---- */

/* The messages up to the end of the last one's content: what the next prompt must begin with. */
static struct str messages_of(struct rig *r, size_t i)
{
	static const char key[] = "\"messages\":";
	struct str body = mock_request_body(r->mock, i);
	const char *from = memmem(body.p, body.n, key, sizeof(key) - 1);
	if (!from)
		return (struct str){ 0 };
	const char *p = from += sizeof(key) - 1;
	int depth = 0;
	bool in_string = false;
	do {
		if (in_string && *p == '\\')
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string)
			depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
		p++;
	} while (depth && p < body.p + body.n);
	return (struct str){ from, (size_t)(p - from) - 3 }; /* ]}] */
}

static bool has(struct str s, const char *text)
{
	return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

/* Every prompt that has the word begins with the one before it, byte for byte. */
static bool check_prefixes(struct rig *r, const char *word)
{
	struct str before = { 0 };
	bool ok = true;
	for (size_t i = 0; i < mock_request_count(r->mock); i++) {
		struct str now = messages_of(r, i);
		if (!has(now, word))
			continue;
		ok &= CHECK(now.n >= before.n && (!before.n || memcmp(now.p, before.p, before.n) == 0));
		if (!ok) {
			printf("      before: %.*s\n      now:    %.*s\n", STR_ARGS(before), STR_ARGS(now));
			return false;
		}
		before = now;
	}
	return CHECK(before.n > 0);
}

static const char *last_messages(struct arena *a, struct rig *r)
{
	size_t n = mock_request_count(r->mock);
	struct str s = n ? messages_of(r, n - 1) : STR("");
	return arena_printf(a, "%.*s]}]", STR_ARGS(s));
}

static void check_mock(struct rig *r)
{
	struct mock_counts n = mock_count(r->mock);
	CHECK_EQ_I(n.rejected, 0);
	CHECK_EQ_I(n.unmatched, 0);
}

#define TYPES "select string_agg(role || ' ' || content_type || coalesce(' ' || stop_reason, ''), ', ' order by " \
	"sequence_number) " \
	"from agent_turns where request_id = %ld"
#define ANSWER "select result ->> 'answer' from agent_requests where id = %ld"

/* ---- kept while they come ---- */

RIG_TEST(blocks_that_come_at_once_are_one_transaction_with_the_tokens,
	"replies:\n  - reply: [ { thinking: Hm. }, { text: Hello. } ]\n    usage: { input_tokens: 5, output_tokens: 7, "
	"cache_read_input_tokens: 2 }\n")
{
	r->config.model.price = (struct model_price){ .input = 1000000, .output = 2000000 };
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", "hello");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, TYPES, id), "assistant thinking, assistant text end_turn");
	CHECK_EQ_S(rig_sql(a, r, "select count(distinct xmin::text) from agent_turns where request_id = %ld", id), "1");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(concat_ws(' ', sequence_number, tokens_used, model, usage ->> "
		"'input_tokens', "
		"usage ->> 'cache_read_tokens', cost_micros), ', ' order by sequence_number) from agent_turns where "
			"request_id = %ld",
		id), "1, 2 14 claude-test 5 2 19");
	CHECK_EQ_S(rig_sql(a, r, "select concat_ws(' ', input_tokens, output_tokens, cache_read_tokens, cost_micros) "
		"from agent_requests where id = %ld", id), "5 7 2 19");
}

RIG_TEST(a_block_that_has_ended_is_kept_while_the_answer_still_comes,
	"replies:\n  - reply: [ { thinking: Hm. }, { text: Hello. } ]\n    chunk: 100\n    stall_after: { deltas: "
		"2, for: 3s }\n")
{
	struct err ignored;
	const char *kept = "";
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", "hello");
	for (int i = 0; i < 2000 && strcmp(kept, "assistant thinking") != 0; i++, loop_sleep(5, &ignored))
		kept = rig_sql(a, r, TYPES, id);
	CHECK_EQ_S(kept, "assistant thinking");
	CHECK_EQ_I(mock_count(r->mock).running, 1);
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, TYPES, id), "assistant thinking, assistant text end_turn");
	CHECK_EQ_S(rig_sql(a, r, "select count(distinct xmin::text) from agent_turns where request_id = %ld", id), "2");
}

RIG_TEST(an_end_that_comes_late_has_a_row_of_its_own,
	"replies:\n  - when: { last_user: once more }\n    reply: More.\n  - when: { turn: 1 }\n    reply: Bye.\n"
	"  - reply: [ { text: Hello. }, { tool: note, input: { n: 1 } } ]\n    chunk: 100\n    stall_after: { "
		"deltas: 99, for: 400ms }\n"
	"    usage: { input_tokens: 5, output_tokens: 7 }\n")
{
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", "hello");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, TYPES, id), "assistant text, assistant tool_call, assistant other tool_use, tool "
		"tool_result, "
		"assistant text end_turn");
	CHECK_EQ_S(rig_sql(a, r, "select concat_ws(' ', block, content, tokens_used) from agent_turns where "
		"sequence_number = 3 "
		"and request_id = %ld", id), "null 12");
	CHECK(check_prefixes(r, "hello"));
	int64_t more = ask_in(a, r, rig_sql(a, r, "select session_id from agent_requests where id = "
		"%ld", id), "talk", "once more");
	CHECK_FATE(more, "completed 1"); /* its replay of that turn is as it was */
	CHECK(check_prefixes(r, "hello"));
	check_mock(r);
}

/* ---- broken off ---- */

/* Every delta is a place to break off at: one of each block, and then the end is missing. */
enum { CUTS = 5 };

static const char *cut_script(struct arena *a)
{
	const char *all = "replies:\n  - when: { tool_result: note }\n    reply: Done.\n";
	for (int i = 0; i < CUTS; i++)
		all = arena_printf(a, "%s  - when: { last_user: cut %d., nth: 1 }\n    reply: [ { thinking: Hm. }, { "
			"text: I look. }, "
			"{ tool: note, input: { n: 1 } } ]\n    chunk: 100\n    pace: 30ms\n    cut_after: { deltas: %d "
				"}\n", all, i, i);
	return arena_printf(a, "%s  - when: { last_user: broke off }\n    reply: [ { text: And note. }, { tool: "
		"note, input: { n: 1 } } ]\n"
		"  - when: { last_user: cut }\n    reply: [ { thinking: Hm. }, { text: I look. }, { tool: note, input: "
			"{ n: 1 } } ]\n", all);
}

static void check_cut(struct arena *a, struct rig *r, int i)
{
	const char *word = arena_printf(a, "cut %d.", i);
	int64_t id = rig_ask(a, r, "talk", word);
	rig_wait(a, r, id);
	bool ok = CHECK_EQ_S(rig_sql(a, r, ANSWER, id), "Done.");
	ok &= CHECK_EQ_S(rig_sql(a, r, "select count(*) from test_notes where request_id = %ld", id), "1");
	ok &= CHECK_EQ_S(rig_sql(a, r, "select count(*) from agent_turns where content = 'I look.' and request_id = "
		"%ld", id), "1");
	ok &= check_prefixes(r, word);
	if (!ok)
		printf("      %s %s\n", word, rig_sql(a, r, TYPES, id));
}

static void cut_everywhere(struct arena *a, int64_t retries, struct err *e)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, cut_script(a), &r, e));
	r.config.retry = (struct route_retry){ retries, 5, 10 };
	REQUIRE_OK(start(a, &r, e));
	for (int i = 0; i < CUTS; i++)
		check_cut(a, &r, i);
	CHECK_SQL(r.owner, "select count(*) > 0 from agent_turns where stop_reason = 'broken'", "t");
	CHECK_SQL(r.owner, "select count(*) > 0 from agent_turns where role = 'user'", "t");
	CHECK_SQL(r.owner, retries ? "select max(attempt) = 1 from agent_requests where id in (select request_id "
		"from agent_turns "
		"where role = 'user')" : "select min(attempt) = 1 and max(attempt) = 2 from agent_requests", "t");
	CHECK_PROMISES(r.owner);
	check_mock(&r);
	rig_close(&r);
}

LOOP_TEST(an_answer_that_breaks_off_is_gone_on_with)
{
	cut_everywhere(a, 3, e);
}

LOOP_TEST(an_answer_that_broke_off_in_another_attempt_is_gone_on_with)
{
	cut_everywhere(a, 0, e);
}

/* One text of two blocks, cut in the second: what ended stays, and is joined with what follows. */
#define TWO_TEXTS \
	"replies:\n  - when: { last_user: next }\n    reply: Next.\n  - when: { nth: 1 }\n    reply: [ { thinking: " \
		"Hm. }, { text: 'One, ' }, { text: never seen } ]\n    chunk: 100\n" \
	"    pace: 30ms\n    cut_after: { deltas: 3 }\n" \
	"  - when: { last_user: broke off, nth: 1 }\n    reply: [ { thinking: Aha. }, { text: lost } ]\n    chunk: 100\n" \
	"    pace: 30ms\n    cut_after: { deltas: 2 }\n" \
	"  - when: { last_user: broke off }\n    reply: [ { thinking: So. }, { text: 'two.' } ]\n"

static void go_on_whole(struct arena *a, int64_t retries, struct err *e)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, TWO_TEXTS, &r, e));
	r.config.retry = (struct route_retry){ retries, 5, 10 };
	REQUIRE_OK(start(a, &r, e));
	int64_t id = rig_ask(a, &r, "talk", "count");
	CHECK_EQ_S(rig_fate(a, &r, id), retries ? "completed 1" : "completed 3");
	CHECK_EQ_S(rig_sql(a, &r, ANSWER, id), "One, two.");
	CHECK_EQ_S(rig_sql(a, &r, TYPES, id), "assistant thinking, assistant text, user text, assistant thinking, "
		"assistant other broken, "
		"assistant thinking, assistant text end_turn");
	CHECK(check_prefixes(&r, "count"));
	CHECK(!strstr(last_messages(a, &r), "Aha."));
	int64_t more = ask_in(a, &r, rig_sql(a, &r, "select session_id from agent_requests where id = "
		"%ld", id), "other", "next");
	CHECK_EQ_S(rig_fate(a, &r, more), "completed 1");
	CHECK_PROMISES(r.owner);
	check_mock(&r);
	rig_close(&r);
}

LOOP_TEST(the_answer_is_all_texts_of_what_was_gone_on_with)
{
	go_on_whole(a, 3, e);
}

LOOP_TEST(the_answer_is_all_texts_of_all_attempts)
{
	go_on_whole(a, 0, e);
}

/* ---- answers in any order ---- */

RIG_TEST(answers_have_their_places_whoever_comes_first,
	"replies:\n  - when: { tool_result: note }\n    reply: Fine.\n  - reply: [ { tool: note, input: { n: 1 } }, "
	"{ tool: note, input: { n: 2 } }, { tool: note, input: { n: 3 } } ]\n")
{
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "backwards", "x");
	CHECK_FATE(id, "completed 2");
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(concat_ws(' ', sequence_number, tool_output ->> 'of', attempt), "
		"', ' order by id) "
		"from agent_turns where role = 'tool' and request_id = %ld", id), "5 2 1, 6 3 2, 4 1 2");
	const char *sent = last_messages(a, r);
	const char *one = strstr(sent, "{\\\"of\\\":1}"), *two = strstr(sent, "{\\\"of\\\":2}"),
		*three = strstr(sent, "{\\\"of\\\":3}");
	CHECK(one && two && three && one < two && two < three);
	check_mock(r);
}

/* ---- tokens ---- */

RIG_TEST(what_an_attempt_spent_stays_counted,
	"replies:\n  - when: { turn: 0 }\n    reply: [ { tool: note, input: { n: 1 } } ]\n    usage: { "
		"input_tokens: 100, output_tokens: 10 }\n"
	"  - when: { nth: 1 }\n    status: 500\n"
	"  - when: { nth: 1 }\n    reply: ' '\n    stop_reason: end_turn\n    usage: { input_tokens: 1000, "
		"output_tokens: 0 }\n"
	"  - reply: Done.\n    usage: { input_tokens: 200, output_tokens: 20 }\n")
{
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", "x");
	CHECK_FATE(id, "completed 3");
	CHECK_EQ_S(rig_sql(a, r, "select concat_ws(' ', input_tokens, output_tokens) from agent_requests where id = "
		"%ld", id), "1300 30");
}

/* ---- sessions ---- */

/* The latest words come first: what failed stands in one message with what came after it. */
#define SESSION_STORY \
	"replies:\n" \
	"  - when: { last_user: after }\n    reply: After.\n" \
	"  - when: { last_user: last, tool_result: note }\n    reply: The last.\n" \
	"  - when: { last_user: last }\n    reply: [ { tool: note, input: { n: 6 } } ]\n" \
	"  - when: { last_user: poisoned }\n    reply: [ { thinking: Hm. }, { text: Poisoned. } ]\n" \
	"  - when: { last_user: endless }\n    delay: 60s\n    reply: never\n" \
	"  - when: { last_user: elsewhere }\n    reply: Elsewhere.\n" \
	"  - when: { last_user: breaks, tool_result: note }\n    stop_reason: refusal\n    reply: no\n" \
	"  - when: { last_user: breaks }\n    reply: [ { tool: note, input: { n: 2 } } ]\n" \
	"  - when: { last_user: first }\n    reply: One.\n"

static void wait_running(struct arena *a, struct rig *r, int64_t running)
{
	struct err ignored;
	for (int i = 0; i < 2000 && mock_count(r->mock).running != running; i++)
		loop_sleep(5, &ignored);
	CHECK_EQ_I(mock_count(r->mock).running, running);
	CHECK(a != NULL);
}

#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define FROM_USER(blocks) "{\"role\":\"user\",\"content\":[" blocks "]}"
#define FROM_MODEL(blocks) "{\"role\":\"assistant\",\"content\":[" blocks "]}"

RIG_TEST(a_session_goes_on_whatever_became_of_its_requests, SESSION_STORY)
{
	REQUIRE_OK(start(a, r, e));
	CHECK_FATE(ask_in(a, r, SESSION, "talk", "first"), "completed 1");
	CHECK_FATE(ask_in(a, r, SESSION, "talk", "breaks"), "failed model_refused 1");
	CHECK_FATE(ask_in(a, r, SESSION, "other", "elsewhere"), "completed 1");
	int64_t endless = ask_in(a, r, SESSION, "talk", "endless");
	wait_running(a, r, 1);
	rig_sql(a, r, "select drover.end_request(%ld, 'cancelled', 'cancelled', 'cancelled')", endless);
	CHECK_FATE(endless, "failed cancelled 1");
	int64_t poisoned = ask_in(a, r, SESSION, "talk", "poisoned");
	CHECK_FATE(poisoned, "completed 1");
	rig_sql(a, r, "insert into agent_turns (request_id, session_id, user_id, attempt, sequence_number, role, "
		"content_type, tool_name, "
		"tool_call_id, tool_input, block, stop_reason) select id, session_id, user_id, 1, 3, 'assistant', "
			"'tool_call', 'note', 'lost_1', "
		"'{}', '{\"type\":\"tool_use\",\"id\":\"lost_1\",\"name\":\"note\",\"input\":{}}', 'tool_use' from "
			"agent_requests where id = %ld",
		poisoned);
	CHECK_FATE(ask_in(a, r, SESSION, "talk", "last"), "completed 1");
	CHECK_FATE(ask_in(a, r, SESSION, "talk", "after"), "completed 1");
	CHECK(check_prefixes(r, "last"));
	const char *sent = last_messages(a, r), *begin = "[" FROM_USER(TEXT("first")) "," FROM_MODEL(TEXT("One.")) ","
		FROM_USER(TEXT("breaks") "," TEXT("This request ended without an answer: model_refused. Tools that had "
			"run: note.") ","
		TEXT("elsewhere")) "," FROM_MODEL(TEXT("Elsewhere.")) "," FROM_USER(TEXT("endless") ","
		TEXT("This request ended without an answer: cancelled.") "," TEXT("poisoned")) ",";
	CHECK_EQ_S(arena_text(a, (struct str){ sent, MIN_OF(strlen(sent), strlen(begin)) }), begin);
	CHECK(strstr(sent, "\"tool_use_id\":\"lost_1\",\"content\":\"{\\\"not_run\\\":"));
	CHECK(strstr(sent, TEXT("The last.") "]}," FROM_USER(TEXT("after")) "]"));
	check_mock(r);
	CHECK_SQL(r->owner, "delete from agent_turns where tool_call_id = 'lost_1'; select 1", "1");
}

RIG_TEST(an_orchestrator_knows_what_became_of_its_earlier_plans,
	"replies:\n  - when: { last_user: and now }\n    reply: [ { tool: plan, input: { mode: clarify, reason: r, "
		"question: 'What?' } } ]\n"
	"  - when: { force_tool: plan }\n    reply: [ { tool: plan, input: { mode: single, reason: r, steps: [ { "
		"agent: talk, task: the task } ] } } ]\n"
	"  - when: { last_user: the task }\n    reply: It is so.\n")
{
	REQUIRE_OK(start(a, r, e));
	CHECK_FATE(ask_in(a, r, SESSION, "orchestrator", "do it"), "completed 1");
	CHECK_FATE(ask_in(a, r, SESSION, "orchestrator", "and now"), "completed 1");
	CHECK(check_prefixes(r, "do it"));
	CHECK(strstr(last_messages(a, r), "\\\"answer\\\":\\\"It is so.\\\"}\"}," TEXT("and now") "]}]"));
	CHECK(!has(messages_of(r, 1), "do it")); /* a child is told nothing of the session */
	check_mock(r);
}

RIG_TEST(a_request_is_told_of_so_many_before_it, "replies:\n  - reply: Yes.\n")
{
	r->config.limits.history = 4;
	REQUIRE_OK(start(a, r, e));
	for (int i = 0; i < 8; i++)
		CHECK_FATE(ask_in(a, r, SESSION, "talk", arena_printf(a, "number %d", i)), "completed 1");
	size_t told[8];
	for (size_t i = 0; i < 8; i++) {
		told[i] = 0;
		for (size_t k = 0; k < i; k++)
			told[i] += has(messages_of(r, i), arena_printf(a, "number %zu", k));
	}
	/* of too many, half go at once: in between the beginning stays the same */
	const size_t want[] = { 0, 1, 2, 3, 4, 3, 4, 3 };
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ_I((int64_t)told[i], (int64_t)want[i]);
	CHECK(has(messages_of(r, 7), "number 6"));
}

LOOP_TEST(what_a_session_remembers_is_found_by_keys)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e), *worker = test_connect(a, t.worker_url, e);
	REQUIRE(owner && worker);
	CHECK_SQL(owner, "insert into agent_requests (user_id, session_id, type, request) select '" USER "', "
		"'" SESSION "', 'talk', 'x' "
		"from generate_series(1, 3); update agent_requests set finished_at = now(), status = 'completed', phase "
			"= 'completed', "
		"result = '{}'; insert into agent_sessions (id, user_id, recent) values ('" SESSION "', '" USER "', "
			"'{1,2,3}'); select 1", "1");
	CHECK_SQL(worker, "select string_agg(id || ' ' || as_it_was, ', ') from drover.session_history(3, 20)", "1 "
		"true, 2 true");
	CHECK_SQL(worker, "select count(*) from drover.session_history(3, 0)", "0");
	const char *body = test_ask(a, owner, "select replace(replace(prosrc, 'of_request', '3'), 'most', '20') "
		"from pg_proc "
		"where proname = 'session_history'");
	const char *plan = test_ask(a, worker, arena_printf(a, "set enable_seqscan = off; set plan_cache_mode = "
		"force_generic_plan; "
		"explain (format json) %s", body));
	CHECK(!strstr(plan, "Seq Scan") && strstr(plan, "\"Index Cond\": \"(id = ANY "
		"(s.recent))\"") && strstr(plan, "agent_sessions_pkey"));
}

/* The server may put requests of several users into one session. */
LOOP_TEST(nobody_is_told_what_another_user_asked_in_the_session)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *owner = test_connect(a, t.owner_url, e), *worker = test_connect(a, t.worker_url, e);
	REQUIRE(owner && worker);
	CHECK_SQL(owner, "insert into agent_requests (user_id, session_id, type, request) values "
		"(gen_random_uuid(), '" SESSION "', 'talk', 'secret'), (null, '" SESSION "', 'talk', 'the server''s'), "
		"('" USER "', '" SESSION "', 'talk', 'x'), ('" USER "', '" SESSION "', 'talk', 'y'); "
		"update agent_requests set finished_at = now(), status = 'completed', phase = 'completed', result = '{}'; "
		"insert into agent_sessions (id, user_id, recent) values ('" SESSION "', '" USER "', '{1,2,3,4}'); select 1", "1");
	CHECK_SQL(worker, "select string_agg(id::text, ' ') from drover.session_history(4, 20)", "3");
	CHECK_SQL(worker, "select string_agg(id::text, ' ') from drover.session_history(2, 20)", "(null)");
}

LOOP_TEST(of_a_hundred_requests_half_are_forgotten_at_once)
{
	struct test_db t;
	REQUIRE_OK(test_db(a, &t, e));
	struct pg *worker = test_connect(a, t.worker_url, e);
	REQUIRE(worker);
	CHECK_SQL(worker, "select drover.session_recent('{}', '{7}')", "{7}");
	CHECK_SQL(worker, "select drover.session_recent('{5,7}', '{7}')", "{5,7}");
	CHECK_SQL(worker, "select drover.session_recent('{5,7}', '{}')", "{5,7}");
	CHECK_SQL(worker, "select concat_ws(' ', l[1], l[50], l[51], cardinality(l)) from "
		"drover.session_recent(array(select i from "
		"generate_series(1, 100) i), '{101}') l", "51 100 101 51");
}

/* ---- too long ---- */

#define LONG_STORY \
	"replies:\n  - when: { last_user: again }\n    reply: Once more.\n" \
	"  - when: { turn: 8 }\n    reply: Enough.\n" \
	"  - when: { turn: 5, nth: 1 }\n    status: 500\n" \
	"  - reply: [ { thinking: Hm. }, { tool: note, input: { n: 1, bytes: 3000 } } ]\n"

/* How often the beginning changed, and how long the longest prompt was. */
static int cuts_of(struct rig *r, size_t *longest)
{
	int cuts = 0;
	struct str before = { 0 };
	for (size_t i = 0; i < mock_request_count(r->mock); i++) {
		struct str now = messages_of(r, i);
		*longest = MAX_OF(*longest, mock_request_body(r->mock, i).n);
		cuts += before.n > now.n || (before.n && memcmp(before.p, now.p, before.n) != 0);
		before = now;
	}
	return cuts;
}

RIG_TEST(a_long_conversation_loses_its_oldest_results, LONG_STORY)
{
	size_t longest = 0;
	r->config.model.context_tokens = 4000;
	REQUIRE_OK(start(a, r, e));
	int64_t id = ask_in(a, r, SESSION, "talk", "go");
	CHECK_FATE(id, "completed 2");
	CHECK_EQ_I(cuts_of(r, &longest), 3);
	CHECK(longest < 4000 * 4);
	CHECK(strstr(last_messages(a, r), "{\\\"cut\\\":\\\"the result of note was left out: 3"));
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(data ->> 'cut_results', ' ' order by seq) from agent_logs "
		"where data ? 'cut_results' and request_id = %ld", id), "2 2 2");
	CHECK_FATE(ask_in(a, r, SESSION, "talk", "again"), "completed 1");
	CHECK_EQ_I(cuts_of(r, &longest), 3); /* the next request's prompt begins as the last one's did */
	check_mock(r);
}

RIG_TEST(what_cannot_be_cut_is_told_by_the_option, "replies:\n  - reply: never\n")
{
	r->config.model.context_tokens = 1000;
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", arena_printf(a, "%08000d", 1));
	CHECK_FATE(id, "failed context_too_long 1");
	CHECK_EQ_S(rig_sql(a, r, "select error like '%%option model.context_tokens%%' from agent_requests where id "
		"= %ld", id), "t");
}

RIG_TEST(a_session_that_grew_too_long_forgets_whole_requests, "replies:\n  - reply: Yes.\n")
{
	r->config.model.context_tokens = 5000;
	REQUIRE_OK(start(a, r, e));
	for (int i = 0; i < 6; i++)
		CHECK_FATE(ask_in(a, r, SESSION, "talk", arena_printf(a, "%03000d", i)), "completed 1");
	const char *sent = last_messages(a, r);
	CHECK(!strstr(sent, "00002\"") && strstr(sent, "00003\"") && strstr(sent, "00005\""));
	check_mock(r);
}

#define OVERFLOW(times) \
	"replies:\n  - when: { turn: 3, nth: 1 }\n    stop_reason: model_context_window_exceeded\n    reply: 'Half " \
		"'\n" times \
	"  - when: { last_user: broke off }\n    reply: whole.\n" \
	"  - reply: [ { tool: note, input: { n: 1, bytes: 2000 } } ]\n"

RIG_TEST(a_full_window_is_made_room_in_once, OVERFLOW(""))
{
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "talk", "go");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, ANSWER, id), "Half whole.");
	CHECK(strstr(last_messages(a, r), "{\\\"cut\\\":"));
	check_mock(r);
}

RIG_TEST(a_window_that_is_full_twice_is_too_small,
	OVERFLOW("  - when: { last_user: broke off, nth: 1 }\n    stop_reason: model_context_window_exceeded\n    "
		"reply: no\n"))
{
	REQUIRE_OK(start(a, r, e));
	CHECK_FATE(rig_ask(a, r, "talk", "go"), "failed context_too_long 1");
}

/* ---- results by a schema ---- */

#define SCHEMA "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"words\":{\"type\":\"array\",\"items\":" \
	"{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}},\"more\":{\"type\":[\"object\",\"null\"],\"additionalProperties\":" \
	"{\"type\":\"boolean\"},\"minProperties\":9}},\"required\":[\"n\"],\"additionalProperties\":false}"

TEST(a_value_that_breaks_its_schema_is_told_by_place)
{
	static const struct { const char *value, *mistake; } cases[] = {
		{ "{\"n\":1}", "" },
		{ "{\"n\":1.0,\"words\":[\"a\",\"b\"],\"more\":null}", "" },
		{ "{\"n\":1,\"more\":{\"x\":true}}", "" },
		{ "[]", "$: is of type array, wanted is \"object\"" },
		{ "{}", "$: lacks n" },
		{ "{\"n\":1.5}", "$.n: is of type number, wanted is \"integer\"" },
		{ "{\"n\":\"1\"}", "$.n: is of type string, wanted is \"integer\"" },
		{ "{\"n\":1,\"words\":[\"a\",\"c\"]}", "$.words[1]: is none of [\"a\",\"b\"]" },
		{ "{\"n\":1,\"words\":[1]}", "$.words[0]: is of type number, wanted is \"string\"" },
		{ "{\"n\":1,\"more\":{\"x\":1}}", "$.more.x: is of type number, wanted is \"boolean\"" },
		{ "{\"n\":1,\"more\":[]}", "$.more: is of type array, wanted is [\"object\",\"null\"]" },
		{ "{\"n\":1,\"else\":1}", "$: has an unknown property else" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		struct err e = { 0 };
		const cJSON *schema = json_parse(a, STR(SCHEMA), &e), *value = json_parse(a, str_of(cases[i].value), &e);
		REQUIRE(schema && value);
		schema_check(schema, value, &e);
		CHECK_EQ_S(e.msg, cases[i].mistake);
	}
}

RIG_TEST(an_answer_that_breaks_the_schema_is_mended,
	"replies:\n  - when: { last_user: cannot be used, nth: 1 }\n    reply: '{\"n\":\"x\"}'\n"
	"  - when: { last_user: '$.n: is of type string' }\n    reply: ' {\"n\":7}'\n  - reply: Seven.\n")
{
	agent_schema.result_schema = json_parse(a, STR(SCHEMA), e);
	REQUIRE_OK(start(a, r, e));
	int64_t id = rig_ask(a, r, "schema", "x");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select concat_ws(' ', result -> 'value', result ->> 'turns', result ->> 'answer') "
		"from agent_requests "
		"where id = %ld", id), "{\"n\": 7} 3  {\"n\":7}");
	CHECK(check_prefixes(r, "\"x\""));
	check_mock(r);
}

RIG_TEST(an_answer_that_keeps_breaking_the_schema_fails, "replies:\n  - reply: Seven.\n")
{
	agent_schema.result_schema = json_parse(a, STR(SCHEMA), e);
	r->config.limits.turns = 2;
	REQUIRE_OK(start(a, r, e));
	CHECK_FATE(rig_ask(a, r, "schema", "x"), "failed bad_result 1");
}

/* ---- every wait can fail ---- */

/* Three turns; the second comes slowly enough for its blocks to be kept one by one. What broke off in a text ends with
 * one more text. */
#define TORTURE_STORY \
	"replies:\n  - when: { last_user: broke off }\n    reply: [ { thinking: Yes. }, { text: ' Gone on.' } ]\n" \
	"  - when: { turn: 2 }\n    reply: [ { thinking: Well. }, { text: Done. } ]\n" \
	"  - when: { tool_result: note }\n    reply: [ { thinking: So. }, { text: More. }, { tool: note, input: { " \
		"n: 3 } } ]\n" \
	"    chunk: 100\n    pace: 24ms\n" \
	"  - reply: [ { thinking: Hm. }, { tool: note, input: { n: 1 } }, { tool: note, input: { n: 2 } } ]\n"

struct trial {
	struct rig *r;
	int64_t k, waits, id;
	enum err_kind kind;
};

/* Only the worker's fibers are counted: mock and test wait as they like. */
static bool tortured_worker(void *arg, struct err *e)
{
	struct trial *t = arg;
	task_torture_mark();
	loop_torture(t->k, t->kind);
	t->r->pool = pool_new(&t->r->config);
	bool ok = pool_serve(t->r->pool, e);
	t->waits = loop_torture(0, ERR_NONE);
	pool_free(t->r->pool);
	t->r->pool = NULL;
	return ok;
}

static bool serve_tortured(struct arena *a, struct trial *t, struct err *e)
{
	enum { PATIENCE_MS = 8000, STEP_MS = 4 };
	struct rig *r = t->r;
	r->serving = (struct group){ .keep_going = true };
	if (!group_start(&r->serving, "worker", tortured_worker, t, e))
		return false;
	for (int i = 0; r->serving.running && i < PATIENCE_MS / STEP_MS; i++) {
		if (strcmp(rig_sql(a, r, "select count(finished_at) from agent_requests where id = %ld", t->id), "1") == 0)
			break;
		if (!loop_sleep(STEP_MS, e))
			return false;
	}
	if (r->pool) {
		pool_drain(r->pool);
		pool_drain(r->pool);
	}
	return group_wait(&r->serving, NEVER_MS, e);
}

/* What must hold after any torture, once a healthy worker has had its turn. */
static bool in_order(struct arena *a, struct trial *t)
{
	static const struct { const char *sql, *want; } promises[] = {
		{ "select status from agent_requests where id = %ld", "completed" },
		{ "select count(*) = max(sequence_number) and min(sequence_number) = 1 from agent_turns where "
			"request_id = %ld", "t" },
		{ "select case when exists (select from agent_turns t where t.role = 'user' and t.request_id = r.id) "
			"then result ->> 'answer' "
			"in ('More. Gone on.', 'Done. Gone on.') else result ->> 'answer' = 'Done.' end from agent_requests "
				"r where id = %ld", "t" },
		{ "select string_agg(n::text, ' ' order by n) in ('1 2', '1 2 3') from test_notes where request_id = "
			"%ld", "t" },
		{ "select count(*) - count(distinct (content_type, coalesce(tool_call_id, content))) from agent_turns "
			"where content_type in ('tool_call', 'text') and request_id = %ld", "0" },
		{ "select count(*) - count(distinct tool_call_id) from agent_turns where content_type = 'tool_result' "
			"and request_id = %ld",
			"0" },
	};
	bool all = check_prefixes(t->r, arena_printf(a, "trial %ld %s.", (long)t->k, err_kind_name(t->kind)));
	for (size_t i = 0; i < COUNT(promises); i++)
		all &= CHECK_EQ_S(rig_sql(a, t->r, promises[i].sql, t->id), promises[i].want);
	if (!all)
		printf("      wait %ld failed with %s: "
			"%s\n", (long)t->k, err_kind_name(t->kind), rig_sql(a, t->r, TYPES, t->id));
	return all;
}

/* *more: the k-th wait was there to fail. */
static bool try_one(struct rig *r, int64_t k, enum err_kind kind, bool *more, struct err *e)
{
	ARENA_SCOPE(a);
	struct trial t = { .r = r, .k = k, .kind = kind };
	test_ask(a, r->owner, "delete from drover.workers");
	t.id = rig_ask(a, r, "talk", arena_printf(a, "trial %ld %s.", (long)k, err_kind_name(kind)));
	if (!serve_tortured(a, &t, e) || !rig_start(r, e))
		return false;
	rig_wait(a, r, t.id);
	*more = t.waits >= k;
	return rig_stop(r, e) && in_order(a, &t);
}

static void torture(struct arena *a, enum err_kind kind, struct err *e)
{
	struct rig r = { 0 };
	int64_t k = 1;
	REQUIRE_OK(rig_open(a, TORTURE_STORY, &r, e));
	log_level_set(LOG_ERROR + 1);
	r.config.lease_ms = 300; /* what a lost worker held is taken over before long */
	r.config.poll_ms = 50;
	r.config.max_crashes = 20; /* on a slow machine a lease ends that nobody broke */
	r.config.retry = (struct route_retry){ 1, 2, 4 };
	r.config.backoff_base_ms = r.config.backoff_max_ms = 2;
	REQUIRE_OK(start(a, &r, e));
	REQUIRE_OK(rig_stop(&r, e));
	for (bool more = true; more; k += TORTURE_STEP)
		REQUIRE_OK(try_one(&r, k, kind, &more, e));
	printf("    %ld waits failed with %s\n", (long)k / TORTURE_STEP - 1, err_kind_name(kind));
	CHECK(k > 30);
	CHECK_PROMISES(r.owner);
	check_mock(&r);
	log_level_set(LOG_INFO);
	rig_close(&r);
}

LOOP_TEST(every_wait_of_a_conversation_can_be_cancelled)
{
	torture(a, ERR_CANCELLED, e);
}

LOOP_TEST(every_wait_of_a_conversation_can_run_out_of_time)
{
	torture(a, ERR_TIMEOUT, e);
}

LOOP_TEST(every_wait_of_a_conversation_can_lose_its_connection)
{
	torture(a, ERR_NET, e);
}
