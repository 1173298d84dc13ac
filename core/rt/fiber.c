/* SPDX-License-Identifier: MIT */
/* Stacks and switches, and what sanitizers, Valgrind and a person after a crash need to know of them. */
#include "fiber.h"
#include "fiber_switch.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef DROVER_VALGRIND
#include <valgrind/valgrind.h>
#endif

struct fiber {
	struct fiber *next, **link; /* all living ones: fiber_gdb.py and the overflow message walk it */
	void *context;              /* where it is parked */
	char *stack;                /* lowest usable byte; the guard page is below */
	size_t stack_size;
	void (*body)(void *);
	void *arg;
	void *tag;
	bool ended;
	char name[FIBER_NAME];
#ifdef FIBER_ASAN
	void *fake_stack;
#endif
#ifdef DROVER_VALGRIND
	unsigned valgrind_id;
#endif
};

static struct fiber *living;
static struct fiber *current;
static size_t count;
static void *outside_context;
static size_t stack_size = FIBER_STACK_DEFAULT;

/* ---- what the sanitizers must be told ---- */

#ifdef FIBER_ASAN
static const void *outside_bottom;
static size_t outside_size;
static void *outside_fake_stack;

static void asan_entered(void *fake_stack)
{
	const void *bottom;
	size_t size;
	__sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
	if (!outside_bottom) {
		outside_bottom = bottom;
		outside_size = size;
	}
}

/* A stack address that comes back keeps the shadow of its last owner, even through munmap. */
static void asan_stack_clean(struct fiber *f)
{
	__asan_unpoison_memory_region(f->stack, f->stack_size);
}
#define ASAN_LEAVE_TO_FIBER(f) __sanitizer_start_switch_fiber(&outside_fake_stack, (f)->stack, (f)->stack_size)
#define ASAN_LEAVE_TO_OUTSIDE(f) \
	__sanitizer_start_switch_fiber((f)->ended ? NULL : &(f)->fake_stack, outside_bottom, outside_size)
#define ASAN_BACK_OUTSIDE() __sanitizer_finish_switch_fiber(outside_fake_stack, NULL, NULL)
#define ASAN_BACK_IN_FIBER(f) asan_entered((f)->fake_stack)
#define LSAN_STACK_ADD(f) __lsan_register_root_region((f)->stack, (f)->stack_size)
#define LSAN_STACK_REMOVE(f) __lsan_unregister_root_region((f)->stack, (f)->stack_size)
#else
#define ASAN_LEAVE_TO_FIBER(f) (void)(f)
#define ASAN_LEAVE_TO_OUTSIDE(f) (void)(f)
#define ASAN_BACK_OUTSIDE() (void)0
#define ASAN_BACK_IN_FIBER(f) (void)(f)
#define LSAN_STACK_ADD(f) (void)(f)
#define LSAN_STACK_REMOVE(f) (void)(f)
static void asan_stack_clean(struct fiber *f)
{
	(void)f;
}
#endif

/* ---- stacks ---- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Stacks of ended fibers, for the next: mapping one costs more than a short request. Sanitizers get fresh ones. */
#if defined(FIBER_ASAN) || defined(DROVER_VALGRIND)
enum { SPARES_MOST = 0 };
#else
enum { SPARES_MOST = 1024 };
#endif
struct spare {
	struct spare *next;
};
static struct spare *spares; /* each lies in the last bytes of its stack */
static size_t n_spares;

static struct spare *spare_at(char *stack)
{
	return (struct spare *)(void *)(stack + stack_size - sizeof(struct spare));
}

static char *spare_take(void)
{
	struct spare *s = spares;
	if (!s)
		return NULL;
	spares = s->next;
	n_spares--;
	return (char *)s + sizeof(*s) - stack_size;
}

static bool spare_keep(struct fiber *f)
{
	if (n_spares >= SPARES_MOST || f->stack_size != stack_size)
		return false;
	struct spare *s = spare_at(f->stack);
	s->next = spares;
	spares = s;
	n_spares++;
	return true;
}

void fiber_spares_trim(void)
{
	for (struct spare *s = spares; s; s = s->next)
		madvise((char *)s + sizeof(*s) - stack_size, stack_size - page_size(), MADV_DONTNEED);
}

