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
#include "model.h"
#include "sse.h"

enum {
	ANTHROPIC_BLOCKS = 1024,                        /* in one turn */
	ANTHROPIC_REQUEST_BYTES = 32 * 1024 * 1024,     /* the API takes no more */
};

/* ---- anthropic_request.c ---- */

/* Byte for byte the same for the same request. ERR_INPUT "request_too_large". */
bool anthropic_request_body(struct arena *a, const struct model_config *c, const struct model_request *rq,
	struct str *body, struct err *e);
/* Ends with { 0 }. */
const struct http_header *anthropic_request_headers(struct arena *a, const struct model_config *c);
const char *anthropic_request_url(struct arena *a, const struct model_config *c);

/* ---- anthropic_stream.c: events -> turn, without a fiber ---- */

struct anthropic_stream;

/* Lives in a, as everything that arrives does. thoughts may be NULL. */
struct anthropic_stream *anthropic_stream_new(struct arena *a, const struct model_config *c,
	struct thoughts *thoughts);
bool anthropic_stream_feed(struct anthropic_stream *s, struct str piece, struct err *e);
/* message_stop has come: whatever the connection does now, the answer is whole. */
bool anthropic_stream_whole(const struct anthropic_stream *s);
/* The body has ended: the turn, in a, or why there is none. */
bool anthropic_stream_end(struct anthropic_stream *s, struct arena *a, struct model_turn *turn, struct err *e);

/* ---- anthropic_block.c: one content block ---- */

struct anthropic_block {
	struct anthropic_block *next;
	int64_t index;
	enum model_block_kind kind;
	bool closed;
	const cJSON *start;        /* content_block as it came */
	struct buf *text;          /* TEXT, THINKING */
	struct buf *json;          /* pieces of a tool's input; empty = as in start */
	const char *signature;     /* THINKING: the last one that came, or NULL = as in start */
	cJSON *citations;          /* TEXT: those that came, or NULL */
};

/* NULL and e when the block could not go back to the API. limit bounds what grows in it. */
struct anthropic_block *anthropic_block_new(struct arena *a, const cJSON *start, size_t limit, struct err *e);
bool anthropic_block_cite(struct arena *a, struct anthropic_block *b, const cJSON *citation, struct err *e);
/* False when the block has nothing that may go back. */
bool anthropic_block_read(struct arena *a, const struct anthropic_block *b, struct model_block *out);

/* ---- anthropic_delta.c ---- */

struct anthropic_growth {
	struct str text;           /* to be shown; a view of the delta */
	size_t bytes;              /* of the answer */
};

/* size is that of the whole event. */
bool anthropic_delta_take(struct arena *a, struct anthropic_block *b, const cJSON *delta, size_t size,
	struct anthropic_growth *g, struct err *e);

/* ---- anthropic_error.c ---- */

/* Both always return false. body is what came with reply, or its beginning. */
bool anthropic_fail_status(const struct model_config *c, const struct http_reply *reply, struct str body,
	struct err *e);
bool anthropic_fail_event(const char *secret, const cJSON *event, struct err *e);
