/* SPDX-License-Identifier: MIT */
#include "schema_check.h"
#include <math.h>

enum { SHOWN_BYTES = 200 };

/* Where the check stands. */
struct place {
	const struct place *up;
	const char *name; /* of a property; NULL = an item */
	int item;
};

static bool check_at(const struct place *at, const cJSON *schema, const cJSON *value, struct err *e);

static void place_write(const struct place *at, struct buf *out)
{
	if (!at) {
		buf_add(out, STR("$"));
		return;
	}
	place_write(at->up, out);
	if (at->name)
		buf_printf(out, ".%.64s", at->name);
	else
		buf_printf(out, "[%d]", at->item);
}

static bool fail_at(const struct place *at, struct err *e, const char *what, const char *name)
{
	ARENA_SCOPE(tmp);
	struct buf *place = buf_new(tmp, SHOWN_BYTES);
	place_write(at, place);
	return FAIL(e, ERR_INPUT, "bad_result", "%s: %s%.100s", place->p, what, name);
}

/* ---- type ---- */

static bool is_whole(const cJSON *value)
{
	return cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble;
}

static const struct {
	const char *name;
	int types; /* of cJSON */
} types[] = {
	{ "object", cJSON_Object }, { "array", cJSON_Array }, { "string", cJSON_String }, { "number", cJSON_Number },
	{ "integer", cJSON_Number }, { "boolean", cJSON_True | cJSON_False }, { "null", cJSON_NULL },
};

/* A type that nobody knows is no reason to refuse. */
static bool is_type(const cJSON *value, const char *name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(name, types[i].name) == 0)
			return (value->type & types[i].types) && (strcmp(name, "integer") != 0 || is_whole(value));
	return true;
}

static const char *type_name(const cJSON *value)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (value->type & types[i].types)
			return types[i].name;
	return "nothing";
}

static bool check_type(const struct place *at, const cJSON *wanted, const cJSON *value, struct err *e)
{
	ARENA_SCOPE(tmp);
	const cJSON *one;
	if (!wanted || (cJSON_IsString(wanted) && is_type(value, wanted->valuestring)))
		return true;
	json_each(one, wanted)
		if (cJSON_IsString(one) && is_type(value, one->valuestring))
			return true;
	return fail_at(at, e, arena_printf(tmp, "is of type %s, wanted is ", type_name(value)), json_print(tmp, wanted));
}

static bool check_enum(const struct place *at, const cJSON *choices, const cJSON *value, struct err *e)
{
	ARENA_SCOPE(tmp);
	const cJSON *one;
	json_each(one, choices)
		if (cJSON_Compare(one, value, true))
			return true;
	return !choices || fail_at(at, e, "is none of ", json_print(tmp, choices));
}

/* ---- objects and lists ---- */

static bool check_required(const struct place *at, const cJSON *names, const cJSON *value, struct err *e)
{
	const cJSON *name;
	json_each(name, names)
		if (cJSON_IsString(name) && !json_get(value, name->valuestring))
			return fail_at(at, e, "lacks ", name->valuestring);
	return true;
}

static bool check_object(const struct place *at, const cJSON *schema, const cJSON *value, struct err *e)
{
	const cJSON *known = json_get(schema, "properties"), *more = json_get(schema, "additionalProperties"), *item;
	if (!check_required(at, json_get(schema, "required"), value, e))
		return false;
	json_each(item, value) {
		const cJSON *own = json_get(known, item->string);
		if (!own && cJSON_IsFalse(more))
			return fail_at(at, e, "has an unknown property ", item->string);
		if (!check_at(&(struct place){ at, item->string, 0 }, own ? own : more, item, e))
			return false;
	}
	return true;
}

static bool check_items(const struct place *at, const cJSON *schema, const cJSON *value, struct err *e)
{
	const cJSON *item;
	int n = 0;
	json_each(item, value)
		if (!check_at(&(struct place){ at, NULL, n++ }, schema, item, e))
			return false;
	return true;
}

static bool check_at(const struct place *at, const cJSON *schema, const cJSON *value, struct err *e)
{
	if (!cJSON_IsObject(schema)) /* true, or nothing said */
		return true;
	if (!check_type(at, json_get(schema, "type"), value, e) || !check_enum(at, json_get(schema, "enum"), value, e))
		return false;
	if (cJSON_IsObject(value))
		return check_object(at, schema, value, e);
	return !cJSON_IsArray(value) || check_items(at, json_get(schema, "items"), value, e);
}

bool schema_check(const cJSON *schema, const cJSON *value, struct err *e)
{
	return check_at(NULL, schema, value, e);
}
