/* SPDX-License-Identifier: MIT */
/* A scripted model and a client for it, on loopback, for one test. */
#pragma once
#include "http.h"
#include "mock.h"
#include "test.h"

struct mock_case {
	struct arena *a;
	struct script script;
	struct group group;
	struct mock *mock;
	struct http *http;
	const char *base_url;
};

/* Closed with the arena. NULL when it cannot start; the test has failed then. */
struct mock_case *mock_case_open(struct arena *a, const char *yaml);
/* waits. Stops the model before the end of the test. */
void mock_case_stop(struct mock_case *c);

/* A request with one user text, streamed, as small as the provider takes. */
const char *mock_body(struct arena *a, const char *user_text);
/* waits. Posts with the headers that the provider wants; *reply holds what came, whole or not. */
bool mock_post(struct mock_case *c, const char *body, struct http_reply *reply, struct err *e);
/* waits. The same with headers of its own, ending with { 0 }. */
bool mock_post_with(struct mock_case *c, const char *method, const char *path, const struct http_header *headers,
	const char *body, struct http_reply *reply, struct err *e);
/* The message of an error body; "" when it is none. */
const char *mock_error_message(struct arena *a, const struct http_reply *reply);
const char *mock_error_type(struct arena *a, const struct http_reply *reply);
int mock_occurrences(struct str text, const char *word);
