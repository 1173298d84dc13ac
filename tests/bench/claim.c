/* SPDX-License-Identifier: MIT */
/*
 * What a claim costs, as the worker makes it: claims, measured, and ends what it claimed, not measured.
 *   bench_claim URL BATCH WARM ROUNDS floor|all    prints a line for each claim after the first WARM: "us claimed".
 *   floor: from where the warming ended, as a worker does that is behind; all: from the start, as an idle one does
 */
#include "clock.h"
#include "loop.h"
#include "queue.h"
#include "side.h"
#include "uuid.h"

enum { LONG_MS = 600000 };

struct bench {
	const char *url;
	int batch, warm, rounds;
	bool floor;
	struct pg *db;
	struct queue_wish wish;
};

static bool claim_and_end(struct bench *b, bool measured, struct err *e)
{
	ARENA_SCOPE(a);
	struct queue_claim got, none;
	struct log_batch *rows = log_batch_new(a);
	int64_t *ended, began = clock_us();
	size_t n;
	if (!queue_exchange(b->db, a, NULL, 0, rows, &b->wish, NEVER_MS, &ended, &n, &got, e))
		return false;
	if (measured)
		side_say("%ld %zu\n", (long)(clock_us() - began), got.n);
	if (!got.n)
		return true;
	if (!measured && b->floor) {
		b->wish.floor_priority = got.requests[got.n - 1].priority;
		b->wish.floor_id = got.requests[got.n - 1].id;
	}
	return queue_exchange(b->db, a, side_ends(a, &got), got.n, rows, NULL, NEVER_MS, &ended, &n, &none, e);
}

static bool bench(void *arg, struct err *e)
{
	struct bench *b = arg;
	char id[UUID_TEXT];
	uuid_make(id);
	struct queue_worker w = { .id = id, .host = "bench", .version = "bench", .slots = b->batch, .lease_ms = LONG_MS };
	b->wish = (struct queue_wish){ .worker_id = id, .max = b->batch, .default_limits = "{}" };
	b->db = pg_open(&(struct pg_options){ .url = b->url, .connect_ms = LONG_MS, .prepare = true }, NEVER_MS, e);
	bool ok = b->db && queue_register(b->db, &w, NEVER_MS, e);
	for (int i = 0; ok && i < b->warm + b->rounds; i++)
		ok = claim_and_end(b, i >= b->warm, e);
	ok = ok && queue_leave(b->db, id, NEVER_MS, e);
	pg_close(b->db);
	return ok;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	if (argc != 6)
		return 2;
	struct bench b = { argv[1], side_number(argv[2]), side_number(argv[3]), side_number(argv[4]),
		strcmp(argv[5], "floor") == 0 };
	log_level_set(LOG_WARN);
	bool ok = loop_open(&e) && loop_run("bench", bench, &b, &e);
	if (!ok)
		fprintf(stderr, "bench_claim: %s\n", e.msg);
	return ok ? 0 : 1;
}
