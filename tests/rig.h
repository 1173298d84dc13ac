/* SPDX-License-Identifier: MIT */
/* A whole worker in the test's own process: database, scripted model, pool. */
#pragma once
#include "loop.h"
#include "mock.h"
#include "pool.h"
#include "test_pg.h"

struct rig {
	struct test_db db;
	struct pg *owner;        /* a connection as superuser */
	struct script script;
	struct mock *mock;
	struct pool_config config;
	struct pool *pool;
	struct group fibers;     /* mock */
	struct group serving;    /* pool */
};

/* A database and a model that plays the script (YAML). waits. */
bool rig_open(struct arena *a, const char *script, struct rig *r, struct err *e);
/* The same on a database that is there and migrated. */
bool rig_open_on(struct arena *a, const struct test_db *db, const char *script, struct rig *r, struct err *e);
bool rig_start(struct rig *r, struct err *e);  /* the pool; waits until it serves */
bool rig_stop(struct rig *r, struct err *e);   /* drains the pool; waits */
void rig_close(struct rig *r);                 /* all of it; waits */
/* Inserts a request of the demo user; its id. waits. */
int64_t rig_ask(struct arena *a, struct rig *r, const char *type, const char *request);
/* Waits until the request is completed or failed; its status, or "timeout". */
const char *rig_wait(struct arena *a, struct rig *r, int64_t id);
/* One value of a query in which %ld is the request's id. */
const char *rig_sql(struct arena *a, struct rig *r, const char *format, int64_t id);
