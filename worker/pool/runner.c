/* SPDX-License-Identifier: MIT */
/* One request in one fiber: its place in the pool, its agent, its end. */
#include "clock.h"
#include "json.h"
#include "pool_inner.h"
#include "tracer.h"

/* ---- the run's place in the pool ---- */

void run_cancel(struct run *r)
{
	r->cancel_requested = true;
	if (r->task && !r->concluding)
		task_cancel(r->task); /* too late is too late: its end must be written, not interrupted */
}

void run_fence(struct run *r)
{
	r->fenced = true;
	if (r->task)
		task_cancel(r->task);
}

static void run_end(struct run *r)
{
	struct pool *p = r->pool;
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	run_table_remove(&p->by_id, r);
	r->ended = true;
	r->next = p->ended;
	p->ended = r;
	p->n_runs--;
	p->finished++;
	pool_wake_exchange(p);
	task_wake(p->server);
	if (!p->flushing)
		run_free_ended(p);
}

void run_free_ended(struct pool *p)
{
	for (struct run *r; (r = p->ended);) {
		p->ended = r->next;
		arena_free(r->arena);
	}
}

static const char *copy(struct arena *a, const char *text)
{
	return text ? arena_text(a, str_of(text)) : NULL;
}

static struct run *run_new(struct pool *p, const struct queue_request *q)
{
	struct arena *a = arena_new();
	struct run *r = arena_alloc(a, sizeof(*r));
	*r = (struct run){ .pool = p, .arena = a, .request = *q, .agent_name = "drover" };
	r->request.type = copy(a, q->type);
	r->request.request = copy(a, q->request);
	r->request.context = copy(a, q->context);
	r->request.session_id = copy(a, q->session_id);
	r->request.user_id = copy(a, q->user_id);
	r->request.workspace_id = copy(a, q->workspace_id);
	r->generation = generation_enter(p, a);
	r->models = p->models;
	r->thoughts = thoughts_new(a, q->last_seq, &p->config->thoughts);
	r->next = p->runs;
	r->link = &p->runs;
	if (p->runs)
		p->runs->link = &r->next;
	p->runs = r;
	if (p->n_runs++ == 0)
		pool_lanes_wake(p);
	run_table_add(&p->by_id, r);
	thoughts_watch(r->thoughts, &p->thinking, r);
	return r;
}

/* ---- running the agent ---- */

static bool fail_unknown(struct run *r, struct err *e)
{
	const char *known = "";
	for (const struct agent *const *agent = r->generation->agents; *agent; agent++)
		known = arena_printf(r->arena, "%s%s%s", known, known[0] ? ", " : "", (*agent)->type);
	return FAIL(e, ERR_INPUT, "unknown_agent", "unknown type \"%s\"; known are: %s", r->request.type, known);
}

static struct agent_limits limits_of(const struct agent *agent, const struct agent_limits *d)
{
	const struct agent_limits *own = &agent->limits;
	return (struct agent_limits){
		.turns = own->turns ? own->turns : d->turns,
		.tool_calls = own->tool_calls ? own->tool_calls : d->tool_calls,
		.turn_tools = own->turn_tools ? own->turn_tools : d->turn_tools,
		.parallel_tools = own->parallel_tools ? own->parallel_tools : d->parallel_tools,
		.repeats = own->repeats ? own->repeats : d->repeats,
		.history = own->history ? own->history : d->history,
		.expire_ms = own->expire_ms ? own->expire_ms : d->expire_ms,
		.run_ms = own->run_ms ? own->run_ms : d->run_ms,
		.tool_ms = own->tool_ms ? own->tool_ms : d->tool_ms,
		.children = own->children ? own->children : d->children,
		.result_bytes = own->result_bytes ? own->result_bytes : d->result_bytes,
	};
}

static const cJSON *definitions_of(const struct generation *g, const struct agent *agent)
{
	size_t i = 0;
	while (g->agents[i] != agent)
		i++;
	return g->definitions[i];
}

