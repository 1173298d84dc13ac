/* SPDX-License-Identifier: MIT */
/* The conversation, one thing at a time. Whatever is decided here is decided by what came before, so that live and
 * replayed it is the same. */
#include "compact.h"
#include "conversation_rows.h"

enum { ANSWER_BYTES = 64 * 1024 * 1024 };

void fold_begin(struct conversation *c, struct prompt *p)
{
	*c = (struct conversation){ .prompt = p, .stop_reason = "", .text = "", .answer = buf_new(p->arena, ANSWER_BYTES) };
}

static struct model_block *appended(struct arena *a, struct model_block *list, size_t n, const struct model_block *b)
{
	list = arena_grow(a, list, n, sizeof(*list));
	list[n] = *b;
	return list;
}

/* ---- a turn comes ---- */

void fold_turn(struct conversation *c)
{
	if (c->turn_open)
		return;
	if (!c->goes_on)
		buf_clear(c->answer);
	c->turn_open = true;
	c->over = false;
	c->prompt->turn++;
	c->cut = (struct compact_cut){ 0 };
	compact_prompt(c->prompt, &c->cut);
	c->prompt->asked_bytes = c->prompt->base_bytes + c->prompt->bytes;
	c->first_part = c->prompt->n;
	c->n_open = c->n_turn_calls = 0;
}

void fold_block(struct conversation *c, const struct model_block *b)
{
	fold_turn(c);
	struct part *part = prompt_add(c->prompt, PART_BLOCK, b->raw);
	part->block = b->kind;
	if (b->kind == BLOCK_TEXT)
		buf_add(c->answer, str_of(b->text));
	if (b->kind != BLOCK_TOOL_CALL)
		return;
	part->call = b->tool_id;
	c->open = appended(c->prompt->arena, c->open, c->n_open++, b);
	c->calls = appended(c->prompt->arena, c->calls, (size_t)c->tool_calls++, b);
}

/* ---- it ends ---- */

/* The places of the results are kept now, so that they come in the order of the calls whoever is first. */
static void places_keep(struct conversation *c)
{
	struct prompt *p = c->prompt;
	c->n_turn_calls = c->n_open;
	c->turn_calls = c->calls + (c->tool_calls - (int64_t)c->n_open);
	c->turn_end = c->sequence;
	c->sequence += (int64_t)c->n_open;
	c->first_result = p->n;
	for (size_t i = 0; i < c->n_turn_calls; i++) {
		struct part *part = prompt_add(p, PART_RESULT, NULL);
		part->call = c->turn_calls[i].tool_id;
		part->tool = c->turn_calls[i].tool_name;
	}
}

static void turn_close(struct conversation *c, const char *stop_reason)
{
	c->turn_open = c->goes_on = false;
	c->over = true;
	c->stop_reason = stop_reason;
	c->text = c->answer->n ? c->answer->p : "";
	c->turns++;
	places_keep(c);
}

/* A window that is full once may be made room in. */
static bool overflows(struct conversation *c, const char *stop_reason)
{
	if (strcmp(stop_reason, "model_context_window_exceeded") != 0 || c->overflows++)
		return false;
	c->prompt->overflowed = true;
	return true;
}

void fold_end(struct conversation *c, const char *stop_reason, int64_t prompt_tokens)
{
	fold_turn(c);
	prompt_measure(c->prompt, prompt_tokens);
	if (!overflows(c, stop_reason)) {
		turn_close(c, stop_reason);
		return;
	}
	fold_broken(c);
	if (c->mend == MEND_MARK)
		c->mend = MEND_NONE; /* it has an end of its own */
}

/* ---- it breaks off ---- */

/* A call of the provider's own tools must not go back without its result. */
static bool has_server_result(const struct prompt *p, size_t call)
{
	ARENA_SCOPE(tmp);
	struct err ignored;
	const cJSON *block = json_parse(tmp, str_of(p->parts[call].raw), &ignored);
	const char *type = json_text(block, "type"), *id = json_text(block, "id");
	if (!type || !id || !strstr(type, "tool_use"))
		return true;
	const char *named = arena_printf(tmp, "\"tool_use_id\":\"%s\"", id);
	for (size_t i = call + 1; i < p->n; i++)
		if (p->parts[i].block == BLOCK_OTHER && strstr(p->parts[i].raw, named))
			return true;
	return false;
}

/*
 * What of a broken turn can be sent ends with a text or a call. The API refuses a message that ends with thinking, and
 * signed thinking belongs to the answer that followed it, which is not here: the next answer has thoughts of its own.
 */
static size_t sendable_end(const struct conversation *c)
{
	size_t end = c->prompt->n;
	while (end > c->first_part && c->prompt->parts[end - 1].block != BLOCK_TEXT
		&& c->prompt->parts[end - 1].block != BLOCK_TOOL_CALL)
		end--;
	return end;
}

void fold_broken(struct conversation *c)
{
	struct prompt *p = c->prompt;
	size_t end = sendable_end(c);
	for (size_t i = c->first_part; i < p->n; i++)
		if (i >= end || (p->parts[i].block == BLOCK_OTHER && !has_server_result(p, i)))
			prompt_leave_out(p, &p->parts[i]);
	if (c->n_open) {
		turn_close(c, "tool_use");
		return;
	}
	c->turn_open = false;
	c->mend = end > c->first_part ? MEND_TEXT : MEND_MARK;
}

/* ---- what is said to the model ---- */

void fold_text(struct conversation *c, const char *raw)
{
	prompt_add(c->prompt, PART_TEXT, raw);
	c->goes_on = c->goes_on || c->mend == MEND_TEXT;
	c->mend = MEND_NONE;
	c->over = false;
}

int64_t fold_call_place(const struct conversation *c, const char *call)
{
	for (size_t i = 0; i < c->n_turn_calls; i++)
		if (strcmp(c->turn_calls[i].tool_id, call) == 0)
			return (int64_t)i;
	return -1;
}

static bool open_remove(struct conversation *c, const char *call)
{
	for (size_t i = 0; i < c->n_open; i++) {
		if (strcmp(c->open[i].tool_id, call) != 0)
			continue;
		memmove(&c->open[i], &c->open[i + 1], (c->n_open - i - 1) * sizeof(*c->open));
		c->n_open--;
		return true;
	}
	return false;
}

bool fold_result(struct conversation *c, const char *call, const char *raw)
{
	int64_t place = fold_call_place(c, call);
	if (place < 0 || !open_remove(c, call))
		return false;
	prompt_set(c->prompt, &c->prompt->parts[c->first_result + (size_t)place], raw);
	c->over = false;
	return true;
}
