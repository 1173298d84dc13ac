/* SPDX-License-Identifier: MIT */
/*
 * Chat completions as OpenAI speaks them and many others do (vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek), streamed.
 * This header is for its own files and their tests; everybody else uses model.h.
 *
 * What comes is turned into the neutral form, which is Anthropic's: text, tool_use, and {"type":"reasoning","text"} for
 * thinking; what goes out is turned back. No two servers speak quite the same, so much is taken leniently: reasoning
 * under either name, ids that are missing, repeated or refused elsewhere (the call gets one of ours), one index for all
 * calls, arguments as an object, a missing usage, a missing [DONE], other choices than the first, comments, padding.
 * Refused as "model_garbage": data that is no JSON object, anything of the answer after its finish_reason, a call
 * without a usable name.
 */
#pragma once
#include "model_api.h"

extern const struct model_api openai_api;

/* openai_request.c */
const struct http_header *openai_headers(struct arena *a, const struct model_config *c);
bool openai_body(struct arena *a, const struct model_config *c, const struct model_request *rq, struct str *body,
	struct err *e);

/* openai_messages.c: the conversation in this dialect, an array in a. */
const cJSON *openai_messages(struct arena *a, const char *system, const cJSON *messages);

/* openai_stream.c: events -> turn, without a fiber */
struct model_answer *openai_stream(struct arena *a, const struct model_config *c, const struct model_request *rq,
	struct thoughts *thoughts);
bool openai_end(struct model_answer *s, struct err *e);

/* openai_delta.c: a chunk as it nearly always comes, read without a tree. */
struct openai_delta {
	enum model_block_kind kind; /* TEXT or THINKING */
	struct str piece;           /* a view of the data, or of scratch; empty = nothing new */
};

/* False: it takes the tree. */
bool openai_delta_scan(struct str data, struct buf *scratch, struct openai_delta *d);

/* openai_id.c: the id that a call goes by: the given one, or one of ours that the conversation does not have. */
const char *openai_call_id(struct arena *a, const struct model_request *rq, const struct model_answer *s,
	const char *given);
