/* SPDX-License-Identifier: MIT */
/*
 * One turn of the model, kept while it comes. A fiber of its own writes what has ended, so that the stream never waits
 * for the database; blocks that end meanwhile go together with the next statement.
 */
#include "budget.h"
#include "clock.h"
#include "conversation_rows.h"
#include "loop.h"
#include "model_api.h"
#include "prompt.h"

/* The end of an answer follows its last block at once: so long a block waits for company. */
enum { GATHER_MS = 20 };

#define GO_ON "Your answer broke off here. Go on exactly where it stopped; do not repeat what is already said."

/* One answer on its way. */
struct asking {
	struct agent_run *run;
	struct conversation *c;
	struct kept_blocks kept;   /* its blocks so far; those before kept.from are written */
	struct model_block *blocks; /* the same, to grow */
	struct group writing;
	struct task *writer;       /* once it has begun */
	bool at_work, ending;
};

/* ---- writing ---- */

/* end: the turn that ends with them, NULL = it goes on. What it took is counted first. waits. */
static bool blocks_write(struct asking *k, size_t to, const struct model_turn *end, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct kept_blocks part = k->kept;
	part.to = to;
	part.end = end;
	struct pg_step steps[] = {
		end ? budget_settle(tmp, k->run, end->config, &end->usage) : conversation_fence(tmp, k->run),
		conversation_keep_step(tmp, k->run, &part) };
	if (!conversation_commit(tmp, k->run, steps, COUNT(steps), e))
		return false;
	k->kept.from = to;
	k->kept.mark = false;
	return true;
}

static bool gather(struct asking *k, struct err *e)
{
	struct err late;
	for (int64_t until = deadline_in(GATHER_MS); !k->ending && clock_ms() < until;)
		if (!loop_park(until, &late) && late.kind != ERR_TIMEOUT) {
			*e = late;
			return false;
		}
	return true;
}

static bool write_ended(void *arg, struct err *e)
{
	struct asking *k = arg;
	k->writer = task_self();
	bool ok = gather(k, e);
	while (ok && !k->ending && k->kept.from < k->kept.to)
		ok = blocks_write(k, k->kept.to, NULL, e);
	k->writer = NULL;
	k->at_work = false;
	return ok;
}

static bool writer_end(struct asking *k, struct err *e)
{
	k->ending = true;
	task_wake(k->writer);
	return group_wait(&k->writing, k->run->deadline, e);
}

/* ---- a block has ended ---- */

/* The provider takes back no conversation in which an id comes twice, and an execution is known by it. */
static bool id_check(const struct conversation *c, const struct model_block *b, struct err *e)
{
	return b->kind != BLOCK_TOOL_CALL || !prompt_has_call(c->prompt, b->tool_id)
		|| FAIL(e, ERR_BUSY, "model_garbage", "the model gave a tool call an id that another has: %.64s", b->tool_id);
}

static void block_add(struct asking *k, const struct model_block *b)
{
	k->kept.blocks = k->blocks = arena_grow(k->run->arena, k->blocks, k->kept.to, sizeof(*k->blocks));
	k->blocks[k->kept.to++] = *b;
}

/* Without a stack for the writer the block is written with the end. */
static bool take_block(void *self, const struct model_block *b, struct err *e)
{
	struct asking *k = self;
	struct err ignored;
	if (k->writing.failed) {
		*e = k->writing.error;
		return false;
	}
	if (!id_check(k->c, b, e))
		return false;
	block_add(k, b);
	if (!k->at_work)
		k->at_work = group_start(&k->writing, "turn writer", write_ended, k, &ignored);
	return true;
}

/* ---- the answer is here, or what there is of it ---- */

static void blocks_fold(struct asking *k)
{
	struct conversation *c = k->c;
	c->mend = MEND_NONE;
	for (size_t i = 0; i < k->kept.to; i++)
		fold_block(c, &k->kept.blocks[i]);
	c->sequence = k->kept.sequence + (int64_t)k->kept.to;
}

