/* SPDX-License-Identifier: MIT */
/* What why says: the causes that the database names, in words, each with what to do; for people and as JSON. */
#pragma once
#include "pg.h"
#include "print.h"

struct why {
	struct pg_rows request, causes, line, related;
	bool fair;              /* the order of claims, as this command's configuration has it */
	int64_t max_attempts;
};

/* Array literal of the ids that the causes name as what is waited for. */
const char *why_related_ids(struct arena *a, const struct why *w);
cJSON *why_json(struct arena *a, const struct why *w);
void why_print(const struct printer *p, struct arena *a, const struct why *w);
