/* SPDX-License-Identifier: MIT */
#include "span.h"
#include "clock.h"
#include "json.h"
#include "loop.h"
#include "tracer.h"
#include "uuid.h"
#include <stdarg.h>
#include <time.h>

enum { READY_BYTES = 4 * 1024 * 1024, MANY = 200, ID_HEX = 16, TEXT_MOST = 200 };

static const char *const names[SPAN_ATTRIBUTES] = {
	[SPAN_OPERATION] = "gen_ai.operation.name",
	[SPAN_PROVIDER] = "gen_ai.provider.name",
	[SPAN_REQUEST_MODEL] = "gen_ai.request.model",
	[SPAN_RESPONSE_MODEL] = "gen_ai.response.model",
	[SPAN_FINISH_REASON] = "gen_ai.response.finish_reasons",
	[SPAN_INPUT_TOKENS] = "gen_ai.usage.input_tokens",
	[SPAN_OUTPUT_TOKENS] = "gen_ai.usage.output_tokens",
	[SPAN_AGENT_NAME] = "gen_ai.agent.name",
	[SPAN_CONVERSATION] = "gen_ai.conversation.id",
	[SPAN_TOOL_NAME] = "gen_ai.tool.name",
	[SPAN_TOOL_CALL] = "gen_ai.tool.call.id",
	[SPAN_LANE] = "drover.lane",
	[SPAN_REQUEST] = "drover.request.id",
	[SPAN_ATTEMPT] = "drover.request.attempt",
	[SPAN_ERROR] = "error.type",
};

/* ---- ids ---- */

/* splitmix64: every bit of the input moves every bit of the output. */
static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t mixed_text(uint64_t x, const char *text)
{
	for (; text && *text; text++)
		x = mixed(x ^ (unsigned char)*text);
	return x;
}

static uint64_t not_zero(uint64_t x)
{
	return x ? x : 1; /* all zeros is no id */
}

static bool hex_read(const char *text, uint64_t *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < ID_HEX; i++) {
		const char *digits = "0123456789abcdef";
		const char *at = text[i] ? strchr(digits, text[i]) : NULL;
		if (!at)
			return false;
		n = n << 4 | (uint64_t)(at - digits);
	}
	*out = n;
	return true;
}

/* 00-TRACE-SPAN-FLAGS; later versions may have more behind it. */
static bool traceparent_read(const char *text, uint64_t trace[2], uint64_t *parent)
{
	enum { LENGTH = 55, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 52 };
	uint64_t t[2], p;
	if (!text || strlen(text) < LENGTH || strncmp(text, "ff", 2) == 0 || text[2] != '-' ||
		text[SPAN_AT - 1] != '-' || text[FLAGS_AT] != '-')
		return false;
	if (!hex_read(text + TRACE_AT, &t[0]) || !hex_read(text + TRACE_AT + ID_HEX, &t[1]) ||
		!hex_read(text + SPAN_AT, &p))
		return false;
	if (!(t[0] | t[1]) || !p)
		return false;
	trace[0] = t[0];
	trace[1] = t[1];
	*parent = p;
	return true;
}

/* All who see a trace decide alike. */
static bool is_sampled(const struct tracer *t, const uint64_t trace[2])
{
	return (int)(mixed(trace[1]) % 100) < t->percent;
}

/* ---- spans ---- */

static void begin(struct span *s, struct tracer *t, enum span_kind kind)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	*s = (struct span){ .tracer = t, .kind = kind, .began_us = clock_us(),
		.began_ns = now.tv_sec * (int64_t)1000000000 + now.tv_nsec };
}

void span_begin_run(struct span *s, struct tracer *t, const char *session, int64_t request_id, int attempt,
	int64_t version, const char *traceparent)
{
	s->tracer = NULL;
	if (!t)
		return;
	uint64_t trace[2], parent = 0, seed = mixed_text(mixed((uint64_t)request_id) + (uint64_t)attempt, session);
	if (!traceparent_read(traceparent, trace, &parent)) {
		trace[0] = not_zero(mixed(seed));
		trace[1] = mixed(seed + 1);
	}
	if (!is_sampled(t, trace))
		return;
	begin(s, t, SPAN_CONSUMER);
	memcpy(s->trace, trace, sizeof(trace));
	s->parent = parent;
	s->id = not_zero(mixed(seed + (uint64_t)version + 2));
	snprintf(s->name, sizeof(s->name), "request");
	span_text(s, SPAN_CONVERSATION, session);
	span_i64(s, SPAN_REQUEST, request_id);
	span_i64(s, SPAN_ATTEMPT, attempt);
}

