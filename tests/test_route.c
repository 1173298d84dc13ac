/* SPDX-License-Identifier: MIT */
/* From a wanted turn to a model that gives it, over real HTTP to the scripted model: what is asked again, what is asked
 * of another model, what goes up at once, and what the log says of it. */
#include "clock.h"
#include "lane.h"
#include "mock_case.h"
#include "net.h"
#include "route.h"
#include "thoughts_rows.h"
#include <unistd.h>

enum { LONG_MS = 10000, MODELS = 3 };

struct route_case {
	struct mock_case *mock;
	struct model_config all[MODELS];
	struct models models;
	struct thoughts *thoughts;
	struct model_request rq;
	struct model_turn turn;
};

/* ---- a model that ends a block and then breaks off, or whatever a test wants ---- */

static bool (*played)(const struct model_request *rq, struct model_turn *turn, struct err *e);
static int plays;

bool __real_model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e);
bool __wrap_model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e);

bool __wrap_model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e)
{
	if (!played)
		return __real_model_turn(m, a, rq, thoughts, deadline, turn, e);
	plays++;
	return played(rq, turn, e);
}

/* ---- the case ---- */

static const char *const fallback[] = { "model-b", "model-c", NULL };

static struct model_config config_of(const struct mock_case *mock, const char *name, const char *key)
{
	return (struct model_config){ .base_url = mock->base_url, .api_key = key, .version = "2026-10-21", .name = name,
		.max_tokens = 1000, .turn_bytes = 1 << 20, .limits = { 2000, 5000, 5000, 20000, 65536 } };
}

static struct route_case *case_open(struct arena *a, const char *yaml)
{
	struct route_case *c = arena_alloc(a, sizeof(*c));
	struct thoughts_limits limits = { 4096, 65536 };
	struct err ignored;
	played = NULL;
	plays = 0;
	c->mock = mock_case_open(a, yaml);
	c->thoughts = thoughts_new(a, 0, &limits);
	if (!c->mock)
		abort();
	c->all[0] = config_of(c->mock, "model-a", "key-a");
	c->all[1] = config_of(c->mock, "model-b", "key-b");
	c->all[2] = config_of(c->mock, "model-c", "key-c");
	c->models = (struct models){ .http = c->mock->http, .all = c->all, .n = MODELS, .retry = { 2, 10, 100 } };
	c->rq.messages = json_parse(a, STR("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"), &ignored);
	return c;
}

static bool ask_until(struct route_case *c, const char *const *names, int64_t deadline, struct err *e)
{
	*e = (struct err){ 0 };
	return route_turn(&c->models, c->mock->a, names, &c->rq, c->thoughts, deadline, &c->turn, e);
}

/* "turn MODEL", or "kind code". */
static const char *ask(struct route_case *c, const char *const *names, struct err *e)
{
	if (ask_until(c, names, deadline_in(LONG_MS), e))
		return arena_printf(c->mock->a, "turn %s", c->turn.config->name);
	return arena_printf(c->mock->a, "%s %s", err_kind_name(e->kind), e->code);
}

/* The models that were asked, in their order: "a a b". */
static const char *asked(struct route_case *c)
{
	const char *all = "";
	for (size_t i = 0; i < mock_request_count(c->mock->mock); i++) {
		struct err ignored;
		const cJSON *body = json_parse(c->mock->a, mock_request_body(c->mock->mock, i), &ignored);
		all = arena_printf(c->mock->a, "%s%s%s", all, *all ? " " : "", json_text(body, "model") + strlen("model-"));
	}
	return all;
}

/* What the log says, without the texts of the model: "CODE MODEL;" a row, and a text that holds all messages. */
static const char *said(struct route_case *c, const char **messages)
{
	const char *all = "";
	struct err ignored;
	*messages = "";
	for (const struct thought_row *row = thoughts_pending(c->thoughts); row; row = row->next) {
		if (row->kind != THOUGHT_STATUS)
			continue;
		const cJSON *data = json_parse(c->mock->a, str_of(row->data), &ignored);
		CHECK(json_i64(data, "wait_ms", -1) >= 0);
		all = arena_printf(c->mock->a, "%s%s %s;", all, json_text(data, "code"), json_text(data, "model"));
		*messages = arena_printf(c->mock->a, "%s%s\n", *messages, row->message);
	}
	return all;
}

