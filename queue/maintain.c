/* SPDX-License-Identifier: MIT */
/* What only time brings: requests come due, workers die. Any worker does this for all. */
#include "log.h"
#include "queue.h"
#include "queue_sql.h"

enum { AT_ONCE = 1000, SOON_MS = 1 };

static bool rescue_log(struct pg *db, struct arena *a, const struct pg_rows *taken, int64_t deadline, struct err *e)
{
	struct pg_step *steps = arena_alloc(a, (size_t)(taken->n + 1) * sizeof(*steps));
	struct pg_arg *args = arena_alloc(a, (size_t)(taken->n + 1) * 4 * sizeof(*args));
	for (int i = 0; i < taken->n; i++, args += 4) {
		args[0] = PG(pg_i64(taken, i, "id"));
		args[1] = PG(pg_bool(taken, i, "failed"));
		args[2] = PG(pg_text(taken, i, "error"));
		args[3] = PG(pg_text(taken, i, "error_code"));
		steps[i] = (struct pg_step){ &sql_rescued_log, { args, 4 }, NULL };
		log_write(LOG_WARN, "request_rescued", "request %ld: %s", (long)args[0].i64, args[2].text);
	}
	return pg_commit(db, a, steps, (size_t)taken->n, deadline, e);
}

static bool rescue(struct pg *db, struct arena *a, int max_attempts, int64_t deadline, int64_t *lost, struct err *e)
{
	struct pg_rows taken;
	struct pg_step step = { &sql_rescue, PG_ARGS(PG(max_attempts), PG(AT_ONCE)), &taken };
	if (!pg_begin(db, a, &step, 1, deadline, e) || !rescue_log(db, a, &taken, deadline, e)) {
		struct err ignored = { 0 };
		pg_rollback(db, deadline, &ignored);
		return false;
	}
	*lost = taken.n;
	return true;
}

bool queue_maintain(struct pg *db, struct arena *a, int max_attempts, int64_t deadline, int64_t *moved, int64_t *next_ms,
	struct err *e)
{
	struct pg_rows promoted, dead;
	struct pg_args limit = PG_ARGS(PG(AT_ONCE));
	struct pg_step look[] = { { &sql_promote, limit, &promoted }, { &sql_dead_workers, PG_NO_ARGS, &dead } };
	if (!pg_batch(db, a, look, COUNT(look), deadline, e))
		return false;
	int64_t due = pg_i64(&promoted, 0, "promoted"), lost = 0;
	if (pg_bool(&dead, 0, "any") && !rescue(db, a, max_attempts, deadline, &lost, e))
		return false;
	*moved = due + lost;
	*next_ms = MAX_OF(due, lost) == AT_ONCE ? SOON_MS : pg_i64(&promoted, 0, "next_ms");
	return true;
}
