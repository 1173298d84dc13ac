/* SPDX-License-Identifier: MIT */
/*
 * Anthropic's events -> turn, without a network. What each stream owes is written here by hand, from the contract in
 * model.h and anthropic.h.
 */
#include "anthropic.h"
#include "model_case.h"

/* ---- the fixtures ---- */

#define ENDED " claude-test in 10 out 9 write 0 read 0"

static const struct {
	const char *file, *want;
} fixtures[] = {
	{ "bom-comments-multidata", "end_turn msg_bom" ENDED "\ntext 'split over two data lines'"
		"\n  {'type':'text','text':'split over two data lines'}\nshown: text(split over two data lines)" },
	{ "cr-only", "end_turn msg_crlf" ENDED "\ntext 'h\xC3\xA9llo \xF0\x9F\x98\x80'"
		"\n  {'type':'text','text':'h\xC3\xA9llo \xF0\x9F\x98\x80'}"
		"\nshown: text(h\xC3\xA9llo \xF0\x9F\x98\x80)" },
	{ "crlf", "end_turn msg_crlf" ENDED "\ntext 'h\xC3\xA9llo \xF0\x9F\x98\x80'"
		"\n  {'type':'text','text':'h\xC3\xA9llo \xF0\x9F\x98\x80'}"
		"\nshown: text(h\xC3\xA9llo \xF0\x9F\x98\x80)" },
	{ "error-before-message-start", "busy model_error" },
	{ "error-overloaded-midstream", "busy model_overloaded\nshown: text(Half an ans)" },
	{ "pause-turn-server-tool", "pause_turn msg_p1" ENDED "\nother"
		"\n  {'type': 'server_tool_use', 'id': 'srvtoolu_1', 'name': 'web_search', 'input': {'query': 'x'}}" },
	{ "pings-and-unknown-events", "end_turn msg_u1" ENDED "\ntext 'ab'"
		"\n  {'type':'text','text':'ab'}\nshown: text(a)text(b)" },
	{ "redacted-thinking-then-text", "end_turn msg_r1" ENDED "\nother"
		"\n  {'type': 'redacted_thinking', 'data': 'EmwKAhgBEgy3va3pzix/LafPsn4a'}\nthinking 'step one'"
		"\n  {'type':'thinking','thinking':'step one','signature':'c2lnbmF0dXJl'}\ntext 'done'"
		"\n  {'type':'text','text':'done'}\nshown: thinking(step one)text(done)" },
	{ "stop-max_tokens", "max_tokens msg_max_tokens" ENDED "\ntext 'x'"
		"\n  {'type':'text','text':'x'}\nshown: text(x)" },
	{ "stop-model_context_window_exceeded", "model_context_window_exceeded msg_model_context_window_exceeded" ENDED
		"\ntext 'x'\n  {'type':'text','text':'x'}\nshown: text(x)" },
	{ "stop-sequence", "stop_sequence msg_ss" ENDED "\ntext 'x'"
		"\n  {'type':'text','text':'x'}\nshown: text(x)" },
	{ "thinking-omitted-signature-only", "end_turn msg_r2" ENDED "\nthinking ''"
		"\n  {'type':'thinking','thinking':'','signature':'c2ln'}\ntext 'ok'"
		"\n  {'type':'text','text':'ok'}\nshown: text(ok)" },
	{ "truncated-mid-line", "net model_cut" },
	{ "truncated-no-message-stop", "net model_cut\nshown: text(cut)" },
	{ "two-parallel-tools-empty-input", "tool_use msg_2t" ENDED "\ncall toolu_a a {}"
		"\n  {'type':'tool_use','id':'toolu_a','name':'a','input':{}}"
		"\ncall toolu_b b {'k':'caf\xC3\xA9 \xF0\x9F\x98\x80','n':1000}"
		"\n  {'type':'tool_use','id':'toolu_b','name':'b',"
		"'input':{'k':'caf\xC3\xA9 \xF0\x9F\x98\x80','n':1000}}" },
};

TEST(every_recorded_stream_gives_its_turn_however_it_is_cut)
{
	for (size_t i = 0; i < COUNT(fixtures); i++) {
		ARENA_SCOPE(a);
		model_check_stream(&anthropic_api, model_fixture(a, fixtures[i].file), fixtures[i].want, true);
	}
}

