/* SPDX-License-Identifier: MIT */
/* How long a transfer may take in each step, and which error each ending is. */
#include "http_impl.h"

static int64_t after(int64_t start, int64_t ms)
{
	return ms > 0 ? start + ms : NEVER_MS;
}

static int64_t silence_due(const struct http_transfer *t)
{
	const struct http_limits *l = &t->request->limits;
	switch (t->step) {
	case HTTP_SENT:
		return after(t->last_byte, l->first_byte_ms);
	case HTTP_ANSWERED:
		return after(t->last_byte, l->stall_ms);
	default: /* libcurl itself limits connecting, but not the wait for another call's connection */
		return t->shares ? after(t->started, l->connect_ms) : NEVER_MS;
	}
}

int64_t http_due(const struct http_transfer *t)
{
	return deadline_first(silence_due(t), after(t->started, t->request->limits.total_ms));
}

bool http_fail_due(const struct http_transfer *t, struct err *e)
{
	const struct http_limits *l = &t->request->limits;
	if (http_due(t) != silence_due(t))
		FAIL(e, ERR_TIMEOUT, "total_timeout", "not complete after %ld ms", (long)l->total_ms);
	else if (t->step <= HTTP_CONNECT)
		FAIL(e, ERR_TIMEOUT, "connect_timeout", "no connection within %ld ms", (long)l->connect_ms);
	else if (t->step == HTTP_SENT)
		FAIL(e, ERR_TIMEOUT, "first_byte_timeout", "no answer within %ld ms", (long)l->first_byte_ms);
	else
		FAIL(e, ERR_TIMEOUT, "stall_timeout", "silent for %ld ms after %zu bytes",
			(long)l->stall_ms, t->received);
	return http_fail_prefix(t, e);
}

static const char *step_name(const struct http_transfer *t)
{
	static const char *const names[] = { "resolve", "connect", "request", "response" };
	return t->step == HTTP_CONNECT && t->tls ? "connect or TLS" : names[t->step];
}

bool http_fail_prefix(const struct http_transfer *t, struct err *e)
{
	return err_prefix(e, "%s %s: %s: ", t->method, t->place, step_name(t));
}

static bool fail_unreachable(const struct http_transfer *t, const char *why, struct err *e)
{
	static const CURLcode ours[] = { CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_BAD_FUNCTION_ARGUMENT };
	for (size_t i = 0; i < COUNT(ours); i++)
		if (t->result == ours[i])
			return FAIL(e, ERR_BUG, "http_internal", "libcurl: %s", why);
	return FAIL(e, ERR_NET, "http_unreachable", "%s", why);
}

static bool fail_midway(const struct http_transfer *t, const char *why, struct err *e)
{
	static const CURLcode cut[] = { CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE,
		CURLE_HTTP2, CURLE_HTTP2_STREAM };
	for (size_t i = 0; i < COUNT(cut); i++)
		if (t->result == cut[i])
			return FAIL(e, ERR_NET, "http_cut", "%s", why);
	return FAIL(e, ERR_NET, "http_bad_reply", "%s", why);
}

/* libcurl takes a head that breaks off for a whole reply. */
static bool is_whole(const struct http_transfer *t)
{
	return t->result == CURLE_OK && t->head_ended && t->status >= 200;
}

bool http_result(const struct http_transfer *t, struct err *e)
{
	const char *why = t->why[0] ? t->why : curl_easy_strerror(t->result);
	if (is_whole(t))
		return true;
	if (t->failure.kind != ERR_NONE)
		*e = t->failure;
	else if (t->result == CURLE_OK)
		FAIL(e, ERR_NET, "http_cut", "the connection ended within the head");
	else if (t->step > HTTP_CONNECT)
		fail_midway(t, why, e);
	else if (t->result == CURLE_OPERATION_TIMEDOUT)
		FAIL(e, ERR_TIMEOUT, "connect_timeout", "no connection within %ld ms",
			(long)t->request->limits.connect_ms);
	else
		fail_unreachable(t, why, e);
	return http_fail_prefix(t, e);
}
