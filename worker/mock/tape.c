/* SPDX-License-Identifier: MIT */
/* Blocks of a script become events of the Messages API, or chunks of a chat completion. */
#include "tape.h"
#include "fill.h"

enum { TAPE_BYTES = 64 << 20, CHUNK = 16, BYTES_PER_TOKEN = 4 };

struct taping {
	struct arena *a;
	struct tape *tape;
	enum ask_dialect dialect;
	const char *reasoning; /* OPENAI: the field of thinking */
	int64_t chunk; /* 0 = not said */
	int index;     /* of the content block; OPENAI: of the tool call */
};

/* ---- frames ---- */

static void frame_add(struct tape *t, struct tape_frame f)
{
	f.n = t->bytes->n - f.at;
	buf_add(t->frames, (struct str){ (const char *)&f, sizeof(f) });
}

static size_t frames_count(const struct tape *t)
{
	return t->frames->n / sizeof(struct tape_frame);
}

static void part_end(struct tape *t, size_t first, int64_t times)
{
	struct tape_part p = { first, frames_count(t) - first, times };
	buf_add(t->parts, (struct str){ (const char *)&p, sizeof(p) });
}

const struct tape_frame *tape_frames(const struct tape *t)
{
	return (const struct tape_frame *)(const void *)t->frames->p;
}

const struct tape_part *tape_parts(const struct tape *t, size_t *n)
{
	*n = t->parts->n / sizeof(struct tape_part);
	return (const struct tape_part *)(const void *)t->parts->p;
}

void tape_sign(struct str thinking, int64_t times, char out[TAPE_SIGNATURE_BYTES])
{
	uint64_t hash = ASK_HASH;
	for (int64_t i = 0; i < times; i++)
		hash = ask_hash(hash, thinking);
	snprintf(out, TAPE_SIGNATURE_BYTES, "mock%016lx", (unsigned long)hash);
}

/* ---- the Messages API ---- */

static const struct {
	const char *start, *delta, *field;
} kinds[] = {
	[SCRIPT_THINKING] = { "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}", "thinking_delta",
		"thinking" },
	[SCRIPT_TEXT] = { "{\"type\":\"text\",\"text\":\"\"}", "text_delta", "text" },
	[SCRIPT_TOOL] = { NULL, "input_json_delta", "partial_json" },
};

static void start_event(struct taping *w, const struct script_block *b)
{
	struct tape *t = w->tape;
	size_t start = t->bytes->n, id = 0;
	buf_printf(t->bytes, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%d,"
		"\"content_block\":", w->index);
	if (b->kind == SCRIPT_TOOL) {
		ARENA_SCOPE(tmp);
		buf_add(t->bytes, STR("{\"type\":\"tool_use\",\"id\":\"toolu_"));
		id = t->bytes->n - start;
		buf_printf(t->bytes, "%0*d\",\"name\":%s,\"input\":{}}", (int)TAPE_ID, 0, fill_quote(tmp, str_of(b->tool)));
	} else {
		buf_add(t->bytes, str_of(b->kind == SCRIPT_WHOLE ? b->text : kinds[b->kind].start));
	}
	buf_add(t->bytes, STR("}\n\n"));
	frame_add(t, (struct tape_frame){ .at = start, .id = id });
}

static void delta_event(struct taping *w, enum script_kind kind, struct str piece)
{
	ARENA_SCOPE(tmp);
	struct tape *t = w->tape;
	size_t start = t->bytes->n;
	buf_printf(t->bytes, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":"
		"{\"type\":\"%s\",\"%s\":%s}}\n\n", w->index, kinds[kind].delta, kinds[kind].field, fill_quote(tmp, piece));
	frame_add(t, (struct tape_frame){ .at = start, .delta = true });
}

static void stop_event(struct taping *w, const struct script_block *b)
{
	struct tape *t = w->tape;
	size_t start = t->bytes->n;
	if (b->kind == SCRIPT_THINKING) {
		char signature[TAPE_SIGNATURE_BYTES];
		tape_sign(str_of(b->text), b->repeat, signature);
		buf_printf(t->bytes, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,"
			"\"delta\":{\"type\":\"signature_delta\",\"signature\":\"%s\"}}\n\n", w->index, signature);
	}
	buf_printf(t->bytes, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%d}\n\n",
		w->index++);
	frame_add(t, (struct tape_frame){ .at = start });
}

/* ---- chat completions: a choice's delta; the player writes what stands before it ---- */

#define CHOICE_HEAD "\"choices\":[{\"index\":0,\"delta\":{"
#define CHOICE_TAIL "},\"finish_reason\":null}]}\n\n"

static void start_chunk(struct taping *w, const struct script_block *b)
{
	ARENA_SCOPE(tmp);
	struct tape *t = w->tape;
	size_t start = t->bytes->n;
	if (b->kind != SCRIPT_TOOL)
		return;
	buf_printf(t->bytes, CHOICE_HEAD "\"tool_calls\":[{\"index\":%d,\"id\":\"call_", w->index);
	size_t id = t->bytes->n - start;
	buf_printf(t->bytes, "%0*d\",\"type\":\"function\",\"function\":{\"name\":%s,\"arguments\":\"\"}}]" CHOICE_TAIL,
		(int)TAPE_ID, 0, fill_quote(tmp, str_of(b->tool)));
	frame_add(t, (struct tape_frame){ .at = start, .id = id, .open = true });
}

