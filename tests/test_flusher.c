/* SPDX-License-Identifier: MIT */
/* How thoughts get from ten thousand streams into agent_logs: who waits, what is bounded, what is said of the rest. */
#include "clock.h"
#include "pool_inner.h"
#include "rig_test.h"
#include "thoughts_rows.h"

/* ---- who waits ---- */

static struct thoughts *speaker(struct arena *a, struct thoughts_queue *q, struct thoughts_limits limits, char *name)
{
	struct thoughts *t = thoughts_new(a, 0, &limits);
	thoughts_watch(t, q, name);
	return t;
}

static const char *waiting(struct arena *a, const struct thoughts_queue *q)
{
	const char *all = "";
	for (const struct thoughts_wait *w = q->first; w; w = w->next)
		all = arena_printf(a, "%s%s%s", all, (const char *)w->owner, w->since_ms ? "" : "!");
	return all;
}

static const struct thoughts_limits small = { .flush_bytes = 8, .row_bytes = 200 };

LOOP_TEST(only_who_has_something_to_say_waits_and_the_first_to_speak_is_first)
{
	struct thoughts_queue *q = arena_alloc(a, sizeof(*q)); /* outlives who speaks */
	thoughts_queue_init(q);
	struct thoughts *x = speaker(a, q, small, "x"), *y = speaker(a, q, small, "y"), *z = speaker(a, q, small, "z");
	CHECK_EQ_S(waiting(a, q), "");
	thought_delta(y, THOUGHT_TEXT, STR("hm"));
	thought_add(x, THOUGHT_STATUS, "begins", NULL);
	thought_delta(y, THOUGHT_TEXT, STR("hm"));
	CHECK_EQ_S(waiting(a, q), "yx");
	thoughts_pending(y);
	thoughts_take(y);
	CHECK_EQ_S(waiting(a, q), "x");
	thought_delta(z, THOUGHT_TEXT, STR("z"));
	thought_delta(y, THOUGHT_TEXT, STR("more, while that is on its way"));
	thoughts_unwatch(x);
	CHECK_EQ_S(waiting(a, q), "y!z");
	thoughts_unwatch(z);
	thought_delta(z, THOUGHT_TEXT, STR("z"));
	CHECK_EQ_S(waiting(a, q), "y!");
	thoughts_take(y);
	thoughts_written(y, INT64_MAX);
	CHECK_EQ_S(waiting(a, q), "");
}

LOOP_TEST(a_row_that_is_full_is_urgent_and_what_did_not_arrive_is_first_again)
{
	struct thoughts_queue *q = arena_alloc(a, sizeof(*q)); /* outlives who speaks */
	thoughts_queue_init(q);
	struct thoughts *x = speaker(a, q, small, "x"), *y = speaker(a, q, small, "y"), *z = speaker(a, q, small, "z");
	thought_delta(x, THOUGHT_TEXT, STR("short"));
	thought_delta(y, THOUGHT_TEXT, STR("12345678"));
	thought_delta(z, THOUGHT_TEXT, STR("z"));
	CHECK_EQ_S(waiting(a, q), "y!xz");
	int64_t since = q->first->next->since_ms;
	thoughts_take(y);
	thoughts_take(x);
	thoughts_put_back(x, since);
	thoughts_put_back(y, 0);
	CHECK_EQ_S(waiting(a, q), "y!xz");
	CHECK_EQ_I(q->first->next->since_ms, since);
}

LOOP_TEST(a_speaker_that_is_gone_waits_no_more)
{
	struct thoughts_queue *q = arena_alloc(a, sizeof(*q)); /* outlives who speaks */
	thoughts_queue_init(q);
	struct arena *own = arena_new();
	thought_delta(speaker(own, q, small, "x"), THOUGHT_TEXT, STR("hm"));
	struct thoughts *y = speaker(a, q, small, "y");
	thought_delta(y, THOUGHT_TEXT, STR("hm"));
	arena_free(own);
	CHECK_EQ_S(waiting(a, q), "y");
}

/* ---- what is bounded ---- */

static const char *rows_text(struct arena *a, struct thoughts *t)
{
	const char *all = "";
	for (const struct thought_row *row = thoughts_pending(t); row; row = row->next)
		all = arena_printf(a, "%s%ld %s %.20s|", all, (long)row->seq, thought_kind_name(row->kind), row->message);
	return all;
}

