/* SPDX-License-Identifier: MIT */
/* The HTTP client: one call from start to end, as its fiber sees it. */
#include "fiber.h"
#include "http_impl.h"

struct http *http_new(void)
{
	struct http *h = mem_alloc(sizeof(*h));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->swarm = swarm_new();
	h->names = names_new();
	h->share = curl_share_init();
	if (!h->share || curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
		abort(); /* out of memory */
	h->ca_file = http_ca_file();
	h->proxied = http_proxied();
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < HTTP_SHARDS; i++)
		http_shard_close(&h->shards[i]);
	for (size_t i = 0; i < HTTP_SHARED; i++)
		http_shard_close(&h->shared[i]);
	swarm_free(h->swarm);
	curl_share_cleanup(h->share);
	names_free(h->names);
	curl_global_cleanup();
	free(h);
}

size_t http_running(const struct http *h)
{
	size_t n = 0;
	for (size_t i = 0; i < HTTP_SHARDS; i++)
		n += h->shards[i].running;
	for (size_t i = 0; i < HTTP_SHARED; i++)
		n += h->shared[i].running;
	return n;
}

static struct http_transfer *transfer_new(struct http *h, struct arena *a, const struct http_request *rq,
	const struct http_sink *sink)
{
	struct http_transfer *t = arena_alloc(a, sizeof(*t));
	t->http = h;
	t->arena = a;
	t->task = task_self();
	t->request = rq;
	if (sink)
		t->sink = *sink;
	t->started = t->last_byte = clock_ms();
	t->method = rq->method ? rq->method : rq->body.n ? "POST" : "GET";
	t->head = buf_new(a, HTTP_HEAD_BYTES);
	t->body = buf_new(a, rq->limits.body_bytes ? rq->limits.body_bytes : HTTP_BODY_DEFAULT);
	return t;
}

/* The only way out of a call, whatever happened: after it libcurl knows nothing of the transfer. */
static void transfer_end(struct http_transfer *t)
{
	http_shard_remove(t);
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->url);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolve);
}

/* A park that ended in time says only that the limit known when it began has passed: pieces may have come since. */
static bool still_time(const struct http_transfer *t, int64_t deadline, struct err *e)
{
	int64_t now = clock_ms(), due = http_due(t);
	if (e->kind != ERR_TIMEOUT || now < t->parked_until || (deadline != NEVER_MS && now >= deadline))
		return http_fail_prefix(t, e);
	return due == NEVER_MS || now < due || http_fail_due(t, e);
}

static bool transfer_work(struct http_transfer *t, struct err *e)
{
	if (!t->sink.work)
		return true;
	t->parked_until = t->started; /* past: no piece wakes it for a limit while it works */
	return t->sink.work(t->sink.self, e);
}

static bool transfer_wait(struct http_transfer *t, int64_t deadline, struct err *e)
{
	fiber_stack_trim(); /* what it took to get here is deeper than what waits */
	while (!t->done) {
		t->parked_until = deadline_first(http_due(t), deadline);
		if (!loop_park(t->parked_until, e) && !t->done && !still_time(t, deadline, e))
			return false;
		if (!t->done && !transfer_work(t, e))
			return false;
	}
	return transfer_work(t, e);
}

bool http_call(struct http *h, struct arena *a, const struct http_request *rq, const struct http_sink *sink,
	int64_t deadline, struct http_reply *reply, struct err *e)
{
	struct http_transfer *t = transfer_new(h, a, rq, sink);
	bool ok = http_url_read(t, e) && http_name_find(t, deadline, e) && http_easy_setup(t, e)
		&& http_shard_add(t, e) && transfer_wait(t, deadline, e) && http_result(t, e);
	transfer_end(t);
	http_reply_fill(t, reply);
	return ok;
}
