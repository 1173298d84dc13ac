/* SPDX-License-Identifier: MIT */
/* Stops for a debugger with fibers in every state; test_gdb.py knows these names. */
#include "fiber.h"
#include <signal.h>

#define OWN_FRAME __attribute__((noinline))

static volatile int sacks;

OWN_FRAME static void knead(int loaves)
{
	fiber_suspend();
	sacks += loaves; /* a call that comes last would leave no frame */
}

OWN_FRAME static void bake(void *arg)
{
	(void)arg;
	knead(12);
	sacks++;
}

OWN_FRAME static void grind(void *arg)
{
	(void)arg;
	fiber_suspend();
	sacks++;
}

OWN_FRAME static void stop_here(void *arg)
{
	(void)arg;
	raise(SIGTRAP);
	sacks++;
}

OWN_FRAME static void rest(void *arg)
{
	(void)arg;
	sacks++;
}

int main(void)
{
	static const struct {
		const char *name;
		void (*body)(void *);
		bool resumed;
	} fibers[] = {
		{ "request 42 baker", bake, true }, { "request 43 miller", grind, true }, { "sleeper", rest, false },
		{ "gone", rest, true },             { "stopper", stop_here, true },
	};
	for (size_t i = 0; i < COUNT(fibers); i++) {
		struct fiber *f = fiber_new(fibers[i].name, fibers[i].body, NULL);
		if (f && fibers[i].resumed)
			fiber_resume(f);
	}
	return 0;
}
