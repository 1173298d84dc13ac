/* SPDX-License-Identifier: MIT */
/* Blocks that are told while the answer still arrives, over real HTTP. */
#include "clock.h"
#include "http_server.h"
#include "loop.h"
#include "model_api.h"
#include "test.h"

enum { PARTS = 8, SECOND_MS = 1000, PATIENCE_MS = 3000 };

/* The server says a part, and the next one when so many blocks were told. */
struct part {
	const char *text;
	size_t after;          /* blocks */
	int64_t ms;            /* waits so long before */
	size_t times;          /* says it so often */
};

struct rig {
	struct arena *arena;
	struct http *http;
	struct http_server *server;
	struct group group;
	const struct part *parts;
	bool cuts, hangs;      /* at the end */
	bool late;             /* the server waited in vain for a block to be told */
	struct model model;

	size_t told;           /* blocks, in the caller's fiber */
	struct buf *texts;     /* of them */
	int64_t keep_ms;       /* that keeping one takes */
	size_t fails_at;       /* the block that cannot be kept; 0 = none */
	struct task *caller;
	const struct model_api *api;
	struct buf *head;
};

void thought_delta(struct thoughts *t __attribute__((unused)), enum thought_kind kind __attribute__((unused)),
	struct str piece __attribute__((unused)))
{
}

/* ---- the server ---- */

static bool wait_told(struct rig *r, size_t n, struct err *e)
{
	int64_t until = clock_ms() + PATIENCE_MS;
	while (r->told < n && clock_ms() < until)
		if (!loop_sleep(1, e))
			return false;
	r->late = r->late || r->told < n;
	return true;
}

static bool say(struct http_exchange *x, const struct part *p, struct err *e)
{
	for (size_t i = 0; i < p->times; i++)
		if (!http_respond_write(x, str_of(p->text), e) || (i % 100 == 99 && !loop_sleep(1, e)))
			return false; /* the pauses make pieces of it */
	return true;
}

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct rig *r = self;
	const char *key = http_exchange_header(x, "authorization");
	buf_clear(r->head);
	buf_printf(r->head, "%s %s", http_exchange_path(x), key ? key : "-");
	if (r->cuts)
		http_respond_cut(x, false);
	bool ok = http_respond(x, 200, "text/event-stream", NULL, e);
	for (const struct part *p = r->parts; ok && p->text; p++)
		ok = wait_told(r, p->after, e) && (!p->ms || loop_sleep(p->ms, e)) && say(x, p, e);
	return ok && loop_sleep(r->hangs ? 60 * SECOND_MS : r->cuts ? 20 : 0, e);
}

/* ---- the client ---- */

static bool keep(void *self, const struct model_block *b, struct err *e)
{
	struct rig *r = self;
	CHECK(task_self() == r->caller);
	r->told++;
	buf_printf(r->texts, "%s;", b->kind == BLOCK_TOOL_CALL ? b->tool_name : b->text);
	if (r->told == r->fails_at)
		return FAIL(e, ERR_NET, "db_lost", "the database is gone");
	return !r->keep_ms || loop_sleep(r->keep_ms, e);
}

static void rig_end(void *self)
{
	struct rig *r = self;
	struct err e;
	http_server_close(r->server);
	group_wait(&r->group, deadline_in(5 * SECOND_MS), &e);
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	http_free(r->http);
}

static struct rig *rig_new(struct arena *a, const struct part *parts, struct err *e)
{
	struct http_server_options o = { .body_bytes = 1 << 20 };
	struct rig *r = arena_alloc(a, sizeof(*r));
	*r = (struct rig){ .arena = a, .http = http_new(), .parts = parts,
		.texts = buf_new(a, 10000), .head = buf_new(a, 1000) };
	r->group.keep_going = true;
	r->server = http_server_open(&o, &r->group, answer, r, e);
	r->model = (struct model){ r->http, { .version = "v", .name = "m", .max_tokens = 9, .api_key = "sk-secret-key",
		.turn_bytes = 100000, .limits.first_byte_ms = SECOND_MS } }; /* no other limit: nothing else wakes the fiber */
	r->model.config.base_url = arena_printf(a, "http://127.0.0.1:%d", http_server_port(r->server));
	arena_defer(a, rig_end, r);
	return r;
}

/* "turn", or kind and code. */
static const char *ask(struct rig *r, struct model_turn *turn, struct err *e)
{
	struct model_request rq = { .messages = json_array(r->arena), .block_ended = keep, .self = r };
	r->caller = task_self();
	r->told = 0;
	*turn = (struct model_turn){ 0 };
	buf_clear(r->texts);
	if (model_turn(&r->model, r->arena, &rq, NULL, deadline_in(10 * SECOND_MS), turn, e))
		return "turn";
	return arena_printf(r->arena, "%s %s", err_kind_name(e->kind), e->code);
}

