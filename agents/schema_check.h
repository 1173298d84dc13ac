/* SPDX-License-Identifier: MIT */
/* Whether a value is what a JSON Schema says, as far as the words type, properties, required, items, enum and
 * additionalProperties say it; other words are the provider's affair. */
#pragma once
#include "err.h"
#include "json.h"

/* ERR_INPUT "bad_result" names the place: "$.steps[2].name: is a number, not a string". */
bool schema_check(const cJSON *schema, const cJSON *value, struct err *e);
