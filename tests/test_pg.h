/* SPDX-License-Identifier: MIT */
/*
 * A throw-away Postgres for tests: one cluster a binary, started at the first use; each test gets a database of its own,
 * copied from one that was migrated once.
 */
#pragma once
#include "pg.h"
#include "test.h"

struct test_db {
	const char *name;
	const char *owner_url;  /* superuser */
	const char *worker_url; /* role drover_worker, as in production */
};

/* The database lives until the test binary ends. Texts live in a. waits. */
bool test_db(struct arena *a, struct test_db *db, struct err *e);
/* A database without any migration. */
bool test_db_empty(struct arena *a, struct test_db *db, struct err *e);
/* A connection that the arena closes. */
struct pg *test_connect(struct arena *a, const char *url, struct err *e);
/* One value as text, "(null)" for null or no row, "ERROR: ..." when it fails. */
const char *test_ask(struct arena *a, struct pg *db, const char *sql);
#define CHECK_SQL(db, sql, want) CHECK_EQ_S(test_ask(a, db, sql), want)
