/* SPDX-License-Identifier: MIT */
/* Conditions, and words for a request that none of the replies expects. */
#include "match.h"

enum { SHOWN_BYTES = 100, NAMES_BYTES = 120 };

static bool is_result_in_hand(const struct ask *q, const struct ask_block *b)
{
	return b->turn == q->turns - 1 && strcmp(b->type, "tool_result") == 0;
}

/* ---- one text of a condition ---- */

static bool in_system(const struct ask *q, const char *text)
{
	return strstr(q->system, text);
}

static bool in_last_user(const struct ask *q, const char *text)
{
	return strstr(q->last_user, text);
}

static bool in_any_user(const struct ask *q, const char *text)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->blocks[i].user && strstr(q->blocks[i].text, text))
			return true;
	return false;
}

static bool has_result(const struct ask *q, const char *tool)
{
	for (size_t i = 0; i < q->n; i++)
		if (is_result_in_hand(q, &q->blocks[i]) && strcmp(ask_result_tool(q, &q->blocks[i]), tool) == 0)
			return true;
	return false;
}

static bool in_result(const struct ask *q, const char *text)
{
	ARENA_SCOPE(tmp);
	for (size_t i = 0; i < q->n; i++)
		if (is_result_in_hand(q, &q->blocks[i]) && strstr(ask_result_text(tmp, &q->blocks[i]), text))
			return true;
	return false;
}

static bool is_offered(const struct ask *q, const char *name)
{
	const cJSON *tool;
	json_each(tool, json_get(q->json, "tools"))
		if (strcmp(ask_offered_name(q, tool), name) == 0)
			return true;
	return false;
}

/* ---- all conditions ---- */

static bool all_hold(const struct ask *q, const struct script_texts *texts,
	bool (*holds)(const struct ask *, const char *))
{
	for (size_t i = 0; i < texts->n; i++)
		if (!holds(q, texts->items[i]))
			return false;
	return true;
}

static bool texts_hold(const struct ask *q, const struct script_when *w)
{
	return all_hold(q, &w->system, in_system) && all_hold(q, &w->last_user, in_last_user)
		&& all_hold(q, &w->any_user, in_any_user) && all_hold(q, &w->tool_result, has_result)
		&& all_hold(q, &w->result, in_result) && all_hold(q, &w->tools_offered, is_offered);
}

static bool is_same(const char *wanted, const char *given)
{
	return !wanted || (given && strcmp(wanted, given) == 0);
}

static bool headers_hold(const struct ask *q, const struct script_when *w)
{
	for (const struct http_header *h = w->headers; h && h->name; h++)
		if (!is_same(h->value, http_exchange_header(q->exchange, h->name)))
			return false;
	return is_same(w->api_key, ask_api_key(q));
}

static bool reply_holds(const struct ask *q, const struct script_when *w)
{
	return (w->turn < 0 || w->turn == q->assistants) && is_same(w->force_tool, q->force_tool) && headers_hold(q, w)
		&& texts_hold(q, w);
}

/* ---- none ---- */

static void add_name(struct buf *names, const char *name)
{
	buf_printf(names, "%s%s", names->n ? ", " : "", name);
}

static const char *offered(struct arena *a, const struct ask *q)
{
	struct buf *names = buf_new(a, NAMES_BYTES);
	const cJSON *tool;
	json_each(tool, json_get(q->json, "tools"))
		add_name(names, ask_offered_name(q, tool));
	return names->n ? buf_str(names).p : "none";
}

static const char *results(struct arena *a, const struct ask *q)
{
	struct buf *names = buf_new(a, NAMES_BYTES);
	for (size_t i = 0; i < q->n; i++)
		if (is_result_in_hand(q, &q->blocks[i]))
			add_name(names, ask_result_tool(q, &q->blocks[i]));
	return names->n ? buf_str(names).p : "none";
}

static int shown(const char *text)
{
	return (int)utf8_cut(str_of(text), SHOWN_BYTES);
}

static void fail_none(const struct script *s, const struct ask *q, struct err *e)
{
	ARENA_SCOPE(tmp);
	FAIL(e, ERR_INPUT, "invalid_request_error", "no reply of the script %s matches. Asked: turn %ld, user text "
		"\"%.*s\", results of %s, forced tool %s, tools offered %s, system \"%.*s\"", s->file, (long)q->assistants,
		shown(q->last_user), q->last_user, results(tmp, q), q->force_tool ? q->force_tool : "none", offered(tmp, q),
		shown(q->system), q->system);
}

const struct script_reply *match_reply(const struct script *s, int64_t *held, const struct ask *q, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct script_when *w = &s->replies[i].when;
		if (reply_holds(q, w) && ++held[i] > w->after && (!w->nth || w->nth == held[i] - w->after))
			return &s->replies[i];
	}
	fail_none(s, q, e);
	return NULL;
}