#define ALWAYS(key, status) "  - { when: { api_key: " key " }, status: " status " }\n"
#define ONCE(status) "  - { when: { nth: 1 }, status: " status " }\n"
#define FINE "  - reply: Fine.\n"
#define SPENT "body: { type: error, error: { type: rate_limit_error, message: m, " \
	"details: { error_code: enforced_spend_limit_reached } } }"
#define LATER(key, seconds) \
	"  - { when: { api_key: " key " }, status: 429, headers: { retry-after: '" seconds "' } }\n"

/* ---- again ---- */

LOOP_TEST(a_model_that_is_busy_is_asked_again_and_the_log_says_so)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n" ONCE("529") ONCE("500") FINE);
	CHECK_EQ_S(ask(c, NULL, e), "turn model-a");
	CHECK_EQ_S(c->turn.blocks[0].text, "Fine.");
	CHECK_EQ_S(asked(c), "a a a");
	CHECK_EQ_S(said(c, &messages), "model_overloaded model-a;model_error model-a;");
	CHECK(strstr(messages, "model-a failed (model_overloaded); the turn starts again in 0."));
}

LOOP_TEST(repetitions_are_bounded)
{
	struct route_case *c = case_open(a, "replies:\n" ALWAYS("key-a", "529"));
	CHECK_EQ_S(ask(c, NULL, e), "busy model_overloaded");
	CHECK_EQ_S(asked(c), "a a a");
	c->models.retry.retries = 0;
	CHECK_EQ_S(ask(c, NULL, e), "busy model_overloaded");
	CHECK_EQ_S(asked(c), "a a a a");
}

TEST(the_wait_is_full_jitter_over_what_the_provider_asked_for_and_bounded)
{
	static const struct {
		int64_t nth, after_ms;
		double dice;
		int64_t want;
	} waits[] = {
		{ 0, 0, 0, 1 },     { 0, 0, 0.5, 250 },    { 0, 0, 1, 500 },      { 1, 0, 1, 1000 },       { 2, 0, 0.5, 1000 },
		{ 9, 0, 1, 30000 }, { 62, 0, 1, 30000 },   { 1000, 0, 0.1, 3000 }, { 0, 7000, 0, 7000 },   { 0, 7000, 1, 7500 },
		{ 3, 30000, 1, 30000 }, { 9, 29000, 1, 30000 },
	};
	struct route_retry retry = { 2, 500, 30000 };
	for (size_t i = 0; i < COUNT(waits); i++)
		if (!CHECK_EQ_I(route_wait_ms(&retry, waits[i].nth, waits[i].after_ms, waits[i].dice), waits[i].want))
			printf("      row %zu\n", i);
	struct route_retry steep = { 2, 5000, 1000 };
	CHECK_EQ_I(route_wait_ms(&steep, 0, 0, 1), 1000);
}

LOOP_TEST(the_provider_s_own_wait_is_the_least_in_seconds_and_as_a_date)
{
	static const char *const headers[] = { "retry-after: '1'", "retry-after-ms: '1000'",
		"retry-after: 'Fri, 20 Nov 2026 10:00:01 GMT', date: 'Fri, 20 Nov 2026 10:00:00 GMT'" };
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct route_case *c = case_open(a, arena_printf(a,
			"replies:\n  - { when: { nth: 1 }, status: 429, headers: { %s } }\n" FINE, headers[i]));
		int64_t began = clock_ms();
		c->models.retry.max_ms = 5000;
		if (!CHECK_EQ_S(ask(c, NULL, e), "turn model-a") || !CHECK(clock_ms() - began >= 1000))
			printf("      %s\n", headers[i]);
		mock_case_stop(c->mock);
	}
}

LOOP_TEST(a_provider_that_asks_for_more_than_the_longest_wait_is_not_waited_for)
{
	struct route_case *c = case_open(a, "replies:\n" LATER("key-a", "60") FINE);
	CHECK_EQ_S(ask(c, NULL, e), "busy model_rate_limited");
	CHECK_EQ_I(e->retry_after_ms, 60000);
	CHECK_EQ_S(asked(c), "a");
	c->models.fallback = fallback;
	CHECK_EQ_S(ask(c, NULL, e), "turn model-b");
}

