/* SPDX-License-Identifier: MIT */
/* Inside core/rt only: the libuv loop, and a watch on one descriptor that a fiber can wait for. */
#pragma once
#include "loop.h"
#include <uv.h>

uv_loop_t *loop_uv(void);

struct watch;
/* One watch a descriptor at a time. Aborts when the descriptor cannot be polled: that is ours. */
struct watch *watch_new(int fd);
void watch_free(struct watch *w); /* NULL is allowed; before the descriptor is closed */
/* waits until readable or writable, whichever was asked for. One waiter at a time. */
bool watch_wait(struct watch *w, bool readable, bool writable, int64_t deadline, struct err *e);

/* Part of loop_close. */
void signals_close(void);
