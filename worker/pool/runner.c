/* SPDX-License-Identifier: MIT */
/* One request in one fiber: run its agent, then write its fate. */
#include "clock.h"
#include "fate.h"
#include "json.h"
#include "pool_inner.h"

/* ---- the run's place in the pool ---- */

struct run *run_find(struct pool *p, int64_t request_id)
{
	struct run *r = p->runs;
	while (r && r->request.id != request_id)
		r = r->next;
	return r;
}

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
	r->ended = true;
	r->next = p->ended;
	p->ended = r;
	p->n_runs--;
	p->finished++;
	pool_wake_claimer(p);
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
	r->thoughts = thoughts_new(a, q->last_seq, &p->config->thoughts);
	r->next = p->runs;
	r->link = &p->runs;
	if (p->runs)
		p->runs->link = &r->next;
	p->runs = r;
	if (p->n_runs++ == 0)
		task_wake(p->flusher);
	return r;
}

/* ---- running the agent ---- */

static bool fail_unknown(struct run *r, struct err *e)
{
	const char *known = "";
	for (const struct agent *const *agent = r->pool->config->agents; *agent; agent++)
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
		.run_ms = own->run_ms ? own->run_ms : d->run_ms,
		.tool_ms = own->tool_ms ? own->tool_ms : d->tool_ms,
		.children = own->children ? own->children : d->children,
		.result_bytes = own->result_bytes ? own->result_bytes : d->result_bytes,
	};
}

static const cJSON *definitions_of(const struct pool *p, const struct agent *agent)
{
	size_t i = 0;
	while (p->config->agents[i] != agent)
		i++;
	return p->definitions[i];
}

