/* SPDX-License-Identifier: MIT */
/* Chat completions -> turn, and the conversation -> chat completions, without a network. */
#include "model_case.h"
#include "openai.h"

/* ---- the fixtures ---- */

static const struct {
	const char *file, *want;
} fixtures[] = {
	{ "openai-error-midstream-200", "busy model_error\nshown: text(par)" },
	{ "openai-no-done-no-usage", "end_turn c1 m in 0 out 0 write 0 read 0\ntext 'a'\n  {'type':'text','text':'a'}"
		"\nshown: text(a)" },
	{ "openai-reasoning-both-names", "end_turn c1 m in 5 out 7 write 0 read 0\nthinking 'old new'"
		"\n  {'type':'reasoning','text':'old new'}\ntext 'answer'\n  {'type':'text','text':'answer'}"
		"\nshown: thinking(old )thinking(new)text(answer)" },
	{ "openai-two-tools-interleaved", "tool_use c1 m in 5 out 7 write 0 read 0\ncall call_a a {'y':2}"
		"\n  {'type':'tool_use','id':'call_a','name':'a','input':{'y':2}}\ncall call_b b {'x':1}"
		"\n  {'type':'tool_use','id':'call_b','name':'b','input':{'x':1}}" },
};

TEST(every_recorded_stream_gives_its_turn_however_it_is_cut)
{
	for (size_t i = 0; i < COUNT(fixtures); i++) {
		ARENA_SCOPE(a);
		model_check_stream(&openai_api, model_fixture(a, fixtures[i].file), fixtures[i].want, true);
	}
}

/* ---- rules, one stream each ---- */

#define DATA(json) "data: " json "\n\n"
#define CHUNK(choice) DATA("{'id':'i','model':'m','choices':[{'index':0," choice "}]}")
#define SAYS(delta) CHUNK("'delta':{" delta "},'finish_reason':null")
#define TEXT(text) SAYS("'content':'" text "'")
#define CALL(rest) SAYS("'tool_calls':[{" rest "}]")
#define NAMED(index, id, name, args) CALL("'index':" #index ",'id':'" id "'," \
	"'type':'function','function':{'name':'" name "','arguments':'" args "'}")
#define ARGS(index, args) CALL("'index':" #index ",'function':{'arguments':'" args "'}")
#define FINISH(reason) CHUNK("'delta':{},'finish_reason':'" reason "'")
#define USAGE DATA("{'id':'i','choices':[],'usage':{'prompt_tokens':10,'completion_tokens':3," \
	"'prompt_tokens_details':{'cached_tokens':4}}}")
#define DONE DATA("[DONE]")

#define COUNTED " i m in 6 out 3 write 0 read 4"
#define RAW_TEXT(text) "\ntext '" text "'\n  {'type':'text','text':'" text "'}"
#define RAW_CALL(id, input) "\ncall " id " n " input \
	"\n  {'type':'tool_use','id':'" id "','name':'n','input':" input "}"

#define GIVES(stream, want) model_check_stream(&openai_api, STR(stream), want, sizeof(stream) < 2000)

TEST(an_answer_is_text_a_reason_usage_and_done)
{
	GIVES(": OPENROUTER PROCESSING\n\n" SAYS("'role':'assistant','content':''") TEXT("He") TEXT("y") FINISH("stop") USAGE
		DONE, "end_turn" COUNTED RAW_TEXT("Hey") "\nshown: text(He)text(y)");
}

TEST(every_reason_has_its_neutral_name)
{
	GIVES(TEXT("x") FINISH("length") USAGE, "max_tokens" COUNTED RAW_TEXT("x") "\nshown: text(x)");
	GIVES(FINISH("content_filter") USAGE, "refusal" COUNTED);
	GIVES(FINISH("function_call") USAGE, "tool_use" COUNTED);
	GIVES(FINISH("later") USAGE, "later" COUNTED);
	GIVES(NAMED(0, "a", "n", "{}") FINISH("stop") USAGE, "tool_use" COUNTED RAW_CALL("a", "{}"));
	GIVES(SAYS("'refusal':'I will '") SAYS("'refusal':'not'") FINISH("stop") USAGE,
		"refusal" COUNTED RAW_TEXT("I will not") "\nshown: text(I will )text(not)");
	GIVES(TEXT("x") FINISH("error"), "busy model_error\nshown: text(x)");
}

