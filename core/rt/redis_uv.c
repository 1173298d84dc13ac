/* SPDX-License-Identifier: MIT */
/* hiredis' event hooks on libuv. The poll handle outlives the context until libuv has closed it. */
#include "redis_impl.h"

struct redis_poll {
	uv_poll_t poll;
	redisAsyncContext **slot;
	int events;
};

static void refuse_large(redisAsyncContext *c)
{
	static char why[] = "a reply is larger than allowed";
	c->errstr = why;
	redisAsyncFree(c);
}

/* Either call may free the context: the slot tells. */
static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct redis_poll *p = handle->data;
	if (status < 0)
		events = UV_READABLE | UV_WRITABLE; /* the read finds out what is wrong */
	redisAsyncContext **slot = p->slot;
	if (slot && (events & UV_READABLE))
		redisAsyncHandleRead(*slot);
	slot = p->slot;
	if (slot && (*slot)->c.reader->len > REDIS_REPLY_BYTES)
		refuse_large(*slot);
	slot = p->slot;
	if (slot && (events & UV_WRITABLE))
		redisAsyncHandleWrite(*slot);
}

static void events_set(struct redis_poll *p, int events)
{
	p->events = events;
	if (events)
		uv_poll_start(&p->poll, events, on_ready);
	else
		uv_poll_stop(&p->poll);
}

static void read_add(void *p)
{
	events_set(p, ((struct redis_poll *)p)->events | UV_READABLE);
}

static void read_remove(void *p)
{
	events_set(p, ((struct redis_poll *)p)->events & ~UV_READABLE);
}

static void write_add(void *p)
{
	events_set(p, ((struct redis_poll *)p)->events | UV_WRITABLE);
}

static void write_remove(void *p)
{
	events_set(p, ((struct redis_poll *)p)->events & ~UV_WRITABLE);
}

static void poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void context_gone(void *self)
{
	struct redis_poll *p = self;
	*p->slot = NULL;
	p->slot = NULL;
	uv_close((uv_handle_t *)&p->poll, poll_closed);
}

bool redis_watch(redisAsyncContext **slot)
{
	struct redis_poll *p = mem_alloc(sizeof(*p));
	redisAsyncContext *c = *slot;
	if (uv_poll_init(loop_uv(), &p->poll, c->c.fd) != 0) {
		free(p);
		return false;
	}
	p->poll.data = p;
	p->slot = slot;
	c->ev.data = p;
	c->ev.addRead = read_add;
	c->ev.delRead = read_remove;
	c->ev.addWrite = write_add;
	c->ev.delWrite = write_remove;
	c->ev.cleanup = context_gone;
	return true;
}
