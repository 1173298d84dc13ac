/* SPDX-License-Identifier: MIT */
/*
 * What a worker process counts, for its metrics. Counting is cheap and never fails; struct stats may be NULL
 * everywhere, which costs one branch. A label has as many values as were made known (agents, tools, lanes, models) and one more,
 * "other": what a model or a request invents makes no series.
 */
#pragma once
#include "arena.h"
#include "str.h"

struct stats;
struct model_config;
struct model_usage;

/* A row each in stats.c: name, type, help, labels. */
enum stat_id {
	STAT_REQUESTS_RUNNING,
	STAT_REQUESTS_CLAIMED,
	STAT_REQUESTS_FINISHED, /* status, agent */
	STAT_SLOTS,
	STAT_FLUSH_ROWS,
	STAT_FLUSH_BYTES,
	STAT_FLUSH_LAG,
	STAT_STREAMS_PENDING,
	STAT_BYTES_PENDING,
	STAT_DELIVERED,
	STAT_DELIVERY_DROPPED,
	STAT_DELIVERY_PENDING,
	STAT_BROADCAST_WARNINGS,
	STAT_REDIS_CONNECTED,
	STAT_MODEL_CALLS,       /* lane, model, outcome */
	STAT_MODEL_RETRIES,     /* lane, model, code */
	STAT_MODEL_TOKENS,      /* lane, model, kind */
	STAT_MODEL_COST,        /* lane, model */
	STAT_MODEL_FIRST_TOKEN, /* lane, model */
	STAT_MODEL_DURATION,    /* lane, model */
	STAT_TOOL_CALLS,        /* tool, status */
	STAT_TOOL_DURATION,     /* tool */
	STAT_PG_IN_USE,         /* pool */
	STAT_PG_WAITING,        /* pool */
	STAT_LEASE_LEFT,
	STAT_SPANS_SENT,
	STAT_SPANS_DROPPED,
	STAT_FIBERS,
	STAT_MEMORY,
	STAT_CPU,
	STATS,
};

/* ---- for the agents' room ---- */

/* A model call that has ended. outcome: "ok" or the error's code. first_token_ms -1 = none came. usage may be NULL. */
void stats_model_call(struct stats *s, const struct model_config *config, const char *outcome, int64_t first_token_ms,
	int64_t ms, const struct model_usage *usage, int64_t cost_micros);
/* The same turn is asked for again, because of code. */
void stats_model_retry(struct stats *s, const struct model_config *config, const char *code);
/* status as in tool_executions. */
void stats_tool_call(struct stats *s, const char *tool, const char *status, int64_t ms);

/* ---- for whoever keeps them ---- */

struct stats *stats_new(void);
void stats_free(struct stats *s);
/* A value of a label that has a list of its own: "agent", "tool", "lane", "model". Copied. */
void stats_know(struct stats *s, const char *label, const char *value);
/* Labels in the order of the row; NULL where it has none. */
void stat_add(struct stats *s, enum stat_id stat, const char *l0, const char *l1, const char *l2, int64_t n);
/* A gauge, or a counter that others keep. */
void stat_set(struct stats *s, enum stat_id stat, const char *l0, int64_t n);
void stat_time(struct stats *s, enum stat_id stat, const char *l0, const char *l1, int64_t ms);
/* Prometheus text, version 0.0.4. */
void stats_print(const struct stats *s, struct buf *to);
