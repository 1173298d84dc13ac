/* SPDX-License-Identifier: MIT */
#include "tool_template.h"

enum { RENDERED_BYTES = 1 << 20, HOST_BYTES = 253 };

/* ---- reading ---- */

struct reader {
	struct arena *a;
	const char *text;
	const struct field *fields;
	struct template_part *parts;
	size_t n, *at;
	struct err *e;
};

static bool wrong(struct reader *r, const char *at, const char *format, ...) PRINTF_LIKE(3, 4);
static bool wrong(struct reader *r, const char *at, const char *format, ...)
{
	char what[256];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	*r->at = (size_t)(at - r->text);
	return FAIL(r->e, ERR_INPUT, "bad_template", "%s", what);
}

static bool add_part(struct reader *r, const char *at, struct template_part part)
{
	if (r->n == TEMPLATE_PARTS)
		return wrong(r, at, "more than %d parts", TEMPLATE_PARTS);
	r->parts[r->n++] = part;
	return true;
}

static bool add_literal(struct reader *r, struct str s, enum template_place place)
{
	return !s.n || add_part(r, s.p, (struct template_part){ arena_text(r->a, s), 0, place });
}

static bool is_list(const struct field *f)
{
	return f->type == FIELD_JSON || f->type == FIELD_TEXTS || f->type == FIELD_I64S;
}

static bool add_field(struct reader *r, struct str name, enum template_place place)
{
	int i = 0;
	if (str_is(name, "idempotency_key"))
		return add_part(r, name.p, (struct template_part){ NULL, TEMPLATE_KEY, place });
	while (r->fields[i].name && !str_is(name, r->fields[i].name))
		i++;
	const struct field *f = &r->fields[i];
	if (!f->name)
		return wrong(r, name.p, "unknown field {%.*s}; add it to input, or write {{ for a brace", (int)MIN_OF(name.n, (size_t)63),
			name.p);
	if (place == PLACE_PATH && (!f->required || is_list(f)))
		return wrong(r, name.p, "{%s} stands in the path: the field must be required, and one value", f->name);
	if (place == PLACE_HEADER && is_list(f))
		return wrong(r, name.p, "{%s} stands in a header: the field must be one value", f->name);
	return add_part(r, name.p, (struct template_part){ NULL, i, place });
}

static bool read_parts(struct reader *r, const char *text, enum template_place place)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "{}");
		const char *brace = p + n;
		const char *mark = place == PLACE_PATH ? memchr(p, '?', n) : NULL;
		if (mark) { /* from here on it is the query */
			if (!add_literal(r, (struct str){ p, (size_t)(mark - p) }, PLACE_PATH))
				return false;
			place = PLACE_QUERY;
			n -= (size_t)(mark - p);
			p = mark;
		}
		if (brace[0] && brace[0] == brace[1])
			n++;
		if (!add_literal(r, (struct str){ p, n }, place))
			return false;
		p = brace + (brace[0] && brace[0] == brace[1] ? 2 : 0);
		if (!*brace || p != brace)
			continue;
		const char *end = strchr(brace, '}');
		if (*brace == '}' || !end)
			return wrong(r, brace, "a single brace; a field is {name}, and a brace of its own is written twice");
		if (!add_field(r, (struct str){ brace + 1, (size_t)(end - brace) - 1 }, place))
			return false;
		p = end + 1;
	}
	return true;
}

static struct reader reader_of(struct arena *a, const char *text, const struct field *fields, size_t *at, struct err *e)
{
	*at = 0;
	return (struct reader){ a, text, fields, arena_alloc(a, TEMPLATE_PARTS * sizeof(struct template_part)), 0, at, e };
}

bool template_compile(struct arena *a, const char *text, const struct field *fields, enum template_place place,
	struct template *out, size_t *at, struct err *e)
{
	struct reader r = reader_of(a, text, fields, at, e);
	for (const char *p = text; place == PLACE_HEADER && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7F)
			return wrong(&r, p, "a control character in a header; take it out");
	if (!read_parts(&r, text, place))
		return false;
	*out = (struct template){ r.parts, r.n };
	return true;
}

/* ---- URLs ---- */

static bool is_host_name(struct str host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	for (size_t i = 0; i < host.n; i++)
		if (!memchr(letters, host.p[i], sizeof(letters) - 1))
			return false;
	return host.n && host.n <= HOST_BYTES && host.p[0] != '.' && host.p[0] != '-' && host.p[host.n - 1] != '.' &&
		!memmem(host.p, host.n, "..", 2);
}

static bool is_address6(struct str host)
{
	for (size_t i = 1; i + 1 < host.n; i++)
		if (!memchr("0123456789abcdefABCDEF:.", host.p[i], 24))
			return false;
	return host.n > 4 && host.p[0] == '[' && host.p[host.n - 1] == ']';
}

static bool is_port(struct str port)
{
	int64_t n;
	return str_to_i64(port, &n) && n >= 1 && n <= 65535 && port.p[0] != '-';
}

