/* SPDX-License-Identifier: MIT */
/* What both dialects share, and the Messages API. */
#include "speech.h"
#include "fill.h"

const struct speech *speech_of(enum ask_dialect dialect)
{
	return dialect == ASK_OPENAI ? &speech_openai : &speech_anthropic;
}

void speech_id(const struct play *p, int64_t nth, char out[TAPE_ID + 1])
{
	snprintf(out, TAPE_ID + 1, "%012lx%08lx%04lx", (unsigned long)(p->hash >> 16),
		(unsigned long)(p->number & UINT32_MAX), (unsigned long)(nth & SPEECH_MESSAGE));
}

int64_t speech_count(const struct play *p, enum script_count count)
{
	const int64_t guess[SCRIPT_COUNTS] = { [SCRIPT_INPUT] = p->input_tokens, [SCRIPT_OUTPUT] = p->tape->output_tokens,
		[SCRIPT_SEARCHES] = p->tape->searches };
	return p->reply->usage[count] >= 0 ? p->reply->usage[count] : guess[count];
}

/* ---- the Messages API ---- */

static void add_event(struct buf *out, const char *type, const char *json)
{
	buf_printf(out, "event: %s\ndata: %s\n\n", type, json);
}

static void put_usage(cJSON *o, const struct play *p, bool end)
{
	cJSON *usage = json_put_object(o, "usage");
	for (int i = 0; i < SCRIPT_SEARCHES; i++)
		json_put_i64(usage, script_count_names[i], i == SCRIPT_OUTPUT && !end ? 1 : speech_count(p, i));
	int64_t searches = end ? speech_count(p, SCRIPT_SEARCHES) : 0;
	if (searches)
		json_put_i64(json_put_object(usage, "server_tool_use"), script_count_names[SCRIPT_SEARCHES], searches);
}

static void start(struct buf *out, const struct play *p)
{
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1];
	speech_id(p, SPEECH_MESSAGE, id);
	cJSON *o = json_object(a);
	json_put_text(o, "type", "message_start");
	cJSON *message = json_put_object(o, "message");
	json_put_text(message, "id", arena_printf(a, "msg_%s", id));
	json_put_text(message, "type", "message");
	json_put_text(message, "role", "assistant");
	json_put_text(message, "model", p->model);
	json_put_array(message, "content");
	json_put_text(message, "stop_reason", NULL);
	json_put_text(message, "stop_sequence", NULL);
	put_usage(message, p, false);
	add_event(out, "message_start", json_print(a, o));
	buf_add(out, str_of(speech_anthropic.ping));
}

static void opening(struct buf *out, const struct play *p)
{
	(void)out, (void)p;
}

static void end(struct buf *out, const struct play *p)
{
	ARENA_SCOPE(a);
	cJSON *o = json_object(a);
	json_put_text(o, "type", "message_delta");
	cJSON *delta = json_put_object(o, "delta");
	json_put_text(delta, "stop_reason", p->tape->stop_reason);
	json_put_text(delta, "stop_sequence", NULL);
	put_usage(o, p, true);
	add_event(out, "message_delta", json_print(a, o));
	add_event(out, "message_stop", "{\"type\":\"message_stop\"}");
}

static void page(struct buf *out, const struct play *p, const char *type, const char *message)
{
	ARENA_SCOPE(a);
	char id[TAPE_ID + 1];
	speech_id(p, SPEECH_MESSAGE, id);
	cJSON *o = json_object(a);
	json_put_text(o, "type", "error");
	cJSON *inner = json_put_object(o, "error");
	json_put_text(inner, "type", type);
	json_put_text(inner, "message", message);
	json_put_text(o, "request_id", arena_printf(a, "req_%s", id));
	buf_add(out, str_of(json_print(a, o)));
}

static void error(struct buf *out, const struct play *p, const char *type, const char *message)
{
	buf_add(out, STR("event: error\ndata: "));
	page(out, p, type, message);
	buf_add(out, STR("\n\n"));
}

const struct speech speech_anthropic = {
	.request_id = "request-id",
	.ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
	.start = start,
	.opening = opening,
	.end = end,
	.error = error,
	.page = page,
};
