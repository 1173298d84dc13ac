/* SPDX-License-Identifier: MIT */
/* The request around its messages: headers, limits, thinking, tools. */
#include "check_inner.h"

enum { REQUEST_BYTES = 32 << 20, THINKING_LEAST = 1024, NAME_BYTES = 128 };

static const struct {
	const char *type;
	int status;
} types[] = {
	{ "api_error", 500 },       { "authentication_error", 401 },  { "billing_error", 402 },
	{ "conflict_error", 409 },  { "invalid_request_error", 400 }, { "not_found_error", 404 },
	{ "overloaded_error", 529 }, { "permission_error", 403 },     { "rate_limit_error", 429 },
	{ "request_too_large", 413 }, { "timeout_error", 504 },
};

int check_status(const char *type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].status;
	return 400;
}

const char *check_type(int status)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].status == status)
			return types[i].type;
	return status >= 500 ? "api_error" : "invalid_request_error";
}

/* ---- who asks what ---- */

static const char *header(const struct http_exchange *x, const char *name)
{
	const char *value = http_exchange_header(x, name);
	return value ? value : "";
}

static bool check_version(const struct http_exchange *x, struct err *e)
{
	const char *version = header(x, "anthropic-version");
	if (!*version)
		return REFUSE(e, "anthropic-version: header is required");
	return strcmp(version, "2026-10-21") == 0 || strcmp(version, "2023-06-01") == 0
		|| REFUSE(e, "anthropic-version: \"%.40s\" is not a valid version", version);
}

bool check_exchange(const struct http_exchange *x, struct err *e)
{
	enum ask_dialect dialect = ask_dialect_of(x);
	if (strcmp(http_exchange_path(x), ask_paths[dialect]) != 0 || strcmp(http_exchange_method(x), "POST") != 0)
		return FAIL(e, ERR_INPUT, "not_found_error", "%s %s: only POST %s and POST %s are here",
			http_exchange_method(x), http_exchange_path(x), ask_paths[ASK_ANTHROPIC], ask_paths[ASK_OPENAI]);
	if (dialect == ASK_ANTHROPIC && !check_version(x, e))
		return false;
	if (strncasecmp(header(x, "content-type"), "application/json", 16) != 0)
		return REFUSE(e, "content-type: must be application/json");
	if (http_exchange_body(x).n > REQUEST_BYTES)
		return FAIL(e, ERR_INPUT, "request_too_large", "Request exceeds the maximum size");
	if (!utf8_valid(http_exchange_body(x)))
		return REFUSE(e, "The request body is not valid JSON: invalid UTF-8");
	return true;
}