/* The part between :// and the path is written out: no field, no user, nothing that another reader of URLs sees otherwise. */
static bool check_authority(struct reader *r, const char *from, size_t n, const char **host)
{
	struct str all = { from, n }, name = all;
	const char *colon = n && from[0] == '[' ? memchr(from, ']', n) : from;
	colon = colon ? memchr(colon, ':', n - (size_t)(colon - from)) : NULL;
	if (colon)
		name.n = (size_t)(colon - from);
	struct str port = { colon ? colon + 1 : NULL, colon ? n - name.n - 1 : 0 };
	if (!is_host_name(name) && !is_address6(name))
		return wrong(r, from, "the host must be written out: a name or an address, with no field, user, %% or other sign in it");
	if (colon && !is_port(port))
		return wrong(r, colon, "the port must be written out, 1 to 65535");
	char *lower = arena_text(r->a, name);
	for (char *p = lower; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	*host = lower;
	return true;
}

bool template_compile_url(struct arena *a, const char *text, const struct field *fields, struct template *out,
	const char **host, size_t *at, struct err *e)
{
	struct reader r = reader_of(a, text, fields, at, e);
	size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
	if (!scheme)
		return wrong(&r, text, "a URL begins with https:// or http://, written out");
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F || strchr("#\\\"<>^`|", *p))
			return wrong(&r, p, "a sign that cannot stand in a URL; take it out, or write it as %%XX");
	size_t n = strcspn(text + scheme, "/?");
	if (!check_authority(&r, text + scheme, n, host))
		return false;
	const char *rest = text + scheme + n;
	if (!add_literal(&r, (struct str){ text, scheme + n }, PLACE_PATH) || !read_parts(&r, rest, PLACE_PATH))
		return false;
	*out = (struct template){ r.parts, r.n };
	return true;
}

bool template_check_json(struct arena *a, const cJSON *json, const struct field *fields, struct err *e)
{
	struct template ignored;
	size_t at;
	if (cJSON_IsString(json))
		return template_compile(a, json->valuestring, fields, PLACE_BODY, &ignored, &at, e);
	const cJSON *item;
	json_each(item, json)
		if (!template_check_json(a, item, fields, e))
			return false;
	return true;
}

/* ---- values ---- */

static const void *place_of(const struct template_values *v, const struct field *f)
{
	return (const char *)v->args + f->offset;
}

static bool was_given(const struct template_values *v, const struct field *f)
{
	return *((const bool *)v->args + f->given);
}

static void put_list(cJSON *object, const struct field *f, const struct field_list *list)
{
	cJSON *array = json_put_array(object, f->name);
	for (size_t i = 0; i < list->n; i++)
		if (f->type == FIELD_TEXTS)
			json_add_text(array, ((const char *const *)list->items)[i]);
		else
			cJSON_AddItemToArray(array, cJSON_CreateNumber((double)((const int64_t *)list->items)[i]));
}

static void put_field(cJSON *object, const struct template_values *v, const struct field *f)
{
	const void *at = place_of(v, f);
	switch (f->type) {
	case FIELD_I64:
		json_put_i64(object, f->name, *(const int64_t *)at);
		return;
	case FIELD_BOOL:
		json_put_bool(object, f->name, *(const bool *)at);
		return;
	case FIELD_JSON:
		json_put_copy(object, f->name, *(const cJSON *const *)at);
		return;
	case FIELD_TEXTS:
	case FIELD_I64S:
		put_list(object, f, at);
		return;
	default:
		json_put_text(object, f->name, *(const char *const *)at);
	}
}

cJSON *template_input(struct arena *a, const struct template_values *v)
{
	cJSON *object = json_object(a);
	for (const struct field *f = v->fields; f->name; f++)
		if (was_given(v, f))
			put_field(object, v, f);
	return object;
}

static const char *list_text(struct arena *a, const struct field *f, const struct field_list *list)
{
	struct buf *b = buf_new(a, RENDERED_BYTES);
	for (size_t i = 0; i < list->n; i++)
		if (f->type == FIELD_TEXTS)
			buf_printf(b, "%s%s", i ? "," : "", ((const char *const *)list->items)[i]);
		else
			buf_printf(b, "%s%lld", i ? "," : "", (long long)((const int64_t *)list->items)[i]);
	return buf_str(b).p;
}

static const char *text_of(struct arena *a, const struct template_values *v, int field)
{
	if (field == TEMPLATE_KEY)
		return v->key ? v->key : "";
	const struct field *f = &v->fields[field];
	const void *at = place_of(v, f);
	if (!was_given(v, f))
		return "";
	switch (f->type) {
	case FIELD_I64:
		return arena_printf(a, "%lld", (long long)*(const int64_t *)at);
	case FIELD_BOOL:
		return *(const bool *)at ? "true" : "false";
	case FIELD_JSON:
		return json_print(a, *(const cJSON *const *)at);
	case FIELD_TEXTS:
	case FIELD_I64S:
		return list_text(a, f, at);
	default:
		return *(const char *const *)at;
	}
}

