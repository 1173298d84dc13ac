/* SPDX-License-Identifier: MIT */
/*
 * Texts with {field} in them: URLs, headers and bodies of tools that call out. A field's value can never become anything
 * but the value of its place: percent-encoded in a URL, refused where it would end a header's line. {{ and }} are braces.
 */
#pragma once
#include "tool.h"

enum { TEMPLATE_PARTS = 100 };

enum template_place { PLACE_PATH, PLACE_QUERY, PLACE_HEADER, PLACE_BODY };

struct template_part {
	const char *literal;   /* or NULL: */
	int field;             /* position in the fields; TEMPLATE_KEY = the idempotency key */
	enum template_place place;
};
enum { TEMPLATE_KEY = -1 };

struct template {
	const struct template_part *parts;
	size_t n;
};

/* ERR_INPUT "bad_template", *at is the byte of the mistake. */
bool template_compile(struct arena *a, const char *text, const struct field *fields, enum template_place place,
	struct template *out, size_t *at, struct err *e);
/*
 * The same for a whole URL: http or https, host and port written out, no user, no fragment. Fields may stand in the path,
 * if they are required and no lists, and in the query. *host is in lower case, IPv6 in brackets.
 */
bool template_compile_url(struct arena *a, const char *text, const struct field *fields, struct template *out,
	const char **host, size_t *at, struct err *e);
/* Every text in a tree of JSON. */
bool template_check_json(struct arena *a, const cJSON *json, const struct field *fields, struct err *e);

struct template_values {
	const struct field *fields;
	const void *args;
	const char *key;       /* idempotency key */
};

/* ERR_INPUT "bad_arguments", naming the field. */
bool template_render(struct arena *a, const struct template *t, const struct template_values *v, const char **out,
	struct err *e);
/* A text that is one {field} becomes its value with its type, and disappears from its object when it was not given. */
bool template_render_json(struct arena *a, const cJSON *json, const struct template_values *v, cJSON **out, struct err *e);
/* All fields that were given. */
cJSON *template_input(struct arena *a, const struct template_values *v);
