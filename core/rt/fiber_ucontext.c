/* SPDX-License-Identifier: MIT */
/* The portable switch, for machines without assembly: two system calls dearer each way. */
#include "fiber_switch.h"
#include <ucontext.h>

static void start(void)
{
	fiber_main();
}

void *fiber_switch_prepare(char *bottom, size_t size)
{
	ucontext_t *context = mem_alloc(sizeof(*context));
	getcontext(context);
	context->uc_stack.ss_sp = bottom;
	context->uc_stack.ss_size = size;
	context->uc_link = NULL;
	makecontext(context, start, 0);
	return context;
}

void fiber_switch(void **save, void *load)
{
	ucontext_t *here = mem_alloc(sizeof(*here)); /* freed by whoever comes back to it */
	*save = here;
	swapcontext(here, load);
	free(here);
}

void fiber_switch_forget(void *context)
{
	free(context);
}
