/* SPDX-License-Identifier: MIT */
#include "broadcast.h"
#include "queue_sql.h"

enum { ARRAY_BYTES = 4 * 1024 * 1024 };

bool queue_broadcast(struct pg *db, struct arena *a, const struct queue_rows *rows, size_t n, int64_t deadline,
	struct queue_broadcast *out, struct err *e)
{
	struct buf *ids = buf_new(a, ARRAY_BYTES), *firsts = buf_new(a, ARRAY_BYTES), *lasts = buf_new(a, ARRAY_BYTES);
	for (size_t i = 0; i < n; i++) {
		pg_array_add_i64(ids, rows[i].request_id);
		pg_array_add_i64(firsts, rows[i].first);
		pg_array_add_i64(lasts, rows[i].last);
	}
	struct pg_args args = PG_ARGS(PG(pg_array_end(ids)), PG(pg_array_end(firsts)), PG(pg_array_end(lasts)));
	struct pg_rows sent;
	pg_warnings_keep(db);
	bool ok = pg_query(db, a, &sql_broadcast, args, deadline, &sent, e);
	*out = (struct queue_broadcast){ .sent = ok ? pg_i64(&sent, 0, "sent") : 0 };
	out->warnings = pg_warnings_end(db, out->warning, sizeof(out->warning));
	return ok;
}

bool queue_broadcast_check(struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	if (!pg_query(db, tmp, &sql_can_broadcast, PG_NO_ARGS, deadline, &rows, e))
		return false;
	return pg_bool(&rows, 0, "can") || FAIL(e, ERR_REFUSED, "no_realtime", "log.delivery is broadcast, but this database "
		"has no realtime.send(jsonb, text, text, boolean): use a Supabase project with Realtime, or set log.delivery: "
		"postgres_changes");
}
