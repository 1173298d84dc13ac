/* SPDX-License-Identifier: MIT */
/*
 * Tells readers of log rows that are committed: a fiber of its own, after the commit, so that neither its failure nor
 * its slowness touches the log. The queue before it is bounded, and nothing is sent twice for being lost: whoever
 * misses a row sees the gap in seq and reads the table.
 */
#include "clock.h"
#include "delivery_inner.h"

enum { NOTICES_MOST = 50000, BYTES_MOST = 32 * 1024 * 1024, TELL_MS = 60000 };

struct delivery *delivery_new(const struct pool *p)
{
	if (p->config->delivery == DELIVERY_TABLE)
		return NULL;
	struct delivery *d = mem_alloc(sizeof(*d));
	d->last = &d->first;
	return d;
}

void delivery_free(struct delivery *d)
{
	for (struct notice *n; d && (n = notice_take(d));)
		free(n);
	free(d);
}

struct delivery_load delivery_load(const struct delivery *d)
{
	struct delivery_load load = d->load;
	load.pending = d->n;
	load.connected = d->redis != NULL;
	return load;
}

bool delivery_check(struct pool *p, struct err *e)
{
	const char *url = p->config->redis_url;
	if (p->config->delivery == DELIVERY_REDIS && !(url && *url))
		return FAIL(e, ERR_REFUSED, "no_redis", "log.delivery is redis, but no Redis is named: set redis.url, or "
			"log.delivery: postgres_changes");
	if (p->config->delivery != DELIVERY_BROADCAST)
		return true;
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && queue_broadcast_check(db, deadline_in(SHORT_MS), e);
	pg_put(p->control, db);
	return ok;
}

/* ---- the queue ---- */

struct notice *notice_take(struct delivery *d)
{
	struct notice *n = d->first;
	if (!n)
		return NULL;
	d->first = n->next;
	if (!d->first)
		d->last = &d->first;
	d->n--;
	d->bytes -= n->bytes;
	return n;
}

void notices_dropped(struct delivery *d, int64_t n, const char *why)
{
	d->load.dropped += n;
	if (d->told_ms && clock_ms() - d->told_ms < TELL_MS)
		return;
	d->told_ms = clock_ms();
	log_write(LOG_WARN, "delivery_failed", "readers must read agent_logs themselves: %s (%ld parts dropped, %ld warnings "
		"of realtime.send so far)", why, (long)d->load.dropped, (long)d->load.warnings);
}

void notice_add(struct delivery *d, const struct run *r, int64_t first, int64_t last, struct str payload)
{
	size_t bytes = sizeof(struct notice) + payload.n + 1;
	if (d->n >= NOTICES_MOST || d->bytes + bytes > BYTES_MOST) {
		notices_dropped(d, 1, "too many parts wait");
		return;
	}
	struct notice *n = mem_alloc(bytes);
	n->rows = (struct queue_rows){ r->request.id, first, last };
	n->bytes = bytes;
	n->payload = memcpy(n + 1, payload.p, payload.n);
	snprintf(n->session, sizeof(n->session), "%s", r->request.session_id);
	*d->last = n;
	d->last = &n->next;
	d->bytes += bytes;
	if (d->n++ == 0)
		task_wake(d->fiber);
}

void delivery_add(struct run *r, int64_t seq)
{
	struct delivery *d = r->pool->delivery;
	const struct thought_row *row = d && r->thoughts ? thoughts_rows(r->thoughts) : NULL;
	if (!row || row->seq > seq)
		return;
	if (r->pool->config->delivery == DELIVERY_REDIS) {
		delivery_payloads(r, seq);
		return;
	}
	int64_t last = row->seq;
	for (const struct thought_row *next = row; next && next->seq <= seq; next = next->next)
		last = next->seq;
	notice_add(d, r, row->seq, last, STR(""));
}

/* ---- broadcast ---- */

void delivery_broadcast(struct pool *p, struct delivery *d)
{
	enum { AT_ONCE = 1000 };
	ARENA_SCOPE(tmp);
	struct err e = { 0 };
	struct queue_broadcast out = { 0 };
	struct queue_rows *rows = arena_alloc(tmp, AT_ONCE * sizeof(*rows));
	size_t n = 0;
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), &e); /* first: meanwhile more may come */
	for (struct notice *one; n < AT_ONCE && (one = notice_take(d)); free(one))
		rows[n++] = one->rows;
	bool ok = db && queue_broadcast(db, tmp, rows, n, deadline_in(SHORT_MS), &out, &e);
	pg_put(p->control, db);
	d->load.sent += MAX_OF(out.sent - out.warnings, (int64_t)0);
	d->load.warnings += out.warnings;
	if (!ok || out.warnings)
		notices_dropped(d, ok ? out.warnings : (int64_t)n, ok ? out.warning : e.msg);
}

/* ---- the fiber ---- */

static void deliver(struct pool *p, struct delivery *d)
{
	d->busy = true;
	if (p->config->delivery == DELIVERY_REDIS)
		delivery_publish(p, d);
	else
		delivery_broadcast(p, d);
	d->busy = false;
}

void delivery_finish(struct pool *p)
{
	enum { LAST_MS = 2000, LOOK_MS = 2 };
	struct delivery *d = p->delivery;
	struct err ignored = { 0 };
	int64_t until = clock_ms() + LAST_MS;
	while (d && d->fiber && (d->n || d->busy) && clock_ms() < until && loop_sleep(LOOK_MS, &ignored))
		;
}

bool pool_deliver_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	struct delivery *d = p->delivery;
	if (d)
		d->fiber = task_self();
	while (!task_cancelled())
		if (d && d->n)
			deliver(p, d);
		else
			loop_park(NEVER_MS, e);
	if (d) {
		d->fiber = NULL;
		delivery_close(d);
	}
	return pool_service_ended(p, e);
}
