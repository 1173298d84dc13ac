/* SPDX-License-Identifier: MIT */
/* One reader for each type of value. Mistakes are noted and reading goes on, so that one look shows them all. */
#include "script_read.h"
#include "file.h"
#include "fill.h"

enum { RAW_FILE_BYTES = 8 << 20, JSON_BYTES = 4 << 20 };

void script_problem(struct script_reader *r, struct yaml_place at, const char *format, ...)
{
	char what[512];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	struct config_problem *p = arena_alloc(r->a, sizeof(*p));
	p->text = arena_printf(r->a, "%s:%d:%d: %s", at.file, at.line, at.column, what);
	*r->end = p;
	r->end = &p->next;
	r->problems->n++;
}

static const char *name_of(const struct yaml_node *node)
{
	return *node->key ? node->key : "this";
}

static bool is_kind(struct script_reader *r, const struct yaml_node *node, enum yaml_kind kind)
{
	if (node->kind != kind)
		script_problem(r, node->place, "%s must be %s, not %s", name_of(node), yaml_kind_name(kind),
			yaml_kind_name(node->kind));
	return node->kind == kind;
}

/* ---- mappings ---- */

static const struct script_key *key_find(const struct script_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void key_unknown(struct script_reader *r, const struct script_key *keys, const struct yaml_node *item)
{
	const char *names[32];
	size_t n = 0;
	for (; keys->name && n < COUNT(names); keys++)
		names[n++] = keys->name;
	const char *near = str_nearest(str_of(item->key), names, n);
	if (near)
		script_problem(r, item->key_place, "unknown key '%s'; did you mean %s?", item->key, near);
	else
		script_problem(r, item->key_place, "unknown key '%s'; worker/mock/README.md lists them", item->key);
}

void script_read_map(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	if (!is_kind(r, node, YAML_MAP))
		return;
	yaml_each(item, node) {
		const struct script_key *key = key_find(k->keys, item->key);
		if (key)
			key->read(r, key, item, (char *)at + key->offset);
		else
			key_unknown(r, k->keys, item);
	}
	for (const struct script_key *key = k->keys; key->name; key++)
		if (key->required && !yaml_get(node, key->name))
			script_problem(r, node->key_place, "%s: '%s' is missing", name_of(node), key->name);
}

/* ---- texts ---- */

void script_read_text(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	if (is_kind(r, node, YAML_TEXT))
		*(const char **)at = node->text;
}

static void check_fill(struct script_reader *r, const struct yaml_node *node)
{
	struct err e;
	if (!fill_check(node->text, &r->filled, &e))
		script_problem(r, node->place, "%s", e.msg);
}

void script_read_fill(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	script_read_text(r, k, node, at);
	check_fill(r, node);
}

void script_read_texts(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	size_t n = node->kind == YAML_LIST ? node->n : 1, i = 0;
	const char **items = arena_alloc(r->a, n * sizeof(*items));
	if (node->kind == YAML_LIST)
		yaml_each(item, node)
			script_read_text(r, k, item, &items[i++]);
	else
		script_read_text(r, k, node, items);
	for (i = 0; i < n; i++)
		items[i] = items[i] ? items[i] : "";
	*(struct script_texts *)at = (struct script_texts){ n, items };
}

void script_read_headers(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	if (!is_kind(r, node, YAML_MAP))
		return;
	struct http_header *headers = arena_alloc(r->a, (node->n + 1) * sizeof(*headers));
	size_t i = 0;
	yaml_each(item, node) {
		headers[i].name = item->key;
		script_read_text(r, k, item, &headers[i++].value);
	}
	*(const struct http_header **)at = headers;
}

static const char *path_beside(struct arena *a, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	if (!slash || *path == '/')
		return path;
	return arena_printf(a, "%.*s/%s", (int)(slash - file), file, path);
}

void script_read_file(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	struct err e;
	struct str text;
	if (!is_kind(r, node, YAML_TEXT))
		return;
	if (!file_read(r->a, path_beside(r->a, r->file, node->text), RAW_FILE_BYTES, &text, &e))
		script_problem(r, node->place, "the file %s: %s", node->text, e.msg);
	else
		*(const char **)at = text.p;
}

/* ---- numbers ---- */

void script_read_count(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	int64_t n;
	bool ok = node->kind == YAML_TEXT && str_to_i64(str_of(node->text), &n) && n >= k->min && n <= k->max;
	if (ok)
		*(int64_t *)at = n;
	else
		script_problem(r, node->place, "%s must be a whole number, %ld..%ld", node->key, (long)k->min, (long)k->max);
}

static bool time_parse(const char *text, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	size_t digits = strspn(text, "0123456789");
	int64_t n;
	if (!str_to_i64((struct str){ text, digits }, &n))
		return false;
	for (size_t i = 0; i < COUNT(units); i++)
		if (strcmp(text + digits, units[i].name) == 0)
			return !__builtin_mul_overflow(n, units[i].ms, ms);
	*ms = 0;
	return n == 0 && !text[digits];
}

void script_read_time(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	int64_t ms;
	bool ok = node->kind == YAML_TEXT && time_parse(node->text, &ms) && ms >= k->min && ms <= k->max;
	if (ok)
		*(int64_t *)at = ms;
	else
		script_problem(r, node->place, "%s must be a time with its unit, such as 20ms, 2s or 5m, at most %ldms",
			node->key, (long)k->max);
}

void script_read_bool(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	struct str text = str_of(node->text);
	if (str_is(text, "true") || str_is(text, "false"))
		*(bool *)at = str_is(text, "true");
	else
		script_problem(r, node->place, "%s must be true or false", node->key);
}

/* ---- JSON ---- */

/* A number of JSON's own grammar: 007 and 2027-02-01 are texts. */
static bool is_number(const char *text)
{
	const char *p = text + (*text == '-');
	bool zeros = p[0] == '0' && p[1] >= '0' && p[1] <= '9';
	if (*p < '0' || *p > '9' || zeros)
		return false;
	ARENA_SCOPE(tmp);
	struct err ignored;
	return cJSON_IsNumber(json_parse(tmp, str_of(text), &ignored));
}

static bool is_plain_json(const struct yaml_node *node)
{
	struct str text = str_of(node->text);
	return node->plain && (str_is(text, "true") || str_is(text, "false") || is_number(node->text));
}

static void write_text(struct buf *out, const char *text)
{
	ARENA_SCOPE(tmp);
	buf_add(out, str_of(fill_quote(tmp, str_of(text))));
}

static void write_scalar(struct script_reader *r, const struct yaml_node *node, struct buf *out)
{
	check_fill(r, node);
	if (yaml_is_null(node))
		buf_add(out, STR("null"));
	else if (is_plain_json(node))
		buf_add(out, str_of(node->text));
	else
		write_text(out, node->text);
}

/* Recursive, as deep as yaml_load lets a file be. */
static void write_json(struct script_reader *r, const struct yaml_node *node, struct buf *out)
{
	if (node->kind == YAML_TEXT) {
		write_scalar(r, node, out);
		return;
	}
	bool map = node->kind == YAML_MAP;
	buf_add(out, map ? STR("{") : STR("["));
	yaml_each(item, node) {
		if (item != node->first)
			buf_add(out, STR(","));
		if (map)
			write_text(out, item->key);
		if (map)
			buf_add(out, STR(":"));
		write_json(r, item, out);
	}
	buf_add(out, map ? STR("}") : STR("]"));
}

void script_read_json(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	if (!is_kind(r, node, YAML_MAP))
		return;
	struct err e;
	struct buf *text = buf_new(r->a, JSON_BYTES);
	write_json(r, node, text);
	const cJSON *json = text->full ? NULL : json_parse(r->a, buf_str(text), &e);
	if (json)
		*(const cJSON **)at = json;
	else
		script_problem(r, node->place, "%s cannot be written as JSON of at most %d bytes", node->key, JSON_BYTES);
}

void script_read_body(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at)
{
	const cJSON *json = NULL;
	if (node->kind != YAML_MAP) {
		script_read_text(r, k, node, at);
		return;
	}
	script_read_json(r, k, node, &json);
	*(const char **)at = json ? json_print(r->a, json) : "";
}
