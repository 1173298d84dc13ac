/* SPDX-License-Identifier: MIT */
/*
 * Calls that act outside the database: the intent is a row before the call is made, the outcome after. When the one is
 * there without the other, nobody knows what happened, and the tool says what then.
 */
#include "agents_sql.h"
#include "clock.h"
#include "loop.h"
#include "tool_call_inner.h"

/* ---- intent ---- */

static bool intend(struct call *x, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	struct pg_args intent = PG_ARGS(PG(x->run->request_id), PG(x->block.tool_id), PG(x->block.tool_name),
		PG(call_input(x)));
	struct pg_step steps[3] = { conversation_fence(tmp, x->run) };
	size_t n = 1 + call_approval_step(x, tmp, steps + 1);
	steps[n++] = (struct pg_step){ &sql_tool_intent, intent, &rows };
	struct pg *db = pg_get(x->run->db, x->run->deadline, e);
	bool ok = db && pg_batch(db, tmp, steps, n, x->run->deadline, e);
	pg_put(x->run->db, db);
	if (ok)
		x->env.idempotency_key = arena_text(x->run->arena, str_of(pg_text(&rows, 0, "key")));
	return ok;
}

/* ---- when nobody knows ---- */

enum { AGAIN_MOST = 3, PAUSE_MS = 250, PAUSE_MOST_MS = 10000 };

/* A call outside, over all its tries in this attempt. */
struct outside {
	struct call *x;
	const cJSON *result;
	int again;
	char why[sizeof(((struct err *)0)->msg)]; /* of the last try; empty = it was an earlier attempt's */
	int64_t retry_after_ms;
};

enum next { NEXT_CALL, NEXT_DONE, NEXT_ANSWERED, NEXT_TELL, NEXT_FAIL };

static bool pause_between(struct outside *o, struct err *e)
{
	int64_t ms = (int64_t)PAUSE_MS << (o->again - 1);
	ms = MIN_OF(MAX_OF(ms / 2 + (int64_t)(drand48() * (double)ms / 2), o->retry_after_ms), (int64_t)PAUSE_MOST_MS);
	return loop_sleep(ms, e);
}

/* The worker was lost with the first try: then there is nothing to wait for. */
static enum next once_more(struct outside *o, enum next otherwise, struct err *e)
{
	if (o->again == AGAIN_MOST)
		return otherwise;
	o->again++;
	return !o->why[0] || pause_between(o, e) ? NEXT_CALL : NEXT_FAIL;
}

static enum next refused(struct outside *o, const char *why, struct err *e)
{
	return call_refuse(o->x, arena_text(o->x->run->arena, str_of(why)), e) ? NEXT_ANSWERED : NEXT_FAIL;
}

static enum next probe(struct outside *o, struct err *e)
{
	enum tool_found found = FOUND_UNKNOWN;
	if (!o->x->tool->probe || !call_probe(o->x, &found, &o->result, e))
		return task_cancelled() ? NEXT_FAIL : NEXT_TELL;
	if (found == FOUND_DONE)
		return NEXT_DONE;
	if (found == FOUND_UNKNOWN)
		return NEXT_TELL;
	enum next next = once_more(o, NEXT_TELL, e);
	return next == NEXT_TELL ? refused(o, o->why[0] ? o->why : "it was not done", e) : next;
}

static enum next ask_people(struct outside *o, struct err *e)
{
	const struct ledger_decision *d = &o->x->known.unknown;
	bool asked = d->status && strcmp(d->status, "open") != 0 && strcmp(d->status, "cancelled") != 0
		&& strcmp(d->status, "used") != 0;
	if (asked && strcmp(d->status, "approved") == 0 && !o->why[0])
		return once_more(o, NEXT_TELL, e);
	if (asked) /* a person has said what there is to say */
		return NEXT_TELL;
	call_ask(o->x, "unknown", NULL, o->why[0] ? arena_text(o->x->run->arena, str_of(o->why)) : "its worker was lost");
	return NEXT_ANSWERED;
}

static enum next when_unknown(struct outside *o, struct err *e)
{
	switch (o->x->tool->unknown) {
	case UNKNOWN_REPEAT:
		return once_more(o, NEXT_TELL, e);
	case UNKNOWN_PROBE:
		return probe(o, e);
	case UNKNOWN_HUMAN:
		return ask_people(o, e);
	case UNKNOWN_TELL:
		break;
	}
	return NEXT_TELL;
}

static bool tell_unknown(struct outside *o, struct err *e)
{
	struct arena *a = o->x->run->arena;
	const struct ledger_decision *d = &o->x->known.unknown;
	bool rejected = d->status && strcmp(d->status, "rejected") == 0;
	const char *said = !rejected ? "" : arena_printf(a, "; a person decided that it is not run again%s%s",
		d->note ? ": " : "", d->note ? d->note : "");
	return call_tell(o->x, arena_printf(a, "the outcome of this call is not known%s%s: it may have happened or not. "
		"Assume neither, and say so%s", o->why[0] ? ", " : "", o->why, said), "unknown", e);
}

/* ---- call ---- */

static enum next try_once(struct outside *o, struct err *e)
{
	struct call *x = o->x;
	x->env.deadline = deadline_first(x->run->deadline, deadline_in(x->run->limits.tool_ms));
	if (call_bounded(x, &o->result, e))
		return NEXT_DONE;
	if (task_cancelled() || e->kind == ERR_FENCE)
		return NEXT_FAIL; /* the next attempt finds the intent */
	if (e->kind == ERR_INPUT)
		return refused(o, e->msg, e);
	snprintf(o->why, sizeof(o->why), "%s", e->msg);
	o->retry_after_ms = e->retry_after_ms;
	return when_unknown(o, e);
}

static bool carry_out(struct outside *o, struct err *e)
{
	enum next next = o->x->known.started ? when_unknown(o, e) : NEXT_CALL;
	while (next == NEXT_CALL)
		next = try_once(o, e);
	switch (next) {
	case NEXT_DONE:
		return call_answer(o->x, call_output(o->x, o->result), "done", e);
	case NEXT_TELL:
		return tell_unknown(o, e);
	case NEXT_ANSWERED:
		return true;
	default:
		return err_prefix(e, "tool %s: ", o->x->tool->name);
	}
}

bool call_outside(struct call *x, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct outside *o = arena_alloc(tmp, sizeof(*o));
	o->x = x;
	call_log(x);
	if (!intend(x, e))
		return e->kind == ERR_INPUT && call_refuse(x, arena_text(x->run->arena, str_of(e->msg)), e);
	x->env.arena = tmp;
	x->env.http = x->run->models ? x->run->models->http : NULL;
	return carry_out(o, e);
}
