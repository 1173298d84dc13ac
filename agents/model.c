/* SPDX-License-Identifier: MIT */
/* One turn over HTTP, whatever the provider: request out, body into the answer while it arrives, every ending named. */
#include "anthropic.h"
#include "clock.h"
#include "loop.h"
#include "openai.h"
#include "wire.h"

enum { PAGE_BYTES = 4096 }; /* of a body that should have been a stream: its beginning says what it is */

const struct model_api *const model_apis[] = { &anthropic_api, &openai_api, NULL };

const struct model_api *model_api_find(const char *name)
{
	for (size_t i = 0; model_apis[i]; i++)
		if (strcmp(model_apis[i]->name, name) == 0)
			return model_apis[i];
	return NULL;
}

static const struct model_api *api_of(const struct model_config *c)
{
	return c->api ? c->api : model_apis[0];
}

/* People give a base with and without its version. */
const char *model_api_url(struct arena *a, const struct model_config *c)
{
	struct str base = str_of(c->base_url);
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (base.n > 3 && memcmp(base.p + base.n - 3, "/v1", 3) == 0)
		base.n -= 3;
	return arena_printf(a, "%.*s%s", STR_ARGS(base), api_of(c)->path);
}

bool model_body_end(struct arena *a, const cJSON *tree, struct str *body, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct str text = str_of(json_print(tmp, tree));
	if (text.n > MODEL_REQUEST_BYTES)
		return FAIL(e, ERR_INPUT, "request_too_large",
			"the request to the model has %zu bytes, at most %d are taken: shorten the conversation or the "
			"results of its tools", text.n, MODEL_REQUEST_BYTES);
	*body = (struct str){ arena_text(a, text), text.n };
	return true;
}

/* ---- a call ---- */

/* On the heap, not on the fiber's stack, and in front what each piece needs: it is not in the processor's cache. */
struct call {
	struct model_answer *answer;
	bool streaming, refused; /* refused: by the caller's block_ended */
	bool tells;              /* the caller wants to know of each block */
	const struct model_config *config;
	const struct model_api *api;
	const struct model_request *request;
	struct arena *arena;   /* of the turn */
	struct arena *scratch; /* of the call */
	struct task *task;
	struct buf *page;      /* what came instead of a stream */
	struct model_block *blocks; /* that have ended */
	size_t n;
	int64_t head_ms;       /* when the head came */
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
	c->head_ms = clock_ms();
	return true;
}

/* An endless page is left as soon as enough of it is here; its status says the rest. */
static bool take_page(struct buf *page, struct str piece, struct err *e)
{
	size_t room = page->limit - page->n;
	buf_add(page, (struct str){ piece.p, MIN_OF(piece.n, room) });
	return piece.n <= room || GARBAGE(e, "more than %zu bytes of a page", page->limit);
}

static bool take_data(void *self, struct str piece, struct err *e)
{
	struct call *c = self;
	if (!c->streaming)
		return take_page(c->page, piece, e);
	bool ok = model_answer_feed(c->answer, piece, e);
	if (c->tells && model_answer_ready(c->answer))
		task_wake(c->task); /* for a block, never for an event */
	return ok;
}

/* ---- blocks, in the fiber ---- */

static void block_keep(struct call *c, const struct model_block *b)
{
	c->blocks = arena_grow(c->scratch, c->blocks, c->n, sizeof(*c->blocks));
	c->blocks[c->n++] = *b;
}

/* Others may end while the caller keeps one: until none is left. */
static bool take_blocks(void *self, struct err *e)
{
	struct call *c = self;
	const struct model_request *rq = c->request;
	struct model_block b;
	while (model_answer_next(c->answer, c->arena, &b)) {
		block_keep(c, &b);
		c->refused = rq->block_ended && !rq->block_ended(rq->self, &b, e);
		if (c->refused)
			return false;
	}
	return true;
}

/* ---- the end ---- */

static bool turn_fill(const struct call *c, struct model_turn *turn)
{
	const struct model_answer *s = c->answer;
	struct model_turn t = { .n = c->n, .usage = s->usage, .config = c->config, .answered_ms = c->head_ms };
	t.blocks = arena_alloc(c->arena, c->n * sizeof(*t.blocks));
	if (c->n)
		memcpy(t.blocks, c->blocks, c->n * sizeof(*t.blocks));
	t.stop_reason = arena_text(c->arena, str_of(s->stop_reason));
	t.message_id = arena_text(c->arena, str_of(s->id));
	t.model = arena_text(c->arena, str_of(s->model));
	*turn = t;
	return true;
}

