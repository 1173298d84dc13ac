/* SPDX-License-Identifier: MIT */
/* Inside core/rt only: what the files of the Redis client share. */
#pragma once
#include "loop_uv.h"
#include "redis.h"
#include <hiredis/async.h>

/* A reply is bounded as a whole; hiredis itself stops at nine levels of lists. */
enum { REDIS_REPLY_BYTES = 16 * 1024 * 1024, REDIS_REPLY_ITEMS = 100000, REDIS_REPLY_DEPTH = 8 };

struct redis {
	redisAsyncContext *context; /* NULL once the connection is broken */
	const char *place;          /* host:port, for messages */
	struct arena *arena;
};

/* redis_uv.c: hiredis on libuv. *slot becomes NULL when hiredis frees the context. */
bool redis_watch(redisAsyncContext **slot);

/* redis_reply.c: into the arena; false when it is too large. */
bool redis_reply_copy(struct arena *a, const redisReply *from, struct redis_reply *to);
