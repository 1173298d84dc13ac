/* SPDX-License-Identifier: MIT */
/*
 * Tools whose effects a test can see: of the database, and outside, one with each policy for an outcome that was lost; and
 * two agents that have them, tester and helper.
 */
#pragma once
#include "promises.h"
#include "rig.h"

enum { WORLD_MS = 20000, CALLS_MOST = 64 };

/* What the tools did, and how they are to behave. */
struct world {
	int inside, most;          /* calls of barrier at once */
	int barrier;               /* how many must be inside before any leaves */
	bool writing, overlapped, looked;
	int fails;                 /* calls of send that still fail after their effect */
	bool fails_before;         /* ... before it */
	bool hangs;
	enum tool_found found;     /* what the probe of a key that is not there says */
	size_t n;                  /* effects outside: */
	struct { char tool[32], key[80]; } sent[CALLS_MOST];
	int lost;                  /* connections that the tool still loses */
};
extern struct world world;

bool world_has_key(const char *key);         /* an effect outside has it */
int64_t world_sent(const char *tool);        /* effects outside of a tool */

/* As rig_open, with an empty world, its agents, and a table public.notes (what, request_id) that the note tools fill. waits. */
bool world_open(struct arena *a, const char *script, struct rig *r, struct err *e);
#define WORLD(script) \
	struct rig r = { 0 }; \
	REQUIRE_OK(world_open(a, "replies:\n" script, &r, e))
/* Asks the tester, serves until that has ended as wanted, and stops the pool. waits. */
int64_t world_serve(struct arena *a, struct rig *r, const char *request, const char *want, struct err *e);
/* Until the query (%ld is the id) gives this. waits. */
bool world_await(struct arena *a, struct rig *r, const char *sql, int64_t id, const char *want);

/* A reply of the script. */
#define END_OF(tool) "  - when: { tool_result: " tool " }\n    reply: [ { text: The end. } ]\n"
#define PHASE "select phase from agent_requests where id = %ld"
#define STATUSES "select string_agg(tool_name || ' ' || status, ', ' order by id) from tool_executions where request_id = %ld"
#define ANSWERS "select string_agg(tool_name || ' ' || (tool_output ->> 'error'), ', ' order by sequence_number) from " \
	"agent_turns where request_id = %ld and role = 'tool'"
#define CHECK_ID(sql, want) CHECK_EQ_S(rig_sql(a, &r, sql, id), want)
