/* SPDX-License-Identifier: MIT */
/* kill_worker DATABASE MODEL OUTSIDE WORKER-ID K: a worker process that is killed at the K-th wait (after it, with -K). */
#include "killed.h"
#include "loop.h"
#include <signal.h>
#include <unistd.h>

static struct pool *pool;

static bool drain_when_told(void *arg __attribute__((unused)), struct err *e)
{
	static const int signals[] = { SIGTERM };
	int which;
	if (loop_wait_signal(signals, COUNT(signals), &which, e))
		pool_drain(pool);
	return true;
}

static bool serve(void *arg __attribute__((unused)), struct err *e)
{
	return pool_serve(pool, e);
}

static bool victim_run(void *arg, struct err *e)
{
	char **argv = arg;
	struct group waiting = { 0 }, serving = { 0 };
	int64_t k = strtoll(argv[5], NULL, 10);
	static struct pool_config config;
	killed_outside_set(argv[3]);
	config = killed_config(argv[1], argv[2]);
	config.worker_id = argv[4];
	pool = pool_new(&config);
	if (!group_start(&waiting, "signals", drain_when_told, NULL, e))
		return false;
	task_torture_mark();
	loop_torture(k, ERR_NONE);
	bool ok = group_start(&serving, "pool", serve, NULL, e) && group_wait(&serving, NEVER_MS, e);
	loop_torture(0, ERR_NONE);
	group_cancel(&waiting);
	struct err ignored = { 0 };
	group_wait(&waiting, NEVER_MS, &ignored);
	pool_free(pool);
	return ok;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	log_level_set(LOG_ERROR);
	if (argc != 6)
		return 2;
	bool ok = loop_open(&e) && loop_run("victim", victim_run, argv, &e);
	loop_close();
	return ok ? 0 : 1;
}
