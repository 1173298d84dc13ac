/* SPDX-License-Identifier: MIT */
/*
 * Requests become a flat list of blocks: what the provider merges and pairs can be seen there by counting. Those of
 * chat completions become the same blocks, named as in the Messages API, so that one set of conditions serves both.
 */
#include "ask.h"

const char *const ask_paths[ASK_DIALECTS] = {
	[ASK_ANTHROPIC] = "/v1/messages",
	[ASK_OPENAI] = "/v1/chat/completions",
};

enum ask_dialect ask_dialect_of(const struct http_exchange *x)
{
	return strcmp(http_exchange_path(x), ask_paths[ASK_OPENAI]) == 0 ? ASK_OPENAI : ASK_ANTHROPIC;
}

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = json_text(object, name);
	return text ? text : "";
}

/* Content is a text, or a list of blocks. */
static size_t content_count(const cJSON *content)
{
	return cJSON_IsArray(content) ? (size_t)cJSON_GetArraySize(content) : content != NULL;
}

static size_t blocks_count(const cJSON *messages)
{
	size_t n = 0;
	const cJSON *message;
	json_each(message, messages)
		n += content_count(json_get(message, "content")) + content_count(json_get(message, "tool_calls"));
	return n;
}

static struct ask_block block_read(const cJSON *json)
{
	const char *type = text_of(json, "type");
	bool thinking = strcmp(type, "thinking") == 0, result = strcmp(type, "tool_result") == 0;
	return (struct ask_block){ .type = type, .json = json, .text = text_of(json, thinking ? "thinking" : "text"),
		.id = text_of(json, result ? "tool_use_id" : "id"), .name = text_of(json, "name") };
}

static struct ask_block block_text(const char *text)
{
	return (struct ask_block){ .type = "text", .text = text, .id = "", .name = "" };
}

static struct ask_block block_call(const cJSON *json)
{
	return (struct ask_block){ .type = "tool_use", .text = "", .json = json, .id = text_of(json, "id"),
		.name = text_of(json_get(json, "function"), "name") };
}

static struct ask_block block_result(const cJSON *message)
{
	return (struct ask_block){ .type = "tool_result", .text = "", .json = message, .name = "",
		.id = text_of(message, "tool_call_id") };
}

struct flattening {
	struct ask *q;
	struct ask_block *blocks;
	struct buf *system;
	bool user; /* whose the latest message was */
};

static void add_blocks(struct flattening *f, const cJSON *message)
{
	struct ask *q = f->q;
	const cJSON *content = json_get(message, "content"), *item;
	if (strcmp(text_of(message, "role"), "tool") == 0)
		f->blocks[q->n++] = block_result(message);
	else if (cJSON_IsArray(content))
		json_each(item, content)
			f->blocks[q->n++] = block_read(item);
	else if (cJSON_IsString(content))
		f->blocks[q->n++] = block_text(content->valuestring);
	json_each(item, json_get(message, "tool_calls"))
		f->blocks[q->n++] = block_call(item);
}

static void add_message(struct flattening *f, const cJSON *message, int64_t index)
{
	struct ask *q = f->q;
	const char *role = text_of(message, "role");
	bool user = strcmp(role, "user") == 0 || strcmp(role, "tool") == 0;
	q->assistants += !user;
	q->turns += q->turns == 0 || user != f->user;
	f->user = user;
	size_t first = q->n;
	add_blocks(f, message);
	for (size_t i = first; i < q->n; i++) {
		struct ask_block *b = &f->blocks[i];
		b->user = user;
		b->turn = q->turns - 1;
		b->message = index;
		b->at = (int64_t)(i - first);
	}
}

static void add_system(struct buf *out, const cJSON *content)
{
	const cJSON *item;
	if (cJSON_IsString(content))
		buf_printf(out, "%s\n", content->valuestring);
	json_each(item, content)
		buf_printf(out, "%s\n", text_of(item, "text"));
}

