/* SPDX-License-Identifier: MIT */
/* The pool's life: start its fibers, wait, drain. */
#include "clock.h"
#include "pool_inner.h"
#include "tracer.h"
#include <unistd.h>

static const char *host_name(struct arena *a)
{
	char name[256] = "";
	gethostname(name, sizeof(name) - 1);
	return arena_text(a, str_of(name));
}

static const cJSON **define_all(struct arena *a, const struct agent *const *agents)
{
	size_t n = 0;
	while (agents[n])
		n++;
	const cJSON **all = arena_alloc(a, (n + 1) * sizeof(*all));
	for (size_t i = 0; i < n; i++)
		all[i] = agent_definitions(a, agents[i], agents);
	return all;
}

/* ---- generations ---- */

static void generation_free(struct generation *g)
{
	if (g->arena)
		arena_free(g->arena);
}

/* What a run holds on to. */
struct holder {
	struct pool *pool;
	struct generation *generation;
};

static void generation_leave(void *holder)
{
	struct holder *h = holder;
	if (--h->generation->users == 0 && h->generation != h->pool->generation)
		generation_free(h->generation);
}

struct generation *generation_enter(struct pool *p, struct arena *a)
{
	struct holder *h = arena_alloc(a, sizeof(*h));
	*h = (struct holder){ p, p->generation };
	p->generation->users++;
	arena_defer(a, generation_leave, h);
	return p->generation;
}

void pool_adopt(struct pool *p, struct generation *g)
{
	struct generation *old = p->generation;
	g->definitions = define_all(g->arena ? g->arena : p->arena, g->agents);
	p->generation = g;
	if (g->n_models) {
		p->models.all = g->models;
		p->models.n = g->n_models;
		p->models.fallback = g->fallback;
	}
	metrics_know(p);
	if (old && !old->users)
		generation_free(old);
}

/* ---- the pool ---- */

struct pool *pool_new(const struct pool_config *config)
{
	struct pool *p = mem_alloc(sizeof(*p));
	p->config = config;
	p->arena = arena_new();
	p->pg = (struct pg_options){ .url = config->database_url, .application_name = "drover worker",
		.connect_ms = config->connect_ms, .prepare = config->prepare };
	p->direct = p->pg;
	if (config->listen_url && *config->listen_url && strcmp(config->listen_url, config->database_url) != 0) {
		p->direct.url = config->listen_url;
		p->direct.prepare = true;
	}
	p->worker = (struct queue_worker){ .id = p->worker_id, .host = host_name(p->arena), .pid = getpid(),
		.version = DROVER_VERSION, .slots = config->slots, .lease_ms = config->lease_ms };
	p->db = pg_pool_new(&p->pg, config->connections);
	p->control = pg_pool_new(&p->pg, CONTROL_CONNECTIONS);
	p->lease = pg_pool_new(&p->direct, 1);
	p->stats = stats_new();
	p->models = (struct models){ .http = http_new(), .all = &config->model, .n = 1, .retry = config->retry,
		.stats = p->stats };
	p->budgets = (struct budgets){ .defaults = agent_budgets_json(p->arena, &config->budgets) };
	pool_lanes_new(p);
	p->own.agents = config->agents;
	pool_adopt(p, config->generation ? config->generation : &p->own);
	p->running.keep_going = true;
	p->ending_end = &p->ending;
	run_table_init(&p->by_id, p->arena, (size_t)config->slots);
	thoughts_queue_init(&p->thinking);
	p->tracer = traces_new(config);
	p->delivery = delivery_new(p);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pg_pool_free(p->db);
	pg_pool_free(p->control);
	pg_pool_free(p->lease);
	pool_lanes_free(p);
	delivery_free(p->delivery);
	tracer_free(p->tracer);
	stats_free(p->stats);
	http_free(p->models.http);
	generation_free(p->generation);
	arena_free(p->arena);
	free(p);
}

bool pool_ready(const struct pool *p)
{
	return p->registered;
}

bool pool_serving(const struct pool *p)
{
	return p->serving;
}

size_t pool_running(const struct pool *p)
{
	return p->n_runs;
}

void pool_drain(struct pool *p)
{
	p->drains++;
	task_wake(p->server);
	pool_wake_exchange(p);
}

/* ---- registering ---- */

/* The lease may go another way than the work: one that leads elsewhere would never renew it. */
static bool lease_arrives(struct pool *p, struct err *e)
{
	ARENA_SCOPE(tmp);
	const int64_t *ignored;
	size_t n;
	struct queue_load none = { 0 };
	if (p->direct.url == p->pg.url)
		return true;
	struct pg *db = pg_get(p->lease, deadline_in(SHORT_MS), e);
	bool ok = db && queue_heartbeat(db, tmp, &p->worker, &none, deadline_in(SHORT_MS), &ignored, &n, e);
	pg_put(p->lease, db);
	if (ok || e->kind == ERR_NET || e->kind == ERR_BUSY || e->kind == ERR_TIMEOUT)
		return ok;
	return FAIL(e, ERR_INPUT, "other_database", "database.listen_url is not the same database as database.url, or its role "
		"has other rights: a lease that was written through one cannot be renewed through the other");
}

