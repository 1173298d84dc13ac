/* SPDX-License-Identifier: MIT */
/* One reader for each type of value. Mistakes are noted and reading goes on, so that one look shows them all. */
#include "catalog_read.h"

enum { TEXT_BYTES = 8192, KEYS_MAX = 32, HINT_NAMES = 16 };

void catalog_problem(struct catalog_problems *p, struct yaml_place at, const char *format, ...)
{
	char what[1024];
	va_list args;
	if (p->all.n++ >= CATALOG_PROBLEMS)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	struct config_problem *one = arena_alloc(p->a, sizeof(*one));
	one->text = at.line ? arena_printf(p->a, "%s:%d:%d: %s", at.file, at.line, at.column, what)
		: arena_printf(p->a, "%s%s%s", at.file ? at.file : "", at.file ? ": " : "", what);
	if (!p->end)
		p->end = &p->all.first;
	*p->end = one;
	p->end = &one->next;
}

const char *catalog_hint(struct arena *a, const char *word, const char *const *choices, size_t n)
{
	const char *near = str_nearest(str_of(word), choices, n), *all = "";
	if (near)
		return arena_printf(a, "did you mean %s?", near);
	for (size_t i = 0; i < n && i < HINT_NAMES; i++)
		all = arena_printf(a, "%s%s%s", all, i ? ", " : "known are: ", choices[i]);
	return !n ? "there are none" : n > HINT_NAMES ? arena_printf(a, "%s and %zu more", all, n - HINT_NAMES) : all;
}

/* What the value is called in a message. */
static const char *name_of(const struct yaml_node *node)
{
	return *node->key ? node->key : "this";
}

bool catalog_is_kind(struct catalog_reader *r, const struct yaml_node *node, enum yaml_kind kind)
{
	if (yaml_is_null(node))
		catalog_problem(r->problems, node->key_place, "%s has no value; give one, or take the line out", name_of(node));
	else if (node->kind != kind)
		catalog_problem(r->problems, node->place, "%s must be %s, not %s", name_of(node), yaml_kind_name(kind),
			yaml_kind_name(node->kind));
	return node->kind == kind && !yaml_is_null(node);
}

/* ---- mappings ---- */

static const struct catalog_key *key_find(const struct catalog_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void key_unknown(struct catalog_reader *r, const struct catalog_key *keys, const struct yaml_node *item)
{
	const char *names[KEYS_MAX];
	size_t n = 0;
	for (; keys->name && n < COUNT(names); keys++)
		names[n++] = keys->name;
	catalog_problem(r->problems, item->key_place, "unknown key '%.64s'; %s", item->key,
		catalog_hint(r->a, item->key, names, n));
}

void catalog_read_map(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	yaml_each(item, node) {
		const struct catalog_key *key = key_find(k->keys, item->key);
		if (key)
			key->read(r, key, item, (char *)at + key->offset);
		else
			key_unknown(r, k->keys, item);
	}
	for (const struct catalog_key *key = k->keys; key->name; key++)
		if (key->required && !yaml_get(node, key->name))
			catalog_problem(r->problems, node->key_place, "%s%s'%s' is missing; write it", node->key, *node->key ? ": " : "",
				key->name);
}

void catalog_read_part(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	*(const struct yaml_node **)at = node;
	catalog_read_map(r, k, node, at);
}

/* ---- texts ---- */

static bool text_fits(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node)
{
	size_t most = k->max ? (size_t)k->max : TEXT_BYTES, n;
	if (!catalog_is_kind(r, node, YAML_TEXT))
		return false;
	n = strlen(node->text);
	if (!n || n > most)
		catalog_problem(r->problems, node->place, "%s must have 1 to %zu bytes, has %zu", name_of(node), most, n);
	return n && n <= most;
}

void catalog_read_text(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	if (text_fits(r, k, node))
		*(const char **)at = node->text;
}

void catalog_read_node(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	if (text_fits(r, k, node))
		*(const struct yaml_node **)at = node;
}

void catalog_read_any(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	(void)r, (void)k;
	*(const struct yaml_node **)at = node;
}

/* An empty list is one. */
void catalog_read_list(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	bool ok = catalog_is_kind(r, node, YAML_LIST);
	if (ok && node->n > CATALOG_ITEMS) {
		catalog_problem(r->problems, node->place, "%s has %zu items; at most %d", name_of(node), node->n, CATALOG_ITEMS);
		ok = false;
	}
	yaml_each(item, node)
		if (ok && !text_fits(r, k, item))
			ok = false;
	if (ok)
		*(const struct yaml_node **)at = node;
}

static int choice_of(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node)
{
	size_t n = 0;
	if (!catalog_is_kind(r, node, YAML_TEXT))
		return -1;
	for (; k->choices[n]; n++)
		if (strcmp(k->choices[n], node->text) == 0)
			return (int)n;
	catalog_problem(r->problems, node->place, "%s cannot be '%.64s'; %s", name_of(node), node->text,
		catalog_hint(r->a, node->text, k->choices, n));
	return -1;
}

void catalog_read_choice(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	int choice = choice_of(r, k, node);
	if (choice >= 0)
		*(int *)at = choice;
}

void catalog_read_word(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	int choice = choice_of(r, k, node);
	if (choice >= 0)
		*(const char **)at = k->choices[choice];
}

void catalog_read_bool(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	struct str text = str_of(node->text);
	if (node->plain && (str_is(text, "true") || str_is(text, "false")))
		*(bool *)at = str_is(text, "true");
	else
		catalog_problem(r->problems, node->place, "%s must be true or false", name_of(node));
}

/* ---- numbers ---- */

void catalog_read_count(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	int64_t n;
	if (node->kind == YAML_TEXT && str_to_i64(str_of(node->text), &n) && n >= k->min && n <= k->max)
		*(int64_t *)at = n;
	else
		catalog_problem(r->problems, node->place, "%s must be a whole number, %lld to %lld", name_of(node),
			(long long)k->min, (long long)k->max);
}

struct unit {
	const char *name;
	int64_t factor;
};

static bool read_scaled(const char *text, const struct unit *units, int64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	int64_t n;
	if (!str_to_i64((struct str){ text, digits }, &n))
		return false;
	for (; units->name; units++)
		if (strcmp(text + digits, units->name) == 0)
			return !__builtin_mul_overflow(n, units->factor, out);
	return false;
}

void catalog_read_time(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	static const struct unit units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { 0 } };
	int64_t n;
	if (node->kind == YAML_TEXT && read_scaled(node->text, units, &n) && n >= k->min && n <= k->max)
		*(int64_t *)at = n;
	else
		catalog_problem(r->problems, node->place, "%s must be a time with its unit, such as 500ms, 5s, 2m or 1h, from %lldms "
			"to %llds", name_of(node), (long long)k->min, (long long)k->max / 1000);
}

