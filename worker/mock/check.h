/* SPDX-License-Identifier: MIT */
/* Refuses what the provider refuses, in its words: a client's mistake must not wait for production to show. */
#pragma once
#include "ask.h"

/* Before the body is read: what is asked of whom. e->code is the provider's error type, as below. */
bool check_exchange(const struct http_exchange *x, struct err *e);
bool check_ask(const struct ask *q, struct err *e);  /* of the Messages API */
bool check_chat(const struct ask *q, struct err *e); /* of chat completions */
/* The HTTP status of an error type. */
int check_status(const char *type);
/* The error type of an HTTP status. */
const char *check_type(int status);
