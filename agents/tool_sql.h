/* SPDX-License-Identifier: MIT */
/*
 * A tool that is one SQL statement. Its parameters are named (:word) and travel as parameters, never as text; it runs
 * as a role of the app with the requester's claims, so row level security decides what it sees. One that reads is kept
 * from writing by the server: its transaction is read-only while it runs.
 */
#pragma once
#include "tool.h"

enum { TOOL_SQL_PARAMS = 100 };

/* What a tool's file says. */
struct tool_sql_source {
	const char *statement;
	const struct field *fields; /* ends with { 0 } */
	bool write;
	int64_t rows, bytes;        /* shown at most */
};

/* A parameter that is no field. */
enum { SQL_USER_ID = -1, SQL_WORKSPACE_ID = -2, SQL_SESSION_ID = -3, SQL_REQUEST_ID = -4 };

struct tool_sql_text {
	const char *text;           /* as it is sent: $n with their types, limits around it */
	int n_params;
	const int *params;          /* position in fields, or one of the above */
	bool counts;                /* it gives no rows but their number, as "changed" */
	bool silent;                /* it gives nothing */
};

/*
 * ERR_INPUT "bad_statement": an unknown :name, a parameter within quotes, several statements, an open quote, a statement
 * that is no query. *at is the byte of the mistake. What only the database can know is not looked at.
 */
bool tool_sql_compile(struct arena *a, const struct tool_sql_source *source, struct tool_sql_text *out, size_t *at,
	struct err *e);

/* tool.self */
struct tool_sql {
	const struct sql *sql;      /* its name and address stay its own while there are connections */
	const struct field *fields;
	struct tool_sql_text text;
	const char *role;
	bool write;
	int64_t rows, bytes, time_ms;
};

/*
 * tool.run. waits. { "rows": [...] }, with "cut" saying so when there were more; of a statement without rows { "changed": n }.
 * ERR_INPUT for what the model can mend, and for what it may not do; ERR_REFUSED "tool_broken" when no arguments help.
 */
bool tool_sql_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e);
