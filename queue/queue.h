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
	int attempt, crashes; /* crashes: how many of the attempts ended with their worker's death */
	bool is_child, dry_run;
	bool resumed;         /* what it waited for (children, people) has come: the attempt goes on */
	const char *type, *request, *context; /* context is JSON text */
	const char *session_id, *user_id, *workspace_id; /* the last two may be NULL */
	int64_t last_seq;     /* of its log so far; 0 = none */
	int64_t priority;
};

struct queue_tokens {
	int64_t input, output, cache_write, cache_read;
};

/* How a run ended, for good. */
struct queue_end {
	const struct queue_request *request;
	bool completed;
	const char *phase;    /* completed, failed or cancelled */
	const char *result;   /* JSON text or NULL */
	const char *error, *error_code; /* NULL when completed */
	const char *agent;
	struct queue_tokens tokens;
};

/* What to claim. */
struct queue_wish {
	const char *worker_id;
	int max;
	int64_t floor_priority, floor_id; /* nothing of that priority and a smaller id is ready, as far as we know; id 0 = look at all */
	const char *default_limits;       /* JSON {all, type, workspace, user: number}, for what drover.limits does not say */
	bool fair;                        /* each tenant its share, instead of strict order */
	const char *last_tenant;          /* of the last fair claim; NULL = none */
};

struct queue_claim {
	const struct queue_request *requests; /* in order of (priority, id) */
	size_t n;
	int64_t looked;      /* candidates seen; as many as asked for = there may be more */
	int64_t undecided;   /* of these, such whose session is just changing: look again soon */
	int64_t returns;     /* changes when requests come back that may stand below a floor */
	const char *last_tenant;
};

/* Finishes runs (with log rows, which may be none) and claims (wish may be NULL) in one transaction and one round trip.
 * *ended: ids that were still owned, in a; of others nothing was written. ends is put in order of ids. */
bool queue_exchange(struct pg *db, struct arena *a, struct queue_end *ends, size_t n, struct log_batch *rows,
	const struct queue_wish *wish, int64_t deadline, int64_t **ended, size_t *n_ended, struct queue_claim *claim,
	struct err *e);

/* Only claims, in strict order, without default limits. */
bool queue_claim(struct pg *db, struct arena *a, const char *worker_id, int max, int64_t deadline,
	const struct queue_request **requests, size_t *n, struct err *e);

/* Each of these writes the log rows (may be empty) and the request in one transaction, under the fence:
 * ERR_FENCE when the request is no longer owned, and then nothing is written. */
bool queue_finish(struct pg *db, struct arena *a, struct queue_end *end, struct log_batch *rows, int64_t deadline,
	struct err *e);
bool queue_release(struct pg *db, struct arena *a, const struct queue_request *r, const struct queue_tokens *tokens,
	struct log_batch *rows, int64_t deadline, struct err *e);
/* why->untried: the attempt does not count. */
bool queue_retry_later(struct pg *db, struct arena *a, const struct queue_request *r, int64_t wait_ms,
	const struct err *why, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);
/* children: JSON [{type, request, after: [indexes]}] */
bool queue_wait_for_children(struct pg *db, struct arena *a, const struct queue_request *r, const char *children,
	const char *agent, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);

/* proposals: JSON [{tool_call_id, tool_name, kind, input, preview, text, not_requester, expire_ms}], each made once; a log
 * row tells each. */
bool queue_wait_for_people(struct pg *db, struct arena *a, const struct queue_request *r, const char *proposals,
	const char *agent, const struct queue_tokens *tokens, struct log_batch *rows, int64_t deadline, struct err *e);

/* Appends rows of many requests. *alive: ids that are still owned, in a; rows of others were not written. */
bool queue_log_append(struct pg *db, struct arena *a, struct log_batch *rows, int64_t deadline, int64_t **alive,
	size_t *n, struct err *e);

struct queue_rules {
	int max_attempts, max_crashes;
	const char *default_limits;
};
/* Where the sweeps have got to; zero to begin. */
struct queue_sweep {
	char key[300], session[40]; /* a type has at most 64 characters, of at most 4 bytes */
};
struct queue_news {
	int64_t next_ms;  /* until the next request is due; 0 = none is waiting */
	int64_t moved;    /* how many became ready, or were rescued */
	bool ready;       /* something is ready */
};
/* What time brings: due requests become ready, dead workers' requests are taken over, missed ones are found. */
bool queue_maintain(struct pg *db, struct arena *a, const struct queue_rules *rules, struct queue_sweep *sweep,
	int64_t deadline, struct queue_news *news, struct err *e);

/* Schedules that are due become requests. *fired: how many; *next_ms: until the next is due, 0 = none waits. */
bool queue_fire_schedules(struct pg *db, struct arena *a, int64_t deadline, int64_t *fired, int64_t *next_ms,
	struct err *e);

/* Proposals that nobody decided in time expire. *freed: requests that go on; *next_ms: until the next is due, 0 = none is
 * open. */
bool queue_expire_proposals(struct pg *db, struct arena *a, int64_t deadline, int64_t *freed, int64_t *next_ms,
	struct err *e);

extern const struct sql *const queue_sql_all[];
