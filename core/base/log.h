/* SPDX-License-Identifier: MIT */
/*
 * The worker's own log, for operators: one JSON line an event on stderr. The current fiber supplies request, session and
 * agent, so nobody passes them. Secrets never; bodies only at debug, and cut.
 */
#pragma once
#include "base.h"
#include "uuid.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_context {
	int64_t request_id; /* 0 = none */
	char session[UUID_TEXT]; /* or "" */
	const char *agent;  /* or NULL */
};

void log_level_set(enum log_level level);
/* Whose context a line carries; the runtime sets it at each switch. May be NULL. */
void log_context_set(const struct log_context *context);
/* A word on every line, e.g. the worker's id; must live as long as the process. */
void log_worker_set(const char *worker);
/* event is a short constant word, e.g. "request_claimed". */
void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
