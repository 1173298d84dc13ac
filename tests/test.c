/* SPDX-License-Identifier: MIT */
/* Runs every TEST of the binary; arguments are parts of names to run only those. */
#include "test.h"
#include "fiber.h"
#include "loop.h"

static struct test *tests, **tests_end = &tests;
static const struct test *running;
static int failed_checks;

void test_add(struct test *t)
{
	*tests_end = t;
	tests_end = &t->next;
}

const char *test_name(void)
{
	return running->name;
}

bool test_check(bool ok, const char *file, int line, const char *what)
{
	if (!ok) {
		failed_checks++;
		printf("    %s:%d: %s\n", file, line, what);
	}
	return ok;
}

bool test_check_i64(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	bool ok = test_check(got == want, file, line, what);
	if (!ok)
		printf("      got %ld, want %ld\n", (long)got, (long)want);
	return ok;
}

bool test_check_text(const char *got, const char *want, const char *file, int line, const char *what)
{
	bool ok = test_check(str_eq(str_of(got), str_of(want)) && !got == !want, file, line, what);
	if (!ok)
		printf("      got:  %s\n      want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return ok;
}

static bool run_in_fiber(void *arg, struct err *e)
{
	struct test *t = arg;
	ARENA_SCOPE(a);
	t->run_in_loop(a, e);
	return true;
}

static void run_loop_test(struct test *t)
{
	struct err e = { 0 };
	if (!loop_open(&e) || !loop_run(t->name, run_in_fiber, t, &e))
		test_check(false, __FILE__, __LINE__, e.msg);
	loop_close();
	test_check(fiber_count() == 0, __FILE__, __LINE__, "every fiber has ended");
}

static bool wanted(const struct test *t, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(t->name, argv[i]))
			return true;
	return argc < 2;
}

static bool run(struct test *t)
{
	failed_checks = 0;
	running = t;
	if (t->run)
		t->run();
	else
		run_loop_test(t);
	printf("%s - %s\n", failed_checks ? "not ok" : "ok", t->name);
	fflush(stdout);
	return !failed_checks;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	fiber_guard_install();
	for (struct test *t = tests; t; t = t->next) {
		if (!wanted(t, argc, argv))
			continue;
		if (run(t))
			passed++;
		else
			failed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
