/* SPDX-License-Identifier: MIT */
/* Small parts of queue and agents that need no database: fates, backoff, thoughts, plans. */
#include "agents.h"
#include "fate.h"
#include "plan.h"
#include "test.h"
#include "thoughts_rows.h"

TEST(the_kind_of_an_error_decides_the_fate)
{
	CHECK_EQ_I(fate_of(ERR_CANCELLED), FATE_RELEASE);
	CHECK_EQ_I(fate_of(ERR_TIMEOUT), FATE_RETRY);
	CHECK_EQ_I(fate_of(ERR_BUSY), FATE_RETRY);
	CHECK_EQ_I(fate_of(ERR_NET), FATE_RETRY);
	CHECK_EQ_I(fate_of(ERR_FENCE), FATE_ABANDON);
	CHECK_EQ_I(fate_of(ERR_INPUT), FATE_FAIL);
	CHECK_EQ_I(fate_of(ERR_REFUSED), FATE_FAIL);
	CHECK_EQ_I(fate_of(ERR_BUG), FATE_FAIL);
}

TEST(backoff_doubles_to_its_limit_with_full_jitter)
{
	CHECK_EQ_I(backoff_ms(1, 1000, 60000, 0, 1.0), 1000);
	CHECK_EQ_I(backoff_ms(3, 1000, 60000, 0, 1.0), 4000);
	CHECK_EQ_I(backoff_ms(3, 1000, 60000, 0, 0.5), 2000);
	CHECK_EQ_I(backoff_ms(30, 1000, 60000, 0, 1.0), 60000);
	CHECK_EQ_I(backoff_ms(5, 1000, 60000, 0, 0.0), 1);
}

TEST(nobody_comes_back_before_the_time_that_was_asked_for)
{
	CHECK_EQ_I(backoff_ms(1, 1000, 60000, 7000, 0.0), 7000);
	CHECK_EQ_I(backoff_ms(1, 1000, 60000, 7000, 1.0), 8000);
	CHECK_EQ_I(backoff_ms(9, 1000, 60000, 8000, 1.0), 10000);
}

/* ---- thoughts ---- */

static struct thoughts *make_thoughts(struct arena *a, int64_t last_seq)
{
	return thoughts_new(a, last_seq, &(struct thoughts_limits){ .flush_bytes = 8, .row_bytes = 200 });
}

static const char *rows_text(struct arena *a, struct thoughts *t)
{
	const char *all = "";
	for (const struct thought_row *row = thoughts_pending(t); row; row = row->next)
		all = arena_printf(a, "%s%ld %s %s|", all, (long)row->seq, thought_kind_name(row->kind), row->message);
	return all;
}

TEST(deltas_of_a_kind_are_joined_and_numbered_on)
{
	ARENA_SCOPE(a);
	struct thoughts *t = make_thoughts(a, 4);
	thought_delta(t, THOUGHT_THINKING, STR("ab"));
	thought_delta(t, THOUGHT_THINKING, STR("cd"));
	thought_delta(t, THOUGHT_TEXT, STR("ef"));
	thought_add(t, THOUGHT_STATUS, "done", NULL);
	CHECK_EQ_S(rows_text(a, t), "5 thinking abcd|6 text ef|7 status done|");
}

TEST(a_growing_row_is_closed_at_its_size_between_characters)
{
	ARENA_SCOPE(a);
	struct thoughts *t = make_thoughts(a, 0);
	thought_delta(t, THOUGHT_TEXT, STR("1234567\xE2\x82\xAC" "89"));
	CHECK_EQ_S(rows_text(a, t), "1 text 1234567|2 text \xE2\x82\xAC" "89|");
}

TEST(what_is_written_goes_and_the_count_goes_on)
{
	ARENA_SCOPE(a);
	struct thoughts *t = make_thoughts(a, 0);
	thought_add(t, THOUGHT_STATUS, "one", NULL);
	thought_add(t, THOUGHT_STATUS, "two", NULL);
	CHECK_EQ_S(rows_text(a, t), "1 status one|2 status two|");
	thoughts_written(t, 1);
	thought_add(t, THOUGHT_STATUS, "three", NULL);
	CHECK_EQ_S(rows_text(a, t), "2 status two|3 status three|");
	thoughts_written(t, 3);
	CHECK(!thoughts_pending(t));
}

