/* SPDX-License-Identifier: MIT */
#include "route.h"

const struct model_config *model_find(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->all[i].name, name) == 0)
			return &m->all[i];
	return NULL;
}

bool route_may_retry(const struct err *e)
{
	return e->kind == ERR_BUSY || e->kind == ERR_NET || e->kind == ERR_TIMEOUT;
}

bool route_turn(struct models *m, struct arena *a, const char *const *names, const struct model_request *rq,
	struct thoughts *thoughts, int64_t deadline, struct model_turn *turn, struct err *e)
{
	const struct model_config *config = names && names[0] ? model_find(m, names[0]) : &m->all[0];
	if (!config)
		return FAIL(e, ERR_INPUT, "unknown_model", "no model %s", names[0]);
	struct model one = { m->http, *config };
	if (!model_turn(&one, a, rq, thoughts, deadline, turn, e))
		return false;
	turn->config = config;
	return true;
}
