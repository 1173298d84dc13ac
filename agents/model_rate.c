/* SPDX-License-Identifier: MIT */
/* What a head says about the provider's limits, and the dates in which it says it. */
#include "model_api.h"
#include <time.h>

enum { RESET_MAX_MS = 24 * 3600 * 1000, SECOND_MS = 1000 };

/* ---- dates ---- */

/* RFC 3339: what strptime leaves of it is a fraction and an offset. */
static bool rest_read(const char *rest, int64_t *ms)
{
	int64_t unit = 100;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			*ms += (*rest - '0') * unit;
	if (strcmp(rest, "Z") == 0 || strcmp(rest, "z") == 0)
		return true;
	int hours, minutes, end = 0;
	if ((*rest != '+' && *rest != '-') || sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || rest[1 + end])
		return false;
	int64_t offset = (hours * 60 + minutes) * (int64_t)60 * SECOND_MS;
	*ms += *rest == '+' ? -offset : offset;
	return true;
}

bool model_date_read(const char *text, int64_t *ms)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%S",
	};
	for (size_t i = 0; text && i < COUNT(formats); i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(text, formats[i], &tm);
		if (!rest)
			continue;
		*ms = (int64_t)timegm(&tm) * SECOND_MS;
		return i + 1 < COUNT(formats) ? !*rest : rest_read(rest, ms);
	}
	return false;
}

int64_t model_now_ms(const char *date)
{
	int64_t ms;
	return model_date_read(date, &ms) ? ms : (int64_t)time(NULL) * SECOND_MS;
}

/* ---- limits ---- */

struct one_limit {
	int64_t limit, left, reset_ms; /* -1 = not said */
};

static int64_t count_read(const char *text)
{
	int64_t n;
	return text && str_to_i64(str_of(text), &n) && n >= 0 ? n : -1;
}

static struct one_limit limit_read(const struct model_api *api, const struct model_limit_names *names,
	const struct http_reply *reply, int64_t late_ms)
{
	if (!names->limit)
		return (struct one_limit){ -1, -1, -1 };
	const char *reset = http_reply_header(reply, names->reset);
	int64_t ms = reset ? api->reset_ms(reset, http_reply_header(reply, "date")) : -1;
	if (ms >= 0)
		ms = MIN_OF(MAX_OF(ms - late_ms, (int64_t)0), (int64_t)RESET_MAX_MS);
	return (struct one_limit){ count_read(http_reply_header(reply, names->limit)),
		count_read(http_reply_header(reply, names->left)), ms };
}

/* The one that ends first: of which the least is left. */
static struct one_limit tighter(struct one_limit a, struct one_limit b)
{
	bool said = b.limit >= 0 || b.left >= 0, first = a.left < 0 || (b.left >= 0 && b.left < a.left);
	return said && first ? b : a;
}

void model_rate_read(const struct model_api *api, const struct http_reply *reply, int64_t late_ms,
	struct model_rate *rate)
{
	struct one_limit requests = limit_read(api, &api->requests, reply, late_ms);
	struct one_limit tokens = tighter(limit_read(api, &api->tokens[0], reply, late_ms),
		limit_read(api, &api->tokens[1], reply, late_ms));
	*rate = (struct model_rate){ requests.limit, requests.left, requests.reset_ms,
		tokens.limit, tokens.left, tokens.reset_ms };
}
