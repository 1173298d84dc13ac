/* SPDX-License-Identifier: MIT */
/* What is known beforehand of the model that will answer: it is one of these. */
#include "conversation_rows.h"

/* The nth that may be asked; a name that nobody knows is passed over. NULL = there are no more. */
static const struct model_config *model_at(const struct agent_run *run, size_t *i)
{
	const struct models *m = run->models;
	const char *const *own = run->agent->models;
	bool given = own && own[0];
	for (;;) {
		size_t n = (*i)++;
		if (!given && n == 0)
			return &m->all[0];
		const char *name = given ? own[n] : m->fallback ? m->fallback[n - 1] : NULL;
		const struct model_config *config = name ? model_find(m, name) : NULL;
		if (config || !name)
			return config;
	}
}

int64_t conversation_window(const struct agent_run *run)
{
	int64_t least = 0;
	const struct model_config *config;
	for (size_t i = 0; (config = model_at(run, &i));)
		if (config->context_tokens && (!least || config->context_tokens < least))
			least = config->context_tokens;
	return least;
}

const struct model_config *conversation_dearest(const struct agent_run *run)
{
	const struct model_config *dearest = NULL, *config;
	for (size_t i = 0; (config = model_at(run, &i));)
		if (!dearest || config->price.output > dearest->price.output)
			dearest = config;
	return dearest ? dearest : &run->models->all[0];
}
