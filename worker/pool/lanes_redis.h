/* SPDX-License-Identifier: MIT */
/*
 * The counter of lanes that all workers share, in Redis: one fiber has the connection, and asks for all. When Redis is
 * away or slow everybody is told at once that nobody can be asked; the fiber tries again, now and then, by itself.
 */
#pragma once
#include "lane.h"
#include "loop.h"

struct lanes_redis;

/* url must outlive it. timeout_ms bounds every wait for Redis. */
struct lanes_redis *lanes_redis_new(const char *url, int64_t timeout_ms);
void lanes_redis_free(struct lanes_redis *r); /* its fiber must have ended */
/* The body of its fiber; arg is the struct. Ends when it is cancelled, and then returns false. */
bool lanes_redis_loop(void *arg, struct err *e);
bool lanes_redis_here(const struct lanes_redis *r); /* Redis answers */

/* take and tell of struct lane_share; self is the struct lanes_redis. */
bool lanes_redis_take(void *self, const struct lane_count *count, int64_t deadline, struct lane_answer *answer,
	struct err *e);
void lanes_redis_tell(void *self, const struct lane_count *count);
