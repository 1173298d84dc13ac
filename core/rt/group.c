/* SPDX-License-Identifier: MIT */
/* Groups: no fiber is left behind. */
#include "task.h"

bool group_start(struct group *g, const char *name, loop_body body, void *arg, struct err *e)
{
	struct task *t = task_new(name, body, arg, g, e);
	if (!t)
		return false;
	t->next = g->first;
	t->link = &g->first;
	if (g->first)
		g->first->link = &t->next;
	g->first = t;
	g->running++;
	return true;
}

void group_leave(struct group *g, struct task *t, bool ok, const struct err *e)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	g->running--;
	if (!ok && !g->failed && !g->keep_going) {
		g->failed = true;
		g->error = *e;
		group_cancel(g);
	}
	if (!g->running || g->failed)
		task_wake(g->owner);
}

void group_cancel(struct group *g)
{
	for (struct task *t = g->first; t; t = t->next)
		task_cancel(t);
}

bool group_wait(struct group *g, int64_t deadline, struct err *e)
{
	bool ok = true;
	g->owner = task_self();
	while (ok && g->running && !g->failed)
		ok = loop_park(deadline, e);
	if (!ok)
		group_cancel(g);
	while (g->running)
		task_suspend(); /* they unwind without I/O; the caller's own cancellation must not cut this short */
	g->owner = NULL;
	if (ok && g->failed)
		*e = g->error;
	return ok && !g->failed;
}
