/* SPDX-License-Identifier: MIT */
/* What may stand beside the conversation: cache marks, the form of the answer, the provider's own tools. */
#include "check_inner.h"

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

/* ---- caching ---- */

static bool check_mark(const cJSON *mark, const char *where, struct err *e)
{
	static const char *const lives[] = { "1h", "5m", NULL };
	const char *type = json_text(mark, "type"), *life = json_text(mark, "ttl");
	if (!mark || cJSON_IsNull(mark))
		return true;
	if (!type || strcmp(type, "ephemeral") != 0)
		return REFUSE(e, "%scache_control: Input tag '%.40s' found using 'type' does not match any of the expected tags: "
			"'ephemeral'", where, type ? type : "");
	return (!life && !json_get(mark, "ttl")) || (life && is_one_of(life, lives))
		|| REFUSE(e, "%scache_control.ephemeral.ttl: Input should be '5m' or '1h'", where);
}

/* Inputs of tools are the model's own: what stands there is no mark. */
static bool check_marks(const cJSON *json, struct err *e)
{
	const cJSON *item;
	if (cJSON_IsObject(json) && !check_mark(json_get(json, "cache_control"), "", e))
		return false;
	json_each(item, json)
		if (!(item->string && strcmp(item->string, "input") == 0) && !check_marks(item, e))
			return false;
	return true;
}

/* ---- the form of the answer ---- */

/* Objects of a schema say that nothing else may stand in them. */
static bool check_closed(const cJSON *schema, struct err *e)
{
	const cJSON *item;
	const char *type = json_text(schema, "type");
	const cJSON *more = json_get(schema, "additionalProperties");
	if (type && strcmp(type, "object") == 0 && !cJSON_IsFalse(more))
		return REFUSE(e, "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to "
			"false");
	json_each(item, schema)
		if (!check_closed(item, e))
			return false;
	return true;
}

static bool check_format(const cJSON *format, struct err *e)
{
	const char *type = json_text(format, "type");
	if (!format || cJSON_IsNull(format))
		return true;
	if (!type || strcmp(type, "json_schema") != 0)
		return REFUSE(e, "output_config.format.type: Input should be 'json_schema'");
	if (!cJSON_IsObject(json_get(format, "schema")))
		return REFUSE(e, "output_config.format.schema: Field required");
	return check_closed(json_get(format, "schema"), e);
}

static bool check_output(const cJSON *output, struct err *e)
{
	static const char *const efforts[] = { "low", "medium", "high", "xhigh", "max", NULL };
	const cJSON *effort = json_get(output, "effort"), *item;
	if (!output)
		return true;
	if (!cJSON_IsObject(output))
		return REFUSE(e, "output_config: Input should be a valid dictionary");
	json_each(item, output)
		if (strcmp(item->string, "effort") != 0 && strcmp(item->string, "format") != 0)
			return REFUSE(e, "output_config.%.64s: Extra inputs are not permitted", item->string);
	if (effort && (!cJSON_IsString(effort) || !is_one_of(effort->valuestring, efforts)))
		return REFUSE(e, "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
	return check_format(json_get(output, "format"), e);
}

bool check_fields(const struct ask *q, struct err *e)
{
	return check_marks(q->json, e) && check_output(json_get(q->json, "output_config"), e);
}

/* ---- the provider's own tools ---- */

static bool check_search(const cJSON *tool, const char *type, int i, struct err *e)
{
	static const char *const keys[] = { "allowed_callers", "allowed_domains", "blocked_domains", "cache_control",
		"defer_loading", "max_uses", "name", "type", "user_location", NULL };
	const cJSON *item;
	const char *name = json_text(tool, "name");
	if (!name || strcmp(name, "web_search") != 0)
		return REFUSE(e, "tools.%d.%s.name: Input should be 'web_search'", i, type);
	if (json_get(tool, "max_uses") && json_i64(tool, "max_uses", 0) < 1)
		return REFUSE(e, "tools.%d.%s.max_uses: Input should be greater than 0", i, type);
	if (json_get(tool, "allowed_domains") && json_get(tool, "blocked_domains"))
		return REFUSE(e, "tools.%d.%s: Only one of allowed_domains and blocked_domains may be given", i, type);
	json_each(item, tool)
		if (!is_one_of(item->string, keys))
			return REFUSE(e, "tools.%d.%s.%.64s: Extra inputs are not permitted", i, type, item->string);
	return true;
}

bool check_server_tool(const cJSON *tool, int i, struct err *e)
{
	static const char *const kinds[] = { "bash_", "code_execution_", "computer_", "memory_", "text_editor_",
		"tool_search_", "web_fetch_" };
	const char *type = json_text(tool, "type");
	if (strncmp(type, "web_search_", 11) == 0)
		return check_search(tool, type, i, e);
	for (size_t k = 0; k < COUNT(kinds); k++)
		if (strncmp(type, kinds[k], strlen(kinds[k])) == 0)
			return true;
	return REFUSE(e, "tools.%d: Input tag '%.64s' found using 'type' does not match any of the expected tags", i, type);
}