TEST(each_piece_is_a_row_when_somebody_wants_to_see_tokens)
{
	ARENA_SCOPE(a);
	struct thoughts *t = thoughts_new(a, 0, &(struct thoughts_limits){ .flush_bytes = 8, .row_bytes = 200, .per_token = true });
	thought_delta(t, THOUGHT_TEXT, STR("ab"));
	thought_delta(t, THOUGHT_TEXT, STR("cd"));
	thought_delta(t, THOUGHT_TEXT, STR("0123456789"));
	CHECK_EQ_S(rows_text(a, t), "1 text ab|2 text cd|3 text 01234567|4 text 89|");
}

TEST(what_finds_no_room_is_left_out_in_one_row_and_seq_goes_on)
{
	ARENA_SCOPE(a);
	struct thoughts *t = thoughts_new(a, 0, &(struct thoughts_limits){ .flush_bytes = 100, .row_bytes = 200, .pending_bytes = 400 });
	thought_add(t, THOUGHT_STATUS, "begins", NULL);
	for (int i = 0; i < 1000; i++)
		thought_delta(t, THOUGHT_TEXT, STR("0123456789"));
	thought_add(t, THOUGHT_TOOL_CALL, "tool", "{}"); /* 6 bytes */
	int64_t shown = 0, last = 0;
	for (const struct thought_row *row = thoughts_pending(t); row; row = row->next) {
		shown += row->kind == THOUGHT_TEXT ? (int64_t)strlen(row->message) : 0;
		CHECK_EQ_I(row->seq, ++last);
		CHECK(row->kind == THOUGHT_TEXT || row->seq == 1);
	}
	CHECK(shown > 0 && shown <= 400);
	thoughts_written(t, last);
	const struct thought_row *row = thoughts_pending(t);
	REQUIRE(row && !row->next);
	CHECK_EQ_I(row->seq, last + 1);
	CHECK_EQ_S(row->data, arena_printf(a, "{\"left_out_bytes\":%ld}", 10000 + 6 - (long)shown));
	thought_delta(t, THOUGHT_TEXT, STR("again"));
	row = thoughts_pending(t)->next;
	REQUIRE(row && !row->next);
	CHECK_EQ_S(row->message, "again");
	CHECK_EQ_I(row->seq, last + 2);
}

TEST(an_end_is_told_whatever_room_there_is_and_after_what_was_left_out)
{
	ARENA_SCOPE(a);
	struct thoughts *t = thoughts_new(a, 0, &(struct thoughts_limits){ .flush_bytes = 100, .row_bytes = 200, .pending_bytes = 100 });
	thought_delta(t, THOUGHT_TEXT, STR("some"));
	for (int i = 0; i < 100; i++)
		thought_delta(t, THOUGHT_TEXT, STR("0123456789"));
	thought_add(t, THOUGHT_COMPLETE, "done, after all that was to be done", NULL);
	const struct thought_row *row = thoughts_pending(t);
	enum thought_kind want[] = { THOUGHT_TEXT, THOUGHT_STATUS, THOUGHT_COMPLETE };
	for (size_t i = 0; i < COUNT(want); i++, row = row->next) {
		REQUIRE(row);
		CHECK_EQ_I(row->kind, want[i]);
		CHECK_EQ_I(row->seq, (int64_t)i + 1);
	}
	CHECK(!row);
}

/* ---- in a worker ---- */

/* What the agents of one test do: each says `words` pieces of 10 bytes, then waits until it may end. */
static struct {
	int words, spoken;
	bool may_end;
} stage;

static bool speak(struct agent_run *run, struct agent_result *result, struct err *e)
{
	for (int i = 0; i < stage.words; i++)
		thought_delta(run->thoughts, THOUGHT_TEXT, STR("0123456789"));
	stage.spoken++;
	while (!stage.may_end)
		if (!loop_sleep(2, e))
			return false;
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{}", .message = "done" };
	return true;
}

static const struct agent speaking = { .type = "speaker", .name = "speaker", .text = "Speaks.", .prompt = "", .run = speak,
	.tools = (const struct tool *const[]){ NULL } };
static const struct agent *const speakers[] = { &speaking, NULL };

static bool stage_start(struct arena *a, struct rig *r, int words, int n, struct err *e)
{
	stage = (typeof(stage)){ .words = words };
	r->config.agents = speakers;
	r->config.slots = 1000;
	if (!rig_start(r, e))
		return false;
	test_ask(a, r->owner, arena_printf(a, "insert into agent_requests (type, request) select 'speaker', 'x' from "
		"generate_series(1, %d)", n));
	for (int i = 0; i < 5000 && stage.spoken < n; i++)
		if (!loop_sleep(2, e))
			return false;
	return stage.spoken == n || FAIL(e, ERR_BUG, "silent", "%d of %d have spoken", stage.spoken, n);
}

