/* SPDX-License-Identifier: MIT */
/* One call: checked, allowed, run under fence and claims, answered. */
#include "agents_sql.h"
#include "clock.h"
#include "loop.h"
#include "tool_call_inner.h"

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

/* ---- answers ---- */

static const char *error_json(struct arena *a, const char *message)
{
	cJSON *object = json_object(a);
	json_put_text(object, "error", message);
	return json_print(a, object);
}

/* An answer that looks whole must be whole. */
const char *call_output(struct call *x, const cJSON *result)
{
	struct arena *a = x->run->arena;
	const char *whole = json_print(a, result);
	struct str s = str_of(whole);
	size_t most = x->run->limits.result_bytes;
	if (s.n <= most)
		return whole;
	cJSON *object = json_object(a);
	const cJSON *child = json_get(result, "child"); /* by this the ledger knows that it was told */
	if (child)
		json_put_copy(object, "child", child);
	json_put_text(object, "cut", arena_printf(a, "the result has %zu bytes, shown are %zu: ask for less", s.n, most));
	json_put_str(object, "beginning", (struct str){ s.p, utf8_cut(s, most) });
	return json_print(a, object);
}

const char *call_input(const struct call *x)
{
	return x->block.input ? json_print(x->run->arena, x->block.input) : NULL;
}

void call_log(struct call *x)
{
	if (x->told)
		return;
	x->told = true;
	cJSON *data = json_object(x->run->arena);
	json_put_text(data, "id", x->block.tool_id);
	json_put_text(data, "tool", x->block.tool_name);
	json_put_copy(data, "input", x->block.input);
	thought_add(x->run->thoughts, THOUGHT_TOOL_CALL, x->block.tool_name, json_print(x->run->arena, data));
}

static struct tool_answer answer_of(struct call *x, const char *output, const char *status)
{
	return (struct tool_answer){ &x->block, output, status, clock_ms() - x->began };
}

bool call_answer(struct call *x, const char *output, const char *status, struct err *e)
{
	struct tool_answer answer = answer_of(x, output, status);
	call_log(x);
	return conversation_answer(x->run, x->c, &answer, e);
}

bool call_tell(struct call *x, const char *why, const char *status, struct err *e)
{
	return call_answer(x, error_json(x->run->arena, why), status, e);
}

bool call_refuse(struct call *x, const char *why, struct err *e)
{
	return call_tell(x, why, "refused", e);
}

bool call_denied(struct call *x, const struct ledger_decision *d, struct err *e)
{
	struct arena *a = x->run->arena;
	bool rejected = strcmp(d->status, "rejected") == 0;
	const char *note = d->note ? arena_printf(a, ": %s", d->note) : "";
	return rejected ? call_tell(x, arena_printf(a, "not done, a person said no%s", note), "rejected", e)
			: call_tell(x, "not done, nobody answered in time", "expired", e);
}

