/* SPDX-License-Identifier: MIT */
/* The end of a run: its fate and its last log rows in one transaction, written until it is done or somebody else's. */
#include "clock.h"
#include "fate.h"
#include "json.h"
#include "pool_inner.h"

/* What the transaction at the end does beside the log rows. */
struct outcome {
	enum { END_FINISH, END_RELEASE, END_RETRY, END_WAIT, END_ASK, END_NOTHING } kind;
	struct queue_end end;
	int64_t wait_ms;
	const char *children;
	const char *proposals;
	struct err why;
	bool said;             /* the last thought tells it */
};

static const char *code_json(struct run *r, const char *code)
{
	cJSON *data = json_object(r->arena);
	json_put_text(data, "code", code);
	return json_print(r->arena, data);
}

static void say(struct run *r, struct outcome *o, enum thought_kind kind, const char *message, const char *data)
{
	thought_add(r->thoughts, kind, message, data);
	o->said = true;
}

static void end_failed(struct run *r, const char *phase, struct outcome *o)
{
	say(r, o, THOUGHT_ERROR, o->why.msg, code_json(r, o->why.code));
	o->kind = END_FINISH;
	o->end.completed = false;
	o->end.result = NULL;
	o->end.phase = phase;
	o->end.error = o->why.msg;
	o->end.error_code = o->why.code;
}

/* A crash was not the request's own doing, as far as we know: it has a count and a limit of its own. What was not even
 * tried has none: an outage that is longer than all attempts must not end every request that waits for its end. */
