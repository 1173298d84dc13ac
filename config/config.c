/* SPDX-License-Identifier: MIT */
/* Loading: defaults, then the file, then the environment, each value through its row. All problems are collected. */
#include "config.h"
#include "file.h"
#include "options.h"
#include "yamldoc.h"

/* A later source wins over an earlier one; the same option twice in one source is a problem. */
enum source { FROM_DEFAULT, FROM_FILE, FROM_ALIAS, FROM_ENVIRONMENT };

struct loading {
	struct arena *a;
	struct config c;
	struct option_names names;
	const char **from;   /* by row */
	enum source *source; /* by row */
	bool *bad;           /* by row */
	struct config_problems *problems;
	const struct config_problem **end;
};

static void add_line(struct loading *l, const char *text)
{
	struct config_problem *p = arena_alloc(l->a, sizeof(*p));
	p->text = text;
	*l->end = p;
	l->end = &p->next;
	l->problems->n++;
}

PRINTF_LIKE(3, 4) static void add_problem(struct loading *l, const char *where, const char *format, ...)
{
	char what[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	add_line(l, arena_printf(l->a, "%s: %s", where, what));
}

static size_t row_of(const struct config_option *o)
{
	return (size_t)(o - config_options);
}

/* Text that was read may be shown only when it looks like a name: a secret in the wrong place does not. */
static bool is_name(const char *text, size_t longest)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");
	return n && !text[n] && n <= longest;
}

static const char *show_key(struct arena *a, const char *key)
{
	enum { LONGEST_KEY = 24 };
	return is_name(key, LONGEST_KEY) ? arena_printf(a, "'%s'", key) : "(not shown)";
}

static const char *show_place(struct arena *a, struct yaml_place at)
{
	return arena_printf(a, "%s:%d:%d", at.file, at.line, at.column);
}

static const char *suggest(struct arena *a, const char *word, const char *const *choices, size_t n)
{
	const char *near = str_nearest(str_of(word), choices, n);
	return near ? arena_printf(a, "did you mean %s?", near) : "take it out, or see drover's list of options";
}

static bool read_secret(struct arena *a, const char *path, struct str *out, struct err *e)
{
	enum { LARGEST_SECRET = 16384 };
	if (!file_read(a, path, LARGEST_SECRET, out, e))
		return err_prefix(e, "the file ");
	*out = str_trim(*out);
	if (!out->n)
		return FAIL(e, ERR_INPUT, "bad_option", "the file is empty; write the secret into it");
	return true;
}

/* from: the place for people; where: what a problem's line begins with. */
static void take_value(struct loading *l, struct option_name name, enum source source, const char *from,
	const char *where, const char *value)
{
	struct arena *a = l->a;
	size_t row = row_of(name.option);
	if (l->source[row] == source) {
		add_problem(l, where, "given already by %s; keep one of them", l->from[row]);
		return;
	}
	l->source[row] = source;
	l->from[row] = from;

	struct err e = { 0 };
	struct str text = str_of(value);
	bool ok = !name.is_file || read_secret(a, value, &text, &e);
	ok = ok && option_set(name.option, a, text, &l->c, &e);
	l->bad[row] |= !ok;
	if (!ok)
		add_problem(l, where, "%s", e.msg);
}

static void take_presets(struct loading *l)
{
	for (size_t i = 0; i < config_options_n; i++) {
		struct err e = { 0 };
		l->from[i] = "default";
		if (!option_set(&config_options[i], l->a, str_of(config_options[i].preset), &l->c, &e))
			add_problem(l, config_options[i].path, "the default %s", e.msg);
	}
}

/* The file */

static const struct option_name *find_path(const struct loading *l, const char *path)
{
	for (size_t i = 0; i < l->names.n; i++)
		if (strcmp(l->names.paths[i], path) == 0)
			return &l->names.names[i];
	return NULL;
}

static void refuse_item(struct loading *l, const char *section, const struct yaml_node *item, const char *path)
{
	add_problem(l, show_place(l->a, item->key_place), "%s: unknown option %s; %s", section,
		show_key(l->a, item->key), suggest(l->a, path, l->names.paths, l->names.n));
}

static void take_item(struct loading *l, const char *section, const struct yaml_node *item)
{
	const char *path = arena_printf(l->a, "%s.%s", section, item->key);
	const struct option_name *name = find_path(l, path);
	if (!name) {
		refuse_item(l, section, item, path);
		return;
	}
	const char *from = show_place(l->a, item->place);
	const char *where = arena_printf(l->a, "%s: %s", from, path);
	if (item->kind != YAML_TEXT)
		add_problem(l, where, "must be one value, not %s", yaml_kind_name(item->kind));
	else if (yaml_is_null(item))
		add_problem(l, where, "has no value; give one, or take the line out");
	else
		take_value(l, *name, FROM_FILE, from, where, item->text);
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < config_sections_n; i++)
		if (strcmp(config_sections[i].name, name) == 0)
			return true;
	return false;
}

static void refuse_section(struct loading *l, const struct yaml_node *section)
{
	const char *where = show_place(l->a, section->key_place);
	if (find_path(l, section->key)) {
		const char *dot = strchr(section->key, '.');
		add_problem(l, where, "%s: write it as '%s:', indented below '%.*s:'", section->key, dot + 1,
			(int)(dot - section->key), section->key);
		return;
	}
	const char **sections = arena_alloc(l->a, config_sections_n * sizeof(*sections));
	for (size_t i = 0; i < config_sections_n; i++)
		sections[i] = config_sections[i].name;
	add_problem(l, where, "unknown section %s; %s", show_key(l->a, section->key),
		suggest(l->a, section->key, sections, config_sections_n));
}

