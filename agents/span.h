/* SPDX-License-Identifier: MIT */
/*
 * Spans of a request's trace: what ran when, and what it was, never what was said. A span lives on the stack of who
 * opens it and is on its way when it ends; nobody waits for a collector. Without a tracer each call costs one branch.
 *
 *   struct span span;
 *   span_begin(&span, run->span, SPAN_CLIENT, "chat %s", model);
 *   span_text(&span, SPAN_OPERATION, "chat");
 *   bool ok = ...;
 *   span_end(&span, ok ? NULL : e);
 */
#pragma once
#include "err.h"

struct tracer;

/* As OpenTelemetry numbers them. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_CLIENT = 3, SPAN_CONSUMER = 5 };

/* A row each in span.c: the attribute's name and type. */
enum span_attribute {
	SPAN_OPERATION,     /* text: invoke_agent, chat, execute_tool */
	SPAN_PROVIDER,      /* text: anthropic, openai */
	SPAN_REQUEST_MODEL, /* text */
	SPAN_RESPONSE_MODEL, /* text */
	SPAN_FINISH_REASON, /* text; sent as a list of one */
	SPAN_INPUT_TOKENS,
	SPAN_OUTPUT_TOKENS,
	SPAN_AGENT_NAME,    /* text */
	SPAN_CONVERSATION,  /* text: the session */
	SPAN_TOOL_NAME,     /* text */
	SPAN_TOOL_CALL,     /* text */
	SPAN_LANE,          /* text */
	SPAN_REQUEST,       /* agent_requests.id */
	SPAN_ATTEMPT,
	SPAN_ERROR,         /* text: the error's code; span_end sets it */
	SPAN_ATTRIBUTES,
};

struct span {
	struct tracer *tracer; /* NULL = not traced: nothing else is set */
	uint64_t trace[2], id, parent; /* parent 0 = none */
	int64_t began_ns;      /* Unix time */
	int64_t began_us;      /* of our clock */
	enum span_kind kind;
	char name[96];
	struct {
		const char *text;  /* NULL = the number */
		int64_t number;
	} values[SPAN_ATTRIBUTES];
	uint32_t set;          /* bits of the attributes that have a value */
};

/* The span of one run. Its trace follows from session, request and attempt, or from a W3C traceparent (which may be
 * NULL or wrong: then it is as if there were none); whether it is traced, from its trace. tracer may be NULL. */
void span_begin_run(struct span *s, struct tracer *t, const char *session, int64_t request_id, int attempt,
	int64_t version, const char *traceparent);
/* parent may be NULL, or not traced. */
void span_begin(struct span *s, const struct span *parent, enum span_kind kind, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* The text must live until span_end; NULL = no value. */
void span_text(struct span *s, enum span_attribute attribute, const char *text);
void span_i64(struct span *s, enum span_attribute attribute, int64_t n);
/* e NULL = it went well. Never waits. */
void span_end(struct span *s, const struct err *e);
