/* SPDX-License-Identifier: MIT */
/* What people are asked does not wait for ever. */
#include "queue.h"
#include "queue_sql.h"

bool queue_expire_proposals(struct pg *db, struct arena *a, int64_t deadline, int64_t *freed, int64_t *next_ms,
	struct err *e)
{
	enum { AT_ONCE = 1000 };
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_expire_proposals, PG_ARGS(PG(AT_ONCE)), deadline, &rows, e))
		return false;
	*freed = pg_i64(&rows, 0, "expired");
	*next_ms = pg_i64(&rows, 0, "next_ms");
	return true;
}
