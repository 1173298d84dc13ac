/* SPDX-License-Identifier: MIT */
/* Server-sent events: a line is taken as it comes, its value goes straight to where it belongs. */
#include "sse.h"

enum sse_target { SSE_IGNORED, SSE_DATA, SSE_NAME, SSE_JUNK };

static const struct sse_field {
	struct str name;
	enum sse_target target;
} fields[] = {
	{ { "data", 4 }, SSE_DATA },
	{ { "event", 5 }, SSE_NAME },
	{ { "", 0 }, SSE_IGNORED }, /* a comment */
	{ { "id", 2 }, SSE_IGNORED },
	{ { "retry", 5 }, SSE_IGNORED },
};

void sse_init(struct sse *s, size_t event_bytes, sse_handler handler, void *self)
{
	*s = (struct sse){ .handler = handler, .self = self };
	buf_init(&s->data, event_bytes);
}

void sse_done(struct sse *s)
{
	buf_done(&s->data);
}

static enum sse_target field_target(const struct sse *s)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (fields[i].name.n == s->field_n && memcmp(s->field, fields[i].name.p, s->field_n) == 0)
			return fields[i].target;
	return SSE_JUNK;
}

static void start_value(struct sse *s)
{
	s->target = field_target(s);
	s->in_value = s->skip_space = true;
	if (s->target == SSE_NAME)
		s->name_n = 0;
	if (s->target == SSE_JUNK)
		s->junk += s->field_n;
}

/* A BOM that may itself come in pieces is seen as the first three bytes of the first field name. */
static void add_field_byte(struct sse *s, char c)
{
	if (s->field_n < sizeof(s->field))
		s->field[s->field_n] = c;
	s->field_n++;
	if (s->started || s->field_n < 3)
		return;
	s->started = true;
	if (memcmp(s->field, "\xEF\xBB\xBF", 3) == 0)
		s->field_n = 0;
}

static struct str skip(struct str part, size_t n)
{
	return (struct str){ part.p + n, part.n - n };
}

/* As it nearly always comes: the whole name in one piece, and short. */
static bool take_whole_field(struct sse *s, struct str *part)
{
	const char *colon = s->started && s->field_n == 0 && part->n
		? memchr(part->p, ':', MIN_OF(part->n, sizeof(s->field))) : NULL;
	if (!colon)
		return false;
	s->field_n = (size_t)(colon - part->p);
	memcpy(s->field, part->p, s->field_n);
	start_value(s);
	*part = skip(*part, s->field_n + 1);
	return true;
}

static struct str take_field(struct sse *s, struct str part)
{
	if (!s->in_value && take_whole_field(s, &part))
		return part;
	while (!s->in_value && part.n > 0) {
		if (*part.p == ':')
			start_value(s);
		else
			add_field_byte(s, *part.p);
		part = skip(part, 1);
	}
	return part;
}

/* It has to outlive its piece, or is not all of the data. */
static void keep_whole(struct sse *s)
{
	if (!s->whole.n)
		return;
	buf_add(&s->data, s->whole);
	if (s->whole_ended)
		buf_add(&s->data, STR("\n"));
	s->whole.n = 0;
}

/* One line of data, as nearly always, is not copied. */
static void add_data(struct sse *s, struct str part)
{
	bool first = !s->whole.n && !s->data.n;
	if (first && part.n < s->data.limit) {
		s->whole = part;
		s->whole_ended = false;
		return;
	}
	keep_whole(s);
	buf_add(&s->data, part);
}

static void end_data(struct sse *s)
{
	if (s->whole.n && !s->whole_ended) {
		s->whole_ended = true;
		return;
	}
	keep_whole(s);
	buf_add(&s->data, STR("\n"));
}

static void add_value(struct sse *s, struct str part)
{
	if (s->target == SSE_DATA)
		add_data(s, part);
	if (s->target == SSE_JUNK)
		s->junk += part.n;
	if (s->target != SSE_NAME)
		return;
	part.n = MIN_OF(part.n, SSE_NAME_BYTES - s->name_n);
	memcpy(s->name + s->name_n, part.p, part.n);
	s->name_n += part.n;
}

static bool check_limits(const struct sse *s, struct err *e)
{
	if (s->data.full)
		return FAIL(e, ERR_INPUT, "answer_too_large",
			"one event of the model's answer is larger than %zu bytes: raise the option model.answer_bytes "
			"or ask for less", s->data.limit);
	if (s->junk + (s->in_value ? 0 : s->field_n) > SSE_JUNK_BYTES)
		return FAIL(e, ERR_BUSY, "model_garbage",
			"the model's answer is no event stream: more than %d bytes of it are lines without a field",
			SSE_JUNK_BYTES);
	return true;
}

/* part is inside one line. */
static bool take_part(struct sse *s, struct str part, struct err *e)
{
	part = take_field(s, part);
	if (part.n > 0 && s->skip_space) {
		s->skip_space = false;
		if (*part.p == ' ')
			part = skip(part, 1);
	}
	if (part.n > 0)
		add_value(s, part);
	return check_limits(s, e);
}

static bool end_event(struct sse *s, struct err *e)
{
	struct str name = { s->name, s->name_n };
	s->name_n = 0;
	if (!s->whole.n && !s->data.n)
		return true;
	s->events++;
	struct str data = s->whole.n ? s->whole : (struct str){ s->data.p, s->data.n - 1 }; /* without the last \n */
	s->whole.n = 0;
	bool ok = s->handler(s->self, name, data, e);
	if (s->data.n)
		buf_clear(&s->data);
	return ok;
}

static bool end_line(struct sse *s, struct err *e)
{
	bool blank = !s->in_value && s->field_n == 0;
	s->started = true;
	if (blank)
		return end_event(s, e);
	if (!s->in_value)
		start_value(s);
	s->in_value = false;
	s->field_n = 0;
	if (s->target == SSE_DATA)
		end_data(s);
	return check_limits(s, e);
}

static size_t line_rest(struct str s)
{
	const char *lf = s.n ? memchr(s.p, '\n', s.n) : NULL;
	size_t n = lf ? (size_t)(lf - s.p) : s.n;
	const char *cr = n ? memchr(s.p, '\r', n) : NULL;
	return cr ? (size_t)(cr - s.p) : n;
}

static bool skip_lf(struct sse *s, struct str piece)
{
	bool skip = s->after_cr && *piece.p == '\n';
	s->after_cr = false;
	return skip;
}

bool sse_feed(struct sse *s, struct str piece, struct err *e)
{
	while (piece.n > 0) {
		size_t n = skip_lf(s, piece) ? 1 : 0;
		struct str line = { piece.p + n, line_rest((struct str){ piece.p + n, piece.n - n }) };
		if (!take_part(s, line, e))
			return false;
		n += line.n;
		if (n < piece.n) {
			s->after_cr = piece.p[n++] == '\r';
			if (!end_line(s, e))
				return false;
		}
		piece = (struct str){ piece.p + n, piece.n - n };
	}
	keep_whole(s);
	return check_limits(s, e);
}
