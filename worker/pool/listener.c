/* SPDX-License-Identifier: MIT */
/* Hears of new work and of cancelled requests. Losing a notification costs one poll, so it just connects again. */
#include "pool_inner.h"

static void heard(struct pool *p, const char *channel, const char *payload)
{
	int64_t id;
	if (strcmp(channel, "drover_wake") == 0) {
		pool_wake_claimer(p);
	} else if (str_to_i64(str_of(payload), &id) && run_find(p, id)) {
		p->ask_now = true; /* anybody can notify; what is cancelled the row says */
		task_wake(p->leaser);
	}
}

static bool listen_on(struct pool *p, struct pg *db, struct err *e)
{
	ARENA_SCOPE(tmp);
	if (!pg_script(db, tmp, "listen drover_wake; listen drover_cancel", deadline_in(SHORT_MS), NULL, e))
		return false;
	pool_wake_claimer(p); /* what came before we listened */
	for (;;) {
		ARENA_SCOPE(a);
		const char *channel, *payload;
		if (!pg_notification(db, a, &channel, &payload, NEVER_MS, e))
			return false;
		heard(p, channel, payload);
	}
}

bool pool_listen_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	struct pg_options o = p->pg;
	o.application_name = "drover listener";
	if (!p->config->listen)
		while (loop_park(NEVER_MS, e))
			;
	while (!task_cancelled()) {
		struct err trouble = { 0 };
		struct pg *db = pg_open(&o, NEVER_MS, &trouble);
		if (db)
			listen_on(p, db, &trouble);
		pg_close(db);
		if (task_cancelled())
			break;
		log_write(LOG_WARN, "listener_lost", "%s", trouble.msg);
		if (!loop_sleep(p->config->poll_ms, e) && task_cancelled())
			break;
	}
	return pool_service_ended(p, e);
}
