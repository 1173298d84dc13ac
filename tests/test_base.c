/* SPDX-License-Identifier: MIT */
/* Arena, text, UTF-8, buffers, JSON and field tables. */
#include "field.h"
#include "test.h"

static int order[3], ended;

static void note_end(void *what)
{
	order[ended++] = (int)(intptr_t)what;
}

TEST(deferred_ends_run_last_first)
{
	ended = 0;
	struct arena *a = arena_new();
	for (intptr_t i = 1; i <= 3; i++)
		arena_defer(a, note_end, (void *)i);
	arena_free(a);
	CHECK_EQ_I(ended, 3);
	CHECK_EQ_I(order[0], 3);
	CHECK_EQ_I(order[2], 1);
}

TEST(a_buffer_stops_at_its_limit_and_says_so)
{
	ARENA_SCOPE(a);
	struct buf *b = buf_new(a, 8);
	CHECK(buf_add(b, STR("12345678")));
	CHECK(!buf_add(b, STR("9")));
	CHECK(b->full);
	CHECK_EQ_S(b->p, "12345678");
	buf_clear(b);
	CHECK(buf_printf(b, "%d", 12345678));
	CHECK(!buf_printf(b, "x"));
	buf_drop(b, 5);
	CHECK_EQ_S(b->p, "678");
}

TEST(whole_numbers_are_read_to_their_limits)
{
	int64_t n = 0;
	CHECK(str_to_i64(STR("9223372036854775807"), &n) && n == INT64_MAX);
	CHECK(str_to_i64(STR("-9223372036854775808"), &n) && n == INT64_MIN);
	CHECK(!str_to_i64(STR("9223372036854775808"), &n));
	CHECK(!str_to_i64(STR("-9223372036854775809"), &n));
	CHECK(!str_to_i64(STR(""), &n));
	CHECK(!str_to_i64(STR("-"), &n));
	CHECK(!str_to_i64(STR("12x"), &n));
}

TEST(the_nearest_word_is_near)
{
	static const char *const words[] = { "connections", "batch", "lease" };
	CHECK_EQ_S(str_nearest(STR("conections"), words, 3), "connections");
	CHECK_EQ_S(str_nearest(STR("leese"), words, 3), "lease");
	CHECK_EQ_S(str_nearest(STR("zzzzz"), words, 3), NULL);
}

TEST(parts_are_cut_at_the_separator)
{
	struct str rest = STR("a,,b"), part;
	CHECK(str_next(&rest, ',', &part) && str_is(part, "a"));
	CHECK(str_next(&rest, ',', &part) && str_is(part, ""));
	CHECK(str_next(&rest, ',', &part) && str_is(part, "b"));
	CHECK(!str_next(&rest, ',', &part));
}

TEST(utf8_is_what_rfc_3629_says)
{
	CHECK(utf8_valid(STR("plain, \xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x98\x80")));
	CHECK(!utf8_valid(STR("\xC0\xAF")));         /* overlong */
	CHECK(!utf8_valid(STR("\xED\xA0\x80")));     /* surrogate */
	CHECK(!utf8_valid(STR("\xF4\x90\x80\x80"))); /* above U+10FFFF */
	CHECK(!utf8_valid(STR("\xE2\x82")));         /* cut */
	CHECK(!utf8_valid(STR("\x80")));
}

TEST(cleaning_keeps_the_good_and_marks_the_bad)
{
	ARENA_SCOPE(a);
	struct str clean = utf8_clean(a, STR("a\xFF" "b\0c\xE2\x82"));
	CHECK_EQ_S(arena_text(a, clean), "a\xEF\xBF\xBD" "b\xEF\xBF\xBD" "c\xEF\xBF\xBD\xEF\xBF\xBD");
	struct str same = STR("caf\xC3\xA9");
	CHECK(utf8_clean(a, same).p == same.p);
}

TEST(a_cut_never_splits_a_character)
{
	struct str s = STR("a\xE2\x82\xAC");
	CHECK_EQ_I((int64_t)utf8_cut(s, 3), 1);
	CHECK_EQ_I((int64_t)utf8_cut(s, 4), 4);
	CHECK_EQ_I((int64_t)utf8_cut(s, 0), 0);
}

TEST(json_deeper_than_the_limit_is_refused_before_it_is_parsed)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct buf *b = buf_new(a, 100000);
	for (int i = 0; i < 10000; i++)
		buf_add(b, STR("["));
	CHECK(!json_parse(a, buf_str(b), &e));
	CHECK_EQ_S(e.msg, "JSON nested deeper than 64 at byte 64");
	CHECK(json_parse(a, STR("{\"a\":\"[[[[[[\"}"), &e));
}

