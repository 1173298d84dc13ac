/* SPDX-License-Identifier: MIT */
/* What people read: nothing foreign reaches a terminal as a command, and numbers read well. */
#include "print.h"
#include "test.h"

struct caught {
	char *text;
	size_t n;
	struct printer p;
};

static struct caught *catch_output(struct arena *a, bool colour)
{
	struct caught *c = arena_alloc(a, sizeof(*c));
	c->p = (struct printer){ open_memstream(&c->text, &c->n), colour, 80 };
	return c;
}

static const char *caught_text(struct arena *a, struct caught *c)
{
	fclose(c->p.to);
	const char *text = arena_text(a, str_of(c->text));
	free(c->text);
	return text;
}

#define PRINTS(call, want) do { ARENA_SCOPE(a); struct caught *c = catch_output(a, false); call; \
	CHECK_EQ_S(caught_text(a, c), want); } while (0)

TEST(controls_are_shown_and_not_obeyed)
{
	PRINTS(print_text(&c->p, STYLE_RED, STR("a\x1b[31mb\x07" "c\x7f"), 0), "a\\x1b[31mb\\x07c\\x7f");
	PRINTS(print_text(&c->p, STYLE_RED, STR("\xc2\x9b" "31m \xe2\x80\xae" "abc \xe2\x81\xa6 \xc2\xa0 \xc3\xa9"), 0),
		"\\u009b31m \\u202eabc \\u2066 \xc2\xa0 \xc3\xa9");
}

TEST(bad_utf8_becomes_a_replacement_character)
{
	PRINTS(print_text(&c->p, STYLE_PLAIN, STR("a\xff" "b\xc2"), 0), "a\xef\xbf\xbd" "b\xef\xbf\xbd");
}

TEST(lines_are_indented_or_joined)
{
	PRINTS(print_text(&c->p, STYLE_PLAIN, STR("a\r\nb\nc"), 2), "a\n  b\n  c");
	PRINTS(print_text(&c->p, STYLE_PLAIN, STR("a\r\nb\tc\rd"), -1), "a b c\\x0dd");
}

TEST(a_brief_text_is_cut_by_characters)
{
	PRINTS(print_brief(&c->p, STYLE_PLAIN, "h\xc3\xa9ll\xc3\xb6 w\xc3\xb6rld", 5), "h\xc3\xa9ll\xc3\xb6…");
	PRINTS(print_brief(&c->p, STYLE_PLAIN, "hello", 5), "hello");
}

TEST(colours_are_ours_and_closed)
{
	ARENA_SCOPE(a);
	struct caught *c = catch_output(a, true);
	print_text(&c->p, STYLE_RED, STR("x\x1b[0m"), 0);
	print_styled(&c->p, STYLE_PLAIN, "y");
	CHECK_EQ_S(caught_text(a, c), "\x1b[31mx\\x1b[0m\x1b[0my");
}

TEST(json_stays_json_and_holds_no_control)
{
	PRINTS(print_json_text(&c->p, STR("{\"a\":\"x\xc2\x9b" "31m\x7f\xe2\x80\xae\",\n\t\"b\":\"\\u001b\"}")),
		"{\"a\":\"x\\u009b31m\\u007f\\u202e\",  \"b\":\"\\u001b\"}\n");
	PRINTS(print_json_text(&c->p, STR("\"\xf3\xa0\x81\x81\"")), "\"\\udb40\\udc41\"\n");
}

TEST(pretty_json_has_a_line_a_member)
{
	PRINTS(print_json_pretty(&c->p, "{\"a\":[1,{\"b\":\"x, {y}: \\\"z\\\\\"}],\"c\":{ },\"d\":[]}", 2),
		"  {\n    \"a\": [\n      1,\n      {\n        \"b\": \"x, {y}: \\\"z\\\\\"\n      }\n    ],\n"
		"    \"c\": {},\n    \"d\": []\n  }\n");
}

TEST(a_table_fits_its_cells_and_leaves_no_blanks_at_the_end)
{
	static const struct print_column columns[] = { { "name", ALIGN_LEFT }, { "n", ALIGN_RIGHT }, { "x", ALIGN_LEFT },
		{ 0 } };
	ARENA_SCOPE(a);
	struct caught *c = catch_output(a, false);
	struct print_table *t = print_table_new(a, columns);
	print_cell(t, STYLE_PLAIN, "\xc3\xa9\x1b");
	print_cell_i64(t, 1234567);
	print_cell(t, STYLE_PLAIN, NULL);
	print_cell(t, STYLE_PLAIN, "longer");
	print_cell_i64(t, -1);
	print_cell(t, STYLE_PLAIN, "y");
	print_table_end(t, &c->p, 1);
	CHECK_EQ_S(caught_text(a, c), " name            n  x\n \xc3\xa9\\x1b   1,234,567  -\n longer         -1  y\n");
}

TEST(numbers_and_durations_read_well)
{
	ARENA_SCOPE(a);
	CHECK_EQ_S(print_number(a, 0), "0");
	CHECK_EQ_S(print_number(a, 999), "999");
	CHECK_EQ_S(print_number(a, -1234567), "-1,234,567");
	CHECK_EQ_S(print_duration(a, 0), "0 ms");
	CHECK_EQ_S(print_duration(a, 999), "999 ms");
	CHECK_EQ_S(print_duration(a, 12449), "12.4 s");
	CHECK_EQ_S(print_duration(a, 200000), "3 min 20 s");
	CHECK_EQ_S(print_duration(a, 7500000), "2 h 5 min");
	CHECK_EQ_S(print_duration(a, 349200000), "4 d 1 h");
}
