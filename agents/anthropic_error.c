/* SPDX-License-Identifier: MIT */
/* What the provider's refusals mean: two tables, and words that an operator can act on. */
#include "anthropic.h"
#include "wire.h"
#include <time.h>

enum { MESSAGE_BYTES = 240, WORD_BYTES = 64, EXCERPT_BYTES = 100, RETRY_MAX_MS = 24 * 3600 * 1000 };

struct verdict {
	int status;
	enum err_kind kind;
	const char *code, *mend;
};

static const struct verdict verdicts[] = {
	{ 400, ERR_INPUT, "model_rejected", "" },
	{ 401, ERR_REFUSED, "model_auth", "; check model.api_key" },
	{ 402, ERR_REFUSED, "model_billing", "; the provider's account needs credit" },
	{ 403, ERR_REFUSED, "model_auth", "; check what model.api_key may do" },
	{ 404, ERR_INPUT, "model_rejected", "; check model.name and model.base_url" },
	{ 408, ERR_BUSY, "model_error", "" },
	{ 409, ERR_BUSY, "model_error", "" },
	{ 413, ERR_INPUT, "model_rejected", "; the conversation is too large" },
	{ 429, ERR_BUSY, "model_rate_limited", "" },
	{ 529, ERR_BUSY, "model_overloaded", "" },
};
static const struct verdict rejected = { 0, ERR_INPUT, "model_rejected", "" };
static const struct verdict broken = { 0, ERR_BUSY, "model_error", "" };
static const struct verdict spend_limit = { 0, ERR_REFUSED, "model_spend_limit", "; raise the account's spend limit" };

static const struct {
	const char *type;
	int status;
} types[] = {
	{ "api_error", 500 },       { "authentication_error", 401 }, { "billing_error", 402 },
	{ "conflict_error", 409 },  { "invalid_request_error", 400 }, { "not_found_error", 404 },
	{ "overloaded_error", 529 }, { "permission_error", 403 },     { "rate_limit_error", 429 },
	{ "request_too_large", 413 }, { "timeout_error", 504 },
};

/* What is common to an error body and an error event. */
struct refusal {
	const char *type, *message; /* "" when the provider did not say */
	const char *request_id;
	bool spend_limit;
};

static const struct verdict *status_verdict(int status)
{
	for (size_t i = 0; i < COUNT(verdicts); i++)
		if (verdicts[i].status == status)
			return &verdicts[i];
	return status >= 500 ? &broken : &rejected;
}

static int type_status(const char *type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].status;
	return 500;
}

static const char *word(struct arena *a, const cJSON *object, const char *name, size_t max, const char *secret)
{
	return wire_excerpt(a, str_of(json_text(object, name)), max, secret);
}

static struct refusal refusal_read(struct arena *a, const cJSON *json, const char *secret)
{
	const cJSON *error = json_get(json, "error");
	const char *code = json_text(json_get(error, "details"), "error_code");
	return (struct refusal){
		.type = word(a, error, "type", WORD_BYTES, secret),
		.message = word(a, error, "message", MESSAGE_BYTES, secret),
		.request_id = word(a, json, "request_id", WORD_BYTES, secret),
		.spend_limit = code && strstr(code, "spend_limit_reached"),
	};
}

static bool refuse(const struct verdict *v, const char *what, const struct refusal *r, struct err *e)
{
	if (r->spend_limit)
		v = &spend_limit;
	const char *id = r->request_id;
	return FAIL(e, v->kind, v->code, "%s%s%s%s%s%s%s%s%s", what, *r->type ? " " : "", r->type,
		*r->message ? ": " : "", r->message, v->mend, *id ? " (request-id " : "", id, *id ? ")" : "");
}

/* ---- when to come back ---- */

static int64_t number_ms(const char *text, double unit_ms)
{
	double n = text ? strtod(text, NULL) * unit_ms : 0;
	return n > 0 ? (int64_t)MIN_OF(n, (double)RETRY_MAX_MS) : 0;
}

static bool date_read(const char *text, time_t *out)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
	};
	for (size_t i = 0; text && i < COUNT(formats); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, formats[i], &tm);
		if (end && !*end) {
			*out = timegm(&tm);
			return true;
		}
	}
	return false;
}

/* The server's own Date is the other end of the span: the two clocks need not agree. */
static int64_t date_ms(const struct http_reply *reply, const char *text)
{
	time_t then, now;
	if (!date_read(text, &then))
		return 0;
	if (!date_read(http_reply_header(reply, "date"), &now))
		now = time(NULL);
	double ms = difftime(then, now) * 1000;
	return ms > 0 ? (int64_t)MIN_OF(ms, (double)RETRY_MAX_MS) : 0;
}

static int64_t retry_after_ms(const struct http_reply *reply)
{
	const char *exact = http_reply_header(reply, "retry-after-ms");
	const char *after = http_reply_header(reply, "retry-after");
	if (exact)
		return number_ms(exact, 1);
	if (!after)
		return 0;
	return after[0] >= '0' && after[0] <= '9' ? number_ms(after, 1000) : date_ms(reply, after);
}

/* ---- the two places where refusals come from ---- */

static bool fail_no_stream(const struct http_reply *reply, struct str body, const char *secret, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char *type = wire_excerpt(tmp, str_of(reply->content_type), WORD_BYTES, secret);
	return FAIL(e, ERR_BUSY, "model_garbage",
		"the model answered HTTP %d with %s, not with an event stream: \"%s\"; check model.base_url",
		reply->status, *type ? type : "no content type", wire_excerpt(tmp, body, EXCERPT_BYTES, secret));
}

bool anthropic_fail_status(const struct model_config *c, const struct http_reply *reply, struct str body,
	struct err *e)
{
	ARENA_SCOPE(tmp);
	if (reply->status < 400)
		return fail_no_stream(reply, body, c->api_key, e);
	struct err ignored;
	const cJSON *json = json_parse(tmp, wire_mend_json(tmp, body), &ignored);
	struct refusal r = refusal_read(tmp, json, c->api_key);
	if (!*r.type && !*r.message)
		r.message = wire_excerpt(tmp, body, EXCERPT_BYTES, c->api_key);
	const char *what = arena_printf(tmp, "the model answered HTTP %d", reply->status);
	refuse(status_verdict(reply->status), what, &r, e);
	e->retry_after_ms = retry_after_ms(reply);
	return false;
}

bool anthropic_fail_event(const char *secret, const cJSON *event, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct refusal r = refusal_read(tmp, event, secret);
	return refuse(status_verdict(type_status(r.type)), "the model broke off its answer:", &r, e);
}
