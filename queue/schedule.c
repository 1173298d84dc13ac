/* SPDX-License-Identifier: MIT */
/* Requests that the clock makes: any worker fires what is due, for all; rows are locked, so each time is fired once. */
#include "queue.h"
#include "queue_sql.h"

enum { AT_ONCE = 100 };

bool queue_fire_schedules(struct pg *db, struct arena *a, int64_t deadline, int64_t *fired, int64_t *next_ms,
	struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_schedules_fire, PG_ARGS(PG(AT_ONCE)), deadline, &rows, e))
		return false;
	*fired = pg_i64(&rows, 0, "fired");
	*next_ms = pg_i64(&rows, 0, "next_ms");
	return true;
}
