/* SPDX-License-Identifier: MIT */
/* libmicrohttpd without threads of its own: its epoll descriptor and its timeout are watched by libuv. */
#include "http_server_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 1024, CONNECTION_BYTES = 16 * 1024, IDLE_SECONDS = 120, BACKLOG = 4096,
	PEM_BYTES = 256 * 1024 };

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

int http_server_listen(const char *host, int wanted, int *port, struct err *e)
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

static bool pem_read(struct arena *a, const char *path, const char **out, struct err *e)
{
	char *text = arena_alloc(a, PEM_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, PEM_BYTES - 1) : -1;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return FAIL(e, ERR_INPUT, "bad_certificate", "cannot read %s: %s", path, strerror(why));
	text[n] = 0;
	*out = text;
	return true;
}

/* libmicrohttpd takes the texts, and copies what it needs of them before it returns. */
static bool tls_read(struct arena *a, const struct http_server_options *o, struct MHD_OptionItem *items, struct err *e)
{
	const char *cert, *key;
	if (!o->tls_cert && !o->tls_key)
		return true;
	if (!o->tls_cert || !o->tls_key)
		return FAIL(e, ERR_INPUT, "bad_certificate", "TLS needs a certificate and its key: give both files");
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return FAIL(e, ERR_INPUT, "no_tls", "this libmicrohttpd was built without TLS");
	if (!pem_read(a, o->tls_cert, &cert, e) || !pem_read(a, o->tls_key, &key, e))
		return false;
	items[0] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert };
	items[1] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key };
	return true;
}

static struct MHD_Daemon *daemon_start(struct http_server *s, int fd, const struct http_server_options *o,
	const struct MHD_OptionItem *more)
{
	unsigned tls = more->option == MHD_OPTION_END ? 0 : MHD_USE_TLS;
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | tls, 0, NULL, NULL,
		http_on_request, s,
		MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_CONNECTION_LIMIT, o->connections ? o->connections : (unsigned)CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_ARRAY, more,
		MHD_OPTION_END);
}

static bool server_start(struct http_server *s, const struct http_server_options *o, struct err *e)
{
	ARENA_SCOPE(a);
	struct MHD_OptionItem more[] = { { .option = MHD_OPTION_END }, { .option = MHD_OPTION_END },
		{ .option = MHD_OPTION_END } };
	if (!tls_read(a, o, more, e))
		return false;
	int fd = http_server_listen(o->host ? o->host : "127.0.0.1", o->port, &s->port, e);
	if (fd < 0)
		return false;
	s->daemon = daemon_start(s, fd, o, more);
	if (s->daemon)
		return true;
	close(fd);
	if (o->tls_cert)
		return FAIL(e, ERR_INPUT, "bad_certificate", "libmicrohttpd does not start with the certificate %s and the key %s: "
			"both must be PEM and belong together", o->tls_cert, o->tls_key);
	return FAIL(e, ERR_BUG, "cannot_listen", "libmicrohttpd does not start: descriptors or memory are short");
}

struct http_server *http_server_open(const struct http_server_options *o, struct group *g, http_handler handler,
	void *self, struct err *e)
{
	struct http_server *s = mem_alloc(sizeof(*s));
	*s = (struct http_server){ .group = g, .handler = handler, .self = self, .body_bytes = o->body_bytes };
	if (server_start(s, o, e)) {
		watch_start(s);
		return s;
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
