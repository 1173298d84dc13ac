/* SPDX-License-Identifier: MIT */
/* Everybody who may come to the database, each on a connection of their own, and rows of three owners. All wait. */
#pragma once
#include "test_pg.h"

#define USER_A "a0000000-0000-4000-8000-0000000000aa"
#define USER_B "b0000000-0000-4000-8000-0000000000bb"
#define SESSION_A "a0000000-0000-4000-8000-00000000000a"
#define SESSION_B "b0000000-0000-4000-8000-00000000000b"
#define SESSION_S "50000000-0000-4000-8000-00000000005e" /* the server's own */
#define SPACE_A "a0000000-0000-4000-8000-0000000000a5"
#define SPACE_B "b0000000-0000-4000-8000-0000000000b5"

enum { RIGHTS_MS = 60000 };

struct people {
	struct test_db db;
	struct pg *owner;
	struct pg *anon, *a, *b, *server; /* roles of the app, as PostgREST takes them */
	struct pg *nobody;                /* authenticated, without claims */
	struct pg *worker;                /* logged in as drover_worker */
};

/* Requests 1 of A, 2 of B, 3 of the server: each with a session, a log row, a turn and a tool call; a workspace of A
 * and one of B. */
bool people_open(struct arena *a, struct people *p, struct err *e);
/* The same people at a database that is there already; no rows. */
bool people_enter(struct arena *a, struct people *p, struct err *e);
#define PEOPLE struct people p = { 0 }; REQUIRE_OK(people_open(a, &p, e))

/* Refused for want of a right, by grant or by policy: nothing else will do. */
bool rights_refused(struct arena *a, struct pg *db, const char *sql);
#define CHECK_REFUSED(db, sql) CHECK(rights_refused(a, db, sql))
/* A statement for each name that the owner's query gives as "name"; %s in it is the name. Each must be refused. */
void rights_refuse_each(struct arena *a, struct people *p, const char *names, struct pg *db, const char *format);
