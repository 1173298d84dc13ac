/* SPDX-License-Identifier: MIT */
/* Inside core/rt only: what the two files of the HTTP server share. */
#pragma once
#include "http.h"
#include "http_server.h"
#include "loop_uv.h"
#include <microhttpd.h>

struct http_server {
	struct MHD_Daemon *daemon;
	uv_poll_t *poll;   /* of the daemon's own epoll descriptor */
	uv_timer_t *timer;
	struct group *group;
	http_handler handler;
	void *self;
	size_t body_bytes;
	int port;
	struct http_exchange *exchanges;
	bool run_again; /* something ended: libmicrohttpd closes, and listens again, at a run it does not ask for */
};

enum { HTTP_OUT_BYTES = 64 * 1024 };

struct http_exchange {
	struct http_server *server;        /* NULL once it is closed */
	struct MHD_Connection *connection; /* NULL once it is gone */
	struct http_exchange *next, **link;
	struct arena *arena;
	struct task *task;   /* of the handler, while it runs */
	struct task *waiter; /* the same, while it waits for room */

	const char *method, *path;
	struct http_header *headers;
	size_t n_headers;
	struct buf *body;
	size_t refused; /* bytes over the limit, thrown away so that the client comes to read its 413 */

	struct buf *out; /* of the response, not yet taken */
	bool fiber;      /* the handler's fiber has not ended */
	bool suspended, responded, no_body, finished, cut, reset;
};

/* http_server.c: looks at the connections soon; libmicrohttpd does not notice a resume by itself. */
void http_server_run_soon(struct http_server *s);

/* http_exchange.c */
enum MHD_Result http_on_request(void *server, struct MHD_Connection *c, const char *path, const char *method,
	const char *version, const char *piece, size_t *n, void **exchange);
void http_on_completed(void *server, struct MHD_Connection *c, void **exchange, enum MHD_RequestTerminationCode why);
/* The server goes: cancels all handlers and lets go of their connections. */
void http_exchanges_detach(struct http_server *s);
void http_exchange_suspend(struct http_exchange *x);
void http_exchange_resume(struct http_exchange *x); /* nothing happens unless it is suspended */

/* http_respond.c */
void http_exchange_abort(struct MHD_Connection *c); /* the client sees a reset */
