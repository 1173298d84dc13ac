/* SPDX-License-Identifier: MIT */
/* Scripts of the scripted model: what they may say, and that every mistake is named with its place. */
#include "mock_case.h"

static const char *problems_of(struct arena *a, const char *yaml)
{
	struct config_problems problems;
	struct script script = { .file = "untouched" };
	struct buf *lines = buf_new(a, 1 << 20);
	bool ok = script_load_text(a, "t.yaml", str_of(yaml), &problems, &script);
	CHECK(ok == (problems.n == 0));
	CHECK(ok || strcmp(script.file, "untouched") == 0);
	for (const struct config_problem *p = problems.first; p; p = p->next)
		buf_printf(lines, "%s%s", lines->n ? "\n" : "", p->text);
	return buf_str(lines).p;
}

#define WRONG(yaml, text) CHECK_EQ_S(problems_of(a, yaml), text)

TEST(a_script_without_replies_is_a_mistake)
{
	ARENA_SCOPE(a);
	WRONG("", "t.yaml:1:1: 'replies:' must be a list with one reply or more");
	WRONG("hello", "t.yaml:1:1: this must be a mapping, not text\n"
		"t.yaml:1:1: 'replies:' must be a list with one reply or more");
	WRONG("replies: []", "t.yaml:1:10: 'replies:' must be a list with one reply or more");
	WRONG("replies: none", "t.yaml:1:10: 'replies:' must be a list with one reply or more");
}

TEST(a_file_that_is_no_yaml_is_named_with_its_place)
{
	ARENA_SCOPE(a);
	struct config_problems problems;
	struct script script;
	CHECK(strstr(problems_of(a, "replies:\n\t- reply: x\n"), "t.yaml:2:1: ") != NULL);
	CHECK(!script_load(a, "there/is/no.yaml", &problems, &script));
	CHECK_EQ_I((int64_t)problems.n, 1);
	CHECK(strstr(problems.first->text, "there/is/no.yaml") != NULL);
}

TEST(an_unknown_key_is_told_with_what_was_meant)
{
	ARENA_SCOPE(a);
	WRONG("replies:\n  - rely: x\n", "t.yaml:2:5: unknown key 'rely'; did you mean reply?");
	WRONG("replies:\n  - reply: x\n    when: { last_usr: y }\n",
		"t.yaml:3:13: unknown key 'last_usr'; did you mean last_user?");
	WRONG("reples: x\nreplies:\n  - reply: x\n", "t.yaml:1:1: unknown key 'reples'; did you mean replies?");
	WRONG("defaults: { speed: 3ms }\nreplies:\n  - reply: x\n",
		"t.yaml:1:13: unknown key 'speed'; worker/mock/README.md lists them");
}

TEST(a_number_or_a_time_out_of_its_range_is_a_mistake)
{
	ARENA_SCOPE(a);
	WRONG("replies:\n  - reply: x\n    chunk: 0\n", "t.yaml:3:12: chunk must be a whole number, 1..1048576");
	WRONG("replies:\n  - reply: x\n    pace: 20\n",
		"t.yaml:3:11: pace must be a time with its unit, such as 20ms, 2s or 5m, at most 3600000ms");
	WRONG("replies:\n  - reply: x\n    delay: 2h\n",
		"t.yaml:3:12: delay must be a time with its unit, such as 20ms, 2s or 5m, at most 3600000ms");
	WRONG("replies:\n  - status: 99\n", "t.yaml:2:13: status must be a whole number, 200..599");
	WRONG("replies:\n  - drop: perhaps\n", "t.yaml:2:11: drop must be true or false");
}

