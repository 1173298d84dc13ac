/* SPDX-License-Identifier: MIT */
/* Waiting for a descriptor. */
#include "loop_uv.h"

struct watch {
	uv_poll_t poll;
	struct task *waiter;
	int events; /* that the poll is started with; 0 = stopped */
	int happened;
};

/* An event nobody waits for stops the watch: level-triggered, it would come again at once. */
static void on_event(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	w->happened |= status < 0 ? UV_READABLE | UV_WRITABLE : events; /* trouble shows at the next read */
	if (status < 0 || !w->waiter) {
		uv_poll_stop(poll);
		w->events = 0;
	}
	task_wake(w->waiter);
}

struct watch *watch_new(int fd)
{
	struct watch *w = mem_alloc(sizeof(*w));
	int rc = uv_poll_init(loop_uv(), &w->poll, fd);
	if (rc != 0) {
		log_write(LOG_ERROR, "watch_failed", "descriptor %d: %s", fd, uv_strerror(rc));
		abort();
	}
	w->poll.data = w;
	return w;
}

static void watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void watch_free(struct watch *w)
{
	if (w)
		uv_close((uv_handle_t *)&w->poll, watch_closed);
}

bool watch_wait(struct watch *w, bool readable, bool writable, int64_t deadline, struct err *e)
{
	int wanted = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
	bool ok = true;
	w->happened = 0;
	w->waiter = task_self();
	if (w->events != wanted)
		uv_poll_start(&w->poll, wanted, on_event);
	w->events = wanted;
	while (ok && !w->happened)
		ok = loop_park(deadline, e);
	w->waiter = NULL;
	return ok;
}

bool loop_wait_fd(int fd, bool readable, bool writable, int64_t deadline, struct err *e)
{
	struct watch *w = watch_new(fd);
	bool ok = watch_wait(w, readable, writable, deadline, e);
	watch_free(w);
	return ok;
}
