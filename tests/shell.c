/* SPDX-License-Identifier: MIT */
#include "shell.h"
#include "clock.h"
#include "json.h"
#include "loop.h"
#include <sys/mman.h>
#include <unistd.h>

enum { LONG_MS = 60000, LARGEST = 4 << 20 };

struct shell {
	struct arena *a;
	struct process *process;
	int out, err;
};

/* A directory of its own, so that no drover.yaml of the caller's is read. */
static const char *empty_directory(void)
{
	static char path[] = "/tmp/drover-cli-XXXXXX";
	static bool made; /* the name does not tell: a random one may end in an X, too */
	if (!made && !mkdtemp(path))
		abort();
	made = true;
	return path;
}

__attribute__((destructor)) static void remove_directory(void)
{
	rmdir(empty_directory());
}

static void shell_free(void *arg)
{
	struct shell *s = arg;
	process_free(s->process);
	close(s->out);
	close(s->err);
}

struct shell *shell_start(struct arena *a, const char *url, const char *command)
{
	struct err e = { 0 };
	struct shell *s = arena_alloc(a, sizeof(*s));
	const char *program = getenv("TEST_PROGRAM");
	*s = (struct shell){ a, NULL, memfd_create("out", 0), memfd_create("err", 0) };
	arena_defer(a, shell_free, s);
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	const char *env[] = { arena_printf(a, "D=%s", program ? program : "./drover"), "TERM=xterm", "TZ=UTC",
		arena_printf(a, "PATH=%s", getenv("PATH")), url ? arena_printf(a, "DATABASE_URL=%s", url) : NULL, NULL };
	struct process_options o = { .argv = argv, .env = env, .cwd = empty_directory(), .out_fd = s->out,
		.err_fd = s->err, .die_with_us = true };
	s->process = process_start(&o, &e);
	if (!s->process)
		printf("    %s\n", e.msg);
	return s;
}

void shell_signal(struct shell *s, int number)
{
	process_signal(s->process, number);
}

static const char *read_all(struct arena *a, int fd)
{
	struct buf *b = buf_new(a, LARGEST);
	char piece[2048];
	ssize_t n;
	for (off_t at = 0; (n = pread(fd, piece, sizeof(piece), at)) > 0; at += n)
		buf_add(b, (struct str){ piece, (size_t)n });
	return buf_str(b).p;
}

static bool prints(struct shell *s, int fd, const char *text)
{
	struct err e = { 0 };
	int64_t deadline = clock_ms() + LONG_MS / 4;
	while (!strstr(read_all(s->a, fd), text))
		if (clock_ms() > deadline || !loop_sleep(20, &e))
			return false;
	return true;
}

bool shell_prints(struct shell *s, const char *text)
{
	return prints(s, s->out, text);
}

bool shell_complains(struct shell *s, const char *text)
{
	return prints(s, s->err, text);
}

struct ran shell_end(struct shell *s)
{
	struct err e = { 0 };
	struct ran r = { .status = -1 };
	if (s->process && !process_wait(s->process, deadline_in(LONG_MS), &r.status, &e))
		printf("    %s\n", e.msg);
	r.out = read_all(s->a, s->out);
	r.err = read_all(s->a, s->err);
	return r;
}

struct ran shell(struct arena *a, const char *url, const char *command)
{
	return shell_end(shell_start(a, url, command));
}

size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

bool is_json_lines(struct arena *a, const char *text)
{
	struct err e = { 0 };
	struct str rest = str_of(text), line;
	size_t n = 0;
	while (str_next(&rest, '\n', &line) && (line.n || rest.n)) {
		const cJSON *value = json_parse(a, line, &e);
		if (!cJSON_IsObject(value))
			return false;
		n++;
	}
	return n > 0;
}
