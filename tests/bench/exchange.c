/* SPDX-License-Identifier: MIT */
/*
 * The worker's own statements without the worker: claims and ends in one round trip, as the pool does, but no fibers
 * and no agents. What is between this and the pool is the pool's cost. Serves until SIGTERM.
 *   bench_exchange URL BATCH CONNECTIONS    a process a connection; each prints lines "us pid count"
 */
#include "clock.h"
#include "loop.h"
#include "queue.h"
#include "side.h"
#include "uuid.h"
#include <unistd.h>

enum { LONG_MS = 600000, IDLE_MS = 20 };

struct lane {
	const char *url;
	int batch;
};

/* The arena of what is held changes with each trip: the old one is needed until it has gone out. */
static bool exchange_all(struct pg *db, const struct queue_wish *wish, struct err *e)
{
	struct queue_claim held = { 0 };
	struct arena *old = arena_new();
	bool ok = true;
	for (int64_t count = 0; ok;) {
		struct arena *a = arena_new();
		struct queue_claim got;
		int64_t *ended;
		size_t n;
		ok = queue_exchange(db, a, side_ends(a, &held), held.n, log_batch_new(a), wish, NEVER_MS, &ended, &n, &got, e);
		arena_free(old);
		old = a;
		count += ok ? (int64_t)n : 0;
		if (ok && held.n)
			side_say("%ld %d %ld\n", (long)clock_us(), getpid(), (long)count);
		held = got;
		ok = ok && (got.n || loop_sleep(IDLE_MS, e));
	}
	arena_free(old);
	return false;
}

static bool serve(void *arg, struct err *e)
{
	const struct lane *lane = arg;
	char id[UUID_TEXT];
	uuid_make(id);
	struct queue_worker w = { .id = id, .host = "bench", .version = "bench", .slots = lane->batch, .lease_ms = LONG_MS };
	struct queue_wish wish = { .worker_id = id, .max = lane->batch, .default_limits = "{}" };
	struct pg *db = pg_open(&(struct pg_options){ .url = lane->url, .connect_ms = LONG_MS, .prepare = true }, NEVER_MS, e);
	return db && queue_register(db, &w, NEVER_MS, e) && exchange_all(db, &wish, e);
}

static _Noreturn void serve_lane(const void *lane)
{
	struct err e = { 0 };
	log_level_set(LOG_WARN);
	if (!loop_open(&e) || !loop_run("bench", serve, (void *)(uintptr_t)lane, &e))
		fprintf(stderr, "bench_exchange: %s\n", e.msg);
	_exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	struct lane lane = { argv[1], side_number(argv[2]) };
	return side_fork(side_number(argv[3]), serve_lane, &lane);
}
