/* SPDX-License-Identifier: MIT */
/*
 * A tool that is one HTTP call. Its host is fixed when the tool is loaded; the model's arguments are values within the
 * rest and cannot lead anywhere else. Redirects are not followed, proxies of the environment are not used, and every
 * address of the host is looked at before it is connected to.
 */
#pragma once
#include "tool_template.h"

struct tool_http_header {
	const char *name;
	const char *secret;         /* the whole value, or NULL: */
	struct template value;
};

enum tool_http_body { HTTP_BODY_NONE, HTTP_BODY_INPUT, HTTP_BODY_JSON };

struct tool_http_call {
	const char *method;         /* NULL = there is no such call */
	struct template url;
	const struct tool_http_header *headers;
	size_t n_headers;
	enum tool_http_body body;
	const cJSON *json;          /* its texts are templates */
};

/* tool.self */
struct tool_http {
	const struct field *fields; /* ends with { 0 } */
	struct tool_http_call call, probe;
	size_t bytes;               /* of a response; a larger one is an error */
	const char *pointer;        /* JSON pointer (RFC 6901) to what the model sees; "" = all */
	int64_t time_ms;
	bool reads;                 /* nothing happens: any failure is told to the model */
	const char *key_header;     /* for the idempotency key, or NULL */
	bool private_addresses;     /* may be called */
	const char *const *secrets; /* must not come out again; ends with NULL */
};

/*
 * tool.run. waits. The JSON that was answered; { "text" } when it is none, { "status" } when it is empty. ERR_INPUT when
 * it is sure that nothing happened (the arguments, 4xx, no connection); of a tool that reads for every failure.
 */
bool tool_http_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e);
/* tool.probe. waits. 2xx: done, with its answer as the result; 404 and 410: not done; else unknown. */
bool tool_http_probe(struct tool_env *env, const void *args, enum tool_found *found, const cJSON **result, struct err *e);
