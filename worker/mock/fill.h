/* SPDX-License-Identifier: MIT */
/* {{tool.path}}: values of the conversation in the texts and inputs of a script. */
#pragma once
#include "ask.h"

/* What stands in braces can be understood. Sets *filled when there is any. */
bool fill_check(const char *text, bool *filled, struct err *e);
/* ERR_INPUT naming what is missing. */
bool fill_text(struct arena *a, const struct ask *q, const char *text, const char **out, struct err *e);
bool fill_json(struct arena *a, const struct ask *q, const cJSON *json, const cJSON **out, struct err *e);
/* The text as JSON writes it, quotes and all. */
const char *fill_quote(struct arena *a, struct str text);
