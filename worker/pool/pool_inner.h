/* SPDX-License-Identifier: MIT */
/* Inside worker/pool only: what its fibers share. */
#pragma once
#include "budget.h"
#include "loop.h"
#include "pool.h"
#include "stats.h"
#include "uuid.h"

/* What became of an end that was given to the exchange. */
enum run_settled {
	RUN_UNSETTLED,
	RUN_WRITTEN,
	RUN_LOST,        /* it was not ours any more */
	RUN_NOT_WRITTEN, /* trouble, perhaps not its own: to be written alone */
};

/* A request that this process runs. */
struct run {
	struct run *next, **link;
	struct run *same_bucket;
	struct run *next_ending;
	const struct queue_end *end; /* on its way out */
	enum run_settled settled;
	struct pool *pool;
	struct task *task;
	struct arena *arena;
	struct queue_request request;
	struct generation *generation;
	struct models models;  /* of the generation */
	struct thoughts *thoughts;
	const char *agent_name;
	bool quiet;
	bool cancel_requested; /* by the user, not by a drain */
	bool fenced;           /* no longer ours: write nothing */
	bool concluding;       /* its last rows belong into the transaction of its fate */
	bool ended;            /* only the flusher's answer still needs it */
	bool suspect;          /* was in a batch that was refused */
	int refusals;          /* of rows that were its own: first they lose their data, then they wait for its end */
};

/* Finds a run by its request's id. */
struct run_table {
	struct run **buckets;
	size_t n_buckets; /* a power of two */
};

/* Positions that were claimed long enough ago: below them nothing is ready, unless it came back. */
struct floor {
	int64_t priority, id;               /* id 0 = none */
	int64_t next_priority, next_id, next_at;
	int64_t returns, since;             /* since when nothing has come back */
	int64_t swept;
};

/* How often something comes. */
struct crowd {
	int64_t began, until;
	size_t n;
};

struct pool {
	const struct pool_config *config;
	struct arena *arena;
	struct queue_worker worker;
	char worker_id[UUID_TEXT];
	struct pg_options pg;
	struct pg_options direct; /* never through a pooler that shares connections */
	struct pg_pool *db;      /* agents, tools, fates */
	struct pg_pool *control; /* claim, upkeep, log: never behind a run */
	struct pg_pool *lease;   /* never behind anything: a locked table must not cost all runs */
	struct models models;
	struct budgets budgets;
	struct pool_lanes *lanes;
	struct generation own;    /* when the configuration gives none */
	struct generation *generation; /* of requests that start now */

	struct stats *stats;
	struct tracer *tracer;   /* NULL = nothing is traced */
	struct delivery *delivery; /* NULL = Realtime reads the table by itself */
	struct scrapes *scrapes; /* NULL = nobody is told of the metrics */

	struct run *runs;
	struct run_table by_id;
	struct thoughts_queue thinking; /* what the flusher has to visit */
	struct run *ended;       /* kept while a flush is under way */
	bool flushing;
	size_t n_runs;
	struct run *ending, **ending_end; /* wait for the exchange to write their ends */
	int trips, asked;        /* exchanges under way, and how many requests they may bring */
	struct floor floor;
	struct crowd crowd;      /* requests that were announced, or found, one by one */
	bool saturated;          /* the last claim found as many as it asked for */
	char last_tenant[UUID_TEXT];
	struct queue_sweep sweep;
	int64_t claimed, finished;
	struct group running;    /* the runs' fibers */
	struct group services;
	struct task *server, *exchanger, *second, *leaser;
	bool serving, registered, wants_wake;
	bool listening;          /* a notification reaches us */
	int64_t look_again_at;   /* 0 = not before something wakes us */
	bool woken;              /* there may be work that the last claim did not see */
	bool ask_now;            /* the next heartbeat has an answer for us */
	bool told_unknown;       /* somebody was told to stop whom we do not run, yet */
	bool unsure;             /* something may be in our name that we do not know of */
	bool giving_back;        /* nobody may claim: it would be given back too */
	bool flush_singly;       /* a batch was refused: find the suspect that it was refused for */
	int drains;
	bool stopping;           /* the drain is over: what still starts ends at once */
	int64_t lease_ends;      /* by our clock, from before the heartbeat was sent */
};

enum { CONTROL_CONNECTIONS = 2, SHORT_MS = 10000 };
enum { IDLE_LOOK_MS = 15000 }; /* how often is looked for what nobody announces and nothing waits for */

bool pool_exchange_loop(void *pool, struct err *e);
bool pool_second_loop(void *pool, struct err *e);
bool pool_listen_loop(void *pool, struct err *e);
bool pool_lease_loop(void *pool, struct err *e);
bool pool_upkeep_loop(void *pool, struct err *e);
bool pool_flush_loop(void *pool, struct err *e);
bool pool_lanes_loop(void *pool, struct err *e);
bool pool_redis_loop(void *pool, struct err *e);
/* What a service returns when it was cancelled: without a drain that ends the pool, for it cannot do without. */
bool pool_service_ended(const struct pool *p, struct err *e);

