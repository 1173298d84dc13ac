/* SPDX-License-Identifier: MIT */
/* All calls of one turn: some at once, writes in their order; then what is left waits for people, or for children. */
#include "agents_sql.h"
#include "loop.h"
#include "tool_call_inner.h"

struct turn {
	struct agent_run *run;
	struct call *calls; /* in the model's order */
	size_t n;
	bool writing;       /* one at a time: the model ordered them */
};

/* ---- before they run ---- */

/* No model was asked in this attempt: another one left them open. */
static bool is_loaded(const struct agent_run *run)
{
	const struct model_usage *u = &run->usage;
	return u->input_tokens + u->output_tokens + u->cache_write_tokens + u->cache_read_tokens == 0;
}

static bool is_agent(const struct call *x)
{
	return !x->refusal && x->tool->effect == TOOL_AGENT;
}

static const char *task_of(const struct call *x)
{
	const char *task = json_text(x->block.input, "task");
	return task ? task : call_input(x);
}

static bool recall(struct turn *t, struct err *e)
{
	struct ledger *ledger;
	if (!is_loaded(t->run))
		return true;
	if (!ledger_load(t->run, &ledger, e))
		return false;
	for (size_t i = 0; i < t->n; i++) {
		struct call *x = &t->calls[i];
		x->known = ledger_of(ledger, x->block.tool_id);
		if (is_agent(x))
			x->known.child = ledger_take_child(ledger, x->tool->agent, task_of(x));
	}
	return true;
}

/* An agent that calls agents that call it would never end. */
static bool depth_check(struct turn *t, bool *too_deep, struct err *e)
{
	enum { DEEPEST = 4 };
	struct pg_rows rows;
	*too_deep = false;
	if (!t->run->is_child)
		return true;
	if (!conversation_ask(t->run, &sql_tool_depth, PG_ARGS(PG(t->run->request_id)), &rows, e))
		return false;
	*too_deep = pg_i64(&rows, 0, "depth") >= DEEPEST;
	return true;
}

static bool limit_children(struct turn *t, struct err *e)
{
	int64_t n = 0;
	bool too_deep = false;
	for (size_t i = 0; i < t->n; i++) {
		struct call *x = &t->calls[i];
		if (!is_agent(x) || x->known.child)
			continue;
		if (!n++ && !depth_check(t, &too_deep, e))
			return false;
		if (too_deep)
			x->refusal = "agents have called agents too deep already: do it yourself";
		else if (n > t->run->limits.children)
			x->refusal = arena_printf(t->run->arena, "at most %ld agents may be called in one turn (option "
				"limits.children)", (long)t->run->limits.children);
	}
	return true;
}

static bool prepare(struct turn *t, struct conversation *c, struct err *e)
{
	t->n = c->n_open;
	t->calls = arena_alloc(t->run->arena, t->n * sizeof(*t->calls));
	for (size_t i = 0; i < t->n; i++)
		if (!call_prepare(t->run, c, &c->open[i], &t->calls[i], e))
			return false;
	return recall(t, e) && limit_children(t, e);
}

/* ---- running ---- */

static bool writes(const struct call *x)
{
	return !x->refusal && x->tool->effect == TOOL_WRITES;
}

/* The first that may run now. Who finds none leaves: the fiber that writes comes back for the other writes. */
static struct call *take(struct turn *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct call *x = &t->calls[i];
		if (x->taken || (writes(x) && t->writing))
			continue;
		x->taken = true;
		t->writing |= writes(x);
		return x;
	}
	return NULL;
}

static bool run_some(void *turn, struct err *e)
{
	struct turn *t = turn;
	for (struct call *x; (x = take(t));) {
		if (!call_go(x, e))
			return false;
		t->writing &= !writes(x);
	}
	return true;
}

static bool run_all(struct turn *t, struct err *e)
{
	struct group g = { 0 };
	size_t fibers = MIN_OF(t->n, (size_t)MAX_OF(t->run->limits.parallel_tools, (int64_t)1));
	bool ok = true;
	if (fibers == 1)
		return run_some(t, e);
	for (size_t i = 0; ok && i < fibers; i++)
		ok = group_start(&g, "tools", run_some, t, e);
	struct err ended = { 0 };
	if (!ok)
		group_cancel(&g);
	bool waited = group_wait(&g, t->run->deadline, ok ? e : &ended);
	return ok && waited;
}

/* ---- what is left ---- */

static void collect_proposals(struct turn *t, struct agent_result *result)
{
	struct agent_proposal *all = arena_alloc(t->run->arena, t->n * sizeof(*all));
	int n = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->calls[i].asks.kind)
			all[n++] = t->calls[i].asks;
	if (n)
		*result = (struct agent_result){ .outcome = AGENT_ASKS, .proposals = all, .n_proposals = n };
}

static void collect_children(struct turn *t, struct agent_result *result)
{
	struct agent_child *all = arena_alloc(t->run->arena, t->n * sizeof(*all));
	int n = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->calls[i].spawns)
			all[n++] = (struct agent_child){ .type = t->calls[i].tool->agent, .request = task_of(&t->calls[i]) };
	if (n)
		*result = (struct agent_result){ .outcome = AGENT_WAITS, .children = all, .n_children = n };
}

bool tool_calls_run(struct agent_run *run, struct conversation *c, struct agent_result *result, struct err *e)
{
	struct turn t = { .run = run };
	*result = (struct agent_result){ .outcome = AGENT_DONE };
	if (!c->n_open)
		return true;
	if (!prepare(&t, c, e) || !run_all(&t, e))
		return false;
	collect_children(&t, result);
	collect_proposals(&t, result); /* people first: who is there now need not be waited for later */
	return true;
}
