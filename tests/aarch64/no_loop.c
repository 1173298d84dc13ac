/* SPDX-License-Identifier: MIT */
/* tests/test.c for the other machine, where there is no libuv: plain TESTs run, a LOOP_TEST says why it cannot. */
#include "loop.h"

bool loop_open(struct err *e)
{
	return FAIL(e, ERR_BUG, "no_loop", "this binary was built without the loop: only TEST runs here, not LOOP_TEST");
}

bool loop_run(const char *name, loop_body body, void *arg, struct err *e)
{
	(void)name, (void)body, (void)arg;
	return loop_open(e);
}

void loop_close(void)
{
}
