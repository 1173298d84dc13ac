/* SPDX-License-Identifier: MIT */
#include "world.h"
#include "clock.h"
#include "conversation.h"

struct world world;

static bool wait_until(const bool *done, struct err *e)
{
	for (int64_t end = clock_ms() + WORLD_MS; !*done; )
		if (clock_ms() > end || !loop_sleep(1, e))
			return e->kind ? false : FAIL(e, ERR_BUG, "test", "it did not come");
	return true;
}

struct what_args {
	const char *what;
};
static const struct field what_fields[] = {
	{ "what", FIELD_TEXT, offsetof(struct what_args, what), .text = "Anything" },
	{ 0 },
};

static const struct sql sql_note = { "test_note", "tests/note.sql",
	"insert into public.notes (what, request_id) values ($1, $2::bigint) returning what", 2 };
static const struct sql sql_sleep = { "test_sleep", "tests/sleep.sql", "select pg_sleep(1000)::text as slept", 0 };
static const struct sql sql_divide = { "test_divide", "tests/divide.sql", "select 1 / (random() * 0)::integer as n", 0 };
static const struct sql sql_lose = { "test_lose", "tests/lose.sql",
	"select pg_terminate_backend(pg_backend_pid())::text as lost", 0 };

/* ---- tools of the database ---- */

/* The first of a turn goes on only when a reader has been beside it, and leaves time for a writer that must not come. */
static bool note_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct what_args *v = args;
	world.overlapped |= world.writing;
	world.writing = true;
	bool ok = !v->what || strcmp(v->what, "first") != 0 || (wait_until(&world.looked, e) && loop_sleep(100, e));
	ok = ok && tool_row(env, &sql_note, PG_ARGS(PG(v->what), PG(env->request_id)), "none", result, e);
	world.writing = false;
	return ok;
}

static bool look_run(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	(void)e;
	world.looked = true;
	*result = json_object(env->arena);
	return true;
}

static bool sleep_run(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	env->deadline = NEVER_MS;
	return tool_row(env, &sql_sleep, PG_NO_ARGS, "none", result, e);
}

static bool divide_run(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	return tool_row(env, &sql_divide, PG_NO_ARGS, "none", result, e);
}

static bool lose_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct what_args *v = args;
	if (!tool_row(env, &sql_note, PG_ARGS(PG(v->what), PG(env->request_id)), "none", result, e))
		return false;
	return !world.lost || (world.lost--, tool_row(env, &sql_lose, PG_NO_ARGS, "none", result, e));
}

static bool bug_run(struct tool_env *env __attribute__((unused)), const void *args __attribute__((unused)),
	const cJSON **result __attribute__((unused)), struct err *e)
{
	return wait_until(&world.looked, e) && FAIL(e, ERR_BUG, "test_bug", "it is broken");
}

/* ---- tools that act outside ---- */

static bool barrier_run(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	world.inside++;
	world.most = MAX_OF(world.most, world.inside);
	for (int64_t end = clock_ms() + WORLD_MS; world.most < world.barrier && clock_ms() < end;)
		if (!loop_sleep(1, e))
			return false;
	bool ok = loop_sleep(2, e);
	world.inside--;
	*result = json_object(env->arena);
	return ok;
}

bool world_has_key(const char *key)
{
	for (size_t i = 0; i < world.n; i++)
		if (strcmp(world.sent[i].key, key) == 0)
			return true;
	return false;
}

static bool send_run(struct tool_env *env, const void *args __attribute__((unused)), const cJSON **result, struct err *e)
{
	world.looked = true;
	if (!loop_sleep(1, e))
		return false;
	if (world.fails && world.fails_before)
		return world.fails--, FAIL(e, ERR_NET, "test_net", "no way there");
	if (world.n < CALLS_MOST) {
		snprintf(world.sent[world.n].tool, sizeof(world.sent[0].tool), "%s", env->tool->name);
		snprintf(world.sent[world.n++].key, sizeof(world.sent[0].key), "%s", env->idempotency_key);
	}
	while (world.hangs)
		if (!loop_sleep(5, e))
			return false;
	if (!loop_sleep(1, e))
		return false;
	if (world.fails)
		return world.fails--, FAIL(e, ERR_NET, "test_net", "no answer");
	*result = json_object(env->arena);
	return true;
}

