/* SPDX-License-Identifier: MIT */
/* Inside pg*.c only: a connection. */
#pragma once
#include "loop_uv.h"
#include "pg.h"
#include "str.h"
#include <libpq-fe.h>

struct pg {
	PGconn *conn;
	struct watch *watch;
	int watch_fd;
	bool broken;  /* a call was abandoned or the connection is gone: only good to be closed */
	bool prepare;
	bool read_only; /* by our own wish */
	const struct sql **prepared;
	size_t n_prepared;
	struct pg *next_idle;
	const struct pg_step *begin; /* BEGIN and what goes with it, to be sent before the next statement */
	size_t n_begin; /* 0 = none */
	bool warnings_kept;
	int64_t warnings;
	char warning[160]; /* the last one */
};

/* The socket may change while connecting: asks again each time. waits. */
bool pg_wait_socket(struct pg *db, bool readable, bool writable, int64_t deadline, struct err *e);
/* Fills e from a failed result, or from the connection when result is NULL. Always returns false. */
bool pg_fail(struct pg *db, const PGresult *result, const char *statement, struct err *e);
const char *pg_arg_value(struct arena *a, const struct pg_arg *arg);