TEST(a_stream_is_whole_with_its_reason_and_cut_without)
{
	GIVES(TEXT("x") FINISH("stop") USAGE, "end_turn" COUNTED RAW_TEXT("x") "\nshown: text(x)");
	GIVES(TEXT("x") USAGE DONE, "net model_cut\nshown: text(x)");
	GIVES(TEXT("x"), "net model_cut\nshown: text(x)");
	GIVES("", "net model_cut");
	GIVES("<html>no</html>\n", "busy model_garbage");
	GIVES(CHUNK("'delta':{'content':'x'},'finish_reason':''"), "net model_cut\nshown: text(x)");
}

TEST(nothing_of_the_answer_comes_behind_its_end)
{
	GIVES(FINISH("stop") TEXT("x"), "busy model_garbage");
	GIVES(NAMED(0, "a", "n", "{}") FINISH("tool_calls") ARGS(0, "x"), "busy model_garbage");
	GIVES(FINISH("stop") DONE TEXT("x"), "busy model_garbage");
	GIVES(FINISH("stop") FINISH("stop") TEXT("") USAGE DONE DONE, "end_turn" COUNTED);
}

TEST(thinking_comes_under_either_name_and_blank_thinking_is_left_out)
{
	GIVES(SAYS("'reasoning_content':'a','reasoning':'a'") SAYS("'reasoning_content':'','reasoning':'b'")
		SAYS("'reasoning_content':'','reasoning':'b','tool_calls':[]") SAYS("'reasoning_content':null,'content':'c'")
		FINISH("stop") USAGE, "end_turn" COUNTED "\nthinking 'abb'\n  {'type':'reasoning','text':'abb'}" RAW_TEXT("c")
		"\nshown: thinking(a)thinking(b)thinking(b)text(c)");
	GIVES(SAYS("'reasoning':' \\n'") TEXT("\\n") TEXT("c") FINISH("stop") USAGE,
		"end_turn" COUNTED "\ntext '\nc'\n  {'type':'text','text':'\\nc'}\nshown: thinking( \n)text(\n)text(c)");
}

TEST(calls_are_keyed_by_index_and_by_id)
{
	GIVES(NAMED(1, "a", "n", "") NAMED(2, "b", "n", "{\\'x\\'") ARGS(1, "{}") ARGS(2, ":1}") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_CALL("a", "{}") RAW_CALL("b", "{'x':1}"));
	GIVES(NAMED(0, "a", "n", "{\\'x\\'") ARGS(0, ":1}") NAMED(0, "b", "n", "{") ARGS(0, "}") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_CALL("a", "{'x':1}") RAW_CALL("b", "{}"));
	GIVES(NAMED(0, "a", "n", "{") NAMED(0, "a", "n", "}") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_CALL("a", "{}"));
	GIVES(CALL("'id':'a','function':{'name':'n','arguments':{'x':1}}") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_CALL("a", "{'x':1}"));
	GIVES(CALL("'index':0,'id':'a'") CALL("'index':0,'function':{'name':'n'}") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_CALL("a", "{}"));
}

TEST(text_before_between_and_behind_calls_keeps_its_place)
{
	GIVES(TEXT("a") NAMED(0, "x", "n", "") TEXT("\\n") NAMED(1, "y", "n", "") TEXT("b") FINISH("tool_calls") USAGE,
		"tool_use" COUNTED RAW_TEXT("a") RAW_CALL("x", "{}") RAW_CALL("y", "{}") RAW_TEXT("b")
		"\nshown: text(a)text(\n)text(b)");
}

TEST(arguments_that_are_no_object_are_told_to_the_model)
{
	ARENA_SCOPE(a);
	struct str text = STR(NAMED(0, "a", "n", "{\\'x\\':") FINISH("length"));
	CHECK(strstr(model_outcome(a, &openai_api, text, text.n, text.n), "call a n The arguments could not be read"));
}

TEST(a_call_without_a_usable_name_is_garbage)
{
	GIVES(NAMED(0, "a", "", "{}") FINISH("tool_calls"), "busy model_garbage");
	GIVES(NAMED(0, "a", "two words", "{}") FINISH("tool_calls"), "busy model_garbage");
}

