/* SPDX-License-Identifier: MIT */
/*
 * What one request thinks, on its way to agent_logs. Deltas of one kind are joined into one row until it is old or
 * large enough; every row gets its seq here. Pure memory: worker/pool/flusher.c writes the rows, many requests at a time.
 */
#pragma once
#include "str.h"

enum thought_kind {
	THOUGHT_THINKING,
	THOUGHT_TEXT,
	THOUGHT_TOOL_CALL,
	THOUGHT_TOOL_RESULT,
	THOUGHT_STATUS,
	THOUGHT_ERROR,
	THOUGHT_COMPLETE,
	THOUGHT_KINDS,
};

struct thoughts;

const char *thought_kind_name(enum thought_kind kind); /* as in agent_logs.kind */

/* A piece of a growing thought (THINKING or TEXT). Never waits; may be called from the loop. */
void thought_delta(struct thoughts *t, enum thought_kind kind, struct str piece);
/* A whole row. data is JSON or NULL; what is larger than the row limit is cut and says so. */
void thought_add(struct thoughts *t, enum thought_kind kind, const char *message, const char *data);
