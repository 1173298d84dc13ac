/* SPDX-License-Identifier: MIT */
/* Child processes: started, waited for in a fiber, and signalled by their own pid only. */
#pragma once
#include "arena.h"
#include "err.h"

struct process;

struct process_options {
	const char *const *argv;  /* ends with NULL; found in PATH */
	const char *const *env;   /* NAME=value, ends with NULL; NULL = as ours */
	const char *cwd;          /* NULL = ours */
	int uid, gid;             /* when uid > 0: run as that user */
	int out_fd, err_fd;       /* 0 = ours; -1 = nowhere; else this descriptor */
	bool die_with_us;         /* SIGTERM when our process ends in whatever way */
	bool own_group;           /* a Ctrl-C at our terminal is not for it */
};

struct process *process_start(const struct process_options *o, struct err *e);
int process_pid(const struct process *p);
bool process_running(const struct process *p);
void process_signal(struct process *p, int number); /* nothing when it has ended */
/* waits. *status: exit code, or 128 + signal. */
bool process_wait(struct process *p, int64_t deadline, int *status, struct err *e);
/* Also when it still runs: then it is killed and forgotten. NULL is allowed. */
void process_free(struct process *p);

/* Lets go of it while it runs: whoever has its pid waits for it with waitpid. Nothing of it may be used afterwards. */
void process_disown(struct process *p);

/* Runs to the end and gives what it printed on stdout (bounded by limit). A status other than 0 is ERR_INPUT
 * "process_failed" with the first line of its stderr. waits. */
bool process_run(struct arena *a, const struct process_options *o, size_t limit, int64_t deadline, struct str *output,
	struct err *e);