LOOP_TEST(what_would_fail_the_same_again_goes_up_at_once)
{
	struct route_case *c = case_open(a, "replies:\n" ALWAYS("key-a", "400") FINE);
	c->models.fallback = fallback;
	CHECK_EQ_S(ask(c, NULL, e), "input model_rejected");
	CHECK_EQ_S(asked(c), "a");
}

struct asker {
	struct route_case *c;
	struct err e;
	bool ok;
};

static bool ask_in_fiber(void *arg, struct err *unused __attribute__((unused)))
{
	struct asker *q = arg;
	q->ok = ask_until(q->c, NULL, NEVER_MS, &q->e);
	return true;
}

LOOP_TEST(a_wait_ends_at_once_when_it_is_cancelled)
{
	struct route_case *c = case_open(a, "replies:\n  - { status: 429, headers: { retry-after: '8' } }\n");
	int64_t began = clock_ms();
	c->models.retry.max_ms = 10000;
	struct asker q = { .c = c, .ok = true };
	struct group g = { 0 };
	REQUIRE_OK(group_start(&g, "asker", ask_in_fiber, &q, e));
	while (mock_count(c->mock->mock).answered < 1)
		REQUIRE_OK(loop_sleep(5, e));
	CHECK(loop_sleep(50, e));
	group_cancel(&g);
	REQUIRE_OK(group_wait(&g, deadline_in(LONG_MS), e));
	CHECK(!q.ok);
	CHECK_EQ_I(q.e.kind, ERR_CANCELLED);
	CHECK(clock_ms() - began < 5000);
	CHECK_EQ_S(asked(c), "a");
}

/* ---- others ---- */

LOOP_TEST(models_are_asked_in_the_order_of_the_list_and_the_turn_says_who_answered)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n" ALWAYS("key-a", "529") ALWAYS("key-b", "500") FINE);
	c->models.fallback = fallback;
	c->models.retry.retries = 1;
	CHECK_EQ_S(ask(c, NULL, e), "turn model-c");
	CHECK(c->turn.config == &c->all[2]);
	CHECK_EQ_S(asked(c), "a a b b c");
	CHECK_EQ_S(said(c, &messages),
		"model_overloaded model-a;model_overloaded model-b;model_error model-b;model_error model-c;");
	CHECK(strstr(messages, "model-b failed (model_error); the turn starts again with model-c\n"));
}

LOOP_TEST(an_agent_s_own_list_counts_and_the_fallback_of_the_default_does_not)
{
	static const char *const own[] = { "model-c", "model-b", NULL };
	struct route_case *c = case_open(a, "replies:\n" ALWAYS("key-c", "529") ALWAYS("key-b", "529") FINE);
	c->models.fallback = fallback;
	c->models.retry.retries = 0;
	CHECK_EQ_S(ask(c, own, e), "busy model_overloaded");
	CHECK_EQ_S(asked(c), "c b");
	CHECK(strstr(e->msg, "asked model-c, model-b; the last: "));
	CHECK(strstr(e->msg, "HTTP 529"));
}

LOOP_TEST(a_model_that_refuses_us_is_not_asked_again_but_the_next_is)
{
	static const char *const refusals[] = { "status: 401", "status: 402", "status: 403", "status: 429, " SPENT };
	for (size_t i = 0; i < COUNT(refusals); i++) {
		const char *script = arena_printf(a, "replies:\n  - { when: { api_key: key-a }, %s }\n" FINE, refusals[i]);
		struct route_case *c = case_open(a, script);
		bool alone = CHECK(strncmp(ask(c, NULL, e), "refused model_", 14) == 0);
		alone = CHECK_EQ_S(asked(c), "a") && alone;
		c->models.fallback = fallback;
		if (!CHECK_EQ_S(ask(c, NULL, e), "turn model-b") || !alone)
			printf("      %s\n", refusals[i]);
		CHECK_EQ_S(asked(c), "a a b");
		mock_case_stop(c->mock);
	}
}

