/* SPDX-License-Identifier: MIT */
/*
 * cJSON owned by an arena. A parsed tree is const: nobody frees it, nobody edits it. Depth and size are checked before
 * any recursive parser sees the text. Numbers are doubles: ids travel as strings.
 */
#pragma once
#include "arena.h"
#include "err.h"
#include <cjson/cJSON.h>

enum { JSON_MAX_DEPTH = 64 };

/* NULL and e (ERR_INPUT, "bad_json") with the place on anything that is not exactly one JSON value. */
const cJSON *json_parse(struct arena *a, struct str text, struct err *e);

cJSON *json_object(struct arena *a);
cJSON *json_array(struct arena *a);
/* Children are attached at birth. Invalid UTF-8 in a value is cleaned. NULL text gives null. */
void json_put_text(cJSON *object, const char *name, const char *text);
void json_put_str(cJSON *object, const char *name, struct str s);
void json_put_i64(cJSON *object, const char *name, int64_t n); /* exact up to 2^53 */
void json_put_bool(cJSON *object, const char *name, bool b);
void json_put_copy(cJSON *object, const char *name, const cJSON *value);
/* Bytes that are JSON already, printed as they are: what came back from a provider goes back byte-identical. */
void json_put_raw(cJSON *object, const char *name, const char *json);
cJSON *json_put_object(cJSON *object, const char *name);
cJSON *json_put_array(cJSON *object, const char *name);
cJSON *json_add_object(cJSON *array);
void json_add_copy(cJSON *array, const cJSON *value);
void json_add_raw(cJSON *array, const char *json);
void json_add_text(cJSON *array, const char *text);

const char *json_print(struct arena *a, const cJSON *value); /* one line */

/* A name that an object within has twice, or NULL: of such readers take the first, others the last. a is for its work. */
const char *json_twice(struct arena *a, const cJSON *value);
/* The same for values that differ in nothing but the order of members; in time that grows with the size. Never 0. */
uint64_t json_mark(struct arena *a, const cJSON *value);

/* Reading: absent or of another type gives NULL, or the fallback. object may be NULL. */
const cJSON *json_get(const cJSON *object, const char *name);
const char *json_text(const cJSON *object, const char *name);
int64_t json_i64(const cJSON *object, const char *name, int64_t fallback);
bool json_true(const cJSON *object, const char *name);
#define json_each(item, array) cJSON_ArrayForEach(item, array)
