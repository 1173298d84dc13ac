/* SPDX-License-Identifier: MIT */
/* The request, in one order of keys for ever: a prompt that changes by a byte is a prompt that no cache knows. */
#include "anthropic.h"

/* ---- tools ---- */

/* A tool that the provider runs itself, behind ours. */
static const char *with_web_search(struct arena *a, struct str tools, int64_t max_uses)
{
	struct str ours = { tools.p, tools.n ? tools.n - 1 : 0 }; /* without its bracket */
	const char *comma = ours.n > 1 ? "," : ours.n ? "" : "[";
	return arena_printf(a, "%.*s%s{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":%ld}]",
		STR_ARGS(ours), comma, (long)max_uses);
}

static void put_tools(cJSON *o, const struct model_request *rq)
{
	ARENA_SCOPE(tmp);
	const char *tools = rq->tools ? json_print(tmp, rq->tools) : NULL;
	if (rq->web_searches > 0)
		tools = with_web_search(tmp, str_of(tools), rq->web_searches);
	if (tools)
		json_put_raw(o, "tools", tools);
	if (!rq->force_tool)
		return;
	cJSON *choice = json_put_object(o, "tool_choice");
	json_put_text(choice, "type", "tool");
	json_put_text(choice, "name", rq->force_tool);
	json_put_bool(choice, "disable_parallel_tool_use", true);
}

/* ---- what else is asked for ---- */

/* The API takes no thinking beside a forced tool, and none that fills the whole turn: such a turn does without. */
static void put_thinking(cJSON *o, const struct model_config *c, const struct model_request *rq, int64_t max_tokens)
{
	if (c->thinking_tokens <= 0 || rq->force_tool || c->thinking_tokens >= max_tokens)
		return;
	cJSON *thinking = json_put_object(o, "thinking");
	json_put_text(thinking, "type", "enabled");
	json_put_i64(thinking, "budget_tokens", c->thinking_tokens);
}

/* At the top level the API moves the mark itself: no byte of the messages changes from turn to turn. */
static void put_cache(cJSON *o, const struct model_config *c)
{
	if (c->cache)
		json_put_text(json_put_object(o, "cache_control"), "type", "ephemeral");
}

static void put_result_schema(cJSON *o, const struct model_request *rq)
{
	if (!rq->result_schema)
		return;
	cJSON *format = json_put_object(json_put_object(o, "output_config"), "format");
	json_put_text(format, "type", "json_schema");
	json_put_copy(format, "schema", rq->result_schema);
}

/* ---- messages ---- */

/* Thinking that another provider gave: it has no signature and would be refused. */
static bool is_foreign(const cJSON *block)
{
	struct err ignored;
	ARENA_SCOPE(tmp);
	if (cJSON_IsRaw(block) && !strstr(block->valuestring, "\"reasoning\""))
		return false;
	if (cJSON_IsRaw(block))
		block = json_parse(tmp, str_of(block->valuestring), &ignored);
	const char *type = json_text(block, "type");
	return type && strcmp(type, "reasoning") == 0;
}

static bool has_foreign(const cJSON *message)
{
	const cJSON *block;
	json_each(block, json_get(message, "content"))
		if (is_foreign(block))
			return true;
	return false;
}

/* A message of which nothing is left is left out too: the API takes no empty one. */
static void add_own(cJSON *all, const cJSON *message)
{
	const cJSON *block;
	cJSON *copy = NULL, *content = NULL;
	json_each(block, json_get(message, "content")) {
		if (is_foreign(block))
			continue;
		if (!copy) {
			copy = json_add_object(all);
			json_put_text(copy, "role", json_text(message, "role"));
			content = json_put_array(copy, "content");
		}
		json_add_copy(content, block);
	}
}

static const cJSON *own_messages(struct arena *a, const cJSON *messages)
{
	const cJSON *message;
	bool foreign = false;
	json_each(message, messages)
		foreign = foreign || has_foreign(message);
	if (!foreign)
		return messages;
	cJSON *all = json_array(a);
	json_each(message, messages) {
		if (has_foreign(message))
			add_own(all, message);
		else
			json_add_copy(all, message);
	}
	return all;
}

/* ---- body and head ---- */

bool anthropic_body(struct arena *a, const struct model_config *c, const struct model_request *rq, struct str *body,
	struct err *e)
{
	ARENA_SCOPE(tmp); /* only the finished text stays for the time of the stream */
	cJSON *o = json_object(tmp);
	int64_t max_tokens = rq->max_tokens ? rq->max_tokens : c->max_tokens;
	json_put_text(o, "model", rq->name ? rq->name : c->called ? c->called : c->name);
	json_put_i64(o, "max_tokens", max_tokens);
	if (rq->system && *rq->system)
		json_put_text(o, "system", rq->system);
	put_tools(o, rq);
	put_thinking(o, c, rq, max_tokens);
	put_cache(o, c);
	put_result_schema(o, rq);
	json_put_bool(o, "stream", true);
	json_put_raw(o, "messages", json_print(tmp, own_messages(tmp, rq->messages)));
	return model_body_end(a, o, body, e);
}

static struct http_header key_header(struct arena *a, const struct model_config *c)
{
	if (!c->api_key || !*c->api_key)
		return (struct http_header){ 0 };
	if (c->key_as_bearer)
		return (struct http_header){ "Authorization", arena_printf(a, "Bearer %s", c->api_key) };
	return (struct http_header){ "x-api-key", c->api_key };
}

const struct http_header *anthropic_headers(struct arena *a, const struct model_config *c)
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
