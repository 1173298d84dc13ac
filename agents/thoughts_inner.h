/* SPDX-License-Identifier: MIT */
/* Inside thoughts*.c only. */
#pragma once
#include "thoughts_rows.h"

struct thoughts {
	struct thought_row *first, **last;
	struct thoughts_limits limits;
	struct buf growing; /* text of a THINKING or TEXT row that has no seq yet */
	enum thought_kind growing_kind;
	int64_t last_seq;
	size_t bytes;       /* of the rows */
	size_t left_out, left_out_pieces; /* bytes that found no room, and their number */
	struct thoughts_queue *queue; /* or NULL */
	struct thoughts_wait wait;
};

/* Something is pending. */
void thoughts_wait(struct thoughts *t);
/* And enough of it to be written at once. */
void thoughts_hurry(struct thoughts *t);