TEST(usage_counts_the_cached_part_apart_and_may_come_with_every_chunk)
{
#define USED(json) DATA("{'id':'i','model':'m','choices':[],'usage':" json "}")
	GIVES(FINISH("stop") USED("{'prompt_tokens':5,'completion_tokens':1}") USED("{'prompt_tokens':5,'completion_tokens':2,"
		"'prompt_cache_hit_tokens':3}"), "end_turn i m in 2 out 2 write 0 read 3");
	GIVES(FINISH("stop") USED("{'prompt_tokens':5,'completion_tokens':-2,'prompt_tokens_details':{'cached_tokens':9}}"),
		"end_turn i m in 0 out 0 write 0 read 5");
	GIVES(FINISH("stop") USED("null"), "end_turn i m in 0 out 0 write 0 read 0");
}

TEST(other_choices_and_unknown_members_are_skipped)
{
	GIVES(DATA("{'id':'i','model':'m','choices':[{'index':1,'delta':{'content':'no'},'finish_reason':'stop'}]}")
		DATA("{'id':'j','model':'k','new':{'x':[1]},'choices':[{'delta':{'content':'x','new':1}}],'obfuscation':'zz'}")
		FINISH("stop") USAGE, "end_turn" COUNTED RAW_TEXT("x") "\nshown: text(x)");
}

TEST(an_error_inside_the_stream_is_mapped)
{
#define BROKEN(json) TEXT("x") DATA("{'error':" json "}")
	GIVES(BROKEN("{'code':429,'message':'m'}"), "busy model_rate_limited\nshown: text(x)");
	GIVES(BROKEN("{'code':'429','message':'m'}"), "busy model_rate_limited\nshown: text(x)");
	GIVES(BROKEN("{'type':'server_error','message':'m'}"), "busy model_error\nshown: text(x)");
	GIVES(BROKEN("{'type':'requests','code':'rate_limit_exceeded'}"), "busy model_rate_limited\nshown: text(x)");
	GIVES(BROKEN("{'type':'insufficient_quota','code':'insufficient_quota'}"),
		"refused model_spend_limit\nshown: text(x)");
	GIVES(BROKEN("{'code':'context_length_exceeded'}"), "input model_rejected\nshown: text(x)");
	GIVES(BROKEN("'why'"), "busy model_error\nshown: text(x)");
	GIVES(BROKEN("{'code':7}"), "busy model_error\nshown: text(x)");
	GIVES(DATA("{'object':'error','message':'m','type':'BadRequestError','code':400}"), "input model_rejected");
	GIVES(DATA("not JSON"), "busy model_garbage");
	GIVES(DATA("[1]"), "busy model_garbage");
	GIVES(DATA("{'error':null,'id':'i','model':'m'}") FINISH("stop") USAGE, "end_turn" COUNTED);
}

TEST(an_answer_larger_than_the_limit_is_refused)
{
	ARENA_SCOPE(a);
	struct buf *text = buf_new(a, MODEL_SHOWN_BYTES);
	for (int i = 0; i <= MODEL_ANSWER_BYTES / 10; i++)
		buf_add(text, STR(ARGS(0, "0123456789")));
	struct str all = buf_str(text);
	CHECK_EQ_S(model_outcome(a, &openai_api, all, all.n, all.n), "input answer_too_large");
}

/* ---- ids ---- */

static const cJSON *parsed(struct arena *a, const char *json)
{
	struct err e = { 0 };
	const cJSON *tree = json_parse(a, model_quoted(a, str_of(json)), &e);
	if (!CHECK(tree))
		printf("      %s\n", json);
	return tree;
}

/* The calls of a stream, as the conversation of messages gets them. */
static size_t calls_of(struct arena *a, const cJSON *messages, const char *stream, struct model_block *out)
{
	struct err e;
	struct model_config c = { .turn_bytes = MODEL_ANSWER_BYTES };
	struct model_request *rq = arena_alloc(a, sizeof(*rq));
	rq->messages = messages;
	struct model_answer *s = openai_stream(a, &c, rq, NULL);
	size_t n = 0;
	CHECK(model_answer_feed(s, model_quoted(a, str_of(stream)), &e));
	while (model_answer_next(s, a, &out[n]))
		n++;
	return n;
}

