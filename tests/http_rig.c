/* SPDX-License-Identifier: MIT */
/* The pages of the server that the HTTP client is tested against, and the start and end of both. */
#include "http_rig.h"

/* ---- the server's pages ---- */

static bool page_echo(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	const char *tag = http_exchange_header(x, "x-tag");
	struct http_header extra[] = { { "X-Method", http_exchange_method(x) },
		{ "X-Tag", !tag ? "none" : tag[0] ? tag : "empty" }, { 0 } };
	return http_respond(x, 200, "text/plain", extra, e) && http_respond_write(x, http_exchange_body(x), e);
}

static bool pieces(struct http_exchange *x, int64_t pause_ms, struct err *e)
{
	if (!http_respond(x, 200, "text/event-stream", NULL, e))
		return false;
	for (int i = 0; i < 5; i++)
		if (!http_respond_write(x, STR("piece;"), e) || !loop_sleep(pause_ms, e))
			return false;
	return true;
}

static bool page_pieces(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return pieces(x, 5, e);
}

static bool page_steady(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return pieces(x, 100, e);
}

/* Answers when all who are expected are there. */
static bool page_gather(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	r->gathered++;
	while (r->gathered < HTTP_RIG_GATHER)
		if (!loop_sleep(2, e))
			return false;
	return pieces(x, 5, e);
}

static bool page_large(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	char block[1024];
	memset(block, 'x', sizeof(block));
	bool ok = http_respond(x, 200, NULL, NULL, e);
	for (int i = 0; ok && i < 4096; i++)
		ok = http_respond_write(x, (struct str){ block, sizeof(block) }, e);
	return ok;
}

static bool page_mute(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r, (void)x;
	return loop_sleep(60000, e);
}

static bool page_stall(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(60000, e);
}

static bool page_cut(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	http_respond_cut(x, false);
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(20, e);
}

static bool page_reset(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	http_respond_cut(x, true);
	return http_respond(x, 200, NULL, NULL, e) && http_respond_write(x, STR("half"), e) && loop_sleep(20, e);
}

static bool page_redirect(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 302, NULL, (struct http_header[]){ { "Location", "/echo" }, { 0 } }, e);
}

static bool page_error(struct http_rig *r, struct http_exchange *x, struct err *e)
{
	(void)r;
	return http_respond(x, 404, "application/json", NULL, e) && http_respond_write(x, STR("{\"no\":1}"), e);
}

static const struct {
	const char *path;
	bool (*page)(struct http_rig *r, struct http_exchange *x, struct err *e);
} pages[] = {
	{ "/echo", page_echo }, { "/pieces", page_pieces }, { "/large", page_large }, { "/mute", page_mute },
	{ "/stall", page_stall }, { "/cut", page_cut }, { "/reset", page_reset }, { "/redirect", page_redirect },
	{ "/error", page_error }, { "/steady", page_steady }, { "/gather", page_gather },
};

static bool serve(void *self, struct http_exchange *x, struct err *e)
{
	for (size_t i = 0; i < COUNT(pages); i++)
		if (strcmp(pages[i].path, http_exchange_path(x)) == 0)
			return pages[i].page(self, x, e);
	return FAIL(e, ERR_INPUT, "no_page", "no page %s", http_exchange_path(x));
}

/* ---- the rig ---- */

static void rig_end(void *self)
{
	struct http_rig *r = self;
	struct err e;
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	http_free(r->http);
	http_server_close(r->server);
	group_wait(&r->group, deadline_in(1000), &e);
	CHECK_EQ_I((int64_t)r->group.running, 0);
	net_check_descriptors(r->descriptors);
}

struct http_rig *http_rig_new(struct arena *a)
{
	struct http_rig *r = arena_alloc(a, sizeof(*r));
	struct err e = { 0 };
	r->descriptors = net_descriptors();
	r->http = http_new();
	r->server = http_server_open(&(struct http_server_options){ .body_bytes = 1 << 20 }, &r->group, serve, r, &e);
	if (!test_check(r->server, __FILE__, __LINE__, e.msg))
		abort();
	arena_defer(a, rig_end, r);
	return r;
}

const char *http_rig_url(struct arena *a, const struct http_rig *r, const char *path)
{
	return arena_printf(a, "http://127.0.0.1:%d%s", http_server_port(r->server), path);
}

const char *http_port_url(struct arena *a, int port)
{
	return arena_printf(a, "http://127.0.0.1:%d/", port);
}

bool http_rig_get(struct http_rig *r, struct arena *a, const char *path, struct http_reply *reply, struct err *e)
{
	struct http_request rq = { .url = http_rig_url(a, r, path) };
	return http_call(r->http, a, &rq, NULL, deadline_in(5000), reply, e);
}

/* ---- sinks and calls ---- */

bool http_collect(void *self, struct str piece, struct err *e)
{
	struct http_collector *c = self;
	buf_add(c->all, piece);
	return ++c->pieces != c->fail_after || FAIL(e, ERR_BUSY, "sink_full", "the sink has enough");
}

bool http_rig_call_run(void *arg, struct err *unused)
{
	struct http_rig_call *c = arg;
	ARENA_SCOPE(a);
	struct http_reply reply;
	struct http_sink sink = { .data = http_collect, .self = c->collector };
	struct http_request rq = { .url = c->url };
	(void)unused;
	c->task = task_self();
	c->ok = http_call(c->http, a, &rq, c->collector ? &sink : NULL, deadline_in(5000), &reply, &c->e);
	c->ended = true;
	return true;
}
