/* SPDX-License-Identifier: MIT */
#include "fate.h"

enum fate fate_of(enum err_kind kind)
{
	static const enum fate fates[ERR_KINDS] = {
		[ERR_NONE] = FATE_FAIL, /* a failure without an error is a bug of ours */
		[ERR_CANCELLED] = FATE_RELEASE,
		[ERR_TIMEOUT] = FATE_RETRY,
		[ERR_BUSY] = FATE_RETRY,
		[ERR_NET] = FATE_RETRY,
		[ERR_FENCE] = FATE_ABANDON,
		[ERR_INPUT] = FATE_FAIL,
		[ERR_REFUSED] = FATE_FAIL,
		[ERR_BUG] = FATE_FAIL,
	};
	return kind < ERR_KINDS ? fates[kind] : FATE_FAIL;
}

int64_t backoff_ms(int attempt, int64_t base_ms, int64_t max_ms, int64_t retry_after_ms, double dice)
{
	int64_t ceiling = base_ms;
	for (int i = 1; i < attempt && ceiling < max_ms; i++)
		ceiling *= 2;
	ceiling = MIN_OF(ceiling, max_ms);
	/* Everybody who was told the same time comes at a slightly different one. */
	int64_t jitter = (int64_t)(dice * (double)ceiling);
	return retry_after_ms ? retry_after_ms + MIN_OF(jitter, retry_after_ms / 4) : MAX_OF(jitter, (int64_t)1);
}
