/* SPDX-License-Identifier: MIT */
/* The one place where fibers and libuv meet: parking, waking, deadlines, cancellation. */
#include "loop.h"
#include "clock.h"
#include "task.h"
#include <signal.h>

enum { HOG_MS = 50, CLOSE_MS = 5000 };

static struct {
	uv_loop_t uv;
	uv_idle_t idle; /* active while tasks are ready, so that the poll does not sleep */
	struct task *ready, **ready_end;
	struct task *current;
	int64_t torture_at, torture_count;
	enum err_kind torture_kind;
} loop;

uv_loop_t *loop_uv(void)
{
	return &loop.uv;
}

struct task *task_self(void)
{
	return loop.current;
}

int64_t deadline_in(int64_t ms)
{
	return ms > 0 ? clock_ms() + ms : NEVER_MS;
}

int64_t deadline_first(int64_t a, int64_t b)
{
	return a == NEVER_MS ? b : b == NEVER_MS ? a : MIN_OF(a, b);
}

/* ---- the ready list ---- */

static void task_free(uv_handle_t *timer)
{
	free(timer->data);
}

static void task_end(struct task *t)
{
	fiber_free(t->fiber);
	uv_close((uv_handle_t *)&t->timer, task_free);
}

static void task_resume(struct task *t)
{
	int64_t before = clock_us();
	loop.current = t;
	log_context_set(&t->context);
	fiber_resume(t->fiber);
	log_context_set(NULL);
	loop.current = NULL;
	int64_t ms = (clock_us() - before) / 1000;
	if (ms >= HOG_MS)
		log_write(LOG_WARN, "fiber_hog", "%s ran %ld ms without waiting", fiber_name(t->fiber), (long)ms);
	if (fiber_ended(t->fiber))
		task_end(t);
}

static void run_ready(uv_idle_t *idle)
{
	struct task *t = loop.ready;
	loop.ready = NULL; /* whoever gets ready meanwhile has its turn after the next poll */
	loop.ready_end = &loop.ready;
	for (struct task *next; t; t = next) {
		next = t->ready_next;
		t->ready = false;
		task_resume(t);
	}
	if (!loop.ready)
		uv_idle_stop(idle);
}

static void task_ready(struct task *t)
{
	if (t->ready)
		return;
	t->ready = true;
	t->ready_next = NULL;
	*loop.ready_end = t;
	loop.ready_end = &t->ready_next;
	uv_idle_start(&loop.idle, run_ready);
}

void task_wake(struct task *t)
{
	if (!t)
		return;
	t->woken = true;
	if (t != loop.current)
		task_ready(t);
}

void task_cancel(struct task *t)
{
	t->cancelled = true;
	if (t != loop.current)
		task_ready(t);
}

bool task_cancelled(void)
{
	return loop.current->cancelled;
}

void task_cancel_clear(void)
{
	loop.current->cancelled = false;
}

void task_context_set(int64_t request_id, const char *session, const char *agent)
{
	struct log_context *c = &loop.current->context;
	*c = (struct log_context){ .request_id = request_id, .agent = agent };
	snprintf(c->session, sizeof(c->session), "%s", session ? session : "");
}

/* ---- tasks ---- */

static void task_body(void *arg)
{
	struct task *t = arg;
	struct err e = { 0 };
	bool ok = t->body(t->arg, &e);
	group_leave(t->group, t, ok, &e);
}

struct task *task_new(const char *name, loop_body body, void *arg, struct group *g, struct err *e)
{
	struct task *t = mem_alloc(sizeof(*t));
	*t = (struct task){ .body = body, .arg = arg, .group = g };
	t->fiber = fiber_new(name, task_body, t);
	if (!t->fiber) {
		free(t);
		FAIL(e, ERR_BUSY, "no_stack", "no stack for fiber %s: %zu fibers live (vm.max_map_count?)", name, fiber_count());
		return NULL;
	}
	fiber_tag_set(t->fiber, t);
	uv_timer_init(&loop.uv, &t->timer);
	t->timer.data = t;
	if (loop.current) {
		t->context = loop.current->context;
		t->tortured = loop.current->tortured;
	}
	task_ready(t);
	return t;
}