static void check_own(const char *id)
{
	CHECK_EQ_I((int64_t)strlen(id), 9);
	CHECK_EQ_I((int64_t)strspn(id, "0123456789abcdef"), 9);
}

TEST(an_id_that_could_not_go_on_elsewhere_becomes_one_of_ours)
{
	ARENA_SCOPE(a);
	struct model_block b[4];
	if (!CHECK_EQ_I((int64_t)calls_of(a, NULL, NAMED(0, "functions.n:0", "n", "{}") NAMED(1, "", "n", "{}")
		NAMED(2, "same", "n", "{}") NAMED(3, "same", "n", "{}") FINISH("tool_calls"), b), 4))
		return;
	check_own(b[0].tool_id);
	check_own(b[1].tool_id);
	CHECK_EQ_S(b[2].tool_id, "same");
	check_own(b[3].tool_id);
	CHECK(strcmp(b[0].tool_id, b[1].tool_id) != 0);
	CHECK(strstr(b[0].raw, b[0].tool_id));
}

TEST(an_id_is_unique_in_the_conversation)
{
	ARENA_SCOPE(a);
	struct model_block b[1];
	cJSON *messages = json_array(a), *first = json_add_object(messages), *content = json_put_array(first, "content");
	json_add_raw(content, "{\"type\":\"tool_use\",\"id\":\"call_0\",\"name\":\"n\",\"input\":{}}");
	json_put_text(json_add_object(content), "id", "call_1");
	CHECK_EQ_I((int64_t)calls_of(a, messages, NAMED(0, "call_0", "n", "{}") FINISH("tool_calls"), b), 1);
	check_own(b[0].tool_id);
	CHECK_EQ_I((int64_t)calls_of(a, messages, NAMED(0, "call_1", "n", "{}") FINISH("tool_calls"), b), 1);
	check_own(b[0].tool_id);
	CHECK_EQ_I((int64_t)calls_of(a, messages, NAMED(0, "call_", "n", "{}") FINISH("tool_calls"), b), 1);
	CHECK_EQ_S(b[0].tool_id, "call_");
}

TEST(two_calls_without_ids_are_two_calls)
{
	ARENA_SCOPE(a);
	struct model_block b[2];
	size_t n = calls_of(a, NULL, CALL("'index':0,'function':{'name':'n','arguments':'{}'}")
		CALL("'index':0,'function':{'name':'o','arguments':'{'}") ARGS(0, "}") FINISH("tool_calls"), b);
	CHECK_EQ_I((int64_t)n, 2);
	CHECK(n == 2 && strcmp(b[0].tool_id, b[1].tool_id) != 0 && strcmp(b[1].tool_name, "o") == 0);
}

/* ---- the request ---- */

static struct model_config config(void)
{
	return (struct model_config){ .api = &openai_api, .base_url = "http://h", .name = "gpt", .max_tokens = 99 };
}

static void check_body(const struct model_request *rq, const char *want)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct str body = STR("");
	struct model_config c = config();
	CHECK(openai_body(a, &c, rq, &body, &e));
	CHECK_EQ_S(body.p, model_quoted(a, str_of(want)).p);
}

#define STREAMED "'stream':true,'stream_options':{'include_usage':true},"

