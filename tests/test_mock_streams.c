/* SPDX-License-Identifier: MIT */
/* How badly an answer may come, what the provider's own tools say in it, and the program under load and over TLS. */
#include "clock.h"
#include "mock_case.h"
#include "net.h"
#include "shell.h"
#include <signal.h>
#include <unistd.h>

#define HAS(text, word) do { if (!CHECK(strstr((text), (word)) != NULL)) printf("    %s\n", (text)); } while (0)
#define LACKS(text, word) do { if (!CHECK(strstr((text), (word)) == NULL)) printf("    %s\n", (text)); } while (0)

/* ---- blocks ---- */

LOOP_TEST(what_the_provider_searched_stands_in_the_stream)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - reply:\n"
		"      - text: I search.\n"
		"      - block: { type: server_tool_use, id: srvtoolu_1, name: web_search, input: { query: otters } }\n"
		"      - block: { type: web_search_tool_result, tool_use_id: srvtoolu_1, content: [ { type: web_search_result,\n"
		"          url: 'https://a', title: A } ] }\n"
		"      - text: Found.\n"
		"    headers: { anthropic-ratelimit-requests-remaining: '7' }\n");
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	HAS(reply.body.p, "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"server_tool_use\","
		"\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{\"query\":\"otters\"}}}\n\n");
	HAS(reply.body.p, "{\"type\":\"content_block_stop\",\"index\":1}");
	HAS(reply.body.p, "\"index\":2,\"content_block\":{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_1\"");
	HAS(reply.body.p, "\"index\":3,\"content_block\":{\"type\":\"text\"");
	HAS(reply.body.p, "\"server_tool_use\":{\"web_search_requests\":1}}}\n\n");
	CHECK_EQ_I(mock_occurrences(reply.body, "web_search_requests"), 1);
	CHECK_EQ_S(http_reply_header(&reply, "anthropic-ratelimit-requests-remaining"), "7");
}

LOOP_TEST(garbage_never_ends_a_line)
{
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: [ { garbage: 3000000 } ] }\n");
	REQUIRE(c);
	REQUIRE_OK(mock_post(c, mock_body(a, "x"), &reply, e));
	CHECK_EQ_I((int64_t)reply.body.n, 3000000 / 1024 * 1024);
	CHECK(!memchr(reply.body.p, '\n', reply.body.n) && !memchr(reply.body.p, '\r', reply.body.n));
	CHECK(strncmp(reply.content_type, "text/event-stream", 17) == 0);
}

/* ---- time ---- */

struct pieces {
	int n;
	size_t largest;
};

static bool count_piece(void *self, struct str piece, struct err *e)
{
	struct pieces *p = self;
	(void)e;
	p->n++;
	p->largest = MAX_OF(p->largest, piece.n);
	return true;
}

LOOP_TEST(a_trickled_answer_comes_byte_by_byte)
{
	static const struct http_header headers[] = { { "anthropic-version", "2026-10-21" },
		{ "Content-Type", "application/json" }, { 0 } };
	struct pieces p = { 0 };
	struct http_reply reply;
	struct mock_case *c = mock_case_open(a, "replies:\n  - { reply: [ { raw: abcdefghij } ], trickle: 5ms }\n");
	REQUIRE(c);
	struct http_request rq = { .url = arena_printf(a, "%s/v1/messages", c->base_url), .headers = headers,
		.body = str_of(mock_body(a, "x")) };
	struct http_sink sink = { .data = count_piece, .self = &p };
	REQUIRE_OK(http_call(c->http, a, &rq, &sink, deadline_in(20000), &reply, e));
	CHECK(p.n > 1 && p.largest < 10); /* the machine may be slow, and join some */
}

LOOP_TEST(a_key_may_have_so_many_answers_and_no_more)
{
	static const char *const keys[] = { "a", "b", "a", "a", "b", "a" };
	static const int64_t want[] = { 200, 200, 200, 429, 200, 429 };
	struct mock_case *c = mock_case_open(a, "replies:\n"
		"  - { when: { api_key: a, after: 2 }, status: 429 }\n"
		"  - reply: ok\n");
	REQUIRE(c);
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct http_reply reply;
		struct http_header headers[] = { { "anthropic-version", "2026-10-21" }, { "Content-Type", "application/json" },
			{ "x-api-key", keys[i] }, { 0 } };
		REQUIRE_OK(mock_post_with(c, "POST", "/v1/messages", headers, mock_body(a, "x"), &reply, e));
		CHECK_EQ_I(reply.status, want[i]);
	}
}

/* ---- the program ---- */

#define SCRIPT "printf 'replies:\\n  - reply: [ { text: \"################ word \", repeat: 3 } ]\\n" \
	"    chunk: 22\\n    pace: 20ms\\n' > load.yaml; "

static int free_port(void)
{
	int port = 0;
	close(net_listen(1, &port));
	return port;
}

