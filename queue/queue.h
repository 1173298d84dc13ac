/* SPDX-License-Identifier: MIT */
/*
 * The queue in Postgres: claim, keep the lease, end, rescue. Every function waits, and fails like the query it is.
 * Times and decisions are the database's clock's.
 */
#pragma once
#include "log_batch.h"
#include "pg.h"

struct queue_worker {
	const char *id;       /* uuid, made anew at each start */
	const char *host;
	int pid;
	const char *version;
	int slots;
	int64_t lease_ms;
};

bool queue_register(struct pg *db, const struct queue_worker *w, int64_t deadline, struct err *e);
/* Says goodbye, and gives back what may still be in the worker's name. */
bool queue_leave(struct pg *db, const char *worker_id, int64_t deadline, struct err *e);
/* After a claim whose answer was lost: gives back what this worker owns without knowing. */
bool queue_give_back(struct pg *db, const char *worker_id, const int64_t *known, size_t n, int64_t deadline, struct err *e);
/* This worker process is known to have ended: its requests may be rescued at once. */
bool queue_worker_lost(struct pg *db, const char *worker_id, int64_t deadline, struct err *e);
bool queue_wants_wake(struct pg *db, const char *worker_id, bool wants, int64_t deadline, struct err *e);

struct queue_load {
	int running;
	int64_t claimed, finished;
	bool draining;
};
/* *cancelled: ids of this worker's requests that were told to stop, in a. The lease had run out: ERR_FENCE "lease_lost". */
bool queue_heartbeat(struct pg *db, struct arena *a, const struct queue_worker *w, const struct queue_load *load,
	int64_t deadline, const int64_t **cancelled, size_t *n, struct err *e);

/* A claimed request: what the app gave, and the fence. Texts live in the arena given to queue_claim. */
struct queue_request {
	int64_t id, version;
	int attempt;
	bool is_child, dry_run;
	bool resumed;         /* its children have ended: the attempt goes on */
	const char *type, *request, *context; /* context is JSON text */
	const char *session_id, *user_id, *workspace_id; /* the last two may be NULL */
	int64_t last_seq;     /* of its log so far; 0 = none */
};
/* In order of (priority, id). *n may be 0. */
bool queue_claim(struct pg *db, struct arena *a, const char *worker_id, int max, int64_t deadline,
	const struct queue_request **requests, size_t *n, struct err *e);

struct queue_tokens {
	int64_t input, output, cache_write, cache_read;
};

/* Each of these writes the log rows (may be empty) and the request in one transaction, under the fence:
 * ERR_FENCE when the request is no longer owned, and then nothing is written. */
struct queue_end {
	bool completed;
	const char *phase;    /* completed, failed or cancelled */
	const char *result;   /* JSON text or NULL */
	const char *error, *error_code; /* NULL when completed */
	const char *agent;
};
bool queue_finish(struct pg *db, struct arena *a, const struct queue_request *r, const struct queue_end *end,
	const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);
bool queue_release(struct pg *db, struct arena *a, const struct queue_request *r, const struct queue_tokens *tokens,
	struct log_batch *rows, int64_t deadline, struct err *e);
bool queue_retry_later(struct pg *db, struct arena *a, const struct queue_request *r, int64_t wait_ms,
	const struct err *why, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);
/* children: JSON [{type, request, after: [indexes]}] */
bool queue_wait_for_children(struct pg *db, struct arena *a, const struct queue_request *r, const char *children,
	const char *agent, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);

/* Appends rows of many requests. *alive: ids that are still owned, in a; rows of others were not written. */
bool queue_log_append(struct pg *db, struct arena *a, struct log_batch *rows, int64_t deadline, int64_t **alive,
	size_t *n, struct err *e);

/* What time brings: due requests become ready, dead workers' requests are taken over. *next_ms: until the next is due,
 * 0 = none is waiting. *moved: how many became ready. */
bool queue_maintain(struct pg *db, struct arena *a, int max_attempts, int64_t deadline, int64_t *moved, int64_t *next_ms,
	struct err *e);

extern const struct sql *const queue_sql_all[];
