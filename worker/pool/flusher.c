/* SPDX-License-Identifier: MIT */
/* Writes the pending thoughts of all runs, in one statement a tick. */
#include "pool_inner.h"

enum { BATCH_ROWS = 5000, BATCH_BYTES = 8 * 1024 * 1024 };

int64_t run_rows(struct run *r, struct log_batch *batch)
{
	int64_t last = 0;
	const struct thought_row *row = r->thoughts ? thoughts_pending(r->thoughts) : NULL;
	if (row)
		log_batch_owner(batch, r->request.id, r->request.version);
	for (; row; row = row->next) {
		struct log_row out = { row->seq, r->agent_name, thought_kind_name(row->kind), row->message, row->data };
		log_batch_row(batch, r->request.id, &out);
		last = row->seq;
	}
	return last;
}

struct sent {
	struct run *run;
	int64_t seq;
};

static void settle(const struct sent *sent, size_t n, int64_t *alive, size_t n_alive)
{
	ids_sort(alive, n_alive);
	for (size_t i = 0; i < n; i++) {
		struct run *r = sent[i].run;
		r->suspect = false;
		if (r->ended || r->fenced || r->concluding)
			continue; /* its end says whose it is */
		if (ids_contain(alive, n_alive, r->request.id))
			thoughts_written(r->thoughts, sent[i].seq);
		else
			run_fence(r);
	}
}

static bool is_passed_over(const struct pool *p, const struct run *r)
{
	return r->fenced || r->concluding || r->refusals > 1 || (p->flush_singly && !r->suspect);
}

static struct sent *collect(struct pool *p, struct arena *a, struct log_batch *batch, size_t *n)
{
	struct sent *sent = arena_alloc(a, (p->n_runs + 1) * sizeof(*sent));
	*n = 0;
	for (struct run *r = p->runs; r; r = r->next) {
		bool full = batch->n_rows >= BATCH_ROWS || batch->messages.n + batch->data.n >= BATCH_BYTES;
		if (full || (p->flush_singly && *n))
			break; /* the rest is first in line at once after this */
		int64_t last = is_passed_over(p, r) ? 0 : run_rows(r, batch);
		if (last)
			sent[(*n)++] = (struct sent){ r, last };
	}
	return sent;
}

static void blame(struct run *r)
{
	r->suspect = false;
	if (!r->ended && r->refusals++ == 0)
		thoughts_strip(r->thoughts);
}

/* One bad row must not hold up the log of all: its run is found by going one by one. */
static void refused(struct pool *p, const struct sent *sent, size_t n, const struct err *e)
{
	if (e->kind != ERR_INPUT && e->kind != ERR_BUG)
		return;
	if (p->flush_singly)
		blame(sent[0].run);
	for (size_t i = 0; i < n && !p->flush_singly; i++)
		sent[i].run->suspect = true;
	p->flush_singly = true;
}

/* *more: the batch was full. */
static bool flush(struct pool *p, bool *more, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct log_batch *batch = log_batch_new(tmp);
	size_t n, n_alive;
	int64_t *alive;
	struct sent *sent = collect(p, tmp, batch, &n);
	*more = batch->n_rows >= BATCH_ROWS || p->flush_singly;
	if (!n) {
		p->flush_singly = *more = false; /* all of them got through, one by one */
		return true;
	}
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && queue_log_append(db, tmp, batch, deadline_in(SHORT_MS), &alive, &n_alive, e);
	pg_put(p->control, db);
	if (ok)
		settle(sent, n, alive, n_alive);
	else
		refused(p, sent, n, e);
	return ok;
}

bool pool_flush_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	bool more = false;
	p->flusher = task_self();
	for (;;) {
		struct err trouble = { 0 };
		bool idle = !p->n_runs;
		bool woke = idle ? loop_park(NEVER_MS, e) : more || loop_sleep(p->config->flush_ms, e);
		if (!woke && task_cancelled())
			break;
		p->flushing = true; /* runs that end meanwhile are kept for the answer */
		bool ok = flush(p, &more, &trouble);
		p->flushing = false;
		run_free_ended(p);
		if (!ok && !task_cancelled())
			log_write(LOG_WARN, "flush_failed", "thoughts wait in memory: %s", trouble.msg);
		more = more && !trouble.kind;
	}
	p->flusher = NULL;
	return pool_service_ended(p, e);
}
