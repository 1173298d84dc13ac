/* SPDX-License-Identifier: MIT */
/* Writes an answer: as a stream with its pace and its accidents, or as a plain page. */
#pragma once
#include "script.h"
#include "tape.h"

struct play {
	const struct script_reply *reply;
	const struct tape *tape;  /* of a stream */
	const char *model;
	int64_t input_tokens;     /* a guess by length */
	uint64_t hash, number;    /* of the request: they make the ids */
};

/* waits, as long as the reply takes */
bool play_reply(struct http_exchange *x, const struct play *p, struct err *e);
/* waits. The provider's way to refuse: why->code is the type. */
bool play_refusal(struct http_exchange *x, const struct play *p, const struct err *why, struct err *e);
