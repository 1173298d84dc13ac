/* SPDX-License-Identifier: MIT */
/*
 * HTTP server on libmicrohttpd, for the scripted model (and later for metrics): each request is a fiber that reads
 * the whole request and writes the response piece by piece.
 */
#pragma once
#include "loop.h"
#include "str.h"

struct http_server;
struct http_exchange;

/* The handler's fiber ends the exchange by returning. Returning false closes the connection (logged at debug). */
typedef bool (*http_handler)(void *self, struct http_exchange *x, struct err *e);

struct http_server_options {
	const char *host;  /* address to bind; "127.0.0.1" by default */
	int port;          /* 0 = any free one */
	size_t body_bytes; /* limit of a request body, 0 = 1 MiB; more is answered 413 */
	unsigned connections; /* at most; 0 = 1024 */
	const char *tls_cert, *tls_key; /* paths of PEM files, both or neither; NULL = without TLS */
};

/* NULL and e when the address cannot be bound or the certificate cannot be used. Handlers run in group g, which the
 * caller waits for after closing. */
struct http_server *http_server_open(const struct http_server_options *o, struct group *g, http_handler handler,
	void *self, struct err *e);
/* Stops listening and closes all connections; running handlers fail at their next write. Never waits. */
void http_server_close(struct http_server *s);
int http_server_port(const struct http_server *s);
/* A listening socket that does not block, and where it listens; -1 and e. For a server of one's own. */
int http_server_listen(const char *host, int wanted, int *port, struct err *e);

const char *http_exchange_method(const struct http_exchange *x);
const char *http_exchange_path(const struct http_exchange *x); /* without the query */
const char *http_exchange_header(const struct http_exchange *x, const char *name); /* any case; NULL if absent */
struct str http_exchange_body(const struct http_exchange *x);

/* Head of the response. Extra headers end with { 0 }; may be NULL. */
struct http_header;
bool http_respond(struct http_exchange *x, int status, const char *content_type, const struct http_header *headers,
	struct err *e);
/* waits until the connection has taken most of it. ERR_NET when the client is gone. */
bool http_respond_write(struct http_exchange *x, struct str piece, struct err *e);
/* After this returns, the handler returning closes the connection without a proper end; reset = with TCP RST. */
void http_respond_cut(struct http_exchange *x, bool reset);