static bool cut(struct err *e)
{
	e->code = "model_cut";
	return err_prefix(e, "the model's answer broke off: ");
}

/* The call has ended, well or badly: which of its endings is this? */
static bool call_end(struct call *c, bool ok, const struct http_reply *reply, struct model_turn *turn, struct err *e)
{
	bool cancelled = !ok && e->kind == ERR_CANCELLED;
	if (cancelled || c->refused || (!ok && reply->status == 0))
		return false;
	if (!c->head_ms)
		take_head(c, reply->status, reply->content_type); /* a body without a byte was never announced */
	if (!c->streaming)
		return model_fail_status(c->config, reply, buf_str(c->page), e);
	bool lost = !ok && (e->kind == ERR_NET || e->kind == ERR_TIMEOUT);
	if (ok || (lost && c->answer->whole))
		return c->api->end(c->answer, e) && take_blocks(c, e) && turn_fill(c, turn);
	return e->kind == ERR_NET ? cut(e) : false;
}

/* The provider's support asks for this id. */
static bool name_request(const struct call *c, const struct http_reply *reply, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *given = http_reply_header(reply, c->api->request_id);
	const char *id = wire_excerpt(tmp, str_of(given), 64, c->config->api_key);
	if (*id && !c->refused && e->kind != ERR_CANCELLED && !strstr(e->msg, id))
		err_prefix(e, "model request %s: ", id);
	return false;
}

/* It is paid for, though nobody says for how much: what was heard of it, and four bytes a token of the rest. */
static void count_broken(const struct call *c, size_t asked, struct model_usage *sum)
{
	enum { BYTES_A_TOKEN = 4 };
	struct model_usage u = c->answer->usage;
	bool told = u.input_tokens + u.cache_write_tokens + u.cache_read_tokens > 0;
	if (!told && !c->answer->bytes)
		return;
	sum->input_tokens += told ? u.input_tokens : (int64_t)(asked / BYTES_A_TOKEN);
	sum->output_tokens += MAX_OF(u.output_tokens, (int64_t)(c->answer->bytes / BYTES_A_TOKEN));
	sum->cache_write_tokens += u.cache_write_tokens;
	sum->cache_read_tokens += u.cache_read_tokens;
}

static bool call_run(struct call *c, struct http *h, int64_t deadline, struct model_turn *turn, struct err *e)
{
	const struct model_config *config = c->config;
	struct str body;
	if (!c->api->body(c->scratch, config, c->request, &body, e))
		return false;
	struct http_request http = { .url = model_api_url(c->scratch, config), .http2 = config->http2,
		.headers = c->api->headers(c->scratch, config), .body = body, .limits = config->limits };
	struct http_sink sink = { .data = take_data, .head = take_head, .self = c,
		.work = c->request->block_ended ? take_blocks : NULL };
	struct http_reply reply = { 0 };
	bool ok = http_call(h, c->scratch, &http, &sink, deadline, &reply, e);
	bool ended = call_end(c, ok, &reply, turn, e);
	if (c->request->rate && reply.status)
		model_rate_read(c->api, &reply, clock_ms() - c->head_ms, c->request->rate);
	if (!ended && c->request->broken)
		count_broken(c, body.n, c->request->broken);
	return ended || name_request(c, &reply, e);
}

bool model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e)
{
	ARENA_SCOPE(tmp); /* of the stream: a turn that fails leaves nothing in a but the blocks that were told */
	const struct model_api *api = api_of(&m->config);
	struct call *c = arena_alloc(tmp, sizeof(*c));
	*c = (struct call){ .config = &m->config, .api = api, .request = rq, .tells = rq->block_ended != NULL, .arena = a,
		.scratch = tmp, .task = task_self(), .answer = api->stream(tmp, &m->config, rq, thoughts),
		.page = buf_new(tmp, PAGE_BYTES) };
	return call_run(c, m->http, deadline, turn, e);
}