/* A section whose lines are all comments is null, and that is no problem. */
static void take_section(struct loading *l, const struct yaml_node *section)
{
	if (!is_section(section->key)) {
		refuse_section(l, section);
		return;
	}
	if (section->kind != YAML_MAP && !yaml_is_null(section))
		add_problem(l, show_place(l->a, section->place),
			"%s: must hold options, each as 'name: value' on its own indented line", section->key);
	yaml_each(item, section)
		if (section->kind == YAML_MAP)
			take_item(l, section->key, item);
}

static void take_root(struct loading *l, const struct yaml_node *root, const struct err *e)
{
	if (!root)
		add_line(l, arena_text(l->a, str_of(e->msg)));
	else if (root->kind != YAML_MAP && !yaml_is_null(root))
		add_problem(l, show_place(l->a, root->place),
			"must hold sections with options, such as 'database:', not %s", yaml_kind_name(root->kind));
	else
		yaml_each(section, root)
			take_section(l, section);
}

/* The environment */

/* The value of the variable when the entry is "name=value"; an empty value is none. */
static const char *value_of(const char *entry, const char *name)
{
	size_t n = strlen(name);
	bool is_it = strncmp(entry, name, n) == 0 && entry[n] == '=' && entry[n + 1];
	return is_it ? entry + n + 1 : NULL;
}

static const char *find_variable(char *const *environment, const char *name)
{
	for (; environment && *environment; environment++) {
		const char *value = value_of(*environment, name);
		if (value)
			return value;
	}
	return NULL;
}

static void take_variable(struct loading *l, struct option_name name, enum source source, const char *variable,
	char *const *environment)
{
	const char *value = find_variable(environment, variable);
	const char *from = arena_printf(l->a, "environment %s", variable);
	if (value)
		take_value(l, name, source, from, from, value);
}

static void check_variable(struct loading *l, const char *entry)
{
	enum { LONGEST_VARIABLE = 64 };
	const char *name = arena_text(l->a, (struct str){ entry, strcspn(entry, "=") });
	if (strncmp(name, "DROVER_", 7) != 0 || strcmp(name, "DROVER_CONFIG") == 0 || !value_of(entry, name))
		return;
	for (size_t i = 0; i < l->names.n; i++)
		if (strcmp(l->names.variables[i], name) == 0)
			return;
	const char *shown = is_name(name, LONGEST_VARIABLE) ? name : "DROVER_(not shown)";
	add_problem(l, arena_printf(l->a, "environment %s", shown), "unknown variable; %s",
		suggest(l->a, name, l->names.variables, l->names.n));
}

static void take_environment(struct loading *l, char *const *environment)
{
	for (size_t i = 0; i < l->names.n; i++)
		take_variable(l, l->names.names[i], FROM_ENVIRONMENT, l->names.variables[i], environment);
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		if (o->alias && l->source[i] != FROM_ENVIRONMENT)
			take_variable(l, (struct option_name){ o, false }, FROM_ALIAS, o->alias, environment);
	}
	for (; environment && *environment; environment++)
		check_variable(l, *environment);
}

static void check_order(struct loading *l, const struct config_order *order)
{
	const struct config_option *lower = option_find(order->lower), *upper = option_find(order->upper);
	if (l->bad[row_of(lower)] || l->bad[row_of(upper)])
		return;
	int64_t low = option_number(lower, &l->c), high = option_number(upper, &l->c);
	if (low < high || (low == high && !order->strictly))
		return;
	bool blame_upper = l->source[row_of(upper)] > l->source[row_of(lower)];
	const char *where = l->from[row_of(blame_upper ? upper : lower)];
	add_problem(l, where, "%s (%s) must be %s %s (%s)", lower->path, option_get(lower, l->a, &l->c),
		order->strictly ? "below" : "at most", upper->path, option_get(upper, l->a, &l->c));
}

static struct loading *loading_new(struct arena *a, struct config_problems *problems)
{
	struct loading *l = arena_alloc(a, sizeof(*l));
	*problems = (struct config_problems){ 0 };
	*l = (struct loading){ .a = a, .problems = problems, .end = &problems->first };
	option_names(a, &l->names);
	l->from = arena_alloc(a, config_options_n * sizeof(*l->from));
	l->source = arena_alloc(a, config_options_n * sizeof(*l->source));
	l->bad = arena_alloc(a, config_options_n * sizeof(*l->bad));
	take_presets(l);
	return l;
}

static bool loading_end(struct loading *l, char *const *environment, struct config *out)
{
	take_environment(l, environment);
	for (size_t i = 0; i < config_orders_n; i++)
		check_order(l, &config_orders[i]);
	if (l->problems->n)
		return false;
	l->c.from = l->from;
	*out = l->c;
	return true;
}

bool config_load(struct arena *a, const char *file, char *const *environment, struct config *out,
	struct config_problems *problems)
{
	struct loading *l = loading_new(a, problems);
	struct err e = { 0 };
	if (!file)
		file = find_variable(environment, "DROVER_CONFIG");
	if (file)
		take_root(l, yaml_load_file(a, file, &e), &e);
	return loading_end(l, environment, out);
}

bool config_load_text(struct arena *a, const char *name, struct str yaml, char *const *environment, struct config *out,
	struct config_problems *problems)
{
	struct loading *l = loading_new(a, problems);
	struct err e = { 0 };
	take_root(l, yaml_load(a, name, yaml, &e), &e);
	return loading_end(l, environment, out);
}
