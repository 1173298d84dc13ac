/* SPDX-License-Identifier: MIT */
/* The event stream parser: what ends a line, what ends an event, and that pieces of any size change nothing. */
#include "sse.h"
#include "test.h"

enum { EVENT_BYTES = 1000, SEEN_BYTES = 100000 };

/* Every event as "name|data;" in one text. */
static bool record(void *self, struct str name, struct str data, struct err *e)
{
	struct buf *seen = self;
	return buf_printf(seen, "%.*s|%.*s;", STR_ARGS(name), STR_ARGS(data)) ||
		FAIL(e, ERR_BUG, "test", "too many events");
}

static const char *parse_split(struct arena *a, struct str text, size_t at, struct err *e)
{
	struct buf *seen = buf_new(a, SEEN_BYTES);
	struct sse s;
	sse_init(&s, EVENT_BYTES, record, seen);
	struct str first = { text.p, at }, second = { text.p + at, text.n - at };
	bool ok = sse_feed(&s, first, e) && sse_feed(&s, second, e);
	sse_done(&s);
	return ok ? buf_str(seen).p : e->code;
}

static const char *parse_bytes(struct arena *a, struct str text, struct err *e)
{
	struct buf *seen = buf_new(a, SEEN_BYTES);
	struct sse s;
	sse_init(&s, EVENT_BYTES, record, seen);
	bool ok = true;
	for (size_t i = 0; ok && i < text.n; i++)
		ok = sse_feed(&s, (struct str){ text.p + i, 1 }, e);
	sse_done(&s);
	return ok ? buf_str(seen).p : e->code;
}

static void check_parse(struct str text, const char *want)
{
	ARENA_SCOPE(a);
	struct err e;
	CHECK_EQ_S(parse_bytes(a, text, &e), want);
	for (size_t at = 0; at <= text.n; at++)
		if (!CHECK_EQ_S(parse_split(a, text, at, &e), want))
			return;
}

#define PARSES(text, want) check_parse(STR(text), want)

TEST(lf_crlf_and_cr_end_a_line)
{
	PARSES("event: a\ndata: 1\n\n", "a|1;");
	PARSES("event: a\r\ndata: 1\r\n\r\n", "a|1;");
	PARSES("event: a\rdata: 1\r\r", "a|1;");
	PARSES("event: a\r\ndata: 1\n\revent: b\rdata: 2\n\n", "a|1;b|2;");
	PARSES("data: 1\r\n\ndata: 2\r\r\n", "|1;|2;");
}

TEST(an_event_without_its_blank_line_is_never_seen)
{
	PARSES("data: 1\n\nevent: b\ndata: 2\n", "|1;");
	PARSES("data: 1\n\nevent: b\ndata: 2", "|1;");
	PARSES("data: 1\r", "");
	PARSES("", "");
}

TEST(a_bom_is_skipped_at_the_very_start_only)
{
	PARSES("\xEF\xBB\xBF" "data: 1\n\n", "|1;");
	PARSES("\xEF\xBB\xBF: comment\ndata: 1\n\n", "|1;");
	PARSES("\xEF\xBB\xBF\n\xEF\xBB\xBF" "data: 1\n\n", "");
	PARSES("\xEF\xBB" "data: 1\n\ndata: 2\n\n", "|2;");
	PARSES("id\n\xEF\xBB\xBF" "data: 1\n\n", "");
}

TEST(comments_id_and_retry_are_ignored)
{
	PARSES(": hello\n:\n:data: 9\nid: 7\nretry: 100\nid\ndata: 1\n\n", "|1;");
}

TEST(unknown_fields_are_ignored)
{
	PARSES("Data: 9\ndatas: 9\ndat: 9\nevents: x\nwhatever\nnothing:\ndata: 1\n\n", "|1;");
}

TEST(data_lines_are_joined_and_lose_one_space)
{
	PARSES("data: a\ndata:b\ndata:  c\ndata: d:e \n\n", "|a\nb\n c\nd:e ;");
	PARSES("data: a\ndata\ndata:\ndata: b\n\n", "|a\n\n\nb;");
	PARSES("data:\n\ndata\n\n", "|;|;");
	PARSES("data:\ta\n\n", "|\ta;");
}

TEST(the_last_name_of_an_event_counts_and_none_outlives_it)
{
	PARSES("event: x\nevent: a\ndata: 1\n\ndata: 2\n\n", "a|1;|2;");
	PARSES("event: a\n\ndata: 1\n\n", "|1;");
	PARSES("event: a\nevent\ndata: 1\n\n", "|1;");
}

