/* SPDX-License-Identifier: MIT */
/*
 * An answer while it arrives, whatever its dialect: events come in, blocks grow and end, and are read in the order in
 * which they began. Grows in the HTTP sink, on the loop's stack, and never waits; blocks that have ended do not change
 * any more and are read by the fiber.
 */
#pragma once
#include "model.h"
#include "sse.h"

enum { MODEL_BLOCKS = 1024 }; /* in one answer */

#define GARBAGE(e, ...) FAIL((e), ERR_BUSY, "model_garbage", __VA_ARGS__)

struct answer_block {
	struct answer_block *next;
	int64_t index;
	enum model_block_kind kind;
	bool closed;
	const cJSON *start;        /* as it came, or as it would have come from Anthropic */
	struct str bytes;          /* the same as it came; empty when nobody will ask */
	struct buf *text;          /* TEXT, THINKING */
	struct buf *json;          /* pieces of a tool's input; empty = as in start */
	const char *signature;     /* THINKING: the last one that came, or NULL = as in start */
	cJSON *citations;          /* TEXT: those that came, or NULL */
};

/* A dialect's own struct begins with it. */
struct model_answer {
	struct arena *arena;
	struct thoughts *thoughts; /* or NULL */
	const char *secret;
	struct sse sse;
	size_t limit, bytes, seen;   /* of the answer; of the body */
	struct answer_block *first, *last, **unread;
	size_t n;
	struct buf *scratch;       /* of one event */
	bool whole;                /* whatever the connection does now, nothing of the answer is missing */
	const char *id, *model;    /* or NULL */
	char stop_reason[64];
	struct model_usage usage;
};

/* ---- for model.c ---- */

bool model_answer_feed(struct model_answer *s, struct str piece, struct err *e);
/* A block has ended that model_answer_next has not given yet. */
bool model_answer_ready(const struct model_answer *s);
/* The next block that has ended, in a; false when there is none, yet. What may not go back is passed over. */
bool model_answer_next(struct model_answer *s, struct arena *a, struct model_block *out);

/* ---- for the dialects ---- */

void model_answer_init(struct model_answer *s, struct arena *a, const struct model_config *c, struct thoughts *thoughts,
	sse_handler handler);
/* So many more bytes of the answer are kept: ERR_INPUT "answer_too_large". */
bool model_answer_count(struct model_answer *s, size_t n, struct err *e);
/* size is what the start takes of the answer's bytes. start NULL: a block of this kind that has nothing yet. */
bool model_answer_begin(struct model_answer *s, struct answer_block *b, size_t size, struct err *e);
struct answer_block *model_answer_find(const struct model_answer *s, int64_t index);
/* The text, which is part of the block, to whoever watches. */
void model_answer_show(const struct model_answer *s, const struct answer_block *b, struct str text);
void model_answer_stop(struct model_answer *s, const char *reason); /* cut to what fits; NULL and "" change nothing */
/* One event's data, mended and as a tree, both in a; NULL and e when it is not an object. */
const cJSON *model_answer_parse(struct arena *a, const char *what, struct str *data, struct err *e);
/* The body has ended: nothing was an event, or nothing said that it was all. */
bool model_answer_check(const struct model_answer *s, const char *missing, struct err *e);

/* ---- model_block.c ---- */

/* NULL and e when the block could not go back to the API. limit bounds what grows in it. */
struct answer_block *answer_block_new(struct arena *a, const cJSON *start, size_t limit, struct err *e);
/* One that grows from nothing; its start comes later. */
struct answer_block *answer_block_empty(struct arena *a, enum model_block_kind kind, size_t limit);
bool answer_block_cite(struct arena *a, struct answer_block *b, const cJSON *citation, struct err *e);
/* The API refuses a history with another name or an empty id: such a call would poison the conversation. */
bool answer_tool_check(const char *id, const char *name, struct err *e);
/* False when the block has nothing that may go back. */
bool answer_block_read(struct arena *a, const struct answer_block *b, struct model_block *out);
