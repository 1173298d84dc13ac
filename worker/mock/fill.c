/* SPDX-License-Identifier: MIT */
/* Filling in: braces are found in the text, their value in the conversation's latest results. */
#include "fill.h"

enum { FILLED_BYTES = 4 << 20, SHOWN_BYTES = 160 };

/* "tool#2.path.0.name" */
struct hole {
	struct str whole, tool, path;
	int64_t nth; /* 0 = the latest */
};

/* Cuts the literal text before the next hole off; false when none follows: then it is all the rest. */
static bool hole_next(struct str *rest, struct str *literal, struct str *hole)
{
	const char *open = rest->n ? memmem(rest->p, rest->n, "{{", 2) : NULL;
	size_t before = open ? (size_t)(open - rest->p) : rest->n;
	*literal = (struct str){ rest->p, before };
	*rest = (struct str){ rest->p + before, rest->n - before };
	const char *close = open ? memmem(rest->p, rest->n, "}}", 2) : NULL;
	if (!close)
		return false;
	size_t n = (size_t)(close - open);
	*hole = str_trim((struct str){ open + 2, n - 2 });
	*rest = (struct str){ rest->p + n + 2, rest->n - n - 2 };
	return true;
}

static bool hole_parse(struct str text, struct hole *out, struct err *e)
{
	struct hole h = { .whole = text, .path = text };
	struct str number;
	str_next(&h.path, '.', &number);
	str_next(&number, '#', &h.tool);
	bool ok = h.tool.n > 0 && (!h.path.p || h.path.n > 0);
	ok = ok && (!number.p || (str_to_i64(number, &h.nth) && h.nth > 0));
	for (size_t i = 0; i < text.n; i++)
		ok = ok && text.p[i] > ' ' && !strchr("{}\"", text.p[i]);
	if (!ok)
		return FAIL(e, ERR_INPUT, "bad_script", "{{%.*s}} is not understood: write {{tool.path.to.value}}, "
			"{{tool#2.path}} or {{last_user}}", STR_ARGS(text));
	*out = h;
	return true;
}

bool fill_check(const char *text, bool *filled, struct err *e)
{
	struct str rest = str_of(text), literal, whole;
	struct hole h;
	while (hole_next(&rest, &literal, &whole)) {
		if (!hole_parse(whole, &h, e))
			return false;
		*filled = true;
	}
	return rest.n == 0 || FAIL(e, ERR_INPUT, "bad_script", "braces {{ without }}");
}

/* ---- where values come from ---- */

static const struct ask_block *result_find(const struct ask *q, const struct hole *h)
{
	const struct ask_block *latest = NULL;
	int64_t nth = 0;
	for (size_t i = 0; i < q->n; i++) {
		const struct ask_block *b = &q->blocks[i];
		if (strcmp(b->type, "tool_result") != 0 || !str_is(h->tool, ask_result_tool(q, b)))
			continue;
		latest = b;
		if (++nth == h->nth)
			return b;
	}
	return h->nth ? NULL : latest;
}

static const cJSON *step_into(struct arena *a, const cJSON *json, struct str step)
{
	int64_t index;
	if (cJSON_IsArray(json))
		return str_to_i64(step, &index) && index >= 0 && index < INT32_MAX
			? cJSON_GetArrayItem(json, (int)index) : NULL;
	return cJSON_IsObject(json) ? json_get(json, arena_text(a, step)) : NULL;
}

static const cJSON *fail_missing(const struct hole *h, struct str step, const char *result, struct err *e)
{
	struct str shown = str_of(result);
	shown.n = utf8_cut(shown, SHOWN_BYTES);
	if (step.n)
		FAIL(e, ERR_INPUT, "missing_value", "{{%.*s}}: no '%.*s' in the result of %.*s, which begins: %.*s",
			STR_ARGS(h->whole), STR_ARGS(step), STR_ARGS(h->tool), STR_ARGS(shown));
	else
		FAIL(e, ERR_INPUT, "missing_value", "{{%.*s}}: the result of %.*s is not JSON; it begins: %.*s",
			STR_ARGS(h->whole), STR_ARGS(h->tool), STR_ARGS(shown));
	return NULL;
}

