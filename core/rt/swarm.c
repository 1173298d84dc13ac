/* SPDX-License-Identifier: MIT */
/* An epoll descriptor within the loop's own: what is not taken of it in one turn is still ready in the next. */
#include "swarm.h"
#include "loop_uv.h"
#include <sys/epoll.h>
#include <unistd.h>

struct swarm {
	uv_poll_t poll; /* active while anybody wants anything */
	int epoll;
	size_t wanting;
	struct epoll_event turn[SWARM_TURN];
	int n; /* of turn, while it is gone through */
};

struct swarm_member {
	struct swarm *swarm;
	int fd;
	uint32_t wanted; /* EPOLL*; 0 = epoll does not know it */
	swarm_ready ready;
	void *self;
};

static void member_tell(const struct swarm_member *m, uint32_t events)
{
	bool trouble = events & (EPOLLERR | EPOLLHUP);
	m->ready(m->self, m->fd, trouble || (events & EPOLLIN), trouble || (events & EPOLLOUT));
}

/* Who is told may make others leave, itself too: their place in the turn is empty then. */
static void on_turn(uv_poll_t *poll, int status, int events)
{
	enum { AHEAD = 2 };
	struct swarm *c = poll->data;
	(void)status, (void)events;
	c->n = epoll_wait(c->epoll, c->turn, SWARM_TURN, 0);
	for (int i = 0; i < c->n; i++) {
		if (i + AHEAD < c->n)
			__builtin_prefetch(c->turn[i + AHEAD].data.ptr); /* one of ten thousand is in no cache */
		if (c->turn[i].data.ptr)
			member_tell(c->turn[i].data.ptr, c->turn[i].events);
	}
	c->n = 0;
}

struct swarm *swarm_new(void)
{
	struct swarm *c = mem_alloc(sizeof(*c));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	int rc = c->epoll < 0 ? -errno : uv_poll_init(loop_uv(), &c->poll, c->epoll);
	if (rc != 0) {
		log_write(LOG_ERROR, "epoll_failed", "no descriptor to wait for streams: %s", uv_strerror(rc));
		abort();
	}
	c->poll.data = c;
	return c;
}

static void swarm_closed(uv_handle_t *handle)
{
	struct swarm *c = handle->data;
	close(c->epoll);
	free(c);
}

void swarm_free(struct swarm *c)
{
	uv_close((uv_handle_t *)&c->poll, swarm_closed);
}

struct swarm_member *swarm_join(struct swarm *c, int fd, swarm_ready ready, void *self)
{
	struct swarm_member *m = mem_alloc(sizeof(*m));
	*m = (struct swarm_member){ .swarm = c, .fd = fd, .ready = ready, .self = self };
	return m;
}

/* A loop in which only idle watches are left has nothing to wait for. */
static void wanting_add(struct swarm *c, int change)
{
	c->wanting += (size_t)change;
	if (c->wanting && !uv_is_active((uv_handle_t *)&c->poll))
		uv_poll_start(&c->poll, UV_READABLE, on_turn);
	else if (!c->wanting)
		uv_poll_stop(&c->poll);
}

bool swarm_want(struct swarm_member *m, bool readable, bool writable)
{
	uint32_t wanted = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
	struct epoll_event event = { wanted, { .ptr = m } };
	if (wanted == m->wanted)
		return true;
	int op = !m->wanted ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	if (epoll_ctl(m->swarm->epoll, op, m->fd, &event) != 0)
		return false;
	int change = (wanted != 0) - (m->wanted != 0);
	m->wanted = wanted;
	wanting_add(m->swarm, change);
	return true;
}

void swarm_leave(struct swarm_member *m)
{
	if (!m)
		return;
	struct swarm *c = m->swarm;
	for (int i = 0; i < c->n; i++)
		if (c->turn[i].data.ptr == m)
			c->turn[i].data.ptr = NULL;
	if (m->wanted) {
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, m->fd, NULL);
		wanting_add(c, -1);
	}
	free(m);
}
