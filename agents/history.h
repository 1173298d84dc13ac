/* SPDX-License-Identifier: MIT */
/*
 * What the session's earlier requests left for this one. A request of the same type that completed is there block for
 * block, as it was when it ended, so that the provider's cache knows it; any other is there as plain text: what was
 * asked, and what came of it. Nothing of a request that failed goes back as it was, so that none can spoil those after.
 */
#pragma once
#include "pg.h"
#include "prompt.h"

/* history as sql_history, turns as sql_turn_load gave them; both must outlive p. */
bool history_fold(struct prompt *p, const struct pg_rows *history, const struct pg_rows *turns, struct err *e);