static void stage_end(struct arena *a, struct rig *r)
{
	struct err ignored = { 0 };
	stage.may_end = true;
	for (int i = 0; i < 5000 && strcmp(test_ask(a, r->owner, "select count(*) from agent_requests where finished_at is null"), "0"); i++)
		loop_sleep(2, &ignored);
}

static bool sql_comes_to(struct arena *a, struct rig *r, const char *sql, const char *want)
{
	struct err ignored = { 0 };
	for (int i = 0; i < 5000 && strcmp(test_ask(a, r->owner, sql), want) != 0; i++)
		loop_sleep(2, &ignored);
	return CHECK_EQ_S(test_ask(a, r->owner, sql), want);
}

#define NO_SCRIPT "replies:\n  - reply: unused\n"

RIG_TEST(hundreds_of_streams_are_written_whole_and_then_nobody_waits, NO_SCRIPT)
{
	REQUIRE_OK(stage_start(a, r, 100, 300, e));
	sql_comes_to(a, r, "select sum(length(message)) from agent_logs where kind = 'text'", "300000");
	for (int i = 0; i < 1000 && r->pool->thinking.first; i++)
		loop_sleep(2, e);
	CHECK(!r->pool->thinking.first);
	CHECK_EQ_I((int64_t)pool_running(r->pool), 300);
	stage_end(a, r);
}

RIG_TEST(every_run_is_found_by_its_id_and_no_other, NO_SCRIPT)
{
	r->config.slots = 1000;
	REQUIRE_OK(stage_start(a, r, 1, 300, e));
	int64_t found = 0;
	for (int64_t id = -10; id < 1000; id++) {
		struct run *run = run_find(r->pool, id);
		found += run != NULL;
		CHECK(!run || run->request.id == id);
	}
	CHECK_EQ_I(found, 300);
	stage_end(a, r);
	for (int64_t id = 0; id < 1000; id++)
		CHECK(!run_find(r->pool, id) || pool_running(r->pool));
}

RIG_TEST(while_the_database_takes_nothing_memory_is_bounded_and_the_log_says_what_is_missing, NO_SCRIPT)
{
	enum { SPOKEN = 1000 * 1000 };
	r->config.thoughts.pending_bytes = 20000;
	CHECK_SQL(r->owner, "revoke insert on agent_logs from drover_worker", "(null)");
	REQUIRE_OK(stage_start(a, r, SPOKEN / 10, 3, e));
	loop_sleep(200, e); /* some flushes are refused */
	CHECK_SQL(r->owner, "select count(*) from agent_logs", "0");
	CHECK_SQL(r->owner, "grant insert on agent_logs to drover_worker", "(null)");
	sql_comes_to(a, r, "select count(*) from agent_logs where data ? 'left_out_bytes'", "3");
	stage_end(a, r);
	CHECK_SQL(r->owner, "select string_agg(distinct said::text, ' ') from (select sum(case when kind = 'text' then length(message) "
		"else coalesce((data ->> 'left_out_bytes')::bigint, 0) end) as said from agent_logs group by request_id) t", "1000000");
	CHECK_SQL(r->owner, "select bool_and(shown between 1 and 20000) from (select sum(length(message)) as shown from agent_logs "
		"where kind = 'text' group by request_id) t", "t");
}

RIG_TEST(a_run_whose_rows_are_refused_holds_up_nobody, NO_SCRIPT)
{
	CHECK_SQL(r->owner, "alter table agent_logs add check (request_id <> 2 or kind <> 'text')", "(null)");
	REQUIRE_OK(stage_start(a, r, 5, 5, e));
	sql_comes_to(a, r, "select string_agg(request_id || ' ' || message, ',' order by request_id) from agent_logs where kind = 'text'",
		"1 01234567890123456789012345678901234567890123456789,3 01234567890123456789012345678901234567890123456789,"
		"4 01234567890123456789012345678901234567890123456789,5 01234567890123456789012345678901234567890123456789");
	stage_end(a, r);
	CHECK_SQL(r->owner, "select string_agg(id || ' ' || status, ',' order by id) from agent_requests",
		"1 completed,2 failed,3 completed,4 completed,5 completed");
}