/* ---- rules, one stream each ---- */

#define EVENT(name, json) "event: " name "\ndata: {'type':'" name "'" json "}\n\n"
#define BEGIN EVENT("message_start", ",'message':{'id':'m','model':'c','content':[],'usage':{'input_tokens':3}}")
#define START(index, block) EVENT("content_block_start", ",'index':" #index ",'content_block':{" block "}")
#define DELTA(index, type, rest) EVENT("content_block_delta", ",'index':" #index ",'delta':{'type':'" type "'" rest "}")
#define STOP(index) EVENT("content_block_stop", ",'index':" #index)
#define REASON(word) EVENT("message_delta", ",'delta':{'stop_reason':'" word "'},'usage':{'output_tokens':5}")
#define END EVENT("message_stop", "")
#define FINISH REASON("end_turn") END
#define TEXT_START(index) START(index, "'type':'text','text':''")
#define TEXT(index, text) DELTA(index, "text_delta", ",'text':'" text "'")
#define CALL_START(index, id) START(index, "'type':'tool_use','id':'" id "','name':'n','input':{}")
#define INPUT(index, json) DELTA(index, "input_json_delta", ",'partial_json':'" json "'")
#define THINKING_START(index) START(index, "'type':'thinking','thinking':'','signature':''")
#define SIGNED(index, text) DELTA(index, "signature_delta", ",'signature':'" text "'")

#define TURN "end_turn m c in 3 out 5 write 0 read 0"
#define RAW_TEXT(text) "\n  {'type':'text','text':'" text "'}"
#define RAW_CALL(id, input) "\n  {'type':'tool_use','id':'" id "','name':'n','input':" input "}"

#define GIVES(stream, want) model_check_stream(&anthropic_api, STR(stream), want, sizeof(stream) < 3000)

TEST(events_out_of_order_are_garbage)
{
	GIVES(TEXT_START(0), "busy model_garbage");
	GIVES(FINISH, "busy model_garbage");
	GIVES(BEGIN BEGIN, "busy model_garbage");
	GIVES(BEGIN FINISH BEGIN, "busy model_garbage");
	GIVES(BEGIN FINISH TEXT_START(0), "busy model_garbage");
	GIVES(BEGIN FINISH END, "busy model_garbage");
	GIVES(BEGIN FINISH EVENT("ping", ""), TURN);
	GIVES(EVENT("ping", "") BEGIN FINISH, TURN);
}

TEST(a_delta_or_a_stop_needs_an_open_block)
{
	GIVES(BEGIN TEXT(0, "x"), "busy model_garbage");
	GIVES(BEGIN STOP(0), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) STOP(0) TEXT(0, "x"), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) STOP(0) STOP(0), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) TEXT(1, "x"), "busy model_garbage");
	GIVES(BEGIN EVENT("content_block_stop", ""), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) DELTA(0, "future_delta", "") DELTA(1, "future_delta", ""), "busy model_garbage");
}

TEST(every_block_has_an_index_and_a_type_of_its_own)
{
	GIVES(BEGIN TEXT_START(0) TEXT_START(0), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) STOP(0) TEXT_START(0), "busy model_garbage");
	GIVES(BEGIN TEXT_START(-1), "busy model_garbage");
	GIVES(BEGIN EVENT("content_block_start", ",'content_block':{'type':'text'}"), "busy model_garbage");
	GIVES(BEGIN EVENT("content_block_start", ",'index':0"), "busy model_garbage");
	GIVES(BEGIN START(0, "'text':'x'"), "busy model_garbage");
}

TEST(indexes_may_have_gaps_and_blocks_may_grow_side_by_side)
{
	GIVES(BEGIN TEXT_START(7) TEXT_START(3) TEXT(7, "a") TEXT(3, "x") TEXT(7, "b") STOP(3) STOP(7) FINISH,
		TURN "\ntext 'ab'" RAW_TEXT("ab") "\ntext 'x'" RAW_TEXT("x") "\nshown: text(a)text(x)text(b)");
}

