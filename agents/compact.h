/* SPDX-License-Identifier: MIT */
/*
 * What a prompt that grows too long does without: old tool results first, then whole earlier requests of the session,
 * then what the model thought in earlier turns. It is decided whenever the model is to be asked, from the parts that
 * are there and nothing else: a replay of the same rows cuts the same, and between two cuts prompts only grow.
 */
#pragma once
#include "prompt.h"

struct compact_cut {
	int64_t results, requests, thoughts;
	int64_t bytes;
};

/* Above 80 % of what the model takes, or when it said that it was too long: cut until below half. p->turn is the turn
 * that is to be asked for. Adds to *cut. */
void compact_prompt(struct prompt *p, struct compact_cut *cut);
/* ERR_INPUT "context_too_long" when what is left is still longer than the model takes. */
bool compact_check(const struct prompt *p, struct err *e);
