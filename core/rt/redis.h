/* SPDX-License-Identifier: MIT */
/* Redis on hiredis' asynchronous interface. First used for limits shared by workers. Errors: trouble with the
 * connection ERR_NET "redis_unreachable"; an error reply ERR_INPUT "redis_error" with Redis' own words. */
#pragma once
#include "arena.h"
#include "err.h"

struct redis;

struct redis_reply {
	enum { REDIS_NIL, REDIS_TEXT, REDIS_I64, REDIS_LIST } kind;
	struct str text;
	int64_t i64;
	size_t n;
	struct redis_reply *items;
};

/* redis://[:password@]host:port[/db]. waits. NULL and e on failure. */
struct redis *redis_open(const char *url, int64_t deadline, struct err *e);
void redis_close(struct redis *r); /* NULL allowed; pending commands of other fibers fail with ERR_NET */
bool redis_broken(const struct redis *r);
/* words end with NULL. waits. After ERR_NET, ERR_TIMEOUT or ERR_CANCELLED the connection is broken. */
bool redis_command(struct redis *r, struct arena *a, const char *const *words, int64_t deadline,
	struct redis_reply *reply, struct err *e);
