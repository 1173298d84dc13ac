/* SPDX-License-Identifier: MIT */
/*
 * libyaml's events become a tree. Not its document loader: that one resolves aliases before anybody can refuse them,
 * and it knows no bounds. There is no recursion here: the open nodes are a stack of fixed depth.
 */
#include "yamldoc.h"
#include "file.h"
#include <yaml.h>

struct open_node {
	struct yaml_node *node;
	struct yaml_node **end; /* where the next item goes */
	const char *key;        /* read, its value not yet; else NULL */
	struct yaml_place key_place;
};

struct loader {
	struct arena *a;
	const char *file;
	struct str text;
	yaml_parser_t parser;
	struct yaml_node *root;
	struct open_node open[YAML_MAX_DEPTH];
	size_t depth, nodes;
};

bool yaml_fail(struct yaml_place at, struct err *e, const char *format, ...)
{
	char what[sizeof(e->msg)];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return FAIL(e, ERR_INPUT, "bad_yaml", "%s:%d:%d: %s", at.file, at.line, at.column, what);
}

static struct yaml_place place_of(const struct loader *l, yaml_mark_t mark)
{
	return (struct yaml_place){ l->file, (int)mark.line + 1, (int)mark.column + 1 };
}

static struct yaml_place place_of_byte(const struct loader *l, size_t offset)
{
	struct yaml_place at = { l->file, 1, 1 };
	for (size_t i = 0; i < offset && i < l->text.n; i++) {
		unsigned char c = (unsigned char)l->text.p[i];
		bool breaks = c == '\n';
		at.line += breaks;
		at.column = breaks ? 1 : at.column + ((c & 0xC0) != 0x80);
	}
	return at;
}

/* libyaml says "cannot start any token" of the tab that an editor put there unseen. */
static bool line_has_tab(struct str text, int line)
{
	struct str part = { "", 0 };
	for (int i = 0; i < line; i++)
		if (!str_next(&text, '\n', &part))
			return false;
	size_t blanks = 0;
	while (blanks < part.n && (part.p[blanks] == ' ' || part.p[blanks] == '\t'))
		blanks++;
	return blanks && memchr(part.p, '\t', blanks);
}

static bool fail_syntax(const struct loader *l, struct err *e)
{
	const yaml_parser_t *p = &l->parser;
	const char *what = p->problem ? p->problem : "cannot be understood";
	if (p->error == YAML_READER_ERROR)
		return yaml_fail(place_of_byte(l, p->problem_offset), e, "not a text in UTF-8: %s", what);
	struct yaml_place at = place_of(l, p->problem_mark);
	if (line_has_tab(l->text, at.line))
		return yaml_fail(at, e, "a tab: YAML is indented with spaces only");
	if (!p->context)
		return yaml_fail(at, e, "not YAML: %s", what);
	return yaml_fail(at, e, "not YAML: %s, %s from line %zu", what, p->context, p->context_mark.line + 1);
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
	int order = strcmp(x->key, y->key);
	if (order)
		return order;
	order = x->key_place.line - y->key_place.line;
	return order ? order : x->key_place.column - y->key_place.column;
}

/* Sorted, because comparing each with each would let a 1 MiB file take seconds. */
static bool check_keys(const struct yaml_node *map, struct err *e)
{
	ARENA_SCOPE(tmp);
	const struct yaml_node **items = arena_alloc(tmp, map->n * sizeof(*items));
	size_t n = 0;
	yaml_each(item, map)
		items[n++] = item;
	qsort(items, n, sizeof(*items), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (strcmp(items[i - 1]->key, items[i]->key) == 0)
			return yaml_fail(items[i]->key_place, e, "this key stands at line %d already: keep one",
				items[i - 1]->key_place.line);
	return true;
}

static struct open_node *innermost(struct loader *l)
{
	return l->depth ? &l->open[l->depth - 1] : NULL;
}

static bool is_key_next(struct loader *l)
{
	const struct open_node *in = innermost(l);
	return in && in->node->kind == YAML_MAP && !in->key;
}

static bool check_allowed(struct loader *l, struct yaml_place at, const yaml_char_t *anchor, const yaml_char_t *tag,
	struct err *e)
{
	if (anchor)
		return yaml_fail(at, e, "anchors (&name) are not supported: write the value out where it is used");
	if (tag)
		return yaml_fail(at, e, "tags (!name) are not supported: take it away");
	if (++l->nodes > YAML_MAX_NODES)
		return yaml_fail(at, e, "more than %d values and keys in one file", YAML_MAX_NODES);
	return true;
}

static struct yaml_node *add_node(struct loader *l, enum yaml_kind kind, struct yaml_place at, const char *text)
{
	struct yaml_node *node = arena_alloc(l->a, sizeof(*node));
	*node = (struct yaml_node){ .kind = kind, .text = text, .key = "", .place = at, .key_place = at };
	struct open_node *in = innermost(l);
	if (!in)
		return l->root = node;
	if (in->key) {
		node->key = in->key;
		node->key_place = in->key_place;
		in->key = NULL;
	}
	in->node->n++;
	*in->end = node;
	in->end = &node->next;
	return node;
}

static bool take_text(struct loader *l, const yaml_event_t *event, struct err *e)
{
	struct yaml_place at = place_of(l, event->start_mark);
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	if (!check_allowed(l, at, event->data.scalar.anchor, event->data.scalar.tag, e))
		return false;
	if (memchr(text.p, '\0', text.n))
		return yaml_fail(at, e, "a NUL character: no text may hold one");
	const char *copy = arena_text(l->a, text);
	if (is_key_next(l)) {
		innermost(l)->key = copy;
		innermost(l)->key_place = at;
		return true;
	}
	add_node(l, YAML_TEXT, at, copy)->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return true;
}

static bool open_node(struct loader *l, enum yaml_kind kind, struct yaml_place at, struct err *e)
{
	if (is_key_next(l))
		return yaml_fail(at, e, "a key must be text, not %s", yaml_kind_name(kind));
	if (l->depth == YAML_MAX_DEPTH)
		return yaml_fail(at, e, "nested deeper than %d levels", YAML_MAX_DEPTH);
	struct yaml_node *node = add_node(l, kind, at, "");
	l->open[l->depth++] = (struct open_node){ .node = node, .end = &node->first };
	return true;
}

static bool close_node(struct loader *l, struct err *e)
{
	const struct yaml_node *node = l->open[--l->depth].node;
	return node->kind != YAML_MAP || check_keys(node, e);
}

static bool take_event(struct loader *l, const yaml_event_t *event, struct err *e)
{
	struct yaml_place at = place_of(l, event->start_mark);
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return !l->root || yaml_fail(at, e, "a second document: one file holds one");
	case YAML_ALIAS_EVENT:
		return yaml_fail(at, e, "aliases (*name) are not supported: write the value out");
	case YAML_SCALAR_EVENT:
		return take_text(l, event, e);
	case YAML_MAPPING_START_EVENT:
		return check_allowed(l, at, event->data.mapping_start.anchor, event->data.mapping_start.tag, e) &&
			open_node(l, YAML_MAP, at, e);
	case YAML_SEQUENCE_START_EVENT:
		return check_allowed(l, at, event->data.sequence_start.anchor, event->data.sequence_start.tag, e) &&
			open_node(l, YAML_LIST, at, e);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_node(l, e);
	default:
		return true;
	}
}

