/* SPDX-License-Identifier: MIT */
/* The tree of a YAML file: its bounds, its places, what is nothing and what is text. */
#include "test.h"
#include "yamldoc.h"

static char *repeat(struct arena *a, const char *text, size_t times)
{
	struct buf *b = buf_new(a, 4 << 20);
	for (size_t i = 0; i < times; i++)
		buf_add(b, str_of(text));
	return b->p;
}

TEST(a_file_too_deep_is_refused_and_one_less_is_not)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	const char *deep = arena_printf(a, "%sx%s", repeat(a, "[", 32), repeat(a, "]", 32));
	CHECK(yaml_load(a, "t.yaml", str_of(deep), &e));
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "[", 33)), &e));
	CHECK_EQ_S(e.msg, "t.yaml:1:33: nested deeper than 32 levels");
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "[", 1000000)), &e));
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "{a: ", 200000)), &e));
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "- ", 500000)), &e));
	CHECK_EQ_S(e.msg, "t.yaml:1:65: nested deeper than 32 levels");
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "? ", 500000)), &e));
}

TEST(a_file_too_large_is_refused_and_one_less_is_not)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	char *text = repeat(a, "#", YAML_MAX_BYTES + 1);
	CHECK(yaml_load(a, "t.yaml", (struct str){ text, YAML_MAX_BYTES }, &e));
	CHECK(!yaml_load(a, "t.yaml", (struct str){ text, YAML_MAX_BYTES + 1 }, &e));
	CHECK_EQ_S(e.msg, "t.yaml:1:1: larger than 1048576 bytes");
	CHECK(yaml_load(a, "t.yaml", str_of(repeat(a, "- a\n", 19999)), &e));
	CHECK(!yaml_load(a, "t.yaml", str_of(repeat(a, "- a\n", 20000)), &e));
	CHECK_EQ_S(e.msg, "t.yaml:20000:3: more than 20000 values and keys in one file");
}

TEST(a_tree_says_what_it_holds_and_where)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	const char *text = "say: 'true'\nn: 12\nlist:\n  - one\n  - {x: y}\n  -\n";
	const struct yaml_node *root = yaml_load(a, "t.yaml", str_of(text), &e);
	REQUIRE(root && root->kind == YAML_MAP && root->n == 3);
	const struct yaml_node *say = yaml_get(root, "say"), *list = yaml_get(root, "list");
	REQUIRE(say && list && list->kind == YAML_LIST);
	CHECK(!say->plain && yaml_get(root, "n")->plain);
	CHECK_EQ_S(say->text, "true");
	CHECK_EQ_I(list->key_place.line, 3);
	CHECK_EQ_I(list->place.line, 4);
	CHECK_EQ_I((int64_t)list->n, 3);
	const char *kinds = "";
	yaml_each(item, list)
		kinds = arena_printf(a, "%s%s;", kinds, yaml_is_null(item) ? "nothing" : yaml_kind_name(item->kind));
	CHECK_EQ_S(kinds, "text;a mapping;nothing;");
	CHECK(!yaml_get(root, "absent") && !yaml_get(list, "") && !yaml_get(say, "x"));
	CHECK(!yaml_is_null(say) && !yaml_is_null(root));
	CHECK(!yaml_fail(list->first->place, &e, "must be %s", "two"));
	CHECK_EQ_S(e.msg, "t.yaml:4:5: must be two");
	CHECK_EQ_I(e.kind, ERR_INPUT);
}

TEST(a_quoted_null_is_text)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	const struct yaml_node *root = yaml_load(a, "t.yaml", STR("['', '~', 'null', \"null\", nul]"), &e);
	REQUIRE(root);
	yaml_each(item, root)
		CHECK(!yaml_is_null(item));
}
