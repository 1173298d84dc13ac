/* SPDX-License-Identifier: MIT */
/*
 * libcurl's multi handles on libuv. libcurl may not be called from its own callbacks: they only note and wake, and the
 * fiber takes its transfer out itself.
 */
#include "http_impl.h"

enum { IDLE_CONNECTIONS = 1024 }; /* a shard keeps; a new TLS connection costs more than an idle one */

/* ---- what has finished ---- */

static void shard_reap(CURLM *multi)
{
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
		char *private = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		struct http_transfer *t = (struct http_transfer *)private;
		if (m->msg != CURLMSG_DONE || !t)
			continue;
		t->done = true;
		t->result = m->data.result;
		task_wake(t->task);
	}
}

static void shard_act(CURLM *multi, curl_socket_t fd, int events)
{
	int running;
	curl_multi_socket_action(multi, fd, events, &running);
	shard_reap(multi);
}

/* ---- sockets ---- */

static void on_ready(void *multi, int fd, bool readable, bool writable)
{
	shard_act(multi, fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
}

/* libcurl also announces the removal of sockets that it never announced. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *shard, void *known)
{
	const struct http_shard *s = shard;
	struct swarm_member *m = known;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(s->multi, fd, NULL);
		swarm_leave(m);
		return 0;
	}
	if (!m) {
		m = swarm_join(s->swarm, fd, on_ready, s->multi);
		curl_multi_assign(s->multi, fd, m);
	}
	return swarm_want(m, what & CURL_POLL_IN, what & CURL_POLL_OUT) ? 0 : -1;
}

/* ---- time ---- */

static void on_time(uv_timer_t *timer)
{
	shard_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long ms, void *timer)
{
	(void)multi;
	if (ms < 0)
		uv_timer_stop(timer);
	else
		uv_timer_start(timer, on_time, (uint64_t)ms, 0);
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	free(handle);
}

/* ---- shards ---- */

static bool multi_setup(struct http_shard *s, bool shared)
{
	return curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK
		&& curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s) == CURLM_OK
		&& curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK
		&& curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s->timer) == CURLM_OK
		&& curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS) == CURLM_OK
		&& curl_multi_setopt(s->multi, CURLMOPT_PIPELINING,
			shared ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING) == CURLM_OK;
}

static bool shard_open(struct http_shard *s, struct swarm *swarm, bool shared)
{
	if (s->multi)
		return true;
	s->swarm = swarm;
	s->multi = curl_multi_init();
	if (!s->multi)
		return false;
	s->timer = mem_alloc(sizeof(*s->timer));
	uv_timer_init(loop_uv(), s->timer);
	s->timer->data = s->multi;
	return multi_setup(s, shared);
}

void http_shard_close(struct http_shard *s)
{
	if (!s->multi)
		return;
	curl_multi_cleanup(s->multi);
	uv_close((uv_handle_t *)s->timer, timer_closed);
}

/* The least busy, the first among equals: calls in turn reuse one connection, calls at once spread. */
static struct http_shard *shard_pick(struct http *h)
{
	struct http_shard *least = &h->shards[0];
	for (size_t i = 1; i < HTTP_SHARDS; i++)
		if (h->shards[i].running < least->running)
			least = &h->shards[i];
	return least;
}

/* The first that one connection can still serve, so that few are opened; beyond them the least busy. */
static struct http_shard *shared_pick(struct http *h)
{
	struct http_shard *least = &h->shared[0];
	for (size_t i = 0; i < HTTP_SHARED; i++) {
		if (h->shared[i].running < HTTP_STREAMS)
			return &h->shared[i];
		if (h->shared[i].running < least->running)
			least = &h->shared[i];
	}
	return least;
}

bool http_shard_add(struct http_transfer *t, struct err *e)
{
	struct http_shard *s = t->shares ? shared_pick(t->http) : shard_pick(t->http);
	CURLMcode rc = shard_open(s, t->http->swarm, t->shares) ? curl_multi_add_handle(s->multi, t->easy) : CURLM_INTERNAL_ERROR;
	if (rc != CURLM_OK)
		return FAIL(e, ERR_BUG, "http_internal", "cannot start a transfer: %s", curl_multi_strerror(rc));
	t->shard = s;
	s->running++;
	return true;
}

void http_shard_remove(struct http_transfer *t)
{
	if (!t->shard)
		return;
	curl_multi_remove_handle(t->shard->multi, t->easy);
	t->shard->running--;
	t->shard = NULL;
}
