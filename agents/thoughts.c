/* SPDX-License-Identifier: MIT */
#include "thoughts.h"
#include "json.h"
#include "thoughts_inner.h"

const char *thought_kind_name(enum thought_kind kind)
{
	static const char *const names[THOUGHT_KINDS] = {
		[THOUGHT_THINKING] = "thinking",   [THOUGHT_TEXT] = "text",     [THOUGHT_TOOL_CALL] = "tool_call",
		[THOUGHT_TOOL_RESULT] = "tool_result", [THOUGHT_STATUS] = "status", [THOUGHT_ERROR] = "error",
		[THOUGHT_COMPLETE] = "complete",
	};
	return names[kind];
}

static void thoughts_end(void *what)
{
	struct thoughts *t = what;
	thoughts_unwatch(t);
	thoughts_written(t, INT64_MAX);
	buf_done(&t->growing);
	free(t);
}

struct thoughts *thoughts_new(struct arena *a, int64_t last_seq, const struct thoughts_limits *limits)
{
	struct thoughts *t = mem_alloc(sizeof(*t));
	t->limits = *limits;
	t->last = &t->first;
	t->last_seq = last_seq;
	buf_init(&t->growing, limits->row_bytes);
	arena_defer(a, thoughts_end, t);
	return t;
}

/* ---- rows ---- */

/* One block: the row, its message, its data. */
static void row_add(struct thoughts *t, enum thought_kind kind, struct str message, struct str data)
{
	size_t bytes = sizeof(struct thought_row) + message.n + 1 + data.n + 1;
	struct thought_row *row = mem_alloc(bytes);
	char *text = (char *)(row + 1);
	memcpy(text, message.p, message.n);
	row->message = text;
	if (data.n) {
		memcpy(text + message.n + 1, data.p, data.n);
		row->data = text + message.n + 1;
	}
	row->seq = ++t->last_seq;
	row->kind = kind;
	row->bytes = bytes;
	t->bytes += bytes;
	*t->last = row;
	t->last = &row->next;
}

static void row_free(struct thoughts *t, struct thought_row *row)
{
	t->bytes -= row->bytes;
	free(row);
}

static void growing_close(struct thoughts *t)
{
	if (!t->growing.n)
		return;
	row_add(t, t->growing_kind, buf_str(&t->growing), (struct str){ "", 0 });
	buf_clear(&t->growing);
}

/* ---- what is too much while the database is away ---- */

static bool has_room(const struct thoughts *t, size_t more)
{
	return !t->limits.pending_bytes || t->bytes + t->growing.n + more <= t->limits.pending_bytes;
}

static void leave_out(struct thoughts *t, size_t bytes)
{
	t->left_out += bytes;
	t->left_out_pieces++;
	thoughts_wait(t);
}

/* In the place of what was left out: one row, however much it was. */
static void left_out_close(struct thoughts *t)
{
	if (!t->left_out)
		return; /* as nearly always, and of each delta: no scratch for it */
	ARENA_SCOPE(tmp);
	growing_close(t);
	const char *message = arena_printf(tmp, "left out here: %zu bytes in %zu pieces, while the database could not take "
		"them", t->left_out, t->left_out_pieces);
	const char *data = arena_printf(tmp, "{\"left_out_bytes\":%zu}", t->left_out);
	row_add(t, THOUGHT_STATUS, str_of(message), str_of(data));
	t->left_out = t->left_out_pieces = 0;
}

/* ---- saying ---- */

static void grow(struct thoughts *t, struct str piece)
{
	while (piece.n) {
		size_t room = t->limits.flush_bytes > t->growing.n ? t->limits.flush_bytes - t->growing.n : 0;
		size_t n = utf8_cut(piece, room);
		buf_add(&t->growing, (struct str){ piece.p, n });
		piece = (struct str){ piece.p + n, piece.n - n };
		if (piece.n || t->growing.n >= t->limits.flush_bytes) {
			growing_close(t);
			thoughts_hurry(t);
		}
	}
}

void thought_delta(struct thoughts *t, enum thought_kind kind, struct str piece)
{
	if (!piece.n)
		return;
	if (!has_room(t, piece.n)) {
		leave_out(t, piece.n);
		return;
	}
	left_out_close(t);
	if (kind != t->growing_kind || t->limits.per_token)
		growing_close(t);
	t->growing_kind = kind;
	thoughts_wait(t);
	grow(t, piece);
}

static struct str cut(struct arena *a, struct str s, size_t most)
{
	if (s.n <= most)
		return s;
	size_t n = utf8_cut(s, most - MIN_OF(most, (size_t)64));
	return str_of(arena_printf(a, "%.*s... [cut: %zu of %zu bytes]", (int)n, s.p, n, s.n));
}

/* JSON cannot be cut and stay JSON: what is too large becomes an object that says so and shows the beginning. */
static struct str cut_json(struct arena *a, struct str json, size_t most)
{
	if (json.n <= most)
		return json;
	cJSON *said = json_object(a);
	json_put_i64(said, "cut_bytes", (int64_t)json.n);
	json_put_str(said, "beginning", (struct str){ json.p, utf8_cut(json, most / 2) });
	return str_of(json_print(a, said));
}

/* A run says few others than these; its end is always told. */
static bool may_be_left_out(enum thought_kind kind)
{
	return kind == THOUGHT_TOOL_CALL || kind == THOUGHT_TOOL_RESULT;
}

void thought_add(struct thoughts *t, enum thought_kind kind, const char *message, const char *data)
{
	ARENA_SCOPE(tmp);
	struct str text = cut(tmp, utf8_clean(tmp, str_of(message)), t->limits.row_bytes);
	struct str json = cut_json(tmp, str_of(data), t->limits.row_bytes);
	if (may_be_left_out(kind) && !has_room(t, text.n + json.n)) {
		leave_out(t, text.n + json.n);
		return;
	}
	left_out_close(t);
	growing_close(t);
	thoughts_wait(t);
	row_add(t, kind, text, json);
}

/* ---- writing ---- */

const struct thought_row *thoughts_pending(struct thoughts *t)
{
	growing_close(t);
	if (has_room(t, 1))
		left_out_close(t);
	return t->first;
}

const struct thought_row *thoughts_rows(const struct thoughts *t)
{
	return t->first;
}

size_t thoughts_bytes(const struct thoughts *t)
{
	return t->bytes + t->growing.n;
}

void thoughts_written(struct thoughts *t, int64_t seq)
{
	for (struct thought_row *row; (row = t->first) && row->seq <= seq;) {
		t->first = row->next;
		row_free(t, row);
	}
	if (!t->first)
		t->last = &t->first;
	if (t->left_out)
		thoughts_wait(t); /* now there is room to say so */
}

void thoughts_strip(struct thoughts *t)
{
	for (struct thought_row *row = t->first; row; row = row->next)
		row->data = NULL;
}

void thoughts_drop(struct thoughts *t)
{
	if (t->first)
		t->last_seq = t->first->seq - 1;
	thoughts_written(t, INT64_MAX);
}

void thoughts_unsay(struct thoughts *t)
{
	struct thought_row **at = &t->first;
	while (*at && (*at)->next)
		at = &(*at)->next;
	if (!*at)
		return;
	t->last_seq = (*at)->seq - 1;
	row_free(t, *at);
	*at = NULL;
	t->last = at;
}
