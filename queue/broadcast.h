/* SPDX-License-Identifier: MIT */
/* Committed log rows told to readers by Supabase Realtime (schema/core/014_delivery.sql). */
#pragma once
#include "log_batch.h"
#include "pg.h"

/* Rows first to last of one request. */
struct queue_rows {
	int64_t request_id, first, last;
};

struct queue_broadcast {
	int64_t sent;     /* messages */
	int64_t warnings; /* realtime.send fails by nothing else */
	char warning[160]; /* the last one's text */
};

/* waits. It is a statement of its own: whatever becomes of it, the rows are in the table. On failure *out has what was
 * known of warnings. */
bool queue_broadcast(struct pg *db, struct arena *a, const struct queue_rows *rows, size_t n, int64_t deadline,
	struct queue_broadcast *out, struct err *e);
/* waits. Fails with ERR_REFUSED "no_realtime" when the database cannot broadcast. */
bool queue_broadcast_check(struct pg *db, int64_t deadline, struct err *e);