TEST(an_answer_ends_with_closed_blocks_a_reason_and_message_stop)
{
	GIVES(BEGIN TEXT_START(0) FINISH, "busy model_garbage");
	GIVES(BEGIN END, "busy model_garbage");
	GIVES(BEGIN REASON("end_turn"), "net model_cut");
	GIVES(BEGIN, "net model_cut");
	GIVES("", "net model_cut");
	GIVES(": only a comment\n\n", "busy model_garbage");
	GIVES("<html><body>Sign in</body></html>\n", "busy model_garbage");
	GIVES(BEGIN REASON("max_tokens") REASON("end_turn") END, TURN);
	GIVES(BEGIN REASON("0123456789012345678901234567890123456789012345678901234567890-\xC3\xA9") END,
		"0123456789012345678901234567890123456789012345678901234567890- m c in 3 out 5 write 0 read 0");
	GIVES(BEGIN REASON("end_turn") EVENT("message_delta", ",'delta':{'stop_reason':null}") END, TURN);
}

TEST(what_is_unknown_is_skipped)
{
	GIVES(BEGIN TEXT_START(0) DELTA(0, "future_delta", "") EVENT("content_block_delta", ",'index':0")
		"event: future\ndata: not JSON\n\ndata: no name\n\ndata: [DONE]\n\n" TEXT(0, "x") STOP(0) FINISH,
		TURN "\ntext 'x'" RAW_TEXT("x") "\nshown: text(x)");
}

TEST(a_known_event_that_cannot_be_read_is_garbage)
{
	GIVES("event: message_start\ndata: {'type':'message_start',\n\n", "busy model_garbage");
	GIVES("event: message_start\ndata: [1]\n\n", "busy model_garbage");
	GIVES("event: message_start\ndata: {'message':{}}\n\n", "busy model_garbage");
	GIVES("event: message_start\ndata: {'type':'ping','message':{}}\n\n", "busy model_garbage");
	GIVES(EVENT("message_start", ""), "busy model_garbage");
	GIVES("event: error\ndata: upstream is gone\n\n", "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) DELTA(0, "text_delta", ""), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) DELTA(0, "text_delta", ",'text':5"), "busy model_garbage");
}

TEST(a_known_delta_belongs_to_its_type_of_block)
{
	GIVES(BEGIN CALL_START(0, "t") TEXT(0, "x"), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) INPUT(0, "{}"), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) SIGNED(0, "x"), "busy model_garbage");
	GIVES(BEGIN TEXT_START(0) DELTA(0, "thinking_delta", ",'thinking':'x'"), "busy model_garbage");
	GIVES(BEGIN START(0, "'type':'future','n':1") TEXT(0, "x") SIGNED(0, "s") STOP(0) FINISH,
		TURN "\nother\n  {'type':'future','n':1}");
}

TEST(an_error_event_is_mapped_by_its_type)
{
#define BROKEN(type) BEGIN EVENT("error", ",'error':{'type':'" type "','message':'why'}")
	GIVES(BROKEN("overloaded_error"), "busy model_overloaded");
	GIVES(BROKEN("rate_limit_error"), "busy model_rate_limited");
	GIVES(BROKEN("api_error"), "busy model_error");
	GIVES(BROKEN("timeout_error"), "busy model_error");
	GIVES(BROKEN("conflict_error"), "busy model_error");
	GIVES(BROKEN("future_error"), "busy model_error");
	GIVES(BROKEN("authentication_error"), "refused model_auth");
	GIVES(BROKEN("permission_error"), "refused model_auth");
	GIVES(BROKEN("billing_error"), "refused model_billing");
	GIVES(BROKEN("invalid_request_error"), "input model_rejected");
	GIVES(BROKEN("not_found_error"), "input model_rejected");
	GIVES(BROKEN("request_too_large"), "input model_rejected");
	GIVES(BEGIN EVENT("error", ",'error':{'type':'rate_limit_error','message':'m',"
		"'details':{'error_code':'enforced_spend_limit_reached'}}"), "refused model_spend_limit");
	GIVES(BEGIN EVENT("error", ""), "busy model_error");
	GIVES(BEGIN EVENT("error", ",'error':'why'"), "busy model_error");
}

