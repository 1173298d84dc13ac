/* SPDX-License-Identifier: MIT */
/* Who has something to be written: of ten thousand streams the writer visits only these. */
#include "clock.h"
#include "loop.h"
#include "thoughts_inner.h"

void thoughts_queue_init(struct thoughts_queue *q)
{
	*q = (struct thoughts_queue){ .last = &q->first };
}

static void link_at(struct thoughts_queue *q, struct thoughts_wait **at, struct thoughts_wait *w)
{
	w->next = *at;
	w->link = at;
	*at = w;
	if (w->next)
		w->next->link = &w->next;
	else
		q->last = &w->next;
}

void thoughts_take(struct thoughts *t)
{
	struct thoughts_wait *w = &t->wait;
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	else
		t->queue->last = w->link;
	w->link = NULL;
}

void thoughts_watch(struct thoughts *t, struct thoughts_queue *q, void *owner)
{
	t->queue = q;
	t->wait.owner = owner;
}

void thoughts_unwatch(struct thoughts *t)
{
	thoughts_take(t);
	t->queue = NULL;
}

void thoughts_wait(struct thoughts *t)
{
	if (!t->queue || t->wait.link)
		return;
	t->wait.since_ms = clock_ms();
	link_at(t->queue, t->queue->last, &t->wait);
	if (t->queue->first == &t->wait)
		task_wake(t->queue->writer);
}

void thoughts_put_back(struct thoughts *t, int64_t since_ms)
{
	thoughts_take(t);
	if (!t->queue)
		return;
	t->wait.since_ms = since_ms;
	link_at(t->queue, &t->queue->first, &t->wait);
}

void thoughts_hurry(struct thoughts *t)
{
	if (!t->queue || (t->wait.link && !t->wait.since_ms))
		return;
	thoughts_put_back(t, 0);
	task_wake(t->queue->writer);
}
