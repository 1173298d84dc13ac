/* SPDX-License-Identifier: MIT */
/* Streams of the providers, fed whole, byte by byte and in two pieces split at every place, and the turn as a text. */
#pragma once
#include "model_api.h"
#include "test.h"

enum { MODEL_SHOWN_BYTES = 1 << 20, MODEL_ANSWER_BYTES = 5000 };

/* JSON in the streams of these tests is written with ' for its quotes. */
struct str model_quoted(struct arena *a, struct str text);

/*
 * The turn, or kind and code of the error, and what was shown, as one text in a. The first piece has at bytes, the
 * others have step; blocks are read after every piece, as a caller who wants to be told of them does.
 */
const char *model_outcome(struct arena *a, const struct model_api *api, struct str text, size_t at, size_t step);
void model_check_stream(const struct model_api *api, struct str text, const char *want, bool at_every_place);
struct str model_fixture(struct arena *a, const char *name); /* of tests/fixtures/sse */