TEST(a_tool_input_is_joined_and_may_come_with_the_start)
{
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, "{\\'a\\'") INPUT(0, "") INPUT(0, ":[1,2]}") STOP(0) FINISH,
		TURN "\ncall t n {'a':[1,2]}" RAW_CALL("t", "{'a':[1,2]}"));
	GIVES(BEGIN CALL_START(0, "t") STOP(0) FINISH, TURN "\ncall t n {}" RAW_CALL("t", "{}"));
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, " ") STOP(0) FINISH, TURN "\ncall t n {}" RAW_CALL("t", "{}"));
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n','input':{'a':1}") STOP(0) FINISH,
		TURN "\ncall t n {'a':1}" RAW_CALL("t", "{'a':1}"));
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n','input':{'a':1}") INPUT(0, "{\\'b\\':2}")
		STOP(0) FINISH, TURN "\ncall t n {'b':2}" RAW_CALL("t", "{'b':2}"));
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n'") STOP(0) FINISH,
		TURN "\ncall t n {}" RAW_CALL("t", "{}"));
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n','input':null") STOP(0) FINISH,
		TURN "\ncall t n {}" RAW_CALL("t", "{}"));
}

#define UNREAD(why, rest) "\ncall t n The arguments could not be read (" why "). Send the call again with one JSON " \
	"object." rest RAW_CALL("t", "{}")

TEST(a_tool_input_that_is_no_object_is_told_to_the_model_and_goes_back_as_one)
{
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, "{\\'a\\': [1, ") STOP(0) FINISH,
		TURN UNREAD("not JSON at byte 9 of 9", " What came begins: {'a': [1, "));
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, "[1]") STOP(0) FINISH,
		TURN UNREAD("not a JSON object", " What came begins: [1]"));
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, "{} {}") STOP(0) FINISH,
		TURN UNREAD("not JSON at byte 3 of 5", " What came begins: {} {}"));
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n','input':'x'") STOP(0) FINISH,
		TURN UNREAD("not a JSON object", ""));
}

TEST(a_call_that_could_not_go_back_is_garbage)
{
#define CALL(id, name) START(0, "'type':'tool_use','id':'" id "','name':'" name "','input':{}")
	GIVES(BEGIN CALL("t", "a b"), "busy model_garbage");
	GIVES(BEGIN CALL("t", ""), "busy model_garbage");
	GIVES(BEGIN CALL("t", "a.b"), "busy model_garbage");
	GIVES(BEGIN CALL("", "a"), "busy model_garbage");
	GIVES(BEGIN CALL("a b", "a"), "busy model_garbage");
	GIVES(BEGIN START(0, "'type':'tool_use'"), "busy model_garbage");
	GIVES(BEGIN CALL_START(0, "t") STOP(0) CALL_START(1, "t"), "busy model_garbage");
	GIVES(BEGIN CALL("call:functions.x:0", "Aa_-9") STOP(0) FINISH, TURN "\ncall call:functions.x:0 Aa_-9 {}"
		"\n  {'type':'tool_use','id':'call:functions.x:0','name':'Aa_-9','input':{}}");
}

TEST(fields_nobody_knows_go_back_with_their_block)
{
	GIVES(BEGIN START(0, "'type':'tool_use','id':'t','name':'n','input':{},'caller':{'type':'direct'}")
		INPUT(0, "{\\'a\\':1}") STOP(0) FINISH, TURN "\ncall t n {'a':1}"
		"\n  {'type':'tool_use','id':'t','name':'n','caller':{'type':'direct'},'input':{'a':1}}");
	GIVES(BEGIN START(0, "'type':'web_search_tool_result','content':[{'url':'u','age':null,'x':1.5}]")
		STOP(0) FINISH, TURN "\nother\n  {'type':'web_search_tool_result',"
		"'content':[{'url':'u','age':null,'x':1.5}]}");
	GIVES(BEGIN START(0, "'type':'server_tool_use','id':'s','name':'n','input':{}") INPUT(0, "{\\'a\\':")
		STOP(0) FINISH, TURN "\nother\n  {'type':'server_tool_use','id':'s','name':'n','input':{}}");
}