static bool send_probe(struct tool_env *env, const void *args __attribute__((unused)), enum tool_found *found,
	const cJSON **result, struct err *e)
{
	if (!loop_sleep(1, e))
		return false;
	*found = world.found == FOUND_UNKNOWN ? FOUND_UNKNOWN : world_has_key(env->idempotency_key) ? FOUND_DONE : FOUND_NOT_DONE;
	*result = json_object(env->arena);
	return true;
}

#define SEND(id, tool_name, policy) \
	static const struct tool id = { .name = tool_name, .text = "Sends.", .effect = TOOL_OUTSIDE, .unknown = policy, \
		.run = send_run, .probe = send_probe, .fields = what_fields, .args_size = sizeof(struct what_args) }
SEND(send_tell, "send_tell", UNKNOWN_TELL);
SEND(send_repeat, "send_repeat", UNKNOWN_REPEAT);
SEND(send_probed, "send_probed", UNKNOWN_PROBE);
SEND(send_human, "send_human", UNKNOWN_HUMAN);

#define TOOL(id, does, kind) \
	static const struct tool tool_##id = { .name = #id, .text = "Test.", .effect = kind, .run = does, .fields = what_fields, \
		.args_size = sizeof(struct what_args) }
TOOL(note, note_run, TOOL_WRITES);
TOOL(look, look_run, TOOL_READS);
TOOL(sleep, sleep_run, TOOL_READS);
TOOL(divide, divide_run, TOOL_WRITES);
TOOL(lose, lose_run, TOOL_WRITES);
TOOL(bug, bug_run, TOOL_READS);
TOOL(barrier, barrier_run, TOOL_OUTSIDE);
static const struct tool tool_careful = { .name = "careful", .text = "Test.", .effect = TOOL_WRITES, .run = note_run,
	.fields = what_fields, .args_size = sizeof(struct what_args), .approval = { .needed = true } };
struct task_args {
	const char *task;
};
static const struct field task_fields[] = {
	{ "task", FIELD_TEXT, offsetof(struct task_args, task), .required = true, .text = "What to do" },
	{ 0 },
};
static const struct tool tool_helper = { .name = "ask_helper", .text = "Test.", .effect = TOOL_AGENT, .agent = "helper",
	.fields = task_fields, .args_size = sizeof(struct task_args) };

/* ---- the agents ---- */

static const struct tool *const all_tools[] = { &tool_note, &tool_look, &tool_sleep, &tool_divide, &tool_lose, &tool_bug,
	&tool_barrier, &tool_careful, &tool_helper, &tool_ask_user, &send_tell, &send_repeat, &send_probed, &send_human, NULL };
static const struct agent agent_tester = { .type = "tester", .name = "tester", .text = "Tests.", .prompt = "You are the tester.",
	.tools = all_tools, .run = agent_loop };
static const struct agent agent_helper = { .type = "helper", .name = "helper", .text = "Helps.", .prompt = "You are the helper.",
	.tools = all_tools, .run = agent_loop };
static const struct agent *const agents[] = { &agent_helper, &agent_tester, NULL };

#define NOTES "create table public.notes (id serial, what text, request_id bigint); " \
	"grant select, insert on public.notes to drover_worker; grant usage on sequence public.notes_id_seq to drover_worker"

bool world_open(struct arena *a, const char *script, struct rig *r, struct err *e)
{
	memset(&world, 0, sizeof(world));
	if (!rig_open(a, script, r, e) || !pg_script(r->owner, a, NOTES, deadline_in(WORLD_MS), NULL, e))
		return false;
	r->config.agents = agents;
	r->config.backoff_base_ms = r->config.backoff_max_ms = 2;
	return true;
}

/* Serves one request to its end; the pool is stopped. */
int64_t world_serve(struct arena *a, struct rig *r, const char *request, const char *want, struct err *e)
{
	int64_t id = rig_ask(a, r, "tester", request);
	if (!CHECK(rig_start(r, e)))
		return 0;
	CHECK_EQ_S(rig_wait(a, r, id), want);
	CHECK(rig_stop(r, e));
	return id;
}

bool world_await(struct arena *a, struct rig *r, const char *sql, int64_t id, const char *want)
{
	struct err ignored = { 0 };
	for (int64_t end = clock_ms() + WORLD_MS; clock_ms() < end; loop_sleep(5, &ignored))
		if (strcmp(rig_sql(a, r, sql, id), want) == 0)
			return true;
	return CHECK_EQ_S(rig_sql(a, r, sql, id), want);
}

int64_t world_sent(const char *tool)
{
	int64_t n = 0;
	for (size_t i = 0; i < world.n; i++)
		n += strcmp(world.sent[i].tool, tool) == 0;
	return n;
}
