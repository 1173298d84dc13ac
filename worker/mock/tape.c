/* SPDX-License-Identifier: MIT */
/* Blocks of a script become events of the Messages API. */
#include "tape.h"
#include "fill.h"

enum { TAPE_BYTES = 64 << 20, CHUNK = 16, BYTES_PER_TOKEN = 4 };

struct taping {
	struct arena *a;
	struct tape *tape;
	int64_t chunk; /* 0 = not said */
	int index;     /* of the content block */
};

/* ---- frames ---- */

static void frame_end(struct tape *t, size_t start, size_t id, bool delta)
{
	struct tape_frame f = { start, t->bytes->n - start, id, delta };
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

/* ---- blocks ---- */

static const struct {
	const char *start, *delta, *field;
} kinds[] = {
	[SCRIPT_THINKING] = { "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}", "thinking_delta",
		"thinking" },
	[SCRIPT_TEXT] = { "{\"type\":\"text\",\"text\":\"\"}", "text_delta", "text" },
	[SCRIPT_TOOL] = { NULL, "input_json_delta", "partial_json" },
};

static void add_start(struct taping *w, const struct script_block *b)
{
	struct tape *t = w->tape;
	size_t start = t->bytes->n, first = frames_count(t), id = 0;
	buf_printf(t->bytes, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%d,"
		"\"content_block\":", w->index);
	if (b->kind == SCRIPT_TOOL) {
		ARENA_SCOPE(tmp);
		buf_add(t->bytes, STR("{\"type\":\"tool_use\",\"id\":\"toolu_"));
		id = t->bytes->n - start;
		buf_printf(t->bytes, "%0*d\",\"name\":%s,\"input\":{}}", (int)TAPE_ID, 0, fill_quote(tmp, str_of(b->tool)));
	} else {
		buf_add(t->bytes, str_of(kinds[b->kind].start));
	}
	buf_add(t->bytes, STR("}\n\n"));
	frame_end(t, start, id, false);
	part_end(t, first, 1);
}

static void add_delta(struct taping *w, enum script_kind kind, struct str piece)
{
	ARENA_SCOPE(tmp);
	struct tape *t = w->tape;
	size_t start = t->bytes->n;
	buf_printf(t->bytes, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":"
		"{\"type\":\"%s\",\"%s\":%s}}\n\n", w->index, kinds[kind].delta, kinds[kind].field, fill_quote(tmp, piece));
	frame_end(t, start, 0, true);
}

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
		add_delta(w, kind, cut_piece(&text, w->chunk ? w->chunk : CHUNK));
	part_end(w->tape, first, times);
}

static void add_stop(struct taping *w, const struct script_block *b)
{
	struct tape *t = w->tape;
	size_t start = t->bytes->n, first = frames_count(t);
	if (b->kind == SCRIPT_THINKING) {
		char signature[TAPE_SIGNATURE_BYTES];
		tape_sign(str_of(b->text), b->repeat, signature);
		buf_printf(t->bytes, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,"
			"\"delta\":{\"type\":\"signature_delta\",\"signature\":\"%s\"}}\n\n", w->index, signature);
	}
	buf_printf(t->bytes, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%d}\n\n",
		w->index);
	frame_end(t, start, 0, false);
	part_end(t, first, 1);
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
		frame_end(t, start, 0, true);
		rest = (struct str){ rest.p + n, rest.n - n };
	}
	part_end(t, first, b->repeat);
}

static void add_block(struct taping *w, const struct script_block *b)
{
	if (b->kind == SCRIPT_RAW) {
		add_raw(w, b);
		return;
	}
	const char *text = b->text ? b->text : b->input->child ? json_print(w->a, b->input) : "";
	add_start(w, b);
	add_deltas(w, b->kind, str_of(text), b->repeat);
	add_stop(w, b);
	w->index++;
}

static bool fill_block(struct arena *a, const struct ask *q, struct script_block *b, struct err *e)
{
	if (!q || b->kind == SCRIPT_RAW)
		return true;
	if (b->text)
		return fill_text(a, q, b->text, &b->text, e);
	return fill_json(a, q, b->input, &b->input, e);
}

bool tape_make(struct arena *a, const struct script_reply *reply, const struct ask *q, struct tape *out, struct err *e)
{
	struct tape t = { buf_new(a, TAPE_BYTES), buf_new(a, TAPE_BYTES), buf_new(a, TAPE_BYTES), reply->stop_reason, 0 };
	struct taping w = { .a = a, .tape = &t, .chunk = reply->chunk };
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
