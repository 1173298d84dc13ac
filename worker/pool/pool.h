/* SPDX-License-Identifier: MIT */
/*
 * One worker process: claims requests, runs each agent in a fiber of its own, streams thoughts to the log, writes every
 * fate, keeps its lease. Everything it learns of the world comes from the database.
 */
#pragma once
#include "agent.h"
#include "lane.h"
#include "prune.h"
#include "queue.h"
#include "thoughts_rows.h"

/* How readers of agent_logs hear of rows. */
enum pool_delivery {
	DELIVERY_TABLE,     /* postgres_changes: nothing more than the insert */
	DELIVERY_BROADCAST, /* realtime.send */
	DELIVERY_REDIS,     /* PUBLISH */
};

/*
 * Agents and models that belong together. A request keeps those that it began with, so a generation lives until the last
 * of its requests has ended.
 */
struct generation {
	struct arena *arena;       /* of all that it points to; freed with the last user; NULL = all of it outlives the pool */
	const struct agent *const *agents; /* ends with NULL */
	const struct model_config *models; /* the first is the default */
	size_t n_models;           /* 0 = the model of the pool's configuration, and nothing else */
	const char *const *fallback; /* names after the default, ends with NULL; or NULL */
	const cJSON **definitions; /* the pool's: of the agents, in their order */
	size_t users;              /* the pool's */
};

struct pool_config {
	const char *database_url;
	const char *listen_url;    /* the same database without a pooler, for LISTEN and the lease; "" or NULL = database_url */
	bool prepare, listen;
	int64_t listen_check_ms;   /* the listener asks a silent connection this often whether it lives */
	int connections;           /* for agents and tools; four more are the pool's own */
	int64_t connect_ms;
	int slots, batch;
	int64_t lease_ms, poll_ms, drain_ms;
	int max_attempts, max_crashes;
	bool fair;                 /* each tenant its share, instead of strict order */
	char default_limits[160];  /* JSON {all, type, workspace, user: number}; empty = none */
	struct agent_budgets budgets; /* where no row of drover.budgets names another */
	int64_t backoff_base_ms, backoff_max_ms;
	struct queue_retention retention;
	int64_t flush_ms;
	struct thoughts_limits thoughts;
	enum pool_delivery delivery;
	const char *metrics_host;
	int metrics_port;          /* of this process; 0 = none */
	const char *traces_url;    /* of a collector, with the path; NULL or "" = nothing is traced */
	const char *traces_header; /* NAME=VALUE, or NULL or "" */
	int traces_percent;        /* of the requests */
	struct model_config model; /* the default */
	struct route_retry retry;
	const char *fallback;      /* names of models, with commas between; NULL or "" = none */
	struct lane_rules lanes;
	const char *redis_url;     /* NULL or "" = each worker keeps to its own share of a limit; DELIVERY_REDIS needs one */
	int64_t redis_ms;          /* longest wait for Redis */
	struct agent_limits limits;
	const struct agent *const *agents; /* ends with NULL; unless there is a generation */
	struct generation *generation; /* the first one, which the pool then owns; or NULL */
	const char *worker_id;     /* uuid; NULL = make one */
	const char *after;         /* worker that is known to be dead, or NULL */
};

struct pool;

/* The config and what it points to must outlive the pool. */
struct pool *pool_new(const struct pool_config *config);
void pool_free(struct pool *p);
/* Serves until pool_drain; waits. */
bool pool_serve(struct pool *p, struct err *e);
/* Requests that start from now on run with this; the pool owns it. Never waits. */
void pool_adopt(struct pool *p, struct generation *g);
/* Stop claiming, let run until the drain limit, then cancel and release; a second call cancels at once. */
void pool_drain(struct pool *p);
/* Serving: registered and claiming. */
bool pool_ready(const struct pool *p);
/* From pool_serve's call to its return. */
bool pool_serving(const struct pool *p);
size_t pool_running(const struct pool *p);