static const cJSON *plain_text(struct arena *a, const char *text)
{
	cJSON *list = json_array(a);
	json_add_text(list, text);
	return list->child;
}

const char *fill_quote(struct arena *a, struct str text)
{
	return json_print(a, plain_text(a, arena_text(a, text)));
}

static const cJSON *result_value(struct arena *a, const struct hole *h, const char *text, struct err *e)
{
	struct str path = h->path, step = { "", 0 };
	struct err ignored;
	const cJSON *json = json_parse(a, str_of(text), &ignored);
	if (!json && !path.p)
		return plain_text(a, text);
	while (json && str_next(&path, '.', &step))
		json = step_into(a, json, step);
	return json ? json : fail_missing(h, step, text, e);
}

static const cJSON *hole_value(struct arena *a, const struct ask *q, struct str text, struct err *e)
{
	struct hole h;
	if (str_is(text, "last_user"))
		return plain_text(a, q->last_user);
	if (!hole_parse(text, &h, e))
		return NULL;
	const struct ask_block *result = result_find(q, &h);
	if (result)
		return result_value(a, &h, ask_result_text(a, result), e);
	FAIL(e, ERR_INPUT, "missing_value", "{{%.*s}}: the conversation has no such result of %.*s", STR_ARGS(text),
		STR_ARGS(h.tool));
	return NULL;
}

/* ---- where values go ---- */

bool fill_text(struct arena *a, const struct ask *q, const char *text, const char **out, struct err *e)
{
	struct str rest = str_of(text), literal, whole;
	struct buf *filled = buf_new(a, FILLED_BYTES);
	while (hole_next(&rest, &literal, &whole)) {
		const cJSON *value = hole_value(a, q, whole, e);
		if (!value)
			return false;
		buf_add(filled, literal);
		buf_add(filled, str_of(cJSON_IsString(value) ? value->valuestring : json_print(a, value)));
	}
	if (!buf_add(filled, literal))
		return FAIL(e, ERR_INPUT, "bad_script", "more than %d bytes come of one text", FILLED_BYTES);
	*out = buf_str(filled).p;
	return true;
}

/* A text that is one hole and nothing else takes the value with its type. */
static bool is_one_hole(const char *text, struct str *whole)
{
	struct str rest = str_of(text), literal;
	return hole_next(&rest, &literal, whole) && literal.n == 0 && rest.n == 0;
}

static bool fill_string(struct arena *a, const struct ask *q, cJSON *parent, cJSON *item, struct err *e)
{
	struct str whole;
	const char *text;
	const cJSON *value = NULL;
	if (is_one_hole(item->valuestring, &whole))
		value = hole_value(a, q, whole, e);
	else if (fill_text(a, q, item->valuestring, &text, e))
		value = plain_text(a, text);
	if (!value)
		return false;
	cJSON *copy = cJSON_Duplicate(value, true);
	return cJSON_IsObject(parent) ? cJSON_ReplaceItemInObjectCaseSensitive(parent, item->string, copy)
		: cJSON_ReplaceItemViaPointer(parent, item, copy);
}

static bool fill_children(struct arena *a, const struct ask *q, cJSON *parent, struct err *e)
{
	for (cJSON *item = parent->child, *next; item; item = next) {
		next = item->next;
		bool ok = cJSON_IsString(item) ? fill_string(a, q, parent, item, e) : fill_children(a, q, item, e);
		if (!ok)
			return false;
	}
	return true;
}

bool fill_json(struct arena *a, const struct ask *q, const cJSON *json, const cJSON **out, struct err *e)
{
	cJSON *holder = json_object(a);
	json_put_copy(holder, "input", json);
	if (!fill_children(a, q, holder->child, e))
		return false;
	*out = holder->child;
	return true;
}
