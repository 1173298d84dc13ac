/* SPDX-License-Identifier: MIT */
#include "process.h"
#include "loop_uv.h"
#include "str.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

struct process {
	uv_process_t handle;
	struct task *waiter;
	bool ended, closed, forgotten;
	int status;
};

static void on_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;
	p->closed = true;
	if (p->forgotten)
		free(p);
}

static void on_exit_of_child(uv_process_t *handle, int64_t status, int number)
{
	struct process *p = handle->data;
	p->ended = true;
	p->status = number ? 128 + number : (int)status;
	task_wake(p->waiter);
	uv_close((uv_handle_t *)handle, on_closed);
}

static uv_stdio_container_t stdio_of(int fd, int ours)
{
	if (fd < 0)
		return (uv_stdio_container_t){ .flags = UV_IGNORE };
	return (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = fd ? fd : ours };
}

/* Only a process itself can ask for its parent's death, so a small one asks and then becomes the real one. */
static const char *const *dying_argv(struct arena *a, const char *const *argv)
{
	static const char *const setpriv[] = { "setpriv", "--pdeathsig", "TERM", "--" };
	size_t n = 0;
	while (argv[n])
		n++;
	const char **out = arena_alloc(a, (COUNT(setpriv) + n + 1) * sizeof(*out));
	memcpy(out, setpriv, sizeof(setpriv));
	memcpy(out + COUNT(setpriv), argv, n * sizeof(*argv));
	return out;
}

struct process *process_start(const struct process_options *o, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *const *argv = o->die_with_us ? dying_argv(tmp, o->argv) : o->argv;
	uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE }, stdio_of(o->out_fd, STDOUT_FILENO),
		stdio_of(o->err_fd, STDERR_FILENO) };
	uv_process_options_t options = {
		.exit_cb = on_exit_of_child,
		.file = argv[0],
		.args = (char **)(uintptr_t)argv,
		.env = (char **)(uintptr_t)o->env,
		.cwd = o->cwd,
		.flags = (o->uid > 0 ? UV_PROCESS_SETUID | UV_PROCESS_SETGID : 0) | (o->own_group ? UV_PROCESS_DETACHED : 0),
		.uid = (uv_uid_t)o->uid,
		.gid = (uv_gid_t)o->gid,
		.stdio = stdio,
		.stdio_count = COUNT(stdio),
	};
	struct process *p = mem_alloc(sizeof(*p));
	p->handle.data = p;
	int rc = uv_spawn(loop_uv(), &p->handle, &options);
	if (rc == 0)
		return p;
	p->forgotten = true;
	uv_close((uv_handle_t *)&p->handle, on_closed);
	FAIL(e, ERR_INPUT, "process_failed", "cannot start %s: %s", o->argv[0], uv_strerror(rc));
	return NULL;
}

int process_pid(const struct process *p)
{
	return p->handle.pid;
}

bool process_running(const struct process *p)
{
	return !p->ended;
}

void process_signal(struct process *p, int number)
{
	if (!p->ended)
		uv_process_kill(&p->handle, number);
}

bool process_wait(struct process *p, int64_t deadline, int *status, struct err *e)
{
	bool ok = true;
	p->waiter = task_self();
	while (ok && !p->ended)
		ok = loop_park(deadline, e);
	p->waiter = NULL;
	if (ok)
		*status = p->status;
	return ok;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	process_signal(p, SIGKILL);
	p->forgotten = true; /* freed when libuv lets go of it */
	if (p->closed)
		free(p);
}

void process_disown(struct process *p)
{
	p->forgotten = true;
	uv_close((uv_handle_t *)&p->handle, on_closed);
}

/* ---- running to the end ---- */

static void fd_end(void *fd)
{
	close((int)(intptr_t)fd);
}

static int output_file(struct arena *a)
{
	int fd = memfd_create("output", MFD_CLOEXEC);
	if (fd >= 0)
		arena_defer(a, fd_end, (void *)(intptr_t)fd);
	return fd;
}

static struct str read_back(struct arena *a, int fd, size_t limit)
{
	char *text = arena_alloc(a, limit + 1);
	ssize_t n = pread(fd, text, limit, 0);
	return (struct str){ text, n > 0 ? (size_t)n : 0 };
}

bool process_run(struct arena *a, const struct process_options *o, size_t limit, int64_t deadline, struct str *output,
	struct err *e)
{
	struct process_options captured = *o;
	captured.out_fd = output_file(a);
	captured.err_fd = output_file(a);
	struct process *p = process_start(&captured, e);
	if (!p)
		return false;
	int status;
	bool ended = process_wait(p, deadline, &status, e);
	process_free(p);
	if (!ended)
		return err_prefix(e, "%s: ", o->argv[0]);
	if (status != 0) {
		struct str said = read_back(a, captured.err_fd, 2048);
		return FAIL(e, ERR_INPUT, "process_failed", "%s ended with %d: %.*s", o->argv[0], status, STR_ARGS(str_trim(said)));
	}
	*output = read_back(a, captured.out_fd, limit);
	return true;
}
