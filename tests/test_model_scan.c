/* SPDX-License-Identifier: MIT */
/* Reading without a tree: what is taken, what is left to the tree, and that the two say the same. */
#include "anthropic.h"
#include "model_case.h"
#include "openai.h"
#include "wire_scan.h"

/* ---- Anthropic ---- */

#define DELTA(type, field, text) "{'type':'content_block_delta','index':12," \
	"'delta':{'type':'" type "','" field "':'" text "'}}"

static const char *scanned(struct arena *a, const char *data)
{
	struct anthropic_delta d;
	struct buf *scratch = buf_new(a, 1000);
	if (!anthropic_delta_scan(model_quoted(a, str_of(data)), scratch, &d))
		return "tree";
	return arena_printf(a, "%ld %.*s", d.index, STR_ARGS(d.piece));
}

static const struct {
	const char *data, *want;
} deltas[] = {
	{ DELTA("text_delta", "text", "Hello"), "12 Hello" },
	{ DELTA("thinking_delta", "thinking", ""), "12 " },
	{ DELTA("signature_delta", "signature", "a/b+="), "12 a/b+=" },
	{ DELTA("input_json_delta", "partial_json", "{\\'a\\': \\\\ \\/ \\n\\t\\r\\b\\f}"), "12 {\"a\": \\ / \n\t\r\b\f}" },
	{ DELTA("text_delta", "text", "h\xC3\xA9 \xF0\x9F\x98\x80"), "12 h\xC3\xA9 \xF0\x9F\x98\x80" },
	{ " { 'type' : 'content_block_delta' , 'index' : 0 ,\n"
		"'delta' : { 'type' : 'text_delta' , 'text' : ' x ' } \t } ", "0  x " },
	{ DELTA("text_delta", "text", "\\u0041"), "tree" },
	{ DELTA("text_delta", "text", "\\x"), "tree" },
	{ DELTA("text_delta", "text", "a\xFF"), "tree" },
	{ DELTA("text_delta", "text", "a\xE2\x82"), "tree" },
	{ DELTA("text_delta", "thinking", "a"), "tree" },
	{ DELTA("citations_delta", "citation", "a"), "tree" },
	{ DELTA("future_delta", "text", "a"), "tree" },
	{ DELTA("text_delta", "text", "a") "x", "tree" },
	{ "{'type':'content_block_delta','index':01,'delta':{'type':'text_delta','text':'x'}}", "tree" },
	{ "{'type':'content_block_delta','index':1.5,'delta':{'type':'text_delta','text':'x'}}", "tree" },
	{ "{'type':'content_block_delta','index':-1,'delta':{'type':'text_delta','text':'x'}}", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'x','n':1}}", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'x'},'n':1}", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'text':'x','type':'text_delta'}}", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'x'}", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'x", "tree" },
	{ "{'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'x\\", "tree" },
	{ "{'type':'content_block_stop','index':1}", "tree" },
	{ "", "tree" },
};

TEST(a_plain_delta_is_read_without_a_tree_and_nothing_else_is)
{
	for (size_t i = 0; i < COUNT(deltas); i++) {
		ARENA_SCOPE(a);
		if (!CHECK_EQ_S(scanned(a, deltas[i].data), deltas[i].want))
			printf("      %s\n", deltas[i].data);
	}
}

/* ---- chat completions ---- */

#define CHUNK(delta) "{'id':'c','object':'chat.completion.chunk','created':1700000000,'model':'m'," \
	"'choices':[{'index':0," \
	"'delta':{" delta "},'logprobs':null,'finish_reason':null}],'usage':null,'obfuscation':'x1'}"

static const char *chunk_scanned(struct arena *a, const char *data)
{
	struct openai_delta d;
	struct buf *scratch = buf_new(a, 1000);
	if (!openai_delta_scan(model_quoted(a, str_of(data)), scratch, &d))
		return "tree";
	return arena_printf(a, "%s %.*s", d.kind == BLOCK_TEXT ? "text" : "thinking", STR_ARGS(d.piece));
}