/* What the calls below leave on the stack must stay: theirs is the margin. */
void fiber_stack_trim(void)
{
	enum { MARGIN = 1024 };
	if (!current || SPARES_MOST == 0)
		return;
	size_t above = ((size_t)((char *)__builtin_frame_address(0) - current->stack) - MARGIN) / page_size() * page_size();
	if (above < current->stack_size)
		madvise(current->stack, above, MADV_DONTNEED);
}

static void spares_unmap(void)
{
	for (char *stack; (stack = spare_take());)
		munmap(stack - page_size(), stack_size + page_size());
}

void fiber_stack_size_set(size_t bytes)
{
	size_t page = page_size();
	spares_unmap();
	stack_size = (MAX_OF(bytes, (size_t)FIBER_STACK_MIN) + page - 1) / page * page;
}

static char *stack_new(void)
{
	size_t guard = page_size();
	char *map = mmap(NULL, guard + stack_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, guard, PROT_NONE) != 0) {
		munmap(map, guard + stack_size);
		return NULL;
	}
	return map + guard;
}

static bool stack_map(struct fiber *f)
{
	char *spare = spare_take();
	f->stack_size = stack_size;
	f->stack = spare ? spare : stack_new();
	if (!f->stack)
		return false;
	asan_stack_clean(f);
	LSAN_STACK_ADD(f);
#ifdef DROVER_VALGRIND
	f->valgrind_id = VALGRIND_STACK_REGISTER(f->stack, f->stack + f->stack_size);
#endif
	return true;
}

static void stack_unmap(struct fiber *f)
{
#ifdef DROVER_VALGRIND
	VALGRIND_STACK_DEREGISTER(f->valgrind_id);
#endif
	LSAN_STACK_REMOVE(f);
	asan_stack_clean(f);
	if (!spare_keep(f))
		munmap(f->stack - page_size(), f->stack_size + page_size());
}

/* ---- fibers ---- */

struct fiber *fiber_new(const char *name, void (*body)(void *), void *arg)
{
	struct fiber *f = mem_alloc(sizeof(*f));
	if (!stack_map(f)) {
		free(f);
		return NULL;
	}
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->body = body;
	f->arg = arg;
	f->context = fiber_switch_prepare(f->stack, f->stack_size);
	f->next = living;
	f->link = &living;
	if (living)
		living->link = &f->next;
	living = f;
	count++;
	return f;
}

void fiber_free(struct fiber *f)
{
	if (!f)
		return;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	count--;
	fiber_switch_forget(f->context);
	stack_unmap(f);
	free(f);
}

void fiber_resume(struct fiber *f)
{
	current = f;
	ASAN_LEAVE_TO_FIBER(f);
	fiber_switch(&outside_context, f->context);
	ASAN_BACK_OUTSIDE();
	current = NULL;
}

void fiber_suspend(void)
{
	struct fiber *f = current;
	ASAN_LEAVE_TO_OUTSIDE(f);
	fiber_switch(&f->context, outside_context);
	ASAN_BACK_IN_FIBER(f);
}

_Noreturn void fiber_main(void)
{
	struct fiber *f = current;
	ASAN_BACK_IN_FIBER(f);
	f->body(f->arg);
	f->ended = true;
	fiber_suspend();
	abort(); /* an ended fiber is never resumed */
}

struct fiber *fiber_self(void)
{
	return current;
}

bool fiber_ended(const struct fiber *f)
{
	return f->ended;
}

const char *fiber_name(const struct fiber *f)
{
	return f->name;
}

size_t fiber_count(void)
{
	return count;
}

void fiber_tag_set(struct fiber *f, void *tag)
{
	f->tag = tag;
}

void *fiber_tag(const struct fiber *f)
{
	return f->tag;
}

/* ---- overflow ---- */

static void say(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
}

static void on_segv(int signal_number, siginfo_t *info, void *context)
{
	(void)context;
	const char *at = info->si_addr;
	if (current && at < current->stack && at >= current->stack - page_size()) {
		say("drover: fiber ");
		say(current->name);
		say(": stack overflow (option fiber.stack)\n");
	}
	signal(signal_number, SIG_DFL); /* the same instruction faults again, and dumps core as usual */
}

void fiber_guard_install(void)
{
	static char alternate[16 * 1024];
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
}
