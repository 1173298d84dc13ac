/* SPDX-License-Identifier: MIT */
/* The ends of a run: log rows and the request's new state in one transaction, fence first. */
#include "queue_inner.h"
#include "queue_sql.h"

struct pg_args rows_args(struct arena *a, struct log_batch *b)
{
	struct pg_arg *v = arena_alloc(a, 8 * sizeof(*v));
	struct buf *arrays[] = { &b->owners, &b->versions, &b->ids, &b->seqs, &b->agents, &b->kinds, &b->messages, &b->data };
	for (size_t i = 0; i < COUNT(arrays); i++)
		v[i] = PG(pg_array_end(arrays[i]));
	return (struct pg_args){ v, COUNT(arrays) };
}

/* The fence, the rows, then what the caller adds. */
struct ending {
	struct pg_step steps[5];
	size_t n;
	struct pg_arg fence[2];
};

static void ending_add(struct ending *x, const struct sql *q, struct pg_args args)
{
	x->steps[x->n++] = (struct pg_step){ q, args, NULL };
}

static struct ending *ending_begin(struct arena *a, const struct queue_request *r, struct log_batch *rows)
{
	struct ending *x = arena_alloc(a, sizeof(*x));
	x->fence[0] = PG(r->id);
	x->fence[1] = PG(r->version);
	ending_add(x, &sql_fence, (struct pg_args){ x->fence, 2 });
	if (rows->n_rows)
		ending_add(x, &sql_log_append, rows_args(a, rows));
	return x;
}

bool queue_finish(struct pg *db, struct arena *a, struct queue_end *end, struct log_batch *rows, int64_t deadline,
	struct err *e)
{
	struct ending *x = ending_begin(a, end->request, rows);
	ending_add(x, &sql_finish, end_args(a, end, 1));
	return pg_batch(db, a, x->steps, x->n, deadline, e);
}

bool queue_release(struct pg *db, struct arena *a, const struct queue_request *r, const struct queue_tokens *tokens,
	struct log_batch *rows, int64_t deadline, struct err *e)
{
	struct ending *x = ending_begin(a, r, rows);
	struct pg_args args = PG_ARGS(PG(r->id), PG(r->version), PG(tokens->input), PG(tokens->output),
		PG(tokens->cache_write), PG(tokens->cache_read));
	struct pg_args id = PG_ARGS(PG(r->id));
	ending_add(x, &sql_release, args);
	ending_add(x, &sql_after_run, id);
	return pg_batch(db, a, x->steps, x->n, deadline, e);
}

bool queue_retry_later(struct pg *db, struct arena *a, const struct queue_request *r, int64_t wait_ms,
	const struct err *why, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e)
{
	struct ending *x = ending_begin(a, r, rows);
	const char *message = why->msg;
	struct pg_args args = PG_ARGS(PG(r->id), PG(r->version), PG(wait_ms), PG(message), PG(why->code), PG(tokens->input),
		PG(tokens->output), PG(tokens->cache_write), PG(tokens->cache_read), PG(why->untried));
	struct pg_args id = PG_ARGS(PG(r->id));
	ending_add(x, &sql_retry_later, args);
	ending_add(x, &sql_after_run, id);
	return pg_batch(db, a, x->steps, x->n, deadline, e);
}

bool queue_wait_for_children(struct pg *db, struct arena *a, const struct queue_request *r, const char *children,
	const char *agent, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e)
{
	struct ending *x = ending_begin(a, r, rows);
	struct pg_args counted = PG_ARGS(PG(r->id), PG(r->version), PG(agent), PG(tokens->input), PG(tokens->output),
		PG(tokens->cache_write), PG(tokens->cache_read));
	struct pg_args spawned = PG_ARGS(PG(r->id), PG(r->version), PG(children));
	ending_add(x, &sql_wait_for_children, counted);
	ending_add(x, &sql_spawn_children, spawned);
	return pg_batch(db, a, x->steps, x->n, deadline, e);
}

bool queue_wait_for_people(struct pg *db, struct arena *a, const struct queue_request *r, const char *proposals,
	const char *agent, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e)
{
	struct ending *x = ending_begin(a, r, rows);
	struct pg_args counted = PG_ARGS(PG(r->id), PG(r->version), PG(agent), PG(tokens->input), PG(tokens->output),
		PG(tokens->cache_write), PG(tokens->cache_read));
	struct pg_args asked = PG_ARGS(PG(r->id), PG(r->version), PG(agent), PG(proposals));
	ending_add(x, &sql_wait_for_children, counted);
	ending_add(x, &sql_wait_for_people, asked);
	return pg_batch(db, a, x->steps, x->n, deadline, e);
}

bool queue_log_append(struct pg *db, struct arena *a, struct log_batch *b, int64_t deadline, int64_t **alive,
	size_t *n, struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_log_append, rows_args(a, b), deadline, &rows, e))
		return false;
	int64_t *ids = arena_alloc(a, (size_t)(rows.n + 1) * sizeof(*ids));
	for (int i = 0; i < rows.n; i++)
		ids[i] = pg_i64(&rows, i, "id");
	*alive = ids;
	*n = (size_t)rows.n;
	return true;
}
