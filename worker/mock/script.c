/* SPDX-License-Identifier: MIT */
/* What a script may say, as tables, and what would make no sense together. */
#include "script_read.h"
#include "file.h"

enum { HOUR_MS = 3600 * 1000, REPEATS = 1000 * 1000, DELTAS = 1000 * 1000,
	GARBAGE_BYTES = 1 << 30, GARBAGE_PIECE = 1024 };

const char *const script_count_names[SCRIPT_COUNTS] = {
	[SCRIPT_INPUT] = "input_tokens",
	[SCRIPT_OUTPUT] = "output_tokens",
	[SCRIPT_CACHE_WRITE] = "cache_creation_input_tokens",
	[SCRIPT_CACHE_READ] = "cache_read_input_tokens",
	[SCRIPT_SEARCHES] = "web_search_requests",
};

/* ---- blocks ---- */

struct block_keys {
	const char *thinking, *text, *tool, *input_text, *raw, *raw_file;
	const cJSON *input, *block;
	int64_t repeat, garbage;
};

#define BLOCK(member) offsetof(struct block_keys, member)
static const struct script_key block_table[] = {
	{ "block", script_read_json, BLOCK(block) },
	{ "garbage", script_read_count, BLOCK(garbage), 1, GARBAGE_BYTES },
	{ "input", script_read_json, BLOCK(input) },
	{ "input_text", script_read_fill, BLOCK(input_text) },
	{ "raw", script_read_text, BLOCK(raw) },
	{ "raw_file", script_read_file, BLOCK(raw_file) },
	{ "repeat", script_read_count, BLOCK(repeat), 1, REPEATS },
	{ "text", script_read_fill, BLOCK(text) },
	{ "thinking", script_read_fill, BLOCK(thinking) },
	{ "tool", script_read_text, BLOCK(tool) },
	{ 0 },
};

static bool block_check(struct script_reader *r, const struct yaml_node *node, const struct block_keys *b)
{
	static const char *const kinds[] = { "block", "garbage", "raw", "raw_file", "text", "thinking", "tool" };
	int n = 0;
	for (size_t i = 0; i < COUNT(kinds); i++)
		n += yaml_get(node, kinds[i]) != NULL;
	bool input = yaml_get(node, "input") || yaml_get(node, "input_text");
	if (n != 1)
		script_problem(r, node->place, "a block is one of thinking, text, tool, block, raw, raw_file or garbage");
	else if (input && !b->tool)
		script_problem(r, node->place, "input belongs to a tool: add 'tool: NAME'");
	else if (b->input && b->input_text)
		script_problem(r, node->place, "input or input_text, one of the two");
	else if (b->tool && !*b->tool)
		script_problem(r, node->place, "the tool has no name");
	else
		return true;
	return false;
}

/* The same each time, every byte but those that end a line or a text. */
static struct script_block garbage_make(struct arena *a, int64_t bytes)
{
	int64_t n = MIN_OF(bytes, (int64_t)GARBAGE_PIECE);
	char *text = arena_alloc(a, (size_t)n + 1);
	for (int64_t i = 0; i < n; i++)
		text[i] = (char)(' ' + 1 + i * 31 % (255 - ' '));
	return (struct script_block){ .kind = SCRIPT_RAW, .text = text, .repeat = bytes / n };
}

static struct script_block whole_make(struct arena *a, const cJSON *json)
{
	const char *name = json_text(json, "name");
	return (struct script_block){ SCRIPT_WHOLE, json_print(a, json), name ? name : "", NULL, 1 };
}

static struct script_block block_make(struct arena *a, const struct block_keys *b)
{
	if (b->garbage)
		return garbage_make(a, b->garbage);
	if (b->block)
		return whole_make(a, b->block);
	struct script_block block = { .kind = SCRIPT_RAW, .text = b->raw ? b->raw : b->raw_file, .repeat = b->repeat };
	if (b->thinking || b->text) {
		block.kind = b->thinking ? SCRIPT_THINKING : SCRIPT_TEXT;
		block.text = b->thinking ? b->thinking : b->text;
	} else if (b->tool) {
		block = (struct script_block){ SCRIPT_TOOL, b->input_text, b->tool, b->input, 1 };
		if (!block.text && !block.input)
			block.input = json_object(a);
	}
	block.text = block.text || block.kind == SCRIPT_TOOL ? block.text : "";
	return block;
}

static void read_block(struct script_reader *r, const struct yaml_node *node, struct script_block *out)
{
	static const struct script_key table = { .name = "block", .keys = block_table };
	struct block_keys b = { .repeat = 1 };
	size_t before = r->problems->n;
	script_read_map(r, &table, node, &b);
	if (r->problems->n == before && block_check(r, node, &b))
		*out = block_make(r->a, &b);
}

