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