/* ---- pages ---- */

#define EVENT(name, json) "event: " name "\ndata: {\"type\":\"" name "\"" json "}\n\n"
#define BEGIN EVENT("message_start", ",\"message\":{\"id\":\"m1\",\"model\":\"c1\"}")
#define START(i) EVENT("content_block_start", ",\"index\":" #i ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define DELTA(i, text) ",\"index\":" #i ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}"
#define GROW(i, text) EVENT("content_block_delta", DELTA(i, text))
#define STOP(i) EVENT("content_block_stop", ",\"index\":" #i)
#define BLOCK(i, text) START(i) GROW(i, text) STOP(i)
#define FINISH EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}") EVENT("message_stop", "")

static const struct part three[PARTS] = {
	{ BEGIN BLOCK(0, "a"), 0, 0, 1 }, { BLOCK(1, "b"), 1, 0, 1 }, { BLOCK(2, "c"), 2, 0, 1 }, { FINISH, 3, 0, 1 },
};

LOOP_TEST(a_block_is_told_while_the_answer_still_arrives)
{
	struct rig *r = rig_new(a, three, e);
	struct model_turn turn;
	CHECK_EQ_S(ask(r, &turn, e), "turn");
	CHECK(!r->late);
	CHECK_EQ_S(buf_str(r->texts).p, "a;b;c;");
	if (CHECK_EQ_I((int64_t)turn.n, 3))
		CHECK_EQ_S(turn.blocks[1].raw, "{\"type\":\"text\",\"text\":\"b\"}");
}

