/* SPDX-License-Identifier: MIT */
/* A part of a JSON text by its pointer (RFC 6901), byte for byte: numbers stay as long as they were written. */
#pragma once
#include "str.h"

/* json must be JSON (json_parse has taken it). False when nothing is there. Keys written with escapes are not found. */
bool json_point(struct str json, const char *pointer, struct str *part);
/* Empty, or steps that begin with a slash each. */
bool json_pointer_is_good(const char *pointer);
