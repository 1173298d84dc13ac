/* SPDX-License-Identifier: MIT */
/* The request, in one order of keys for ever. */
#include "openai.h"

static void put_tools(cJSON *o, const struct model_request *rq)
{
	const cJSON *tool;
	if (!rq->tools || !rq->tools->child)
		return;
	cJSON *all = json_put_array(o, "tools");
	json_each(tool, rq->tools) {
		cJSON *one = json_add_object(all);
		json_put_text(one, "type", "function");
		cJSON *function = json_put_object(one, "function");
		json_put_text(function, "name", json_text(tool, "name"));
		json_put_text(function, "description", json_text(tool, "description"));
		json_put_copy(function, "parameters", json_get(tool, "input_schema"));
	}
}

static void put_force_tool(cJSON *o, const struct model_request *rq)
{
	if (!rq->force_tool)
		return;
	cJSON *choice = json_put_object(o, "tool_choice");
	json_put_text(choice, "type", "function");
	json_put_text(json_put_object(choice, "function"), "name", rq->force_tool);
	json_put_bool(o, "parallel_tool_calls", false);
}

static void put_result_schema(cJSON *o, const struct model_request *rq)
{
	if (!rq->result_schema)
		return;
	cJSON *format = json_put_object(o, "response_format");
	json_put_text(format, "type", "json_schema");
	cJSON *schema = json_put_object(format, "json_schema");
	json_put_text(schema, "name", "result");
	json_put_bool(schema, "strict", true);
	json_put_copy(schema, "schema", rq->result_schema);
}

/* OpenAI's own newer models refuse the name that everybody else knows. */
static const char *max_tokens_name(const struct model_config *c)
{
	return strstr(c->base_url, "//api.openai.com") ? "max_completion_tokens" : "max_tokens";
}

bool openai_body(struct arena *a, const struct model_config *c, const struct model_request *rq, struct str *body,
	struct err *e)
{
	ARENA_SCOPE(tmp); /* only the finished text stays for the time of the stream */
	if (rq->web_searches > 0)
		return FAIL(e, ERR_INPUT, "web_search_unavailable", "model %s speaks chat completions, which have no web search: "
			"take web_searches out of the agent, or give it a model of model.api anthropic",
			rq->name ? rq->name : c->called ? c->called : c->name);
	cJSON *o = json_object(tmp);
	json_put_text(o, "model", rq->name ? rq->name : c->called ? c->called : c->name);
	json_put_i64(o, max_tokens_name(c), rq->max_tokens ? rq->max_tokens : c->max_tokens);
	put_tools(o, rq);
	put_force_tool(o, rq);
	put_result_schema(o, rq);
	json_put_bool(o, "stream", true);
	json_put_bool(json_put_object(o, "stream_options"), "include_usage", true);
	json_put_raw(o, "messages", json_print(tmp, openai_messages(tmp, rq->system, rq->messages)));
	return model_body_end(a, o, body, e);
}

const struct http_header *openai_headers(struct arena *a, const struct model_config *c)
{
	bool key = c->api_key && *c->api_key;
	const struct http_header all[] = {
		{ "Content-Type", "application/json" },
		{ "Accept", "text/event-stream" },
		{ "User-Agent", "drover/" DROVER_VERSION },
		{ key ? "Authorization" : NULL, key ? arena_printf(a, "Bearer %s", c->api_key) : NULL },
		{ 0 },
	};
	struct http_header *copy = arena_alloc(a, sizeof(all));
	memcpy(copy, all, sizeof(all));
	return copy;
}
