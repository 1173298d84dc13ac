/* SPDX-License-Identifier: MIT */
/* The other end of thoughts.h: for whoever writes the rows. */
#pragma once
#include "arena.h"
#include "thoughts.h"

struct task;

struct thought_row {
	struct thought_row *next;
	int64_t seq;
	enum thought_kind kind;
	size_t bytes;     /* that it takes in memory */
	const char *message;
	const char *data; /* JSON or NULL */
};

struct thoughts_limits {
	size_t flush_bytes;   /* a growing row of this size is closed, and urgent */
	size_t row_bytes;     /* of one message or data */
	size_t pending_bytes; /* of all rows that are not written yet; 0 = no limit */
	bool per_token;       /* each delta is a row */
};

/* One that has something to be written. */
struct thoughts_wait {
	struct thoughts_wait *next, **link; /* link NULL = it waits for nothing */
	void *owner;
	int64_t since_ms; /* clock_ms of the first byte; 0 = urgent */
};

/* Those that wait, the longest waiting first: what writes them looks at no others. */
struct thoughts_queue {
	struct thoughts_wait *first, **last;
	struct task *writer; /* woken when there is a first one, and for an urgent one; or NULL */
};

/* Freed with a. Rows get seq from last_seq + 1. */
struct thoughts *thoughts_new(struct arena *a, int64_t last_seq, const struct thoughts_limits *limits);
/* Closes the growing row, so that all rows are whole. First row not yet written, or NULL. */
const struct thought_row *thoughts_pending(struct thoughts *t);
/* The same without closing anything. */
const struct thought_row *thoughts_rows(const struct thoughts *t);
size_t thoughts_bytes(const struct thoughts *t); /* that are not written yet, in memory */
/* Rows up to seq are in the database. */
void thoughts_written(struct thoughts *t, int64_t seq);
/* The database refuses something in the pending rows: they keep their place and lose their data. */
void thoughts_strip(struct thoughts *t);
/* The last row, if it is still pending, was never said. */
void thoughts_unsay(struct thoughts *t);
/* It still refuses them: they are given up, and the next row takes the place of the first. */
void thoughts_drop(struct thoughts *t);

void thoughts_queue_init(struct thoughts_queue *q);
/* From its first pending byte on t waits in q, until it is taken; and again from the next byte. */
void thoughts_watch(struct thoughts *t, struct thoughts_queue *q, void *owner);
void thoughts_unwatch(struct thoughts *t); /* for good */
/* Its rows are on their way: it does not wait any more. */
void thoughts_take(struct thoughts *t);
/* They did not arrive: it waits in front of all others. */
void thoughts_put_back(struct thoughts *t, int64_t since_ms);
