/* SPDX-License-Identifier: MIT */
/* Inside command*.c only: how flags and words are written, the same in help, man page and completions. */
#pragma once
#include "command.h"

/* "-w, --watch[=SECONDS]" */
const char *flag_form(struct arena *a, const struct flag *f);
/* "status; 1..64; default 2": what the text does not say. "" when there is nothing. */
const char *flag_notes(struct arena *a, const struct flag *f);
/* "ID...", "[ID]" */
const char *word_form(struct arena *a, const struct word *w);
/* "drover tail [OPTION]... [ID]" */
const char *usage_form(struct arena *a, const struct command *c);