static void read_blocks(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	struct script_reply *reply = at;
	reply->n = node->kind == YAML_LIST ? node->n : 1;
	struct script_block *blocks = arena_alloc(r->a, reply->n * sizeof(*blocks));
	reply->blocks = blocks;
	if (node->kind == YAML_TEXT) {
		*blocks = (struct script_block){ .kind = SCRIPT_TEXT, .repeat = 1 };
		script_read_fill(r, k, node, &blocks->text);
		return;
	}
	if (node->kind == YAML_MAP || !node->n)
		script_problem(r, node->place, "reply must be a text or a list of blocks");
	else
		yaml_each(item, node)
			read_block(r, item, blocks++);
}

/* ---- conditions ---- */

#define WHEN(member) offsetof(struct script_when, member)
static const struct script_key when_table[] = {
	{ "after", script_read_count, WHEN(after), 1, INT32_MAX },
	{ "any_user", script_read_texts, WHEN(any_user) },
	{ "api_key", script_read_text, WHEN(api_key) },
	{ "force_tool", script_read_text, WHEN(force_tool) },
	{ "header", script_read_headers, WHEN(headers) },
	{ "last_user", script_read_texts, WHEN(last_user) },
	{ "nth", script_read_count, WHEN(nth), 1, INT32_MAX },
	{ "result", script_read_texts, WHEN(result) },
	{ "system", script_read_texts, WHEN(system) },
	{ "tool_result", script_read_texts, WHEN(tool_result) },
	{ "tools_offered", script_read_texts, WHEN(tools_offered) },
	{ "turn", script_read_count, WHEN(turn), 0, INT32_MAX },
	{ 0 },
};

/* ---- replies ---- */

#define AFTER(member) offsetof(struct script_after, member)
#define AFTER_DELTAS { "deltas", script_read_count, AFTER(deltas), 0, DELTAS, .required = true }
static const struct script_key cut_table[] = {
	AFTER_DELTAS,
	{ "reset", script_read_bool, AFTER(reset) },
	{ 0 },
};
static const struct script_key error_table[] = {
	AFTER_DELTAS,
	{ "message", script_read_text, AFTER(message) },
	{ "type", script_read_text, AFTER(type), .required = true },
	{ 0 },
};
static const struct script_key stall_table[] = {
	AFTER_DELTAS,
	{ "for", script_read_time, AFTER(for_ms), 1, HOUR_MS, .required = true },
	{ 0 },
};
#define USAGE(what, count) { what, script_read_count, (count) * sizeof(int64_t), 0, INT32_MAX }
static const struct script_key usage_table[] = {
	USAGE("cache_creation_input_tokens", SCRIPT_CACHE_WRITE),
	USAGE("cache_read_input_tokens", SCRIPT_CACHE_READ),
	USAGE("input_tokens", SCRIPT_INPUT),
	USAGE("output_tokens", SCRIPT_OUTPUT),
	USAGE("web_search_requests", SCRIPT_SEARCHES),
	{ 0 },
};

#define REPLY(member) offsetof(struct script_reply, member)
static const struct script_key reply_table[] = {
	{ "body", script_read_body, REPLY(body) },
	{ "chunk", script_read_count, REPLY(chunk), 1, 1 << 20 },
	{ "cut_after", script_read_map, REPLY(cut), .keys = cut_table },
	{ "delay", script_read_time, REPLY(delay_ms), 0, HOUR_MS },
	{ "drop", script_read_bool, REPLY(drop) },
	{ "error_after", script_read_map, REPLY(error), .keys = error_table },
	{ "headers", script_read_headers, REPLY(headers) },
	{ "name", script_read_text, REPLY(name) },
	{ "pace", script_read_time, REPLY(pace_ms), 0, HOUR_MS },
	{ "reasoning_field", script_read_text, REPLY(reasoning) },
	{ "reply", read_blocks, 0 },
	{ "stall_after", script_read_map, REPLY(stall), .keys = stall_table },
	{ "status", script_read_count, REPLY(status), 200, 599 },
	{ "stop_reason", script_read_text, REPLY(stop_reason) },
	{ "trickle", script_read_time, REPLY(trickle_ms), 1, HOUR_MS },
	{ "usage", script_read_map, REPLY(usage), .keys = usage_table },
	{ "when", script_read_map, REPLY(when), .keys = when_table },
	{ 0 },
};
static const struct script_key default_table[] = {
	{ "chunk", script_read_count, REPLY(chunk), 1, 1 << 20 },
	{ "delay", script_read_time, REPLY(delay_ms), 0, HOUR_MS },
	{ "pace", script_read_time, REPLY(pace_ms), 0, HOUR_MS },
	{ "reasoning_field", script_read_text, REPLY(reasoning) },
	{ 0 },
};

static void reply_check(struct script_reader *r, const struct yaml_node *node, const struct script_reply *reply)
{
	int answers = (reply->n > 0) + (reply->status > 0) + reply->drop;
	bool known = strcmp(reply->reasoning, "reasoning") == 0 || strcmp(reply->reasoning, "reasoning_content") == 0;
	if (!known)
		script_problem(r, node->place, "reasoning_field must be reasoning or reasoning_content, not %s", reply->reasoning);
	if (answers != 1)
		script_problem(r, node->place, "a reply has one of 'reply:', 'status:' and 'drop: true'");
	else if (reply->body && !reply->status)
		script_problem(r, yaml_get(node, "body")->key_place, "a body needs a status: add 'status: 200' or another");
}

