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

static struct queue_request read_request(const struct pg_rows *rows, int i)
{
	return (struct queue_request){
		.id = pg_i64(rows, i, "id"),
		.version = pg_i64(rows, i, "version"),
		.attempt = (int)pg_i64(rows, i, "attempt"),
		.is_child = pg_bool(rows, i, "is_child"),
		.dry_run = pg_bool(rows, i, "dry_run"),
		.resumed = pg_bool(rows, i, "resumed"),
		.type = pg_text(rows, i, "type"),
		.request = pg_text(rows, i, "request"),
		.context = pg_text(rows, i, "context"),
		.session_id = pg_text(rows, i, "session_id"),
		.user_id = pg_text(rows, i, "user_id"),
		.workspace_id = pg_text(rows, i, "workspace_id"),
		.last_seq = pg_i64(rows, i, "last_seq"),
	};
}

/* Two requests of a session whose inserts overlapped can both look like the head: the unique index refuses the second
 * claim, and looking again sees the first. Two such pairs, crosswise, are a deadlock. */
static bool is_contended(const struct err *e)
{
	return strcmp(e->sqlstate, "23505") == 0 || strcmp(e->sqlstate, "40P01") == 0;
}

static bool claim_query(struct pg *db, struct arena *a, struct pg_args args, int64_t deadline, struct pg_rows *rows,
	struct err *e)
{
	enum { TRIES = 3 };
	for (int i = 0; i < TRIES; i++) {
		if (pg_query(db, a, &sql_claim, args, deadline, rows, e))
			return true;
		if (!is_contended(e))
			return false;
	}
	return FAIL(e, ERR_BUSY, "claim_contended", "claim lost the race for a session %d times", TRIES);
}

bool queue_claim(struct pg *db, struct arena *a, const char *worker_id, int max, int64_t deadline,
	const struct queue_request **requests, size_t *n, struct err *e)
{
	struct pg_rows rows;
	if (!claim_query(db, a, PG_ARGS(PG(worker_id), PG(max)), deadline, &rows, e))
		return false;
	struct queue_request *all = arena_alloc(a, (size_t)(rows.n + 1) * sizeof(*all));
	for (int i = 0; i < rows.n; i++)
		all[i] = read_request(&rows, i);
	*requests = all;
	*n = (size_t)rows.n;
	return true;
}