static bool is_known(const char *key)
{
	static const char *const keys[] = {
		"cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages", "metadata", "model",
		"output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature", "thinking",
		"tool_choice", "tools", "top_k", "top_p",
	};
	for (size_t i = 0; i < COUNT(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static bool check_keys(const struct ask *q, struct err *e)
{
	const cJSON *item;
	bool beta = *header(q->exchange, "anthropic-beta");
	json_each(item, q->json)
		if (!beta && !is_known(item->string))
			return REFUSE(e, "%.64s: Extra inputs are not permitted", item->string);
	return true;
}

static bool check_required(const struct ask *q, struct err *e)
{
	static const char *const required[] = { "model", "max_tokens", "messages" };
	for (size_t i = 0; i < COUNT(required); i++)
		if (!json_get(q->json, required[i]))
			return REFUSE(e, "%s: Field required", required[i]);
	if (!*q->model)
		return REFUSE(e, "model: String should have at least 1 character");
	if (json_i64(q->json, "max_tokens", 0) < 1)
		return REFUSE(e, "max_tokens: must be greater than or equal to 1");
	if (!json_true(q->json, "stream"))
		return REFUSE(e, "stream: the scripted model only streams: send \"stream\": true");
	return true;
}

static bool check_sampling(const struct ask *q, struct err *e)
{
	static const char *const gone[] = { "temperature", "top_k", "top_p" };
	bool old = strcmp(header(q->exchange, "anthropic-version"), "2023-06-01") == 0;
	for (size_t i = 0; i < COUNT(gone); i++)
		if (!old && json_get(q->json, gone[i]))
			return REFUSE(e, "%s: not supported from anthropic-version 2026-10-21 on", gone[i]);
	return true;
}

static bool check_thinking(const struct ask *q, struct err *e)
{
	const cJSON *thinking = json_get(q->json, "thinking");
	const char *type = json_text(thinking, "type");
	int64_t budget = json_i64(thinking, "budget_tokens", 0);
	if (!thinking || (type && strcmp(type, "disabled") == 0))
		return true;
	if (!type)
		return REFUSE(e, "thinking.type: Field required");
	if (strcmp(type, "enabled") != 0 && strcmp(type, "adaptive") != 0 && strcmp(type, "between_tools") != 0)
		return REFUSE(e, "thinking: Input tag '%.40s' found using 'type' does not match any of the expected tags: "
			"'adaptive', 'between_tools', 'disabled', 'enabled'", type);
	if (strcmp(type, "enabled") == 0 && budget < THINKING_LEAST)
		return REFUSE(e, "thinking.enabled.budget_tokens: Input should be greater than or equal to %d", THINKING_LEAST);
	if (strcmp(type, "enabled") == 0 && budget >= json_i64(q->json, "max_tokens", 0))
		return REFUSE(e, "`max_tokens` must be greater than `thinking.budget_tokens`.");
	const char *choice = json_text(json_get(q->json, "tool_choice"), "type");
	if (choice && (strcmp(choice, "tool") == 0 || strcmp(choice, "any") == 0))
		return REFUSE(e, "Thinking may not be enabled when tool_choice forces tool use.");
	return true;
}

/* ---- tools ---- */

bool check_word(const char *word)
{
	size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n > 0 && !word[n] && n <= NAME_BYTES;
}

static bool check_schema(const cJSON *tool, int i, struct err *e)
{
	const cJSON *schema = json_get(tool, "input_schema");
	const char *type = json_text(tool, "type"), *schema_type = json_text(schema, "type");
	if (type && strcmp(type, "custom") != 0)
		return check_server_tool(tool, i, e);
	if (!schema)
		return REFUSE(e, "tools.%d.custom.input_schema: Field required", i);
	if (!cJSON_IsObject(schema))
		return REFUSE(e, "tools.%d.custom.input_schema: Input should be a valid dictionary", i);
	if (!schema_type)
		return REFUSE(e, "tools.%d.custom.input_schema.type: Field required", i);
	if (strcmp(schema_type, "object") != 0)
		return REFUSE(e, "tools.%d.custom.input_schema.type: Input should be 'object'", i);
	return true;
}

static const cJSON *tool_find(const cJSON *tools, const char *name)
{
	const cJSON *tool;
	json_each(tool, tools) {
		const char *other = json_text(tool, "name");
		if (other && strcmp(other, name) == 0)
			return tool;
	}
	return NULL;
}

static bool check_tools(const struct ask *q, struct err *e)
{
	const cJSON *tools = json_get(q->json, "tools"), *tool;
	int i = 0;
	if (tools && !cJSON_IsArray(tools))
		return REFUSE(e, "tools: Input should be a valid list");
	json_each(tool, tools) {
		const char *name = json_text(tool, "name");
		if (!name)
			return REFUSE(e, "tools.%d.custom.name: Field required", i);
		if (!check_word(name))
			return REFUSE(e, "tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,%d}$'", i,
				NAME_BYTES);
		if (tool_find(tools, name) != tool)
			return REFUSE(e, "tools: Tool names must be unique.");
		if (!check_schema(tool, i, e))
			return false;
		i++;
	}
	return true;
}

static bool check_choice(const struct ask *q, struct err *e)
{
	const cJSON *choice = json_get(q->json, "tool_choice"), *tools = json_get(q->json, "tools");
	const char *type = json_text(choice, "type"), *name = json_text(choice, "name");
	if (!choice)
		return true;
	if (!type)
		return REFUSE(e, "tool_choice.type: Field required");
	if (!cJSON_GetArraySize(tools))
		return REFUSE(e, "tool_choice: may only be specified while providing tools");
	if (strcmp(type, "tool") == 0 && !name)
		return REFUSE(e, "tool_choice.tool.name: Field required");
	if (strcmp(type, "tool") == 0 && !tool_find(tools, name))
		return REFUSE(e, "Tool '%.128s' not found in provided tools", name);
	return true;
}

bool check_ask(const struct ask *q, struct err *e)
{
	static bool (*const checks[])(const struct ask *, struct err *) = {
		check_keys, check_required, check_sampling, check_thinking, check_fields, check_tools, check_choice,
		check_messages,
	};
	for (size_t i = 0; i < COUNT(checks); i++)
		if (!checks[i](q, e))
			return false;
	return true;
}
