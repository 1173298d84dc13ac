/* SPDX-License-Identifier: MIT */
#include "log_batch.h"
#include "pg.h"

enum { BATCH_BYTES = 64 * 1024 * 1024 }; /* far above what the flusher puts in; Postgres stops at 1 GB */

static void batch_end(void *batch)
{
	struct log_batch *b = batch;
	struct buf *all[] = { &b->owners, &b->versions, &b->ids, &b->seqs, &b->agents, &b->kinds, &b->messages, &b->data };
	for (size_t i = 0; i < COUNT(all); i++)
		buf_done(all[i]);
}

struct log_batch *log_batch_new(struct arena *a)
{
	struct log_batch *b = arena_alloc(a, sizeof(*b));
	struct buf *all[] = { &b->owners, &b->versions, &b->ids, &b->seqs, &b->agents, &b->kinds, &b->messages, &b->data };
	for (size_t i = 0; i < COUNT(all); i++)
		buf_init(all[i], BATCH_BYTES);
	arena_defer(a, batch_end, b);
	return b;
}

void log_batch_owner(struct log_batch *b, int64_t request_id, int64_t version)
{
	pg_array_add_i64(&b->owners, request_id);
	pg_array_add_i64(&b->versions, version);
	b->n_owners++;
}

void log_batch_row(struct log_batch *b, int64_t request_id, const struct log_row *row)
{
	pg_array_add_i64(&b->ids, request_id);
	pg_array_add_i64(&b->seqs, row->seq);
	pg_array_add(&b->agents, row->agent);
	pg_array_add(&b->kinds, row->kind);
	pg_array_add(&b->messages, row->message);
	pg_array_add(&b->data, row->data);
	b->n_rows++;
}
