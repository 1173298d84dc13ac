/* SPDX-License-Identifier: MIT */
/* One call: rendered, sent, judged. What comes back is shown without the secrets that went out. */
#include "tool_http.h"
#include "address.h"
#include "json_point.h"
#include "loop.h"
#include "wire_scan.h"
#include <strings.h>

enum { HEADERS_MORE = 5, TOLD_BYTES = 300 };

/* ---- what is sent ---- */

static bool has_header(const struct http_header *headers, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return true;
	return false;
}

static bool headers_of(struct tool_env *env, const struct tool_http_call *call, const struct template_values *v,
	const struct http_header **out, struct err *e)
{
	const struct tool_http *t = env->tool->self;
	struct http_header *all = arena_alloc(env->arena, (call->n_headers + HEADERS_MORE) * sizeof(*all));
	size_t n = 0;
	for (; n < call->n_headers; n++) {
		const struct tool_http_header *h = &call->headers[n];
		all[n] = (struct http_header){ h->name, h->secret };
		if (!h->secret && !template_render(env->arena, &h->value, v, &all[n].value, e))
			return false;
	}
	if (t->key_header && env->idempotency_key && call == &t->call)
		all[n++] = (struct http_header){ t->key_header, env->idempotency_key };
	if (call->body && !has_header(all, n, "content-type"))
		all[n++] = (struct http_header){ "Content-Type", "application/json" };
	if (!has_header(all, n, "accept"))
		all[n++] = (struct http_header){ "Accept", "application/json, text/*;q=0.5" };
	if (!has_header(all, n, "user-agent"))
		all[n++] = (struct http_header){ "User-Agent", "drover" };
	*out = all;
	return true;
}

static bool body_of(struct arena *a, const struct tool_http_call *call, const struct template_values *v, struct str *out,
	struct err *e)
{
	cJSON *json = NULL;
	if (call->body == HTTP_BODY_INPUT)
		json = template_input(a, v);
	else if (call->body == HTTP_BODY_JSON && !template_render_json(a, call->json, v, &json, e))
		return false;
	*out = json ? str_of(json_print(a, json)) : (struct str){ 0 };
	return true;
}

static bool send_call(struct tool_env *env, const struct tool_http_call *call, const void *args, struct http_reply *reply,
	struct err *e)
{
	const struct tool_http *t = env->tool->self;
	struct template_values v = { t->fields, args, env->idempotency_key };
	struct http_request rq = { .method = call->method, .direct = true,
		.address_allowed = t->private_addresses ? NULL : address_is_public,
		.limits = { .connect_ms = t->time_ms, .total_ms = t->time_ms, .body_bytes = t->bytes } };
	*reply = (struct http_reply){ 0 };
	if (!template_render(env->arena, &call->url, &v, &rq.url, e) || !headers_of(env, call, &v, &rq.headers, e) ||
		!body_of(env->arena, call, &v, &rq.body, e))
		return false;
	return http_call(env->http, env->arena, &rq, NULL, env->deadline, reply, e);
}

/* ---- what comes back ---- */

/* Longest first would matter only for secrets within secrets: those are hidden as far as they go. */
static struct str hide(struct arena *a, const struct tool_http *t, struct str s)
{
	for (const char *const *secret = t->secrets; secret && *secret; secret++) {
		size_t n = strlen(*secret), at = 0;
		struct buf *b = NULL;
		for (const char *hit; (hit = memmem(s.p + at, s.n - at, *secret, n));) {
			b = b ? b : buf_new(a, 2 * s.n + 16);
			buf_add(b, (struct str){ s.p + at, (size_t)(hit - s.p) - at });
			buf_add(b, STR("***"));
			at = (size_t)(hit - s.p) + n;
		}
		if (b) {
			buf_add(b, (struct str){ s.p + at, s.n - at });
			s = buf_str(b);
		}
	}
	return s;
}

static const cJSON *raw(struct arena *a, const char *json)
{
	cJSON *list = json_array(a);
	json_add_raw(list, json);
	return cJSON_GetArrayItem(list, 0);
}

/*
 * As it was sent where that is safe, for cJSON's numbers are doubles; read and written again where escapes could hold a
 * secret, or what no column takes. NULL when it is no JSON, or none without its secrets.
 */
static const char *json_text_of(struct arena *a, const struct tool_http *t, struct str body)
{
	struct err ignored;
	const cJSON *json = json_parse(a, body, &ignored);
	if (!json)
		return NULL;
	bool escapes = memmem(body.p, body.n, "\\u", 2) || memmem(body.p, body.n, "\\/", 2) || !utf8_valid(body) ||
		!wire_json_strict(body);
	struct str text = escapes ? str_of(json_print(a, json)) : body, shown = hide(a, t, text);
	return str_eq(shown, text) || json_parse(a, shown, &ignored) ? arena_text(a, shown) : NULL;
}

