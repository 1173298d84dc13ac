/* SPDX-License-Identifier: MIT */
/* Log rows of any number of requests, as the arrays that one statement takes. */
#pragma once
#include "arena.h"
#include "str.h"

struct log_batch {
	struct buf owners, versions, ids, seqs, agents, kinds, messages, data;
	size_t n_owners, n_rows;
};

struct log_row {
	int64_t seq;
	const char *agent, *kind, *message;
	const char *data; /* JSON or NULL */
};

/* In the arena, freed with it. */
struct log_batch *log_batch_new(struct arena *a);
/* Once a request, before its rows. */
void log_batch_owner(struct log_batch *b, int64_t request_id, int64_t version);
void log_batch_row(struct log_batch *b, int64_t request_id, const struct log_row *row);
