/* SPDX-License-Identifier: MIT */
#pragma once
#include "catalog.h"
#include "command.h"

/* All mistakes on stderr, exit code 2. Always returns false. */
bool catalog_tell(struct command_run *run, const struct catalog_problems *problems, struct err *e);