static const struct {
	const char *data, *want;
} chunks[] = {
	{ CHUNK("'content':'Hello'"), "text Hello" },
	{ CHUNK("'role':'assistant','content':'a\\n','refusal':null,'tool_calls':null"), "text a\n" },
	{ CHUNK("'content':null,'reasoning_content':'hm'"), "thinking hm" },
	{ CHUNK("'content':'','reasoning':'hm','reasoning_content':null"), "thinking hm" },
	{ CHUNK(""), "text " },
	{ "{'choices':[{'delta':{'content':'x'}}]}", "text x" },
	{ CHUNK("'content':'a','reasoning':'b'"), "tree" },
	{ CHUNK("'reasoning_content':'a','reasoning':'b'"), "tree" },
	{ CHUNK("'content':'a','content':'b'"), "tree" },
	{ CHUNK("'content':null,'content':'b'"), "tree" },
	{ CHUNK("'content':5"), "tree" },
	{ CHUNK("'refusal':'no'"), "tree" },
	{ CHUNK("'tool_calls':[]"), "tree" },
	{ CHUNK("'con\\u0074ent':'a'"), "tree" },
	{ "{'choices':[{'index':1,'delta':{'content':'x'}}]}", "tree" },
	{ "{'choices':[{'delta':{},'delta':{'content':'x'}}]}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'}}],'choices':[{'delta':{'content':'y'}}]}", "tree" },
	{ "{'choices':[{}],'choices':[{'delta':{'content':'y'}}]}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'}},{'index':1}]}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'},'finish_reason':'stop'}]}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'}}],'usage':{}}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'}}],'error':{}}", "tree" },
	{ "{'choices':[{'delta':{'content':'x'}}]", "tree" },
	{ "{'choices':[]}", "tree" },
	{ "[]", "tree" },
};

TEST(a_plain_chunk_is_read_without_a_tree_and_nothing_else_is)
{
	for (size_t i = 0; i < COUNT(chunks); i++) {
		ARENA_SCOPE(a);
		if (!CHECK_EQ_S(chunk_scanned(a, chunks[i].data), chunks[i].want))
			printf("      %s\n", chunks[i].data);
	}
}

/* ---- parts of JSON ---- */

static const char *part(struct arena *a, const char *json, const char *name)
{
	struct str value;
	return wire_json_member(model_quoted(a, str_of(json)), name, &value) ? arena_text(a, value) : "none";
}

TEST(a_member_is_found_with_its_very_bytes)
{
	ARENA_SCOPE(a);
	CHECK_EQ_S(part(a, "{'a':1, 'b' : { 'c' : [1.50, '}'] } , 'd':2}", "b"), "{ \"c\" : [1.50, \"}\"] }");
	CHECK_EQ_S(part(a, "{'a':'x\\'}','b':12345678901234567890}", "b"), "12345678901234567890");
	CHECK_EQ_S(part(a, "{'b':1,'b':2}", "b"), "1");
	CHECK_EQ_S(part(a, "{'a':{'b':1}}", "b"), "none");
	CHECK_EQ_S(part(a, "{}", "b"), "none");
	CHECK_EQ_S(part(a, "[]", "b"), "none");
}

TEST(an_item_is_found_with_its_very_bytes)
{
	ARENA_SCOPE(a);
	struct str value, list = model_quoted(a, STR("[ {'a':[1,2]} ,'x', 1e3]"));
	CHECK(wire_json_item(list, 0, &value) && str_is(value, "{\"a\":[1,2]}"));
	CHECK(wire_json_item(list, 2, &value) && str_is(value, "1e3"));
	CHECK(!wire_json_item(list, 3, &value));
	CHECK(!wire_json_item(STR("{}"), 0, &value));
}

TEST(what_only_cjson_takes_for_json_is_told_apart)
{
	static const char *const good[] = {
		"{'a':[1,-0.5e+3,true,false,null,'x\\n\\u0041 \xC3\xA9']}", "0", "10", "-1", "[]",
	};
	static const char *const bad[] = { "[01]", "[1.]", "[-]", "[+1]", "[1e]", "['a\nb']", "[1-1]", "", "\x01", "[nul]" };
	ARENA_SCOPE(a);
	for (size_t i = 0; i < COUNT(good); i++)
		if (!CHECK(wire_json_strict(model_quoted(a, str_of(good[i])))))
			printf("      %s\n", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK(!wire_json_strict(model_quoted(a, str_of(bad[i])))))
			printf("      %s\n", bad[i]);
}
