/* SPDX-License-Identifier: MIT */
/*
 * A reply made ready to be written: the events of its blocks, each a piece of bytes. A reply without braces has one
 * tape for all streams; ids, which differ from stream to stream, have a place of fixed width in it.
 */
#pragma once
#include "ask.h"
#include "script.h"

enum { TAPE_ID = 24, TAPE_SIGNATURE_PREFIX = 4, TAPE_SIGNATURE_BYTES = TAPE_SIGNATURE_PREFIX + 16 + 1 };

struct tape_frame {
	size_t at, n;  /* in bytes */
	size_t id;     /* where in the frame an id of TAPE_ID characters goes; 0 = nowhere */
	bool delta;    /* paced and counted */
	bool open;     /* the dialect says something before it */
};

/* Frames that are played in turn, so many times over. */
struct tape_part {
	size_t first, n;
	int64_t times;
};

struct tape {
	struct buf *bytes, *frames, *parts; /* the last two of struct tape_frame and struct tape_part */
	const char *stop_reason;
	int64_t output_tokens; /* a guess by length */
	int64_t searches;      /* of the web, by the provider */
};

/* q may be NULL when the reply is not filled. ERR_INPUT when a value is missing or it grows too large. */
bool tape_make(struct arena *a, const struct script_reply *reply, enum ask_dialect dialect, const struct ask *q,
	struct tape *out, struct err *e);
const struct tape_frame *tape_frames(const struct tape *t);
const struct tape_part *tape_parts(const struct tape *t, size_t *n);
/* What stands for the provider's signature under so many times that thinking. */
void tape_sign(struct str thinking, int64_t times, char out[TAPE_SIGNATURE_BYTES]);
