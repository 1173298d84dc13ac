/* SPDX-License-Identifier: MIT */
/* Plain sockets on fibers. */
#include "net.h"
#include "test.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int socket_new(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int net_listen(int backlog, int *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t n = sizeof(address);
	int fd = socket_new();
	if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, backlog) != 0
		|| getsockname(fd, (struct sockaddr *)&address, &n) != 0)
		abort();
	*port = ntohs(address.sin_port);
	return fd;
}

bool net_port_free(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket_new();
	bool ok = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

int net_connect(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket_new();
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
		abort();
	return fd;
}

int net_accept(int fd, int64_t deadline, struct err *e)
{
	for (;;) {
		int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (got >= 0)
			return got;
		if (!loop_wait_fd(fd, true, false, deadline, e))
			return -1;
	}
}

static bool fail_socket(struct err *e)
{
	return FAIL(e, ERR_NET, errno == ECONNRESET || errno == EPIPE ? "reset" : "socket", "%s", strerror(errno));
}

bool net_write(int fd, struct str s, int64_t deadline, struct err *e)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n > 0)
			s = (struct str){ s.p + n, s.n - (size_t)n };
		else if (errno != EAGAIN && errno != ENOTCONN)
			return fail_socket(e);
		else if (!loop_wait_fd(fd, false, true, deadline, e))
			return false;
	}
	return true;
}

bool net_read(int fd, struct buf *b, bool *end, int64_t deadline, struct err *e)
{
	char bytes[2048];
	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno != EAGAIN)
			return fail_socket(e);
		if (n >= 0) {
			*end = n == 0;
			return buf_add(b, (struct str){ bytes, (size_t)n })
				|| FAIL(e, ERR_INPUT, "buf_full", "buffer is full");
		}
		if (!loop_wait_fd(fd, true, false, deadline, e))
			return false;
	}
}

bool net_read_until(int fd, struct buf *b, const char *text, int64_t deadline, struct err *e)
{
	bool end = false;
	while (!b->n || !strstr(b->p, text)) {
		if (end)
			return FAIL(e, ERR_NET, "end", "the stream ended before '%s'", text);
		if (!net_read(fd, b, &end, deadline, e))
			return false;
	}
	return true;
}

void net_reset(int fd)
{
	struct linger none = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

int net_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	int n = 0;
	while (readdir(all))
		n++;
	closedir(all);
	return n;
}

void net_check_descriptors(int want)
{
	struct err ignored;
	for (int i = 0; i < 100 && net_descriptors() != want; i++)
		loop_sleep(5, &ignored);
	CHECK_EQ_I(net_descriptors(), want);
}

static void become(const char *const *argv)
{
	int nowhere = open("/dev/null", O_RDWR);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = 0; fd < 3; fd++)
		dup2(nowhere, fd);
	execvp(argv[0], (char **)argv);
	_exit(127);
}

pid_t net_program_start(const char *const *argv)
{
	pid_t pid = fork();
	if (pid == 0)
		become(argv);
	if (pid < 0)
		abort();
	return pid;
}

void net_program_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
