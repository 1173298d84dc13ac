/* SPDX-License-Identifier: MIT */
/* The context switch behind fiber.c: one file a machine, or ucontext. */
#pragma once
#include "base.h"

/* Saves where we are into *save and goes on at load. Not inlined, so no compiler moves code across it. */
void fiber_switch(void **save, void *load);
/* A first context on the stack [bottom, bottom + size) that calls fiber_main. */
void *fiber_switch_prepare(char *bottom, size_t size);
/* Gives back what prepare took. */
void fiber_switch_forget(void *context);
/* fiber.c: runs the current fiber's body; never returns. */
_Noreturn void fiber_main(void);
