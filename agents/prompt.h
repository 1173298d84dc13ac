/* SPDX-License-Identifier: MIT */
/*
 * What the model is sent: the parts of a conversation in their order, of earlier requests of the session and of this
 * one. The same parts always make the same bytes: a prompt that changes by a byte is one that no cache knows.
 */
#pragma once
#include "model.h"

enum part_kind {
	PART_TEXT,   /* what the user, or Drover in the user's place, says */
	PART_BLOCK,  /* from the model */
	PART_RESULT, /* of a tool */
};

struct part {
	enum part_kind kind;
	enum model_block_kind block; /* BLOCK */
	const char *raw;       /* as it is sent, JSON; NULL = a result whose place is kept, and which has not come yet */
	size_t bytes;          /* of raw */
	const char *call;      /* RESULT, and BLOCK of a tool call: its id */
	const char *tool;      /* RESULT: whose */
	int64_t turn;          /* number of the model turn that it belongs to, over all requests */
	int64_t request;       /* number of the request */
	bool cut;              /* raw says only that it was left out */
	bool out;              /* not sent */
};

struct prompt {
	struct arena *arena;
	struct part *parts;
	size_t n, capacity;
	int64_t turn, request; /* of what is added now */
	size_t base_bytes;     /* of what is sent beside the messages: system prompt and tools */
	size_t bytes;          /* of the messages */
	size_t asked_bytes;    /* of both, when the model was last asked */
	int64_t tokens_per_kb; /* per 1000 bytes: a quarter, or what the provider counted when that was more */
	int64_t limit_tokens;  /* that the model takes */
	bool overflowed;       /* the model said that it was too long */
};

/* In a. limit_tokens 0 = not known: as much as the API takes in one request. */
struct prompt *prompt_new(struct arena *a, size_t base_bytes, int64_t limit_tokens);
/* raw must outlive p. The part is valid until the next one is added. */
struct part *prompt_add(struct prompt *p, enum part_kind kind, const char *raw);
void prompt_set(struct prompt *p, struct part *part, const char *raw);
void prompt_leave_out(struct prompt *p, struct part *part);
/* The provider counted so many tokens of the prompt it was last asked with; 0 = it did not say. */
void prompt_measure(struct prompt *p, int64_t tokens);
int64_t prompt_tokens(const struct prompt *p);
bool prompt_has_call(const struct prompt *p, const char *id);
/* In a, over memory of p: array of { role, content: [blocks] }, neighbours of one role in one message. */
const cJSON *prompt_messages(struct arena *a, const struct prompt *p);
/* { "type": "text", "text": text }, in a. */
const char *prompt_text_block(struct arena *a, const char *text);
