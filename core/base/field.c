/* SPDX-License-Identifier: MIT */
/* The two readings of a field table: check and fill a struct, and the JSON Schema that promises the same. */
#include "field.h"

enum { TEXT_BYTES = 8192, LIST_ITEMS = 100 };
static const int64_t EXACT_MAX = 9007199254740991; /* 2^53 - 1 */

static const char *const type_names[] = {
	[FIELD_TEXT] = "string", [FIELD_I64] = "integer", [FIELD_BOOL] = "boolean", [FIELD_DATE] = "string",
	[FIELD_JSON] = "object", [FIELD_TEXTS] = "array", [FIELD_I64S] = "array",
	[FIELD_OBJECTS] = "array",
};

static bool is_list(const struct field *f)
{
	return f->type == FIELD_TEXTS || f->type == FIELD_I64S || f->type == FIELD_OBJECTS;
}

static int64_t bound_of(const struct field *f)
{
	return f->max ? f->max : is_list(f) ? LIST_ITEMS : f->type == FIELD_I64 ? EXACT_MAX : TEXT_BYTES;
}

/* ---- reading ---- */

struct reader {
	struct arena *a;
	const char *path; /* of the object, with its dot: "tasks[2]." or "" */
	struct err *e;
};

static bool wrong(const struct reader *r, const char *name, const char *why)
{
	return FAIL(r->e, ERR_INPUT, "bad_arguments", "%s%s: %s", r->path, name, why);
}

static bool day_exists(const char *text)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t y, m, d;
	bool shaped = strlen(text) == 10 && text[4] == '-' && text[7] == '-' && str_to_i64((struct str){ text, 4 }, &y) &&
		str_to_i64((struct str){ text + 5, 2 }, &m) && str_to_i64((struct str){ text + 8, 2 }, &d);
	if (!shaped || y < 1 || m < 1 || m > 12 || d < 1)
		return false;
	bool leap = m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
	return d <= days[m - 1] + leap;
}

static const char *choices_text(struct arena *a, const char *const *choices)
{
	const char *all = choices[0];
	for (size_t i = 1; choices[i]; i++)
		all = arena_printf(a, "%s, %s", all, choices[i]);
	return all;
}

static bool chosen(const char *text, const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(text, *choices) == 0)
			return true;
	return false;
}

static bool read_text(const struct reader *r, const struct field *f, const cJSON *v, const char **out)
{
	const char *text = cJSON_GetStringValue(v);
	if (!text)
		return wrong(r, f->name, "must be a string");
	int64_t n = (int64_t)strlen(text);
	if (n > bound_of(f) || n < f->min)
		return wrong(r, f->name, arena_printf(r->a, "must have %ld to %ld bytes, has %ld", f->min, bound_of(f), n));
	if (f->choices && !chosen(text, f->choices))
		return wrong(r, f->name, arena_printf(r->a, "must be one of: %s", choices_text(r->a, f->choices)));
	if (f->type == FIELD_DATE && !day_exists(text))
		return wrong(r, f->name, "must be a day that exists, as YYYY-MM-DD");
	*out = arena_text(r->a, str_of(text));
	return true;
}

static bool read_i64(const struct reader *r, const struct field *f, const cJSON *v, int64_t *out)
{
	double d = cJSON_IsNumber(v) ? v->valuedouble : 0.5;
	if (d < -(double)EXACT_MAX || d > (double)EXACT_MAX || (double)(int64_t)d != d)
		return wrong(r, f->name, "must be a whole number");
	int64_t n = (int64_t)d;
	bool bounded = f->min || f->max;
	if (bounded && (n < f->min || n > bound_of(f)))
		return wrong(r, f->name, arena_printf(r->a, "must be %ld to %ld", f->min, bound_of(f)));
	*out = n;
	return true;
}

static bool read_object(const struct reader *r, const struct field *table, const cJSON *object, void *out);

static bool read_item(const struct reader *r, const struct field *f, int i, const cJSON *v, char *slot)
{
	if (f->type == FIELD_TEXTS) {
		struct field element = { .name = arena_printf(r->a, "%s[%d]", f->name, i), .choices = f->choices };
		return read_text(r, &element, v, (const char **)(void *)slot);
	}
	if (f->type == FIELD_I64S) {
		struct field element = { .name = arena_printf(r->a, "%s[%d]", f->name, i) };
		return read_i64(r, &element, v, (int64_t *)(void *)slot);
	}
	struct reader inner = { r->a, arena_printf(r->a, "%s%s[%d].", r->path, f->name, i), r->e };
	return read_object(&inner, f->items, v, slot);
}

