/* SPDX-License-Identifier: MIT */
/* Between the parts of the checks. */
#pragma once
#include "check.h"

#define REFUSE(e, ...) FAIL((e), ERR_INPUT, "invalid_request_error", __VA_ARGS__)

bool check_word(const char *word); /* a tool's name or id */
bool check_fields(const struct ask *q, struct err *e);
bool check_server_tool(const cJSON *tool, int i, struct err *e); /* one with a type of its own */
bool check_messages(const struct ask *q, struct err *e);