/* lanes.c: p->models.lanes, and what keeps them in touch with other workers'. */
void pool_lanes_new(struct pool *p);
void pool_lanes_wake(struct pool *p); /* something begins to run: what the others know is wanted now */
void pool_lanes_free(struct pool *p);
/* p->models.fallback, when the option is set; ERR_INPUT "unknown_model" names it. */
bool pool_fallback_find(struct pool *p, struct err *e);
/* A request begins with the newest generation, and leaves it when its arena ends. */
struct generation *generation_enter(struct pool *p, struct arena *a);

/* Copies the request and starts its fiber. */
bool run_start(struct pool *p, const struct queue_request *request, struct err *e);
/* Writes the fate of a run that has unwound. waits. */
void run_conclude(struct run *r, bool ok, struct agent_run *ar, const struct agent_result *result,
	const struct err *why);
/* A run that could not start. waits. */
void run_give_back(struct run *r);
struct run *run_find(struct pool *p, int64_t request_id);
void run_table_init(struct run_table *t, struct arena *a, size_t most);
void run_table_add(struct run_table *t, struct run *r);
void run_table_remove(struct run_table *t, struct run *r);
/* Frees the runs that ended while a flush was under way. */
void run_free_ended(struct pool *p);
/* Told to stop by the user. */
void run_cancel(struct run *r);
/* Somebody else has it. */
void run_fence(struct run *r);
void pool_wake_exchange(struct pool *p);
/* Gives a run's end to the exchange, with its log rows; waits. */
enum run_settled pool_settle(struct run *r, const struct queue_end *end);
void pool_settle_none(struct pool *p); /* there is no exchange any more */

/* One exchange. */
struct trip {
	struct run **runs;      /* that go out */
	struct queue_end *ends;
	size_t n;
	struct log_batch *rows;
	struct queue_wish wish;
	bool full, undecided;   /* there may be more; look again soon */
	bool just_told;         /* an insert that was under way meanwhile told nobody */
};
/* Takes along what has ended, and claims if there is room. Every run that went out hears of it. waits. */
bool trip_once(struct pool *p, struct trip *t, struct err *e);

/* Claimed positions become the floor when they are old enough that nobody's insert below them is still uncommitted. */
void floor_rise(struct floor *f, const struct queue_claim *got);
bool floor_holds(struct floor *f, bool saturated);

/* n came. A crowd: more than notifications are good for. */
void crowd_count(struct crowd *c, size_t n);
bool crowd_is(const struct crowd *c);
/* New id, new row in drover.workers. waits. */
bool pool_register(struct pool *p, struct err *e);

/* Which requests the database knows as ours: sorted once, then asked for each. */
void ids_sort(int64_t *ids, size_t n);
bool ids_contain(const int64_t *sorted, size_t n, int64_t id);

/* As SQL takes them. */
static inline const char *pool_default_limits(const struct pool *p)
{
	return p->config->default_limits[0] ? p->config->default_limits : "{}";
}

/* Adds what is pending of a run to a batch; returns the last seq, 0 when nothing was. */
int64_t run_rows(struct run *r, struct log_batch *batch);

/* ---- delivery.c: readers hear of rows that are committed ---- */

bool pool_deliver_loop(void *pool, struct err *e);
/* NULL when the table itself is how readers hear. */
struct delivery *delivery_new(const struct pool *p);
void delivery_free(struct delivery *d);
/* Whether the database can do what the configuration asks for; else it says what to mend. waits. */
bool delivery_check(struct pool *p, struct err *e);
/* The pool ends: what the last runs said still goes, if it goes soon. waits. */
void delivery_finish(struct pool *p);
/* The rows of r up to seq that are not written off yet are in the database. Never waits. */
void delivery_add(struct run *r, int64_t seq);

struct delivery_load {
	size_t pending;          /* messages that wait */
	int64_t sent, dropped;   /* so far: messages; rows that readers must find in the table */
	int64_t warnings;        /* of realtime.send, which tells of trouble in no other way */
	bool connected;          /* to Redis */
};
struct delivery_load delivery_load(const struct delivery *d);

/* ---- metrics.c ---- */

/* Listens as soon as it can, also before the pool serves. */
bool metrics_start(struct pool *p, struct err *e);
void metrics_stop(struct pool *p); /* waits */
/* All metrics as Prometheus text. */
void metrics_print(struct pool *p, struct buf *to);
/* Agents, tools, lanes and models of the configuration are values of labels. */
void metrics_know(struct pool *p);
/* Whether requests should be given to this worker, else why not. waits. */
bool pool_is_ready(struct pool *p, struct err *e);

/* ---- traces.c ---- */

/* NULL when nothing is traced. */
struct tracer *traces_new(const struct pool_config *c);

bool pool_trace_loop(void *pool, struct err *e);
