/* SPDX-License-Identifier: MIT */
#include "json.h"

/* One pass over the bytes before the recursive parser: brackets outside strings, never deeper than the limit. */
static bool depth_check(struct str text, struct err *e)
{
	int depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{') && ++depth > JSON_MAX_DEPTH)
			return FAIL(e, ERR_INPUT, "bad_json", "JSON nested deeper than %d at byte %zu", JSON_MAX_DEPTH, i);
		else if (!in_string && (c == ']' || c == '}'))
			depth--;
	}
	return true;
}

static void tree_end(void *tree)
{
	cJSON_Delete(tree);
}

const cJSON *json_parse(struct arena *a, struct str text, struct err *e)
{
	if (!depth_check(text, e))
		return NULL;
	text = utf8_clean(a, text);
	const char *copy = arena_text(a, text); /* cJSON wants a NUL to be sure of the end */
	const char *end = NULL;
	cJSON *tree = cJSON_ParseWithLengthOpts(copy, text.n + 1, &end, true);
	if (!tree) {
		size_t place = end ? (size_t)(end - copy) : 0;
		FAIL(e, ERR_INPUT, "bad_json", "not JSON at byte %zu of %zu", place, text.n);
		return NULL;
	}
	arena_defer(a, tree_end, tree);
	return tree;
}

static cJSON *keep(struct arena *a, cJSON *tree)
{
	if (!tree)
		abort();
	arena_defer(a, tree_end, tree);
	return tree;
}

cJSON *json_object(struct arena *a)
{
	return keep(a, cJSON_CreateObject());
}

cJSON *json_array(struct arena *a)
{
	return keep(a, cJSON_CreateArray());
}

/* cJSON's only failure here is memory. */
static cJSON *put(cJSON *object, const char *name, cJSON *child)
{
	if (!child || !cJSON_AddItemToObject(object, name, child))
		abort();
	return child;
}

static cJSON *add(cJSON *array, cJSON *child)
{
	if (!child || !cJSON_AddItemToArray(array, child))
		abort();
	return child;
}

void json_put_text(cJSON *object, const char *name, const char *text)
{
	if (text)
		json_put_str(object, name, str_of(text));
	else
		put(object, name, cJSON_CreateNull());
}

void json_put_str(cJSON *object, const char *name, struct str s)
{
	ARENA_SCOPE(tmp);
	put(object, name, cJSON_CreateString(arena_text(tmp, utf8_clean(tmp, s))));
}

void json_put_i64(cJSON *object, const char *name, int64_t n)
{
	put(object, name, cJSON_CreateNumber((double)n));
}

void json_put_bool(cJSON *object, const char *name, bool b)
{
	put(object, name, cJSON_CreateBool(b));
}

void json_put_copy(cJSON *object, const char *name, const cJSON *value)
{
	put(object, name, value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
}

void json_put_raw(cJSON *object, const char *name, const char *json)
{
	put(object, name, cJSON_CreateRaw(json));
}

cJSON *json_put_object(cJSON *object, const char *name)
{
	return put(object, name, cJSON_CreateObject());
}

cJSON *json_put_array(cJSON *object, const char *name)
{
	return put(object, name, cJSON_CreateArray());
}

cJSON *json_add_object(cJSON *array)
{
	return add(array, cJSON_CreateObject());
}

void json_add_copy(cJSON *array, const cJSON *value)
{
	add(array, cJSON_Duplicate(value, true));
}

void json_add_raw(cJSON *array, const char *json)
{
	add(array, cJSON_CreateRaw(json));
}

void json_add_text(cJSON *array, const char *text)
{
	ARENA_SCOPE(tmp);
	add(array, cJSON_CreateString(arena_text(tmp, utf8_clean(tmp, str_of(text)))));
}

const char *json_print(struct arena *a, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);
	if (!text)
		abort();
	arena_defer(a, cJSON_free, text);
	return text;
}

/* ---- all of a value ---- */

static int compare_names(const void *x, const void *y)
{
	return strcmp((*(const cJSON *const *)x)->string, (*(const cJSON *const *)y)->string);
}

/* By name, ends with NULL. */
static const cJSON **members(struct arena *a, const cJSON *object)
{
	size_t n = 0;
	const cJSON *item;
	json_each(item, object)
		n++;
	const cJSON **all = arena_alloc(a, (n + 1) * sizeof(const cJSON *));
	n = 0;
	json_each(item, object)
		all[n++] = item;
	qsort(all, n, sizeof(const cJSON *), compare_names);
	all[n] = NULL;
	return all;
}

const char *json_twice(struct arena *a, const cJSON *value)
{
	const cJSON **all = cJSON_IsObject(value) ? members(a, value) : NULL;
	for (; all && all[0] && all[1]; all++)
		if (strcmp(all[0]->string, all[1]->string) == 0)
			return all[0]->string;
	const cJSON *item;
	json_each(item, value) {
		const char *name = json_twice(a, item);
		if (name)
			return name;
	}
	return NULL;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	for (const unsigned char *p = bytes; n; n--)
		h = (h ^ *p++) * 0x100000001b3; /* FNV-1a */
	return h;
}

static uint64_t mark(struct arena *a, uint64_t h, const cJSON *value)
{
	enum { KIND = 0xFF };
	unsigned char kind = (unsigned char)(value->type & KIND);
	const char *text = cJSON_GetStringValue(value);
	h = mix(h, &kind, sizeof(kind));
	if (text)
		return mix(h, text, strlen(text) + 1);
	if (cJSON_IsNumber(value))
		return mix(h, &value->valuedouble, sizeof(value->valuedouble));
	const cJSON *item;
	if (cJSON_IsArray(value))
		json_each(item, value)
			h = mark(a, h, item);
	const cJSON **all = cJSON_IsObject(value) ? members(a, value) : NULL;
	for (; all && *all; all++)
		h = mark(a, mix(h, (*all)->string, strlen((*all)->string) + 1), *all);
	kind = KIND; /* its end */
	return mix(h, &kind, sizeof(kind));
}

uint64_t json_mark(struct arena *a, const cJSON *value)
{
	uint64_t h = mark(a, 0xcbf29ce484222325, value);
	return h ? h : 1;
}

/* ---- reading ---- */

const cJSON *json_get(const cJSON *object, const char *name)
{
	return object ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(json_get(object, name));
}

int64_t json_i64(const cJSON *object, const char *name, int64_t fallback)
{
	const cJSON *item = json_get(object, name);
	bool exact = cJSON_IsNumber(item) && item->valuedouble >= -9007199254740992.0 && item->valuedouble <= 9007199254740992.0;
	return exact ? (int64_t)item->valuedouble : fallback;
}

bool json_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(json_get(object, name));
}
