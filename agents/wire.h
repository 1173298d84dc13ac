/* SPDX-License-Identifier: MIT */
/* Bytes of a provider made fit for a parser, a log line and a text column. */
#pragma once
#include "arena.h"

/*
 * JSON text in which no string can hold a NUL or half a surrogate pair: \u0000 and lone surrogate escapes become
 * \ufffd. cJSON would end the string at the first and refuse the whole text for the second. Returns json itself when
 * there is nothing to mend.
 */
struct str wire_mend_json(struct arena *a, struct str json);

/* At most max bytes on one line for an error message: printable, valid UTF-8, the secret (or NULL) taken out. */
const char *wire_excerpt(struct arena *a, struct str text, size_t max, const char *secret);