TEST(a_signature_is_set_and_never_joined)
{
	GIVES(BEGIN THINKING_START(0) DELTA(0, "thinking_delta", ",'thinking':'a\\n'") SIGNED(0, "one")
		DELTA(0, "thinking_delta", ",'thinking':' b'") SIGNED(0, "Two+/=") STOP(0) FINISH,
		TURN "\nthinking 'a\n b'\n  {'type':'thinking','thinking':'a\\n b','signature':'Two+/='}"
		"\nshown: thinking(a\n)thinking( b)");
	GIVES(BEGIN START(0, "'type':'thinking','thinking':'x','signature':'s'") STOP(0) FINISH,
		TURN "\nthinking 'x'\n  {'type':'thinking','thinking':'x','signature':'s'}\nshown: thinking(x)");
}

TEST(citations_are_appended)
{
	GIVES(BEGIN START(0, "'type':'text','text':'','citations':null") TEXT(0, "x")
		DELTA(0, "citations_delta", ",'citation':{'n':1}") DELTA(0, "citations_delta", ",'citation':{'n':2}")
		STOP(0) FINISH, TURN "\ntext 'x'\n  {'type':'text','citations':[{'n':1},{'n':2}],'text':'x'}"
		"\nshown: text(x)");
	GIVES(BEGIN START(0, "'type':'text','text':'x','citations':[{'n':1}]")
		DELTA(0, "citations_delta", ",'citation':{'n':2}") STOP(0) FINISH,
		TURN "\ntext 'x'\n  {'type':'text','citations':[{'n':1},{'n':2}],'text':'x'}\nshown: text(x)");
	GIVES(BEGIN TEXT_START(0) DELTA(0, "citations_delta", ",'citation':7"), "busy model_garbage");
}

TEST(usage_is_overwritten_where_present_and_never_added)
{
	GIVES(EVENT("message_start", ",'message':{'id':'m','model':'c','usage':{'input_tokens':10,"
		"'output_tokens':1,'cache_creation_input_tokens':20,'cache_read_input_tokens':30}}")
		EVENT("message_delta", ",'delta':{},'usage':{'input_tokens':null,'output_tokens':7}")
		EVENT("message_delta", ",'delta':{'stop_reason':'end_turn'},'usage':{'output_tokens':9,"
		"'cache_read_input_tokens':31,'cache_creation_input_tokens':-4}") END,
		"end_turn m c in 10 out 9 write 0 read 31");
	GIVES(EVENT("message_start", ",'message':{}") FINISH, "end_turn   in 0 out 5 write 0 read 0");
}

TEST(blocks_may_come_complete_with_the_message)
{
	GIVES(EVENT("message_start", ",'message':{'id':'m','model':'c','usage':{'input_tokens':3},'content':["
		"{'type':'text','text':'a'},{'type':'tool_use','id':'t','name':'n','input':{'k':1}}]}")
		TEXT_START(2) TEXT(2, "b") STOP(2) FINISH, TURN "\ntext 'a'" RAW_TEXT("a") "\ncall t n {'k':1}"
		RAW_CALL("t", "{'k':1}") "\ntext 'b'" RAW_TEXT("b") "\nshown: text(a)text(b)");
	GIVES(EVENT("message_start", ",'message':{'content':[{'type':'text','text':'a'}]}") TEXT_START(0),
		"busy model_garbage\nshown: text(a)");
}

TEST(text_that_is_in_the_start_is_shown_and_kept)
{
	GIVES(BEGIN START(0, "'type':'text','text':'a'") TEXT(0, "b") STOP(0) FINISH,
		TURN "\ntext 'ab'" RAW_TEXT("ab") "\nshown: text(a)text(b)");
}

TEST(what_the_api_would_refuse_back_is_left_out)
{
	GIVES(BEGIN TEXT_START(0) STOP(0) FINISH, TURN);
	GIVES(BEGIN TEXT_START(0) TEXT(0, " \\n\\t") STOP(0) TEXT_START(1) TEXT(1, " x\\n") STOP(1) FINISH,
		TURN "\ntext ' x\n'" RAW_TEXT(" x\\n") "\nshown: text( \n\t)text( x\n)");
	GIVES(BEGIN THINKING_START(0) DELTA(0, "thinking_delta", ",'thinking':'hm'") STOP(0) FINISH,
		TURN "\nshown: thinking(hm)");
}