static void delta_chunk(struct taping *w, enum script_kind kind, struct str piece)
{
	ARENA_SCOPE(tmp);
	struct tape *t = w->tape;
	size_t start = t->bytes->n;
	const char *text = fill_quote(tmp, piece);
	if (kind == SCRIPT_TOOL)
		buf_printf(t->bytes, CHOICE_HEAD "\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":%s}}]" CHOICE_TAIL,
			w->index, text);
	else
		buf_printf(t->bytes, CHOICE_HEAD "\"%s\":%s" CHOICE_TAIL, kind == SCRIPT_TEXT ? "content" : w->reasoning, text);
	frame_add(t, (struct tape_frame){ .at = start, .delta = true, .open = true });
}

static void stop_chunk(struct taping *w, const struct script_block *b)
{
	w->index += b->kind == SCRIPT_TOOL;
}

/* ---- blocks ---- */

static const struct {
	void (*start)(struct taping *w, const struct script_block *b);
	void (*delta)(struct taping *w, enum script_kind kind, struct str piece);
	void (*stop)(struct taping *w, const struct script_block *b);
	const char *no_input; /* how a tool's empty input is streamed */
} writers[ASK_DIALECTS] = {
	[ASK_ANTHROPIC] = { start_event, delta_event, stop_event, "" },
	[ASK_OPENAI] = { start_chunk, delta_chunk, stop_chunk, "{}" },
};

/* The next so many characters. */
static struct str cut_piece(struct str *rest, int64_t characters)
{
	size_t n = 0;
	while (n < rest->n && characters > 0) {
		n++;
		if (n == rest->n || ((unsigned char)rest->p[n] & 0xC0) != 0x80)
			characters--;
	}
	struct str piece = { rest->p, n };
	*rest = (struct str){ rest->p + n, rest->n - n };
	return piece;
}

static void add_deltas(struct taping *w, enum script_kind kind, struct str text, int64_t times)
{
	size_t first = frames_count(w->tape);
	w->tape->output_tokens += 1 + (int64_t)text.n * times / BYTES_PER_TOKEN;
	while (text.n && !w->tape->bytes->full)
		writers[w->dialect].delta(w, kind, cut_piece(&text, w->chunk ? w->chunk : CHUNK));
	part_end(w->tape, first, times);
}

/* Cut at any byte: what it breaks is the script's affair. */
static void add_raw(struct taping *w, const struct script_block *b)
{
	struct tape *t = w->tape;
	struct str rest = str_of(b->text);
	size_t first = frames_count(t);
	while (rest.n) {
		size_t start = t->bytes->n, n = w->chunk ? MIN_OF((size_t)w->chunk, rest.n) : rest.n;
		buf_add(t->bytes, (struct str){ rest.p, n });
		frame_add(t, (struct tape_frame){ .at = start, .delta = true });
		rest = (struct str){ rest.p + n, rest.n - n };
	}
	part_end(t, first, b->repeat);
}

/* A block that comes whole in its start; nobody but the Messages API has these. */
static void add_whole(struct taping *w, const struct script_block *b)
{
	size_t first = frames_count(w->tape);
	if (w->dialect != ASK_ANTHROPIC)
		return;
	w->tape->searches += strcmp(b->tool, "web_search") == 0;
	start_event(w, b);
	stop_event(w, b);
	part_end(w->tape, first, 1);
}

static void add_block(struct taping *w, const struct script_block *b)
{
	size_t first = frames_count(w->tape);
	if (b->kind == SCRIPT_RAW)
		return add_raw(w, b);
	if (b->kind == SCRIPT_WHOLE)
		return add_whole(w, b);
	const char *text = b->text ? b->text : b->input->child ? json_print(w->a, b->input) : writers[w->dialect].no_input;
	writers[w->dialect].start(w, b);
	part_end(w->tape, first, 1);
	add_deltas(w, b->kind, str_of(text), b->repeat);
	first = frames_count(w->tape);
	writers[w->dialect].stop(w, b);
	part_end(w->tape, first, 1);
}

static bool fill_block(struct arena *a, const struct ask *q, struct script_block *b, struct err *e)
{
	if (!q || b->kind == SCRIPT_RAW || b->kind == SCRIPT_WHOLE)
		return true;
	if (b->text)
		return fill_text(a, q, b->text, &b->text, e);
	return fill_json(a, q, b->input, &b->input, e);
}

bool tape_make(struct arena *a, const struct script_reply *reply, enum ask_dialect dialect, const struct ask *q,
	struct tape *out, struct err *e)
{
	struct tape t = { buf_new(a, TAPE_BYTES), buf_new(a, TAPE_BYTES), buf_new(a, TAPE_BYTES), reply->stop_reason, 0, 0 };
	struct taping w = { .a = a, .tape = &t, .dialect = dialect, .reasoning = reply->reasoning, .chunk = reply->chunk };
	bool tool = false;
	for (size_t i = 0; i < reply->n; i++) {
		struct script_block b = reply->blocks[i];
		tool |= b.kind == SCRIPT_TOOL;
		if (!fill_block(a, q, &b, e))
			return false;
		add_block(&w, &b);
	}
	if (t.bytes->full || t.frames->full)
		return FAIL(e, ERR_INPUT, "bad_script", "the reply is longer than %d bytes: use repeat", TAPE_BYTES);
	if (!t.stop_reason)
		t.stop_reason = tool ? "tool_use" : "end_turn";
	*out = t;
	return true;
}
