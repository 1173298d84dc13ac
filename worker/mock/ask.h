/* SPDX-License-Identifier: MIT */
/* What a request asks, taken apart once: for the checks, the conditions and what is filled in. */
#pragma once
#include "http_server.h"
#include "json.h"

enum ask_dialect { ASK_ANTHROPIC, ASK_OPENAI, ASK_DIALECTS };

struct ask_block {
	const char *type, *text; /* "" when absent; text of TEXT and THINKING */
	const cJSON *json;       /* NULL when the message's content is a plain text */
	const char *id;          /* of a tool_use; tool_use_id of a tool_result; else "" */
	const char *name;        /* of a tool_use; else "" */
	bool user;
	int64_t turn;            /* neighbours of one role count as one */
	int64_t message, at;     /* indexes, for messages to people */
};

struct ask {
	const struct http_exchange *exchange; /* for its headers and its path, which makes the dialect */
	enum ask_dialect dialect;
	struct str body;
	const cJSON *json;       /* an object */
	const char *model, *system, *last_user; /* never NULL */
	const char *force_tool;  /* or NULL */
	const struct ask_block *blocks;
	size_t n;
	int64_t turns, assistants;
};

/* The path as the dialect has it. */
extern const char *const ask_paths[ASK_DIALECTS];
/* By the path; ASK_ANTHROPIC for one that is neither's. */
enum ask_dialect ask_dialect_of(const struct http_exchange *x);
/* body is whole; a request of any shape can be taken apart. false: not a JSON object. */
bool ask_read(struct arena *a, const struct http_exchange *x, struct ask *out, struct err *e);
/* The tool that a tool_result answers; "" when nothing asked for it. */
const char *ask_result_tool(const struct ask *q, const struct ask_block *result);
/* Its text, parts joined. */
const char *ask_result_text(struct arena *a, const struct ask_block *result);
const char *ask_offered_name(const struct ask *q, const cJSON *tool); /* of an entry of tools; "" = none */
const char *ask_api_key(const struct ask *q); /* of either header; "" = none */
/* FNV-1a: from ASK_HASH, or on from what came before. */
#define ASK_HASH 14695981039346656037u
uint64_t ask_hash(uint64_t from, struct str bytes);