void catalog_read_size(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	static const struct unit units[] = { { "", 1 }, { "KiB", 1024 }, { "KB", 1000 }, { "MiB", 1 << 20 }, { "MB", 1000000 }, { 0 } };
	int64_t n;
	if (node->kind == YAML_TEXT && read_scaled(node->text, units, &n) && n >= k->min && n <= k->max)
		*(int64_t *)at = n;
	else
		catalog_problem(r->problems, node->place, "%s must be a size, such as 4096, 64KiB or 1MiB, from %lld to %lld bytes",
			name_of(node), (long long)k->min, (long long)k->max);
}

bool catalog_micros(const char *text, int64_t *micros)
{
	enum { DECIMALS = 6, WHOLE_DIGITS = 9 };
	size_t whole = strspn(text, "0123456789"), part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	int64_t n = 0, fraction = 0;
	if (!whole || whole > WHOLE_DIGITS || part > DECIMALS || text[whole + (part ? part + 1 : 0)] ||
		!str_to_i64((struct str){ text, whole }, &n) ||
		(part && !str_to_i64((struct str){ text + whole + 1, part }, &fraction)))
		return false;
	for (; part < DECIMALS; part++)
		fraction *= 10;
	*micros = n * 1000000 + fraction;
	return true;
}

void catalog_read_money(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	if (node->kind != YAML_TEXT || !catalog_micros(node->text, at))
		catalog_problem(r->problems, node->place, "%s must be an amount for a million tokens, such as 3.75, with at most six "
			"decimals", name_of(node));
}

/* ---- JSON ---- */

static bool is_plain_json(const struct yaml_node *node)
{
	ARENA_SCOPE(tmp);
	struct err ignored;
	struct str text = str_of(node->text);
	if (!node->plain)
		return false;
	if (str_is(text, "true") || str_is(text, "false"))
		return true;
	return text.n && text.n <= 15 && strspn(text.p, "-0123456789.eE+") == text.n &&
		cJSON_IsNumber(json_parse(tmp, text, &ignored));
}

static void write_text(struct buf *out, const char *text)
{
	ARENA_SCOPE(tmp);
	cJSON *list = json_array(tmp);
	json_add_text(list, text);
	struct str quoted = str_of(json_print(tmp, list));
	buf_add(out, (struct str){ quoted.p + 1, quoted.n - 2 });
}

/* Recursive, as deep as yaml_load lets a file be. */
static void write_json(const struct yaml_node *node, struct buf *out)
{
	if (node->kind == YAML_TEXT) {
		if (yaml_is_null(node))
			buf_add(out, STR("null"));
		else if (is_plain_json(node))
			buf_add(out, str_of(node->text));
		else
			write_text(out, node->text);
		return;
	}
	bool map = node->kind == YAML_MAP;
	buf_add(out, map ? STR("{") : STR("["));
	yaml_each(item, node) {
		if (item != node->first)
			buf_add(out, STR(","));
		if (map) {
			write_text(out, item->key);
			buf_add(out, STR(":"));
		}
		write_json(item, out);
	}
	buf_add(out, map ? STR("}") : STR("]"));
}

const cJSON *catalog_json(struct arena *a, const struct yaml_node *node, struct catalog_problems *problems)
{
	struct err e;
	struct buf *text = buf_new(a, CATALOG_JSON_BYTES);
	write_json(node, text);
	const cJSON *json = text->full ? NULL : json_parse(a, buf_str(text), &e);
	if (!json)
		catalog_problem(problems, node->place, "%s is larger than %d bytes of JSON", name_of(node), CATALOG_JSON_BYTES);
	return json;
}

void catalog_read_schema(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	const cJSON *schema = catalog_json(r->a, node, r->problems);
	const char *type = json_text(schema, "type");
	if (schema && (!type || strcmp(type, "object") != 0))
		catalog_problem(r->problems, node->key_place, "%s must describe an object; write 'type: object' into it", name_of(node));
	*(const cJSON **)at = schema;
}