static void end_retry(struct run *r, struct outcome *o)
{
	const struct pool_config *c = r->pool->config;
	int tries = r->request.attempt - r->request.crashes;
	if (tries >= c->max_attempts && !o->why.untried) {
		err_prefix(&o->why, "attempt %d of %d: ", tries, c->max_attempts);
		end_failed(r, "failed", o);
		return;
	}
	o->kind = END_RETRY;
	o->wait_ms = backoff_ms(tries, c->backoff_base_ms, c->backoff_max_ms, o->why.retry_after_ms, drand48());
	const char *words = o->why.untried ? arena_printf(r->arena, "waits: %s; goes on in %ld ms", o->why.msg, (long)o->wait_ms)
		: arena_printf(r->arena, "attempt %d failed: %s; next in %ld ms", r->request.attempt, o->why.msg, (long)o->wait_ms);
	say(r, o, THOUGHT_STATUS, words, code_json(r, o->why.code));
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
		say(r, o, THOUGHT_STATUS, "released: its worker is stopping", NULL);
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

static const char *proposals_json(struct run *r, const struct agent_result *result)
{
	cJSON *all = json_array(r->arena);
	for (int i = 0; i < result->n_proposals; i++) {
		const struct agent_proposal *p = &result->proposals[i];
		cJSON *one = json_add_object(all);
		json_put_text(one, "tool_call_id", p->tool_call_id);
		json_put_text(one, "tool_name", p->tool_name);
		json_put_text(one, "kind", p->kind);
		json_put_raw(one, "input", p->input);
		if (p->preview)
			json_put_raw(one, "preview", p->preview);
		json_put_text(one, "text", p->text);
		json_put_bool(one, "not_requester", p->not_requester);
		json_put_i64(one, "expire_ms", p->expire_ms);
	}
	return json_print(r->arena, all);
}

/* "waiting for 2 agents: quotes, resourcing" */
static const char *waiting_text(struct run *r, const struct agent_result *result)
{
	const char *text = arena_printf(r->arena, "waiting for %d agent%s", result->n_children, result->n_children == 1 ? "" : "s");
	for (int i = 0; i < result->n_children; i++)
		text = arena_printf(r->arena, "%s%s%s", text, i ? ", " : ": ", result->children[i].type);
	return text;
}

static void decide_success(struct run *r, const struct agent_result *result, struct outcome *o)
{
	if (result->outcome == AGENT_ASKS) { /* its log rows are written where the proposals get their numbers */
		o->kind = END_ASK;
		o->proposals = proposals_json(r, result);
		return;
	}
	if (result->outcome == AGENT_WAITS) {
		o->kind = END_WAIT;
		o->children = children_json(r, result);
		say(r, o, THOUGHT_STATUS, waiting_text(r, result), NULL);
		return;
	}
	o->kind = END_FINISH;
	o->end.completed = true;
	o->end.phase = "completed";
	o->end.result = result->json;
	if (!r->quiet)
		say(r, o, THOUGHT_COMPLETE, result->message, arena_printf(r->arena, "{\"result\":%s}", result->json));
}

static bool write_outcome(struct run *r, struct pg *db, struct arena *a, struct outcome *o, struct err *e)
{
	struct log_batch *rows = log_batch_new(a);
	int64_t deadline = deadline_in(SHORT_MS);
	run_rows(r, rows);
	switch (o->kind) {
	case END_FINISH:
		return queue_finish(db, a, &o->end, rows, deadline, e);
	case END_RELEASE:
		return queue_release(db, a, &r->request, &o->end.tokens, rows, deadline, e);
	case END_RETRY:
		return queue_retry_later(db, a, &r->request, o->wait_ms, &o->why, &o->end.tokens, rows, deadline, e);
	case END_WAIT:
		return queue_wait_for_children(db, a, &r->request, o->children, r->agent_name, &o->end.tokens, rows, deadline, e);
	case END_ASK:
		return queue_wait_for_people(db, a, &r->request, o->proposals, r->agent_name, &o->end.tokens, rows, deadline, e);
	case END_NOTHING:
		break;
	}
	return true;
}

static bool write_once(struct run *r, struct outcome *o, struct err *e)
{
	ARENA_SCOPE(tmp);
	/* not the pool's own connections: a thousand ends at once must not keep the lease waiting */
	struct pg *db = pg_get(r->pool->db, deadline_in(SHORT_MS), e);
	bool ok = db && write_outcome(r, db, tmp, o, e);
	pg_put(r->pool->db, db);
	return ok;
}

/* A lost answer may hide a commit: written again, it meets its own fence. Past the lease it is somebody else's. */
static bool write_until_done(struct run *r, struct outcome *o, struct err *e)
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

static bool is_refusal(const struct err *e)
{
	return e->kind == ERR_INPUT || e->kind == ERR_BUG || e->kind == ERR_REFUSED;
}

/* The database refuses what we would write: the request fails with its words, instead of running for ever. */
static bool write_refused(struct run *r, struct outcome *o, struct err *e)
{
	static void (*const mends[])(struct thoughts *t) = { thoughts_strip, thoughts_drop };
	for (size_t i = 0; i < COUNT(mends) && is_refusal(e); i++) {
		if (o->said)
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

/* Ends go out together; what went wrong with all of them is tried again for each alone. */
static bool write_fate(struct run *r, struct outcome *o, struct err *e)
{
	enum run_settled settled = o->kind == END_FINISH ? pool_settle(r, &o->end) : RUN_NOT_WRITTEN;
	if (settled == RUN_LOST)
		return FAIL(e, ERR_FENCE, "fence_lost", "request %ld is no longer owned", (long)r->request.id);
	return settled == RUN_WRITTEN || o->kind == END_NOTHING || write_until_done(r, o, e) || write_refused(r, o, e);
}

static const char *outcome_word(const struct outcome *o)
{
	static const char *const words[] = { [END_RELEASE] = "released", [END_RETRY] = "retry", [END_WAIT] = "waiting",
		[END_ASK] = "asking", [END_NOTHING] = "lost" };
	return o->kind == END_FINISH ? o->end.phase : words[o->kind];
}

/* Before its fate, and not in its transaction: an end that goes out with others counts nothing. */
static void count_broken(struct run *r, struct agent_run *ar)
{
	struct err e = { 0 };
	if (!r->fenced && !budget_settle_broken(ar, deadline_in(SHORT_MS), &e) && e.kind != ERR_FENCE)
		log_write(LOG_WARN, "call_not_counted", "a model call that broke off is not in any budget: %s", e.msg);
}

void run_conclude(struct run *r, bool ok, struct agent_run *ar, const struct agent_result *result, const struct err *why)
{
	struct outcome *o = arena_alloc(r->arena, sizeof(*o));
	o->why = *why;
	o->end = (struct queue_end){ .request = &r->request, .agent = r->agent_name }; /* each turn has counted its tokens */
	r->concluding = true;
	task_cancel_clear(); /* the run has unwound; now its fate is written */
	count_broken(r, ar);
	if (ok)
		decide_success(r, result, o);
	else
		decide_failure(r, o);
	struct err e = { 0 };
	bool written = write_fate(r, o, &e);
	const char *word = written ? outcome_word(o) : "lost";
	stat_add(r->pool->stats, STAT_REQUESTS_FINISHED, word, r->agent_name, NULL, 1);
	if (written && o->kind != END_NOTHING)
		delivery_add(r, INT64_MAX);
	if (!written)
		log_write(LOG_WARN, "fate_not_written", "%s", e.msg);
	else
		log_write(ok ? LOG_INFO : LOG_WARN, ok ? "run_ended" : "run_failed", "%s", ok ? "" : o->why.msg);
}

void run_give_back(struct run *r)
{
	struct outcome o = { .kind = END_RELEASE, .end = { .request = &r->request } };
	struct err e = { 0 };
	if (!write_until_done(r, &o, &e))
		r->pool->unsure = true;
}
