/* SPDX-License-Identifier: MIT */
/* What only time brings: requests come due, workers die. Any worker does this for all. */
#include "log.h"
#include "queue.h"
#include "queue_sql.h"

enum { AT_ONCE = 1000, SOON_MS = 1 };

static bool rescue(struct pg *db, struct arena *a, const struct queue_rules *rules, int64_t deadline, int *lost,
	struct err *e)
{
	struct pg_rows taken;
	if (!pg_query(db, a, &sql_rescue, PG_ARGS(PG(rules->max_attempts), PG(rules->max_crashes), PG(AT_ONCE)), deadline,
		&taken, e))
		return false;
	for (int i = 0; i < taken.n; i++)
		log_write(LOG_WARN, pg_bool(&taken, i, "failed") ? "request_poisoned" : "request_rescued", "request %ld: %s",
			(long)pg_i64(&taken, i, "id"), pg_text(&taken, i, "error"));
	*lost = taken.n;
	return true;
}

/* Where the next sweep begins; from the start again after the last. */
static void sweep_on(struct queue_sweep *sweep, const struct pg_rows *rows)
{
	const char *key = pg_text(rows, 0, "next_key"), *session = pg_text(rows, 0, "next_session");
	snprintf(sweep->key, sizeof(sweep->key), "%s", key ? key : "");
	snprintf(sweep->session, sizeof(sweep->session), "%s", session ? session : "");
}

bool queue_maintain(struct pg *db, struct arena *a, const struct queue_rules *rules, struct queue_sweep *sweep,
	int64_t deadline, struct queue_news *news, struct err *e)
{
	static const char first_session[] = "00000000-0000-0000-0000-000000000000";
	struct pg_rows rows;
	const char *key = sweep->key, *session = sweep->session[0] ? sweep->session : first_session;
	int lost = 0;
	if (!pg_query(db, a, &sql_upkeep, PG_ARGS(PG(AT_ONCE), PG(key), PG(session), PG(rules->default_limits)), deadline,
		&rows, e))
		return false;
	sweep_on(sweep, &rows);
	if (pg_bool(&rows, 0, "any_dead") && !rescue(db, a, rules, deadline, &lost, e))
		return false;
	int64_t due = pg_i64(&rows, 0, "promoted");
	bool more = due == AT_ONCE || lost == AT_ONCE;
	*news = (struct queue_news){ more ? SOON_MS : pg_i64(&rows, 0, "next_ms"), due + lost,
		lost || pg_bool(&rows, 0, "any_ready") };
	return true;
}
