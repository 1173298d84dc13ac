/* SPDX-License-Identifier: MIT */
/* What show shows: the rows of its queries, for people and as JSON. */
#pragma once
#include "pg.h"
#include "print.h"

struct shown {
	struct pg_rows request, timeline, children, blocker;
};

cJSON *show_json(struct arena *a, const struct shown *s);
void show_print(const struct printer *p, struct arena *a, const struct shown *s);