#define NOT_A_CHARACTER "\xEF\xBF\xBD"

TEST(no_byte_reaches_a_turn_that_a_text_column_refuses)
{
	GIVES(BEGIN TEXT_START(0) TEXT(0, "a\\u0000b\xFF" "c\\ud83d d\\\\u0000e\\ude00\\ud83d\\ude00") STOP(0) FINISH,
		TURN "\ntext 'a" NOT_A_CHARACTER "b" NOT_A_CHARACTER "c" NOT_A_CHARACTER " d\\u0000e" NOT_A_CHARACTER
		"\xF0\x9F\x98\x80'" RAW_TEXT("a" NOT_A_CHARACTER "b" NOT_A_CHARACTER "c" NOT_A_CHARACTER " d\\\\u0000e"
		NOT_A_CHARACTER "\xF0\x9F\x98\x80")
		"\nshown: text(a" NOT_A_CHARACTER "b" NOT_A_CHARACTER "c" NOT_A_CHARACTER " d\\u0000e"
		NOT_A_CHARACTER "\xF0\x9F\x98\x80)");
	GIVES(BEGIN CALL_START(0, "t") INPUT(0, "{\\'k\\':\\'a\\\\u00") INPUT(0, "00b\\\\ud800\\'}") STOP(0) FINISH,
		TURN "\ncall t n {'k':'a" NOT_A_CHARACTER "b" NOT_A_CHARACTER "'}"
		RAW_CALL("t", "{'k':'a" NOT_A_CHARACTER "b" NOT_A_CHARACTER "'}"));
	GIVES(BEGIN START(0, "'type':'future','a\\u0000':'\\u0000'") STOP(0) FINISH,
		TURN "\nother\n  {'type':'future','a\\ufffd':'\\ufffd'}");
}

/* ---- blocks of the provider's own tools ---- */

#define SEARCH_START(index) START(index, \
	"'type':'server_tool_use', 'id':'s','input': {},'n':1.50,'big':12345678901234567890")
#define SEARCHED(input) "\nother\n  {'type':'server_tool_use', 'id':'s','input': " input ",'n':1.50," \
	"'big':12345678901234567890}"

TEST(what_only_the_provider_understands_goes_back_with_its_very_bytes)
{
	GIVES(BEGIN SEARCH_START(0) INPUT(0, "{\\'q\\': 1e") INPUT(0, "3}") STOP(0) FINISH, TURN SEARCHED("{'q': 1e3}"));
	GIVES(BEGIN SEARCH_START(0) STOP(0) FINISH, TURN SEARCHED("{}"));
	GIVES(BEGIN SEARCH_START(0) INPUT(0, "{\\'q\\':") STOP(0) FINISH, TURN SEARCHED("{}"));
	GIVES(EVENT("message_start", ",'message':{'id':'m','model':'c','usage':{'input_tokens':3},'content':["
		"{'type':'text','text':'a'}, {'type':'x', 'n':0.10} ]}") FINISH,
		TURN "\ntext 'a'" RAW_TEXT("a") "\nother\n  {'type':'x', 'n':0.10}\nshown: text(a)");
	GIVES(BEGIN START(0, "'type':'x','n':01") STOP(0) FINISH, TURN "\nother\n  {'type':'x','n':1}");
	GIVES(BEGIN START(0, "'type':'x','input':{}") INPUT(0, "{\\'a\\':01}") STOP(0) FINISH,
		TURN "\nother\n  {'type':'x','input':{'a':1}}");
}

TEST(blocks_are_told_in_the_order_of_the_turn)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct model_block b;
	struct model_config c = { .turn_bytes = MODEL_ANSWER_BYTES };
	struct model_answer *s = anthropic_stream(a, &c, NULL, NULL);
