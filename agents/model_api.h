/* SPDX-License-Identifier: MIT */
/*
 * What a provider is: one entry in model_apis. model_turn drives one HTTP call through it; how answers arrive is the
 * same for all of them (model_answer.h). This header is for the providers' own files and their tests, and for whoever
 * reads the option model.api.
 */
#pragma once
#include "model_answer.h"

enum { MODEL_REQUEST_BYTES = 32 * 1024 * 1024 }; /* no API takes more */

/* A word by which a provider names a kind of error: the HTTP status that means the same. */
struct model_word {
	const char *word;
	int status;
};

/* The headers that tell of one limit; { 0 } = there is none. */
struct model_limit_names {
	const char *limit, *left, *reset;
};

struct model_api {
	const char *name;              /* as in the option model.api */
	const char *path;              /* of the URL */
	/* Ends with { 0 }. */
	const struct http_header *(*headers)(struct arena *a, const struct model_config *c);
	/* Byte for byte the same for the same request, and the longer conversation begins with the shorter one's bytes.
	 * ERR_INPUT "request_too_large", "web_search_unavailable". */
	bool (*body)(struct arena *a, const struct model_config *c, const struct model_request *rq, struct str *body,
		struct err *e);
	/* Before the first byte of the answer. What arrives lives in a; thoughts may be NULL. */
	struct model_answer *(*stream)(struct arena *a, const struct model_config *c, const struct model_request *rq,
		struct thoughts *thoughts);
	/* The body has ended: ERR_NET "model_cut" when the answer has not. */
	bool (*end)(struct model_answer *s, struct err *e);
	/* How long it is until a limit is whole again, as its header says it; -1 = unreadable. now: the head's Date. */
	int64_t (*reset_ms)(const char *value, const char *now);
	struct model_limit_names requests, tokens[2]; /* of several kinds of tokens the tightest counts */
	const char *request_id;               /* header */
	const struct model_word *words;       /* ends with { 0 } */
};

extern const struct model_api *const model_apis[]; /* ends with NULL; the first is the default */
const struct model_api *model_api_find(const char *name); /* NULL */
const char *model_api_url(struct arena *a, const struct model_config *c);

/* The body's text into a, when it is not too large. */
bool model_body_end(struct arena *a, const cJSON *tree, struct str *body, struct err *e);

/* model_error.c. Both always return false. body is what came with reply, or its beginning. */
bool model_fail_status(const struct model_config *c, const struct http_reply *reply, struct str body, struct err *e);
/* An error inside the stream: event has it as its member "error", or is it. */
bool model_fail_event(const struct model_api *api, const char *secret, const cJSON *event, struct err *e);

/* model_rate.c. late_ms: how long ago the head came. */
void model_rate_read(const struct model_api *api, const struct http_reply *reply, int64_t late_ms,
	struct model_rate *rate);
bool model_date_read(const char *text, int64_t *ms); /* HTTP's three forms, RFC 3339; milliseconds since 1970 */
int64_t model_now_ms(const char *date); /* the server's clock, or ours when it does not say */
