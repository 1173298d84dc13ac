/* SPDX-License-Identifier: MIT */
/*
 * What test_killed.c and its worker process share: an agent whose tools write the database and call outside, one with
 * each policy for an outcome that was lost.
 */
#pragma once
#include "pool.h"

enum { KILLED_LEASE_MS = 60000 };

/* Where the tools that act outside send their calls: one POST each, with its idempotency key. */
void killed_outside_set(const char *url);
extern const struct agent *const killed_agents[];
/* As both the victim and the worker after it are configured. */
struct pool_config killed_config(const char *database_url, const char *model_url);
