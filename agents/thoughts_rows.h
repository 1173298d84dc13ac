/* SPDX-License-Identifier: MIT */
/* The other end of thoughts.h: for whoever writes the rows. */
#pragma once
#include "arena.h"
#include "thoughts.h"

struct thought_row {
	struct thought_row *next;
	int64_t seq;
	enum thought_kind kind;
	const char *message;
	const char *data; /* JSON or NULL */
};

struct thoughts_limits {
	size_t flush_bytes; /* a growing row of this size is closed */
	size_t row_bytes;   /* of one message or data */
};

/* Freed with a. Rows get seq from last_seq + 1. */
struct thoughts *thoughts_new(struct arena *a, int64_t last_seq, const struct thoughts_limits *limits);
/* Closes the growing row, so that all rows are whole. First row not yet written, or NULL. */
const struct thought_row *thoughts_pending(struct thoughts *t);
/* Rows up to seq are in the database. */
void thoughts_written(struct thoughts *t, int64_t seq);
/* The database refuses something in the pending rows: they keep their place and lose their data. */
void thoughts_strip(struct thoughts *t);
/* The last row, if it is still pending, was never said. */
void thoughts_unsay(struct thoughts *t);
/* It still refuses them: they are given up, and the next row takes the place of the first. */
void thoughts_drop(struct thoughts *t);
