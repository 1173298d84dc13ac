/* SPDX-License-Identifier: MIT */
/*
 * Field tables: one table makes a tool's JSON Schema for the model, checks the model's arguments against it and fills
 * the C struct. The texts are what the model reads.
 */
#pragma once
#include "json.h"

enum field_type {
	FIELD_TEXT,    /* const char * */
	FIELD_I64,     /* int64_t; whole numbers only */
	FIELD_BOOL,    /* bool */
	FIELD_DATE,    /* const char *, YYYY-MM-DD, a day that exists */
	FIELD_JSON,    /* const cJSON *, any object */
	FIELD_TEXTS,   /* struct field_list of const char * */
	FIELD_I64S,    /* struct field_list of int64_t */
	FIELD_OBJECTS, /* struct field_list of the struct that .items describes */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	bool required;
	const char *text;           /* one line for the model */
	int64_t min, max;           /* FIELD_I64: range; FIELD_TEXT: bytes; lists: items. max 0 = the type's default bound */
	const char *const *choices; /* FIELD_TEXT: allowed values, ends with NULL */
	const struct field *items;  /* FIELD_OBJECTS: ends with { 0 } */
	size_t item_size;
	size_t given;               /* place of a bool that is set when the field was given; 0 = nobody asks */
};

struct field_list {
	size_t n;
	void *items; /* array in the arena: const char *, int64_t, or structs of item_size */
};

/* The table ends with { 0 }. Every size has a default bound: 8 KiB of text, 100 list items. */
/* Fills *out, which the caller zeroed. ERR_INPUT, "bad_arguments", naming the path: "tasks[2].due: not a date". */
bool field_read(struct arena *a, const struct field *table, const cJSON *object, void *out, struct err *e);
/* JSON Schema (draft 2020-12) of the table, with additionalProperties false. */
cJSON *field_schema(struct arena *a, const struct field *table);
