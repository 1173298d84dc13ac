/* SPDX-License-Identifier: MIT */
/* The switch itself, without a loop: what a fiber may rely on after it was away. Runs on another machine too, in
 * tests/aarch64. */
#include "fiber.h"
#include "registers.h"
#include "test.h"
#include <fenv.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 1000, ROUNDS = 20, DEPTH = 40 };

struct probe {
	struct fiber *fiber;
	uint64_t number, lost;
	int rounds;
	bool right;
};

/* ---- all of them in turn ---- */

static void start_all(struct probe *p, int n, void (*body)(void *))
{
	for (int i = 0; i < n; i++) {
		p[i] = (struct probe){ .number = (uint64_t)i, .right = true };
		p[i].fiber = fiber_new("probe", body, &p[i]);
		if (!p[i].fiber)
			abort();
	}
}

static int resume_all(struct probe *p, int n)
{
	int running = 0;
	for (int i = 0; i < n; i++) {
		if (fiber_ended(p[i].fiber))
			continue;
		fiber_resume(p[i].fiber);
		running += !fiber_ended(p[i].fiber);
	}
	return running;
}

static void free_all(struct probe *p, int n)
{
	for (int i = 0; i < n; i++)
		fiber_free(p[i].fiber);
}

static void run_all(struct probe *p, int n, void (*body)(void *))
{
	start_all(p, n, body);
	while (resume_all(p, n))
		;
	free_all(p, n);
}

/* ---- registers ---- */

static void keep_registers(void *arg)
{
	struct probe *p = arg;
	for (int i = 0; i < ROUNDS; i++, p->rounds++)
		p->lost += registers_lost(p->number << 32 | (uint64_t)i << 8, fiber_suspend);
}

TEST(a_thousand_fibers_keep_their_registers)
{
	static struct probe p[MANY];
	run_all(p, MANY, keep_registers);
	for (int i = 0; i < MANY; i++) {
		REQUIRE(p[i].lost == 0);
		REQUIRE(p[i].rounds == ROUNDS);
	}
}

static struct probe outer[2];

static void resume_outer(void)
{
	resume_all(outer, COUNT(outer));
}

TEST(who_resumes_keeps_its_registers_too)
{
	start_all(outer, COUNT(outer), keep_registers);
	for (int i = 0; i <= ROUNDS; i++)
		CHECK_EQ_I((int64_t)registers_lost((uint64_t)i << 40, resume_outer), 0);
	CHECK(fiber_ended(outer[0].fiber) && fiber_ended(outer[1].fiber));
	free_all(outer, COUNT(outer));
}

static void change_registers(void)
{
	registers_lost(77, fiber_suspend);
#if defined(__x86_64__)
	__asm__ volatile("xorl %%r12d, %%r12d\n\txorl %%r15d, %%r15d" ::: "memory"); /* on purpose not declared */
#else
	__asm__ volatile("mov x19, #0\n\tfmov d15, xzr" ::: "memory");
#endif
}

static void lose_registers(void *arg)
{
	struct probe *p = arg;
	p->lost = registers_lost(5, change_registers);
}

TEST(a_lost_register_is_seen)
{
	struct probe p[1];
	run_all(p, 1, lose_registers);
	CHECK_EQ_I((int64_t)p[0].lost, 2);
}

#if defined(__x86_64__)
/* Both units at work: long double is the old one's. Nearest rounds a third down and a tenth up. */
static long double round_some(void)
{
	volatile double third = 1, tenth = 1;
	volatile long double old = 1;
	return (long double)(third / 3) + (long double)(tenth / 10) + old / 3;
}

static void keep_rounding(void *arg)
{
	static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
	struct probe *p = arg;
	int mode = modes[p->number % COUNT(modes)];
	p->right = fegetround() == FE_TONEAREST && fesetround(mode) == 0;
	long double rounded = round_some();
	for (int i = 0; i < ROUNDS; i++) {
		fiber_suspend();
		p->right = p->right && fegetround() == mode && round_some() == rounded;
	}
}

TEST(the_rounding_mode_belongs_to_a_fiber)
{
	static struct probe p[8];
	long double rounded = round_some();
	run_all(p, COUNT(p), keep_rounding);
	for (size_t i = 0; i < COUNT(p); i++)
		CHECK(p[i].right);
	CHECK(fegetround() == FE_TONEAREST && round_some() == rounded);
}
#endif

/* ---- stacks ---- */

static double nest(struct probe *p, int depth, double x)
{
	volatile double here = x + depth, square = here * here;
	double below = depth ? nest(p, depth - 1, x * 1.5) : 0;
	fiber_suspend();
	p->right = p->right && square == here * here && here == x + depth;
	return below + here;
}

static double nest_alone(int depth, double x)
{
	return depth ? nest_alone(depth - 1, x * 1.5) + (x + depth) : x;
}

static void nest_deep(void *arg)
{
	struct probe *p = arg;
	double sum = nest(p, DEPTH, (double)p->number);
	p->right = p->right && sum == nest_alone(DEPTH, (double)p->number);
}

TEST(calls_and_their_locals_are_there_after_each_return)
{
	static struct probe p[100];
	run_all(p, COUNT(p), nest_deep);
	for (size_t i = 0; i < COUNT(p); i++)
		CHECK(p[i].right);
}

static void suspend_once(void *arg)
{
	struct probe *p = arg;
	fiber_suspend();
	p->rounds++;
}

