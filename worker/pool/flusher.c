/* SPDX-License-Identifier: MIT */
/*
 * Writes the pending thoughts of all runs, many runs in one statement. It visits only runs that have something to say,
 * the one that has waited longest first: each is written flush_ms after its first word, and those that would be due
 * soon after go along. One statement is under way at a time: at 5000 rows it takes some 40 ms, so one connection writes
 * three times the rows of ten thousand streams, and a second would only halve the batches.
 */
#include "clock.h"
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

/* ---- what goes along ---- */

struct sent {
	struct run *run;
	int64_t seq, since_ms;
};

struct flush {
	struct log_batch *batch;
	struct sent *sent;
	size_t n;
	bool more; /* there was too much for one statement */
};

/* Its rows go with its end, or nowhere. */
static bool is_done_with(const struct run *r)
{
	return r->fenced || r->concluding || r->refusals > 1;
}

static bool is_full(const struct pool *p, const struct flush *f)
{
	return f->batch->n_rows >= BATCH_ROWS || f->batch->messages.n + f->batch->data.n >= BATCH_BYTES ||
		(p->flush_singly && f->n);
}

static void take(struct flush *f, struct run *r, int64_t since_ms)
{
	int64_t last = run_rows(r, f->batch);
	thoughts_take(r->thoughts);
	if (last)
		f->sent[f->n++] = (struct sent){ r, last, since_ms };
}

static void collect(struct pool *p, struct arena *a, struct flush *f)
{
	enum { ALONG = 5 }; /* those that have waited for all but a fifth of the time */
	int64_t due = clock_ms() - p->config->flush_ms + p->config->flush_ms / ALONG;
	struct thoughts_wait *next = p->thinking.first;
	f->batch = log_batch_new(a);
	f->sent = arena_alloc(a, (MIN_OF(p->n_runs, (size_t)BATCH_ROWS) + 1) * sizeof(*f->sent));
	for (struct thoughts_wait *w; (w = next) && w->since_ms <= due;) {
		struct run *r = w->owner;
		next = w->next;
		if (is_done_with(r)) {
			thoughts_unwatch(r->thoughts);
			continue;
		}
		if (p->flush_singly && !r->suspect)
			continue;
		f->more = is_full(p, f);
		if (f->more)
			break; /* the rest is first in line at once after this */
		take(f, r, w->since_ms);
	}
}

/* ---- what became of it ---- */

static void written(struct pool *p, const struct sent *s)
{
	delivery_add(s->run, s->seq);
	thoughts_written(s->run->thoughts, s->seq);
	stat_time(p->stats, STAT_FLUSH_LAG, NULL, NULL, s->since_ms ? clock_ms() - s->since_ms : 0);
}

static void settle(struct pool *p, const struct flush *f, int64_t *alive, size_t n_alive)
{
	ids_sort(alive, n_alive);
	for (size_t i = 0; i < f->n; i++) {
		struct run *r = f->sent[i].run;
		r->suspect = false;
		if (r->ended || r->fenced || r->concluding)
			continue; /* its end says whose it is */
		if (ids_contain(alive, n_alive, r->request.id))
			written(p, &f->sent[i]);
		else
			run_fence(r);
	}
	stat_add(p->stats, STAT_FLUSH_ROWS, NULL, NULL, NULL, (int64_t)f->batch->n_rows);
	stat_add(p->stats, STAT_FLUSH_BYTES, NULL, NULL, NULL, (int64_t)(f->batch->messages.n + f->batch->data.n));
}

static void blame(struct run *r)
{
	r->suspect = false;
	if (!r->ended && r->refusals++ == 0)
		thoughts_strip(r->thoughts);
}

/* One bad row must not hold up the log of all: its run is found by going one by one. */
static void refused(struct pool *p, const struct flush *f, const struct err *e)
{
	if (e->kind != ERR_INPUT && e->kind != ERR_BUG)
		return;
	if (p->flush_singly)
		blame(f->sent[0].run);
	for (size_t i = 0; i < f->n && !p->flush_singly; i++)
		f->sent[i].run->suspect = true;
	p->flush_singly = true;
}

/* In their order, in front of all others. */
static void put_back(const struct flush *f)
{
	for (size_t i = f->n; i-- > 0;)
		if (!f->sent[i].run->ended)
			thoughts_put_back(f->sent[i].run->thoughts, f->sent[i].since_ms);
}

/* *more: there is something to write at once. */
static bool flush(struct pool *p, bool *more, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct flush f = { 0 };
	size_t n_alive;
	int64_t *alive;
	collect(p, tmp, &f);
	*more = f.more || p->flush_singly;
	if (!f.n) {
		p->flush_singly = *more = false; /* all of them got through, one by one */
		return true;
	}
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && queue_log_append(db, tmp, f.batch, deadline_in(SHORT_MS), &alive, &n_alive, e);
	pg_put(p->control, db);
	if (ok) {
		settle(p, &f, alive, n_alive);
	} else {
		put_back(&f);
		refused(p, &f, e);
	}
	return ok;
}

/* ---- the loop ---- */

/* A little later than the last, so that what is urgent every time does not make a statement of each row. */
static bool wait_for_thoughts(struct pool *p, int64_t last_ms, struct err *e)
{
	enum { GAPS = 25 };
	int64_t flush_ms = p->config->flush_ms, soonest = last_ms + MAX_OF(flush_ms / GAPS, (int64_t)1);
	for (;;) {
		const struct thoughts_wait *w = p->thinking.first;
		int64_t due = w ? MAX_OF(w->since_ms + flush_ms * (w->since_ms != 0), soonest) : NEVER_MS;
		if (w && clock_ms() >= due)
			return true;
		if (!loop_park(due, e) && task_cancelled())
			return false;
	}
}

bool pool_flush_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	bool more = false;
	int64_t last_ms = 0;
	p->thinking.writer = task_self();
	while (!task_cancelled() && (more || wait_for_thoughts(p, last_ms, e))) {
		struct err trouble = { 0 };
		p->flushing = true; /* runs that end meanwhile are kept for the answer */
		bool ok = flush(p, &more, &trouble);
		p->flushing = false;
		run_free_ended(p);
		last_ms = clock_ms();
		if (ok || task_cancelled())
			continue;
		log_write(LOG_WARN, "flush_failed", "thoughts wait in memory: %s", trouble.msg);
		more = false;
		last_ms += p->config->flush_ms;
	}
	p->thinking.writer = NULL;
	return pool_service_ended(p, e);
}
