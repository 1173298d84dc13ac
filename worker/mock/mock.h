/* SPDX-License-Identifier: MIT */
/*
 * The scripted model: an HTTP server that speaks the Messages API and chat completions and answers by a script, for the
 * demo, tests and benchmarks. What the provider would refuse it refuses too, in the provider's words; a request that
 * the script does not expect is refused with what was asked. One fiber a request.
 */
#pragma once
#include "loop.h"
#include "script.h"

struct mock;

struct mock_options {
	const struct script *script; /* with its arena outlives the group's fibers */
	const char *host;            /* NULL = 127.0.0.1 */
	int port;                    /* 0 = any free one */
	unsigned connections;        /* at most; 0 = 16384 */
	size_t record;               /* requests kept, from the first; 0 = none */
	const char *tls_cert, *tls_key; /* PEM files; NULL = without TLS */
	/* A request has been understood, and which reply it gets: when it came, by CLOCK_REALTIME; or NULL. */
	void (*tell)(int64_t us, size_t bytes, const char *reply);
};

struct mock_counts {
	int64_t requests;   /* all that came */
	int64_t rejected;   /* as the provider would have */
	int64_t unmatched;  /* no reply, a missing value, a reply without the forced tool: mistakes of the script */
	int64_t answered;   /* to the end, accidents of the script included */
	int64_t abandoned;  /* the client left, or the mock was stopped */
	int64_t running, most_running;
};

/* Requests are answered by fibers of g, which the caller waits for after mock_stop. */
bool mock_start(const struct mock_options *o, struct group *g, struct mock **out, struct err *e);
/* Closes all connections and cancels what runs. m is gone then. NULL is allowed. Never waits. */
void mock_stop(struct mock *m);
int mock_port(const struct mock *m);
struct mock_counts mock_count(const struct mock *m);

/* What was asked, in order of arrival, refused requests too. Bodies byte for byte, together at most 256 MiB. */
size_t mock_request_count(const struct mock *m);
struct str mock_request_body(const struct mock *m, size_t i); /* empty when there is none */
const char *mock_request_reply(const struct mock *m, size_t i); /* name of the reply, "" = none or unnamed */
