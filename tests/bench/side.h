/* SPDX-License-Identifier: MIT */
/* Our side of a benchmark: the real pool with one agent, in a process that serves until SIGTERM. */
#pragma once
#include "pool.h"

/* For side_serve. */
struct side {
	const char *url;
	int slots, batch;
	const struct agent *agent;
};

/* Never returns. */
_Noreturn void side_serve(const void *side);
/* The program in n processes, until SIGTERM; the caller leads a process group of its own. */
int side_fork(int n, void (*body)(const void *arg), const void *arg);
/* All of a claim, completed. */
struct queue_end *side_ends(struct arena *a, const struct queue_claim *got);
/* A whole line to stdout at once, for several processes write to the same pipe. */
void side_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Parses a number from the command line, or ends the program. */
int side_number(const char *text);
