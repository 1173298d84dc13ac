/* SPDX-License-Identifier: MIT */
#include "prune.h"
#include "queue_sql.h"

/*
 * Supabase Realtime reads a transaction as one piece, and each deleted row costs it about half a millisecond and more
 * with each subscription: a step must stay a small piece for it, not for Postgres.
 */
enum { REQUESTS_AT_MOST = 500, ROWS_AT_MOST = 1000 };

bool queue_prune(struct pg *db, struct arena *a, const struct queue_retention *r, int64_t deadline, int64_t *pruned,
	bool *more, struct err *e)
{
	struct pg_rows rows;
	bool all_kept = !r->completed_ms && !r->failed_ms && !r->cancelled_ms && !r->logs_ms;
	struct pg_args args = PG_ARGS(PG(r->completed_ms), PG(r->failed_ms), PG(r->cancelled_ms), PG(r->logs_ms),
		PG(r->archive), PG(REQUESTS_AT_MOST), PG(ROWS_AT_MOST));
	if (!all_kept && !pg_query(db, a, &sql_prune, args, deadline, &rows, e))
		return false;
	*pruned = all_kept ? 0 : pg_i64(&rows, 0, "requests") + pg_i64(&rows, 0, "logs");
	*more = !all_kept && pg_bool(&rows, 0, "more");
	return true;
}
