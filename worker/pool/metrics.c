/* SPDX-License-Identifier: MIT */
/* GET /metrics, /healthz and /readyz of one worker process. */
#include "clock.h"
#include "fiber.h"
#include "http_server.h"
#include "pool_inner.h"
#include "tracer.h"
#include <sys/resource.h>
#include <unistd.h>

struct scrapes {
	struct group group;   /* what listens */
	struct group answers;
};

enum { TEXT_BYTES = 8 * 1024 * 1024 };

/* ---- what is only known when somebody asks ---- */

void metrics_know(struct pool *p)
{
	stats_know(p->stats, "agent", "drover");
	for (const struct agent *const *agent = p->generation->agents; *agent; agent++) {
		stats_know(p->stats, "agent", (*agent)->name);
		for (const struct tool *const *tool = (*agent)->tools; tool && *tool; tool++)
			stats_know(p->stats, "tool", (*tool)->name);
	}
	for (size_t i = 0; i < p->models.n; i++) {
		stats_know(p->stats, "lane", p->models.all[i].lane ? p->models.all[i].lane : "default");
		stats_know(p->stats, "model", p->models.all[i].name);
	}
}

static int64_t resident_bytes(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (int64_t)sysconf(_SC_PAGESIZE);
}

static int64_t cpu_ms(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * (int64_t)1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static void look_at_pools(struct pool *p)
{
	const struct { const char *name; struct pg_pool *pool; } pools[] = { { "agents", p->db }, { "control", p->control },
		{ "lease", p->lease } };
	for (size_t i = 0; i < COUNT(pools); i++) {
		int in_use, waiting;
		pg_pool_load(pools[i].pool, &in_use, &waiting);
		stat_set(p->stats, STAT_PG_IN_USE, pools[i].name, in_use);
		stat_set(p->stats, STAT_PG_WAITING, pools[i].name, waiting);
	}
}

static void look_at_delivery(struct pool *p)
{
	int64_t streams = 0, bytes = 0;
	for (const struct thoughts_wait *w = p->thinking.first; w; w = w->next, streams++)
		bytes += (int64_t)thoughts_bytes(((const struct run *)w->owner)->thoughts);
	stat_set(p->stats, STAT_STREAMS_PENDING, NULL, streams);
	stat_set(p->stats, STAT_BYTES_PENDING, NULL, bytes);
	if (!p->delivery)
		return;
	struct delivery_load load = delivery_load(p->delivery);
	stat_set(p->stats, STAT_DELIVERED, NULL, load.sent);
	stat_set(p->stats, STAT_DELIVERY_DROPPED, NULL, load.dropped);
	stat_set(p->stats, STAT_DELIVERY_PENDING, NULL, (int64_t)load.pending);
	if (p->config->delivery == DELIVERY_BROADCAST)
		stat_set(p->stats, STAT_BROADCAST_WARNINGS, NULL, load.warnings);
	if (p->config->delivery == DELIVERY_REDIS)
		stat_set(p->stats, STAT_REDIS_CONNECTED, NULL, load.connected);
}

static void look(struct pool *p)
{
	stat_set(p->stats, STAT_REQUESTS_RUNNING, NULL, (int64_t)p->n_runs);
	stat_set(p->stats, STAT_REQUESTS_CLAIMED, NULL, p->claimed);
	stat_set(p->stats, STAT_SLOTS, NULL, p->config->slots);
	stat_set(p->stats, STAT_LEASE_LEFT, NULL, p->registered ? MAX_OF(p->lease_ends - clock_ms(), (int64_t)0) : 0);
	stat_set(p->stats, STAT_FIBERS, NULL, (int64_t)fiber_count());
	stat_set(p->stats, STAT_MEMORY, NULL, resident_bytes());
	stat_set(p->stats, STAT_CPU, NULL, cpu_ms());
	look_at_pools(p);
	look_at_delivery(p);
	if (!p->tracer)
		return;
	stat_set(p->stats, STAT_SPANS_SENT, NULL, p->tracer->sent);
	stat_set(p->stats, STAT_SPANS_DROPPED, NULL, p->tracer->dropped);
}

void metrics_print(struct pool *p, struct buf *to)
{
	look(p);
	stats_print(p->stats, to);
}

/* ---- ready ---- */

static bool database_answers(struct pool *p, struct err *e)
{
	enum { ANSWER_MS = 2000 };
	ARENA_SCOPE(tmp);
	int64_t deadline = deadline_in(ANSWER_MS);
	struct pg *db = pg_get(p->control, deadline, e);
	bool ok = db && pg_script(db, tmp, "select 1", deadline, NULL, e);
	pg_put(p->control, db);
	return ok;
}

bool pool_is_ready(struct pool *p, struct err *e)
{
	if (p->drains)
		return FAIL(e, ERR_BUSY, "draining", "draining: no more requests are claimed");
	if (!p->registered)
		return FAIL(e, ERR_BUSY, "not_registered", "not registered: the database has not answered yet");
	if (clock_ms() >= p->lease_ends)
		return FAIL(e, ERR_BUSY, "lease_late", "the lease could not be renewed in time");
	return database_answers(p, e);
}

/* ---- pages ---- */

static bool answer(struct http_exchange *x, int status, const char *type, struct str body, struct err *e)
{
	return http_respond(x, status, type, NULL, e) && http_respond_write(x, body, e);
}

static bool page_metrics(struct pool *p, struct arena *a, struct http_exchange *x, struct err *e)
{
	struct buf *text = buf_new(a, TEXT_BYTES);
	metrics_print(p, text);
	return answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(text), e);
}

