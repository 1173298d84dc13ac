/* SPDX-License-Identifier: MIT */
/* What has ended long ago is deleted or archived, a few rows at a time, by one worker for all. */
#pragma once
#include "pg.h"

/* Ages in milliseconds since the end; 0 = kept for ever, else at least an hour. */
struct queue_retention {
	int64_t completed_ms, failed_ms, cancelled_ms;
	int64_t logs_ms;  /* logs may go before their request */
	bool archive;     /* requests go to drover.archived_requests; their logs, turns and tool executions do not */
};

/* One step of some milliseconds. *pruned: requests and log rows. *more: there is more to do at once; call again soon,
 * but with a pause, else in a minute. waits. */
bool queue_prune(struct pg *db, struct arena *a, const struct queue_retention *r, int64_t deadline, int64_t *pruned,
	bool *more, struct err *e);
