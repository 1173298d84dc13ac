/* SPDX-License-Identifier: MIT */
/*
 * The neutral conversation in this dialect: results of tools are messages of their own, calls a list beside the text.
 * What it has no word for is left out: signed thinking, blocks of other providers' own tools.
 */
#include "openai.h"
#include "wire_scan.h"

enum { TEXT_BYTES = MODEL_REQUEST_BYTES };

/* What the blocks of one message come to. */
struct parts {
	cJSON *out;            /* messages */
	cJSON *calls;          /* of the assistant, or NULL */
	struct buf *text, *reasoning;
	struct arena *arena;
};

struct block {
	const cJSON *json;
	struct str bytes;      /* as it was kept, or empty */
};

static void add_text(struct buf *all, const char *text, const char *between)
{
	if (text && *text && all->n)
		buf_add(all, str_of(between));
	buf_add(all, str_of(text));
}

/* The bytes of the input as they are: numbers do not pass through doubles. */
static const char *arguments_of(struct arena *a, const struct block *b)
{
	struct str input;
	if (b->bytes.n && wire_json_member(b->bytes, "input", &input) && input.n)
		return arena_text(a, input);
	const cJSON *tree = json_get(b->json, "input");
	return tree ? json_print(a, tree) : "{}";
}

static void take_tool_use(struct parts *p, const struct block *b)
{
	if (!p->calls)
		p->calls = json_array(p->arena);
	cJSON *call = json_add_object(p->calls);
	json_put_text(call, "id", json_text(b->json, "id"));
	json_put_text(call, "type", "function");
	cJSON *function = json_put_object(call, "function");
	json_put_text(function, "name", json_text(b->json, "name"));
	json_put_text(function, "arguments", arguments_of(p->arena, b));
}

static const char *result_text(struct arena *a, const cJSON *content)
{
	if (!content || cJSON_IsString(content))
		return content ? content->valuestring : "";
	struct buf *text = buf_new(a, TEXT_BYTES);
	const cJSON *part;
	json_each(part, content)
		add_text(text, json_text(part, "text"), "\n");
	return text->n ? buf_str(text).p : json_print(a, content);
}

/* The dialect has no mark for a failure: the text says it. */
static void take_tool_result(struct parts *p, const struct block *b)
{
	const char *text = result_text(p->arena, json_get(b->json, "content"));
	cJSON *message = json_add_object(p->out);
	json_put_text(message, "role", "tool");
	json_put_text(message, "tool_call_id", json_text(b->json, "tool_use_id"));
	json_put_text(message, "content", json_true(b->json, "is_error") ? arena_printf(p->arena, "Error: %s", text) : text);
}

static void take_text(struct parts *p, const struct block *b)
{
	add_text(p->text, json_text(b->json, "text"), "\n\n");
}

static void take_reasoning(struct parts *p, const struct block *b)
{
	add_text(p->reasoning, json_text(b->json, "text"), "\n\n");
}

static const struct {
	const char *type;
	void (*take)(struct parts *p, const struct block *b);
} kinds[] = {
	{ "reasoning", take_reasoning }, { "text", take_text }, { "tool_result", take_tool_result },
	{ "tool_use", take_tool_use },
};

static void take_block(struct parts *p, const cJSON *block)
{
	struct err ignored;
	struct block b = { block, { "", 0 } };
	if (cJSON_IsRaw(block)) {
		b.bytes = str_of(block->valuestring);
		b.json = json_parse(p->arena, b.bytes, &ignored);
	}
	const char *type = json_text(b.json, "type");
	for (size_t i = 0; type && i < COUNT(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			kinds[i].take(p, &b);
}

static void message_end(struct parts *p, const char *role)
{
	if (!p->text->n && !p->calls)
		return;
	cJSON *message = json_add_object(p->out);
	json_put_text(message, "role", role);
	if (p->text->n)
		json_put_str(message, "content", buf_str(p->text));
	else
		json_put_text(message, "content", NULL);
	if (p->reasoning->n)
		json_put_str(message, "reasoning_content", buf_str(p->reasoning));
	if (p->calls)
		json_put_copy(message, "tool_calls", p->calls);
}

static void take_message(struct arena *a, cJSON *out, const cJSON *message)
{
	struct parts p = { .out = out, .text = buf_new(a, TEXT_BYTES), .reasoning = buf_new(a, TEXT_BYTES), .arena = a };
	const cJSON *content = json_get(message, "content"), *block;
	if (cJSON_IsString(content))
		buf_add(p.text, str_of(content->valuestring));
	else
		json_each(block, content)
			take_block(&p, block);
	message_end(&p, json_text(message, "role"));
}

const cJSON *openai_messages(struct arena *a, const char *system, const cJSON *messages)
{
	ARENA_SCOPE(tmp);
	cJSON *out = json_array(a);
	if (system && *system) {
		cJSON *first = json_add_object(out);
		json_put_text(first, "role", "system");
		json_put_text(first, "content", system);
	}
	const cJSON *message;
	json_each(message, messages)
		take_message(tmp, out, message);
	return out;
}