bool pool_register(struct pool *p, struct err *e)
{
	bool first = !p->worker_id[0];
	if (first && p->config->worker_id)
		snprintf(p->worker_id, sizeof(p->worker_id), "%s", p->config->worker_id);
	else
		uuid_make(p->worker_id);
	p->lease_ends = clock_ms() + p->config->lease_ms;
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), e);
	bool ok = db && queue_register(db, &p->worker, deadline_in(SHORT_MS), e);
	if (ok && first && p->config->after)
		ok = queue_worker_lost(db, p->config->after, deadline_in(SHORT_MS), e);
	pg_put(p->control, db);
	p->wants_wake = false;
	p->registered = ok = ok && lease_arrives(p, e);
	if (ok)
		log_write(LOG_INFO, "worker_registered", "%s on %s, %d slots", p->worker_id, p->worker.host, p->worker.slots);
	return ok;
}

/* A database that is not there yet is waited for; one that refuses us is an operator's to mend. */
static bool register_first(struct pool *p, struct err *e)
{
	for (int64_t wait_ms = 100; !pool_register(p, e); wait_ms = MIN_OF(wait_ms * 2, (int64_t)5000)) {
		if (e->kind != ERR_NET && e->kind != ERR_BUSY && e->kind != ERR_TIMEOUT)
			return false;
		log_write(LOG_WARN, "database_away", "%s", e->msg);
		p->worker_id[0] = '\0';
		if (p->drains || !loop_sleep(wait_ms, e))
			return FAIL(e, ERR_CANCELLED, "stopped", "stopped before the database answered");
	}
	return true;
}

/* ---- serving ---- */

bool pool_service_ended(const struct pool *p, struct err *e)
{
	return p->drains || FAIL(e, ERR_CANCELLED, "service_ended", "a service of the worker was cancelled");
}

enum { SERVICES = 10 };

static bool services_start(struct pool *p, struct err *e)
{
	static const struct { const char *name; loop_body body; } services[SERVICES] = {
		{ "lease", pool_lease_loop },   { "upkeep", pool_upkeep_loop }, { "flusher", pool_flush_loop },
		{ "exchange", pool_exchange_loop }, { "second exchange", pool_second_loop }, { "listener", pool_listen_loop },
		{ "lanes", pool_lanes_loop },   { "redis", pool_redis_loop },
		{ "delivery", pool_deliver_loop }, { "traces", pool_trace_loop },
	};
	for (size_t i = 0; i < COUNT(services); i++)
		if (!group_start(&p->services, services[i].name, services[i].body, p, e))
			return false;
	return true;
}

static bool serve_until_drain(struct pool *p, struct err *e)
{
	p->server = task_self();
	bool ok = true;
	while (ok && !p->drains && p->services.running == SERVICES)
		ok = loop_park(deadline_in(p->config->poll_ms), e) || e->kind == ERR_TIMEOUT;
	return ok;
}

static void drain(struct pool *p)
{
	struct err ignored = { 0 };
	int64_t deadline = clock_ms() + p->config->drain_ms;
	log_write(LOG_INFO, "draining", "%zu running, up to %ld ms", p->n_runs, (long)p->config->drain_ms);
	while (p->n_runs && p->drains < 2 && clock_ms() < deadline)
		if (!loop_park(deadline, &ignored) && ignored.kind != ERR_TIMEOUT)
			break; /* cancelled ourselves: the same as being told twice */
	p->stopping = true;
	for (struct run *r = p->runs; r; r = r->next)
		if (r->task && !r->concluding)
			task_cancel(r->task);
}

static void leave(struct pool *p)
{
	struct err e = { 0 };
	struct pg *db = pg_get(p->control, deadline_in(SHORT_MS), &e);
	if (!db || !queue_leave(db, p->worker_id, deadline_in(SHORT_MS), &e))
		log_write(LOG_WARN, "leave_failed", "%s", e.msg);
	pg_put(p->control, db);
}

static bool serve(struct pool *p, struct err *e)
{
	if (!pool_fallback_find(p, e) || !register_first(p, e))
		return false;
	struct err why = { 0 };
	bool ok = delivery_check(p, &why) && services_start(p, &why) && serve_until_drain(p, &why);
	p->drains += p->drains == 0;
	drain(p);
	task_cancel_clear(); /* what is left to do is short, and must be done */
	struct err ignored = { 0 };
	group_wait(&p->running, NEVER_MS, &ignored);
	delivery_finish(p);
	group_cancel(&p->services);
	group_wait(&p->services, NEVER_MS, &ignored);
	leave(p);
	p->registered = false;
	p->server = NULL;
	if (ok && p->services.failed)
		why = p->services.error;
	if (!ok || p->services.failed)
		*e = why;
	return ok && !p->services.failed;
}

bool pool_serve(struct pool *p, struct err *e)
{
	p->serving = true;
	bool ok = metrics_start(p, e) && serve(p, e);
	metrics_stop(p);
	p->serving = false;
	return ok;
}
