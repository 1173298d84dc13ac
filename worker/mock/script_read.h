/* SPDX-License-Identifier: MIT */
/* Mappings of YAML into structs by table, collecting every mistake. Only for script.c. */
#pragma once
#include "script.h"

struct script_reader {
	struct arena *a;
	const char *file;
	struct config_problems *problems;
	const struct config_problem **end;
	bool filled; /* something in braces was read */
};

struct script_key;
typedef void (*script_read_value)(struct script_reader *r, const struct script_key *k, const struct yaml_node *node,
	void *at);

/* A table ends with { 0 }. */
struct script_key {
	const char *name;
	script_read_value read;
	size_t offset;
	int64_t min, max;
	const struct script_key *keys; /* of a mapping */
	bool required;
};

void script_problem(struct script_reader *r, struct yaml_place at, const char *format, ...) PRINTF_LIKE(3, 4);

/* Each reads node into what at points to, and leaves it alone when node is wrong. */
void script_read_map(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_text(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_fill(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_texts(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_count(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_time(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_bool(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_headers(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
/* A mapping as JSON: *(const cJSON **). */
void script_read_json(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
/* A text as it is, a mapping as the text of its JSON. */
void script_read_body(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
void script_read_file(struct script_reader *r, const struct script_key *k, const struct yaml_node *node, void *at);
