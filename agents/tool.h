/* SPDX-License-Identifier: MIT */
/*
 * A tool is one entry: name, text, field table, run. The field table makes the JSON Schema, checks the model's arguments
 * and fills the struct that run gets. run sees a transaction that is already open, under the request's fence and with
 * the requester's claims, so row level security decides what it may touch; when it returns true its effect, its result
 * and its turn are committed together, once.
 */
#pragma once
#include "field.h"
#include "pg.h"

struct tool_env {
	struct arena *arena;       /* ends with the call */
	struct pg *db;             /* in the call's transaction: no COMMIT, no ROLLBACK */
	int64_t deadline;
	int64_t request_id;
	const char *session_id;
	const char *user_id;       /* or NULL */
	const char *workspace_id;  /* or NULL */
};

struct tool {
	const char *name;          /* [a-z_], unique among all tools */
	const char *text;          /* when to use it and what it gives, for the model */
	const struct field *fields; /* NULL = no arguments */
	size_t args_size;
	bool writes;
	/* waits. *result is what the model reads. ERR_INPUT (bad_arguments, not found, a constraint) undoes the effect
	 * and goes back to the model as an error it can mend; any other error ends the run. */
	bool (*run)(struct tool_env *env, const void *args, const cJSON **result, struct err *e);
};

/* Runs one query and gives its rows as the result, { "KEY": [rows] }. waits. */
bool tool_rows(struct tool_env *env, const struct sql *q, struct pg_args args, const char *key, const cJSON **result,
	struct err *e);
/* The same for exactly one row, { column: value, ... }; no row is ERR_INPUT "not_found" with the given message. waits. */
bool tool_row(struct tool_env *env, const struct sql *q, struct pg_args args, const char *missing, const cJSON **result,
	struct err *e);
