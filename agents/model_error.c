/* SPDX-License-Identifier: MIT */
/* What a provider's refusals mean: a table, its own words for the lines, and words that an operator can act on. */
#include "model_api.h"
#include "wire.h"

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

static int word_status(const struct model_api *api, const char *word)
{
	for (const struct model_word *w = api->words; w->word; w++)
		if (strcmp(w->word, word) == 0)
			return w->status;
	return 0;
}

/* As the providers say it: a type, a code, both, or the status again as a number. */
static int error_status(const struct model_api *api, const cJSON *error, const char *type)
{
	const cJSON *code = json_get(error, "code");
	const char *word = cJSON_GetStringValue(code);
	int64_t number = word && str_to_i64(str_of(word), &number) ? number : json_i64(error, "code", 0);
	int status = word ? word_status(api, word) : 0;
	if (!status)
		status = word_status(api, type);
	if (!status && number >= 400 && number < 600)
		status = (int)number;
	return status ? status : 500;
}

static const char *word(struct arena *a, const char *text, size_t max, const char *secret)
{
	return wire_excerpt(a, str_of(text), max, secret);
}

static bool is_spend_limit(const cJSON *error)
{
	const char *detail = json_text(json_get(error, "details"), "error_code"), *code = json_text(error, "code");
	return (detail && strstr(detail, "spend_limit_reached")) || (code && strcmp(code, "insufficient_quota") == 0);
}

/* {"error":{"type","message"}}; {"error":"message"}; {"object":"error","type","message"}. */
static struct refusal refusal_read(struct arena *a, const cJSON *json, const char *secret)
{
	const cJSON *given = json_get(json, "error"), *error = cJSON_IsObject(given) ? given : json;
	const char *type = json_text(error, "type"), *message = json_text(error, "message");
	bool envelope = error == json && type && strcmp(type, "error") == 0;
	return (struct refusal){
		.type = word(a, type && !envelope ? type : json_text(error, "code"), WORD_BYTES, secret),
		.message = word(a, cJSON_IsString(given) ? given->valuestring : message, MESSAGE_BYTES, secret),
		.request_id = word(a, json_text(json, "request_id"), WORD_BYTES, secret),
		.spend_limit = is_spend_limit(error),
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

/* The server's own Date is the other end of the span: the two clocks need not agree. */
static int64_t date_ms(const struct http_reply *reply, const char *text)
{
	int64_t then;
	if (!model_date_read(text, &then))
		return 0;
	int64_t ms = then - model_now_ms(http_reply_header(reply, "date"));
	return ms > 0 ? MIN_OF(ms, (int64_t)RETRY_MAX_MS) : 0;
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

/* The provider knows better than its status: the same again would fail the same. */
static void heed_no_retry(const struct http_reply *reply, struct err *e)
{
	const char *retry = http_reply_header(reply, "x-should-retry");
	if (retry && strcmp(retry, "false") == 0 && e->kind == ERR_BUSY)
		e->kind = ERR_INPUT;
}

bool model_fail_status(const struct model_config *c, const struct http_reply *reply, struct str body, struct err *e)
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
	heed_no_retry(reply, e);
	return false;
}

bool model_fail_event(const struct model_api *api, const char *secret, const cJSON *event, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct refusal r = refusal_read(tmp, event, secret);
	const cJSON *error = json_get(event, "error");
	int status = error_status(api, cJSON_IsObject(error) ? error : event, r.type);
	return refuse(status_verdict(status), "the model broke off its answer:", &r, e);
}
