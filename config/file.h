/* SPDX-License-Identifier: MIT */
/* Small files, read whole. */
#pragma once
#include "arena.h"
#include "err.h"

/*
 * ERR_INPUT "unreadable_file". The message does not name the path: it may be a secret that was put in the wrong place.
 * out is NUL-terminated.
 */
bool file_read(struct arena *a, const char *path, size_t limit, struct str *out, struct err *e);
