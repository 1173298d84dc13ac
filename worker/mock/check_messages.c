/* SPDX-License-Identifier: MIT */
/* The conversation: roles, blocks, and calls that must have their results. */
#include "check_inner.h"
#include "tape.h"

enum { CACHE_MARKS = 4 };

static bool is_type(const struct ask_block *b, const char *type)
{
	return strcmp(b->type, type) == 0;
}

/* ---- messages ---- */

static bool check_content(const cJSON *message, int i, bool may_be_empty, struct err *e)
{
	const cJSON *content = json_get(message, "content");
	if (!content)
		return REFUSE(e, "messages.%d.content: Field required", i);
	if (!cJSON_IsArray(content) && !cJSON_IsString(content))
		return REFUSE(e, "messages.%d.content: Input should be a valid list", i);
	bool empty = cJSON_IsArray(content) ? !content->child : !*content->valuestring;
	return !empty || may_be_empty || REFUSE(e, "messages.%d: all messages must have non-empty content except for the "
		"optional final assistant message", i);
}

static bool check_shape(const struct ask *q, struct err *e)
{
	const cJSON *messages = json_get(q->json, "messages"), *message;
	int i = 0;
	if (!cJSON_IsArray(messages))
		return REFUSE(e, "messages: Input should be a valid list");
	if (!messages->child)
		return REFUSE(e, "messages: at least one message is required");
	json_each(message, messages) {
		const char *role = json_text(message, "role");
		if (!role)
			return REFUSE(e, "messages.%d.role: Field required", i);
		bool assistant = strcmp(role, "assistant") == 0;
		if (!assistant && strcmp(role, "user") != 0 && strcmp(role, "system") != 0)
			return REFUSE(e, "messages.%d.role: Input should be 'user', 'assistant' or 'system'", i);
		if (i == 0 && assistant)
			return REFUSE(e, "messages: first message must use the \"user\" role");
		if (!check_content(message, i, assistant && !message->next, e))
			return false;
		i++;
	}
	return true;
}

/* ---- blocks ---- */

static bool fail_block(const struct ask_block *b, struct err *e, const char *what)
{
	return REFUSE(e, "messages.%ld.content.%ld%s", (long)b->message, (long)b->at, what);
}

static bool check_text(const struct ask_block *b, struct err *e)
{
	if (!*b->text)
		return REFUSE(e, "messages: text content blocks must be non-empty");
	return str_trim(str_of(b->text)).n || REFUSE(e, "messages: text content blocks must contain non-whitespace text");
}

/* Its own signatures are a hash of the thinking: what comes back changed by a byte is seen, as the provider sees it. */
static bool check_thought(const struct ask_block *b, struct err *e)
{
	const char *signature = json_text(b->json, "signature");
	char own[TAPE_SIGNATURE_BYTES];
	if (!json_text(b->json, "thinking"))
		return fail_block(b, e, ".thinking.thinking: Field required");
	if (!signature)
		return fail_block(b, e, ".thinking.signature: Field required");
	tape_sign(str_of(b->text), 1, own);
	bool ours = strncmp(signature, own, TAPE_SIGNATURE_PREFIX) == 0;
	return !ours || strcmp(signature, own) == 0 || fail_block(b, e, ": Invalid `signature` in `thinking` block");
}

static bool check_call(const struct ask_block *b, struct err *e)
{
	const char *name = json_text(b->json, "name");
	if (!check_word(b->id))
		return fail_block(b, e, ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
	if (!name || !check_word(name))
		return fail_block(b, e, ".tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
	return cJSON_IsObject(json_get(b->json, "input"))
		|| fail_block(b, e, ".tool_use.input: Input should be a valid dictionary");
}

static bool check_result(const struct ask_block *b, struct err *e)
{
	const cJSON *content = json_get(b->json, "content");
	if (!*b->id)
		return fail_block(b, e, ".tool_result.tool_use_id: Field required");
	return !content || cJSON_IsString(content) || cJSON_IsArray(content)
		|| fail_block(b, e, ".tool_result.content: Input should be a valid list");
}

static bool check_server_call(const struct ask_block *b, struct err *e)
{
	if (!check_word(b->id))
		return fail_block(b, e, ".server_tool_use.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'");
	return cJSON_IsObject(json_get(b->json, "input"))
		|| fail_block(b, e, ".server_tool_use.input: Input should be a valid dictionary");
}

static bool check_search_result(const struct ask_block *b, struct err *e)
{
	const char *id = json_text(b->json, "tool_use_id");
	return id && json_get(b->json, "content") ? true
		: fail_block(b, e, id ? ".web_search_tool_result.content: Field required"
			: ".web_search_tool_result.tool_use_id: Field required");
}

static const struct {
	const char *type;
	enum { ANYBODY, USER, ASSISTANT } whose;
	bool (*check)(const struct ask_block *b, struct err *e);
} kinds[] = {
	{ "server_tool_use", ASSISTANT, check_server_call },
	{ "text", ANYBODY, check_text },
	{ "thinking", ASSISTANT, check_thought },
	{ "tool_result", USER, check_result },
	{ "tool_use", ASSISTANT, check_call },
	{ "web_search_tool_result", ASSISTANT, check_search_result },
};

static bool check_block(const struct ask_block *b, struct err *e)
{
	if (!*b->type)
		return fail_block(b, e, ".type: Field required");
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!is_type(b, kinds[i].type))
			continue;
		if (kinds[i].whose != ANYBODY && b->user != (kinds[i].whose == USER))
			return REFUSE(e, "messages.%ld.content.%ld: `%s` blocks can only be in `%s` messages", (long)b->message,
				(long)b->at, b->type, b->user ? "assistant" : "user");
		return kinds[i].check(b, e);
	}
	return true;
}

