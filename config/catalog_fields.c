/* SPDX-License-Identifier: MIT */
/* A tool's input as a field table: the same that tools in C have, but laid out when it is read. */
#include "catalog_read.h"

struct one_field {
	int type;
	bool required;
	const char *text;
	int64_t min, max;
	const struct yaml_node *choices, *min_node, *max_node;
};

static const struct {
	const char *name;
	enum field_type type;
	size_t size;
	bool measured, chosen; /* may have min and max; choices */
} types[] = {
	{ "text", FIELD_TEXT, sizeof(const char *), true, true },
	{ "integer", FIELD_I64, sizeof(int64_t), true, false },
	{ "boolean", FIELD_BOOL, sizeof(int64_t), false, false },
	{ "date", FIELD_DATE, sizeof(const char *), false, false },
	{ "object", FIELD_JSON, sizeof(const cJSON *), false, false },
	{ "texts", FIELD_TEXTS, sizeof(struct field_list), true, true },
	{ "integers", FIELD_I64S, sizeof(struct field_list), true, false },
};
static const char *const type_names[] = { "text", "integer", "boolean", "date", "object", "texts", "integers", NULL };

#define AT(member) offsetof(struct one_field, member)
static const struct catalog_key field_keys[] = {
	{ "type", catalog_read_choice, AT(type), .choices = type_names, .required = true },
	{ "required", catalog_read_bool, AT(required) },
	{ "text", catalog_read_text, AT(text), .max = 1000 },
	{ "min", catalog_read_any, AT(min_node) },
	{ "max", catalog_read_any, AT(max_node) },
	{ "choices", catalog_read_list, AT(choices), .max = 200 },
	{ 0 },
};
#undef AT

static const int64_t exact = 9007199254740991; /* 2^53 - 1 */

static void read_bound(struct catalog_reader *r, const struct yaml_node *node, enum field_type type, int64_t *out)
{
	bool integer = type == FIELD_I64, list = type == FIELD_TEXTS || type == FIELD_I64S;
	struct catalog_key k = { .min = integer ? -exact : 0, .max = integer ? exact : list ? 1000 : 1 << 20 };
	if (node)
		catalog_read_count(r, &k, node, out);
}

static void check_bounds(struct catalog_reader *r, const struct one_field *f)
{
	const struct yaml_node *at = f->min_node ? f->min_node : f->max_node;
	if (at && !types[f->type].measured)
		catalog_problem(r->problems, at->key_place, "a field of type %s has no min and max; take them out", types[f->type].name);
	else if (f->min_node && f->max_node && f->min > f->max)
		catalog_problem(r->problems, f->max_node->place, "max is below min; one of them is wrong");
	else if (f->max_node && f->max == 0)
		catalog_problem(r->problems, f->max_node->place, "max cannot be 0; take it out, or give another bound");
	if (f->choices && !types[f->type].chosen)
		catalog_problem(r->problems, f->choices->key_place, "a field of type %s has no choices; take them out",
			types[f->type].name);
	else if (f->choices && !f->choices->n)
		catalog_problem(r->problems, f->choices->place, "choices are empty: nothing could be given; name some");
}

static const char *const *choices_of(struct arena *a, const struct yaml_node *list)
{
	const char **all = arena_alloc(a, (list->n + 1) * sizeof(*all));
	size_t n = 0;
	yaml_each(item, list)
		all[n++] = item->text;
	return all;
}

static bool is_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return n && !text[n] && n <= 63 && !(text[0] >= '0' && text[0] <= '9');
}

static void check_name(struct catalog_reader *r, const struct yaml_node *node)
{
	static const char *const taken[] = { "user_id", "workspace_id", "session_id", "request_id", "idempotency_key" };
	if (!is_name(node->key))
		catalog_problem(r->problems, node->key_place, "a field's name must be of a-z, 0-9 and _, beginning with a letter, at "
			"most 63; rename it");
	for (size_t i = 0; i < COUNT(taken); i++)
		if (strcmp(node->key, taken[i]) == 0)
			catalog_problem(r->problems, node->key_place, "%s is given by drover, never by the model; rename the field", taken[i]);
}

/* One bound of an integer says nothing of the other; a field table would take what is not there for 0. */
static void open_ends(struct one_field *f)
{
	if (types[f->type].type != FIELD_I64 || (!f->min_node && !f->max_node))
		return;
	f->min = f->min_node ? f->min : -exact;
	f->max = f->max_node ? f->max : exact;
}

static struct field read_field(struct catalog_reader *r, const struct yaml_node *node)
{
	struct one_field f = { 0 };
	struct catalog_key k = { .keys = field_keys };
	size_t problems = r->problems->all.n;
	check_name(r, node);
	catalog_read_map(r, &k, node, &f);
	if (r->problems->all.n == problems) {
		read_bound(r, f.min_node, types[f.type].type, &f.min);
		read_bound(r, f.max_node, types[f.type].type, &f.max);
		check_bounds(r, &f);
		open_ends(&f);
	}
	return (struct field){ .name = node->key, .type = types[f.type].type, .required = f.required, .text = f.text,
		.min = f.min, .max = f.max,
		.choices = f.choices && f.choices->n && types[f.type].chosen ? choices_of(r->a, f.choices) : NULL };
}

static size_t size_of(enum field_type type)
{
	size_t i = 0;
	while (types[i].type != type)
		i++;
	return types[i].size;
}

/* Values first, then a byte for each that says whether it was given. */
static size_t lay_out(struct field *fields, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		fields[i].offset = at;
		at += size_of(fields[i].type);
	}
	for (size_t i = 0; i < n; i++)
		fields[i].given = at++;
	return at;
}

void catalog_read_fields(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	(void)k;
	struct catalog_tool *tool = at;
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	if (node->n > CATALOG_FIELDS) {
		catalog_problem(r->problems, node->key_place, "%zu fields; at most %d", node->n, CATALOG_FIELDS);
		return;
	}
	struct field *fields = arena_alloc(r->a, (node->n + 1) * sizeof(*fields));
	size_t n = 0;
	yaml_each(item, node)
		fields[n++] = read_field(r, item);
	tool->fields = fields;
	tool->n_fields = n;
	tool->args_size = lay_out(fields, n);
}