TEST(a_row_too_large_is_cut_and_says_so)
{
	ARENA_SCOPE(a);
	struct thoughts *t = make_thoughts(a, 0);
	struct buf *b = buf_new(a, 2000);
	while (buf_add(b, STR("\xC3\xA9")))
		;
	const char *json = arena_printf(a, "{\"long\":\"%s\"}", b->p);
	thought_add(t, THOUGHT_TOOL_RESULT, b->p, json);
	const struct thought_row *row = thoughts_pending(t);
	CHECK(strlen(row->message) <= 200 && strstr(row->message, "[cut: 136 of 2000 bytes]"));
	struct err e = { 0 };
	const cJSON *data = json_parse(a, str_of(row->data), &e);
	CHECK_EQ_I(json_i64(data, "cut_bytes", 0), (int64_t)strlen(json));
	CHECK(utf8_valid(str_of(row->message)) && utf8_valid(str_of(row->data)));
}

/* ---- plans ---- */

static const char *plan_mistake(struct arena *a, const char *json)
{
	struct err e = { 0 };
	struct plan plan;
	const cJSON *input = json_parse(a, str_of(json), &e);
	return plan_read(a, input, agents_all, 2, &plan, &e) ? "none" : arena_text(a, str_of(e.msg));
}

TEST(a_plan_that_cannot_be_carried_out_is_named)
{
	static const struct { const char *json, *mistake; } cases[] = {
		{ "{\"mode\":\"clarify\",\"reason\":\"r\",\"question\":\"which?\"}", "none" },
		{ "{\"mode\":\"clarify\",\"reason\":\"r\"}", "question: is required for clarify" },
		{ "{\"mode\":\"single\",\"reason\":\"r\"}", "steps: are required for single" },
		{ "{\"mode\":\"single\",\"reason\":\"r\",\"steps\":[{\"agent\":\"quotes\",\"task\":\"t\"}]}", "none" },
		{ "{\"mode\":\"single\",\"reason\":\"r\",\"steps\":[{\"agent\":\"quotes\",\"task\":\"t\"},{\"agent\":\"quotes\",\"task\":\"u\"}]}",
			"steps: single has exactly one, not 2" },
		{ "{\"mode\":\"parallel\",\"reason\":\"r\",\"steps\":[{\"agent\":\"orchestrator\",\"task\":\"t\"}]}",
			"steps[0].agent: no agent orchestrator; there are: project_management, quotes, resourcing" },
		{ "{\"mode\":\"parallel\",\"reason\":\"r\",\"steps\":[{\"agent\":\"quotes\",\"task\":\"t\",\"after\":[0]}]}",
			"steps[0].after: 0 is not the number of an earlier step" },
		{ "{\"mode\":\"parallel\",\"reason\":\"r\",\"steps\":[{\"agent\":\"quotes\",\"task\":\"t\"},{\"agent\":\"quotes\",\"task\":\"t\"},"
			"{\"agent\":\"quotes\",\"task\":\"t\"}]}", "steps: at most 2, not 3" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		CHECK_EQ_S(plan_mistake(a, cases[i].json), cases[i].mistake);
	}
}

TEST(in_a_sequence_each_step_waits_for_the_one_before)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct plan plan;
	const cJSON *input = json_parse(a, STR("{\"mode\":\"sequential\",\"reason\":\"r\",\"steps\":[{\"agent\":\"quotes\",\"task\":\"t\"},"
		"{\"agent\":\"quotes\",\"task\":\"u\"}]}"), &e);
	REQUIRE(plan_read(a, input, agents_all, 6, &plan, &e));
	const struct plan_step *steps = plan.steps.items;
	CHECK_EQ_I((int64_t)steps[0].after.n, 0);
	CHECK_EQ_I(((int64_t *)steps[1].after.items)[0], 0);
}