TEST(a_reply_says_one_thing)
{
	ARENA_SCOPE(a);
	WRONG("replies:\n  - name: x\n", "t.yaml:2:5: a reply has one of 'reply:', 'status:' and 'drop: true'");
	WRONG("replies:\n  - reply: x\n    status: 500\n",
		"t.yaml:2:5: a reply has one of 'reply:', 'status:' and 'drop: true'");
	WRONG("replies:\n  - reply: x\n    body: y\n",
		"t.yaml:3:5: a body needs a status: add 'status: 200' or another");
	WRONG("replies:\n  - reply: []\n", "t.yaml:2:12: reply must be a text or a list of blocks");
}

TEST(a_block_is_of_one_kind)
{
	ARENA_SCOPE(a);
	const char *one = "t.yaml:2:14: a block is one of thinking, text, tool, block, raw, raw_file or garbage";
	WRONG("replies:\n  - reply: [ { text: a, thinking: b } ]\n", one);
	WRONG("replies:\n  - reply: [ { repeat: 2 } ]\n", one);
	WRONG("replies:\n  - reply: [ { text: a, input: { b: 1 } } ]\n",
		"t.yaml:2:14: input belongs to a tool: add 'tool: NAME'");
	WRONG("replies:\n  - reply: [ { tool: a, input: { b: 1 }, input_text: c } ]\n",
		"t.yaml:2:14: input or input_text, one of the two");
	WRONG("replies:\n  - reply: [ { tool: '' } ]\n", "t.yaml:2:14: the tool has no name");
	WRONG("replies:\n  - reply: [ { tool: a, input: [ 1 ] } ]\n", "t.yaml:2:32: input must be a mapping, not a list");
	WRONG("replies:\n  - reply: [ { raw_file: no/such/file } ]\n",
		"t.yaml:2:26: the file no/such/file: cannot be opened: No such file or directory");
}

TEST(an_accident_needs_to_say_when)
{
	ARENA_SCOPE(a);
	WRONG("replies:\n  - reply: x\n    stall_after: { deltas: 2 }\n", "t.yaml:3:5: stall_after: 'for' is missing");
	WRONG("replies:\n  - reply: x\n    error_after: { deltas: 2 }\n", "t.yaml:3:5: error_after: 'type' is missing");
	WRONG("replies:\n  - reply: x\n    cut_after: { reset: true }\n", "t.yaml:3:5: cut_after: 'deltas' is missing");
	WRONG("replies:\n  - reply: x\n    cut_after: 3\n", "t.yaml:3:16: cut_after must be a mapping, not text");
}

TEST(braces_are_understood_when_the_script_is_read)
{
	ARENA_SCOPE(a);
	const char *how = "is not understood: write {{tool.path.to.value}}, {{tool#2.path}} or {{last_user}}";
	CHECK_EQ_S(problems_of(a, "replies:\n  - reply: 'a {{ b'\n"), "t.yaml:2:12: braces {{ without }}");
	WRONG("replies:\n  - reply: 'a {{}} b'\n", arena_printf(a, "t.yaml:2:12: {{}} %s", how));
	WRONG("replies:\n  - reply: 'a {{b#0.c}}'\n", arena_printf(a, "t.yaml:2:12: {{b#0.c}} %s", how));
	WRONG("replies:\n  - reply: 'a {{b.}}'\n", arena_printf(a, "t.yaml:2:12: {{b.}} %s", how));
	WRONG("replies:\n  - reply: [ { tool: x, input: { y: [ 'a {{b c}}' ] } } ]\n",
		arena_printf(a, "t.yaml:2:39: {{b c}} %s", how));
	WRONG("replies:\n  - reply: 'a {{b.0.c}} {{b#2}} {{ last_user }}'\n", "");
}

TEST(a_reply_that_nothing_can_reach_is_a_mistake)
{
	ARENA_SCOPE(a);
	WRONG("replies:\n  - reply: x\n  - reply: y\n",
		"t.yaml:3:5: is never reached: the reply of line 2 answers every request");
	WRONG("replies:\n  - { reply: x, when: { nth: 1 } }\n  - reply: y\n", "");
}