TEST(a_long_name_is_cut)
{
	PARSES("event: 0123456789012345678901234567890123456789012345678901234567890123456789\ndata: 1\n\n",
		"012345678901234567890123456789012345678901234567890123456789012|1;");
}

TEST(characters_may_be_split_over_pieces)
{
	PARSES("event: h\xC3\xA9\ndata: \xF0\x9F\x98\x80 \xE2\x82\xAC\n\n", "h\xC3\xA9|\xF0\x9F\x98\x80 \xE2\x82\xAC;");
}

/* The event is data and a line end of n bytes. */
static bool feed_data(size_t n, struct err *e)
{
	ARENA_SCOPE(a);
	struct buf *text = buf_new(a, n + 100);
	buf_printf(text, "data: %0*d\n\n", (int)n - 1, 0);
	struct buf *seen = buf_new(a, SEEN_BYTES);
	struct sse s;
	sse_init(&s, EVENT_BYTES, record, seen);
	bool ok = sse_feed(&s, buf_str(text), e);
	sse_done(&s);
	return ok && CHECK_EQ_I(seen->n, n - 1 + 2);
}

TEST(an_event_larger_than_the_limit_is_an_error_that_names_the_option)
{
	struct err e = { 0 };
	CHECK(feed_data(EVENT_BYTES, &e));
	CHECK(!feed_data(EVENT_BYTES + 1, &e));
	CHECK_EQ_S(e.code, "answer_too_large");
	CHECK_EQ_I(e.kind, ERR_INPUT);
	CHECK(strstr(e.msg, "model.answer_bytes"));
}

static bool feed_often(struct sse *s, struct str piece, size_t times, struct err *e)
{
	for (size_t i = 0; i < times; i++)
		if (!sse_feed(s, piece, e))
			return false;
	return true;
}

static bool feed_fresh(struct str piece, size_t times, struct err *e)
{
	ARENA_SCOPE(a);
	struct sse s;
	sse_init(&s, EVENT_BYTES, record, buf_new(a, SEEN_BYTES));
	bool ok = feed_often(&s, piece, times, e);
	CHECK_EQ_I(s.data.capacity, 0);
	sse_done(&s);
	return ok;
}

TEST(bytes_that_are_no_event_stream_are_soon_refused_and_never_kept)
{
	struct err e = { 0 };
	CHECK(!feed_fresh(STR("<p>a page of HTML</p>\n"), SSE_JUNK_BYTES / 21 + 1, &e));
	CHECK_EQ_S(e.code, "model_garbage");
	CHECK_EQ_I(e.kind, ERR_BUSY);
	CHECK(!feed_fresh(STR("one line without end "), SSE_JUNK_BYTES / 21 + 1, &e));
	CHECK(!feed_fresh(STR("x: many unknown fields \n"), SSE_JUNK_BYTES / 20 + 1, &e));
	CHECK(feed_fresh(STR("<p>a page of HTML</p>\n"), SSE_JUNK_BYTES / 21 - 1, &e));
	CHECK(feed_fresh(STR(": a comment keeps the line alive\n"), 100000, &e));
	CHECK(feed_fresh(STR("event: many names and no data\n\n"), 100000, &e));
}

TEST(an_event_in_one_piece_is_not_copied_and_those_that_are_cut_share_one_buffer)
{
	ARENA_SCOPE(a);
	struct err e;
	struct sse s;
	sse_init(&s, EVENT_BYTES, record, buf_new(a, SEEN_BYTES));
	CHECK(feed_often(&s, STR("event: a\ndata: {\"x\":1}\n\n"), 1, &e));
	CHECK_EQ_I(s.data.capacity, 0);
	CHECK(feed_often(&s, STR("event: a\ndata: {\"y\":"), 1, &e));
	const char *memory = s.data.p;
	CHECK(feed_often(&s, STR("2}\n\nevent: a\ndata: {\"y\":"), 1000, &e));
	CHECK(memory && s.data.p == memory);
	CHECK_EQ_I(s.events, 1001);
	sse_done(&s);
}

static bool refuse(void *self, struct str name __attribute__((unused)), struct str data __attribute__((unused)),
	struct err *e)
{
	(*(int *)self)++;
	return FAIL(e, ERR_BUG, "test", "no more");
}

TEST(a_handler_that_fails_ends_the_stream)
{
	int calls = 0;
	struct err e;
	struct sse s;
	sse_init(&s, EVENT_BYTES, refuse, &calls);
	CHECK(!sse_feed(&s, STR("data: 1\n\ndata: 2\n\n"), &e));
	CHECK_EQ_I(calls, 1);
	CHECK_EQ_S(e.msg, "no more");
	sse_done(&s);
}
