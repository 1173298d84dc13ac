/* SPDX-License-Identifier: MIT */
/* libmicrohttpd without threads of its own: its epoll descriptor and its timeout are watched by libuv. */
#include "http_server_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 1024, CONNECTION_BYTES = 16 * 1024, IDLE_SECONDS = 120, BACKLOG = 4096 };

/* ---- libuv ---- */

static void on_time(uv_timer_t *timer);

void http_server_run_soon(struct http_server *s)
{
	uv_timer_start(s->timer, on_time, 0, 0);
}

static void server_run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	s->run_again = false;
	MHD_run(s->daemon);
	if (s->run_again)
		http_server_run_soon(s);
	else if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		uv_timer_start(s->timer, on_time, ms, 0);
	else
		uv_timer_stop(s->timer);
}

static void on_time(uv_timer_t *timer)
{
	server_run(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	server_run(poll->data);
}

static void handle_closed(uv_handle_t *handle)
{
	free(handle);
}

static void watch_start(struct http_server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	s->poll = mem_alloc(sizeof(*s->poll));
	s->timer = mem_alloc(sizeof(*s->timer));
	if (!info || uv_poll_init(loop_uv(), s->poll, info->epoll_fd) != 0)
		abort(); /* an epoll descriptor can be polled */
	uv_timer_init(loop_uv(), s->timer);
	s->poll->data = s->timer->data = s;
	uv_poll_start(s->poll, UV_READABLE, on_ready);
}

/* ---- opening ---- */

static socklen_t address_read(const char *host, int port, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return sizeof(*v6);
	}
	return 0;
}

static bool listen_at(int fd, const struct sockaddr_storage *address, socklen_t n, int *port)
{
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	int on = 1;
	bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
		&& setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 /* inherited by what it accepts */
		&& bind(fd, (const struct sockaddr *)address, n) == 0 && listen(fd, BACKLOG) == 0
		&& getsockname(fd, (struct sockaddr *)&bound, &size) == 0;
	if (ok)
		*port = ntohs(((struct sockaddr_in *)&bound)->sin_port); /* at the same place in sockaddr_in6 */
	return ok;
}

static int listen_open(const char *host, int wanted, int *port, struct err *e)
{
	struct sockaddr_storage address;
	socklen_t n = address_read(host, wanted, &address);
	if (!n || wanted < 0 || wanted > 65535) {
		FAIL(e, ERR_INPUT, "bad_address", 
			"cannot listen on %s:%d: an IP address and a port up to 65535 are needed", host, wanted);
		return -1;
	}
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && listen_at(fd, &address, n, port))
		return fd;
	FAIL(e, ERR_INPUT, "cannot_listen", "cannot listen on %s:%d: %s", host, wanted, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void on_connection(void *server, struct MHD_Connection *c, void **context,
	enum MHD_ConnectionNotificationCode why)
{
	struct http_server *s = server;
	(void)c, (void)context;
	s->run_again |= why == MHD_CONNECTION_NOTIFY_CLOSED;
}

static struct MHD_Daemon *daemon_start(struct http_server *s, int fd, unsigned connections)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL,
		http_on_request, s,
		MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_CONNECTION_LIMIT, connections ? connections : (unsigned)CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_END);
}

struct http_server *http_server_open(const struct http_server_options *o, struct group *g, http_handler handler,
	void *self, struct err *e)
{
	struct http_server *s = mem_alloc(sizeof(*s));
	*s = (struct http_server){ .group = g, .handler = handler, .self = self, .body_bytes = o->body_bytes };
	int fd = listen_open(o->host ? o->host : "127.0.0.1", o->port, &s->port, e);
	s->daemon = fd >= 0 ? daemon_start(s, fd, o->connections) : NULL;
	if (s->daemon) {
		watch_start(s);
		return s;
	}
	if (fd >= 0) {
		close(fd);
		FAIL(e, ERR_BUG, "cannot_listen", "libmicrohttpd does not start: descriptors or memory are short");
	}
	free(s);
	return NULL;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

void http_server_close(struct http_server *s)
{
	if (!s)
		return;
	http_exchanges_detach(s);
	uv_close((uv_handle_t *)s->poll, handle_closed);
	uv_close((uv_handle_t *)s->timer, handle_closed);
	MHD_stop_daemon(s->daemon);
	free(s);
}
