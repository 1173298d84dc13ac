/* SPDX-License-Identifier: MIT */
/* A worker's standing in the database: its row, its lease, and what it claims. */
#include "queue.h"
#include "queue_sql.h"

bool queue_register(struct pg *db, const struct queue_worker *w, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_args args = PG_ARGS(PG(w->id), PG(w->host), PG(w->pid), PG(w->version), PG(w->slots), PG(w->lease_ms));
	return pg_query(db, tmp, &sql_worker_register, args, deadline, NULL, e);
}

bool queue_leave(struct pg *db, const char *worker_id, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_args all = PG_ARGS(PG(worker_id), PG("{}")), id = PG_ARGS(PG(worker_id));
	struct pg_step steps[] = { { &sql_worker_leave, id, NULL }, { &sql_give_back, all, NULL } };
	return pg_batch(db, tmp, steps, COUNT(steps), deadline, e);
}

bool queue_give_back(struct pg *db, const char *worker_id, const int64_t *known, size_t n, int64_t deadline, struct err *e)
{
	enum { ID_BYTES = 21 };
	ARENA_SCOPE(tmp);
	struct buf *ids = buf_new(tmp, (n + 1) * ID_BYTES);
	for (size_t i = 0; i < n; i++)
		pg_array_add_i64(ids, known[i]);
	struct pg_args args = PG_ARGS(PG(worker_id), PG(pg_array_end(ids))), id = PG_ARGS(PG(worker_id));
	struct pg_step steps[] = { { &sql_worker_alone, id, NULL }, { &sql_give_back, args, NULL } };
	return pg_batch(db, tmp, steps, COUNT(steps), deadline, e);
}

bool queue_worker_lost(struct pg *db, const char *worker_id, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	return pg_query(db, tmp, &sql_worker_lost, PG_ARGS(PG(worker_id)), deadline, NULL, e);
}

bool queue_wants_wake(struct pg *db, const char *worker_id, bool wants, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	return pg_query(db, tmp, &sql_worker_wants_wake, PG_ARGS(PG(worker_id), PG(wants)), deadline, NULL, e);
}

static const int64_t *ids_parse(struct arena *a, const char *text, size_t *n)
{
	int64_t *ids = arena_alloc(a, (strlen(text) / 2 + 1) * sizeof(*ids)); /* every id but the last has a comma */
	struct str rest = str_of(text), part;
	*n = 0;
	while (text[0] && str_next(&rest, ',', &part))
		if (str_to_i64(part, &ids[*n]))
			++*n;
	return ids;
}

bool queue_heartbeat(struct pg *db, struct arena *a, const struct queue_worker *w, const struct queue_load *load,
	int64_t deadline, const int64_t **cancelled, size_t *n, struct err *e)
{
	struct pg_rows rows;
	struct pg_args args = PG_ARGS(PG(w->id), PG(w->lease_ms), PG(load->running), PG(load->claimed), PG(load->finished),
		PG(load->draining));
	if (!pg_query(db, a, &sql_worker_heartbeat, args, deadline, &rows, e))
		return false;
	if (!rows.n)
		return FAIL(e, ERR_FENCE, "lease_lost", "the lease of worker %s ran out", w->id);
	*cancelled = ids_parse(a, pg_text(&rows, 0, "cancelled"), n);
	return true;
}
