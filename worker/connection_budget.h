/* SPDX-License-Identifier: MIT */
/* How many connections worker processes hold at most, and how many there may be. */
#pragma once
#include "config.h"
#include "pg.h"

struct budget {
	int64_t of_process, processes, whole;
	int64_t allowed, others;   /* for this role in this database; in use by anybody but Drover */
	const char *by;            /* what sets the limit */
	bool short_of;             /* not all of the whole would get one */
};

/* limits: the row of connection_limits.sql. processes 0 = what one machine starts. */
struct budget budget_of(const struct config *c, int64_t processes, const struct pg_rows *limits);
const char *budget_text(struct arena *a, const struct config *c, const struct budget *b);
cJSON *budget_json(struct arena *a, const struct budget *b);
