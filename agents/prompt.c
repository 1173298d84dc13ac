/* SPDX-License-Identifier: MIT */
#include "prompt.h"

enum { TOKENS_PER_KB = 250, MOST_TOKENS = 32 * 1024 * 1024 / 4 /* no API takes more bytes */ };

struct prompt *prompt_new(struct arena *a, size_t base_bytes, int64_t limit_tokens)
{
	struct prompt *p = arena_alloc(a, sizeof(*p));
	*p = (struct prompt){ .arena = a, .base_bytes = base_bytes, .tokens_per_kb = TOKENS_PER_KB,
		.limit_tokens = limit_tokens ? limit_tokens : MOST_TOKENS };
	return p;
}

struct part *prompt_add(struct prompt *p, enum part_kind kind, const char *raw)
{
	if (p->n == p->capacity) {
		p->capacity = p->capacity ? 2 * p->capacity : 16;
		struct part *larger = arena_alloc(p->arena, p->capacity * sizeof(*larger));
		if (p->n)
			memcpy(larger, p->parts, p->n * sizeof(*larger));
		p->parts = larger;
	}
	struct part *part = &p->parts[p->n++];
	*part = (struct part){ .kind = kind, .turn = p->turn, .request = p->request };
	prompt_set(p, part, raw);
	return part;
}

void prompt_set(struct prompt *p, struct part *part, const char *raw)
{
	p->bytes -= part->bytes;
	part->raw = raw;
	part->bytes = str_of(raw).n;
	p->bytes += part->bytes;
}

void prompt_leave_out(struct prompt *p, struct part *part)
{
	if (!part->out)
		p->bytes -= part->bytes;
	part->out = true;
}

void prompt_measure(struct prompt *p, int64_t tokens)
{
	if (tokens > 0 && p->asked_bytes)
		p->tokens_per_kb = MAX_OF((int64_t)TOKENS_PER_KB, tokens * 1000 / (int64_t)p->asked_bytes);
}

int64_t prompt_tokens(const struct prompt *p)
{
	return (int64_t)(p->base_bytes + p->bytes) * p->tokens_per_kb / 1000;
}

bool prompt_has_call(const struct prompt *p, const char *id)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->parts[i].kind == PART_BLOCK && p->parts[i].call && strcmp(p->parts[i].call, id) == 0)
			return true;
	return false;
}

/* Printed as it is, and not copied: a prompt waits in memory for as long as its answer streams. */
static void add_raw(cJSON *content, const char *raw)
{
	cJSON *item = cJSON_CreateStringReference(raw);
	if (!item)
		abort();
	item->type = cJSON_Raw | cJSON_IsReference;
	cJSON_AddItemToArray(content, item);
}

const cJSON *prompt_messages(struct arena *a, const struct prompt *p)
{
	cJSON *messages = json_array(a), *content = NULL;
	bool from_model = false;
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = &p->parts[i];
		if (part->out || !part->raw)
			continue;
		if (!content || from_model != (part->kind == PART_BLOCK)) {
			from_model = part->kind == PART_BLOCK;
			cJSON *message = json_add_object(messages);
			json_put_text(message, "role", from_model ? "assistant" : "user");
			content = json_put_array(message, "content");
		}
		add_raw(content, part->raw);
	}
	return messages;
}

const char *prompt_text_block(struct arena *a, const char *text)
{
	cJSON *block = json_object(a);
	json_put_text(block, "type", "text");
	json_put_text(block, "text", text);
	return json_print(a, block);
}