static const cJSON *status_json(struct arena *a, int status)
{
	cJSON *object = json_object(a);
	json_put_i64(object, "status", status);
	return object;
}

static bool result_of(struct arena *a, const struct tool_http *t, const struct http_reply *reply, const cJSON **result,
	struct err *e)
{
	struct str body = str_trim(reply->body), part;
	const char *json = body.n ? json_text_of(a, t, body) : NULL;
	if (!body.n) {
		*result = status_json(a, reply->status);
	} else if (!json) {
		cJSON *object = json_object(a);
		json_put_str(object, "text", hide(a, t, body));
		*result = object;
	} else if (json_point(str_of(json), t->pointer, &part)) {
		*result = raw(a, arena_text(a, part));
	} else {
		return FAIL(e, ERR_INPUT, "nothing_there", "the answer (HTTP %d) has nothing at %s", reply->status, t->pointer);
	}
	return true;
}

static const char *told(struct arena *a, const struct tool_http *t, const struct http_reply *reply)
{
	struct str body = utf8_clean(a, hide(a, t, str_trim(reply->body)));
	return arena_text(a, (struct str){ body.p, utf8_cut(body, TOLD_BYTES) });
}

/* ---- what it means ---- */

static bool fail_status(struct arena *a, const struct tool_http *t, const struct http_reply *reply, struct err *e)
{
	int status = reply->status;
	bool nothing_happened = t->reads || (status >= 400 && status < 500 && status != 408);
	if (status < 400)
		return FAIL(e, nothing_happened ? ERR_INPUT : ERR_REFUSED, "http_redirect", "HTTP %d: it leads elsewhere, and is not "
			"followed", status);
	return FAIL(e, nothing_happened ? ERR_INPUT : ERR_BUSY, "http_status", "HTTP %d: %s", status, told(a, t, reply));
}

/* No byte of the request had gone out. */
static bool never_sent(const struct err *e)
{
	static const char *const codes[] = { "http_unreachable", "connect_timeout", "http_address_refused", "http_bad_url",
		"http_bad_header", "bad_arguments" };
	for (size_t i = 0; i < COUNT(codes); i++)
		if (strcmp(e->code, codes[i]) == 0)
			return true;
	return false;
}

static bool fail_call(const struct tool_http *t, const struct http_reply *reply, struct err *e)
{
	bool own_time = e->kind == ERR_TIMEOUT || e->kind == ERR_NET;
	if (e->kind == ERR_INPUT && strcmp(e->code, "http_body_too_large") == 0) {
		err_prefix(e, "HTTP %d, but ", reply->status);
		e->kind = t->reads ? ERR_INPUT : ERR_REFUSED;
	} else if ((own_time && t->reads) || never_sent(e)) {
		e->kind = ERR_INPUT;
	} else if (e->kind == ERR_INPUT && !t->reads) {
		e->kind = ERR_NET;
	}
	return false;
}

static bool has_client(const struct tool_env *env, struct err *e)
{
	return env->http || FAIL(e, ERR_BUG, "no_http", "a tool that calls out was given no HTTP client");
}

bool tool_http_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct tool_http *t = env->tool->self;
	struct http_reply reply;
	if (!has_client(env, e))
		return false;
	if (!send_call(env, &t->call, args, &reply, e))
		return fail_call(t, &reply, e);
	if (reply.status < 200 || reply.status >= 300)
		return fail_status(env->arena, t, &reply, e);
	if (result_of(env->arena, t, &reply, result, e))
		return true;
	if (t->reads)
		return false;
	*result = status_json(env->arena, reply.status); /* it was done, whatever the answer looks like */
	return true;
}

bool tool_http_probe(struct tool_env *env, const void *args, enum tool_found *found, const cJSON **result, struct err *e)
{
	enum { NOT_FOUND = 404, GONE = 410 };
	const struct tool_http *t = env->tool->self;
	struct http_reply reply;
	struct err ignored = { 0 };
	if (!has_client(env, e))
		return false;
	*found = FOUND_UNKNOWN;
	if (!send_call(env, &t->probe, args, &reply, e)) {
		fail_call(t, &reply, e);
		return e->kind == ERR_INPUT; /* it did not answer: nobody knows */
	}
	if (reply.status == NOT_FOUND || reply.status == GONE)
		*found = FOUND_NOT_DONE;
	else if (reply.status >= 200 && reply.status < 300)
		*found = FOUND_DONE;
	if (*found == FOUND_DONE && !result_of(env->arena, t, &reply, result, &ignored))
		*result = status_json(env->arena, reply.status);
	return true;
}
