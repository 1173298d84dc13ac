/* SPDX-License-Identifier: MIT */
/*
 * The Anthropic Messages API, streamed. This header is for its own files and their tests; everybody else uses model.h.
 *
 * What is taken leniently: events without a name or with an unknown one, unknown deltas, any delta on a block of
 * unknown type, gaps and any order in the indexes of new blocks, several blocks open at once, blocks that come complete
 * in their start (or in message_start), stop_reason said more than once (the last counts), a body that breaks off after
 * message_stop. What is refused as "model_garbage", because the answer could be wrong without anybody noticing: a
 * known event that is no JSON object, names another type or lacks its fields; anything before message_start (but ping
 * and error); anything after message_stop, a second message_start among it; an index used twice; a delta or a stop for
 * a block that is not open; a known delta on a block of another known type; message_stop with a block open or without a
 * stop_reason; a tool call whose name or id cannot be sent back, or whose id came twice.
 *
 * What would be refused when it goes back is left out of the turn: text of nothing but white space, and thinking
 * that was never signed (cut by max_tokens). Both were shown in thoughts.
 */
#pragma once
#include "model_api.h"

extern const struct model_api anthropic_api;

/* anthropic_request.c */
const struct http_header *anthropic_headers(struct arena *a, const struct model_config *c);
bool anthropic_body(struct arena *a, const struct model_config *c, const struct model_request *rq, struct str *body,
	struct err *e);

/* anthropic_stream.c: events -> turn, without a fiber */
struct model_answer *anthropic_stream(struct arena *a, const struct model_config *c, const struct model_request *rq,
	struct thoughts *thoughts);
bool anthropic_end(struct model_answer *s, struct err *e);

/* ---- anthropic_delta.c ---- */

struct anthropic_growth {
	struct str text;           /* to be shown; a view of the delta */
	size_t bytes;              /* of the answer */
};

/* size is that of the whole event. */
bool anthropic_delta_take(struct arena *a, struct answer_block *b, const cJSON *delta, size_t size,
	struct anthropic_growth *g, struct err *e);

/* A delta as it nearly always comes, read without a tree. */
struct anthropic_delta {
	const struct delta_kind *kind;
	int64_t index;
	struct str piece;          /* a view of the data, or of scratch */
};

/* False: it takes the tree. */
bool anthropic_delta_scan(struct str data, struct buf *scratch, struct anthropic_delta *d);
bool anthropic_delta_grow(struct arena *a, struct answer_block *b, const struct anthropic_delta *d,
	struct anthropic_growth *g, struct err *e);
