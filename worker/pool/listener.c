/* SPDX-License-Identifier: MIT */
/* Hears of new work and of cancelled requests. A connection counts only once a notification has come through it, and is
 * asked when it is silent; what was missed meanwhile the poll finds. */
#include "clock.h"
#include "pool_inner.h"

/* The session may be another's behind a pooler, and the server one that is read only by now. */
#define STILL_LISTENING "select count(*) = 3 and current_setting('transaction_read_only') = 'off' " \
	"from pg_listening_channels() c where c like 'drover%'"

enum { AGAIN_MS = 500 };

/* In [1/2, 1], so that a fleet does not ask in step. */
static int64_t jittered(int64_t ms)
{
	return ms / 2 + (int64_t)(drand48() * (double)(ms / 2 + 1));
}

static void heard(struct pool *p, const char *channel, const char *payload)
{
	int64_t id;
	if (strcmp(channel, "drover_wake") == 0) {
		crowd_count(&p->crowd, 1);
		pool_wake_exchange(p);
	} else if (strcmp(channel, "drover_cancel") == 0 && str_to_i64(str_of(payload), &id)) {
		bool ours = run_find(p, id) != NULL;
		p->ask_now |= ours; /* anybody can notify; what is cancelled the row says */
		p->told_unknown |= !ours;
		task_wake(p->leaser);
	}
}

/* ---- a new connection ---- */

/* Over the connections that work goes over: it must be the same database, and through a pooler that shares
 * connections a notification to oneself may well arrive where others do not. */
static bool send_probe(struct pool *p, const char *channel, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg *db = pg_get(p->control, deadline, e);
	bool ok = db && pg_script(db, tmp, arena_printf(tmp, "notify %s", channel), deadline, NULL, e);
	pg_put(p->control, db);
	return ok;
}

static bool wait_for_probe(struct pool *p, struct pg *db, const char *probe, int64_t deadline, struct err *e)
{
	const char *channel = "", *payload;
	while (strcmp(channel, probe) != 0) {
		ARENA_SCOPE(a);
		if (!pg_notification(db, a, &channel, &payload, deadline, e))
			return e->kind != ERR_TIMEOUT ? false : FAIL(e, ERR_NET, "unheard", "a notification sent over database.url does "
				"not arrive; through a pooler in transaction mode set database.listen_url to the server's own address, or "
				"database.listen to false (drover doctor knows more)");
		heard(p, channel, payload);
		channel = strcmp(channel, probe) == 0 ? probe : "";
	}
	return true;
}

/* What a pooler gives to somebody else should not go on listening in our name. */
static bool unlisten(struct pg *db)
{
	ARENA_SCOPE(tmp);
	struct err ignored = { 0 };
	pg_script(db, tmp, "unlisten *", deadline_in(1000), NULL, &ignored);
	return false;
}

static bool ask(struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	if (!pg_script(db, tmp, STILL_LISTENING, deadline, &rows, e))
		return false;
	return strcmp(pg_first(&rows), "t") == 0 ||
		FAIL(e, ERR_NET, "not_listening", "the server does not listen for us any more, or can only be read");
}

static bool begin_listening(struct pool *p, struct pg *db, int64_t answer_ms, struct err *e)
{
	ARENA_SCOPE(tmp);
	char uuid[UUID_TEXT];
	uuid_make(uuid);
	const char *probe = arena_printf(tmp, "drover_%.8s", uuid);
	const char *listen = arena_printf(tmp, "listen drover_wake; listen drover_cancel; listen %s", probe);
	int64_t deadline = deadline_in(answer_ms);
	return pg_script(db, tmp, listen, deadline, NULL, e) && send_probe(p, probe, deadline, e) &&
		(wait_for_probe(p, db, probe, deadline, e) || unlisten(db)) && ask(db, deadline, e);
}

/* ---- listening ---- */

static bool listen_on(struct pool *p, struct pg *db, struct err *e)
{
	int64_t answer_ms = p->config->listen_check_ms / 2;
	if (!begin_listening(p, db, answer_ms, e))
		return false;
	p->listening = true;
	pool_wake_exchange(p); /* what came before we listened */
	p->ask_now = true;
	task_wake(p->leaser);
	for (;;) {
		ARENA_SCOPE(a);
		const char *channel, *payload;
		if (pg_notification(db, a, &channel, &payload, deadline_in(jittered(p->config->listen_check_ms)), e))
			heard(p, channel, payload);
		else if (e->kind != ERR_TIMEOUT || !ask(db, deadline_in(answer_ms), e))
			return false;
	}
}

/* Whether it listened, for however short. */
static bool listen_once(struct pool *p, struct err *e)
{
	struct pg_options o = p->direct;
	o.application_name = "drover listener";
	struct pg *db = pg_open(&o, NEVER_MS, e);
	if (db)
		listen_on(p, db, e);
	pg_close(db);
	bool listened = p->listening;
	p->listening = false;
	if (listened)
		pool_wake_exchange(p); /* what was not heard any more; and inserts need not notify us now */
	return listened;
}

/* What an operator has to mend is not mended in a second. */
static int64_t wait_after(bool listened, int64_t waited_ms, const struct err *trouble)
{
	enum { UNHEARD_MS = 60000, AWAY_MS = 5000 };
	if (listened)
		return AGAIN_MS;
	return strcmp(trouble->code, "unheard") == 0 ? UNHEARD_MS : MIN_OF(waited_ms * 2, (int64_t)AWAY_MS);
}

bool pool_listen_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	int64_t wait_ms = AGAIN_MS;
	while (!p->config->listen && !task_cancelled())
		loop_park(NEVER_MS, e);
	while (!task_cancelled()) {
		struct err trouble = { 0 };
		bool listened = listen_once(p, &trouble);
		if (task_cancelled())
			break;
		wait_ms = wait_after(listened, wait_ms, &trouble);
		log_write(LOG_WARN, "listener_lost", "%s", trouble.msg);
		loop_sleep(jittered(wait_ms), e);
	}
	return pool_service_ended(p, e);
}