/*
 * Tags are refused anyway, and libyaml compares each directive with each: 1 MiB of them took seconds. The bytes are the
 * ends of all that YAML calls a line break.
 */
static bool check_directives(const struct loader *l, struct err *e)
{
	static const char breaks[] = { '\n', '\r', '\x85', '\xA8', '\xA9' };
	const char *end = l->text.p + l->text.n;
	for (const char *p = l->text.p; (p = memmem(p, (size_t)(end - p), "%TAG", 4)); p++)
		if (p == l->text.p || memchr(breaks, p[-1], sizeof(breaks)))
			return yaml_fail(place_of_byte(l, (size_t)(p - l->text.p)), e,
				"tag directives (%%TAG) are not supported: take it away");
	return true;
}

static bool take_events(struct loader *l, struct err *e)
{
	for (bool ended = false; !ended;) {
		yaml_event_t event;
		if (!yaml_parser_parse(&l->parser, &event))
			return fail_syntax(l, e);
		ended = event.type == YAML_STREAM_END_EVENT;
		bool ok = take_event(l, &event, e);
		yaml_event_delete(&event);
		if (!ok)
			return false;
	}
	return true;
}

static void parser_end(void *parser)
{
	yaml_parser_delete(parser);
}

/* The encoding is fixed: left to itself libyaml would also take UTF-16. */
static struct str skip_bom(struct str text)
{
	if (!text.n)
		return STR("");
	return str_starts(text, "\xEF\xBB\xBF") ? (struct str){ text.p + 3, text.n - 3 } : text;
}

const struct yaml_node *yaml_load(struct arena *a, const char *file, struct str text, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct loader *l = arena_alloc(tmp, sizeof(*l));
	*l = (struct loader){ .a = a, .file = arena_text(a, str_of(file)), .text = skip_bom(text) };
	struct yaml_place start = { l->file, 1, 1 };
	if (text.n > YAML_MAX_BYTES) {
		yaml_fail(start, e, "larger than %d bytes", YAML_MAX_BYTES);
		return NULL;
	}
	if (!yaml_parser_initialize(&l->parser)) {
		yaml_fail(start, e, "out of memory");
		return NULL;
	}
	arena_defer(tmp, parser_end, &l->parser);
	yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l->parser, (const yaml_char_t *)l->text.p, l->text.n);
	if (!check_directives(l, e) || !take_events(l, e))
		return NULL;
	if (!l->root)
		add_node(l, YAML_TEXT, start, "")->plain = true;
	return l->root;
}

const struct yaml_node *yaml_load_file(struct arena *a, const char *path, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct str text;
	if (!file_read(tmp, path, YAML_MAX_BYTES, &text, e)) {
		err_prefix(e, "%s: ", path);
		return NULL;
	}
	return yaml_load(a, path, text, e);
}

bool yaml_is_null(const struct yaml_node *node)
{
	struct str text = str_of(node->text);
	return node->kind == YAML_TEXT && node->plain && (!text.n || str_is(text, "~") || str_is(text, "null"));
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
	if (node->kind != YAML_MAP)
		return NULL;
	yaml_each(item, node)
		if (strcmp(item->key, key) == 0)
			return item;
	return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
	static const char *const names[] = { [YAML_TEXT] = "text", [YAML_MAP] = "a mapping", [YAML_LIST] = "a list" };
	return names[kind];
}
