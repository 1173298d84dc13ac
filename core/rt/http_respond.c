/* SPDX-License-Identifier: MIT */
/* What a handler sees of its request, and how it answers: written pieces wait in a buffer for the connection. */
#include "http_server_impl.h"
#include <strings.h>
#include <sys/socket.h>

enum { OUT_LOW = HTTP_OUT_BYTES / 4, BLOCK_BYTES = 2048 };

const char *http_exchange_method(const struct http_exchange *x)
{
	return x->method;
}

const char *http_exchange_path(const struct http_exchange *x)
{
	return x->path;
}

const char *http_exchange_header(const struct http_exchange *x, const char *name)
{
	for (size_t i = 0; i < x->n_headers; i++)
		if (strcasecmp(x->headers[i].name, name) == 0)
			return x->headers[i].value;
	return NULL;
}

struct str http_exchange_body(const struct http_exchange *x)
{
	return buf_str(x->body);
}

/* ---- the connection takes ---- */

/* Disconnecting a TCP socket sends the reset at once; a close would come after libmicrohttpd's own shutdown. */
void http_exchange_abort(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	static const struct linger none = { .l_onoff = 1 };
	if (info) {
		setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		connect(info->connect_fd, &nowhere, sizeof(nowhere));
	}
}

/* libmicrohttpd forgets a connection that failed without an event on its socket: this makes one. */
static void hang_up(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static ssize_t out_take(struct http_exchange *x, char *to, size_t n)
{
	memcpy(to, x->out->p, n);
	buf_drop(x->out, n);
	if (x->out->n <= OUT_LOW)
		task_wake(x->waiter);
	return (ssize_t)n;
}

static ssize_t on_read(void *exchange, uint64_t position, char *to, size_t room)
{
	struct http_exchange *x = exchange;
	(void)position;
	if (x->out->n)
		return out_take(x, to, MIN_OF(room, x->out->n));
	if (!x->finished) {
		http_exchange_suspend(x);
		return 0;
	}
	if (!x->cut)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (x->reset)
		http_exchange_abort(x->connection);
	else
		hang_up(x->connection);
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* ---- the handler gives ---- */

static bool fail_gone(const struct http_exchange *x, struct err *e)
{
	return FAIL(e, ERR_NET, "http_client_gone", "%s %s: the client is gone", x->method, x->path);
}

static struct MHD_Response *response_new(struct http_exchange *x, const char *type, const struct http_header *headers)
{
	struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, x, NULL);
	bool ok = r && (!type || MHD_add_response_header(r, "Content-Type", type) == MHD_YES);
	for (const struct http_header *h = headers; ok && h && h->name; h++)
		ok = MHD_add_response_header(r, h->name, h->value) == MHD_YES;
	if (!ok && r)
		MHD_destroy_response(r);
	return ok ? r : NULL;
}

static bool response_queue(struct http_exchange *x, int status, struct MHD_Response *r)
{
	enum MHD_Result ok = r ? MHD_queue_response(x->connection, (unsigned)status, r) : MHD_NO;
	if (r)
		MHD_destroy_response(r);
	return ok == MHD_YES;
}

bool http_respond(struct http_exchange *x, int status, const char *content_type, const struct http_header *headers,
	struct err *e)
{
	if (x->responded)
		return FAIL(e, ERR_BUG, "http_responded_twice", "%s %s: the response has begun already", x->method,
			x->path);
	if (!x->connection)
		return fail_gone(x, e);
	if (!response_queue(x, status, response_new(x, content_type, headers)))
		return FAIL(e, ERR_BUG, "http_bad_response",
			"%s %s: status %d or a header of the response is not allowed", x->method, x->path, status);
	x->responded = true;
	x->no_body = x->no_body || status == MHD_HTTP_NO_CONTENT || status == MHD_HTTP_NOT_MODIFIED;
	http_exchange_resume(x);
	return true;
}

static bool room_wait(struct http_exchange *x, struct err *e)
{
	bool ok = true;
	x->waiter = task_self();
	while (ok && x->connection && x->out->n > OUT_LOW)
		ok = loop_park(NEVER_MS, e);
	x->waiter = NULL;
	return ok;
}

bool http_respond_write(struct http_exchange *x, struct str piece, struct err *e)
{
	if (!x->responded)
		return FAIL(e, ERR_BUG, "http_no_head", "%s %s: a body before its head", x->method, x->path);
	while (piece.n && !x->no_body && x->connection) {
		size_t n = MIN_OF(piece.n, (size_t)HTTP_OUT_BYTES - x->out->n);
		buf_add(x->out, (struct str){ piece.p, n });
		piece = (struct str){ piece.p + n, piece.n - n };
		http_exchange_resume(x);
		if (piece.n && !room_wait(x, e))
			return false;
	}
	return x->no_body || x->connection || fail_gone(x, e);
}

void http_respond_cut(struct http_exchange *x, bool reset)
{
	x->cut = true;
	x->reset = reset;
}
