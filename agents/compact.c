/* SPDX-License-Identifier: MIT */
#include "compact.h"

enum { BEGIN_PERCENT = 80, END_PERCENT = 50, FRESH_TURNS = 2 };

static void cut_part(struct prompt *p, struct part *part, struct compact_cut *cut)
{
	cut->bytes += (int64_t)part->bytes;
	prompt_leave_out(p, part);
}

/* ---- tool results ---- */

static const char *cut_result_block(struct arena *a, const struct part *part)
{
	cJSON *output = json_object(a), *block = json_object(a);
	json_put_text(output, "cut", arena_printf(a, "the result of %s was left out: %zu bytes", part->tool, part->bytes));
	json_put_text(block, "type", "tool_result");
	json_put_text(block, "tool_use_id", part->call);
	json_put_text(block, "content", json_print(a, output));
	return json_print(a, block);
}

/* What the model is working with just now it needs. */
static bool is_old_result(const struct prompt *p, const struct part *part)
{
	return part->kind == PART_RESULT && !part->out && !part->cut && part->raw && part->turn < p->turn - FRESH_TURNS;
}

static void cut_results(struct prompt *p, int64_t target, struct compact_cut *cut)
{
	for (size_t i = 0; i < p->n && prompt_tokens(p) > target; i++) {
		struct part *part = &p->parts[i];
		size_t before = part->bytes;
		const char *shorter = is_old_result(p, part) ? cut_result_block(p->arena, part) : NULL;
		if (!shorter || strlen(shorter) >= before)
			continue;
		prompt_set(p, part, shorter);
		part->cut = true;
		cut->results++;
		cut->bytes += (int64_t)(before - part->bytes);
	}
}

/* ---- earlier requests ---- */

static void cut_requests(struct prompt *p, int64_t target, struct compact_cut *cut)
{
	int64_t last = -1;
	for (size_t i = 0; i < p->n && p->parts[i].request < p->request; i++) {
		struct part *part = &p->parts[i];
		if (part->out || (part->request != last && prompt_tokens(p) <= target))
			continue;
		cut->requests += part->request != last;
		last = part->request;
		cut_part(p, part, cut);
	}
}

/* ---- thinking ---- */

static bool is_thought(const struct part *part)
{
	return part->kind == PART_BLOCK && !part->out && (part->block == BLOCK_THINKING
		|| (part->block == BLOCK_OTHER && str_starts(str_of(part->raw), "{\"type\":\"redacted_thinking\"")));
}

/* That of the last turn stays: the provider wants it back with the results of that turn's calls. */
static void cut_thoughts(struct prompt *p, int64_t target, struct compact_cut *cut)
{
	for (size_t i = 0; i < p->n && prompt_tokens(p) > target; i++) {
		if (!is_thought(&p->parts[i]) || p->parts[i].turn >= p->turn - 1)
			continue;
		cut_part(p, &p->parts[i], cut);
		cut->thoughts++;
	}
}

/* ---- all of it ---- */

void compact_prompt(struct prompt *p, struct compact_cut *cut)
{
	int64_t now = prompt_tokens(p), target = p->limit_tokens * END_PERCENT / 100;
	if (now <= p->limit_tokens * BEGIN_PERCENT / 100 && !p->overflowed)
		return;
	if (p->overflowed) /* whatever the limit is said to be */
		target = MIN_OF(target, now * END_PERCENT / 100);
	p->overflowed = false;
	cut_results(p, target, cut);
	cut_requests(p, target, cut);
	cut_thoughts(p, target, cut);
}

bool compact_check(const struct prompt *p, struct err *e)
{
	return prompt_tokens(p) <= p->limit_tokens || FAIL(e, ERR_INPUT, "context_too_long",
		"the conversation has about %ld tokens, the model takes %ld (option model.context_tokens), and nothing is left "
		"to cut: begin a new session, or ask for less", (long)prompt_tokens(p), (long)p->limit_tokens);
}