static struct agent_run agent_run_of(struct run *r, const struct agent *agent)
{
	const struct queue_request *q = &r->request;
	struct agent_limits limits = limits_of(agent, &r->pool->config->limits);
	return (struct agent_run){
		.agent = agent,
		.agents = r->pool->config->agents,
		.definitions = definitions_of(r->pool, agent),
		.arena = r->arena,
		.db = r->pool->db,
		.model = &r->pool->model,
		.thoughts = r->thoughts,
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

static bool run_agent(struct run *r, struct agent_run *ar, struct agent_result *result, struct err *e)
{
	const struct agent *agent = agent_find(r->pool->config->agents, r->request.type);
	if (!agent)
		return fail_unknown(r, e);
	r->agent_name = agent->name;
	task_context_set(r->request.id, agent->name);
	*ar = agent_run_of(r, agent);
	thought_add(r->thoughts, THOUGHT_STATUS, r->request.resumed ? "goes on: its agents have ended"
		: arena_printf(r->arena, "attempt %d", r->request.attempt), NULL);
	ar->context = json_parse(r->arena, str_of(r->request.context), e);
	if (!ar->context) {
		e->code = "bad_context";
		return err_prefix(e, "context: ");
	}
	if (agent->run(ar, result, e))
		return true;
	if (e->kind == ERR_TIMEOUT && ar->deadline != NEVER_MS && clock_ms() >= ar->deadline)
		return FAIL(e, ERR_TIMEOUT, "run_timeout", "no end within %ld s (option limits.run_time)", (long)ar->limits.run_ms / 1000);
	return false;
}

/* ---- writing the fate ---- */

/* What the transaction at the end does beside the log rows. */
struct outcome {
	enum { END_FINISH, END_RELEASE, END_RETRY, END_WAIT, END_NOTHING } kind;
	struct queue_end end;
	int64_t wait_ms;
	const char *children;
	struct queue_tokens tokens;
	struct err why;
};

static const char *code_json(struct run *r, const char *code)
{
	cJSON *data = json_object(r->arena);
	json_put_text(data, "code", code);
	return json_print(r->arena, data);
}

static void end_failed(struct run *r, const char *phase, struct outcome *o)
{
	thought_add(r->thoughts, THOUGHT_ERROR, o->why.msg, code_json(r, o->why.code));
	o->kind = END_FINISH;
	o->end = (struct queue_end){ .phase = phase, .error = o->why.msg, .error_code = o->why.code, .agent = r->agent_name };
}

static void end_retry(struct run *r, struct outcome *o)
{
	const struct pool_config *c = r->pool->config;
	if (r->request.attempt >= c->max_attempts) {
		err_prefix(&o->why, "attempt %d of %d: ", r->request.attempt, c->max_attempts);
		end_failed(r, "failed", o);
		return;
	}
	o->kind = END_RETRY;
	o->wait_ms = backoff_ms(r->request.attempt, c->backoff_base_ms, c->backoff_max_ms, o->why.retry_after_ms, drand48());
	thought_add(r->thoughts, THOUGHT_STATUS, arena_printf(r->arena, "attempt %d failed: %s; next in %ld ms",
		r->request.attempt, o->why.msg, (long)o->wait_ms), code_json(r, o->why.code));
}

static void decide_failure(struct run *r, struct outcome *o)
{
	enum fate fate = fate_of(o->why.kind);
	if (r->fenced || fate == FATE_ABANDON) {
		o->kind = END_NOTHING;
	} else if (r->cancel_requested) {
		FAIL(&o->why, ERR_CANCELLED, "cancelled", "cancelled");
		end_failed(r, "cancelled", o);
	} else if (fate == FATE_RELEASE) {
		o->kind = END_RELEASE;
		thought_add(r->thoughts, THOUGHT_STATUS, "released: its worker is stopping", NULL);
	} else if (fate == FATE_RETRY) {
		end_retry(r, o);
	} else {
		end_failed(r, "failed", o);
	}
}

static const char *children_json(struct run *r, const struct agent_result *result)
{
	cJSON *all = json_array(r->arena);
	for (int i = 0; i < result->n_children; i++) {
		const struct agent_child *child = &result->children[i];
		const int64_t *after = child->after.items;
		cJSON *one = json_add_object(all);
		json_put_text(one, "type", child->type);
		json_put_text(one, "request", child->request);
		cJSON *numbers = json_put_array(one, "after");
		for (size_t n = 0; n < child->after.n; n++)
			json_add_raw(numbers, arena_printf(r->arena, "%ld", (long)after[n]));
	}
	return json_print(r->arena, all);
}

static void decide_success(struct run *r, const struct agent_result *result, struct outcome *o)
{
	if (result->outcome == AGENT_WAITS) {
		o->kind = END_WAIT;
		o->children = children_json(r, result);
		thought_add(r->thoughts, THOUGHT_STATUS, arena_printf(r->arena, "waiting for %d agent%s", result->n_children,
			result->n_children == 1 ? "" : "s"), NULL);
		return;
	}
	o->kind = END_FINISH;
	o->end = (struct queue_end){ .completed = true, .phase = "completed", .result = result->json, .agent = r->agent_name };
	thought_add(r->thoughts, THOUGHT_COMPLETE, result->message, arena_printf(r->arena, "{\"result\":%s}", result->json));
}

static bool write_outcome(struct run *r, struct pg *db, struct arena *a, const struct outcome *o, struct err *e)
{
	struct log_batch *rows = log_batch_new(a);
	int64_t deadline = deadline_in(SHORT_MS);
	run_rows(r, rows);
	switch (o->kind) {
	case END_FINISH:
		return queue_finish(db, a, &r->request, &o->end, &o->tokens, rows, deadline, e);
	case END_RELEASE:
		return queue_release(db, a, &r->request, &o->tokens, rows, deadline, e);
	case END_RETRY:
		return queue_retry_later(db, a, &r->request, o->wait_ms, &o->why, &o->tokens, rows, deadline, e);
	case END_WAIT:
		return queue_wait_for_children(db, a, &r->request, o->children, r->agent_name, &o->tokens, rows, deadline, e);
	case END_NOTHING:
		break;
	}
	return true;
}

static bool write_once(struct run *r, const struct outcome *o, struct err *e)
{
	ARENA_SCOPE(tmp);
	/* not the pool's own connections: a thousand ends at once must not keep the lease waiting */
	struct pg *db = pg_get(r->pool->db, deadline_in(SHORT_MS), e);
	bool ok = db && write_outcome(r, db, tmp, o, e);
	pg_put(r->pool->db, db);
	return ok;
}

/* A lost answer may hide a commit: written again, it meets its own fence. Past the lease it is somebody else's. */
static bool write_until_done(struct run *r, const struct outcome *o, struct err *e)
{
	enum { PAUSE_MS = 100 };
	while (!write_once(r, o, e)) {
		bool may_pass = e->kind == ERR_NET || e->kind == ERR_BUSY || e->kind == ERR_TIMEOUT;
		bool too_late = clock_ms() >= r->pool->lease_ends + r->pool->config->lease_ms;
		if (!may_pass || r->fenced || r->pool->drains > 1 || too_late)
			return false;
		struct err ignored = { 0 };
		if (!loop_sleep(PAUSE_MS, &ignored) && task_cancelled())
			return false;
	}
	return true;
}

/* The database refuses what we would write: the request fails with its words, instead of running for ever. */
static bool write_refused(struct run *r, struct outcome *o, struct err *e)
{
	static void (*const mends[])(struct thoughts *t) = { thoughts_strip, thoughts_drop };
	for (size_t i = 0; i < COUNT(mends) && (e->kind == ERR_INPUT || e->kind == ERR_BUG); i++) {
		thoughts_unsay(r->thoughts); /* the end that was not to be */
		mends[i](r->thoughts);
		o->why = *e;
		err_prefix(&o->why, "the end could not be written: ");
		end_failed(r, "failed", o);
		if (write_until_done(r, o, e))
			return true;
	}
	r->pool->unsure = true;
	return false;
}

static void conclude(struct run *r, bool ok, const struct agent_run *ar, const struct agent_result *result, struct err *why)
{
	struct outcome *o = arena_alloc(r->arena, sizeof(*o));
	o->why = *why;
	o->tokens = (struct queue_tokens){ ar->usage.input_tokens, ar->usage.output_tokens, ar->usage.cache_write_tokens,
		ar->usage.cache_read_tokens };
	r->concluding = true;
	task_cancel_clear(); /* the run has unwound; now its fate is written */
	if (ok)
		decide_success(r, result, o);
	else
		decide_failure(r, o);
	struct err e = { 0 };
	if (!write_until_done(r, o, &e) && !write_refused(r, o, &e))
		log_write(LOG_WARN, "fate_not_written", "%s", e.msg);
	else
		log_write(ok ? LOG_INFO : LOG_WARN, ok ? "run_ended" : "run_failed", "%s", ok ? "" : o->why.msg);
}

static bool run_body(void *arg, struct err *e)
{
	struct run *r = arg;
	struct agent_run *ar = arena_alloc(r->arena, sizeof(*ar));
	struct agent_result *result = arena_alloc(r->arena, sizeof(*result));
	r->task = task_self();
	if (r->pool->stopping)
		task_cancel(r->task);
	bool ok = run_agent(r, ar, result, e);
	conclude(r, ok, ar, result, e);
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
	struct outcome give_back = { .kind = END_RELEASE };
	struct err ignored = { 0 };
	write_until_done(r, &give_back, &ignored);
	run_end(r);
	return false;
}
