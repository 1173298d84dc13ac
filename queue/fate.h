/* SPDX-License-Identifier: MIT */
/* What an error means for the request: one table, by kind. */
#pragma once
#include "err.h"

enum fate {
	FATE_RELEASE, /* as it was; the attempt does not count */
	FATE_RETRY,   /* later, with backoff, until the attempts are used up; err.untried uses none up */
	FATE_FAIL,    /* for good */
	FATE_ABANDON, /* no longer ours: write nothing */
};

enum fate fate_of(enum err_kind kind);
/* Full jitter below base * 2^(attempt - 1), at most max; never before retry_after. dice: 0 to 1. */
int64_t backoff_ms(int attempt, int64_t base_ms, int64_t max_ms, int64_t retry_after_ms, double dice);
