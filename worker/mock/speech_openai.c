/* SPDX-License-Identifier: MIT */
/* Chat completions. Every chunk repeats who says it, so that stands before each frame of the tape. */
#include "fill.h"
#include "speech.h"
#include <time.h>

static void opening(struct buf *out, const struct play *p)
{
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1];
	speech_id(p, SPEECH_MESSAGE, id);
	buf_printf(out, "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%ld,"
		"\"model\":%s,%s", id, (long)time(NULL), fill_quote(a, str_of(p->model)), p->usage ? "\"usage\":null," : "");
}

static void add_chunk(struct buf *out, const struct play *p, const char *delta, const char *reason)
{
	opening(out, p);
	buf_printf(out, "\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, reason);
}

static void start(struct buf *out, const struct play *p)
{
	add_chunk(out, p, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
}

static const char *finish_reason(const char *stop_reason)
{
	static const struct {
		const char *ours, *theirs;
	} reasons[] = {
		{ "end_turn", "stop" }, { "max_tokens", "length" }, { "refusal", "content_filter" }, { "stop_sequence", "stop" },
		{ "tool_use", "tool_calls" },
	};
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (strcmp(reasons[i].ours, stop_reason) == 0)
			return reasons[i].theirs;
	return stop_reason;
}

/* Its prompt_tokens count what the cache served too. */
static void add_usage(struct buf *out, const struct play *p)
{
	int64_t cached = speech_count(p, SCRIPT_CACHE_READ), written = speech_count(p, SCRIPT_CACHE_WRITE);
	int64_t prompt = speech_count(p, SCRIPT_INPUT) + cached + written, completion = speech_count(p, SCRIPT_OUTPUT);
	struct play plain = *p;
	plain.usage = false;
	opening(out, &plain);
	buf_printf(out, "\"choices\":[],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld,"
		"\"prompt_tokens_details\":{\"cached_tokens\":%ld}}}\n\n", (long)prompt, (long)completion,
		(long)(prompt + completion), (long)cached);
}

static void end(struct buf *out, const struct play *p)
{
	ARENA_SCOPE(a);
	add_chunk(out, p, "{}", fill_quote(a, str_of(finish_reason(p->tape->stop_reason))));
	if (p->usage)
		add_usage(out, p);
	buf_add(out, STR("data: [DONE]\n\n"));
}

/* Errors of a script have the Messages API's types, so that one script does for both. */
static void page(struct buf *out, const struct play *p, const char *type, const char *message)
{
	static const struct {
		const char *ours, *theirs, *code;
	} types[] = {
		{ "api_error", "server_error", NULL },
		{ "authentication_error", "invalid_request_error", "invalid_api_key" },
		{ "billing_error", "insufficient_quota", "insufficient_quota" },
		{ "not_found_error", "invalid_request_error", "model_not_found" },
		{ "overloaded_error", "server_error", NULL },
		{ "rate_limit_error", "requests", "rate_limit_exceeded" },
	};
	ARENA_SCOPE(a);
	(void)p;
	cJSON *o = json_object(a), *inner = json_put_object(o, "error");
	const char *code = NULL;
	for (size_t i = 0; i < COUNT(types); i++) {
		if (strcmp(types[i].ours, type) != 0)
			continue;
		type = types[i].theirs;
		code = types[i].code;
		break;
	}
	json_put_text(inner, "message", message);
	json_put_text(inner, "type", type);
	json_put_text(inner, "param", NULL);
	json_put_text(inner, "code", code);
	buf_add(out, str_of(json_print(a, o)));
}

static void error(struct buf *out, const struct play *p, const char *type, const char *message)
{
	buf_add(out, STR("data: "));
	page(out, p, type, message);
	buf_add(out, STR("\n\n"));
}

const struct speech speech_openai = {
	.request_id = "x-request-id",
	.ping = ": still here\n\n",
	.start = start,
	.opening = opening,
	.end = end,
	.error = error,
	.page = page,
};
