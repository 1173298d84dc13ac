/* SPDX-License-Identifier: MIT */
/*
 * A YAML file as a tree of nodes that know their place. A strict part of YAML: one document, mappings with text keys,
 * lists, text. Aliases, anchors, tags, duplicate keys, NUL and invalid UTF-8 are errors, and every size has a bound.
 * (Not "yaml.h": that is libyaml's own name, and the include folders would hide one behind the other.)
 */
#pragma once
#include "arena.h"
#include "err.h"

enum { YAML_MAX_BYTES = 1 << 20, YAML_MAX_DEPTH = 32, YAML_MAX_NODES = 20000 };

enum yaml_kind { YAML_TEXT, YAML_MAP, YAML_LIST };

struct yaml_place {
	const char *file;
	int line, column; /* from 1; a column counts characters */
};

struct yaml_node {
	enum yaml_kind kind;
	bool plain;                  /* TEXT without quotes: true, null or 12 may mean more than their letters */
	const char *text;            /* TEXT: valid UTF-8; else "" */
	const char *key;             /* its name in the mapping around it; else "" */
	struct yaml_place place;     /* of the value */
	struct yaml_place key_place; /* of the key; of the value where there is none */
	size_t n;                    /* items of a MAP or LIST */
	struct yaml_node *first, *next;
};

/*
 * The root; NULL and e (ERR_INPUT) on failure, the message being "file:line:col: what is wrong". Messages never repeat
 * text of the file: it may hold secrets. An empty file gives a node that yaml_is_null. The tree lives in the arena;
 * text is not needed any more.
 */
const struct yaml_node *yaml_load(struct arena *a, const char *file, struct str text, struct err *e);
const struct yaml_node *yaml_load_file(struct arena *a, const char *path, struct err *e);

/* Nothing was written, or ~ or null. */
bool yaml_is_null(const struct yaml_node *node);
/* The item of a mapping; NULL when it is absent or node is no mapping. */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);
/* The items of a mapping or list in order of the file; none for text. */
#define yaml_each(item, node) for (const struct yaml_node *item = (node)->first; item; item = item->next)
/* "text", "a mapping", "a list" */
const char *yaml_kind_name(enum yaml_kind kind);

/* ERR_INPUT "bad_yaml", "file:line:col: message". Always returns false. */
bool yaml_fail(struct yaml_place at, struct err *e, const char *format, ...) PRINTF_LIKE(3, 4);