static struct agent_run agent_run_of(struct run *r, const struct agent *agent)
{
	const struct queue_request *q = &r->request;
	struct agent_limits limits = limits_of(agent, &r->pool->config->limits);
	return (struct agent_run){
		.agent = agent,
		.agents = r->generation->agents,
		.definitions = definitions_of(r->generation, agent),
		.arena = r->arena,
		.db = r->pool->db,
		.models = &r->models,
		.thoughts = r->thoughts,
		.budgets = &r->pool->budgets,
		.stats = r->pool->stats,
		.limits = limits,
		.deadline = deadline_in(limits.run_ms),
		.request_id = q->id,
		.version = q->version,
		.attempt = q->attempt,
		.is_child = q->is_child,
		.dry_run = q->dry_run,
		.session_id = q->session_id,
		.user_id = q->user_id,
		.workspace_id = q->workspace_id,
		.request = q->request,
	};
}

/* The spans of the attempt and of its agent; those of turns and calls are below them. */
static bool agent_run_traced(struct run *r, struct agent_run *ar, struct agent_result *result, struct err *e)
{
	const struct queue_request *q = &r->request;
	struct span whole, agent;
	span_begin_run(&whole, r->pool->tracer, q->session_id, q->id, q->attempt, q->version,
		json_text(ar->context, "traceparent"));
	span_begin(&agent, &whole, SPAN_INTERNAL, "invoke_agent %s", r->agent_name);
	span_text(&agent, SPAN_OPERATION, "invoke_agent");
	span_text(&agent, SPAN_AGENT_NAME, r->agent_name);
	span_text(&agent, SPAN_CONVERSATION, q->session_id);
	ar->span = &agent;
	bool ok = ar->agent->run(ar, result, e);
	ar->span = NULL;
	span_end(&agent, ok ? NULL : e);
	span_end(&whole, ok ? NULL : e);
	return ok;
}

static bool run_agent(struct run *r, struct agent_run *ar, struct agent_result *result, struct err *e)
{
	const struct agent *agent = agent_find(r->generation->agents, r->request.type);
	if (!agent)
		return fail_unknown(r, e);
	r->agent_name = agent->name;
	task_context_set(r->request.id, r->request.session_id, agent->name);
	*ar = agent_run_of(r, agent);
	r->quiet = agent->quiet;
	if (!r->quiet)
		thought_add(r->thoughts, THOUGHT_STATUS, r->request.resumed ? "goes on: what it waited for has come"
			: arena_printf(r->arena, "attempt %d", r->request.attempt), NULL);
	ar->context = json_parse(r->arena, str_of(r->request.context), e);
	if (!ar->context) {
		e->code = "bad_context";
		return err_prefix(e, "context: ");
	}
	if (agent_run_traced(r, ar, result, e))
		return true;
	if (e->kind == ERR_TIMEOUT && ar->deadline != NEVER_MS && clock_ms() >= ar->deadline)
		return FAIL(e, ERR_TIMEOUT, "run_timeout", "no end within %ld s (option limits.run_time)", (long)ar->limits.run_ms / 1000);
	return false;
}

/* ---- the fiber ---- */

static bool run_body(void *arg, struct err *e)
{
	struct run *r = arg;
	struct agent_run *ar = arena_alloc(r->arena, sizeof(*ar));
	struct agent_result *result = arena_alloc(r->arena, sizeof(*result));
	r->task = task_self();
	task_context_set(r->request.id, r->request.session_id, NULL);
	if (r->pool->stopping || r->cancel_requested || r->fenced)
		task_cancel(r->task); /* told before it began */
	bool ok = run_agent(r, ar, result, e);
	run_conclude(r, ok, ar, result, e);
	r->task = NULL;
	run_end(r);
	return true;
}

bool run_start(struct pool *p, const struct queue_request *request, struct err *e)
{
	struct run *r = run_new(p, request);
	const char *name = arena_printf(r->arena, "request %ld %s", (long)request->id, request->type);
	if (group_start(&p->running, name, run_body, r, e))
		return true;
	run_give_back(r);
	run_end(r);
	return false;
}
