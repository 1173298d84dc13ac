/* SPDX-License-Identifier: MIT */
/* Inside config/catalog*.c only: mappings of YAML into structs by table, noting every mistake. */
#pragma once
#include "catalog_yaml.h"

struct catalog_reader {
	struct arena *a;
	struct catalog_problems *problems;
	const struct catalog_file *file;
};

struct catalog_key;
typedef void (*catalog_read_value)(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node,
	void *at);

/* A table ends with { 0 }. */
struct catalog_key {
	const char *name;
	catalog_read_value read;
	size_t offset;
	int64_t min, max;               /* of numbers, times and sizes; texts: bytes, 0 = 8 KiB */
	const struct catalog_key *keys; /* of a mapping */
	const char *const *choices;     /* ends with NULL */
	bool required;
};

/* Each reads node into what at points to, and leaves it alone when node is wrong. */
void catalog_read_map(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
/* The same for a struct that begins with its node. */
void catalog_read_part(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_text(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
/* The node itself: a text that will be looked at again. */
void catalog_read_node(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_any(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_list(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_bool(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_count(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_time(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_size(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_money(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
void catalog_read_schema(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
/* An int: the position among k->choices. */
void catalog_read_choice(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);
/* The choice's own text. */
void catalog_read_word(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at);

bool catalog_is_kind(struct catalog_reader *r, const struct yaml_node *node, enum yaml_kind kind);

/* catalog_tool.c, catalog_models.c */
void catalog_read_tool(struct catalog_reader *r, struct catalog_tool *tool);
void catalog_read_models(struct catalog_reader *r, struct catalog_files *out);
/* catalog_fields.c: a tool's input. */
void catalog_read_fields(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *tool);
