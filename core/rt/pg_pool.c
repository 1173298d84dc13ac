/* SPDX-License-Identifier: MIT */
/* A bounded set of connections, opened when first needed, handed out first come first served. */
#include "pg_inner.h"

struct waiter {
	struct waiter *next;
	struct task *task;
	bool called; /* a place was given to it */
};

struct pg_pool {
	struct pg_options options;
	int max, out;       /* places in use, whether their connection is open yet or not */
	struct pg *idle;
	struct waiter *first, **last;
};

struct pg_pool *pg_pool_new(const struct pg_options *o, int max)
{
	struct pg_pool *pool = mem_alloc(sizeof(*pool));
	pool->options = *o;
	pool->max = max;
	pool->last = &pool->first;
	return pool;
}

void pg_pool_free(struct pg_pool *pool)
{
	if (!pool)
		return;
	for (struct pg *db; (db = pool->idle);) {
		pool->idle = db->next_idle;
		pg_close(db);
	}
	free(pool);
}

int pg_pool_size(const struct pg_pool *pool)
{
	return pool->max;
}

void pg_pool_load(const struct pg_pool *pool, int *in_use, int *waiting)
{
	*in_use = pool->out;
	*waiting = 0;
	for (const struct waiter *w = pool->first; w; w = w->next)
		++*waiting;
}

/* ---- places ---- */

static void place_free(struct pg_pool *pool)
{
	struct waiter *w = pool->first;
	pool->out--;
	if (!w)
		return;
	pool->first = w->next;
	if (!pool->first)
		pool->last = &pool->first;
	pool->out++; /* the place passes on: nobody can slip in between */
	w->called = true;
	task_wake(w->task);
}

static void queue_leave(struct pg_pool *pool, struct waiter *w)
{
	struct waiter **at = &pool->first;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (!*at)
		pool->last = at;
}

static bool place_take(struct pg_pool *pool, int64_t deadline, struct err *e)
{
	if (pool->out < pool->max) {
		pool->out++;
		return true;
	}
	struct waiter w = { .task = task_self() };
	*pool->last = &w;
	pool->last = &w.next;
	while (!w.called) {
		if (loop_park(deadline, e))
			continue;
		if (w.called)
			place_free(pool);
		else
			queue_leave(pool, &w);
		return false;
	}
	return true;
}

/* ---- connections ---- */

static struct pg *idle_take(struct pg_pool *pool)
{
	struct pg *db = pool->idle;
	if (db)
		pool->idle = db->next_idle;
	return db;
}

/* What came while it lay idle is read only now: a goodbye, and at the second look the end. Never waits. */
static bool is_alive(struct pg *db)
{
	return !pg_broken(db) && PQconsumeInput(db->conn) && PQconsumeInput(db->conn) && !PQisBusy(db->conn) && !pg_broken(db);
}

/* A transaction that somebody left open is rolled back by the next user, who may wait. */
static struct pg *usable(struct pg_pool *pool, int64_t deadline, struct err *e)
{
	for (struct pg *db; (db = idle_take(pool));) {
		struct err ignored = { 0 };
		if (is_alive(db) && pg_rollback(db, deadline, &ignored))
			return db;
		pg_close(db);
	}
	return pg_open(&pool->options, deadline, e);
}

struct pg *pg_get(struct pg_pool *pool, int64_t deadline, struct err *e)
{
	if (!place_take(pool, deadline, e)) {
		err_prefix(e, "waiting for one of %d database connections (option database.pool): ", pool->max);
		return NULL;
	}
	struct pg *db = usable(pool, deadline, e);
	if (!db)
		place_free(pool);
	return db;
}

/* Nobody here listens, but behind a pooler the session's last user may have; libpq would keep them all. */
static void notifications_drop(struct pg *db)
{
	for (PGnotify *n; (n = PQnotifies(db->conn));)
		PQfreemem(n);
}

void pg_put(struct pg_pool *pool, struct pg *db)
{
	if (!db)
		return;
	if (pg_broken(db)) {
		pg_close(db);
	} else {
		notifications_drop(db);
		db->n_begin = 0; /* it lies in the arena of who forgot it */
		db->next_idle = pool->idle;
		pool->idle = db;
	}
	place_free(pool);
}
