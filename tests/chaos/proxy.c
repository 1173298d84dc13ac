/* SPDX-License-Identifier: MIT */
/*
 * A bad network between workers and Postgres: forwards TCP on loopback, and is told on stdin what goes wrong.
 *   chaos_proxy UPSTREAM_PORT SEED    prints its own port
 *   cut PERCENT     that share of the connections is reset
 *   freeze PERCENT  that share is half-open from now on: nothing is forwarded, nothing closed, for 30 s
 *   stall MS        nothing is forwarded for so long; then all of it, late
 *   delay MS MS     every piece is held back so long, for so long
 *   refuse MS       new connections are closed at once
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_MOST = 400, PIECE = 65536, FROZEN_MS = 30000, IDLE_MS = 1000 };

/* One direction. */
struct stream {
	char bytes[PIECE];
	size_t at, n;
	int64_t due;
};

struct link {
	int fd[2]; /* worker, Postgres */
	struct stream *out[2]; /* from that side */
	int64_t frozen_until;
};

struct proxy {
	int port, listener;
	struct link links[LINKS_MOST];
	size_t n;
	int64_t stalled_until, refuses_until, delays_until, delay_ms;
	char command[256];
	size_t command_n;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* ---- connections ---- */

static void close_hard(int fd)
{
	struct linger none = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void link_end(struct proxy *p, size_t i, bool hard)
{
	struct link *l = &p->links[i];
	for (int side = 0; side < 2; side++) {
		hard ? close_hard(l->fd[side]) : (void)close(l->fd[side]);
		free(l->out[side]);
	}
	*l = p->links[--p->n];
}

static void link_begin(struct proxy *p)
{
	int one = 1, from = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (from < 0)
		return;
	struct sockaddr_in address = loopback(p->port);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->n == LINKS_MOST || now_ms() < p->refuses_until
		|| connect(to, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close_hard(from);
		close(to);
		return;
	}
	setsockopt(from, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	setsockopt(to, IPPROTO_TCP, 1, &one, sizeof(one));
	p->links[p->n++] = (struct link){ .fd = { from, to },
		.out = { calloc(1, sizeof(struct stream)), calloc(1, sizeof(struct stream)) } };
}

/* False: the other side is gone. */
static bool stream_write(struct link *l, int side)
{
	struct stream *s = l->out[side];
	while (s->at < s->n) {
		ssize_t n = send(l->fd[!side], s->bytes + s->at, s->n - s->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN;
		s->at += (size_t)n;
	}
	s->at = s->n = 0;
	return true;
}

static bool stream_read(const struct proxy *p, struct link *l, int side, int64_t now)
{
	struct stream *s = l->out[side];
	ssize_t n = recv(l->fd[side], s->bytes, sizeof(s->bytes), MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	s->n = (size_t)n;
	s->due = now < p->delays_until ? now + p->delay_ms : now;
	return s->due > now || stream_write(l, side);
}

/* ---- what goes wrong ---- */

static void strike(struct proxy *p, const char *what, long percent)
{
	for (size_t i = p->n; i-- > 0;) {
		if (lrand48() % 100 >= percent)
			continue;
		if (strcmp(what, "cut") == 0)
			link_end(p, i, true);
		else
			p->links[i].frozen_until = now_ms() + FROZEN_MS;
	}
}

static void obey(struct proxy *p, const char *line)
{
	char what[16];
	long a = 0, b = 0;
	int64_t now = now_ms();
	if (sscanf(line, "%15s %ld %ld", what, &a, &b) < 2)
		return;
	if (strcmp(what, "stall") == 0) {
		p->stalled_until = now + a;
	} else if (strcmp(what, "refuse") == 0) {
		p->refuses_until = now + a;
	} else if (strcmp(what, "delay") == 0) {
		p->delay_ms = a;
		p->delays_until = now + b;
	} else {
		strike(p, what, a);
	}
}

/* False: nobody tells us any more. */
static bool commands_read(struct proxy *p)
{
	ssize_t n = read(0, p->command + p->command_n, sizeof(p->command) - 1 - p->command_n);
	if (n <= 0)
		return false;
	p->command_n += (size_t)n;
	p->command[p->command_n] = '\0';
	for (char *end; (end = strchr(p->command, '\n'));) {
		*end = '\0';
		obey(p, p->command);
		p->command_n -= (size_t)(end + 1 - p->command);
		memmove(p->command, end + 1, p->command_n + 1);
	}
	return true;
}

/* ---- the loop ---- */

static short wish(const struct link *l, int side, int64_t now, int64_t *wait_ms)
{
	const struct stream *own = l->out[side], *other = l->out[!side];
	short events = own->n ? 0 : POLLIN;
	if (other->n && other->due <= now)
		events |= POLLOUT;
	else if (other->n && other->due - now < *wait_ms)
		*wait_ms = other->due - now;
	return events;
}

static nfds_t wishes(struct proxy *p, struct pollfd *fds, int64_t now, int64_t *wait_ms)
{
	bool stalled = now < p->stalled_until;
	fds[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = p->listener, .events = stalled ? 0 : POLLIN };
	if (stalled && p->stalled_until - now < *wait_ms)
		*wait_ms = p->stalled_until - now;
	for (size_t i = 0; i < p->n; i++)
		for (int side = 0; side < 2; side++) {
			bool silent = stalled || now < p->links[i].frozen_until;
			int fd = silent ? -1 : p->links[i].fd[side];
			short events = wish(&p->links[i], side, now, wait_ms);
			fds[2 + 2 * i + (size_t)side] = (struct pollfd){ .fd = fd, .events = events };
		}
	return 2 + 2 * p->n;
}

static bool link_serve(struct proxy *p, size_t i, const struct pollfd *fds, int64_t now)
{
	struct link *l = &p->links[i];
	bool ok = true;
	for (int side = 0; ok && side < 2; side++) {
		short got = fds[2 + 2 * i + (size_t)side].revents;
		if (got & POLLOUT)
			ok = stream_write(l, !side);
		if (ok && (got & (POLLIN | POLLHUP | POLLERR)) && !l->out[side]->n)
			ok = stream_read(p, l, side, now);
	}
	return ok;
}

static void serve(struct proxy *p)
{
	static struct pollfd fds[2 + 2 * LINKS_MOST];
	for (;;) {
		int64_t wait_ms = IDLE_MS, now = now_ms();
		nfds_t n = wishes(p, fds, now, &wait_ms);
		if (poll(fds, n, (int)wait_ms) < 0)
			continue;
		now = now_ms();
		size_t links = (n - 2) / 2;
		for (size_t i = links; i-- > 0;)
			if (!link_serve(p, i, fds, now))
				link_end(p, i, false); /* the last takes its place, and has been served */
		if (fds[1].revents)
			link_begin(p);
		if (fds[0].revents && !commands_read(p))
			return;
	}
}

int main(int argc, char **argv)
{
	static struct proxy p;
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	if (argc != 3)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand48(strtol(argv[2], NULL, 10));
	p.port = (int)strtol(argv[1], NULL, 10);
	p.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(p.listener, (struct sockaddr *)&address, size) != 0 || listen(p.listener, 128) != 0
		|| getsockname(p.listener, (struct sockaddr *)&address, &size) != 0)
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	serve(&p);
	return 0;
}
