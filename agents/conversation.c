/* SPDX-License-Identifier: MIT */
#include "agents_sql.h"
#include "conversation_rows.h"

/* ---- messages ---- */

static cJSON *message_add(struct conversation *c, const char *role)
{
	cJSON *message = json_add_object(c->messages);
	json_put_text(message, "role", role);
	return json_put_array(message, "content");
}

/* The results of one turn are one message. */
static cJSON *results_of(struct conversation *c)
{
	cJSON *last = cJSON_GetArrayItem(c->messages, cJSON_GetArraySize(c->messages) - 1);
	if (last && strcmp(json_text(last, "role"), "user") == 0)
		return cJSON_GetObjectItemCaseSensitive(last, "content");
	return message_add(c, "user");
}

static const char *earlier_results(struct arena *a, const struct pg_rows *before)
{
	if (!before->n)
		return "";
	return arena_printf(a, "\n\nResults of earlier steps (JSON):\n%s", json_print(a, pg_rows_json(a, before)));
}

static void first_message(struct agent_run *run, struct conversation *c, const struct pg_rows *before)
{
	const char *context = run->context && run->context->child
		? arena_printf(run->arena, "\n\nContext (JSON):\n%s", json_print(run->arena, run->context)) : "";
	cJSON *block = json_add_object(message_add(c, "user"));
	json_put_text(block, "type", "text");
	json_put_text(block, "text", arena_printf(run->arena, "%s%s%s", run->request, context,
		earlier_results(run->arena, before)));
}

/* ---- replay ---- */

/* Grows by doubling: full when the number of items is a power of two. */
static struct model_block *appended(struct arena *a, struct model_block *list, size_t n, const struct model_block *b)
{
	if ((n & (n - 1)) == 0) {
		struct model_block *larger = arena_alloc(a, (n ? 2 * n : 1) * sizeof(*larger));
		if (n)
			memcpy(larger, list, n * sizeof(*larger));
		list = larger;
	}
	list[n] = *b;
	return list;
}

static void call_add(struct agent_run *run, struct conversation *c, const struct model_block *call)
{
	c->open = appended(run->arena, c->open, c->n_open++, call);
	c->calls = appended(run->arena, c->calls, (size_t)c->tool_calls++, call);
}

static void open_remove(struct conversation *c, const char *call)
{
	for (size_t i = 0; i < c->n_open; i++) {
		if (strcmp(c->open[i].tool_id, call) != 0)
			continue;
		memmove(&c->open[i], &c->open[i + 1], (c->n_open - i - 1) * sizeof(*c->open));
		c->n_open--;
		return;
	}
}

/* The rows go when the replay is over. */
static const char *kept(struct agent_run *run, const struct pg_rows *rows, int i, const char *column)
{
	return arena_text(run->arena, str_of(pg_text(rows, i, column)));
}

static bool replay_call(struct agent_run *run, struct conversation *c, const struct pg_rows *rows, int i, struct err *e)
{
	const char *input = pg_text(rows, i, "tool_input");
	struct model_block call = { .kind = BLOCK_TOOL_CALL, .raw = kept(run, rows, i, "block"), .text = "",
		.tool_id = kept(run, rows, i, "tool_call_id"), .tool_name = kept(run, rows, i, "tool_name") };
	if (input && !(call.input = json_parse(run->arena, str_of(input), e)))
		return false;
	if (!input)
		call.input_error = "the arguments were not a JSON object";
	call_add(run, c, &call);
	return true;
}

static bool replay(struct agent_run *run, struct conversation *c, const struct pg_rows *rows, struct err *e)
{
	cJSON *assistant = NULL;
	for (int i = 0; i < rows->n; i++) {
		bool from_tool = strcmp(pg_text(rows, i, "role"), "tool") == 0;
		bool is_call = strcmp(pg_text(rows, i, "content_type"), "tool_call") == 0;
		if (!from_tool && !assistant) {
			assistant = message_add(c, "assistant");
			c->text = "";
		}
		json_add_raw(from_tool ? results_of(c) : assistant, pg_text(rows, i, "block"));
		if (from_tool)
			open_remove(c, pg_text(rows, i, "tool_call_id"));
		if (is_call && !replay_call(run, c, rows, i, e))
			return false;
		if (strcmp(pg_text(rows, i, "content_type"), "text") == 0)
			c->text = arena_printf(run->arena, "%s%s", c->text, pg_text(rows, i, "content"));
		if (pg_text(rows, i, "stop_reason")) {
			c->stop_reason = kept(run, rows, i, "stop_reason");
			c->turns++;
			assistant = NULL;
		}
		c->sequence = pg_i64(rows, i, "sequence_number");
	}
	return true;
}

bool conversation_load(struct agent_run *run, struct conversation *c, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows session, turns, before;
	struct pg_args id = PG_ARGS(PG(run->request_id));
	struct pg_step steps[] = { conversation_fence(tmp, run), { &sql_session_open, id, &session },
		{ &sql_turn_load, id, &turns }, { &sql_results_before, id, &before } };
	if (!conversation_commit(tmp, run, steps, COUNT(steps), e))
		return false;
	if (!session.n)
		return FAIL(e, ERR_INPUT, "foreign_session", "session %s belongs to another user", run->session_id);
	*c = (struct conversation){ .messages = json_array(run->arena), .stop_reason = "", .text = "" };
	first_message(run, c, &before);
	return replay(run, c, &turns, e);
}

