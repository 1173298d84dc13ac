/* SPDX-License-Identifier: MIT */
/* The process's own clock, for deadlines and measuring only: what happened when is the database's to say. */
#pragma once
#include "base.h"

int64_t clock_ms(void); /* monotonic */
int64_t clock_us(void); /* monotonic */
