/* SPDX-License-Identifier: MIT */
/* A TCP proxy on fibers whose connections can die without a word: nothing is forwarded any more, nothing is closed. */
#pragma once
#include "loop.h"

struct proxy {
	int port, target; /* on 127.0.0.1 */
	int fd;
	int accepted;
	int dead;         /* connections of a number up to it are */
	struct group fibers;
};

bool proxy_start(struct proxy *p, int target, struct err *e);
/* Those that are open now; later ones live. */
void proxy_hang(struct proxy *p);
void proxy_stop(struct proxy *p); /* waits */
