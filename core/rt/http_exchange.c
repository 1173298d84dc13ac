/* SPDX-License-Identifier: MIT */
/*
 * One request and its response. libmicrohttpd knows an exchange while the connection lives, its fiber while the handler
 * runs; whichever lets go last frees it. A connection that waits for its handler is suspended.
 */
#include "http_server_impl.h"

enum { BODY_DEFAULT = 1024 * 1024, DRAIN_BYTES = 16 * 1024 * 1024 };

/* ---- life ---- */

static void exchange_release(struct http_exchange *x)
{
	if (!x->connection && !x->fiber)
		arena_free(x->arena);
}

static void exchange_unlink(struct http_exchange *x)
{
	if (!x->server)
		return;
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->server = NULL;
}

static enum MHD_Result header_copy(void *self, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_exchange *x = self;
	(void)kind;
	x->headers[x->n_headers++] = (struct http_header){ arena_text(x->arena, str_of(name)),
		arena_text(x->arena, str_of(value)) };
	return MHD_YES;
}

/* Copies what the handler may ask for: it outlives the connection. */
static struct http_exchange *exchange_new(struct http_server *s, struct MHD_Connection *c, const char *path,
	const char *method)
{
	struct arena *a = arena_new();
	struct http_exchange *x = arena_alloc(a, sizeof(*x));
	*x = (struct http_exchange){ .server = s, .connection = c, .arena = a,
		.next = s->exchanges, .link = &s->exchanges };
	if (x->next)
		x->next->link = &x->next;
	s->exchanges = x;
	x->method = arena_text(a, str_of(method));
	x->path = arena_text(a, str_of(path));
	x->body = buf_new(a, s->body_bytes ? s->body_bytes : BODY_DEFAULT);
	x->out = buf_new(a, HTTP_OUT_BYTES);
	x->no_body = strcmp(method, "HEAD") == 0;
	int n = MHD_get_connection_values(c, MHD_HEADER_KIND, NULL, NULL);
	x->headers = arena_alloc(a, ((size_t)MAX_OF(n, 0) + 1) * sizeof(*x->headers));
	MHD_get_connection_values(c, MHD_HEADER_KIND, header_copy, x);
	return x;
}

void http_exchange_suspend(struct http_exchange *x)
{
	MHD_suspend_connection(x->connection);
	x->suspended = true;
}

void http_exchange_resume(struct http_exchange *x)
{
	if (!x->suspended || !x->connection)
		return;
	x->suspended = false;
	MHD_resume_connection(x->connection);
	if (x->server)
		http_server_run_soon(x->server);
}

void http_exchanges_detach(struct http_server *s)
{
	while (s->exchanges) {
		struct http_exchange *x = s->exchanges;
		exchange_unlink(x);
		http_exchange_resume(x); /* a suspended connection cannot be closed */
		if (x->task)
			task_cancel(x->task);
	}
}

/* ---- the handler's fiber ---- */

static enum MHD_Result respond_plain(struct MHD_Connection *c, unsigned status)
{
	static char nothing[1];
	struct MHD_Response *r = MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static bool exchange_handle(struct http_exchange *x, struct err *e)
{
	if (!x->server)
		return FAIL(e, ERR_CANCELLED, "server_closed", "the server was closed");
	http_handler handler = x->server->handler;
	return handler(x->server->self, x, e);
}

static bool exchange_run(void *arg, struct err *e)
{
	struct http_exchange *x = arg;
	x->task = task_self();
	if (!exchange_handle(x, e)) {
		x->cut = true;
		log_write(LOG_DEBUG, "http_exchange_failed", "%s %s: %s", x->method, x->path, e->msg);
	}
	x->task = NULL;
	x->fiber = false;
	x->finished = true;
	if (x->connection && !x->responded && !x->cut)
		respond_plain(x->connection, MHD_HTTP_INTERNAL_SERVER_ERROR);
	http_exchange_resume(x);
	exchange_release(x);
	return true; /* a handler's failure is its client's affair, not the group's */
}

static enum MHD_Result exchange_start(struct http_exchange *x)
{
	struct err e;
	x->fiber = group_start(x->server->group, "http_exchange", exchange_run, x, &e);
	if (!x->fiber)
		return respond_plain(x->connection, MHD_HTTP_SERVICE_UNAVAILABLE);
	http_exchange_suspend(x);
	return MHD_YES;
}

/* ---- libmicrohttpd's callbacks ---- */

static enum MHD_Result body_take(struct http_exchange *x, const char *piece, size_t *n)
{
	if (!buf_add(x->body, (struct str){ piece, *n }))
		x->refused += *n;
	*n = 0;
	return x->refused < DRAIN_BYTES ? MHD_YES : MHD_NO;
}

static enum MHD_Result close_unanswered(struct http_exchange *x)
{
	if (x->reset)
		http_exchange_abort(x->connection);
	return MHD_NO;
}

enum MHD_Result http_on_request(void *server, struct MHD_Connection *c, const char *path, const char *method,
	const char *version, const char *piece, size_t *n, void **exchange)
{
	struct http_exchange *x = *exchange;
	(void)version;
	if (!x) {
		*exchange = exchange_new(server, c, path, method);
		return MHD_YES;
	}
	if (*n)
		return body_take(x, piece, n);
	if (x->finished)
		return close_unanswered(x);
	if (x->refused)
		return respond_plain(c, MHD_HTTP_CONTENT_TOO_LARGE);
	return exchange_start(x);
}

void http_on_completed(void *server, struct MHD_Connection *c, void **exchange, enum MHD_RequestTerminationCode why)
{
	struct http_exchange *x = *exchange;
	(void)c, (void)why;
	((struct http_server *)server)->run_again = true;
	if (!x)
		return;
	*exchange = NULL;
	x->connection = NULL;
	task_wake(x->waiter);
	exchange_unlink(x);
	exchange_release(x);
}
