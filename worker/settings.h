/* SPDX-License-Identifier: MIT */
/* From the options to what each room needs: the one place that knows both. */
#pragma once
#include "config.h"
#include "pool.h"

struct pool_config pool_config_of(const struct config *c);
/* Every stream is a descriptor: raises the soft limit to the hard one. Returns what is allowed now. */
int64_t raise_file_limit(void);
/* Dice of this process differ from its siblings'. */
void seed_dice(void);
/* Path of this program's file, to start it again. */
const char *own_program(struct arena *a);
