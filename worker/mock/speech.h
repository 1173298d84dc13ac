/* SPDX-License-Identifier: MIT */
/* How a dialect says what is not on the tape: the beginning, the end and trouble. */
#pragma once
#include "script.h"
#include "tape.h"

struct play {
	enum ask_dialect dialect;
	const struct script_reply *reply;
	const struct tape *tape;  /* of a stream */
	const char *model;
	int64_t input_tokens;     /* a guess by length */
	bool usage;               /* OPENAI: the client asked for the usage chunk */
	uint64_t hash, number;    /* of the request: they make the ids */
};

/* Each writes whole events, but for page, which writes the JSON of a plain answer, and opening. */
struct speech {
	const char *request_id;   /* name of the header */
	const char *ping;
	void (*start)(struct buf *out, const struct play *p);
	void (*opening)(struct buf *out, const struct play *p); /* what each frame of the tape that is open begins with */
	void (*end)(struct buf *out, const struct play *p);
	void (*error)(struct buf *out, const struct play *p, const char *type, const char *message);
	void (*page)(struct buf *out, const struct play *p, const char *type, const char *message);
};
extern const struct speech speech_anthropic, speech_openai;
const struct speech *speech_of(enum ask_dialect dialect);

/* Unlike ids of other requests, and of another run of the program with the same conversation a turn later. */
void speech_id(const struct play *p, int64_t nth, char out[TAPE_ID + 1]);
enum { SPEECH_MESSAGE = 0xFFFF }; /* nth of the message itself */
int64_t speech_count(const struct play *p, enum script_count count);
