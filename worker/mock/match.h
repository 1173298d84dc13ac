/* SPDX-License-Identifier: MIT */
/* Which reply of the script answers a request. */
#pragma once
#include "ask.h"
#include "script.h"

/* held counts, for each reply, how often its conditions held. NULL and e when none answers: what was asked. */
const struct script_reply *match_reply(const struct script *s, int64_t *held, const struct ask *q, struct err *e);
