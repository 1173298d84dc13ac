/* SPDX-License-Identifier: MIT */
/*
 * A tool is one entry: name, text, field table, what kind of effect it has, run. The field table makes the JSON Schema,
 * checks the model's arguments and fills the struct that run gets.
 *
 * A tool of the database runs in a transaction that is already open, under the request's fence and with the requester's
 * claims, so row level security decides what it may touch; when it returns true its effect, its result and its turn
 * are committed together, once. A tool that acts outside has no transaction: its intent is written before, its outcome
 * after, and when a crash comes between, its `unknown` says what then.
 */
#pragma once
#include "field.h"
#include "http.h"
#include "pg.h"

enum tool_effect {
	TOOL_READS,      /* the database; changes nothing */
	TOOL_WRITES,     /* the database */
	TOOL_OUTSIDE,    /* anything else: at least an intent, at most once unless `unknown` says otherwise */
	TOOL_AGENT,      /* makes a child request of type `agent`; run is NULL */
	TOOL_QUESTION,   /* asks the user: answered by the next row of the session; run is NULL */
};

/* A call outside was begun and its outcome was lost. */
enum tool_unknown {
	UNKNOWN_TELL,    /* the model is told that nobody knows; the default */
	UNKNOWN_REPEAT,  /* safe to repeat: the same call again, with the same idempotency key */
	UNKNOWN_PROBE,   /* probe finds out */
	UNKNOWN_HUMAN,   /* a person decides: a proposal to run it again */
};

struct tool_approval {
	bool needed;
	bool not_requester; /* somebody else must approve */
	const char *why;    /* shown to who decides; or NULL */
	int64_t expire_ms;  /* 0 = the run's default */
};

struct tool;

struct tool_env {
	const struct tool *tool;
	struct arena *arena;       /* ends with the call */
	struct pg *db;             /* READS, WRITES: in the call's transaction: no COMMIT, no ROLLBACK. Else NULL */
	struct http *http;         /* OUTSIDE */
	const char *idempotency_key; /* OUTSIDE: the same for every try of this call, and of no other */
	int64_t deadline;
	int64_t request_id;
	const char *session_id;
	const char *user_id;       /* or NULL */
	const char *workspace_id;  /* or NULL */
};

enum tool_found { FOUND_DONE, FOUND_NOT_DONE, FOUND_UNKNOWN };

struct tool {
	const char *name;          /* [a-z0-9_], unique among all tools */
	const char *text;          /* when to use it and what it gives, for the model */
	const struct field *fields; /* NULL = no arguments */
	size_t args_size;
	enum tool_effect effect;
	enum tool_unknown unknown; /* OUTSIDE */
	struct tool_approval approval;
	const char *agent;         /* AGENT: the type of the child */
	const void *self;          /* of tools that are data (tool_sql.h, tool_http.h): what run works from */
	/* waits. *result is what the model reads. ERR_INPUT (bad_arguments, not found, a constraint) undoes the effect
	 * and goes back to the model as an error it can mend; any other error ends the run. An OUTSIDE tool fails with
	 * ERR_INPUT only when it knows that nothing happened; any other error leaves the outcome unknown. */
	bool (*run)(struct tool_env *env, const void *args, const cJSON **result, struct err *e);
	/* OUTSIDE with UNKNOWN_PROBE. waits. What became of the call of env->idempotency_key. */
	bool (*probe)(struct tool_env *env, const void *args, enum tool_found *found, const cJSON **result, struct err *e);
};

/* Runs one query and gives its rows as the result, { "KEY": [rows] }. waits. */
bool tool_rows(struct tool_env *env, const struct sql *q, struct pg_args args, const char *key, const cJSON **result,
	struct err *e);
/* The same for exactly one row, { column: value, ... }; no row is ERR_INPUT "not_found" with the given message. waits. */
bool tool_row(struct tool_env *env, const struct sql *q, struct pg_args args, const char *missing, const cJSON **result,
	struct err *e);

/* Asks the user, and gives { answer }: the answer is the next row of the session, or public.answer_question. */
extern const struct tool tool_ask_user;