LOOP_TEST(a_later_block_waits_for_the_earlier_one)
{
	static const struct part parts[PARTS] = { { BEGIN START(0) START(1) GROW(1, "b") STOP(1), 0, 0, 1 },
		{ GROW(0, "a") STOP(0), 0, 30, 1 }, { FINISH, 2, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	CHECK_EQ_S(ask(r, &turn, e), "turn");
	CHECK(!r->late);
	CHECK_EQ_S(buf_str(r->texts).p, "a;b;");
}

LOOP_TEST(blocks_that_end_while_one_is_kept_are_told_behind_it)
{
	static const struct part parts[PARTS] = { { BEGIN BLOCK(0, "a"), 0, 0, 1 }, { BLOCK(1, "b") BLOCK(2, " "), 0, 10, 1 },
		{ BLOCK(3, "c"), 0, 10, 1 }, { FINISH, 3, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	r->keep_ms = 40;
	CHECK_EQ_S(ask(r, &turn, e), "turn");
	CHECK(!r->late);
	CHECK_EQ_S(buf_str(r->texts).p, "a;b;c;");
	CHECK_EQ_I((int64_t)turn.n, 3);
}

LOOP_TEST(what_comes_at_once_is_told_before_the_turn_is_there)
{
	static const struct part parts[PARTS] = { { BEGIN BLOCK(0, "a") BLOCK(1, "b") FINISH, 0, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	CHECK_EQ_S(ask(r, &turn, e), "turn");
	CHECK_EQ_S(buf_str(r->texts).p, "a;b;");
}

LOOP_TEST(a_block_that_cannot_be_kept_ends_the_turn_with_its_own_error)
{
	struct rig *r = rig_new(a, three, e);
	struct model_turn turn;
	r->fails_at = 2;
	CHECK_EQ_S(ask(r, &turn, e), "net db_lost");
	CHECK_EQ_S(e->msg, "the database is gone");
	CHECK_EQ_S(buf_str(r->texts).p, "a;b;");
	CHECK_EQ_I((int64_t)turn.n, 0);
	static const struct part whole[PARTS] = { { BEGIN BLOCK(0, "a") FINISH, 0, 0, 1 } };
	r->parts = whole;
	r->fails_at = 1;
	CHECK_EQ_S(ask(r, &turn, e), "net db_lost"); /* also behind message_stop */
}

LOOP_TEST(blocks_that_ended_before_a_bad_end_are_told)
{
	static const struct part cut[PARTS] = { { BEGIN BLOCK(0, "a") START(1), 0, 0, 1 } };
	static const struct part garbage[PARTS] = { { BEGIN BLOCK(0, "a") STOP(0), 0, 0, 1 } };
	static const struct part broken[PARTS] = { { BEGIN BLOCK(0, "a")
		EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}"), 0, 0, 1 } };
	const struct {
		const struct part *parts;
		bool cuts, hangs;
		const char *outcome;
	} cases[] = { { cut, false, false, "net model_cut" }, { cut, true, false, "net model_cut" },
		{ cut, false, true, "timeout stall_timeout" }, { garbage, false, true, "busy model_garbage" },
		{ broken, false, true, "busy model_overloaded" } };
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(inner);
		struct rig *r = rig_new(inner, cases[i].parts, e);
		struct model_turn turn;
		r->cuts = cases[i].cuts;
		r->hangs = cases[i].hangs;
		r->model.config.limits.stall_ms = 100;
		CHECK_EQ_S(ask(r, &turn, e), cases[i].outcome);
		CHECK_EQ_S(buf_str(r->texts).p, "a;");
	}
}

LOOP_TEST(an_answer_that_goes_on_while_a_block_is_kept_is_no_silence)
{
	static const struct part parts[PARTS] = { { BEGIN BLOCK(0, "a"), 0, 0, 1 }, { EVENT("ping", ""), 1, 300, 1 },
		{ EVENT("ping", ""), 1, 300, 1 }, { EVENT("ping", ""), 1, 300, 1 }, { FINISH, 1, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	r->keep_ms = 850;
	r->model.config.limits.stall_ms = 700;
	CHECK_EQ_S(ask(r, &turn, e), "turn");
}

LOOP_TEST(silence_while_a_block_is_kept_is_seen_behind_it)
{
	static const struct part parts[PARTS] = { { BEGIN BLOCK(0, "a"), 0, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	r->hangs = true;
	r->keep_ms = 150;
	r->model.config.limits.stall_ms = 100;
	int64_t start = clock_ms();
	CHECK_EQ_S(ask(r, &turn, e), "timeout stall_timeout");
	CHECK(clock_ms() - start >= 150);
}

/* ---- waiting ---- */

struct asking {
	struct rig *rig;
	const char *outcome;
};

static bool ask_in_fiber(void *arg, struct err *e __attribute__((unused)))
{
	struct asking *k = arg;
	struct model_turn turn;
	struct err own = { 0 };
	task_torture_mark();
	k->outcome = ask(k->rig, &turn, &own);
	return true;
}

static const char *ask_tortured(struct rig *r, struct err *e)
{
	struct group g = { 0 };
	struct asking k = { r, "no fiber" };
	CHECK(group_start(&g, "ask", ask_in_fiber, &k, e));
	group_wait(&g, NEVER_MS, e);
	return k.outcome;
}

LOOP_TEST(the_fiber_wakes_for_blocks_and_not_for_events)
{
	static const struct part parts[PARTS] = { { BEGIN BLOCK(0, "a") START(1), 0, 0, 1 },
		{ GROW(1, "0123456789"), 0, 0, 3000 }, { STOP(1) FINISH, 0, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	loop_torture(0, ERR_NONE);
	CHECK_EQ_S(ask_tortured(r, e), "turn");
	CHECK(loop_torture(0, ERR_NONE) <= 8);
	CHECK_EQ_I((int64_t)r->told, 2);
}

LOOP_TEST(whichever_wait_fails_the_turn_fails_cleanly)
{
	static const enum err_kind kinds[] = { ERR_CANCELLED, ERR_NET };
	struct rig *r = rig_new(a, three, e);
	r->keep_ms = 1;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const char *got = "";
		int64_t k = 1;
		for (; k < 60 && strcmp(got, "turn") != 0; k++) {
			loop_torture(k, kinds[i]);
			got = ask_tortured(r, e);
			loop_torture(0, ERR_NONE);
			CHECK(strcmp(got, "turn") == 0 || strncmp(got, err_kind_name(kinds[i]), strlen(err_kind_name(kinds[i]))) == 0);
			CHECK_EQ_I((int64_t)http_running(r->http), 0);
		}
		CHECK(k > 5 && k < 60);
	}
}

/* ---- chat completions ---- */

#define CHUNK(choice) "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0," choice "}]}\n\n"
#define CALL "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\"," \
	"\"function\":{\"name\":\"n\",\"arguments\":\"{}\"}}]}"

LOOP_TEST(chat_completions_are_asked_at_their_door_and_tell_their_blocks)
{
	static const struct part parts[PARTS] = { { CHUNK("\"delta\":{\"content\":\"a\"}") CHUNK(CALL), 0, 0, 1 },
		{ CHUNK("\"delta\":{},\"finish_reason\":\"tool_calls\""), 1, 0, 1 }, { "data: [DONE]\n\n", 2, 0, 1 } };
	struct rig *r = rig_new(a, parts, e);
	struct model_turn turn;
	r->model.config.api = model_api_find("openai");
	r->model.config.base_url = arena_printf(a, "%s/v1", r->model.config.base_url);
	CHECK_EQ_S(ask(r, &turn, e), "turn");
	CHECK(!r->late);
	CHECK_EQ_S(buf_str(r->texts).p, "a;n;");
	CHECK_EQ_S(buf_str(r->head).p, "/v1/chat/completions Bearer sk-secret-key");
	CHECK_EQ_S(turn.stop_reason, "tool_use");
}