LOOP_TEST(a_name_that_no_model_has_is_passed_over)
{
	static const char *const one[] = { "nobody", NULL }, *const two[] = { "nobody", "model-b", NULL };
	struct route_case *c = case_open(a, "replies:\n" FINE);
	CHECK_EQ_S(ask(c, one, e), "input unknown_model");
	CHECK_EQ_S(ask(c, two, e), "turn model-b");
}

/* ---- blocks that were kept ---- */

static int kept;

static bool keep(void *self, const struct model_block *block, struct err *e)
{
	kept++;
	(void)block;
	return !self || FAIL(e, ERR_NET, "db_away", "the database is away");
}

static bool play_block_then_cut(const struct model_request *rq, struct model_turn *turn, struct err *e)
{
	struct model_block block = { .kind = BLOCK_TEXT, .raw = "{}", .text = "x" };
	(void)turn;
	if (rq->block_ended && !rq->block_ended(rq->self, &block, e))
		return false;
	return FAIL(e, ERR_NET, "model_cut", "cut");
}

LOOP_TEST(nothing_is_asked_again_after_a_block_was_kept)
{
	struct route_case *c = case_open(a, "replies:\n" FINE);
	played = play_block_then_cut;
	kept = 0;
	c->models.fallback = fallback;
	c->rq.block_ended = keep;
	CHECK_EQ_S(ask(c, NULL, e), "net model_cut");
	CHECK_EQ_I(plays, 1);
	CHECK_EQ_I(kept, 1);
	c->rq.self = c; /* the keeping fails */
	CHECK_EQ_S(ask(c, NULL, e), "net db_away");
	CHECK_EQ_I(plays, 2);
	c->rq.block_ended = NULL; /* nobody keeps anything */
	CHECK_EQ_S(ask(c, NULL, e), "net model_cut");
	CHECK_EQ_I(plays, 2 + 3 * MODELS);
	played = NULL;
}

LOOP_TEST(an_answer_that_broke_off_is_asked_for_again_and_what_was_shown_stays)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n"
		"  - { when: { nth: 1 }, reply: Half of it is here., cut_after: { deltas: 1 } }\n" FINE);
	CHECK_EQ_S(ask(c, NULL, e), "turn model-a");
	CHECK_EQ_S(said(c, &messages), "model_cut model-a;");
	const struct thought_row *first = thoughts_pending(c->thoughts);
	REQUIRE(first && first->kind == THOUGHT_TEXT);
	CHECK(*first->message && strncmp("Half of it is here.", first->message, strlen(first->message)) == 0);
}

/* ---- lanes ---- */

static void lanes_end(void *lanes)
{
	lanes_free(lanes);
}

static struct lanes *with_lanes(struct arena *a, struct route_case *c, int64_t circuit_failures)
{
	c->models.lanes = lanes_new(&(struct lane_rules){ circuit_failures, 60000 }, NULL);
	arena_defer(a, lanes_end, c->models.lanes);
	return c->models.lanes;
}

LOOP_TEST(a_model_whose_lane_is_paused_is_passed_over_and_not_asked)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n" LATER("key-a", "60") FINE);
	with_lanes(a, c, 0);
	c->all[0].lane = "one";
	c->models.fallback = fallback;
	CHECK_EQ_S(ask(c, NULL, e), "turn model-b");
	CHECK_EQ_S(ask(c, NULL, e), "turn model-b");
	CHECK_EQ_S(asked(c), "a b b");
	CHECK_EQ_S(said(c, &messages), "model_rate_limited model-b;lane_paused model-b;");
	c->models.fallback = NULL;
	CHECK_EQ_S(ask(c, NULL, e), "busy lane_paused");
	CHECK(e->retry_after_ms > 50000);
}

LOOP_TEST(a_lane_that_is_full_is_waited_for_when_no_other_model_is_left)
{
	struct route_case *c = case_open(a, "replies:\n" FINE);
	with_lanes(a, c, 0);
	for (size_t i = 0; i < MODELS; i++)
		c->all[i].requests_per_minute = 100; /* ten are there, and one comes each 600 ms */
	c->models.fallback = fallback;
	c->all[2].lane = "three";
	for (int i = 0; i < 11; i++)
		CHECK_EQ_S(ask(c, NULL, e), i < 10 ? "turn model-a" : "turn model-c");
	c->models.fallback = NULL;
	CHECK_EQ_S(ask(c, NULL, e), "turn model-a");
	CHECK(!ask_until(c, NULL, deadline_in(300), e));
	CHECK_EQ_S(e->code, "lane_full");
}

