/* SPDX-License-Identifier: MIT */
/*
 * One error, by value, on the stack of whoever can end it: struct err is the last parameter, never NULL, and the
 * function also returns bool or a pointer. The kind says what to do (queue/fate.c), the code is what the app reads
 * in agent_requests.error_code, the message is complete for a person. Who returns an error does not log it.
 */
#pragma once
#include "base.h"

enum err_kind {
	ERR_NONE,
	ERR_CANCELLED, /* told to stop */
	ERR_TIMEOUT,   /* a deadline passed */
	ERR_BUSY,      /* the other side said later: 429, 529, serialization */
	ERR_NET,       /* connection refused, cut or lost */
	ERR_FENCE,     /* this worker no longer owns the request: write nothing more */
	ERR_INPUT,     /* what was given is wrong; the same again would fail the same */
	ERR_REFUSED,   /* credentials, permission, spend limit: an operator must act */
	ERR_BUG,       /* ours */
	ERR_KINDS,
};

struct err {
	enum err_kind kind;
	const char *code;        /* short constant word, e.g. "unknown_agent" */
	const char *file;
	int line;
	int64_t retry_after_ms;  /* what the other side asked for; 0 = it said nothing */
	bool untried;            /* it was not its turn yet: nothing was tried, and waiting for it costs no attempt */
	char sqlstate[6];        /* of the server's error, else empty */
	char msg[512];
};

/* return FAIL(e, ERR_NET, "model_unreachable", "POST %s: %s", url, why); */
#define FAIL(e, kind, code, ...) err_set((e), (kind), (code), __FILE__, __LINE__, __VA_ARGS__)
/* Always returns false. */
bool err_set(struct err *e, enum err_kind kind, const char *code, const char *file, int line, const char *format, ...)
	PRINTF_LIKE(6, 7);
/* Puts words in front of the message. Always returns false. */
bool err_prefix(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);
const char *err_kind_name(enum err_kind kind);
