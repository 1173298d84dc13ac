/* SPDX-License-Identifier: MIT */
#include "proxy.h"
#include "arena.h"
#include "net.h"
#include <sys/socket.h>
#include <unistd.h>

struct link {
	struct proxy *proxy;
	int number;
	int near, far;
};

struct pump {
	const struct link *link;
	int from, to;
};

static bool pump_run(void *arg, struct err *e)
{
	struct pump *p = arg;
	for (bool end = false; !end;) {
		ARENA_SCOPE(tmp);
		struct buf *b = buf_new(tmp, 65536);
		if (!net_read(p->from, b, &end, NEVER_MS, e))
			break;
		if (p->link->number <= p->link->proxy->dead)
			return loop_park(NEVER_MS, e);
		if (!end && !net_write(p->to, buf_str(b), NEVER_MS, e))
			break;
	}
	shutdown(p->to, SHUT_WR);
	return true;
}

static bool link_run(void *arg, struct err *e)
{
	struct link *l = arg;
	struct group both = { .keep_going = true };
	struct pump out = { l, l->near, l->far }, in = { l, l->far, l->near };
	bool ok = group_start(&both, "out", pump_run, &out, e) && group_start(&both, "in", pump_run, &in, e);
	ok = group_wait(&both, NEVER_MS, e) && ok;
	close(l->near);
	close(l->far);
	free(l);
	return ok;
}

static bool accept_all(void *arg, struct err *e)
{
	struct proxy *p = arg;
	for (int near; (near = net_accept(p->fd, NEVER_MS, e)) >= 0;) {
		struct link *l = mem_alloc(sizeof(*l));
		*l = (struct link){ p, ++p->accepted, near, net_connect(p->target) };
		if (!group_start(&p->fibers, "link", link_run, l, e))
			return false;
	}
	return false;
}

bool proxy_start(struct proxy *p, int target, struct err *e)
{
	*p = (struct proxy){ .target = target, .fibers = { .keep_going = true } };
	p->fd = net_listen(64, &p->port);
	return group_start(&p->fibers, "proxy", accept_all, p, e);
}

void proxy_hang(struct proxy *p)
{
	p->dead = p->accepted;
}

void proxy_stop(struct proxy *p)
{
	struct err ignored = { 0 };
	group_cancel(&p->fibers);
	group_wait(&p->fibers, NEVER_MS, &ignored);
	close(p->fd);
}
