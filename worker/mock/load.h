/* SPDX-License-Identifier: MIT */
/*
 * The scripted model under load: one reply of text for everybody, unchecked, to as many streams as there are
 * descriptors. A fiber a request would cost more than the client under test; here all streams hang on one wheel of
 * time, and their events were written out before. For measuring clients, not for testing them.
 */
#pragma once
#include "script.h"

struct load;

struct load_counts {
	int64_t live;    /* streams between their first and their last byte */
	int64_t events;  /* deltas sent, so far */
	int64_t ended;   /* streams whose last byte was taken */
	int64_t cut;     /* streams that the client left, or did not read */
};

struct load_options {
	const struct script *script; /* its first reply, whatever its conditions: texts and thinking, with a pace */
	const char *host;            /* NULL = 127.0.0.1 */
	int port;                    /* 0 = any free one */
	/* Once a second, with CLOCK_MONOTONIC. */
	void (*tell)(int64_t us, const struct load_counts *counts);
};

/*
 * Sixteen # in a row within a delta become the time at which it is sent: CLOCK_MONOTONIC in microseconds. NULL and e
 * when the reply has anything but texts, or the port cannot be had.
 */
struct load *load_open(struct arena *a, const struct load_options *o, struct err *e);
int load_port(const struct load *l);
/* waits. Serves until it is cancelled; all connections end with the arena. */
bool load_serve(struct load *l, struct err *e);
