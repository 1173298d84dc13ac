/* SPDX-License-Identifier: MIT */
/*
 * Ids of tool calls. Some servers give none, some the same in every turn, some with characters that another provider
 * refuses: the conversation must be able to go on elsewhere, and an execution is known by its id.
 */
#include "openai.h"
#include "uuid.h"

enum { ID_BYTES = 64, OWN_BYTES = 9 }; /* nine letters and digits: what the strictest server takes */

static bool is_usable(const char *id)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strlen(id);
	return n > 0 && n <= ID_BYTES && strspn(id, allowed) == n;
}

static bool in_turn(const struct model_answer *s, const char *id)
{
	for (const struct answer_block *b = s->first; b; b = b->next)
		if (b->kind == BLOCK_TOOL_CALL && b->start && strcmp(json_text(b->start, "id"), id) == 0)
			return true;
	return false;
}

/* A raw block is only searched: an id too many taken for known does no harm. */
static bool in_block(const cJSON *block, const char *quoted)
{
	const char *id = json_text(block, "id");
	return cJSON_IsRaw(block) ? strstr(block->valuestring, quoted) != NULL
		: id && strlen(id) + 2 == strlen(quoted) && strncmp(quoted + 1, id, strlen(id)) == 0;
}

static bool in_conversation(const cJSON *messages, const char *id)
{
	char quoted[ID_BYTES + 3];
	const cJSON *message, *block;
	snprintf(quoted, sizeof(quoted), "\"%s\"", id);
	json_each(message, messages)
		json_each(block, json_get(message, "content"))
			if (in_block(block, quoted))
				return true;
	return false;
}

static bool is_known(const struct model_request *rq, const struct model_answer *s, const char *id)
{
	return in_turn(s, id) || in_conversation(rq->messages, id);
}

const char *openai_call_id(struct arena *a, const struct model_request *rq, const struct model_answer *s,
	const char *given)
{
	if (is_usable(given) && !is_known(rq, s, given))
		return given;
	char own[UUID_TEXT];
	do {
		uuid_make(own);
		own[8] = own[9]; /* its first dash */
		own[OWN_BYTES] = '\0';
	} while (is_known(rq, s, own));
	return arena_text(a, str_of(own));
}
