/* SPDX-License-Identifier: MIT */
#include "anthropic.h"

static const struct model_word words[] = {
	{ "api_error", 500 },       { "authentication_error", 401 }, { "billing_error", 402 },
	{ "conflict_error", 409 },  { "invalid_request_error", 400 }, { "not_found_error", 404 },
	{ "overloaded_error", 529 }, { "permission_error", 403 },     { "rate_limit_error", 429 },
	{ "request_too_large", 413 }, { "timeout_error", 504 },
	{ 0 },
};

static int64_t reset_ms(const char *value, const char *now)
{
	int64_t then;
	if (!model_date_read(value, &then))
		return -1;
	int64_t ms = then - model_now_ms(now);
	return MAX_OF(ms, (int64_t)0);
}

#define LIMIT(thing) { "anthropic-ratelimit-" thing "-limit", "anthropic-ratelimit-" thing "-remaining", \
	"anthropic-ratelimit-" thing "-reset" }

const struct model_api anthropic_api = {
	.name = "anthropic",
	.path = "/v1/messages",
	.headers = anthropic_headers,
	.body = anthropic_body,
	.stream = anthropic_stream,
	.end = anthropic_end,
	.reset_ms = reset_ms,
	.request_id = "request-id",
	.requests = LIMIT("requests"),
	.tokens = { LIMIT("tokens"), LIMIT("input-tokens") },
	.words = words,
};