void span_begin(struct span *s, const struct span *parent, enum span_kind kind, const char *format, ...)
{
	s->tracer = NULL;
	if (!parent || !parent->tracer)
		return;
	begin(s, parent->tracer, kind);
	memcpy(s->trace, parent->trace, sizeof(s->trace));
	s->parent = parent->id;
	s->id = not_zero(mixed(s->tracer->next++));
	va_list args;
	va_start(args, format);
	vsnprintf(s->name, sizeof(s->name), format, args);
	va_end(args);
}

void span_text(struct span *s, enum span_attribute attribute, const char *text)
{
	if (!s->tracer || !text)
		return;
	s->values[attribute].text = text;
	s->set |= 1u << attribute;
}

void span_i64(struct span *s, enum span_attribute attribute, int64_t n)
{
	if (!s->tracer)
		return;
	s->values[attribute].text = NULL;
	s->values[attribute].number = n;
	s->set |= 1u << attribute;
}

/* ---- as OTLP writes them ---- */

static void put_text(cJSON *value, const char *text)
{
	struct str s = str_of(text);
	json_put_str(value, "stringValue", (struct str){ s.p, utf8_cut(s, TEXT_MOST) });
}

/* 64-bit numbers travel as text, as in every JSON of protobuf. */
static void put_attribute(struct arena *a, cJSON *list, const struct span *s, enum span_attribute i)
{
	cJSON *one = json_add_object(list);
	json_put_text(one, "key", names[i]);
	cJSON *value = json_put_object(one, "value");
	if (!s->values[i].text)
		json_put_text(value, "intValue", arena_printf(a, "%ld", (long)s->values[i].number));
	else if (i == SPAN_FINISH_REASON)
		put_text(json_add_object(json_put_array(json_put_object(value, "arrayValue"), "values")), s->values[i].text);
	else
		put_text(value, s->values[i].text);
}

static const char *print(struct arena *a, const struct span *s, const struct err *e)
{
	enum { STATUS_ERROR = 2 };
	cJSON *o = json_object(a);
	json_put_text(o, "traceId", arena_printf(a, "%016lx%016lx", (unsigned long)s->trace[0],
		(unsigned long)s->trace[1]));
	json_put_text(o, "spanId", arena_printf(a, "%016lx", (unsigned long)s->id));
	if (s->parent)
		json_put_text(o, "parentSpanId", arena_printf(a, "%016lx", (unsigned long)s->parent));
	json_put_text(o, "name", s->name);
	json_put_i64(o, "kind", s->kind);
	json_put_text(o, "startTimeUnixNano", arena_printf(a, "%ld", (long)s->began_ns));
	int64_t ended_ns = s->began_ns + (clock_us() - s->began_us) * 1000;
	json_put_text(o, "endTimeUnixNano", arena_printf(a, "%ld", (long)ended_ns));
	cJSON *list = json_put_array(o, "attributes");
	for (enum span_attribute i = 0; i < SPAN_ATTRIBUTES; i++)
		if (s->set & 1u << i)
			put_attribute(a, list, s, i);
	cJSON *status = json_put_object(o, "status");
	if (e)
		json_put_i64(status, "code", STATUS_ERROR);
	return json_print(a, o);
}

void span_end(struct span *s, const struct err *e)
{
	struct tracer *t = s->tracer;
	if (!t)
		return;
	ARENA_SCOPE(tmp);
	if (e)
		span_text(s, SPAN_ERROR, e->code ? e->code : err_kind_name(e->kind));
	struct str text = str_of(print(tmp, s, e));
	s->tracer = NULL;
	if (t->ready.n + text.n + 1 > READY_BYTES) {
		t->dropped++;
		return;
	}
	buf_add(&t->ready, t->ready.n ? STR(",") : STR(""));
	buf_add(&t->ready, text);
	if (++t->n == 1 || t->n == MANY)
		task_wake(t->sender);
}

/* ---- their sender ---- */

struct tracer *tracer_new(int percent)
{
	struct tracer *t = mem_alloc(sizeof(*t));
	char seed[UUID_TEXT];
	uuid_make(seed);
	t->percent = percent;
	t->next = mixed_text(0, seed);
	buf_init(&t->ready, READY_BYTES);
	return t;
}

void tracer_free(struct tracer *t)
{
	if (!t)
		return;
	buf_done(&t->ready);
	free(t);
}

size_t tracer_take(struct tracer *t, struct buf *out)
{
	size_t n = t->n;
	*out = t->ready;
	buf_init(&t->ready, READY_BYTES);
	t->n = 0;
	return n;
}
