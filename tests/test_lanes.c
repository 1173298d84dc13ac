/* SPDX-License-Identifier: MIT */
/* Lanes of one process: who may call a provider, and when. */
#include "clock.h"
#include "lane_case.h"

enum { LONG_MS = 10000, CALLERS = 200 };

#define TRY(l, config, most_ms) lane_try((l), (config), (most_ms), &pass, e)
#define REFUSE(kind, code, after_ms) do { \
	CHECK_EQ_S(TRY(l, &config, 5000), "in"); \
	lane_end_as(l, &pass, kind, code, after_ms); \
} while (0)

/* ---- pauses and circuits ---- */

LOOP_TEST(a_rate_limited_lane_is_left_alone_for_as_long_as_it_said)
{
	struct model_config config = { 0 }, other = { .lane = "other" };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	REFUSE(ERR_BUSY, "model_rate_limited", 300);
	CHECK_EQ_S(TRY(l, &config, 100), "lane_paused");
	CHECK_EQ_I(e->kind, ERR_BUSY);
	CHECK(e->retry_after_ms > 100 && e->retry_after_ms <= 300);
	CHECK(strstr(e->msg, "lane default is left alone for 0.") && strstr(e->msg, "what the provider said"));
	CHECK_EQ_S(TRY(l, &other, 0), "in");
	int64_t began = clock_ms();
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	CHECK(clock_ms() - began >= 200);
}

