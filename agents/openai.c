/* SPDX-License-Identifier: MIT */
#include "openai.h"

static const struct model_word words[] = {
	{ "authentication_error", 401 },    { "context_length_exceeded", 400 }, { "insufficient_quota", 429 },
	{ "invalid_api_key", 401 },         { "invalid_request_error", 400 },   { "model_not_found", 404 },
	{ "not_found_error", 404 },         { "overloaded_error", 529 },        { "permission_error", 403 },
	{ "rate_limit_error", 429 },        { "rate_limit_exceeded", 429 },     { "rate_limit_reached", 429 },
	{ "server_error", 500 },            { "service_unavailable", 503 },     { "timeout", 504 },
	{ "BadRequestError", 400 },         { "NotFoundError", 404 },
	{ 0 },
};

static const struct {
	const char *unit;
	double ms;
} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

static double unit_ms(struct str word)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (str_is(word, units[i].unit))
			return units[i].ms;
	return word.n ? -1 : 1000; /* a bare number is seconds */
}

/* 6m0s, 1.5s, 20ms, 3. */
static int64_t reset_ms(const char *value, const char *now __attribute__((unused)))
{
	double sum = 0;
	do {
		char *end;
		double n = *value >= '0' && *value <= '9' ? strtod(value, &end) : -1;
		if (!(n >= 0))
			return -1;
		struct str unit = { end, strcspn(end, "0123456789.") };
		double ms = unit_ms(unit);
		if (ms < 0)
			return -1;
		sum += n * ms;
		value = unit.p + unit.n;
	} while (*value);
	return (int64_t)MIN_OF(sum, 1e12);
}

#define LIMIT(thing) { "x-ratelimit-limit-" thing, "x-ratelimit-remaining-" thing, "x-ratelimit-reset-" thing }

const struct model_api openai_api = {
	.name = "openai",
	.path = "/v1/chat/completions",
	.headers = openai_headers,
	.body = openai_body,
	.stream = openai_stream,
	.end = openai_end,
	.reset_ms = reset_ms,
	.requests = LIMIT("requests"),
	.tokens = { LIMIT("tokens") },
	.request_id = "x-request-id",
	.words = words,
};
