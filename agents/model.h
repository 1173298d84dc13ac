/* SPDX-License-Identifier: MIT */
/*
 * One turn of a model, streamed, whoever provides it (model_api.h). While the answer arrives its text and thinking go
 * to thoughts, and its blocks to the caller as they end; when it has ended whole, the turn is here. An answer that did
 * not end properly is an error. Messages and blocks have Anthropic's form, whatever the provider speaks; thinking that
 * nobody signed is {"type":"reasoning","text"} and goes back only to a provider that takes it.
 */
#pragma once
#include "field.h"
#include "http.h"
#include "thoughts.h"

struct model_api; /* model_api.h: how a provider is spoken to */

struct model_price {
	int64_t input, output, cache_write, cache_read; /* micro-units of the currency, per million tokens */
};

/* One model behind one door: a URL and a key. */
struct model_config {
	const struct model_api *api; /* NULL = Anthropic Messages */
	const char *lane;          /* name of the door, in limits, logs and metrics; models of one key share it. NULL = "default" */
	const char *base_url;      /* without the path: https://api.anthropic.com */
	const char *api_key;       /* NULL = send none */
	bool key_as_bearer;        /* Authorization: Bearer, else x-api-key */
	const char *version;       /* anthropic-version */
	const char *name;          /* of the model: what agents and options call it */
	const char *called;        /* what the provider calls it; NULL = the same */
	int64_t max_tokens;        /* of one turn */
	int64_t thinking_tokens;   /* budget; 0 = no thinking */
	int64_t context_tokens;    /* longest conversation that it takes; 0 = not known */
	bool cache;                /* ask for prompt caching */
	bool http2;                /* over TLS */
	int64_t requests_per_minute, tokens_per_minute; /* of the lane, all workers together; 0 = not known */
	struct model_price price;
	size_t turn_bytes;         /* largest answer taken: more is ERR_INPUT "answer_too_large" */
	struct http_limits limits; /* body_bytes is for error bodies */
};

struct model {
	struct http *http;
	struct model_config config;
};

struct model_block;

/* What a provider says about its limits; -1 = it did not. */
struct model_rate {
	int64_t requests_limit, requests_left, requests_reset_ms; /* reset: from now until all of it is back */
	int64_t tokens_limit, tokens_left, tokens_reset_ms;
};

struct model_usage;
struct model_request {
	const char *name;          /* NULL = the default model */
	const char *system;
	const cJSON *messages;     /* array of { role, content: [blocks] } */
	const cJSON *tools;        /* array of { name, description, input_schema }, or NULL */
	const char *force_tool;    /* the model must call this tool; NULL = its choice */
	int64_t max_tokens;        /* 0 = the default */
	const cJSON *result_schema; /* the answer must be JSON of this schema; or NULL */
	int64_t web_searches;      /* the provider may search the web so often; 0 = not offered */
	/*
	 * A block has ended and goes back like this, while the answer still arrives: each once, in their order, also when
	 * the answer breaks off behind it. Called in the caller's fiber; may wait; false ends the turn with that error, as
	 * it is. What model_turn gives at the end is these blocks. What block points to lives in model_turn's arena, block
	 * itself only for the call. NULL = the caller is not interested.
	 */
	bool (*block_ended)(void *self, const struct model_block *block, struct err *e);
	void *self;
	struct model_rate *rate;   /* written, at the end, whenever a head of an answer came; or NULL */
	struct model_usage *broken; /* what a call took that failed when its answer had begun, as far as can be told: added; or NULL */
};

enum model_block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL_CALL, BLOCK_OTHER };

struct model_block {
	enum model_block_kind kind;
	const char *raw;           /* the block as it goes back to the provider, JSON; signatures byte-identical */
	const char *text;          /* TEXT, THINKING; else "" */
	const char *tool_id, *tool_name; /* TOOL_CALL */
	const cJSON *input;        /* TOOL_CALL; NULL when what came is not a JSON object: input_error says why */
	const char *input_error;
	uint64_t input_mark;       /* of tool_call.c, json_mark of input; 0 = not looked at yet */
};

struct model_usage {
	int64_t input_tokens, output_tokens, cache_write_tokens, cache_read_tokens;
};

struct model_turn {
	struct model_block *blocks;
	size_t n;
	const char *stop_reason;   /* end_turn, tool_use, max_tokens, stop_sequence, pause_turn, refusal, ...: in Anthropic's
				      words where there is one, else as sent */
	struct model_usage usage;
	const char *message_id;    /* provider's id of the message, or "" */
	const char *model;         /* that answered, as it calls itself */
	const struct model_config *config; /* of it */
	int64_t answered_ms;       /* clock_ms when its answer began */
};

/*
 * waits. Errors: 401, 403, 402 ERR_REFUSED "model_auth" | "model_billing"; 400, 404, 413 ERR_INPUT "model_rejected";
 * 408, 409, 5xx ERR_BUSY "model_error"; 429 ERR_BUSY "model_rate_limited" (ERR_REFUSED "model_spend_limit" when a
 * spend limit says so); 529 ERR_BUSY "model_overloaded"; retry_after_ms from retry-after-ms or retry-after (seconds or
 * date). An error event in mid-stream is mapped by its type the same way. A body that is no event stream, or a stream
 * that breaks the protocol: ERR_BUSY "model_garbage". No message_stop (no finish_reason), or a cut body: ERR_NET
 * "model_cut". A connection that breaks after it has given its turn. More than 32 MB to send: ERR_INPUT
 * "request_too_large". A busy refusal with x-should-retry: false is ERR_INPUT with the same code. web_searches of a
 * provider that has none: ERR_INPUT "web_search_unavailable". On failure *turn is untouched; what had arrived was
 * already shown in thoughts, and what had ended was told.
 */
bool model_turn(struct model *m, struct arena *a, const struct model_request *rq, struct thoughts *thoughts,
	int64_t deadline, struct model_turn *turn, struct err *e);
