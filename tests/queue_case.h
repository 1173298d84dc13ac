/* SPDX-License-Identifier: MIT */
/*
 * A queue with two workers that the test plays by hand, and a record of every move between phases. All wait; those
 * that return text return the error's words when they fail.
 */
#pragma once
#include "queue.h"
#include "test_pg.h"

#define WORKER_1 "00000000-0000-4000-8000-000000000001"
#define WORKER_2 "00000000-0000-4000-8000-000000000002"
#define SESSION_A "a0000000-0000-4000-8000-00000000000a"
#define SESSION_B "b0000000-0000-4000-8000-00000000000b"
#define USER_A "a0000000-0000-4000-8000-0000000000aa"
#define USER_B "b0000000-0000-4000-8000-0000000000bb"

enum { HELD_MOST = 64, CASE_MS = 30000 };

struct queue_side {
	struct pg *db;
	struct queue_worker worker;
	struct queue_request *held; /* by id, as claimed; HELD_MOST of them */
};

struct queue_case {
	struct test_db db;
	struct pg *owner;
	struct queue_side one, two;
};

/* A database of its own, both workers registered. */
bool queue_case_open(struct arena *a, struct queue_case *c, struct err *e);
/* Every move that was made is one of queue_moves. */
void queue_case_check(struct arena *a, struct queue_case *c);
#define QUEUE_CASE struct queue_case c = { 0 }; REQUIRE_OK(queue_case_open(a, &c, e))

/* Inserts a request as the server does, with more columns: case_ask(a, db, "priority, request", "5, 'x'"). Its id,
 * 0 = refused. */
int64_t case_ask(struct arena *a, struct pg *db, const char *columns, const char *values);
/* The ids, "1,2", in the order they came; "" for none. */
const char *case_claim(struct arena *a, struct queue_side *side, int max);
/* With all that can be wished; what wish leaves out is filled in. got may be NULL. */
const char *case_claim_as(struct arena *a, struct queue_side *side, struct queue_wish wish, struct queue_claim *got);
/* The same as one statement of a transaction that stays open; *rows as sql_claim gives them. */
bool case_claim_open(struct arena *a, struct queue_side *side, int max, struct pg_rows *rows, struct err *e);
/* Ends a request that this side holds; "ok" or the error's code. */
const char *case_finish(struct arena *a, struct queue_side *side, int64_t id);
/* As an exchange does it, up to the COMMIT. */
bool case_finish_open(struct arena *a, struct queue_side *side, int64_t id, struct err *e);
const char *case_fail(struct arena *a, struct queue_side *side, int64_t id);
const char *case_release(struct arena *a, struct queue_side *side, int64_t id);
const char *case_retry_later(struct arena *a, struct queue_side *side, int64_t id, int64_t wait_ms);
/* children: [{"type": ..., "request": ..., "after": [...]}] */
const char *case_spawn(struct arena *a, struct queue_side *side, int64_t id, const char *children);
/* proposals: [{"tool_call_id": ..., "tool_name": ..., "kind": ..., "input": ..., "expire_ms": ...}] */
const char *case_ask_people(struct arena *a, struct queue_side *side, int64_t id, const char *proposals);
/* Appends rows numbered from first to last; the ids that are still owned, "1,2". */
const char *case_think(struct arena *a, struct queue_side *side, int64_t id, int first, int last);
/* "moved 2", or the error. */
const char *case_maintain(struct arena *a, struct queue_side *side);
const char *case_cancel(struct arena *a, struct pg *db, int64_t id);
/* "queued ready" */
const char *case_state(struct arena *a, struct queue_case *c, int64_t id);
/* One value of a query in which %ld is the id, as owner. */
const char *case_sql(struct arena *a, struct queue_case *c, const char *format, int64_t id);
#define CHECK_STATE(id, want) CHECK_EQ_S(case_state(a, &c, id), want)
#define CHECK_OF(id, sql, want) CHECK_EQ_S(case_sql(a, &c, sql, id), want)
/* Columns of the request, with blanks between. */
#define CHECK_ROW(id, columns, want) \
	CHECK_OF(id, "select concat_ws(' ', " columns ") from agent_requests where id = %ld", want)

/* The end of a run that was told to stop, as the pool writes it. */
const char *case_stop(struct arena *a, struct queue_side *side, int64_t id);
/* Changes when something comes back. */
int64_t case_returns(struct arena *a, struct queue_case *c);

/* The lease of a worker ran out. */
void case_expire(struct arena *a, struct queue_case *c, const char *worker);
/* Waits until n connections wait for a lock. */
bool case_blocked(struct arena *a, struct queue_case *c, int n);
/* A script that waits for its turn, in a fiber of its own; read said after group_wait. */
struct case_later {
	struct pg *db;
	const char *sql;
	char said[600];
};
bool case_run_later(void *later, struct err *e);
