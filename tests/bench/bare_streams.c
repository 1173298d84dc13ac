/* SPDX-License-Identifier: MIT */
/*
 * The floor of the streams: the same streams read by epoll and counted by their blank lines, and nothing else: no JSON,
 * no chunks undone, no log. Serves until SIGTERM; once a second a line "us live events" (CLOCK_MONOTONIC).
 *   bench_bare_streams PORT STREAMS
 */
#include "clock.h"
#include "side.h"
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 65536, EVENTS = 512, SECOND_US = 1000000 };

struct stream {
	int fd;
	char before; /* the last byte of the last read: a blank line may be cut in two */
};

static int64_t live, events;

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static int stream_open(int port)
{
	static const char request[] = "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		fail("connect");
	if (write(fd, request, sizeof(request) - 1) != sizeof(request) - 1)
		fail("write");
	return fd;
}

static void streams_open(int epoll, struct stream *all, int port, int n)
{
	for (int i = 0; i < n; i++) {
		struct epoll_event want = { EPOLLIN, { .ptr = &all[i] } };
		all[i].fd = stream_open(port);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &want) != 0)
			fail("epoll");
		live++;
	}
}

static int64_t count_blank_lines(struct stream *s, const char *p, size_t n)
{
	int64_t found = s->before == '\n' && *p == '\n';
	s->before = p[n - 1];
	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))) && ++p < end;)
		found += *p == '\n';
	return found;
}

static void stream_read(struct stream *s)
{
	static char block[BLOCK];
	ssize_t n = recv(s->fd, block, sizeof(block), MSG_DONTWAIT);
	if (n > 0) {
		events += count_blank_lines(s, block, (size_t)n);
		return;
	}
	close(s->fd);
	live--;
}

static void serve(int epoll)
{
	static struct epoll_event ready[EVENTS];
	for (int64_t tell_us = clock_us();;) {
		int n = epoll_wait(epoll, ready, EVENTS, 100);
		for (int i = 0; i < n; i++)
			stream_read(ready[i].data.ptr);
		if (clock_us() < tell_us)
			continue;
		side_say("%ld %ld %ld\n", (long)clock_us(), (long)live, (long)events);
		tell_us += SECOND_US;
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	if (argc != 3)
		return 2;
	int n = side_number(argv[2]), epoll = epoll_create1(EPOLL_CLOEXEC);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	streams_open(epoll, mem_alloc((size_t)n * sizeof(struct stream)), side_number(argv[1]), n);
	serve(epoll);
}
