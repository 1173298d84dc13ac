/* SPDX-License-Identifier: MIT */
/*
 * Reading JSON text without a tree: for the one event that comes a hundred thousand times a second. Whatever is not
 * plain is refused (false), and the caller takes the tree instead: the two never differ in what they make of a text.
 */
#pragma once
#include "str.h"

struct wire_scan {
	const char *p, *end;
};

/* All skip blanks before what they take. */
bool wire_scan_is(struct wire_scan *s, char c);
bool wire_scan_end(struct wire_scan *s);                   /* nothing is left */
bool wire_scan_text(struct wire_scan *s, struct str *raw); /* a string: the bytes between its quotes */
bool wire_scan_key(struct wire_scan *s, struct str *key);  /* and its colon; one without escapes */
bool wire_scan_i64(struct wire_scan *s, int64_t *n);       /* digits only */
bool wire_scan_literal(struct wire_scan *s, struct str word);
bool wire_scan_scalar(struct wire_scan *s);                /* a string without escapes, digits, null, true, false */

/* What a string says, when it is clean UTF-8 without NUL and \u: a view of raw, or of scratch. */
bool wire_text_plain(struct str raw, struct buf *scratch, struct str *text);

/* The bytes of a part. json has been parsed: these two do not check it. The first of a name counts. */
bool wire_json_member(struct str json, const char *name, struct str *value);
bool wire_json_item(struct str json, size_t index, struct str *value);
/* cJSON reads more than JSON: control characters in strings, 01, 1. and blanks that are none. This says no to them. */
bool wire_json_strict(struct str json);
