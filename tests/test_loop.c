/* SPDX-License-Identifier: MIT */
/* Every promise of fibers, waits and groups. */
#include "clock.h"
#include "fiber.h"
#include "loop.h"
#include "test.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct probe {
	struct task *task;
	int steps;
	enum err_kind ended_with;
};

static bool sleep_long(void *arg, struct err *e)
{
	struct probe *p = arg;
	p->task = task_self();
	bool ok = loop_sleep(60000, e);
	p->ended_with = e->kind;
	return ok;
}

static bool step_three_times(void *arg, struct err *e)
{
	struct probe *p = arg;
	for (int i = 0; i < 3; i++, p->steps++)
		if (!loop_sleep(1, e))
			return false;
	return true;
}

static bool fail_at_once(void *arg, struct err *e)
{
	(void)arg;
	return FAIL(e, ERR_INPUT, "on_purpose", "failed on purpose");
}

LOOP_TEST(a_group_ends_when_its_fibers_have_ended)
{
	struct group g = { 0 };
	struct probe p[3] = { 0 };
	for (int i = 0; i < 3; i++)
		REQUIRE_OK(group_start(&g, "stepper", step_three_times, &p[i], e));
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	for (int i = 0; i < 3; i++)
		CHECK_EQ_I(p[i].steps, 3);
	CHECK_EQ_I((int64_t)g.running, 0);
}

LOOP_TEST(a_sleep_lasts_at_least_as_long_as_asked)
{
	int64_t before = clock_ms();
	CHECK(loop_sleep(20, e));
	CHECK(clock_ms() - before >= 20);
}