static bool post(struct http *http, struct arena *a, const char *url, const char *path, struct http_reply *reply,
	struct err *e)
{
	static const struct http_header headers[] = { { "anthropic-version", "2026-10-21" },
		{ "Content-Type", "application/json" }, { 0 } };
	struct http_request rq = { .url = arena_printf(a, "%s%s", url, path), .headers = headers,
		.body = str_of(mock_body(a, "x")), .limits.body_bytes = 1 << 20 };
	*reply = (struct http_reply){ .content_type = "" };
	return http_call(http, a, &rq, NULL, deadline_in(20000), reply, e);
}

static void http_end(void *http)
{
	http_free(http);
}

static struct http *client(struct arena *a)
{
	struct http *http = http_new();
	arena_defer(a, http_end, http);
	return http;
}

LOOP_TEST(under_load_events_say_when_they_were_sent)
{
	struct http_reply reply;
	int port = free_port();
	struct http *http = client(a);
	const char *url = arena_printf(a, "http://127.0.0.1:%d", port);
	struct shell *s = shell_start(a, NULL, arena_printf(a, SCRIPT "exec $D mock-model --load --trace --script load.yaml "
		"--port %d", port));
	REQUIRE(shell_prints(s, "MODEL_BASE_URL="));
	for (int i = 0; i < 2; i++) { /* the second on the same connection */
		int64_t before = clock_us();
		REQUIRE_OK(post(http, a, url, "/v1/messages", &reply, e));
		CHECK_EQ_I(mock_occurrences(reply.body, "event: content_block_delta\n"), 3);
		CHECK_EQ_I(mock_occurrences(reply.body, "event: message_stop\n"), 1);
		const char *text = strstr(reply.body.p, "\"text\":\"00");
		int64_t sent = 0;
		REQUIRE(text && str_to_i64((struct str){ text + 8, 16 }, &sent));
		CHECK(sent >= before && sent <= clock_us());
	}
	REQUIRE_OK(post(http, a, url, "/v1/chat/completions", &reply, e));
	CHECK_EQ_I(mock_occurrences(reply.body, "\"content\":\"00"), 3);
	HAS(reply.body.p, "data: [DONE]\n\n");
	CHECK(shell_prints(s, " 0 9 3 ")); /* live, events, ended */
	shell_signal(s, SIGTERM);
	CHECK_EQ_I(shell_end(s).status, 0);
}

LOOP_TEST(under_load_a_script_says_only_texts)
{
	struct ran r = shell(a, NULL, "printf 'replies:\\n  - { reply: [ { tool: x } ], pace: 1ms }\\n' > l.yaml; "
		"$D mock-model --load --script l.yaml --port 0");
	CHECK(r.status != 0);
	CHECK_HAS(r.err, "l.yaml:2: under load the first reply answers all: it must be texts with a pace");
	r = shell(a, NULL, SCRIPT "$D mock-model --load --script load.yaml --port 0 --tls-cert a --tls-key b");
	CHECK(r.status != 0);
	CHECK_HAS(r.err, "--load speaks no TLS");
}

LOOP_TEST(the_scripted_model_serves_over_tls_too)
{
	struct http_reply reply;
	int port = free_port();
	const char *url = arena_printf(a, "https://127.0.0.1:%d", port);
	char folder[] = "/tmp/drover-mock-XXXXXX";
	REQUIRE(mkdtemp(folder) != NULL);
	struct shell *s = shell_start(a, NULL, arena_printf(a, SCRIPT "openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -addext subjectAltName=IP:127.0.0.1 -days 2 -keyout %s/key.pem -out "
		"%s/cert.pem 2>/dev/null; exec $D mock-model --trace --script load.yaml --port %d --tls-cert %s/cert.pem --tls-key "
		"%s/key.pem", folder, folder, port, folder, folder));
	REQUIRE(shell_prints(s, "MODEL_BASE_URL=https://"));
	setenv("CURL_CA_BUNDLE", arena_printf(a, "%s/cert.pem", folder), 1);
	struct http *http = client(a);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(post(http, a, url, "/v1/messages", &reply, e));
		CHECK_EQ_I(mock_occurrences(reply.body, "event: content_block_delta\n"), 3);
	}
	CHECK(shell_prints(s, "request "));
	shell_signal(s, SIGTERM);
	CHECK_EQ_I(shell_end(s).status, 0);
	unsetenv("CURL_CA_BUNDLE");
	struct ran r = shell(a, NULL, arena_printf(a, "$D mock-model --port 0 --tls-cert %s/cert.pem", folder));
	CHECK_HAS(r.err, "give both files");
	r = shell(a, NULL, arena_printf(a, "$D mock-model --port 0 --tls-cert %s/cert.pem --tls-key %s/cert.pem", folder,
		folder));
	CHECK_HAS(r.err, "both must be PEM and belong together");
	r = shell(a, NULL, "$D mock-model --port 0 --tls-cert nowhere.pem --tls-key nowhere.pem");
	CHECK_HAS(r.err, "cannot read nowhere.pem: No such file");
	unlink(arena_printf(a, "%s/key.pem", folder));
	unlink(arena_printf(a, "%s/cert.pem", folder));
	rmdir(folder);
}
