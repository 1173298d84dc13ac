/* SPDX-License-Identifier: MIT */
/* What status shows: the rows of its queries, for people and as JSON. */
#pragma once
#include "connection_budget.h"
#include "pg.h"
#include "print.h"
#include "status_alarms.h"

struct status {
	struct pg_rows depth, oldest, ended, times, failures, workers, connections, budgets, lanes;
	const struct config *config;
	int64_t live_workers, waiting, running; /* sums over the rows */
	int64_t claimed_last_minute;
	struct alarms alarms;
};

void status_sum(struct status *s);
cJSON *status_json(struct arena *a, const struct status *s);
/* Nothing where there is no budget. */
void status_budgets_print(const struct printer *p, struct arena *a, const struct pg_rows *budgets);
void status_print(const struct printer *p, struct arena *a, const struct status *s);