LOOP_TEST(a_spend_limit_pauses_a_minute_and_refused_keys_only_when_there_are_many_in_a_row)
{
	struct model_config config = { 0 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	REFUSE(ERR_REFUSED, "model_auth", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	REFUSE(ERR_NONE, "", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	lane_end_as(l, &pass, ERR_REFUSED, "model_billing", 0);
	REFUSE(ERR_REFUSED, "model_auth", 0);
	CHECK_EQ_S(TRY(l, &config, 50), "lane_paused");
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	lane_end_as(l, &pass, ERR_REFUSED, "model_spend_limit", 0);
	CHECK_EQ_S(TRY(l, &config, 5000), "lane_paused");
	CHECK(e->retry_after_ms > 55000 && e->retry_after_ms <= 60000);
	struct lane_state state;
	CHECK(lanes_changed(l, &state) && state.reason == LANE_SPEND_LIMIT && state.paused_ms > 55000);
	CHECK(!lanes_changed(l, &state));
}

LOOP_TEST(a_circuit_opens_lets_one_call_try_and_closes_when_that_goes_well)
{
	static const struct { enum err_kind kind; const char *code; } failures[] = { { ERR_NET, "http_unreachable" },
		{ ERR_TIMEOUT, "stall_timeout" }, { ERR_BUSY, "model_overloaded" } };
	struct model_config config = { 0 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass, late;
	struct group g = { 0 };
	CHECK_EQ_S(lane_try(l, &config, 0, &late, e), "in");
	for (size_t i = 0; i < COUNT(failures); i++)
		REFUSE(failures[i].kind, failures[i].code, 0);
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	struct lane_caller *one = lane_caller_new(a, &g, l, &config, 5000), *two = lane_caller_new(a, &g, l, &config, 5000);
	CHECK(loop_sleep(50, e));
	struct lane_state state;
	CHECK(lanes_changed(l, &state) && state.reason == LANE_CIRCUIT_OPEN);
	lane_end_as(l, &late, ERR_NET, "model_cut", 0); /* it began before: it tells nothing new */
	CHECK(!lanes_changed(l, &state));
	while (!one->ended)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK(one->ok && one->pass.probe);
	CHECK(loop_sleep(50, e));
	CHECK(!two->ended);
	lane_end_as(l, &one->pass, ERR_NET, "http_unreachable", 0); /* open again */
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	while (!two->ended)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK(two->ok && two->pass.probe && two->waited_ms >= 350);
	CHECK_EQ_S(TRY(l, &config, 50), "circuit_open");
	lane_end_as(l, &two->pass, ERR_NONE, "", 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ_S(TRY(l, &config, 0), "in");
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
}

LOOP_TEST(what_speaks_of_one_request_or_of_us_opens_no_circuit)
{
	static const struct { struct err why; bool ours, late; } ends[] = {
		{ { .kind = ERR_INPUT, .code = "model_rejected" }, false, false },
		{ { .kind = ERR_INPUT, .code = "request_too_large" }, false, false },
		{ { .kind = ERR_NET, .code = "db_away" }, true, false },
		{ { .kind = ERR_CANCELLED, .code = "cancelled" }, false, false },
		{ { .kind = ERR_TIMEOUT, .code = "deadline" }, false, true },
	};
	struct model_config config = { 0 };
	struct lane_pass pass;
	struct lane_state state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct lanes *l = lane_case_new(a, NULL);
		for (int n = 0; n < 10; n++) {
			CHECK_EQ_S(TRY(l, &config, 0), "in");
			pass.deadline = ends[i].late ? clock_ms() : NEVER_MS;
			lane_leave(l, &pass, &(struct lane_end){ .error = &ends[i].why, .ours = ends[i].ours });
		}
		if (!CHECK(!lanes_changed(l, &state)))
			printf("      %s\n", ends[i].why.code);
	}
}

LOOP_TEST(a_probe_that_is_cancelled_leaves_the_next_one_to_try)
{
	struct model_config config = { 0 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	for (int i = 0; i < 3; i++)
		REFUSE(ERR_NET, "http_unreachable", 0);
	CHECK_EQ_S(TRY(l, &config, 5000), "in");
	lane_end_as(l, &pass, ERR_CANCELLED, "cancelled", 0);
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	CHECK(pass.probe);
}

LOOP_TEST(what_others_tell_counts_until_they_tell_otherwise)
{
	struct model_config config = { 0 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	struct group g = { 0 };
	struct lane_state told = { "default", LANE_RATE_LIMITED, 60000, "too fast", 0, 0 };
	lanes_told(l, &told, 1);
	CHECK_EQ_S(TRY(l, &config, 1000), "lane_paused");
	CHECK(strstr(e->msg, "too fast"));
	struct lane_caller *c = lane_caller_new(a, &g, l, &config, 100000);
	CHECK(loop_sleep(30, e));
	CHECK(!c->ended);
	lanes_told(l, NULL, 0);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(c->ok);
}

/* ---- the own share ---- */

LOOP_TEST(a_process_alone_keeps_to_its_share_and_begins_with_little)
{
	struct model_config config = { .requests_per_minute = 600 }, tokens = { .lane = "t", .tokens_per_minute = 60000 };
	struct model_config small = { .lane = "s", .requests_per_minute = 2 };
	struct lanes *l = lane_case_new(a, NULL);
	lanes_set_workers(l, 3);
	int64_t began = clock_ms(), in = lane_count_in(l, &config, CALLERS, e), passed = clock_ms() - began;
	CHECK(in >= 20 && in <= 21 + passed * 200 / 60000); /* 200 a minute are its share, a tenth is there */
	CHECK_EQ_S(e->code, "lane_full");
	CHECK(e->retry_after_ms > 0 && e->retry_after_ms <= 301);
	CHECK(strstr(e->msg, "600 requests"));
	in = lane_count_in(l, &tokens, CALLERS, e);
	CHECK(in >= 20 && in <= 22);
	lanes_set_workers(l, 100);
	CHECK_EQ_I(lane_count_in(l, &small, CALLERS, e), 1); /* at least one a minute */
	CHECK(e->retry_after_ms > 50000);
}

LOOP_TEST(waiters_go_in_as_they_came_and_not_sooner_than_the_limit_lets_them)
{
	enum { N = 12 };
	struct model_config config = { .requests_per_minute = 1200 }; /* one each 50 ms */
	struct lanes *l = lane_case_new(a, NULL);
	struct group g = { 0 };
	struct lane_caller *all[N];
	struct lane_pass pass;
	int64_t began = clock_ms();
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	for (int i = 0; i < N; i++)
		all[i] = lane_caller_new(a, &g, l, &config, 5000);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	for (int i = 0; i < N; i++)
		CHECK_EQ_I(all[i]->nth, i + 1);
	CHECK(clock_ms() - began >= (N - 1) * 50);
}

LOOP_TEST(who_needs_little_does_not_overtake_who_needs_much)
{
	struct model_config config = { .tokens_per_minute = 60000 }; /* one each ms */
	struct lanes *l = lane_case_new(a, NULL);
	struct group g = { 0 };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	struct lane_caller *much = lane_caller_new(a, &g, l, &config, 5000), *little = lane_caller_new(a, &g, l, &config, 5000);
	much->wish.tokens = 400;
	little->wish.tokens = 1;
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(much->ok && little->ok && much->nth < little->nth);
}

LOOP_TEST(nobody_joins_a_queue_that_is_longer_than_he_can_wait)
{
	struct model_config config = { .requests_per_minute = 60 };
	struct lanes *l = lane_case_new(a, NULL);
	struct group g = { 0 };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	for (int i = 0; i < 5; i++)
		lane_caller_new(a, &g, l, &config, 60000);
	CHECK(loop_sleep(20, e));
	int64_t began = clock_ms();
	CHECK_EQ_S(TRY(l, &config, 3000), "lane_full");
	CHECK(clock_ms() - began < 500);
	CHECK_EQ_I(e->retry_after_ms, 5000);
	group_cancel(&g);
	struct err ignored;
	group_wait(&g, deadline_in(LONG_MS), &ignored);
}

LOOP_TEST(a_patient_caller_waits_for_its_share_until_the_deadline_but_for_no_long_pause)
{
	struct model_config config = { .requests_per_minute = 300 }; /* one each 200 ms */
	struct lanes *l = lane_case_new(a, NULL);
	struct group g = { 0 };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	struct lane_caller *all[4];
	for (size_t i = 0; i < COUNT(all); i++) {
		all[i] = lane_caller_new(a, &g, l, &config, 50);
		all[i]->wish.patient = true;
	}
	all[2]->wish.deadline = clock_ms() + 300; /* behind two */
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(all[0]->ok && all[1]->ok && all[1]->waited_ms > 200);
	CHECK_EQ_S(all[2]->e.code, "lane_full"); /* it had no time for that queue */
	CHECK(all[3]->ok && all[3]->waited_ms > 400);
	lane_end_as(l, &all[3]->pass, ERR_BUSY, "model_rate_limited", 500);
	struct lane_caller *late = lane_caller_new(a, &g, l, &config, 100);
	late->wish.patient = true;
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK_EQ_S(late->e.code, "lane_paused");
}

LOOP_TEST(who_is_cancelled_or_out_of_time_leaves_the_queue_and_holds_nobody_up)
{
	struct model_config config = { .requests_per_minute = 120 };
	struct lanes *l = lane_case_new(a, NULL);
	struct group g = { .keep_going = true };
	struct lane_pass pass;
	while (strcmp(TRY(l, &config, 0), "in") == 0)
		;
	struct lane_caller *first = lane_caller_new(a, &g, l, &config, 60000), *late = lane_caller_new(a, &g, l, &config, 60000),
		      *third = lane_caller_new(a, &g, l, &config, 60000);
	late->wish.deadline = clock_ms() + 100;
	CHECK(loop_sleep(50, e));
	task_cancel(first->task);
	CHECK(loop_sleep(20, e));
	CHECK(first->ended && !first->ok);
	CHECK_EQ_I(first->e.kind, ERR_CANCELLED);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(!late->ok);
	CHECK_EQ_I(late->e.kind, ERR_TIMEOUT);
	CHECK(third->ok && third->waited_ms < 5000);
}

LOOP_TEST(limits_are_learned_from_answers_and_what_is_left_counts)
{
	struct model_config config = { 0 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	CHECK_EQ_I(lane_count_in(l, &config, CALLERS, e), CALLERS); /* nothing is known */
	struct model_rate rate = { .requests_limit = 60, .requests_left = 3, .tokens_limit = -1, .tokens_left = -1 };
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	lane_leave(l, &pass, &(struct lane_end){ .rate = &rate });
	CHECK_EQ_I(lane_count_in(l, &config, CALLERS, e), 3);
	struct lane_state state;
	CHECK(lanes_changed(l, &state) && state.learned_requests == 60 && state.learned_tokens == 0);
	CHECK_EQ_I(state.paused_ms, -1);
}

LOOP_TEST(what_a_call_really_took_settles_its_estimate)
{
	struct model_config config = { .tokens_per_minute = 10000 };
	struct lanes *l = lane_case_new(a, NULL);
	struct lane_pass pass;
	CHECK_EQ_I(lane_count_in(l, &config, 4, e), 4);
	CHECK_EQ_S(TRY(l, &config, 0), "in");
	struct model_usage usage = { .input_tokens = 2000, .output_tokens = 100, .cache_read_tokens = 90000 };
	lane_leave(l, &pass, &(struct lane_end){ .usage = &usage });
	CHECK_EQ_S(TRY(l, &config, 0), "lane_full");
	CHECK(e->retry_after_ms > 9000 && e->retry_after_ms < 10000); /* 1,600 below, 166 come back a second */
}