/* ---- a turn ---- */

static void turn_add(struct agent_run *run, struct conversation *c, const struct model_turn *turn)
{
	cJSON *content = message_add(c, "assistant");
	c->text = "";
	for (size_t i = 0; i < turn->n; i++) {
		const struct model_block *b = &turn->blocks[i];
		json_add_raw(content, b->raw);
		if (b->kind == BLOCK_TOOL_CALL)
			call_add(run, c, b);
		else if (b->kind == BLOCK_TEXT)
			c->text = arena_printf(run->arena, "%s%s", c->text, b->text);
	}
	c->sequence += (int64_t)turn->n;
	c->stop_reason = turn->stop_reason;
	c->turns++;
}

static void usage_add(struct model_usage *sum, const struct model_usage *u)
{
	sum->input_tokens += u->input_tokens;
	sum->output_tokens += u->output_tokens;
	sum->cache_write_tokens += u->cache_write_tokens;
	sum->cache_read_tokens += u->cache_read_tokens;
}

static bool id_known(const struct conversation *c, const char *id)
{
	for (int64_t i = 0; i < c->tool_calls; i++)
		if (strcmp(c->calls[i].tool_id, id) == 0)
			return true;
	return false;
}

/* The provider takes back no conversation in which an id comes twice, and an execution is known by it. */
static bool ids_check(const struct conversation *c, const struct model_turn *turn, struct err *e)
{
	for (size_t i = 0; i < turn->n; i++)
		if (turn->blocks[i].kind == BLOCK_TOOL_CALL && id_known(c, turn->blocks[i].tool_id))
			return FAIL(e, ERR_BUSY, "model_garbage", "the model gave a tool call an id that another has: %.64s",
				turn->blocks[i].tool_id);
	return true;
}

bool conversation_turn(struct agent_run *run, struct conversation *c, const char *force_tool, struct err *e)
{
	struct model_turn turn;
	struct model_request rq = { .system = run->agent->prompt, .messages = c->messages, .tools = run->definitions,
		.force_tool = force_tool };
	if (!route_turn(run->models, run->arena, run->agent->models, &rq, run->thoughts, run->deadline, &turn, e))
		return false;
	usage_add(&run->usage, &turn.usage);
	if (!turn.n)
		return FAIL(e, ERR_BUSY, "model_garbage", "the model ended its turn (%s) without a word", turn.stop_reason);
	if (!ids_check(c, &turn, e) || !conversation_keep_turn(run, c, &turn, e))
		return false;
	turn_add(run, c, &turn);
	return true;
}

/* ---- ends ---- */

/* Why the model stopped, when it is neither its end nor a tool's turn. */
static const struct {
	const char *reason, *code, *message;
} bad_stops[] = {
	{ "refusal", "model_refused", "the model refused to go on with this request" },
	{ "model_context_window_exceeded", "context_too_long", "the conversation is longer than the model's context window" },
	{ "max_tokens", "answer_cut", "the answer was cut at the token limit of one turn (option model.max_tokens)" },
};

bool conversation_stop_check(const struct conversation *c, struct err *e)
{
	for (size_t i = 0; i < COUNT(bad_stops); i++)
		if (strcmp(c->stop_reason, bad_stops[i].reason) == 0)
			return FAIL(e, ERR_INPUT, bad_stops[i].code, "%s", bad_stops[i].message);
	return true;
}

static bool last_is_assistant(const struct conversation *c)
{
	const cJSON *last = cJSON_GetArrayItem(c->messages, cJSON_GetArraySize(c->messages) - 1);
	return strcmp(json_text(last, "role"), "assistant") == 0;
}

/* Only a provider's own pause asks to be called again without a tool's answer. */
bool conversation_ended(const struct conversation *c)
{
	struct err ignored;
	if (!last_is_assistant(c))
		return false;
	return !conversation_stop_check(c, &ignored) || (!c->n_open && strcmp(c->stop_reason, "pause_turn") != 0);
}

/* ---- answers of tools ---- */

void conversation_answered(struct agent_run *run, struct conversation *c, const struct tool_answer *t)
{
	struct model_block call = *t->call; /* open_remove moves the array it may be in */
	json_add_raw(results_of(c), conversation_result_block(run->arena, t));
	cJSON *data = json_object(run->arena);
	json_put_text(data, "id", call.tool_id);
	json_put_text(data, "tool", call.tool_name);
	json_put_bool(data, "is_error", strcmp(t->status, "refused") == 0);
	json_put_raw(data, "output", t->output);
	thought_add(run->thoughts, THOUGHT_TOOL_RESULT, arena_printf(run->arena, "%s: %s, %ld ms", call.tool_name, t->status,
		(long)t->ms), json_print(run->arena, data));
	open_remove(c, call.tool_id);
	c->sequence++;
}

bool conversation_answer(struct agent_run *run, struct conversation *c, const struct tool_answer *t, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_step steps[3] = { conversation_fence(tmp, run) };
	size_t n = conversation_answer_steps(tmp, run, c, t, steps + 1);
	if (!conversation_commit(tmp, run, steps, n + 1, e))
		return false;
	conversation_answered(run, c, t);
	return true;
}
