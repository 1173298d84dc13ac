/* SPDX-License-Identifier: MIT */
/* The first frame that fiber_switch pops on a new stack; its layout is that of fiber_<machine>.S. */
#include "fiber_switch.h"

void fiber_start(void); /* in the .S file */

#if defined(__x86_64__)
enum { FRAME_WORDS = 8, RETURN_WORD = 7 };
#elif defined(__aarch64__)
enum { FRAME_WORDS = 20, RETURN_WORD = 11 };
#else
#error "no assembly for this machine: use -Dfiber=ucontext"
#endif

void *fiber_switch_prepare(char *bottom, size_t size)
{
	uint64_t *top = (uint64_t *)(void *)(bottom + size);
	uint64_t *frame = top - FRAME_WORDS;
	memset(frame, 0, FRAME_WORDS * sizeof(*frame));
	frame[RETURN_WORD] = (uint64_t)(uintptr_t)fiber_start;
#if defined(__x86_64__)
	frame[0] = 0x037F00001F80; /* the control words every x86-64 process starts with */
#endif
	return frame;
}

void fiber_switch_forget(void *context)
{
	(void)context; /* it lived on the stack */
}