static bool is_for_the_model(const struct err *e)
{
	return e->kind == ERR_INPUT;
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
static const char *check(struct call *x)
{
	static const struct tool *const none[] = { NULL };
	struct arena *a = x->run->arena;
	const struct tool *const *tools = x->run->agent->tools ? x->run->agent->tools : none;
	struct err e = { 0 };
	x->tool = find(tools, x->block.tool_name);
	if (!x->tool)
		return arena_printf(a, "unknown tool %s; known are: %s", x->block.tool_name, names(a, tools));
	if (!x->block.input)
		return x->block.input_error;
	const char *twice = json_twice(a, x->block.input);
	if (twice) /* else people could be shown the one, and the other be run */
		return arena_printf(a, "%s: given twice", twice);
	x->args = arena_alloc(a, x->tool->args_size + 1);
	if (x->tool->fields && !field_read(a, x->tool->fields, x->block.input, x->args, &e))
		return arena_text(a, str_of(e.msg));
	return NULL;
}

static uint64_t mark_of(struct model_block *b)
{
	ARENA_SCOPE(tmp);
	if (b->input && !b->input_mark)
		b->input_mark = json_mark(tmp, b->input);
	return b->input_mark;
}

/* The order of an object's members makes no difference. By marks: to compare members takes the square of their number. */
static bool same(struct model_block *x, struct model_block *y)
{
	return strcmp(x->tool_name, y->tool_name) == 0 && mark_of(x) == mark_of(y);
}

/* The how manieth of its like in this request it is. */
static int64_t count_same(struct call *x)
{
	int64_t n = 0;
	for (int64_t i = 0; i < x->c->tool_calls; i++) {
		n += same(&x->c->calls[i], &x->block);
		if (strcmp(x->c->calls[i].tool_id, x->block.tool_id) == 0)
			break;
	}
	return n;
}

static bool check_repeats(struct call *x, struct err *e)
{
	int64_t n = count_same(x), most = x->run->limits.repeats;
	if (n > 2 * most)
		return FAIL(e, ERR_INPUT, "tool_loop", "the model called %s with the same arguments %ld times, and did not "
			"stop when it was told to after %ld (option limits.repeats)", x->block.tool_name, (long)n, (long)most);
	if (n > most && !x->refusal)
		x->refusal = arena_printf(x->run->arena, "this is call number %ld of %s with the same arguments, more than %ld "
			"are not run: use the answers that you have, or do something else", (long)n,
			x->block.tool_name, (long)most);
	return true;
}

bool call_prepare(struct agent_run *run, struct conversation *c, const struct model_block *block, struct call *x,
	struct err *e)
{
	*x = (struct call){ .run = run, .c = c, .block = *block, .began = clock_ms() };
	x->env = (struct tool_env){ .request_id = run->request_id, .session_id = run->session_id, .user_id = run->user_id,
		.workspace_id = run->workspace_id };
	x->refusal = check(x);
	x->env.tool = x->tool;
	return check_repeats(x, e);
}

/* ---- within its time ---- */

/* A call of a tool's function, in a fiber of its own: the only way to leave one that does not return. */
struct bounded {
	struct call *x;
	enum tool_found *found; /* NULL = run, else probe */
	const cJSON **result;
};

static bool bounded_body(void *arg, struct err *e)
{
	struct bounded *b = arg;
	const struct tool *tool = b->x->tool;
	return b->found ? tool->probe(&b->x->env, b->x->args, b->found, b->result, e)
			: tool->run(&b->x->env, b->x->args, b->result, e);
}

static bool bounded_run(struct bounded *b, struct err *e)
{
	struct call *x = b->x;
	struct group g = { 0 };
	if (group_start(&g, x->tool->name, bounded_body, b, e) && group_wait(&g, x->env.deadline, e))
		return true;
	bool own = x->run->deadline == NEVER_MS || clock_ms() < x->run->deadline;
	if (e->kind == ERR_TIMEOUT && own && clock_ms() >= x->env.deadline)
		FAIL(e, ERR_TIMEOUT, "tool_timeout", "no end within %ld ms (option limits.tool_time)",
			(long)x->run->limits.tool_ms);
	return false;
}

static void time_begins(struct call *x)
{
	x->env.deadline = deadline_first(x->run->deadline, deadline_in(x->run->limits.tool_ms));
}

bool call_bounded(struct call *x, const cJSON **result, struct err *e)
{
	return bounded_run(&(struct bounded){ x, NULL, result }, e);
}

bool call_probe(struct call *x, enum tool_found *found, const cJSON **result, struct err *e)
{
	time_begins(x);
	return bounded_run(&(struct bounded){ x, found, result }, e);
}

/* ---- tools of the database ---- */

static const char *claims_of(struct agent_run *run)
{
	if (!run->user_id)
		return "";
	cJSON *claims = json_object(run->arena);
	json_put_text(claims, "sub", run->user_id);
	json_put_text(claims, "role", "authenticated");
	return json_print(run->arena, claims);
}

size_t call_approval_step(struct call *x, struct arena *a, struct pg_step *steps)
{
	const char *decided = x->known.approval.status;
	if (!x->tool->approval.needed || x->run->dry_run || !decided || strcmp(decided, "approved") != 0)
		return 0; /* it is only tried, to be shown */
	const struct pg_arg args[] = { PG(x->run->request_id), PG(x->block.tool_id), PG(x->block.tool_name),
		PG(call_input(x)) };
	struct pg_arg *v = arena_alloc(a, sizeof(args));
	memcpy(v, args, sizeof(args));
	steps[0] = (struct pg_step){ &sql_tool_approved, { v, COUNT(args) }, NULL };
	return 1;
}

static bool begin(struct call *x, struct err *e)
{
	time_begins(x);
	const char *ms = arena_printf(x->env.arena, "%ld", (long)MAX_OF(x->env.deadline - clock_ms(), (int64_t)1));
	struct pg_args claims = PG_ARGS(PG(claims_of(x->run)), PG(ms));
	struct pg_step steps[3] = { conversation_fence(x->env.arena, x->run), { &sql_run_claims, claims, NULL } };
	size_t n = 2 + call_approval_step(x, x->env.arena, steps + 2);
	return pg_begin(x->env.db, x->env.arena, steps, n, x->env.deadline, e);
}

static bool commit(struct call *x, const cJSON *result, struct err *e)
{
	struct pg_step steps[2];
	struct tool_answer answer = answer_of(x, call_output(x, result), "done");
	size_t n = conversation_answer_steps(x->env.arena, x->run, x->c, &answer, steps);
	if (!pg_commit(x->env.db, x->env.arena, steps, n, x->run->deadline, e))
		return false;
	conversation_answered(x->run, x->c, &answer);
	return true;
}

/* The effect is undone; the connection goes back before another is asked for. */
static bool undo(struct call *x, struct err *e)
{
	if (!pg_rollback(x->env.db, x->run->deadline, e))
		return false;
	pg_put(x->run->db, x->env.db);
	x->env.db = NULL;
	return true;
}

/* What the model can mend goes to it; a constraint that is only checked at COMMIT refuses there. */
static bool refuse_or_fail(struct call *x, struct err *e)
{
	if (!is_for_the_model(e))
		return err_prefix(e, "tool %s: ", x->tool->name);
	const char *why = arena_text(x->run->arena, str_of(e->msg));
	return undo(x, e) && call_refuse(x, why, e);
}

static bool execute(struct call *x, struct err *e)
{
	const cJSON *result = NULL;
	call_log(x);
	if (!begin(x, e) || !call_bounded(x, &result, e))
		return refuse_or_fail(x, e);
	if (!x->run->dry_run)
		return commit(x, result, e) || refuse_or_fail(x, e);
	const char *output = call_output(x, result);
	return undo(x, e) && call_answer(x, output, "dry_run", e);
}

/* What it would do, tried and undone. A refusal is the answer: nobody is asked for what cannot be. */
static bool preview(struct call *x, struct err *e)
{
	const cJSON *result = NULL;
	if (!begin(x, e) || !call_bounded(x, &result, e))
		return refuse_or_fail(x, e);
	call_ask(x, "approval", call_output(x, result), x->tool->approval.why);
	return undo(x, e);
}

/* With a connection, and memory that ends with the call. */
static bool in_database(struct call *x, bool (*body)(struct call *x, struct err *e), struct err *e)
{
	ARENA_SCOPE(tmp);
	x->env.arena = tmp;
	x->env.db = pg_get(x->run->db, x->run->deadline, e);
	bool ok = x->env.db && body(x, e);
	pg_put(x->run->db, x->env.db);
	x->env.db = NULL;
	return ok;
}

static bool call_in_database(struct call *x, struct err *e)
{
	return in_database(x, execute, e);
}

/* ---- people and children ---- */

void call_ask(struct call *x, const char *kind, const char *preview_json, const char *text)
{
	const struct tool_approval *approval = &x->tool->approval;
	x->asks = (struct agent_proposal){ .tool_call_id = x->block.tool_id, .tool_name = x->block.tool_name, .kind = kind,
		.input = call_input(x), .preview = preview_json, .text = text ? text : "",
		.not_requester = approval->needed && approval->not_requester,
		.expire_ms = approval->expire_ms ? approval->expire_ms : x->run->limits.expire_ms };
}

/* Nobody was asked, or has decided; a cancelled one is asked again when its request is run again. */
static bool is_undecided(const struct ledger_decision *d)
{
	return !d->status || strcmp(d->status, "open") == 0 || strcmp(d->status, "cancelled") == 0;
}

static bool ask_approval(struct call *x, struct err *e)
{
	if (x->tool->effect == TOOL_WRITES)
		return in_database(x, preview, e);
	call_ask(x, "approval", NULL, x->tool->approval.why);
	return true;
}

static bool would_have(struct call *x, const char *what, struct err *e)
{
	cJSON *object = json_object(x->run->arena);
	json_put_text(object, "dry_run", arena_printf(x->run->arena, "would have %s", what));
	json_put_copy(object, "input", x->block.input);
	return call_answer(x, call_output(x, object), "dry_run", e);
}

static bool call_question(struct call *x, struct err *e)
{
	const struct ledger_decision *d = &x->known.question;
	const char *question = json_text(x->block.input, "question");
	if (x->run->dry_run)
		return would_have(x, "asked the user", e);
	if (is_undecided(d)) {
		call_ask(x, "question", NULL, question ? question : x->block.tool_name);
		return true;
	}
	if (strcmp(d->status, "answered") != 0)
		return call_denied(x, d, e);
	cJSON *object = json_object(x->run->arena);
	json_put_text(object, "answer", d->answer);
	return call_answer(x, call_output(x, object), "done", e);
}

static bool call_child(struct call *x, struct err *e)
{
	const cJSON *child = x->known.child;
	struct pg_step approved;
	x->spawns = !child;
	if (child) /* its failure is for the model to mend, as a refusal is */
		return call_answer(x, call_output(x, child), json_get(child, "error") ? "refused" : "done", e);
	if (!call_approval_step(x, x->run->arena, &approved) ||
		conversation_ask(x->run, approved.q, approved.args, NULL, e))
		return true;
	x->spawns = false;
	return is_for_the_model(e) && call_refuse(x, arena_text(x->run->arena, str_of(e->msg)), e);
}

static bool call_outside_or_dry(struct call *x, struct err *e)
{
	return x->run->dry_run ? would_have(x, arena_printf(x->run->arena, "called %s", x->tool->name), e)
		: call_outside(x, e);
}

static bool go(struct call *x, struct err *e)
{
	static bool (*const ways[])(struct call *x, struct err *e) = {
		[TOOL_READS] = call_in_database, [TOOL_WRITES] = call_in_database, [TOOL_OUTSIDE] = call_outside_or_dry,
		[TOOL_AGENT] = call_child, [TOOL_QUESTION] = call_question,
	};
	const struct ledger_decision *approval = &x->known.approval;
	x->began = clock_ms();
	if (x->refusal)
		return call_refuse(x, x->refusal, e);
	if (x->tool->approval.needed && !x->run->dry_run) {
		if (is_undecided(approval))
			return ask_approval(x, e);
		if (strcmp(approval->status, "approved") != 0)
			return call_denied(x, approval, e);
	}
	return ways[x->tool->effect](x, e);
}

bool call_go(struct call *x, struct err *e)
{
	struct span s;
	span_begin(&s, x->run->span, SPAN_INTERNAL, "execute_tool %s", x->block.tool_name);
	span_text(&s, SPAN_OPERATION, "execute_tool");
	span_text(&s, SPAN_TOOL_NAME, x->block.tool_name);
	span_text(&s, SPAN_TOOL_CALL, x->block.tool_id);
	bool ok = go(x, e);
	span_end(&s, ok ? NULL : e);
	return ok;
}

bool tool_call_run(struct agent_run *run, struct conversation *c, const struct model_block *open_call, struct err *e)
{
	struct call x;
	if (!call_prepare(run, c, open_call, &x, e) || !call_go(&x, e))
		return false;
	if (x.asks.kind || x.spawns)
		return FAIL(e, ERR_BUG, "tool_waits", "tool %s waits for people or a child: tool_calls_run", x.tool->name);
	return true;
}
