/* SPDX-License-Identifier: MIT */
/* One turn over HTTP: request out, body into the accumulator while it arrives, every ending named. */
#include "anthropic.h"
#include "wire.h"

enum { PAGE_BYTES = 4096 }; /* of a body that should have been a stream: its beginning says what it is */

struct call {
	const struct model_config *config;
	struct anthropic_stream *stream;
	struct buf *page;      /* what came instead of a stream */
	bool streaming;
};

static bool is_event_stream(const char *content_type)
{
	static const char wanted[] = "text/event-stream";
	size_t n = sizeof(wanted) - 1;
	return strncasecmp(content_type, wanted, n) == 0 && (!content_type[n] || strchr("; \t", content_type[n]));
}

static bool take_head(void *self, int status, const char *content_type)
{
	struct call *c = self;
	c->streaming = status == 200 && content_type && is_event_stream(content_type);
	return true;
}

/* An endless page is left as soon as enough of it is here; its status says the rest. */
static bool take_page(struct buf *page, struct str piece, struct err *e)
{
	size_t room = page->limit - page->n;
	buf_add(page, (struct str){ piece.p, MIN_OF(piece.n, room) });
	return piece.n <= room || FAIL(e, ERR_BUSY, "model_garbage", "more than %zu bytes of a page", page->limit);
}

static bool take_data(void *self, struct str piece, struct err *e)
{
	struct call *c = self;
	return c->streaming ? anthropic_stream_feed(c->stream, piece, e) : take_page(c->page, piece, e);
}

static bool cut(struct err *e)
{
	e->code = "model_cut";
	return err_prefix(e, "the model's answer broke off: ");
}

/* The call has ended, well or badly: which of its endings is this? */
static bool call_end(struct call *c, bool ok, const struct http_reply *reply, struct arena *a, struct model_turn *turn,
	struct err *e)
{
	bool cancelled = !ok && e->kind == ERR_CANCELLED;
	if (cancelled || (!ok && reply->status == 0))
		return false;
	take_head(c, reply->status, reply->content_type); /* a body without a byte was never announced */
	if (!c->streaming)
		return anthropic_fail_status(c->config, reply, buf_str(c->page), e);
	bool lost = !ok && (e->kind == ERR_NET || e->kind == ERR_TIMEOUT);
	if (ok || (lost && anthropic_stream_whole(c->stream)))
		return anthropic_stream_end(c->stream, a, turn, e);
	return e->kind == ERR_NET ? cut(e) : false;
}

/* The provider's support asks for this id. */
static bool name_request(const struct http_reply *reply, const char *secret, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *id = wire_excerpt(tmp, str_of(http_reply_header(reply, "request-id")), 64, secret);
	if (*id && e->kind != ERR_CANCELLED && !strstr(e->msg, id))
		err_prefix(e, "model request %s: ", id);
	return false;
}

bool model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e)
{
	ARENA_SCOPE(tmp); /* of the stream: a turn that fails leaves nothing in a */
	struct str body;
	if (!anthropic_request_body(tmp, &m->config, rq, &body, e))
		return false;
	struct call c = { .config = &m->config, .stream = anthropic_stream_new(tmp, &m->config, thoughts),
		.page = buf_new(tmp, PAGE_BYTES) };
	struct http_request http = { .url = anthropic_request_url(tmp, &m->config),
		.headers = anthropic_request_headers(tmp, &m->config), .body = body, .limits = m->config.limits };
	struct http_sink sink = { take_data, take_head, &c };
	struct http_reply reply = { 0 };
	bool ok = http_call(m->http, tmp, &http, &sink, deadline, &reply, e);
	return call_end(&c, ok, &reply, a, turn, e) || name_request(&reply, m->config.api_key, e);
}
