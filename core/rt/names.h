/* SPDX-License-Identifier: MIT */
/*
 * Inside core/rt only: host names to addresses, on libuv's own few threads. libcurl and hiredis would start a
 * thread for each lookup or block the loop; here askers of one name share one lookup, and an answer is kept for
 * a minute.
 */
#pragma once
#include "arena.h"
#include "err.h"

struct names;

struct names *names_new(void);
void names_free(struct names *n); /* nobody may be waiting */
/* waits. "192.0.2.1,[2001:db8::1]": in the order to try, IPv6 in brackets. A literal address is its own answer.
 * ERR_NET "name_unknown" when there is none. */
bool names_find(struct names *n, struct arena *a, const char *host, int64_t deadline, const char **addresses,
	struct err *e);
