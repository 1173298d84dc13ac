/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events out of a byte stream, in pieces of any size. CR, LF and CRLF end a line; a BOM at the very start
 * and comments are skipped; id and retry are ignored; data lines are joined by \n; an event without its final blank
 * line is never seen. What the bytes of a value mean is not its affair: no character is decoded, so none can be split.
 */
#pragma once
#include "err.h"
#include "str.h"

enum {
	SSE_NAME_BYTES = 63,          /* longer names are cut: no event that anybody knows has one */
	SSE_JUNK_BYTES = 64 * 1024,   /* of lines that are no fields; more is no event stream */
};

/* name is empty when the event gave none. Both views end with the call. false ends the stream with e. */
typedef bool (*sse_handler)(void *self, struct str name, struct str data, struct err *e);

struct sse {
	sse_handler handler;
	void *self;
	struct str whole;             /* data that is one line within the piece: used where it stands */
	bool whole_ended;             /* its line has ended */
	struct buf data;              /* of an event that is cut or has more lines; its memory serves all events */
	char name[SSE_NAME_BYTES + 1];
	size_t name_n;
	char field[8];                /* the start of the current line's field name */
	size_t field_n;               /* its true length so far */
	int target;                   /* where the current line's value goes */
	bool in_value, skip_space, after_cr, started;
	size_t junk, events;          /* bytes of no use; events handed over */
};

/* An event whose data has more than event_bytes is ERR_INPUT "answer_too_large". */
void sse_init(struct sse *s, size_t event_bytes, sse_handler handler, void *self);
void sse_done(struct sse *s);
/* Calls the handler for every event that the piece completes. Too much junk is ERR_BUSY "model_garbage". */
bool sse_feed(struct sse *s, struct str piece, struct err *e);
