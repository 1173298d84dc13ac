/* SPDX-License-Identifier: MIT */
/*
 * A worker as an insert sees it, without its claims: registered; idle = wants to be told of inserts, listens, and wants
 * it again each time that it was told; busy = registered only. Serves until SIGTERM.
 *   bench_waiter URL idle|busy    prints "ready", then "told" for each notification
 */
#include "loop.h"
#include "queue.h"
#include "side.h"
#include "uuid.h"
#include <string.h>

enum { LONG_MS = 600000 };

struct waiter {
	const char *url;
	bool idle;
};

static bool wait_to_be_told(struct pg *listener, struct pg *db, const char *id, struct err *e)
{
	ARENA_SCOPE(tmp);
	bool ok = pg_script(listener, tmp, "listen drover_wake", NEVER_MS, NULL, e);
	while (ok && queue_wants_wake(db, id, true, NEVER_MS, e)) {
		ARENA_SCOPE(a);
		const char *channel, *payload;
		ok = pg_notification(listener, a, &channel, &payload, NEVER_MS, e);
		side_say("told\n");
	}
	return false;
}

static bool wait_like(void *arg, struct err *e)
{
	const struct waiter *w = arg;
	char id[UUID_TEXT];
	uuid_make(id);
	struct pg_options o = { .url = w->url, .connect_ms = LONG_MS, .prepare = true };
	struct queue_worker worker = { .id = id, .host = "bench", .version = "bench", .slots = 1, .lease_ms = LONG_MS };
	struct pg *listener = pg_open(&o, NEVER_MS, e), *db = pg_open(&o, NEVER_MS, e);
	bool ok = listener && db && queue_register(db, &worker, NEVER_MS, e) && queue_wants_wake(db, id, w->idle, NEVER_MS, e);
	if (ok)
		side_say("ready\n");
	while (ok && !w->idle)
		ok = loop_sleep(LONG_MS, e);
	return ok && wait_to_be_told(listener, db, id, e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	if (argc != 3)
		return 2;
	struct waiter w = { argv[1], strcmp(argv[2], "idle") == 0 };
	log_level_set(LOG_WARN);
	if (!loop_open(&e) || !loop_run("waiter", wait_like, &w, &e))
		fprintf(stderr, "bench_waiter: %s\n", e.msg);
	return 1;
}