static bool is_system(const cJSON *message)
{
	const char *role = text_of(message, "role");
	return strcmp(role, "system") == 0 || strcmp(role, "developer") == 0;
}

static void flatten(struct arena *a, struct ask *q)
{
	const cJSON *messages = json_get(q->json, "messages"), *message;
	int64_t index = 0;
	struct flattening f = { .q = q, .system = buf_new(a, q->body.n * 2 + 1) };
	messages = cJSON_IsArray(messages) ? messages : NULL;
	f.blocks = arena_alloc(a, (blocks_count(messages) + (size_t)cJSON_GetArraySize(messages)) * sizeof(*f.blocks));
	q->blocks = f.blocks;
	add_system(f.system, json_get(q->json, "system"));
	json_each(message, messages) {
		if (is_system(message))
			add_system(f.system, json_get(message, "content"));
		else
			add_message(&f, message, index);
		index++;
	}
	q->system = buf_str(f.system).p;
}

static const char *last_user_text(struct arena *a, const struct ask *q)
{
	struct buf *text = buf_new(a, q->body.n + q->n);
	int64_t turn = -1;
	for (size_t i = q->n; turn < 0 && i-- > 0;)
		if (q->blocks[i].user && *q->blocks[i].text)
			turn = q->blocks[i].turn;
	for (size_t i = 0; i < q->n; i++)
		if (q->blocks[i].turn == turn && *q->blocks[i].text)
			buf_printf(text, "%s%s", text->n ? "\n" : "", q->blocks[i].text);
	return buf_str(text).p;
}

bool ask_read(struct arena *a, const struct http_exchange *x, struct ask *out, struct err *e)
{
	struct ask q = { .exchange = x, .dialect = ask_dialect_of(x), .body = http_exchange_body(x) };
	q.json = json_parse(a, q.body, e);
	if (!q.json)
		return false;
	if (!cJSON_IsObject(q.json))
		return FAIL(e, ERR_INPUT, "bad_json", "not an object");
	const cJSON *choice = json_get(q.json, "tool_choice");
	q.model = text_of(q.json, "model");
	if (strcmp(text_of(choice, "type"), "tool") == 0)
		q.force_tool = json_text(choice, "name");
	else if (strcmp(text_of(choice, "type"), "function") == 0)
		q.force_tool = json_text(json_get(choice, "function"), "name");
	flatten(a, &q);
	q.last_user = last_user_text(a, &q);
	*out = q;
	return true;
}

const char *ask_result_tool(const struct ask *q, const struct ask_block *result)
{
	for (const struct ask_block *b = result; b-- > q->blocks;)
		if (strcmp(b->type, "tool_use") == 0 && strcmp(b->id, result->id) == 0)
			return b->name;
	return "";
}

const char *ask_offered_name(const struct ask *q, const cJSON *tool)
{
	return text_of(q->dialect == ASK_OPENAI ? json_get(tool, "function") : tool, "name");
}

const char *ask_result_text(struct arena *a, const struct ask_block *result)
{
	enum { RESULT_BYTES = 32 << 20 };
	const cJSON *content = json_get(result->json, "content"), *item;
	if (cJSON_IsString(content))
		return content->valuestring;
	struct buf *text = buf_new(a, RESULT_BYTES);
	json_each(item, content)
		buf_add(text, str_of(json_text(item, "text")));
	return buf_str(text).p;
}

const char *ask_api_key(const struct ask *q)
{
	const char *key = http_exchange_header(q->exchange, "x-api-key");
	const char *bearer = http_exchange_header(q->exchange, "authorization");
	if (key)
		return key;
	return bearer && strncasecmp(bearer, "Bearer ", 7) == 0 ? bearer + 7 : "";
}

uint64_t ask_hash(uint64_t from, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		from = (from ^ (unsigned char)bytes.p[i]) * 1099511628211u;
	return from;
}
