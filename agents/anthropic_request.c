/* SPDX-License-Identifier: MIT */
/* The request, in one order of keys for ever: a prompt that changes by a byte is a prompt that no cache knows. */
#include "anthropic.h"

static void put_tools(cJSON *o, const struct model_request *rq)
{
	ARENA_SCOPE(tmp);
	if (rq->tools)
		json_put_raw(o, "tools", json_print(tmp, rq->tools));
	if (!rq->force_tool)
		return;
	cJSON *choice = json_put_object(o, "tool_choice");
	json_put_text(choice, "type", "tool");
	json_put_text(choice, "name", rq->force_tool);
	json_put_bool(choice, "disable_parallel_tool_use", true);
}

/* The API takes no thinking beside a forced tool, and none that fills the whole turn: such a turn does without. */
static void put_thinking(cJSON *o, const struct model_config *c, const struct model_request *rq, int64_t max_tokens)
{
	if (c->thinking_tokens <= 0 || rq->force_tool || c->thinking_tokens >= max_tokens)
		return;
	cJSON *thinking = json_put_object(o, "thinking");
	json_put_text(thinking, "type", "enabled");
	json_put_i64(thinking, "budget_tokens", c->thinking_tokens);
}

bool anthropic_request_body(struct arena *a, const struct model_config *c, const struct model_request *rq,
	struct str *body, struct err *e)
{
	ARENA_SCOPE(tmp); /* only the finished text stays for the time of the stream */
	cJSON *o = json_object(tmp);
	int64_t max_tokens = rq->max_tokens ? rq->max_tokens : c->max_tokens;
	json_put_text(o, "model", rq->name ? rq->name : c->name);
	json_put_i64(o, "max_tokens", max_tokens);
	if (rq->system && *rq->system)
		json_put_text(o, "system", rq->system);
	put_tools(o, rq);
	put_thinking(o, c, rq, max_tokens);
	json_put_bool(o, "stream", true);
	json_put_raw(o, "messages", json_print(tmp, rq->messages));
	struct str text = str_of(json_print(tmp, o));
	if (text.n > ANTHROPIC_REQUEST_BYTES)
		return FAIL(e, ERR_INPUT, "request_too_large",
			"the request to the model has %zu bytes, at most %d are taken: shorten the conversation or the "
			"results of its tools", text.n, ANTHROPIC_REQUEST_BYTES);
	*body = (struct str){ arena_text(a, text), text.n };
	return true;
}

static struct http_header key_header(struct arena *a, const struct model_config *c)
{
	if (!c->api_key || !*c->api_key)
		return (struct http_header){ 0 };
	if (c->key_as_bearer)
		return (struct http_header){ "Authorization", arena_printf(a, "Bearer %s", c->api_key) };
	return (struct http_header){ "x-api-key", c->api_key };
}

const struct http_header *anthropic_request_headers(struct arena *a, const struct model_config *c)
{
	const struct http_header all[] = {
		{ "anthropic-version", c->version },
		{ "Content-Type", "application/json" },
		{ "Accept", "text/event-stream" },
		{ "User-Agent", "drover/" DROVER_VERSION },
		key_header(a, c),
		{ 0 },
	};
	struct http_header *copy = arena_alloc(a, sizeof(all));
	memcpy(copy, all, sizeof(all));
	return copy;
}

const char *anthropic_request_url(struct arena *a, const struct model_config *c)
{
	struct str base = str_of(c->base_url);
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	return arena_printf(a, "%.*s/v1/messages", STR_ARGS(base));
}
