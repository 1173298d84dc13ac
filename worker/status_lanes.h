/* SPDX-License-Identifier: MIT */
/* The block of status about lanes: rows of status_lanes.sql. */
#pragma once
#include "pg.h"
#include "print.h"

/* Nothing when there are none. */
void status_lanes_print(const struct printer *p, struct arena *a, const struct pg_rows *lanes);
