/* SPDX-License-Identifier: MIT */
#include "queue.h"
#include "test_pg.h"
