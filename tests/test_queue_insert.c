/* SPDX-License-Identifier: MIT */
/* What an insert may hold, when it wakes workers, and when it takes the place of others. */
#include "json.h"
#include "loop.h"
#include "queue_case.h"

LOOP_TEST(the_newest_of_a_key_cancels_the_older_of_the_same_user_only)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "user_id, supersede_key", "'" USER_A "', 'k'");
	case_ask(a, c.owner, "user_id, supersede_key", "'" USER_B "', 'k'");
	case_ask(a, c.owner, "user_id, supersede_key", "'" USER_A "', 'other'");
	case_ask(a, c.owner, "user_id", "'" USER_A "'");
	CHECK_EQ_I(case_ask(a, c.owner, "user_id, supersede_key", "'" USER_A "', 'k'"), 5);
	CHECK_ROW(1, "status, phase, error_code, error", "failed superseded superseded superseded by request 5");
	CHECK_SQL(c.owner, "select string_agg(id::text, ' ' order by id) from agent_requests where phase = 'ready'",
		"2 3 4 5");
	CHECK_EQ_S(case_claim(a, &c.one, 10), "2,3,4,5");
	CHECK_EQ_S(case_finish(a, &c.one, 5), "ok");
	CHECK_SQL(c.owner, "insert into agent_requests (user_id, type, request, supersede_key) select '"
		USER_B "', 'quotes', 'x', 'k' from generate_series(1, 3)", "(null)");
	CHECK_SQL(c.owner, "select string_agg(id || phase || exists (select from drover.cancels where request_id = id), ' ' order by "
		"id) from agent_requests where user_id = '" USER_B "'",
		"2runningtrue 6supersededfalse 7supersededfalse 8readyfalse");
	queue_case_check(a, &c);
}

LOOP_TEST(a_key_is_taken_once_for_each_user_and_the_server_is_one)
{
	static const char *const users[] = { "'" USER_A "'", "'" USER_B "'", "null" };
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(users); i++) {
		const char *values = arena_printf(a, "%s, 'k'", users[i]);
		CHECK_EQ_I(case_ask(a, c.owner, "user_id, idempotency_key", values) != 0, true);
		CHECK_EQ_I(case_ask(a, c.owner, "user_id, idempotency_key", values), 0);
		CHECK_SQL(c.owner, arena_printf(a, "insert into agent_requests (type, request, user_id, idempotency_key) "
			"values ('quotes', 'x', %s) on conflict do nothing returning id", values), "(null)");
	}
	CHECK_SQL(c.owner, "select count(*) from agent_requests", "3");
}

static bool rings(struct arena *a, struct pg *listener, int64_t ms)
{
	const char *channel, *payload;
	struct err e = { 0 };
	return pg_notification(listener, a, &channel, &payload, deadline_in(ms), &e) && strcmp(channel, "drover_wake") == 0;
}

LOOP_TEST(an_insert_notifies_only_while_a_living_worker_wants_it)
{
	enum { SILENCE_MS = 100 };
	QUEUE_CASE;
	struct pg *listener = test_connect(a, c.db.worker_url, e);
	CHECK_SQL(listener, "listen drover_wake", "(null)");
	case_ask(a, c.owner, "", "");
	CHECK(!rings(a, listener, SILENCE_MS));
	REQUIRE_OK(queue_wants_wake(c.one.db, WORKER_1, true, deadline_in(CASE_MS), e));
	case_ask(a, c.owner, "", "");
	CHECK(rings(a, listener, CASE_MS));
	REQUIRE_OK(queue_wants_wake(c.one.db, WORKER_1, false, deadline_in(CASE_MS), e));
	case_ask(a, c.owner, "", "");
	CHECK(!rings(a, listener, SILENCE_MS));
	REQUIRE_OK(queue_wants_wake(c.one.db, WORKER_1, true, deadline_in(CASE_MS), e));
	case_expire(a, &c, WORKER_1);
	case_ask(a, c.owner, "", "");
	CHECK(!rings(a, listener, SILENCE_MS));
}

LOOP_TEST(what_is_too_much_or_of_the_wrong_kind_is_refused_by_the_name_of_the_limit)
{
	static const struct { const char *columns, *values, *name; } cases[] = {
		{ "request", "repeat('x', 1048576)", "request_at_most_262144_bytes" },
		{ "request", "repeat('ä', 131073)", "request_at_most_262144_bytes" },
		{ "request, context", "'x', '[]'", "context_is_an_object" },
		{ "request, context", "'x', '\"words\"'", "context_is_an_object" },
		{ "request, context", "'x', jsonb_build_object('k', repeat('x', 262144))", "context_at_most_262144_bytes" },
		{ "request, priority", "'x', -1", "priority_0_to_1000" },
		{ "request, priority", "'x', 1001", "priority_0_to_1000" },
		{ "request, supersede_key", "'x', repeat('x', 201)", "supersede_key_at_most_200_characters" },
		{ "request, idempotency_key", "'x', repeat('x', 201)", "idempotency_key_at_most_200_characters" },
		{ "request, status", "'x', 'completed'", "status_and_phase" },
	};
	QUEUE_CASE;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *said = test_ask(a, c.owner, arena_printf(a, "insert into agent_requests (type, %s) values "
			"('quotes', %s)",
			cases[i].columns, cases[i].values));
		if (!CHECK(strstr(said, cases[i].name)))
			printf("      %s\n", said);
	}
	CHECK(case_ask(a, c.owner, "request, context",
		"repeat('x', 262144), jsonb_build_object('k', repeat('x', 262000))"));
}

static const char *nested(struct arena *a, int depth)
{
	const char *text = "{}";
	for (int i = 1; i < depth; i++)
		text = arena_printf(a, "{\"k\":%s}", text);
	return arena_printf(a, "'%s'", text);
}

/* The table takes any object; who runs it reads at most 64 levels, and says so. */
LOOP_TEST(a_context_comes_whole_to_the_worker_which_reads_64_levels)
{
	QUEUE_CASE;
	case_ask(a, c.owner, "context", nested(a, 64));
	case_ask(a, c.owner, "context", nested(a, 65));
	CHECK_EQ_S(case_claim(a, &c.one, 10), "1,2");
	CHECK(json_parse(a, str_of(c.one.held[1].context), e));
	CHECK(!json_parse(a, str_of(c.one.held[2].context), e));
	CHECK_EQ_I(e->kind, ERR_INPUT);
	CHECK(strstr(e->msg, "deeper than 64"));
}