LOOP_TEST(failures_open_the_circuit_and_those_of_who_keeps_the_blocks_do_not)
{
	struct route_case *c = case_open(a, "replies:\n" FINE);
	struct lane_state state;
	struct lanes *l = with_lanes(a, c, 1);
	played = play_block_then_cut;
	c->rq.block_ended = keep;
	c->rq.self = c;
	CHECK_EQ_S(ask(c, NULL, e), "net db_away");
	CHECK(!lanes_changed(l, &state));
	c->rq.self = NULL;
	CHECK_EQ_S(ask(c, NULL, e), "net model_cut");
	CHECK(lanes_changed(l, &state) && state.reason == LANE_CIRCUIT_OPEN);
	CHECK_EQ_S(ask(c, NULL, e), "busy circuit_open");
	played = NULL;
}

/* ---- the five limits of time ---- */

LOOP_TEST(each_limit_of_a_model_ends_the_attempt_and_not_the_turn)
{
	enum { MS = 150 };
	static const struct {
		const char *reply, *code;
		struct http_limits limits;
	} limits[] = {
		{ "reply: x, delay: 5s", "first_byte_timeout", { .first_byte_ms = MS } },
		{ "reply: some words here, stall_after: { deltas: 1, for: 5s }", "stall_timeout", { .stall_ms = MS } },
		{ "reply: [ { text: 'word ', repeat: 1000 } ], pace: 20ms", "total_timeout", { .total_ms = MS } },
	};
	for (size_t i = 0; i < COUNT(limits); i++) {
		const char *messages;
		const char *script = arena_printf(a, "replies:\n  - { when: { nth: 1 }, %s }\n" FINE, limits[i].reply);
		struct route_case *c = case_open(a, script);
		c->all[0].limits = limits[i].limits;
		if (!CHECK_EQ_S(ask(c, NULL, e), "turn model-a"))
			printf("      %s: %s\n", limits[i].code, e->msg);
		CHECK_EQ_S(said(c, &messages), arena_printf(a, "%s model-a;", limits[i].code));
		mock_case_stop(c->mock);
	}
}

LOOP_TEST(a_door_that_does_not_open_is_left_for_the_next_model)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n" FINE);
	int port, fds[4] = { net_listen(0, &port) };
	for (int i = 1; i < 4; i++)
		fds[i] = net_connect(port); /* the queue of the listener is full */
	c->all[0].base_url = arena_printf(a, "http://127.0.0.1:%d", port);
	c->all[0].limits.connect_ms = 100;
	c->models.fallback = fallback;
	c->models.retry.retries = 1;
	CHECK_EQ_S(ask(c, NULL, e), "turn model-b");
	CHECK_EQ_S(said(c, &messages), "connect_timeout model-a;connect_timeout model-b;");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

LOOP_TEST(the_end_of_the_run_ends_all_of_it)
{
	const char *messages;
	struct route_case *c = case_open(a, "replies:\n  - { reply: x, delay: 20s }\n");
	int64_t began = clock_ms();
	c->models.fallback = fallback;
	CHECK(!ask_until(c, NULL, deadline_in(200), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(clock_ms() - began >= 200 && clock_ms() - began < 5000);
	CHECK_EQ_S(asked(c), "a");
	CHECK_EQ_S(said(c, &messages), "");
}

LOOP_TEST(a_wait_beyond_the_end_of_the_run_is_not_begun)
{
	struct route_case *c = case_open(a, "replies:\n  - { status: 429, headers: { retry-after: '5' } }\n");
	int64_t began = clock_ms();
	c->models.retry.max_ms = 10000;
	CHECK(!ask_until(c, NULL, deadline_in(2000), e));
	CHECK_EQ_S(e->code, "model_rate_limited");
	CHECK(clock_ms() - began < 2000);
}
