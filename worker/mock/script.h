/* SPDX-License-Identifier: MIT */
/*
 * The script of the scripted model: which request gets which answer, and how badly it comes. README.md has an example.
 *
 * defaults: { pace, chunk, delay, reasoning_field }   for every reply that does not say otherwise
 * replies:                                  a list; the first whose conditions all hold answers
 *   - name: TEXT                            for people and counters
 *     when:                                 no condition = every request
 *       system, last_user, any_user: TEXT or LIST      every text is contained: in the system prompt, in the latest
 *                                                      user text, in some user text
 *       tool_result, tools_offered: NAME or LIST       a result of the tool is in the last message; it is offered
 *       result: TEXT or LIST                           contained in some result in the last message
 *       turn: N            assistant messages so far   force_tool: NAME   the model must call it
 *       nth: N             only the N-th time that the other conditions hold
 *       after: N           not the first N times that the other conditions hold; nth counts from there
 *       api_key: TEXT      in x-api-key or as Bearer   header: { NAME: TEXT }
 *     reply:                                a text, or a list of blocks, each one of
 *       - thinking: TEXT   - text: TEXT     with repeat: N, so many times over
 *       - tool: NAME       with input: any mapping, or input_text: what is streamed in its place, JSON or not
 *       - raw: TEXT        - raw_file: PATH beside the script. Sent as it is, in one piece or in chunk bytes; a reply
 *                                           of nothing but raw blocks has no events of its own around them
 *       - garbage: N bytes that are no event and never end a line
 *       - block: mapping   a content block that comes whole, such as server_tool_use; not in chat completions
 *     delay: TIME before the first byte     pace: TIME between deltas     chunk: N characters a delta
 *     trickle: TIME between bytes           reasoning_field: reasoning or reasoning_content, of chat completions
 *     stop_reason: TEXT                     usage: { input_tokens, output_tokens, cache_creation_input_tokens,
 *                                                    cache_read_input_tokens, web_search_requests }
 *     stall_after: { deltas: N, for: TIME } silence, then it goes on
 *     error_after: { deltas: N, type: TEXT, message: TEXT }   an error event ends it
 *     cut_after: { deltas: N, reset: BOOL } the connection is closed, or reset
 *     status: N, body: TEXT or mapping, headers: { NAME: TEXT }   a plain answer in place of a stream
 *     drop: BOOL                            the connection is closed without an answer
 *
 * A reply of fewer deltas than an _after says is stalled, failed or cut after its last one. TIME is 20ms, 2s, 5m or 0.
 * Texts and inputs may hold {{tool.path.0.name}}, a value of the latest result of that tool ({{tool#2.path}}: of its
 * second result), and {{last_user}}. An input text that is nothing but one of these keeps the value's type.
 */
#pragma once
#include "config.h"
#include "http.h"
#include "json.h"
#include "yamldoc.h"

struct script_texts {
	size_t n;
	const char *const *items;
};

struct script_when {
	struct script_texts system, last_user, any_user, result, tool_result, tools_offered;
	const char *force_tool, *api_key;  /* NULL = not asked, as below */
	const struct http_header *headers; /* ends with { 0 } */
	int64_t turn;                      /* -1 = not asked */
	int64_t nth;                       /* 0 = not asked */
	int64_t after;                     /* 0 = from the first on */
};

enum script_kind { SCRIPT_THINKING, SCRIPT_TEXT, SCRIPT_TOOL, SCRIPT_RAW, SCRIPT_WHOLE };

struct script_block {
	enum script_kind kind;
	const char *text;      /* THINKING, TEXT, RAW, WHOLE (its JSON); of a TOOL its input_text, or NULL */
	const char *tool;      /* TOOL; of a WHOLE its "name", or "" */
	const cJSON *input;    /* TOOL, when there is no text */
	int64_t repeat;
};

struct script_after {
	int64_t deltas;        /* -1 = never */
	int64_t for_ms;        /* stall */
	const char *type, *message; /* error */
	bool reset;            /* cut */
};

enum script_count {
	SCRIPT_INPUT, SCRIPT_OUTPUT, SCRIPT_CACHE_WRITE, SCRIPT_CACHE_READ, SCRIPT_SEARCHES, SCRIPT_COUNTS
};
extern const char *const script_count_names[SCRIPT_COUNTS]; /* as on the wire */

struct script_reply {
	const char *name;      /* "" = none */
	struct yaml_place place;
	struct script_when when;
	const struct script_block *blocks;
	size_t n;
	bool filled;           /* something in braces stands in it: it differs from request to request */
	bool all_raw;
	int64_t delay_ms, pace_ms, chunk; /* chunk 0 = not said */
	int64_t trickle_ms;    /* between bytes; 0 = not byte by byte */
	const char *reasoning; /* chat completions: the field of thinking */
	const char *stop_reason; /* NULL = by its blocks */
	int64_t usage[SCRIPT_COUNTS]; /* -1 = counted */
	struct script_after stall, error, cut;
	int64_t status;        /* 0 = a stream */
	const char *body;      /* of a status, or NULL = the provider's error of that status */
	const char *content_type;
	const struct http_header *headers; /* or NULL; without the content type */
	bool drop;
};

struct script {
	const char *file;
	struct script_reply *replies;
	size_t n;
};

/*
 * False when there is any mistake: *out is untouched then, and all of them are listed, each with file:line:col. The
 * script lives in the arena. raw_file is looked for beside the file.
 */
bool script_load(struct arena *a, const char *file, struct config_problems *problems, struct script *out);
/* The same from a text; name stands for the file. */
bool script_load_text(struct arena *a, const char *name, struct str text, struct config_problems *problems,
	struct script *out);
