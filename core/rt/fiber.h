/* SPDX-License-Identifier: MIT */
/*
 * Stackful fibers: a stack, a name and a switch. Knows no loop and no library. Almost everybody wants loop.h.
 * A stack is mapped, with a guard page below it; running into the guard ends the process with the fiber's name.
 */
#pragma once
#include "base.h"

struct fiber;

enum { FIBER_STACK_DEFAULT = 256 * 1024, FIBER_STACK_MIN = 64 * 1024, FIBER_NAME = 48 };

/* Bytes of stack of fibers made from now on; what is touched is what it costs. */
void fiber_stack_size_set(size_t bytes);
/* Stacks of ended fibers are kept for the next; this gives back what they have touched. Now and then. */
void fiber_spares_trim(void);
/* Gives back what the current fiber has touched below where it stands: before a wait of seconds. Outside fibers nothing. */
void fiber_stack_trim(void);
/* NULL (errno) when the stack cannot be mapped. body runs at the first resume. */
struct fiber *fiber_new(const char *name, void (*body)(void *), void *arg);
/* The body must have returned. NULL is allowed. */
void fiber_free(struct fiber *f);
/* From outside fibers only: runs f until it suspends or ends. */
void fiber_resume(struct fiber *f);
/* From inside: back to whoever resumed. */
void fiber_suspend(void);
struct fiber *fiber_self(void); /* NULL outside fibers */
bool fiber_ended(const struct fiber *f);
const char *fiber_name(const struct fiber *f);
size_t fiber_count(void);
/* One slot for the layer above. */
void fiber_tag_set(struct fiber *f, void *tag);
void *fiber_tag(const struct fiber *f);
/* Once per process: an overflow prints "fiber NAME: stack overflow" and aborts. */
void fiber_guard_install(void);