#define FEED(text) CHECK(model_answer_feed(s, model_quoted(a, STR(text)), &e))
	FEED(BEGIN TEXT_START(5) TEXT_START(2) TEXT(5, "a") TEXT(2, "b") STOP(2));
	CHECK(!model_answer_ready(s));
	CHECK(!model_answer_next(s, a, &b));
	FEED(STOP(5));
	CHECK(model_answer_ready(s));
	CHECK(model_answer_next(s, a, &b) && strcmp(b.text, "a") == 0);
	CHECK(model_answer_next(s, a, &b) && strcmp(b.text, "b") == 0);
	CHECK(!model_answer_next(s, a, &b));
	FEED(TEXT_START(6) TEXT(6, " ") STOP(6) THINKING_START(7) STOP(7));
	CHECK(!model_answer_next(s, a, &b)); /* what may not go back is not told */
	FEED(TEXT_START(8) TEXT(8, "c") STOP(8));
	CHECK(model_answer_next(s, a, &b) && strcmp(b.text, "c") == 0);
}

TEST(every_stop_reason_comes_through)
{
	GIVES(BEGIN EVENT("message_delta", ",'delta':{'stop_reason':'refusal','stop_details':{'category':'x'}},"
		"'usage':{'output_tokens':5}") END, "refusal m c in 3 out 5 write 0 read 0");
	GIVES(BEGIN REASON("pause_turn") END, "pause_turn m c in 3 out 5 write 0 read 0");
}

/* ---- limits ---- */

static const char *repeated(struct arena *a, const char *head, const char *part, size_t times, const char *tail)
{
	struct buf *text = buf_new(a, MODEL_SHOWN_BYTES);
	buf_add(text, str_of(head));
	for (size_t i = 0; i < times; i++)
		buf_add(text, str_of(part));
	buf_add(text, str_of(tail));
	struct str all = buf_str(text);
	return model_outcome(a, &anthropic_api, all, all.n, all.n);
}

TEST(an_answer_may_be_as_large_as_the_limit_and_no_larger)
{
	ARENA_SCOPE(a);
	static const char start[] = "{'type':'content_block_start','index':0,"
		"'content_block':{'type':'text','text':''}}";
	size_t room = MODEL_ANSWER_BYTES - (sizeof(start) - 1);
	const char *fits = repeated(a, BEGIN TEXT_START(0), TEXT(0, "x"), room, STOP(0) FINISH);
	CHECK(strncmp(fits, "end_turn ", 9) == 0);
	const char *more = repeated(a, BEGIN TEXT_START(0), TEXT(0, "x"), room + 1, STOP(0) FINISH);
	CHECK(strncmp(more, "input answer_too_large\n", 23) == 0);
}

TEST(all_that_grows_counts_towards_the_limit)
{
	ARENA_SCOPE(a);
	CHECK_EQ_S(repeated(a, BEGIN CALL_START(0, "t"), INPUT(0, "0123456789"), MODEL_ANSWER_BYTES / 10, ""),
		"input answer_too_large");
	CHECK_EQ_S(repeated(a, BEGIN THINKING_START(0), SIGNED(0, "0123456789"), MODEL_ANSWER_BYTES / 10, ""),
		"input answer_too_large");
	static const char citation[] = DELTA(0, "citations_delta", ",'citation':{}");
	CHECK_EQ_S(repeated(a, BEGIN TEXT_START(0), citation, MODEL_ANSWER_BYTES / 100, ""), "net model_cut");
	CHECK_EQ_S(repeated(a, BEGIN TEXT_START(0), citation, MODEL_ANSWER_BYTES / 50, ""), "input answer_too_large");
	const char *large = repeated(a, BEGIN "event: content_block_start\ndata: {'type':'content_block_start',"
		"'index':0,'content_block':{'type':'future','x':'", "0123456789", MODEL_ANSWER_BYTES / 10, "'}}\n\n");
	CHECK_EQ_S(large, "input answer_too_large");
	large = repeated(a, "event: message_start\ndata: {'type':'message_start','message':{'content':[{'type':"
		"'future','x':'", "0123456789", MODEL_ANSWER_BYTES / 10, "'}]}}\n\n");
	CHECK_EQ_S(large, "input answer_too_large");
}

TEST(what_is_around_the_answer_does_not_count)
{
	ARENA_SCOPE(a);
	static const char ping[] = BEGIN "event: ping\ndata: {'pad':'";
	CHECK_EQ_S(repeated(a, ping, "0123456789", MODEL_ANSWER_BYTES / 10, "'}\n\n" FINISH), TURN);
	CHECK_EQ_S(repeated(a, BEGIN, EVENT("ping", "") REASON("tool_use"), MODEL_ANSWER_BYTES / 10, FINISH), TURN);
}

