/* SPDX-License-Identifier: MIT */
/*
 * Inside core/rt only: descriptors that come by the thousand. The loop sees one for all of them, and a turn of it takes
 * a bounded number of their events, in turn: so timers, the database and woken fibers have theirs however many streams
 * speak at once. Never waits.
 */
#pragma once
#include "loop.h"

struct swarm;
struct swarm_member;

/* From the loop. Trouble of the descriptor counts as readable and writable: it shows at the next read or write. */
typedef void (*swarm_ready)(void *self, int fd, bool readable, bool writable);

enum { SWARM_TURN = 64 }; /* events of one turn: less than a millisecond of work */

struct swarm *swarm_new(void);
void swarm_free(struct swarm *c); /* all members have left */
/* A member asks for nothing at first. */
struct swarm_member *swarm_join(struct swarm *c, int fd, swarm_ready ready, void *self);
/* Level-triggered. false when the descriptor cannot be polled. */
bool swarm_want(struct swarm_member *m, bool readable, bool writable);
/* It hears nothing from now on. Before the descriptor is closed. NULL is allowed. */
void swarm_leave(struct swarm_member *m);
