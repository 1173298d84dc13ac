/* SPDX-License-Identifier: MIT */
/* Inside why*.c only: one cause in words. */
#pragma once
#include "why.h"

struct why_words {
	const char *text; /* what holds it back; holds foreign text */
	const char *todo; /* a command or an advice; NULL = nothing to do but wait */
};

/* c is a cause of request id as drover.why gives it; phase is the request's. */
struct why_words why_words_of(struct arena *a, const struct why *w, const cJSON *c, const char *id, const char *phase);
/* Its place in line; text NULL when it stands in none. */
struct why_words why_words_of_line(struct arena *a, const struct why *w);
