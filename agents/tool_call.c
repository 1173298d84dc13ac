/* SPDX-License-Identifier: MIT */
#include "tool_call.h"
#include "agents_sql.h"
#include "clock.h"
#include "loop.h"

const cJSON *tool_definitions(struct arena *a, const struct tool *const *tools)
{
	static const struct field nothing[] = { { 0 } };
	cJSON *all = json_array(a);
	for (; *tools; tools++) {
		cJSON *one = json_add_object(all);
		json_put_text(one, "name", (*tools)->name);
		json_put_text(one, "description", (*tools)->text);
		json_put_copy(one, "input_schema", field_schema(a, (*tools)->fields ? (*tools)->fields : nothing));
	}
	return all;
}

/* One call on its way. */
struct execution {
	struct agent_run *run;
	struct conversation *c;
	const struct model_block *call;
	const struct tool *tool;
	void *args;
	struct tool_env env;
	int64_t began;
};

/* ---- answers ---- */

static const char *error_json(struct arena *a, const char *message)
{
	cJSON *object = json_object(a);
	json_put_text(object, "error", message);
	return json_print(a, object);
}

/* What is too long for the model is cut, and says so: an answer that looks whole must be whole. */
static const char *output_json(struct execution *x, const cJSON *result)
{
	struct arena *a = x->run->arena;
	const char *whole = json_print(a, result);
	struct str s = str_of(whole);
	size_t most = x->run->limits.result_bytes;
	if (s.n <= most)
		return whole;
	cJSON *object = json_object(a);
	json_put_text(object, "cut", arena_printf(a, "the result has %zu bytes, shown are %zu: ask for less", s.n, most));
	json_put_str(object, "beginning", (struct str){ s.p, utf8_cut(s, most) });
	return json_print(a, object);
}

static struct tool_answer answer_of(struct execution *x, const char *output, const char *status)
{
	return (struct tool_answer){ x->call, output, status, clock_ms() - x->began };
}

static bool refuse(struct execution *x, const char *why, struct err *e)
{
	struct tool_answer answer = answer_of(x, error_json(x->run->arena, why), "refused");
	return conversation_answer(x->run, x->c, &answer, e);
}

/* ---- checks ---- */

static const struct tool *find(const struct tool *const *tools, const char *name)
{
	for (; *tools; tools++)
		if (strcmp((*tools)->name, name) == 0)
			return *tools;
	return NULL;
}

static const char *names(struct arena *a, const struct tool *const *tools)
{
	const char *all = "";
	for (; *tools; tools++)
		all = arena_printf(a, "%s%s%s", all, all[0] ? ", " : "", (*tools)->name);
	return all;
}

/* Why the call cannot run, or NULL when x is ready. */
static const char *check(struct execution *x)
{
	struct arena *a = x->run->arena;
	struct err e = { 0 };
	x->tool = find(x->run->agent->tools, x->call->tool_name);
	if (!x->tool)
		return arena_printf(a, "unknown tool %s; known are: %s", x->call->tool_name, names(a, x->run->agent->tools));
	if (!x->call->input)
		return x->call->input_error;
	x->args = arena_alloc(a, x->tool->args_size + 1);
	if (x->tool->fields && !field_read(a, x->tool->fields, x->call->input, x->args, &e))
		return arena_text(a, str_of(e.msg));
	return NULL;
}

/* ---- running ---- */

static const char *claims_of(struct agent_run *run)
{
	if (!run->user_id)
		return "";
	cJSON *claims = json_object(run->arena);
	json_put_text(claims, "sub", run->user_id);
	json_put_text(claims, "role", "authenticated");
	return json_print(run->arena, claims);
}

static bool begin(struct execution *x, struct err *e)
{
	struct pg_args claims = PG_ARGS(PG(claims_of(x->run)));
	struct pg_step steps[] = { conversation_fence(x->env.arena, x->run), { &sql_run_claims, claims, NULL } };
	return pg_begin(x->env.db, x->env.arena, steps, COUNT(steps), x->env.deadline, e);
}

static bool commit(struct execution *x, const cJSON *result, struct err *e)
{
	struct pg_step steps[2];
	struct tool_answer answer = answer_of(x, output_json(x, result), "done");
	size_t n = conversation_answer_steps(x->env.arena, x->run, x->c, &answer, steps);
	if (!pg_commit(x->env.db, x->env.arena, steps, n, x->run->deadline, e))
		return false;
	conversation_answered(x->run, x->c, &answer);
	return true;
}

/* The effect is undone; what would have been said is said. */
static bool undo_and_tell(struct execution *x, const char *output, const char *status, struct err *e)
{
	if (!pg_rollback(x->env.db, x->run->deadline, e))
		return false;
	pg_put(x->run->db, x->env.db);
	x->env.db = NULL;
	struct tool_answer answer = answer_of(x, output, status);
	return conversation_answer(x->run, x->c, &answer, e);
}

/* A constraint that is only checked at COMMIT refuses there; the model can mend that as well. */
static bool is_for_the_model(const struct err *e)
{
	return e->kind == ERR_INPUT;
}

static bool execute(struct execution *x, struct err *e)
{
	const cJSON *result = NULL;
	struct arena *a = x->run->arena;
	if (!begin(x, e))
		return false;
	bool ran = x->tool->run(&x->env, x->args, &result, e);
	if (ran && x->run->dry_run)
		return undo_and_tell(x, output_json(x, result), "dry_run", e);
	if (ran && commit(x, result, e))
		return true;
	if (!is_for_the_model(e))
		return err_prefix(e, "tool %s: ", x->tool->name);
	return undo_and_tell(x, error_json(a, e->msg), "refused", e);
}

static void call_log(struct agent_run *run, const struct model_block *call)
{
	cJSON *data = json_object(run->arena);
	json_put_text(data, "id", call->tool_id);
	json_put_text(data, "tool", call->tool_name);
	json_put_copy(data, "input", call->input);
	thought_add(run->thoughts, THOUGHT_TOOL_CALL, call->tool_name, json_print(run->arena, data));
}

bool tool_call_run(struct agent_run *run, struct conversation *c, const struct model_block *open_call, struct err *e)
{
	struct model_block call = *open_call; /* its place in the conversation moves when it is answered */
	struct execution x = { .run = run, .c = c, .call = &call, .began = clock_ms() };
	call_log(run, &call);
	const char *why_not = check(&x);
	if (why_not)
		return refuse(&x, why_not, e);
	ARENA_SCOPE(tmp);
	x.env = (struct tool_env){ .arena = tmp, .deadline = deadline_first(run->deadline, deadline_in(run->limits.tool_ms)),
		.request_id = run->request_id, .session_id = run->session_id, .user_id = run->user_id,
		.workspace_id = run->workspace_id };
	x.env.db = pg_get(run->db, run->deadline, e);
	bool ok = x.env.db && execute(&x, e);
	pg_put(run->db, x.env.db);
	return ok;
}

bool tool_calls_run(struct agent_run *run, struct conversation *c, struct agent_result *result, struct err *e)
{
	*result = (struct agent_result){ .outcome = AGENT_DONE };
	while (c->n_open)
		if (!tool_call_run(run, c, &c->open[0], e))
			return false;
	return true;
}
