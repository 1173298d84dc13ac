/* SPDX-License-Identifier: MIT */
/*
 * The smallest test harness: a test's name is the sentence that must hold.
 *   TEST(a_view_never_owns) { CHECK(...); }
 *   LOOP_TEST(cancel_frees_the_transfer) { CHECK(loop_sleep(1, e)); }     runs in a fiber, with e and a
 * A failed CHECK is counted and the test goes on; REQUIRE leaves the test.
 */
#pragma once
#include "arena.h"
#include "err.h"

struct test {
	const char *name;
	void (*run)(void);
	void (*run_in_loop)(struct arena *a, struct err *e);
	struct test *next;
};

void test_add(struct test *t);
const char *test_name(void); /* of the one that runs */
bool test_check(bool ok, const char *file, int line, const char *what);
bool test_check_i64(int64_t got, int64_t want, const char *file, int line, const char *what);
bool test_check_text(const char *got, const char *want, const char *file, int line, const char *what);

#define TEST_ENTRY(id, field, function) \
	static struct test id##_entry = { .name = #id, .field = function }; \
	__attribute__((constructor)) static void id##_add(void) { test_add(&id##_entry); }
#define TEST(id) \
	static void id(void); \
	TEST_ENTRY(id, run, id) \
	static void id(void)
#define LOOP_TEST(id) \
	static void id(struct arena *a, struct err *e); \
	TEST_ENTRY(id, run_in_loop, id) \
	static void id(struct arena *a __attribute__((unused)), struct err *e __attribute__((unused)))

/* Of the waits that a torture goes through: all of them, but under a sanitizer, where each takes ten times as long. */
#ifdef __SANITIZE_ADDRESS__
enum { TORTURE_STEP = 3 };
#else
enum { TORTURE_STEP = 1 };
#endif

#define CHECK(condition) test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ_I(got, want) test_check_i64((got), (want), __FILE__, __LINE__, #got " == " #want)
#define CHECK_EQ_S(got, want) test_check_text((got), (want), __FILE__, __LINE__, #got " == " #want)
#define REQUIRE(condition) do { if (!CHECK(condition)) return; } while (0)
/* For calls that fill e: prints the error's own words. */
#define REQUIRE_OK(call) do { if (!test_check((call), __FILE__, __LINE__, #call)) { \
	printf("    %s\n", e->msg); return; } } while (0)