static struct str many_blocks(struct arena *a, int n)
{
	struct buf *text = buf_new(a, MODEL_SHOWN_BYTES);
	buf_add(text, STR(BEGIN));
	for (int i = 0; i < n; i++)
		buf_printf(text, "event: content_block_start\ndata: {'type':'content_block_start','index':%d,"
			"'content_block':{'type':'x'}}\n\n", i);
	return model_quoted(a, buf_str(text));
}

TEST(an_answer_has_a_limited_number_of_blocks)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct model_config c = { .turn_bytes = MODEL_SHOWN_BYTES };
	struct model_answer *s = anthropic_stream(a, &c, NULL, NULL);
	CHECK(model_answer_feed(s, many_blocks(a, MODEL_BLOCKS), &e));
	s = anthropic_stream(a, &c, NULL, NULL);
	CHECK(!model_answer_feed(s, many_blocks(a, MODEL_BLOCKS + 1), &e));
	CHECK_EQ_S(e.code, "answer_too_large");
}

/* The value is n arrays, one in the other. */
static const char *nested(struct arena *a, const char *head, int n, const char *tail)
{
	char *open = arena_alloc(a, (size_t)n + 1), *close = arena_alloc(a, (size_t)n + 1);
	memset(open, '[', (size_t)n);
	memset(close, ']', (size_t)n);
	struct str all = str_of(arena_printf(a, "%s%s%s%s", head, open, close, tail));
	return model_outcome(a, &anthropic_api, all, all.n, all.n);
}

TEST(nothing_goes_back_that_is_too_deep_to_be_read_again)
{
	ARENA_SCOPE(a);
	static const char call[] = BEGIN CALL_START(0, "t")
		"event: content_block_delta\ndata: {'type':'content_block_delta','index':0,"
		"'delta':{'type':'input_json_delta','partial_json':'{\\'a\\':";
	static const char block[] = BEGIN "event: content_block_start\ndata: {'type':'content_block_start','index':0,"
		"'content_block':{'type':'x','a':";
	CHECK(strstr(nested(a, call, 40, "}'}}\n\n" STOP(0) FINISH), "call t n {"));
	CHECK(strstr(nested(a, call, 55, "}'}}\n\n" STOP(0) FINISH), "(nested too deep)"));
	CHECK(strstr(nested(a, call, 90, "}'}}\n\n" STOP(0) FINISH), "(JSON nested deeper than 64"));
	CHECK(strstr(nested(a, block, 40, "}}\n\n" STOP(0) FINISH), "\nother\n"));
	static const char citation[] = BEGIN TEXT_START(0)
		"event: content_block_delta\ndata: {'type':'content_block_delta','index':0,"
		"'delta':{'type':'citations_delta','citation':{'a':";
	CHECK_EQ_S(nested(a, citation, 40, "}}}\n\n"), "net model_cut");
	CHECK_EQ_S(nested(a, citation, 55, "}}}\n\n"), "busy model_garbage");
	CHECK_EQ_S(nested(a, block, 55, "}}\n\n"), "busy model_garbage");
	CHECK_EQ_S(nested(a, block, 90, "}}\n\n"), "busy model_garbage");
}

TEST(a_message_of_the_provider_is_cleaned_cut_and_without_the_key)
{
	struct err e = { 0 };
	ARENA_SCOPE(a);
	struct model_config c = { .turn_bytes = 1000, .api_key = "sk-secret-key" };
	struct model_answer *s = anthropic_stream(a, &c, NULL, NULL);
	const char *error = arena_printf(a, "event: error\ndata: {'type':'error','error':{'type':'api_error',"
		"'message':'key sk-secret-key\\n\\u0007 sk-secret-key is \xFF%0400d'},'request_id':'req_1'}\n\n", 0);
	CHECK(!model_answer_feed(s, model_quoted(a, str_of(error)), &e));
	CHECK(strstr(e.msg, "api_error: key [key] [key] is " NOT_A_CHARACTER "000"));
	CHECK(strstr(e.msg, "0 (request-id req_1)"));
	CHECK(!strstr(e.msg, "secret"));
	CHECK(strlen(e.msg) < 400);
}
