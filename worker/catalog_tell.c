/* SPDX-License-Identifier: MIT */
/* How commands tell what is wrong with a catalog. */
#include "catalog_tell.h"

bool catalog_tell(struct command_run *run, const struct catalog_problems *problems, struct err *e)
{
	const char *more = catalog_more(run->arena, problems);
	fflush(run->out.to);
	for (const struct config_problem *p = problems->all.first; p; p = p->next)
		fprintf(stderr, "drover %s: %s\n", run->command->name, p->text);
	if (more)
		fprintf(stderr, "drover %s: %s\n", run->command->name, more);
	run->exit = EXIT_USAGE;
	return FAIL(e, ERR_INPUT, "bad_catalog", "%zu mistakes in the catalog %s", problems->all.n, run->config->catalog.dir);
}