LOOP_TEST(a_deadline_ends_the_wait)
{
	CHECK(!loop_park(deadline_in(5), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
}

LOOP_TEST(a_wake_before_the_park_is_remembered_once)
{
	task_wake(task_self());
	task_wake(task_self());
	CHECK(loop_park(deadline_in(1000), e));
	CHECK(!loop_park(deadline_in(5), e));
}

LOOP_TEST(cancel_ends_a_wait_and_stays)
{
	struct group g = { .keep_going = true };
	struct probe p = { 0 };
	REQUIRE_OK(group_start(&g, "sleeper", sleep_long, &p, e));
	CHECK(loop_sleep(1, e));
	task_cancel(p.task);
	REQUIRE_OK(group_wait(&g, deadline_in(1000), e));
	CHECK_EQ_I(p.ended_with, ERR_CANCELLED);
}

static bool wait_twice(void *arg, struct err *e)
{
	struct probe *p = arg;
	p->task = task_self();
	if (!loop_sleep(60000, e))
		p->steps = 1;
	if (!loop_sleep(1, e) && e->kind == ERR_CANCELLED)
		p->steps = 2;
	task_cancel_clear();
	if (loop_sleep(1, e))
		p->steps += 10;
	return true;
}

LOOP_TEST(every_wait_after_a_cancel_fails_until_the_owner_takes_it_back)
{
	struct group g = { 0 };
	struct probe p = { 0 };
	REQUIRE_OK(group_start(&g, "waiter", wait_twice, &p, e));
	CHECK(loop_sleep(1, e));
	group_cancel(&g);
	REQUIRE_OK(group_wait(&g, deadline_in(1000), e));
	CHECK_EQ_I(p.steps, 12);
}

LOOP_TEST(one_failure_cancels_the_group_and_is_its_error)
{
	struct group g = { 0 };
	struct probe p = { 0 };
	REQUIRE_OK(group_start(&g, "sleeper", sleep_long, &p, e));
	REQUIRE_OK(group_start(&g, "failer", fail_at_once, NULL, e));
	CHECK(!group_wait(&g, NEVER_MS, e));
	CHECK_EQ_S(e->code, "on_purpose");
	CHECK_EQ_I(p.ended_with, ERR_CANCELLED);
}

LOOP_TEST(a_group_past_its_deadline_is_cancelled_and_waited_for)
{
	struct group g = { 0 };
	struct probe p = { 0 };
	REQUIRE_OK(group_start(&g, "sleeper", sleep_long, &p, e));
	CHECK(!group_wait(&g, deadline_in(5), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK_EQ_I(p.ended_with, ERR_CANCELLED);
}

static bool own_a_sleeper(void *arg, struct err *e)
{
	struct group inner = { 0 };
	return group_start(&inner, "inner", sleep_long, arg, e) && group_wait(&inner, NEVER_MS, e);
}

LOOP_TEST(cancel_reaches_groups_within_groups)
{
	struct group g = { .keep_going = true };
	struct probe p = { 0 };
	REQUIRE_OK(group_start(&g, "outer", own_a_sleeper, &p, e));
	CHECK(loop_sleep(1, e));
	group_cancel(&g);
	REQUIRE_OK(group_wait(&g, deadline_in(1000), e));
	CHECK_EQ_I(p.ended_with, ERR_CANCELLED);
}

LOOP_TEST(a_descriptor_wakes_its_waiter)
{
	int ends[2];
	REQUIRE(pipe(ends) == 0);
	CHECK(!loop_wait_fd(ends[0], true, false, deadline_in(5), e));
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(write(ends[1], "x", 1) == 1);
	CHECK(loop_wait_fd(ends[0], true, false, deadline_in(1000), e));
	close(ends[0]);
	close(ends[1]);
}

static bool raise_later(void *arg, struct err *e)
{
	(void)arg;
	bool ok = loop_sleep(5, e);
	raise(SIGUSR1);
	return ok;
}

LOOP_TEST(a_signal_wakes_its_waiter)
{
	struct group g = { 0 };
	int number = 0;
	REQUIRE_OK(group_start(&g, "raiser", raise_later, NULL, e));
	REQUIRE_OK(loop_wait_signal((int[]){ SIGUSR1, SIGUSR2 }, 2, &number, e));
	CHECK_EQ_I(number, SIGUSR1);
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
}

LOOP_TEST(torture_fails_exactly_the_kth_wait)
{
	struct group g = { .keep_going = true };
	struct probe p = { 0 };
	loop_torture(2, ERR_NET);
	task_torture_mark();
	REQUIRE_OK(group_start(&g, "stepper", step_three_times, &p, e));
	while (g.running && loop_park(deadline_in(50), e))
		;
	loop_torture(0, ERR_NONE);
	struct err ignored;
	group_wait(&g, deadline_in(1000), &ignored);
	CHECK(p.steps < 3);
}

LOOP_TEST(ten_thousand_fibers_park_at_once)
{
	enum { N = 10000 };
	struct group g = { .keep_going = true };
	struct probe *p = arena_alloc(a, N * sizeof(*p));
	for (int i = 0; i < N; i++)
		REQUIRE_OK(group_start(&g, "sleeper", sleep_long, &p[i], e));
	CHECK(loop_sleep(1, e));
	CHECK_EQ_I((int64_t)fiber_count(), N + 1);
	group_cancel(&g);
	REQUIRE_OK(group_wait(&g, NEVER_MS, e));
	CHECK_EQ_I(p[N - 1].ended_with, ERR_CANCELLED);
}

/* ---- overflow ---- */

static int recurse(volatile char *above)
{
	volatile char frame[1024];
	frame[0] = above ? above[0] : 1;
	return frame[0] ? recurse(frame) + frame[0] : 0; /* never 0: as deep as it goes */
}

static void overflow(void *arg)
{
	(void)arg;
	recurse(NULL);
}

static void die_of_overflow(int out)
{
	dup2(out, STDERR_FILENO);
	fiber_guard_install();
	fiber_resume(fiber_new("request 42 quotes", overflow, NULL));
	_exit(0);
}

TEST(an_overflow_ends_the_process_and_names_its_fiber)
{
	int ends[2], status;
	char said[2048] = "";
	REQUIRE(pipe(ends) == 0);
	pid_t pid = fork();
	if (pid == 0)
		die_of_overflow(ends[1]);
	close(ends[1]);
	size_t n = 0;
	for (ssize_t got; n < sizeof(said) - 1 && (got = read(ends[0], said + n, sizeof(said) - 1 - n)) > 0;)
		n += (size_t)got;
	close(ends[0]);
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	CHECK(strstr(said, "fiber request 42 quotes: stack overflow"));
}
