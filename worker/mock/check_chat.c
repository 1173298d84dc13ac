/* SPDX-License-Identifier: MIT */
/*
 * Chat completions: what OpenAI and the servers that speak like it refuse. Fields that they do not know they take, so
 * only what Drover may send wrongly is looked at.
 */
#include "check_inner.h"

enum { NAME_BYTES = 64 };

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = json_text(object, name);
	return text ? text : "";
}

static bool is_role(const cJSON *message, const char *role)
{
	return strcmp(text_of(message, "role"), role) == 0;
}

static bool check_required(const struct ask *q, struct err *e)
{
	const cJSON *messages = json_get(q->json, "messages"), *options = json_get(q->json, "stream_options");
	if (!*q->model)
		return REFUSE(e, "you must provide a model parameter");
	if (!messages)
		return REFUSE(e, "Missing required parameter: 'messages'.");
	if (!cJSON_IsArray(messages) || !messages->child)
		return REFUSE(e, "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array "
			"instead.");
	if (!json_true(q->json, "stream") && options)
		return REFUSE(e, "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
	return json_true(q->json, "stream") || REFUSE(e, "stream: the scripted model only streams: send \"stream\": true");
}

/* ---- messages ---- */

static bool check_role(const cJSON *message, int i, struct err *e)
{
	static const char *const roles[] = { "assistant", "developer", "system", "tool", "user" };
	for (size_t k = 0; k < COUNT(roles); k++)
		if (is_role(message, roles[k]))
			return true;
	return REFUSE(e, "Invalid value: '%.40s'. Supported values are: 'assistant', 'developer', 'system', 'tool', and "
		"'user'. (messages[%d].role)", text_of(message, "role"), i);
}

static bool check_content(const cJSON *message, int i, struct err *e)
{
	const cJSON *content = json_get(message, "content");
	if (cJSON_IsString(content) || cJSON_IsArray(content))
		return true;
	bool calls = is_role(message, "assistant") && json_get(message, "tool_calls");
	return calls || REFUSE(e, "Invalid value for 'content': expected a string, got %s. (messages[%d].content)",
		!content || cJSON_IsNull(content) ? "null" : "another type", i);
}

static bool check_call(const cJSON *call, int i, struct err *e)
{
	const cJSON *function = json_get(call, "function");
	if (!*text_of(call, "id"))
		return REFUSE(e, "Missing required parameter: 'messages[%d].tool_calls[].id'.", i);
	if (strcmp(text_of(call, "type"), "function") != 0)
		return REFUSE(e, "Missing required parameter: 'messages[%d].tool_calls[].type'.", i);
	if (!*text_of(function, "name"))
		return REFUSE(e, "Missing required parameter: 'messages[%d].tool_calls[].function.name'.", i);
	return cJSON_IsString(json_get(function, "arguments"))
		|| REFUSE(e, "Invalid type for 'messages[%d].tool_calls[].function.arguments': expected a string.", i);
}

static bool check_calls(const cJSON *message, int i, struct err *e)
{
	const cJSON *calls = json_get(message, "tool_calls"), *call;
	if (!calls)
		return true;
	if (!is_role(message, "assistant"))
		return REFUSE(e, "Unknown parameter: 'messages[%d].tool_calls'.", i);
	if (!cJSON_IsArray(calls) || !calls->child)
		return REFUSE(e, "Invalid 'messages[%d].tool_calls': empty array. Expected an array with minimum length 1.", i);
	json_each(call, calls)
		if (!check_call(call, i, e))
			return false;
	return true;
}

static bool check_shapes(const struct ask *q, struct err *e)
{
	const cJSON *message;
	int i = 0;
	json_each(message, json_get(q->json, "messages")) {
		if (!check_role(message, i, e) || !check_content(message, i, e) || !check_calls(message, i, e))
			return false;
		i++;
	}
	return true;
}

/* ---- calls and results ---- */

static bool has_call(const cJSON *message, const char *id)
{
	const cJSON *call;
	json_each(call, json_get(message, "tool_calls"))
		if (strcmp(text_of(call, "id"), id) == 0)
			return true;
	return false;
}

/* The results stand right behind the message that asked for them. */
static bool is_answered(const cJSON *message, const char *id)
{
	for (const cJSON *m = message->next; m && is_role(m, "tool"); m = m->next)
		if (strcmp(text_of(m, "tool_call_id"), id) == 0)
			return true;
	return false;
}

static bool check_answered(const cJSON *message, struct err *e)
{
	const cJSON *call;
	json_each(call, json_get(message, "tool_calls"))
		if (!is_answered(message, text_of(call, "id")))
			return REFUSE(e, "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
				"'tool_call_id'. The following tool_call_ids did not have response messages: %.128s", text_of(call, "id"));
	return true;
}

static bool check_results(const struct ask *q, struct err *e)
{
	const cJSON *message, *asking = NULL;
	int i = 0;
	json_each(message, json_get(q->json, "messages")) {
		if (!is_role(message, "tool"))
			asking = message;
		else if (!*text_of(message, "tool_call_id"))
			return REFUSE(e, "Missing required parameter: 'messages[%d].tool_call_id'.", i);
		else if (!has_call(asking, text_of(message, "tool_call_id")))
			return REFUSE(e, "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
				"'tool_calls'. (messages[%d])", i);
		if (!check_answered(message, e))
			return false;
		i++;
	}
	return true;
}

/* ---- tools and the form of the answer ---- */

static bool check_name(const char *name)
{
	return check_word(name) && strlen(name) <= NAME_BYTES;
}

static bool check_tools(const struct ask *q, struct err *e)
{
	const cJSON *tools = json_get(q->json, "tools"), *tool;
	int i = 0;
	if (tools && (!cJSON_IsArray(tools) || !tools->child))
		return REFUSE(e, "Invalid 'tools': empty array. Expected an array with minimum length 1.");
	json_each(tool, tools) {
		const cJSON *parameters = json_get(json_get(tool, "function"), "parameters");
		if (strcmp(text_of(tool, "type"), "function") != 0)
			return REFUSE(e, "Invalid value: '%.40s'. Supported values are: 'function'. (tools[%d].type)",
				text_of(tool, "type"), i);
		if (!check_name(ask_offered_name(q, tool)))
			return REFUSE(e, "Invalid 'tools[%d].function.name': string does not match pattern. Expected a string that "
				"matches the pattern '^[a-zA-Z0-9_-]+$' of at most %d characters.", i, NAME_BYTES);
		if (parameters && strcmp(text_of(parameters, "type"), "object") != 0)
			return REFUSE(e, "Invalid schema for function '%.64s': schema must be a JSON Schema of 'type: \"object\"'",
				ask_offered_name(q, tool));
		i++;
	}
	return true;
}

static bool is_offered(const struct ask *q, const char *name)
{
	const cJSON *tool;
	json_each(tool, json_get(q->json, "tools"))
		if (strcmp(ask_offered_name(q, tool), name) == 0)
			return true;
	return false;
}

static bool check_choice(const struct ask *q, struct err *e)
{
	if (json_get(q->json, "tool_choice") && !json_get(q->json, "tools"))
		return REFUSE(e, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.");
	return !q->force_tool || is_offered(q, q->force_tool)
		|| REFUSE(e, "Tool choice '%.64s' not found in 'tools' parameter.", q->force_tool);
}

static bool check_format(const struct ask *q, struct err *e)
{
	const cJSON *format = json_get(q->json, "response_format"), *schema = json_get(format, "json_schema");
	if (!format || strcmp(text_of(format, "type"), "text") == 0 || strcmp(text_of(format, "type"), "json_object") == 0)
		return true;
	if (strcmp(text_of(format, "type"), "json_schema") != 0)
		return REFUSE(e, "Invalid value: '%.40s'. Supported values are: 'json_object', 'json_schema', and 'text'. "
			"(response_format.type)", text_of(format, "type"));
	if (!check_name(text_of(schema, "name")))
		return REFUSE(e, "Missing required parameter: 'response_format.json_schema.name'.");
	return cJSON_IsObject(json_get(schema, "schema"))
		|| REFUSE(e, "Missing required parameter: 'response_format.json_schema.schema'.");
}

bool check_chat(const struct ask *q, struct err *e)
{
	static bool (*const checks[])(const struct ask *, struct err *) = {
		check_required, check_shapes, check_results, check_tools, check_choice, check_format,
	};
	for (size_t i = 0; i < COUNT(checks); i++)
		if (!checks[i](q, e))
			return false;
	return true;
}
