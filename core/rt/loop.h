/* SPDX-License-Identifier: MIT */
/*
 * Fibers on libuv. One thread, one loop per process. Every wait of the program passes loop_park, with an absolute
 * deadline (clock_ms) and sticky cancellation: once a fiber is cancelled every further wait fails at once, so a run
 * unwinds by "return false" and needs no I/O to clean up. "waits" in a contract means: may park, fails with
 * ERR_CANCELLED, ERR_TIMEOUT or ERR_NET, and nothing learned before the wait may be trusted after it unless it is ours.
 */
#pragma once
#include "err.h"
#include "log.h"

enum { NEVER_MS = 0 }; /* as a deadline: none */

bool loop_open(struct err *e);
/* Every fiber must have ended. Closes what is left open and frees the loop. */
void loop_close(void);

typedef bool (*loop_body)(void *arg, struct err *e);

/* Runs body as the first fiber and the loop until body returns and everything is closed. Returns what body returned. */
bool loop_run(const char *name, loop_body body, void *arg, struct err *e);

struct task; /* a fiber that the loop drives */
struct task *task_self(void);

/* waits until task_wake, which may also come before: a wake is remembered once. Wakes may be spurious: loop on your
 * condition. */
bool loop_park(int64_t deadline, struct err *e);
void task_wake(struct task *t); /* NULL is allowed */
bool loop_sleep(int64_t ms, struct err *e);      /* waits */
bool loop_wait_fd(int fd, bool readable, bool writable, int64_t deadline, struct err *e); /* waits; one-shot */

int64_t deadline_in(int64_t ms);                 /* now + ms; ms 0 gives NEVER_MS */
int64_t deadline_first(int64_t a, int64_t b);    /* the earlier, NEVER_MS being last */

/* A group ends when its fibers have ended; no fiber is outside a group. Lives on its owner's stack. */
struct group {
	struct task *first;  /* running members */
	struct task *owner;  /* parked in group_wait */
	size_t running;
	bool failed;
	struct err error;    /* of the first that failed, when keep_going is false */
	bool keep_going;     /* a member's failure is its own affair: it does not cancel the others */
};

/* The new fiber runs before long, not at once. arg must outlive it. */
bool group_start(struct group *g, const char *name, loop_body body, void *arg, struct err *e);
/* waits for all. On a member's failure, on cancellation of the caller or past the deadline it cancels all, waits for
 * them without limit, and returns false with that error. */
bool group_wait(struct group *g, int64_t deadline, struct err *e);
void group_cancel(struct group *g);
void task_cancel(struct task *t);
bool task_cancelled(void); /* the current one */
/* The owner of a run that has unwound takes the cancellation back, to write the run's fate. */
void task_cancel_clear(void);

/* Whose log lines these are: copied to the current fiber, inherited by fibers it starts. session and agent may be NULL;
 * agent is not copied. */
void task_context_set(int64_t request_id, const char *session, const char *agent);

/* Signals: wakes the current fiber's wait on them. waits; *signal_number is what came. */
bool loop_wait_signal(const int *signals, size_t n, int *signal_number, struct err *e);

/*
 * Torture, for tests: the k-th park (from 1) of the fibers started below the current one fails with kind. 0 disarms.
 * ERR_NONE kills the process instead: before the k-th park (what it sent is on its way, the answer unseen), or with -k
 * right after it (the answer is there, nothing was made of it).
 * Marks are inherited by fibers started later. Returns how many parks were counted since the last call.
 */
int64_t loop_torture(int64_t k, enum err_kind kind);
void task_torture_mark(void); /* the current fiber and those it starts from now on are counted */
