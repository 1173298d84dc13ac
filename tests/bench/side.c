/* SPDX-License-Identifier: MIT */
#include "side.h"
#include "loop.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 60000, LEASE_MS = 15000, LINE_BYTES = 128 };

void side_say(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0 || n >= (int)sizeof(line) || write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1); /* nobody reads us any more */
}

int side_number(const char *text)
{
	int64_t n;
	if (!str_to_i64(str_of(text), &n) || n < 0 || n > INT32_MAX) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return (int)n;
}

static bool drain_later(void *pool, struct err *e)
{
	int number;
	bool ok = loop_wait_signal((int[]){ SIGTERM }, 1, &number, e);
	pool_drain(pool);
	return ok;
}

static bool serve(void *arg, struct err *e)
{
	const struct side *side = arg;
	const struct agent *const agents[] = { side->agent, NULL };
	struct pool_config c = { .database_url = side->url, .prepare = true, .listen = true, .listen_check_ms = LONG_MS,
		.connections = 4, .connect_ms = LONG_MS, .slots = side->slots, .batch = side->batch, .lease_ms = LEASE_MS,
		.poll_ms = 1000, .max_attempts = 5, .max_crashes = 3, .backoff_base_ms = 1000, .backoff_max_ms = 1000,
		.flush_ms = 250, .thoughts = { 4096, 65536 }, .limits = { .run_ms = LONG_MS }, .agents = agents };
	struct group g = { 0 };
	struct pool *p = pool_new(&c);
	bool ok = group_start(&g, "drain", drain_later, p, e) && pool_serve(p, e);
	group_wait(&g, NEVER_MS, e);
	pool_free(p);
	return ok;
}

struct queue_end *side_ends(struct arena *a, const struct queue_claim *got)
{
	struct queue_end *ends = arena_alloc(a, (got->n + 1) * sizeof(*ends));
	for (size_t i = 0; i < got->n; i++)
		ends[i] = (struct queue_end){ .request = &got->requests[i], .completed = true, .phase = "completed",
			.result = "{}", .agent = "bench" };
	return ends;
}

int side_fork(int n, void (*body)(const void *arg), const void *arg)
{
	sigset_t term;
	int number;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sigprocmask(SIG_UNBLOCK, &term, NULL);
			body(arg);
		}
	}
	sigwait(&term, &number);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}

void side_serve(const void *side)
{
	struct err e = { 0 };
	log_level_set(LOG_WARN);
	bool ok = loop_open(&e) && loop_run("bench", serve, (void *)(uintptr_t)side, &e);
	if (!ok)
		fprintf(stderr, "%s\n", e.msg);
	_exit(ok ? 0 : 1);
}