static bool check_blocks(const struct ask *q, struct err *e)
{
	for (size_t i = 0; i < q->n; i++)
		if (!check_block(&q->blocks[i], e))
			return false;
	return true;
}

/* ---- calls and results ---- */

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_ids(const struct ask *q, struct err *e)
{
	ARENA_SCOPE(tmp);
	const char **ids = arena_alloc(tmp, q->n * sizeof(*ids));
	size_t n = 0;
	for (size_t i = 0; i < q->n; i++)
		if (is_type(&q->blocks[i], "tool_use"))
			ids[n++] = q->blocks[i].id;
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < n; i++)
		if (strcmp(ids[i - 1], ids[i]) == 0)
			return REFUSE(e, "messages: `tool_use` ids must be unique");
	return true;
}

/* Results stand first in their message: one behind a text does not count. */
static bool is_answered(const struct ask *q, const struct ask_block *call)
{
	const struct ask_block *end = q->blocks + q->n, *b = call;
	while (b < end && b->turn == call->turn)
		b++;
	for (; b < end && b->turn == call->turn + 1 && is_type(b, "tool_result"); b++)
		if (strcmp(b->id, call->id) == 0)
			return true;
	return false;
}

static bool check_answered(const struct ask *q, struct err *e)
{
	enum { IDS_BYTES = 240 };
	ARENA_SCOPE(tmp);
	struct buf *ids = buf_new(tmp, IDS_BYTES);
	const struct ask_block *first = NULL;
	for (size_t i = 0; i < q->n; i++) {
		const struct ask_block *b = &q->blocks[i];
		if (!is_type(b, "tool_use") || (first && b->turn != first->turn) || is_answered(q, b))
			continue;
		buf_printf(ids, "%s%s", first ? ", " : "", b->id);
		first = first ? first : b;
	}
	return !first || REFUSE(e, "messages.%ld: `tool_use` ids were found without `tool_result` blocks immediately "
		"after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
		(long)first->message, buf_str(ids).p);
}

/* Looks back from the result: *twice when the same turn has one for the call already. */
static bool is_asked(const struct ask *q, const struct ask_block *result, bool *twice)
{
	*twice = false;
	for (const struct ask_block *b = result; b-- > q->blocks && b->turn >= result->turn - 1;) {
		bool same = strcmp(b->id, result->id) == 0;
		*twice |= same && is_type(b, "tool_result") && b->turn == result->turn;
		if (same && is_type(b, "tool_use") && b->turn == result->turn - 1)
			return true;
	}
	return false;
}

static bool check_results(const struct ask *q, struct err *e)
{
	bool twice;
	for (size_t i = 0; i < q->n; i++) {
		const struct ask_block *b = &q->blocks[i];
		if (!is_type(b, "tool_result"))
			continue;
		if (!is_asked(q, b, &twice))
			return REFUSE(e, "messages.%ld.content.%ld: unexpected `tool_use_id` found in `tool_result` blocks: "
				"%.128s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
				(long)b->message, (long)b->at, b->id);
		if (twice)
			return REFUSE(e, "messages.%ld.content.%ld: each tool_use must have a single result. Found multiple "
				"`tool_result` blocks with id: %.128s", (long)b->message, (long)b->at, b->id);
	}
	return true;
}

/* A paused turn, recognised by its server tool, is the only one that goes back as the last message. */
static bool check_end(const struct ask *q, struct err *e)
{
	if (!q->n || q->blocks[q->n - 1].user)
		return true;
	for (size_t i = q->n; i-- > 0 && !q->blocks[i].user;)
		if (is_type(&q->blocks[i], "server_tool_use"))
			return true;
	return REFUSE(e, "This model does not support assistant message prefill. The conversation must end with a user "
		"message.");
}

static int count_marks(const cJSON *json)
{
	const cJSON *item;
	int n = cJSON_IsObject(json_get(json, "cache_control"));
	json_each(item, json)
		n += item->string && strcmp(item->string, "input") == 0 ? 0 : count_marks(item);
	return n;
}

/* A search's result goes back with the search that it belongs to. */
static bool check_searches(const struct ask *q, struct err *e)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct ask_block *b = &q->blocks[i];
		if (!is_type(b, "web_search_tool_result"))
			continue;
		const char *id = json_text(b->json, "tool_use_id");
		size_t k = i;
		while (k > 0 && !(is_type(&q->blocks[k - 1], "server_tool_use") && strcmp(q->blocks[k - 1].id, id) == 0))
			k--;
		if (!k)
			return fail_block(b, e, ": unexpected `tool_use_id` found in `web_search_tool_result` blocks. Each "
				"`web_search_tool_result` block must have a corresponding `server_tool_use` block before it.");
	}
	return true;
}

static bool check_cache(const struct ask *q, struct err *e)
{
	int n = count_marks(q->json);
	return n <= CACHE_MARKS || REFUSE(e, "A maximum of %d blocks with cache_control may be provided. Found %d.",
		CACHE_MARKS, n);
}

bool check_messages(const struct ask *q, struct err *e)
{
	static bool (*const checks[])(const struct ask *, struct err *) = {
		check_shape, check_blocks, check_ids, check_answered, check_results, check_searches, check_end, check_cache,
	};
	for (size_t i = 0; i < COUNT(checks); i++)
		if (!checks[i](q, e))
			return false;
	return true;
}
