/* SPDX-License-Identifier: MIT */
/*
 * A private Postgres: its own data directory, its own port on loopback, its own password. For drover dev and the tests.
 * As root it runs as the user "postgres", because the server refuses to run as root.
 */
#pragma once
#include "arena.h"
#include "process.h"

struct embedded {
	struct process *server;
	const char *dir;        /* holds pg/ (data), password, postgres.log */
	int port;
	const char *password;   /* of the superuser "postgres" */
};

struct embedded_options {
	const char *dir;        /* made when it is not there; kept at the end */
	bool fresh;             /* delete what is there first */
	bool fast;              /* no fsync: for tests */
	const char *const *settings; /* more "name=value" for the server; ends with NULL; may be NULL */
};

/* Starts (and on an empty dir first makes) the server, and waits until it answers. waits. Texts live in a. */
bool embedded_start(struct arena *a, const struct embedded_options *o, struct embedded *out, struct err *e);
/* Fast shutdown; waits until it is down. */
void embedded_stop(struct embedded *x);
/* Deletes its data, once it is stopped; by a process, for thousands of files would hold up the loop. waits. */
bool embedded_remove(struct arena *a, const char *dir, struct err *e);
/* Connection URL of a database on it. */
const char *embedded_url(struct arena *a, const struct embedded *x, const char *user, const char *password,
	const char *database);
/* A port on loopback that nobody listens on at this moment; 0 when there is none. */
int free_port(void);
/* Deletes a directory tree. */
void delete_tree(const char *path);
