/* SPDX-License-Identifier: MIT */
/*
 * HTTP client on libcurl's multi interface. A request that has a body is sent once: libcurl would send it again when a
 * kept connection dies without an answer, and here that is ERR_NET "http_cut". A response body is pushed into a sink
 * while it arrives, without waking the fiber; the fiber wakes when the transfer ends. Errors: refused, reset, cut body
 * ERR_NET ("http_unreachable", "http_cut"); limits ERR_TIMEOUT with the step in the code ("connect_timeout",
 * "first_byte_timeout", "stall_timeout", "total_timeout"); a wrong URL, method or header ERR_INPUT "http_bad_url" and
 * so on. An HTTP status is not an error here.
 */
#pragma once
#include "arena.h"
#include "err.h"

struct http; /* the client: connections, caches. One per process. */

struct http_limits {
	int64_t connect_ms;    /* name, TCP, TLS */
	int64_t first_byte_ms; /* from the request sent to the first byte of the response head */
	int64_t stall_ms;      /* silence between two pieces of the body */
	int64_t total_ms;      /* the whole transfer. 0 = no limit, for each */
	size_t body_bytes;     /* of a body without a sink, 0 = 1 MiB; more is ERR_INPUT "http_body_too_large" */
};

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method; /* NULL = GET, or POST when there is a body */
	const char *url;    /* http or https */
	const struct http_header *headers; /* ends with { 0 } */
	struct str body;    /* sent as it is; must outlive the call */
	struct http_limits limits;
	bool http2;         /* over TLS, where the server speaks it: many calls share a connection; else HTTP/1.1 */
	bool direct;        /* not through a proxy that the environment names */
	/* Each address that the host has is asked about, and the one that is connected to; NULL = all are allowed. ERR_INPUT
	 * "http_address_refused". Text: "192.0.2.1", "[2001:db8::1]" or "2001:db8::1". With it, set direct. */
	bool (*address_allowed)(const char *address);
};

/* Called from the loop, not from a fiber: must not wait. false with e ends the transfer with that error. */
struct http_sink {
	bool (*data)(void *self, struct str piece, struct err *e);
	/* Once, before the first piece; may be NULL. false = collect this body into http_reply.body (an error page). */
	bool (*head)(void *self, int status, const char *content_type);
	void *self;
	/*
	 * In the caller's fiber: whenever it was woken (data may task_wake it), for whatever reason, and once when the
	 * transfer has ended, well or badly, but not when the caller was cancelled or a limit passed. May wait: pieces go on
	 * arriving, and a wake for them may be taken by that wait, so it looks again before it returns. Limits of the
	 * transfer count from the last piece, and are looked at when it returns. false ends the transfer with that error,
	 * as it is. May be NULL.
	 */
	bool (*work)(void *self, struct err *e);
};

struct http_reply {
	int status;
	const struct http_header *headers; /* names in lower case; ends with { 0 } */
	struct str body;                   /* what no sink took; at most limits.body_bytes */
	const char *content_type;          /* or "" */
};

struct http *http_new(void);
void http_free(struct http *h); /* no transfer may be running */
/* waits. sink may be NULL. On failure *reply holds what had arrived of status and headers (status 0 = nothing). */
bool http_call(struct http *h, struct arena *a, const struct http_request *rq, const struct http_sink *sink,
	int64_t deadline, struct http_reply *reply, struct err *e);
const char *http_reply_header(const struct http_reply *reply, const char *name); /* lower case; NULL if absent */
size_t http_running(const struct http *h);