TEST(json_is_one_whole_value_or_an_error)
{
	ARENA_SCOPE(a);
	static const char *const wrong[] = { "", " ", "{", "{} x", "{\"a\":}", "nul", "\"\\u12\"", "[1,]" };
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct err e = { 0 };
		CHECK(!json_parse(a, str_of(wrong[i]), &e));
		CHECK_EQ_S(e.code, "bad_json");
	}
}

TEST(errors_keep_their_end_whole_when_words_are_put_in_front)
{
	struct err e = { 0 };
	CHECK(!FAIL(&e, ERR_NET, "cut", "%s", "connection cut"));
	CHECK(!err_prefix(&e, "request %d: ", 7));
	CHECK_EQ_S(e.msg, "request 7: connection cut");
}

/* ---- field tables ---- */

struct step {
	const char *name;
	int64_t minutes;
};
struct plan {
	const char *mode, *due;
	bool urgent;
	struct field_list tags, steps;
};
static const char *const modes[] = { "single", "parallel", NULL };
static const struct field step_fields[] = {
	{ "name", FIELD_TEXT, offsetof(struct step, name), true, "What.", .min = 1, .max = 20 },
	{ "minutes", FIELD_I64, offsetof(struct step, minutes), .min = 1, .max = 600 },
	{ 0 },
};
static const struct field plan_fields[] = {
	{ "mode", FIELD_TEXT, offsetof(struct plan, mode), true, .choices = modes },
	{ "due", FIELD_DATE, offsetof(struct plan, due) },
	{ "urgent", FIELD_BOOL, offsetof(struct plan, urgent) },
	{ "tags", FIELD_TEXTS, offsetof(struct plan, tags), .max = 2 },
	{ "steps", FIELD_OBJECTS, offsetof(struct plan, steps), .items = step_fields, .item_size = sizeof(struct step) },
	{ 0 },
};

TEST(a_table_fills_its_struct)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct plan p = { 0 };
	const cJSON *json = json_parse(a, STR("{\"mode\":\"single\",\"due\":\"2028-02-29\",\"urgent\":true,"
		"\"tags\":[\"x\"],\"steps\":[{\"name\":\"a\",\"minutes\":30},{\"name\":\"b\"}]}"), &e);
	CHECK(field_read(a, plan_fields, json, &p, &e));
	CHECK_EQ_S(p.mode, "single");
	CHECK_EQ_S(p.due, "2028-02-29");
	CHECK(p.urgent);
	CHECK_EQ_I((int64_t)p.steps.n, 2);
	CHECK_EQ_I(((struct step *)p.steps.items)[0].minutes, 30);
	CHECK_EQ_S(((struct step *)p.steps.items)[1].name, "b");
	CHECK_EQ_S(((const char **)p.tags.items)[0], "x");
}

TEST(each_wrong_argument_is_named_with_its_path)
{
	static const struct { const char *json, *msg; } cases[] = {
		{ "[]", ": must be an object" },
		{ "{}", "mode: is required" },
		{ "{\"mode\":\"loud\"}", "mode: must be one of: single, parallel" },
		{ "{\"mode\":1}", "mode: must be a string" },
		{ "{\"mode\":\"single\",\"mood\":1}", "mood: unknown argument" },
		{ "{\"mode\":\"single\",\"due\":\"2027-02-29\"}", "due: must be a day that exists, as YYYY-MM-DD" },
		{ "{\"mode\":\"single\",\"urgent\":1}", "urgent: must be true or false" },
		{ "{\"mode\":\"single\",\"tags\":[\"a\",\"b\",\"c\"]}", "tags: must have 0 to 2 items, has 3" },
		{ "{\"mode\":\"single\",\"tags\":[1]}", "tags[0]: must be a string" },
		{ "{\"mode\":\"single\",\"steps\":[{\"name\":\"a\"},{}]}", "steps[1].name: is required" },
		{ "{\"mode\":\"single\",\"steps\":[{\"name\":\"\"}]}", "steps[0].name: must have 1 to 20 bytes, has 0" },
		{ "{\"mode\":\"single\",\"steps\":[{\"name\":\"a\",\"minutes\":1.5}]}", "steps[0].minutes: must be a whole number" },
		{ "{\"mode\":\"single\",\"steps\":[{\"name\":\"a\",\"minutes\":601}]}", "steps[0].minutes: must be 1 to 600" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		struct err e = { 0 };
		struct plan p = { 0 };
		CHECK(!field_read(a, plan_fields, json_parse(a, str_of(cases[i].json), &e), &p, &e));
		CHECK_EQ_S(e.msg, cases[i].msg);
	}
}

TEST(a_table_makes_the_schema_it_checks)
{
	ARENA_SCOPE(a);
	CHECK_EQ_S(json_print(a, field_schema(a, step_fields)),
		"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"What.\",\"minLength\":1},"
		"\"minutes\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":600}},\"required\":[\"name\"],"
		"\"additionalProperties\":false}");
}
