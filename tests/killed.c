/* SPDX-License-Identifier: MIT */
#include "killed.h"
#include "agents.h"

static const char *outside_url = "";

void killed_outside_set(const char *url)
{
	outside_url = url;
}

/* ---- the tools that act outside ---- */

static bool call_outside(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	struct http_header headers[] = { { "idempotency-key", env->idempotency_key }, { "x-tool", env->tool->name }, { 0 } };
	struct http_request rq = { .url = outside_url, .headers = headers, .body = STR("{}"),
		.limits = { .connect_ms = 2000, .first_byte_ms = 5000, .total_ms = 5000 } };
	struct http_reply reply;
	cJSON *said = json_object(env->arena);
	if (!http_call(env->http, env->arena, &rq, NULL, env->deadline, &reply, e))
		return false;
	json_put_str(said, "said", reply.body);
	*result = said;
	return true;
}

/* Whoever is asked knows it by the key. */
static bool probe_outside(struct tool_env *env, const void *args __attribute__((unused)), enum tool_found *found,
	const cJSON **result, struct err *e)
{
	struct http_request rq = { .url = arena_printf(env->arena, "%s/%s", outside_url, env->idempotency_key),
		.limits = { .connect_ms = 2000, .first_byte_ms = 5000, .total_ms = 5000 } };
	struct http_reply reply;
	cJSON *said = json_object(env->arena);
	if (!http_call(env->http, env->arena, &rq, NULL, env->deadline, &reply, e))
		return false;
	*found = reply.status == 200 ? FOUND_DONE : FOUND_NOT_DONE;
	json_put_text(said, "said", "it was done");
	*result = said;
	return true;
}

static const struct tool repeats = { .name = "mail_repeat", .text = "Sends; safe to repeat.", .effect = TOOL_OUTSIDE,
	.unknown = UNKNOWN_REPEAT, .run = call_outside };
static const struct tool tells = { .name = "mail_tell", .text = "Sends; nobody knows.", .effect = TOOL_OUTSIDE,
	.unknown = UNKNOWN_TELL, .run = call_outside };
static const struct tool probes = { .name = "mail_probe", .text = "Sends; can be asked.", .effect = TOOL_OUTSIDE,
	.unknown = UNKNOWN_PROBE, .run = call_outside, .probe = probe_outside };

/* ---- the agent ---- */

static const struct tool *own_tools[16];

/* The project agent's tools are real ones that write. */
static const struct tool *const *tools_with(const struct tool *const *others)
{
	size_t n = 0;
	for (; others[n]; n++)
		own_tools[n] = others[n];
	own_tools[n++] = &repeats;
	own_tools[n++] = &tells;
	own_tools[n++] = &probes;
	own_tools[n] = NULL;
	return own_tools;
}

static struct agent agent_killed = { .type = "killed", .name = "killed", .text = "Writes and sends.", .prompt = "Do as you are told.",
	.run = agent_loop };
const struct agent *const killed_agents[] = { &agent_killed, NULL };

struct pool_config killed_config(const char *database_url, const char *model_url)
{
	agent_killed.tools = tools_with(agent_project.tools);
	return (struct pool_config){
		.database_url = database_url, .prepare = true, .listen = false, .connections = 6, .connect_ms = 5000,
		.slots = 10, .batch = 10, .lease_ms = KILLED_LEASE_MS, .poll_ms = 50, .drain_ms = 0,
		.max_attempts = 5, .max_crashes = 5, .backoff_base_ms = 10, .backoff_max_ms = 20, .flush_ms = 10,
		.thoughts = { 4096, 65536 },
		.model = { .base_url = model_url, .version = "2026-10-21", .name = "claude-test", .max_tokens = 1000,
			.turn_bytes = 1 << 20, .key_as_bearer = true, .limits = { 2000, 5000, 5000, 20000, 65536 } },
		.limits = { .turns = 10, .tool_calls = 20, .turn_tools = 10, .parallel_tools = 4, .repeats = 20, .history = 20,
			.expire_ms = 60000, .run_ms = 30000, .tool_ms = 5000, .children = 6, .result_bytes = 32768 },
		.agents = killed_agents,
	};
}