static void usage_add(struct model_usage *sum, const struct model_usage *u)
{
	sum->input_tokens += u->input_tokens;
	sum->output_tokens += u->output_tokens;
	sum->cache_write_tokens += u->cache_write_tokens;
	sum->cache_read_tokens += u->cache_read_tokens;
}

/* A turn that cannot be kept is paid for all the same. */
static bool turn_check(struct asking *k, const struct model_turn *turn, struct err *e)
{
	bool may_be_empty = strcmp(turn->stop_reason, "model_context_window_exceeded") == 0;
	bool ok = turn->n || may_be_empty
		|| FAIL(e, ERR_BUSY, "model_garbage", "the model ended its turn (%s) without a word", turn->stop_reason);
	for (size_t i = k->kept.to; ok && i < turn->n; i++)
		ok = id_check(k->c, &turn->blocks[i], e);
	if (ok)
		return true;
	ARENA_SCOPE(tmp);
	struct err why = *e;
	struct pg_step settle = budget_settle(tmp, k->run, turn->config, &turn->usage);
	if (conversation_commit(tmp, k->run, &settle, 1, e))
		*e = why;
	return false;
}

static bool keep_whole(struct asking *k, const struct model_turn *turn, struct err *e)
{
	const struct model_usage *u = &turn->usage;
	usage_add(&k->run->usage, u);
	if (!turn_check(k, turn, e))
		return false;
	bool alone = k->kept.from == turn->n; /* the end has a row of its own */
	k->kept.blocks = turn->blocks;
	k->kept.to = turn->n;
	if (!blocks_write(k, turn->n, turn, e))
		return false;
	blocks_fold(k);
	k->c->sequence += alone;
	fold_end(k->c, turn->stop_reason, u->input_tokens + u->cache_write_tokens + u->cache_read_tokens);
	return true;
}

static bool keep_broken(struct asking *k, struct err *e)
{
	if (k->kept.from < k->kept.to && !blocks_write(k, k->kept.to, NULL, e))
		return false;
	blocks_fold(k);
	fold_broken(k->c);
	return true;
}

/* ---- asking ---- */

static void cut_say(struct agent_run *run, const struct compact_cut *cut)
{
	if (!cut->bytes)
		return;
	cJSON *data = json_object(run->arena);
	json_put_i64(data, "cut_results", cut->results);
	json_put_i64(data, "cut_requests", cut->requests);
	json_put_i64(data, "cut_thoughts", cut->thoughts);
	json_put_i64(data, "cut_bytes", cut->bytes);
	thought_add(run->thoughts, THOUGHT_STATUS, arena_printf(run->arena, "the conversation grew too long: %ld bytes of it "
		"are left out from here on", (long)cut->bytes), json_print(run->arena, data));
}

/* Begins the turn: what is sent is decided. */
static bool turn_begin(struct agent_run *run, struct conversation *c, struct err *e)
{
	if (c->mend == MEND_TEXT && !conversation_say(run, c, GO_ON, e))
		return false;
	if (!c->turn_open) {
		fold_turn(c);
		cut_say(run, &c->cut);
	}
	if (!compact_check(c->prompt, e))
		return false;
	const struct model_config *dearest = conversation_dearest(run);
	int64_t most = run->agent->max_tokens ? run->agent->max_tokens : dearest->max_tokens;
	return budget_reserve(run, dearest, prompt_tokens(c->prompt), most, e);
}