TEST(all_mistakes_are_told_at_once)
{
	ARENA_SCOPE(a);
	WRONG("defaults: { pace: soon }\n"
		"replies:\n"
		"  - reply: [ { txt: a } ]\n"
		"    when: { turn: -1, header: x }\n"
		"  - status: 429\n"
		"    headers: [ a ]\n"
		"    usage: { input_token: 3 }\n",
		"t.yaml:1:19: pace must be a time with its unit, such as 20ms, 2s or 5m, at most 3600000ms\n"
		"t.yaml:3:16: unknown key 'txt'; did you mean text?\n"
		"t.yaml:4:19: turn must be a whole number, 0..2147483647\n"
		"t.yaml:4:31: header must be a mapping, not text\n"
		"t.yaml:6:14: headers must be a mapping, not a list\n"
		"t.yaml:7:14: unknown key 'input_token'; did you mean input_tokens?");
}

TEST(files_are_looked_for_beside_the_script)
{
	ARENA_SCOPE(a);
	struct config_problems problems;
	struct script s;
	if (!CHECK(script_load(a, "tests/scripts/raw.yaml", &problems, &s)))
		return;
	CHECK(s.replies[0].all_raw && strstr(s.replies[0].blocks[0].text, "event: message_start\r\n"));
}

TEST(the_demos_own_script_has_no_mistake)
{
	ARENA_SCOPE(a);
	struct config_problems problems;
	struct script s;
	CHECK(script_load(a, "worker/mock/demo.yaml", &problems, &s));
	for (const struct config_problem *p = problems.first; p; p = p->next)
		printf("    %s\n", p->text);
}

TEST(a_whole_script_is_read)
{
	ARENA_SCOPE(a);
	struct config_problems problems;
	struct script s;
	REQUIRE(script_load_text(a, "t.yaml", STR("defaults: { pace: 7ms, chunk: 3 }\n"
		"replies:\n"
		"  - name: one\n"
		"    when: { system: a, last_user: [ b, c ], turn: 2, nth: 3, force_tool: f, api_key: k, header: { X: y } }\n"
		"    reply: [ { thinking: t }, { tool: f, input: { n: 12, d: 2027-02-01, z: 007, q: '5', l: [ true, ~ ] } } ]\n"
		"    pace: 1s\n"
		"    stall_after: { deltas: 4, for: 2m }\n"
		"    cut_after: { deltas: 5, reset: true }\n"
		"    usage: { output_tokens: 9 }\n"
		"  - reply: bye\n"), &problems, &s));
	CHECK_EQ_I((int64_t)s.n, 2);
	const struct script_reply *one = &s.replies[0], *two = &s.replies[1];
	CHECK_EQ_S(one->name, "one");
	CHECK_EQ_I((int64_t)one->when.last_user.n, 2);
	CHECK_EQ_S(one->when.last_user.items[1], "c");
	CHECK_EQ_I(one->when.turn, 2);
	CHECK_EQ_I(one->when.nth, 3);
	CHECK_EQ_S(one->when.headers[0].value, "y");
	CHECK_EQ_I(one->pace_ms, 1000);
	CHECK_EQ_I(one->chunk, 3);
	CHECK_EQ_I(one->stall.deltas, 4);
	CHECK_EQ_I(one->stall.for_ms, 120000);
	CHECK(one->cut.reset);
	CHECK_EQ_I(one->error.deltas, -1);
	CHECK_EQ_I(one->usage[SCRIPT_OUTPUT], 9);
	CHECK_EQ_I(one->usage[SCRIPT_INPUT], -1);
	CHECK_EQ_S(json_print(a, one->blocks[1].input),
		"{\"n\":12,\"d\":\"2027-02-01\",\"z\":\"007\",\"q\":\"5\",\"l\":[true,null]}");
	CHECK_EQ_I(two->pace_ms, 7);
	CHECK_EQ_S(two->blocks[0].text, "bye");
	CHECK_EQ_I(two->when.turn, -1);
}