static bool page_alive(struct pool *p, struct arena *a, struct http_exchange *x, struct err *e)
{
	(void)p, (void)a;
	return answer(x, 200, "text/plain", STR("ok\n"), e); /* the loop has come this far */
}

static bool page_ready(struct pool *p, struct arena *a, struct http_exchange *x, struct err *e)
{
	struct err why = { 0 };
	if (pool_is_ready(p, &why))
		return answer(x, 200, "text/plain", STR("ready\n"), e);
	return answer(x, 503, "text/plain", str_of(arena_printf(a, "%s\n", why.msg)), e);
}

static bool page(void *pool, struct http_exchange *x, struct err *e)
{
	static const struct {
		const char *path;
		bool (*page)(struct pool *p, struct arena *a, struct http_exchange *x, struct err *e);
	} pages[] = { { "/metrics", page_metrics }, { "/healthz", page_alive }, { "/readyz", page_ready } };
	ARENA_SCOPE(tmp);
	bool read = strcmp(http_exchange_method(x), "GET") == 0;
	for (size_t i = 0; i < COUNT(pages); i++)
		if (read && strcmp(http_exchange_path(x), pages[i].path) == 0)
			return pages[i].page(pool, tmp, x, e);
	return answer(x, read ? 404 : 405, "text/plain", STR("GET /metrics, /healthz or /readyz\n"), e);
}

/* ---- listening ---- */

/* The port may be held for a while by the process before, which is still draining. */
static bool listen_loop(void *pool, struct err *e)
{
	enum { AGAIN_MS = 5000, CONNECTIONS = 64 };
	struct pool *p = pool;
	struct http_server_options o = { .host = p->config->metrics_host, .port = p->config->metrics_port,
		.body_bytes = 1024, .connections = CONNECTIONS };
	struct http_server *server;
	for (bool told = false; !(server = http_server_open(&o, &p->scrapes->answers, page, p, e)); told = true) {
		if (!told)
			log_write(LOG_ERROR, "metrics_away", "%s (options metrics.host, metrics.port); trying again", e->msg);
		if (!loop_sleep(AGAIN_MS, e))
			return true;
	}
	while (!task_cancelled())
		loop_park(NEVER_MS, e);
	http_server_close(server);
	return true;
}

bool metrics_start(struct pool *p, struct err *e)
{
	if (!p->config->metrics_port)
		return true;
	p->scrapes = arena_alloc(p->arena, sizeof(*p->scrapes));
	p->scrapes->answers.keep_going = true;
	return group_start(&p->scrapes->group, "metrics", listen_loop, p, e);
}

void metrics_stop(struct pool *p)
{
	struct err ignored = { 0 };
	if (!p->scrapes)
		return;
	group_cancel(&p->scrapes->group);
	group_wait(&p->scrapes->group, NEVER_MS, &ignored);
	group_cancel(&p->scrapes->answers);
	group_wait(&p->scrapes->answers, NEVER_MS, &ignored);
	p->scrapes = NULL;
}
