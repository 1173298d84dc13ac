/* SPDX-License-Identifier: MIT */
/* A real PgBouncer before the test's Postgres, in transaction mode: each transaction may run on another session. */
#pragma once
#include "process.h"
#include "test_pg.h"

struct pooler {
	struct process *process;
	const char *dir;
	int version;             /* 12100 = 1.21.0 */
	const char *worker_url, *owner_url; /* as those of the database, through it */
};

/* options: more lines of its [pgbouncer] section. The database's roles log in with their own passwords. waits. */
bool pooler_start(struct arena *a, const struct test_db *db, const char *options, struct pooler *p, struct err *e);
void pooler_stop(struct pooler *p); /* waits */
/* "postgresql://user:password@host:port/name" with another host and port. */
const char *url_at(struct arena *a, const char *url, const char *host_and_port);
int url_port(const char *url);
