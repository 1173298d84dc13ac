/* SPDX-License-Identifier: MIT */
/* A caller whose every callee-saved register holds something: C cannot promise that, so it is written by hand. */
#pragma once
#include "base.h"

/* Fills the callee-saved registers from seed, calls what, and returns how many do not hold the same any more. */
uint64_t registers_lost(uint64_t seed, void (*what)(void));