TEST(the_conversation_is_said_in_this_dialect)
{
	ARENA_SCOPE(a);
	cJSON *messages = json_array(a), *m = json_add_object(messages), *content;
	json_put_text(m, "role", "user");
	content = json_put_array(m, "content");
	json_add_raw(content, "{\"type\":\"text\",\"text\":\"one\"}");
	json_add_raw(content, "{\"type\":\"text\",\"text\":\"two\"}");
	m = json_add_object(messages);
	json_put_text(m, "role", "assistant");
	content = json_put_array(m, "content");
	json_add_raw(content, "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"}");
	json_add_raw(content, "{\"type\":\"reasoning\",\"text\":\"why\"}");
	json_add_raw(content, "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}");
	json_add_raw(content, "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"n\",\"input\":{\"k\": 12345678901234567890}}");
	m = json_add_object(messages);
	json_put_text(m, "role", "user");
	content = json_put_array(m, "content");
	json_add_raw(content, "{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"bad\",\"is_error\":true}");
	json_add_raw(content, "{\"type\":\"text\",\"text\":\"go on\"}");
	json_add_raw(content, "{\"type\":\"tool_result\",\"tool_use_id\":\"c2\","
		"\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}");
	m = json_add_object(messages);
	json_put_text(m, "role", "assistant");
	json_add_raw(json_put_array(m, "content"), "{\"type\":\"redacted_thinking\",\"data\":\"x\"}");
	check_body(&(struct model_request){ .system = "Be brief.", .messages = messages },
		"{'model':'gpt','max_tokens':99," STREAMED "'messages':[{'role':'system','content':'Be brief.'},"
		"{'role':'user','content':'one\\n\\ntwo'},{'role':'assistant','content':null,'reasoning_content':'why',"
		"'tool_calls':[{'id':'c1','type':'function','function':{'name':'n','arguments':'{\\'k\\': 12345678901234567890}'}}]},"
		"{'role':'tool','tool_call_id':'c1','content':'Error: bad'},{'role':'tool','tool_call_id':'c2','content':'a'},"
		"{'role':'user','content':'go on'}]}");
}

TEST(tools_a_forced_tool_and_a_schema_are_asked_for)
{
	ARENA_SCOPE(a);
	struct model_request rq = { .messages = parsed(a, "[]"), .force_tool = "t", .max_tokens = 5, .name = "other",
		.tools = parsed(a, "[{'name':'t','description':'d','input_schema':{'type':'object'}}]"),
		.result_schema = parsed(a, "{'type':'object'}") };
	check_body(&rq, "{'model':'other','max_tokens':5,'tools':[{'type':'function','function':{'name':'t','description':'d',"
		"'parameters':{'type':'object'}}}],'tool_choice':{'type':'function','function':{'name':'t'}},"
		"'parallel_tool_calls':false,'response_format':{'type':'json_schema','json_schema':{'name':'result','strict':true,"
		"'schema':{'type':'object'}}}," STREAMED "'messages':[]}");
	rq = (struct model_request){ .messages = rq.messages, .tools = parsed(a, "[]") };
	check_body(&rq, "{'model':'gpt','max_tokens':99," STREAMED "'messages':[]}");
}

TEST(openai_itself_gets_its_own_name_for_the_limit)
{
	ARENA_SCOPE(a);
	struct err e;
	struct str body = STR("");
	struct model_config c = config();
	struct model_request rq = { .messages = parsed(a, "[]") };
	c.base_url = "https://api.openai.com/v1";
	CHECK(openai_body(a, &c, &rq, &body, &e));
	CHECK(strstr(body.p, "\"max_completion_tokens\":99,"));
	CHECK(!strstr(body.p, "\"max_tokens\""));
}

TEST(a_web_search_is_refused_before_anything_is_sent)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct str body;
	struct model_config c = config();
	struct model_request rq = { .messages = parsed(a, "[]"), .web_searches = 1 };
	CHECK(!openai_body(a, &c, &rq, &body, &e));
	CHECK_EQ_I(e.kind, ERR_INPUT);
	CHECK_EQ_S(e.code, "web_search_unavailable");
}

TEST(the_url_is_the_same_with_and_without_the_version)
{
	static const char *const bases[] = { "http://h", "http://h/", "http://h/v1", "http://h/v1//" };
	ARENA_SCOPE(a);
	struct model_config c = config();
	for (size_t i = 0; i < COUNT(bases); i++) {
		c.base_url = bases[i];
		CHECK_EQ_S(model_api_url(a, &c), "http://h/v1/chat/completions");
	}
	c.base_url = "http://h/api/v1";
	c.api = NULL;
	CHECK_EQ_S(model_api_url(a, &c), "http://h/api/v1/messages");
}

TEST(a_provider_is_found_by_its_name)
{
	CHECK(model_api_find("openai") == &openai_api);
	CHECK_EQ_S(model_api_find("anthropic")->name, "anthropic");
	CHECK(model_apis[0] == model_api_find("anthropic"));
	CHECK(!model_api_find("else"));
}