void task_suspend(void)
{
	fiber_suspend();
}

/* ---- parking ---- */

static void on_deadline(uv_timer_t *timer)
{
	struct task *t = timer->data;
	t->timed_out = true;
	task_ready(t);
}

static void timer_start(struct task *t, int64_t deadline)
{
	int64_t now = (int64_t)uv_now(&loop.uv);
	t->timed_out = false;
	if (deadline != NEVER_MS)
		uv_timer_start(&t->timer, on_deadline, (uint64_t)MAX_OF(deadline - now, (int64_t)0), 0);
}

static bool fail_cancelled(struct err *e)
{
	return FAIL(e, ERR_CANCELLED, "cancelled", "cancelled");
}

static bool fail_tortured(struct task *t, struct err *e)
{
	if (loop.torture_kind == ERR_NONE)
		raise(SIGKILL);
	if (loop.torture_kind == ERR_CANCELLED)
		t->cancelled = true;
	return FAIL(e, loop.torture_kind, "torture", "wait %ld failed on purpose", (long)loop.torture_at);
}

bool loop_park(int64_t deadline, struct err *e)
{
	struct task *t = loop.current;
	int64_t counted = t->tortured ? ++loop.torture_count : 0;
	if (counted && counted == loop.torture_at)
		return fail_tortured(t, e);
	if (!t->woken && !t->cancelled) {
		timer_start(t, deadline);
		do
			task_suspend();
		while (!t->woken && !t->cancelled && !t->timed_out);
		uv_timer_stop(&t->timer);
	}
	if (counted && -counted == loop.torture_at)
		raise(SIGKILL);
	if (t->cancelled)
		return fail_cancelled(e);
	if (!t->woken)
		return FAIL(e, ERR_TIMEOUT, "deadline", "deadline passed");
	t->woken = false;
	return true;
}

bool loop_sleep(int64_t ms, struct err *e)
{
	int64_t until = clock_ms() + ms;
	while (loop_park(until, e))
		;
	bool slept = e->kind == ERR_TIMEOUT && clock_ms() >= until;
	if (slept)
		*e = (struct err){ 0 };
	return slept;
}

int64_t loop_torture(int64_t k, enum err_kind kind)
{
	int64_t counted = loop.torture_count;
	loop.torture_at = k;
	loop.torture_kind = kind;
	loop.torture_count = 0;
	return counted;
}

void task_torture_mark(void)
{
	loop.current->tortured = true;
}

/* ---- the loop ---- */

bool loop_open(struct err *e)
{
	memset(&loop, 0, sizeof(loop));
	loop.ready_end = &loop.ready;
	signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of the write, not our end */
	int rc = uv_loop_init(&loop.uv);
	if (rc != 0)
		return FAIL(e, ERR_BUG, "no_loop", "event loop: %s", uv_strerror(rc));
	uv_idle_init(&loop.uv, &loop.idle);
	return true;
}

static void complain(uv_handle_t *handle, void *arg)
{
	(void)arg;
	log_write(LOG_ERROR, "handle_left_open", "%s", uv_handle_type_name(handle->type));
}

void loop_close(void)
{
	signals_close();
	uv_close((uv_handle_t *)&loop.idle, NULL);
	/* Closing takes a turn or two, a name that is still being looked up a little longer; what stays is a mistake. */
	for (int64_t end = clock_ms() + CLOSE_MS; uv_run(&loop.uv, UV_RUN_NOWAIT) && clock_ms() < end;)
		;
	if (uv_loop_close(&loop.uv) != 0) {
		uv_walk(&loop.uv, complain, NULL);
		abort();
	}
}

bool loop_run(const char *name, loop_body body, void *arg, struct err *e)
{
	struct group root = { 0 };
	if (!group_start(&root, name, body, arg, e))
		return false;
	while (root.running) {
		if (!uv_run(&loop.uv, UV_RUN_ONCE) && root.running && !loop.ready) {
			log_write(LOG_ERROR, "deadlock", "%zu fibers wait for nothing", fiber_count());
			abort();
		}
	}
	if (root.failed)
		*e = root.error;
	return !root.failed;
}