static bool all_raw(const struct script_reply *reply)
{
	for (size_t i = 0; i < reply->n; i++)
		if (reply->blocks[i].kind != SCRIPT_RAW)
			return false;
	return reply->n > 0;
}

/* The content type is a matter of its own for the server; the rest stays. */
static void take_content_type(struct arena *a, const struct yaml_node *node, struct script_reply *reply)
{
	const struct yaml_node *body = yaml_get(node, "body");
	reply->content_type = body && body->kind != YAML_MAP ? "text/plain" : "application/json";
	size_t n = 0;
	for (const struct http_header *h = reply->headers; h && h->name; h++)
		n++;
	struct http_header *rest = arena_alloc(a, (n + 1) * sizeof(*rest)), *end = rest;
	for (const struct http_header *h = reply->headers; h && h->name; h++) {
		if (strcasecmp(h->name, "content-type") == 0)
			reply->content_type = h->value;
		else
			*end++ = *h;
	}
	reply->headers = rest;
}

static void read_reply(struct script_reader *r, const struct yaml_node *node, struct script_reply *reply)
{
	static const struct script_key table = { .name = "reply", .keys = reply_table };
	size_t before = r->problems->n;
	reply->place = node->place;
	r->filled = false;
	script_read_map(r, &table, node, reply);
	if (r->problems->n > before)
		return;
	reply_check(r, node, reply);
	reply->filled = r->filled;
	reply->all_raw = all_raw(reply);
	take_content_type(r->a, node, reply);
}

static const struct script_reply reply_preset = {
	.name = "", .when = { .turn = -1 }, .usage = { -1, -1, -1, -1, -1 }, .reasoning = "reasoning_content",
	.stall.deltas = -1, .error.deltas = -1, .cut.deltas = -1, .error.message = "by the script",
};

static void read_replies(struct script_reader *r, const struct yaml_node *list, const struct script_reply *preset,
	struct script *out)
{
	if (!list || list->kind != YAML_LIST || !list->n) {
		struct yaml_place top = { r->file, 1, 1 };
		script_problem(r, list ? list->place : top, "'replies:' must be a list with one reply or more");
		return;
	}
	out->replies = arena_alloc(r->a, list->n * sizeof(*out->replies));
	yaml_each(item, list) {
		struct script_reply *reply = &out->replies[out->n++];
		*reply = *preset;
		read_reply(r, item, reply);
	}
}

static void check_reached(struct script_reader *r, const struct yaml_node *list)
{
	const struct yaml_node *all = NULL;
	yaml_each(item, list) {
		const struct yaml_node *when = yaml_get(item, "when");
		if (all) {
			script_problem(r, item->place, "is never reached: the reply of line %d answers every request",
				all->place.line);
			return;
		}
		if (!when || !when->n)
			all = item;
	}
}

/* ---- the file ---- */

static void nothing(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	(void)r, (void)k, (void)node, (void)at;
}

static void read_root(struct script_reader *r, const struct yaml_node *root, struct script *out)
{
	static const struct script_key keys[] = { { "defaults", nothing }, { "replies", nothing }, { 0 } };
	static const struct script_key table = { .name = "script", .keys = keys };
	static const struct script_key defaults = { .name = "defaults", .keys = default_table };
	struct script_reply preset = reply_preset;
	if (!yaml_is_null(root))
		script_read_map(r, &table, root, out);
	const struct yaml_node *given = yaml_get(root, "defaults"), *list = yaml_get(root, "replies");
	if (given)
		script_read_map(r, &defaults, given, &preset);
	read_replies(r, list, &preset, out);
	if (list)
		check_reached(r, list);
}

static bool load(struct arena *a, const char *name, const struct yaml_node *root, const struct err *e,
	struct config_problems *problems, struct script *out)
{
	struct script_reader r = { .a = a, .file = name, .problems = problems, .end = &problems->first };
	struct script script = { .file = name };
	if (root) {
		read_root(&r, root, &script);
	} else {
		struct config_problem *p = arena_alloc(a, sizeof(*p));
		p->text = arena_text(a, str_of(e->msg));
		*problems = (struct config_problems){ 1, p };
	}
	if (problems->n)
		return false;
	*out = script;
	return true;
}

bool script_load_text(struct arena *a, const char *name, struct str text, struct config_problems *problems,
	struct script *out)
{
	struct err e = { 0 };
	*problems = (struct config_problems){ 0 };
	return load(a, name, yaml_load(a, name, text, &e), &e, problems, out);
}

bool script_load(struct arena *a, const char *file, struct config_problems *problems, struct script *out)
{
	struct err e = { 0 };
	*problems = (struct config_problems){ 0 };
	return load(a, file, yaml_load_file(a, file, &e), &e, problems, out);
}