/* ---- rendering ---- */

static void add_encoded(struct buf *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *text; text++)
		if (strchr(plain, *text))
			buf_add(b, (struct str){ text, 1 });
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
}

/*
 * Servers take %2F for a slash and go up for dots, some after decoding twice; so a value in a path is one step of it, or
 * refused.
 */
static const char *path_mistake(const char *text)
{
	if (!*text)
		return "must not be empty: it is a part of a path";
	if (strpbrk(text, "/\\%"))
		return "must have no slash and no percent sign: it is a part of a path";
	if (text[strspn(text, ".")] == '\0')
		return "must not be dots alone: it is a part of a path";
	return NULL;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			return true;
	return false;
}

static bool add_value(struct arena *a, struct buf *b, const struct template_part *part, const struct template_values *v,
	struct err *e)
{
	const char *text = text_of(a, v, part->field), *why = NULL;
	const char *name = part->field == TEMPLATE_KEY ? "idempotency_key" : v->fields[part->field].name;
	if (part->place == PLACE_PATH)
		why = path_mistake(text);
	if ((part->place == PLACE_PATH || part->place == PLACE_HEADER) && has_control(text))
		why = "must have no line breaks and control characters";
	if (why)
		return FAIL(e, ERR_INPUT, "bad_arguments", "%s: %s", name, why);
	if (part->place == PLACE_PATH || part->place == PLACE_QUERY)
		add_encoded(b, text);
	else
		buf_add(b, str_of(text));
	return true;
}

/* Parts on both sides of a field may make dots of what was none. */
static bool check_path(const char *url, struct err *e)
{
	struct str path = { url, strcspn(url, "?") }, step;
	while (str_next(&path, '/', &step))
		if (str_is(step, ".") || str_is(step, ".."))
			return FAIL(e, ERR_INPUT, "bad_arguments", "the path would have a step of dots alone");
	return true;
}

bool template_render(struct arena *a, const struct template *t, const struct template_values *v, const char **out,
	struct err *e)
{
	struct buf *b = buf_new(a, RENDERED_BYTES);
	bool is_url = false;
	for (size_t i = 0; i < t->n; i++) {
		const struct template_part *part = &t->parts[i];
		is_url |= part->place == PLACE_PATH;
		if (part->literal)
			buf_add(b, str_of(part->literal));
		else if (!add_value(a, b, part, v, e))
			return false;
	}
	if (b->full)
		return FAIL(e, ERR_INPUT, "bad_arguments", "more than %d bytes to send", RENDERED_BYTES);
	*out = buf_str(b).p;
	return !is_url || check_path(*out, e);
}

/* The field that a text is, with nothing around it. */
static const struct field *only_field(const struct template *t, const struct template_values *v)
{
	return t->n == 1 && !t->parts[0].literal && t->parts[0].field >= 0 ? &v->fields[t->parts[0].field] : NULL;
}

static void attach(cJSON *to, const char *name, cJSON *item)
{
	if (cJSON_IsArray(to))
		cJSON_AddItemToArray(to, item);
	else
		cJSON_AddItemToObject(to, name, item);
}

static bool render_text(struct arena *a, cJSON *to, const cJSON *json, const struct template_values *v, struct err *e)
{
	struct template t;
	size_t at;
	const char *text;
	if (!template_compile(a, json->valuestring, v->fields, PLACE_BODY, &t, &at, e))
		return false;
	const struct field *f = only_field(&t, v);
	if (f && !was_given(v, f))
		return true;
	if (f) {
		cJSON *one = json_object(a);
		put_field(one, v, f);
		attach(to, json->string, cJSON_DetachItemFromObjectCaseSensitive(one, f->name));
		return true;
	}
	if (!template_render(a, &t, v, &text, e))
		return false;
	attach(to, json->string, cJSON_CreateString(text));
	return true;
}

/* Recursive, as deep as the file was. */
static bool render_into(struct arena *a, cJSON *to, const cJSON *json, const struct template_values *v, struct err *e)
{
	if (cJSON_IsString(json))
		return render_text(a, to, json, v, e);
	if (!cJSON_IsArray(json) && !cJSON_IsObject(json)) {
		attach(to, json->string, cJSON_Duplicate(json, true));
		return true;
	}
	cJSON *inner = cJSON_IsArray(json) ? cJSON_CreateArray() : cJSON_CreateObject();
	attach(to, json->string, inner);
	const cJSON *item;
	json_each(item, json)
		if (!render_into(a, inner, item, v, e))
			return false;
	return true;
}

bool template_render_json(struct arena *a, const cJSON *json, const struct template_values *v, cJSON **out, struct err *e)
{
	cJSON *list = json_array(a);
	if (!render_into(a, list, json, v, e))
		return false;
	*out = cJSON_GetArrayItem(list, 0);
	return true;
}