static bool read_list(const struct reader *r, const struct field *f, const cJSON *v, struct field_list *out)
{
	if (!cJSON_IsArray(v))
		return wrong(r, f->name, "must be an array");
	int n = cJSON_GetArraySize(v);
	if (n > bound_of(f) || n < f->min)
		return wrong(r, f->name, arena_printf(r->a, "must have %ld to %ld items, has %d", f->min, bound_of(f), n));
	size_t size = f->type == FIELD_TEXTS ? sizeof(const char *) : f->type == FIELD_I64S ? sizeof(int64_t) : f->item_size;
	char *items = arena_alloc(r->a, size * (size_t)MAX_OF(n, 1));
	int i = 0;
	const cJSON *item;
	json_each(item, v) {
		if (!read_item(r, f, i, item, items + size * (size_t)i))
			return false;
		i++;
	}
	*out = (struct field_list){ (size_t)n, items };
	return true;
}

static bool read_value(const struct reader *r, const struct field *f, const cJSON *v, void *slot)
{
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_DATE:
		return read_text(r, f, v, slot);
	case FIELD_I64:
		return read_i64(r, f, v, slot);
	case FIELD_BOOL:
		*(bool *)slot = cJSON_IsTrue(v);
		return cJSON_IsBool(v) || wrong(r, f->name, "must be true or false");
	case FIELD_JSON:
		*(const cJSON **)slot = v;
		return cJSON_IsObject(v) || wrong(r, f->name, "must be an object");
	case FIELD_TEXTS:
	case FIELD_I64S:
	case FIELD_OBJECTS:
		return read_list(r, f, v, slot);
	}
	return FAIL(r->e, ERR_BUG, "bad_table", "%s: field table with an unknown type", f->name);
}

static bool read_known(const struct reader *r, const struct field *table, const cJSON *object)
{
	const cJSON *item;
	json_each(item, object) {
		const struct field *f = table;
		while (f->name && strcmp(f->name, item->string) != 0)
			f++;
		if (!f->name)
			return wrong(r, item->string, "unknown argument");
	}
	return true;
}

static bool read_object(const struct reader *r, const struct field *table, const cJSON *object, void *out)
{
	if (!cJSON_IsObject(object))
		return wrong(r, "", "must be an object");
	if (!read_known(r, table, object))
		return false;
	for (const struct field *f = table; f->name; f++) {
		const cJSON *v = json_get(object, f->name);
		bool absent = !v || cJSON_IsNull(v);
		if (absent && f->required)
			return wrong(r, f->name, "is required");
		if (!absent && !read_value(r, f, v, (char *)out + f->offset))
			return false;
		if (!absent && f->given)
			*(bool *)((char *)out + f->given) = true;
	}
	return true;
}

bool field_read(struct arena *a, const struct field *table, const cJSON *object, void *out, struct err *e)
{
	struct reader r = { a, "", e };
	return read_object(&r, table, object, out);
}

/* ---- schema ---- */

static void schema_object(cJSON *into, const struct field *table);

static void schema_bounds(cJSON *s, const struct field *f)
{
	if (f->type == FIELD_I64 && (f->min || f->max)) {
		if (f->min > -EXACT_MAX) /* what a JSON number cannot hold need not be forbidden */
			json_put_i64(s, "minimum", f->min);
		if (bound_of(f) < EXACT_MAX)
			json_put_i64(s, "maximum", bound_of(f));
	}
	if (f->type == FIELD_TEXT && f->min)
		json_put_i64(s, "minLength", 1);
	if (is_list(f)) {
		if (f->min)
			json_put_i64(s, "minItems", f->min);
		json_put_i64(s, "maxItems", bound_of(f));
	}
}

static void schema_choices(cJSON *s, const struct field *f)
{
	if (!f->choices)
		return;
	cJSON *all = json_put_array(s, "enum");
	for (size_t i = 0; f->choices[i]; i++)
		json_add_text(all, f->choices[i]);
}

static void schema_field(cJSON *s, const struct field *f)
{
	json_put_text(s, "type", type_names[f->type]);
	if (f->text)
		json_put_text(s, "description", f->text);
	schema_bounds(s, f);
	if (f->type == FIELD_DATE)
		json_put_text(s, "format", "date");
	if (f->type == FIELD_TEXTS || f->type == FIELD_I64S) {
		cJSON *items = json_put_object(s, "items");
		json_put_text(items, "type", f->type == FIELD_TEXTS ? "string" : "integer");
		schema_choices(items, f);
	} else if (f->type == FIELD_OBJECTS) {
		schema_object(json_put_object(s, "items"), f->items);
	} else {
		schema_choices(s, f);
	}
}

static void schema_object(cJSON *into, const struct field *table)
{
	json_put_text(into, "type", "object");
	cJSON *properties = json_put_object(into, "properties");
	cJSON *required = json_put_array(into, "required");
	for (const struct field *f = table; f && f->name; f++) {
		schema_field(json_put_object(properties, f->name), f);
		if (f->required)
			json_add_text(required, f->name);
	}
	json_put_bool(into, "additionalProperties", false);
}

cJSON *field_schema(struct arena *a, const struct field *table)
{
	cJSON *schema = json_object(a);
	schema_object(schema, table);
	return schema;
}