/* waits. As route_turn, with a span. */
static bool ask_model(struct agent_run *run, const struct model_request *rq, struct model_turn *turn, struct err *e)
{
	struct span s;
	const char *const *names = run->agent->models;
	const char *name = names && names[0] ? names[0] : run->models->all[0].name;
	span_begin(&s, run->span, SPAN_CLIENT, "chat %s", name);
	span_text(&s, SPAN_OPERATION, "chat");
	span_text(&s, SPAN_REQUEST_MODEL, name);
	bool ok = route_turn(run->models, run->arena, run->agent->models, rq, run->thoughts, run->deadline, turn, e);
	if (ok) {
		span_text(&s, SPAN_PROVIDER, (turn->config->api ? turn->config->api : model_apis[0])->name);
		span_text(&s, SPAN_LANE, turn->config->lane);
		span_text(&s, SPAN_RESPONSE_MODEL, turn->model);
		span_text(&s, SPAN_FINISH_REASON, turn->stop_reason);
		span_i64(&s, SPAN_INPUT_TOKENS, turn->usage.input_tokens + turn->usage.cache_write_tokens + turn->usage.cache_read_tokens);
		span_i64(&s, SPAN_OUTPUT_TOKENS, turn->usage.output_tokens);
	}
	span_end(&s, ok ? NULL : e);
	return ok;
}

/* false and *lost: something could not be written. Else the answer broke off, and e says why. */
static bool ask(struct asking *k, const char *force_tool, bool *lost, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct agent_run *run = k->run;
	const struct agent *agent = run->agent;
	struct model_turn turn;
	struct err why;
	struct model_request rq = { .system = agent->prompt, .messages = prompt_messages(tmp, k->c->prompt),
		.tools = run->definitions, .force_tool = force_tool, .max_tokens = agent->max_tokens,
		.result_schema = agent->result_schema, .web_searches = agent->web_searches, .block_ended = take_block, .self = k, .broken = &run->broken };
	run->broken_config = conversation_dearest(run);
	bool whole = ask_model(run, &rq, &turn, &why);
	*lost = true;
	if (!writer_end(k, e))
		return false;
	if (!task_cancelled() && !budget_settle_broken(run, run->deadline, e))
		return false; /* of a cancelled run it is counted with its fate */
	if (whole)
		return keep_whole(k, &turn, e);
	*lost = false;
	*e = why;
	return false;
}

/* ---- going on ---- */

/* What broke off is kept. May it be gone on with here, or does the request wait for its next attempt? */
static bool may_go_on(const struct agent_run *run, const struct err *why, int64_t nth)
{
	const struct route_retry *retry = &run->models->retry;
	return nth < retry->retries && why->retry_after_ms <= retry->max_ms;
}

static bool go_on_later(struct agent_run *run, const struct err *why, int64_t nth, struct err *e)
{
	cJSON *data = json_object(run->arena);
	json_put_text(data, "code", why->code);
	thought_add(run->thoughts, THOUGHT_STATUS, arena_printf(run->arena, "the answer broke off (%s) and is gone on with",
		why->code), json_print(run->arena, data));
	return loop_sleep(route_wait_ms(&run->models->retry, nth, why->retry_after_ms, drand48()), e);
}

static bool salvage(struct asking *k, int64_t nth, struct err *e)
{
	struct err why = *e;
	if (!k->kept.to || !route_may_retry(&why) || !keep_broken(k, e))
		return false;
	if (k->c->over)
		return true; /* its calls are run */
	*e = why;
	return may_go_on(k->run, &why, nth) && go_on_later(k->run, &why, nth, e);
}

/* A turn that broke off was tried, whatever kept us from going on with it. */
static bool fail_turn(bool broke_off, struct err *e)
{
	e->untried &= !broke_off;
	return false;
}

bool conversation_turn(struct agent_run *run, struct conversation *c, const char *force_tool, struct err *e)
{
	int64_t broken = 0;
	bool again = false;
	do {
		if (!turn_begin(run, c, e))
			return fail_turn(again, e);
		bool mark = c->mend == MEND_MARK, lost;
		struct asking k = { .run = run, .c = c, .kept = { .sequence = c->sequence + mark, .mark = mark } };
		if (!ask(&k, force_tool, &lost, e) && (lost || !salvage(&k, broken++, e)))
			return fail_turn(again, e);
		again = true;
	} while (!c->over); /* it broke off, or the window was full: once more */
	return true;
}
