/* SPDX-License-Identifier: MIT */
#include "model_answer.h"
#include "wire.h"

enum { EVENT_EXTRA_BYTES = 64 * 1024 }; /* what an event may have around the answer's own bytes */

static void sse_end(void *sse)
{
	sse_done(sse);
}

void model_answer_init(struct model_answer *s, struct arena *a, const struct model_config *c, struct thoughts *thoughts,
	sse_handler handler)
{
	*s = (struct model_answer){ .arena = a, .thoughts = thoughts, .secret = c->api_key, .limit = c->turn_bytes };
	s->unread = &s->first;
	s->scratch = buf_new(a, c->turn_bytes);
	sse_init(&s->sse, c->turn_bytes + EVENT_EXTRA_BYTES, handler, s);
	arena_defer(a, sse_end, &s->sse);
}

bool model_answer_feed(struct model_answer *s, struct str piece, struct err *e)
{
	s->seen += piece.n;
	return sse_feed(&s->sse, piece, e);
}

bool model_answer_count(struct model_answer *s, size_t n, struct err *e)
{
	s->bytes += n;
	if (s->bytes > s->limit)
		return FAIL(e, ERR_INPUT, "answer_too_large",
			"the model's answer is larger than %zu bytes: raise the option model.answer_bytes, or ask for "
			"less", s->limit);
	return true;
}

struct answer_block *model_answer_find(const struct model_answer *s, int64_t index)
{
	if (s->last && s->last->index == index)
		return s->last;
	struct answer_block *b = s->first;
	while (b && b->index != index)
		b = b->next;
	return b;
}

void model_answer_show(const struct model_answer *s, const struct answer_block *b, struct str text)
{
	if (s->thoughts && text.n > 0)
		thought_delta(s->thoughts, b->kind == BLOCK_TEXT ? THOUGHT_TEXT : THOUGHT_THINKING, text);
}

bool model_answer_begin(struct model_answer *s, struct answer_block *b, size_t size, struct err *e)
{
	if (s->n == MODEL_BLOCKS)
		return FAIL(e, ERR_INPUT, "answer_too_large", "more than %d content blocks in one answer", MODEL_BLOCKS);
	if (!model_answer_count(s, size, e))
		return false;
	if (s->last)
		s->last->next = b;
	else
		s->first = b;
	s->last = b;
	s->n++;
	model_answer_show(s, b, buf_str(b->text));
	return true;
}

bool model_answer_ready(const struct model_answer *s)
{
	return *s->unread && (*s->unread)->closed;
}

bool model_answer_next(struct model_answer *s, struct arena *a, struct model_block *out)
{
	while (model_answer_ready(s)) {
		struct answer_block *b = *s->unread;
		s->unread = &b->next;
		if (answer_block_read(a, b, out))
			return true;
	}
	return false;
}

void model_answer_stop(struct model_answer *s, const char *reason)
{
	struct str word = str_of(reason);
	size_t n = utf8_cut(word, sizeof(s->stop_reason) - 1);
	if (n == 0)
		return;
	memcpy(s->stop_reason, word.p, n);
	s->stop_reason[n] = '\0';
}

const cJSON *model_answer_parse(struct arena *a, const char *what, struct str *data, struct err *e)
{
	struct err why;
	*data = utf8_clean(a, wire_mend_json(a, *data));
	const cJSON *event = json_parse(a, *data, &why);
	if (cJSON_IsObject(event))
		return event;
	GARBAGE(e, "%s: %s", what, event ? "not a JSON object" : why.msg);
	return NULL;
}

bool model_answer_check(const struct model_answer *s, const char *missing, struct err *e)
{
	if (s->seen > 0 && s->sse.events == 0)
		return GARBAGE(e, "the model's answer has %zu bytes and no event", s->seen);
	return s->whole || FAIL(e, ERR_NET, "model_cut", "the model's answer ended after %zu bytes without %s", s->seen,
		missing);
}
