/* SPDX-License-Identifier: MIT */
/*
 * The real worker command (supervisor, processes, pool) with agents of the soak beside the real ones: `effect` and
 * its twin call a tool that writes, through the real tool path but without a model. The request's context says what:
 *   {"calls": 3, "ms": 20, "in_ms": 5, "refuse": 2, "busy": 1, "fail": true, "at": 1}
 * Every agent notes its start in chaos.runs, outside of every fence: the checker looks for two alike.
 */
#include "agents.h"
#include "commands.h"
#include "conversation_rows.h"
#include "fiber.h"
#include "loop.h"
#include "settings.h"
#include "tool_call.h"
#include <unistd.h>

enum { CALLS_MOST = 20 };

/* ---- the tool: its effect is one row, and without the fence it could be two ---- */

struct effect_args {
	int64_t n, in_ms;
	bool refuse;
};

static const struct field effect_fields[] = {
	{ "n", FIELD_I64, offsetof(struct effect_args, n), .text = "Which call.", .min = 1, .max = CALLS_MOST },
	{ "in_ms", FIELD_I64, offsetof(struct effect_args, in_ms), .text = "Wait in the transaction.", .max = 10000 },
	{ "refuse", FIELD_BOOL, offsetof(struct effect_args, refuse), .text = "Write, then refuse." },
	{ 0 },
};

static const struct sql sql_effect = {
	"chaos_effect", "tests/chaos/worker.c",
	"insert into chaos.effects (request_id, session_id, call, version, pid)\n"
	"select r.id, r.session_id, $2::integer, r.version, $3::integer\n"
	"from public.agent_requests r where r.id = $1::bigint returning call", 3,
};

static bool effect_tool(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct effect_args *in = args;
	struct pg_args row = PG_ARGS(PG(env->request_id), PG(in->n), PG((int64_t)getpid()));
	if (!tool_row(env, &sql_effect, row, "no request", result, e))
		return false;
	if (in->in_ms && !loop_sleep(in->in_ms, e))
		return false;
	return !in->refuse || FAIL(e, ERR_INPUT, "chaos_refused", "refused, as the request asked");
}

static const struct tool tool_effect = {
	.name = "effect", .text = "Writes one row.", .fields = effect_fields, .args_size = sizeof(struct effect_args),
	.effect = TOOL_WRITES, .run = effect_tool,
};
static const struct tool *const tools[] = { &tool_effect, NULL };

/* ---- the agent ---- */

static struct model_block call_block(struct agent_run *run, int64_t n)
{
	struct arena *a = run->arena;
	cJSON *input = json_object(a), *raw = json_object(a);
	struct model_block b = { .kind = BLOCK_TOOL_CALL, .text = "", .tool_name = "effect", .input = input };
	json_put_i64(input, "n", n);
	json_put_i64(input, "in_ms", json_i64(run->context, "in_ms", 0));
	json_put_bool(input, "refuse", json_i64(run->context, "refuse", 0) == n);
	b.tool_id = arena_printf(a, "call_%ld", (long)n);
	json_put_text(raw, "type", "tool_use");
	json_put_text(raw, "id", b.tool_id);
	json_put_text(raw, "name", b.tool_name);
	json_put_copy(raw, "input", input);
	b.raw = json_print(a, raw);
	return b;
}

/* Once a request: the turn that a model would have given. Loaded again, it is what a replay after a crash sees. */
static bool plan_calls(struct agent_run *run, struct conversation *c, struct err *e)
{
	struct model_block blocks[CALLS_MOST];
	int64_t n = MIN_OF(json_i64(run->context, "calls", 1), (int64_t)CALLS_MOST);
	if (c->tool_calls || n <= 0)
		return true;
	for (int64_t i = 0; i < n; i++)
		blocks[i] = call_block(run, i + 1);
	struct model_turn turn = { .blocks = blocks, .n = (size_t)n, .stop_reason = "tool_use", .model = "none",
		.config = &run->models->all[0] };
	return conversation_keep_turn(run, c, &turn, e) && conversation_load(run, c, e);
}

/* The accidents that the request asks for, after so many calls. */
static bool accident(struct agent_run *run, const struct conversation *c, struct err *e)
{
	int64_t done = c->tool_calls - (int64_t)c->n_open;
	if (done != json_i64(run->context, "at", 0))
		return true;
	if (run->attempt <= json_i64(run->context, "busy", 0))
		return FAIL(e, ERR_BUSY, "chaos_busy", "busy, as the request asked");
	return !json_true(run->context, "fail") || FAIL(e, ERR_INPUT, "chaos_failed", "failed, as the request asked");
}

static bool effect_run(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct conversation c;
	int64_t ms = json_i64(run->context, "ms", 0);
	if (!conversation_load(run, &c, e) || !plan_calls(run, &c, e) || !accident(run, &c, e))
		return false;
	while (c.n_open) {
		thought_delta(run->thoughts, THOUGHT_TEXT, str_of("now the next call"));
		if ((ms && !loop_sleep(ms, e)) || !tool_call_run(run, &c, &c.open[0], e) || !accident(run, &c, e))
			return false;
	}
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{\"answer\":\"done\"}", .message = "done" };
	return true;
}

static const struct agent agent_effect = {
	.type = "effect", .name = "effect", .text = "Writes rows.", .prompt = "", .tools = tools, .run = effect_run,
};
static const struct agent agent_twin = {
	.type = "effect_twin", .name = "effect_twin", .text = "Writes rows.", .prompt = "", .tools = tools,
	.run = effect_run,
};
static const struct agent *const agents_own[] = { &agent_effect, &agent_twin, NULL };

/* ---- every agent notes its start ---- */

static const struct sql sql_run = {
	"chaos_run", "tests/chaos/worker.c",
	"insert into chaos.runs (request_id, version, attempt, pid)\n"
	"values ($1::bigint, $2::integer, $3::integer, $4::integer)", 4,
};

static const struct agent *original(const char *type)
{
	const struct agent *own = agent_find(agents_own, type);
	return own ? own : agent_find(agents_all, type);
}

static bool noted_run(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct pg_args args = PG_ARGS(PG(run->request_id), PG(run->version), PG((int64_t)run->attempt),
		PG((int64_t)getpid()));
	return conversation_ask(run, &sql_run, args, NULL, e) && original(run->agent->type)->run(run, result, e);
}

/* Lives as long as the process. */
static const struct agent *const *agents_noted(void)
{
	const struct agent *const *lists[] = { agents_own, agents_all };
	size_t n = 0;
	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; lists[l][i]; i++)
			n++;
	const struct agent **all = mem_alloc((n + 1) * sizeof(*all));
	struct agent *copies = mem_alloc(n * sizeof(*copies));
	n = 0;
	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; lists[l][i]; i++, n++) {
			copies[n] = *lists[l][i];
			copies[n].run = noted_run;
			all[n] = &copies[n];
		}
	return all;
}

/* ---- the program: linked with --wrap=pool_config_of ---- */

struct pool_config __real_pool_config_of(const struct config *c);
struct pool_config __wrap_pool_config_of(const struct config *c);

struct pool_config __wrap_pool_config_of(const struct config *c)
{
	struct pool_config config = __real_pool_config_of(c);
	config.agents = agents_noted();
	return config;
}

static const struct command *const commands[] = { &command_worker, NULL };

int main(int argc, char **argv)
{
	fiber_guard_install();
	return command_main(commands, argc, argv, environ);
}