static int count_mappings(void)
{
	int lines = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	for (int c; f && (c = fgetc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines;
}

TEST(ended_fibers_give_their_stacks_back)
{
	static struct probe p[200];
	run_all(p, COUNT(p), suspend_once);
	int before = count_mappings();
	for (int wave = 0; wave < 20; wave++) {
		run_all(p, COUNT(p), suspend_once);
		CHECK_EQ_I(p[COUNT(p) - 1].rounds, 1);
		CHECK_EQ_I((int64_t)fiber_count(), 0);
	}
	CHECK(count_mappings() <= before + 20); /* one stack kept of each fiber would be thousands */
}

__attribute__((noinline)) static void fill(size_t bytes)
{
	enum { STEP = 1024 };
	volatile char frame[STEP];
	frame[0] = 1;
	if (bytes > STEP)
		fill(bytes - STEP);
	frame[STEP - 1] = frame[0];
}

static void fill_most(void *arg)
{
	struct probe *p = arg;
	fill((size_t)FIBER_STACK_DEFAULT / 4 * 3); /* a sanitizer's frames are larger */
	fiber_suspend();
	fill((size_t)FIBER_STACK_DEFAULT / 4 * 3);
	p->rounds = 1;
}

TEST(a_stack_is_as_large_as_was_asked_for)
{
	struct probe p[3];
	fiber_stack_size_set((size_t)2 * FIBER_STACK_DEFAULT);
	run_all(p, COUNT(p), fill_most);
	fiber_stack_size_set(FIBER_STACK_DEFAULT);
	for (size_t i = 0; i < COUNT(p); i++)
		CHECK_EQ_I(p[i].rounds, 1);
}

/* ---- what a waiting one gives back ---- */

static size_t resident_below(uintptr_t at, size_t bytes)
{
	unsigned char pages[256] = { 0 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	char *start = (char *)((at - bytes) / page * page);
	mincore(start, bytes, pages);
	for (size_t i = 0; i < bytes / page; i++)
		n += pages[i] & 1;
	return n * page;
}

/* number = what is resident below before, lost = after. */
static void trim_and_go_on(void *arg)
{
	enum { DEEP = FIBER_STACK_DEFAULT / 2 };
	struct probe *p = arg;
	volatile char kept[2000];
	for (size_t i = 0; i < sizeof(kept); i++)
		kept[i] = (char)(i * 7);
	fill(DEEP);
	p->number = resident_below((uintptr_t)kept, DEEP);
	fiber_stack_trim();
	p->lost = resident_below((uintptr_t)kept, DEEP);
	fiber_suspend();
	for (size_t i = 0; i < sizeof(kept); i++)
		p->right = p->right && kept[i] == (char)(i * 7);
	fill(DEEP);
	p->rounds = 1;
}

TEST(a_trimmed_stack_keeps_what_stands_and_gives_back_what_was_below)
{
	struct probe p[3];
	run_all(p, COUNT(p), trim_and_go_on);
	for (size_t i = 0; i < COUNT(p); i++) {
		CHECK(p[i].right && p[i].rounds == 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(DROVER_VALGRIND) /* there a stack keeps its pages */
		CHECK(p[i].number > (uint64_t)FIBER_STACK_DEFAULT / 4);
		CHECK(p[i].lost <= (uint64_t)32 * 1024);
#endif
	}
	fiber_stack_trim(); /* outside fibers there is nothing to give back */
}

/* ---- names ---- */

static void look_at_self(void *arg)
{
	struct probe *p = arg;
	p->right = fiber_self() == p->fiber && fiber_tag(fiber_self()) == p;
	fiber_suspend();
	p->right = p->right && fiber_self() == p->fiber;
}

TEST(a_fiber_knows_itself)
{
	struct probe p = { 0 };
	CHECK(!fiber_self());
	p.fiber = fiber_new("a name that is longer than the place for names in a fiber", look_at_self, &p);
	CHECK_EQ_S(fiber_name(p.fiber), "a name that is longer than the place for names ");
	fiber_tag_set(p.fiber, &p);
	fiber_resume(p.fiber);
	CHECK(!fiber_self() && !fiber_ended(p.fiber));
	fiber_resume(p.fiber);
	CHECK(fiber_ended(p.fiber) && p.right);
	fiber_free(p.fiber);
}

/* ---- faults ---- */

static char *no_access;

static int fall(volatile char *above)
{
	volatile char frame[512];
	frame[0] = above ? above[0] : 1;
	return frame[0] ? fall(frame) + frame[0] : 0; /* never 0: as deep as it goes */
}

static void overflow(void *arg)
{
	(void)arg;
	fall(NULL);
}

static void touch(void *arg)
{
	(void)arg;
	*(volatile char *)no_access = 1;
}

static void die_in(const char *name, void (*body)(void *), int out)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	dup2(out, STDERR_FILENO);
	fiber_guard_install();
	fiber_resume(fiber_new(name, body, NULL));
	_exit(0);
}

/* What a process says that runs this and should not survive it. */
static bool said_at_death(const char *name, void (*body)(void *), char *said, size_t room)
{
	int ends[2], status = 0;
	size_t n = 0;
	if (pipe(ends) != 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		die_in(name, body, ends[1]);
	close(ends[1]);
	for (ssize_t got; n < room - 1 && (got = read(ends[0], said + n, room - 1 - n)) > 0;)
		n += (size_t)got;
	said[n] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

TEST(an_overflow_is_said_with_the_name_of_its_fiber)
{
	char said[1024];
	CHECK(said_at_death("request 7 orchestrator", overflow, said, sizeof(said)));
	CHECK(strstr(said, "fiber request 7 orchestrator: stack overflow"));
}

TEST(another_fault_is_not_called_an_overflow)
{
	char said[1024];
	no_access = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(no_access != MAP_FAILED);
	CHECK(said_at_death("toucher", touch, said, sizeof(said)));
	CHECK(!strstr(said, "overflow"));
	munmap(no_access, 4096);
}
