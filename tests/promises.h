/* SPDX-License-Identifier: MIT */
/* What must hold of all rows once nothing runs, whatever was asked and whatever broke on the way. */
#pragma once
#include "test_pg.h"

void promises_check(struct arena *a, struct pg *owner, const char *file, int line);
#define CHECK_PROMISES(db) promises_check(a, (db), __FILE__, __LINE__)
