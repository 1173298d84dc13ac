/* SPDX-License-Identifier: MIT */
/* Inside loop.c and group.c only: what a task is. */
#pragma once
#include "fiber.h"
#include "loop_uv.h"

struct task {
	struct fiber *fiber;
	uv_timer_t timer;
	struct task *ready_next;
	bool ready;     /* in the ready list */
	bool woken;     /* a wake that no park has taken yet */
	bool timed_out;
	bool cancelled;
	bool tortured;
	struct log_context context;

	loop_body body;
	void *arg;
	struct group *group;
	struct task *next, **link; /* members of the group */
};

/* NULL and e when there is no stack. Starts soon. */
struct task *task_new(const char *name, loop_body body, void *arg, struct group *g, struct err *e);
/* Suspends until something makes the task ready, whatever it is. */
void task_suspend(void);
/* group.c: a member's body has returned. */
void group_leave(struct group *g, struct task *t, bool ok, const struct err *e);
