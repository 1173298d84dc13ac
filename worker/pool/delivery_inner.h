/* SPDX-License-Identifier: MIT */
/* Inside delivery*.c only. */
#pragma once
#include "broadcast.h"
#include "pool_inner.h"

/* Rows of one request of which readers are to be told. */
struct notice {
	struct notice *next;
	struct queue_rows rows;
	size_t bytes;    /* that it takes in memory */
	char session[UUID_TEXT];
	const char *payload; /* Redis: {"rows":[...]}; behind the notice */
};

struct delivery {
	struct task *fiber;
	struct notice *first, **last;
	size_t n, bytes;
	struct delivery_load load;
	bool busy;
	struct redis *redis;
	int64_t told_ms;  /* of trouble in the log: once a minute */
	int64_t retry_ms; /* Redis is not tried before */
};

/* Takes one off; the caller frees it. NULL = none. */
struct notice *notice_take(struct delivery *d);
/* The reader must find them in the table; why, once a minute, in the log. */
void notices_dropped(struct delivery *d, int64_t n, const char *why);
/* waits. Sends some of what waits; what cannot be sent is dropped. */
void delivery_broadcast(struct pool *p, struct delivery *d);
void delivery_publish(struct pool *p, struct delivery *d);
/* Adds notices of the rows up to seq, with what is published. */
void delivery_payloads(struct run *r, int64_t seq);
void notice_add(struct delivery *d, const struct run *r, int64_t first, int64_t last, struct str payload);
void delivery_close(struct delivery *d);
