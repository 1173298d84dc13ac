/* SPDX-License-Identifier: MIT */
/* Calls that share a connection: HTTP/2 over TLS, against Node's server. Without node on the PATH nothing is tested. */
#include "http.h"
#include "loop.h"
#include "net.h"
#include "test.h"
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 250, STREAMS = 100, TRIES = 300 };

/* /all answers when so many ask at once, with the number of connections; everything else at once. */
static const char program[] =
	"const fs = require('fs'), [key, cert, port, wanted, old] = process.argv.slice(1);"
	"let connections = 0, waiting = [];"
	"const say = (rq, rs) => rs.end(rq.httpVersion + ' ' + connections);"
	"const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert), settings: { maxConcurrentStreams: 100 } };"
	"const server = old ? require('https').createServer(options) : require('http2').createSecureServer(options);"
	"server.on('secureConnection', () => connections++);"
	"server.on('request', (rq, rs) => { rq.resume(); rq.on('end', () => {"
	"  if (rq.url !== '/all') return say(rq, rs);"
	"  if (waiting.push(() => say(rq, rs)) == wanted) waiting.forEach(f => f()); }); });"
	"server.listen(port, '127.0.0.1');";

struct rig {
	struct arena *arena;
	const char *folder, *cert, *key, *url;
	pid_t server;
	int port;
	struct http *http;
	bool http2;
	const char *answers[CALLS];
	size_t n;
};

static void rig_end(void *self)
{
	struct rig *r = self;
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	http_free(r->http);
	net_program_kill(r->server);
	unlink(r->cert);
	unlink(r->key);
	rmdir(r->folder);
	unsetenv("SSL_CERT_FILE");
}

static void certificate_make(struct rig *r)
{
	const char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
		"-nodes", "-subj", "/CN=drover test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
		"-keyout", r->key, "-out", r->cert, NULL };
	int status;
	waitpid(net_program_start(argv), &status, 0);
	CHECK_EQ_I(status, 0);
}

static bool call(struct rig *r, const char *path, struct http_reply *reply, struct err *e)
{
	struct http_request rq = { .url = arena_printf(r->arena, "%s%s", r->url, path), .body = STR("{}"), .http2 = r->http2,
		.limits.connect_ms = 20000 };
	return http_call(r->http, r->arena, &rq, NULL, deadline_in(30000), reply, e);
}

static bool server_wait(struct rig *r, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		int fd = net_connect(r->port);
		bool up = net_write(fd, STR("x"), deadline_in(1000), e);
		close(fd);
		if (up)
			return true;
		loop_sleep(20, e);
	}
	return false;
}

static bool has_node(void)
{
	const char *path = getenv("PATH");
	struct str rest = str_of(path), folder;
	while (str_next(&rest, ':', &folder)) {
		char file[1024];
		snprintf(file, sizeof(file), "%.*s/node", STR_ARGS(folder));
		if (access(file, X_OK) == 0)
			return true;
	}
	printf("      node is not installed: not tested\n");
	return false;
}

/* NULL: there is no node. old: a server that does not know HTTP/2. */
static struct rig *rig_new(struct arena *a, size_t wanted, bool old, struct err *e)
{
	struct rig *r = arena_alloc(a, sizeof(*r));
	char folder[] = "/tmp/drover-h2-XXXXXX";
	if (!has_node() || !CHECK(mkdtemp(folder)))
		return NULL;
	*r = (struct rig){ .arena = a, .folder = arena_text(a, str_of(folder)), .http2 = true };
	r->cert = arena_printf(a, "%s/cert.pem", folder);
	r->key = arena_printf(a, "%s/key.pem", folder);
	certificate_make(r);
	unsetenv("CURL_CA_BUNDLE");
	setenv("SSL_CERT_FILE", r->cert, 1);
	close(net_listen(1, &r->port));
	const char *argv[] = { "node", "-e", program, r->key, r->cert, arena_printf(a, "%d", r->port),
		arena_printf(a, "%zu", wanted), old ? "old" : NULL, NULL };
	r->server = net_program_start(argv);
	r->http = http_new();
	r->url = arena_printf(a, "https://127.0.0.1:%d", r->port);
	arena_defer(a, rig_end, r);
	return CHECK(server_wait(r, e)) ? r : NULL;
}

static const char *said(struct rig *r, const char *path, struct err *e)
{
	struct http_reply reply;
	return call(r, path, &reply, e) ? arena_text(r->arena, reply.body) : e->msg;
}

static bool call_in_fiber(void *arg, struct err *e)
{
	struct rig *r = arg;
	const char *answer = said(r, "/all", e);
	r->answers[r->n++] = answer;
	return true;
}

/* Everybody at once; how many connections that made. */
static int64_t connections_of_all(struct rig *r, size_t calls, const char *version, struct err *e)
{
	struct group g = { .keep_going = true };
	int64_t n = -1;
	for (size_t i = 0; i < calls; i++)
		CHECK(group_start(&g, "call", call_in_fiber, r, e));
	group_wait(&g, deadline_in(60000), e);
	CHECK_EQ_I((int64_t)r->n, (int64_t)calls);
	for (size_t i = 0; i < r->n; i++)
		if (!CHECK(strncmp(r->answers[i], version, 3) == 0 && str_to_i64(str_of(r->answers[i] + 4), &n))) {
			printf("      %s\n", r->answers[i]);
			break;
		}
	return n;
}

LOOP_TEST(calls_in_turn_share_a_connection)
{
	struct rig *r = rig_new(a, 1, false, e);
	if (!r)
		return;
	for (int i = 0; i < 5; i++)
		CHECK_EQ_S(said(r, "/", e), "2.0 1");
}

LOOP_TEST(hundreds_of_calls_at_once_share_few_connections)
{
	struct rig *r = rig_new(a, CALLS, false, e);
	if (!r)
		return;
	int64_t n = connections_of_all(r, CALLS, "2.0", e);
	if (!CHECK(n >= 1 && n <= CALLS / STREAMS + 1))
		printf("      %ld connections\n", (long)n);
}

LOOP_TEST(a_server_that_does_not_know_it_is_spoken_to_as_before)
{
	struct rig *r = rig_new(a, 20, true, e);
	if (!r)
		return;
	CHECK_EQ_S(said(r, "/", e), "1.1 1");
	CHECK_EQ_I(connections_of_all(r, 20, "1.1", e), 20);
}

LOOP_TEST(it_is_not_spoken_where_nobody_asked_for_it)
{
	struct rig *r = rig_new(a, 1, true, e);
	if (!r)
		return;
	r->http2 = false;
	CHECK_EQ_S(said(r, "/", e), "1.1 1");
}
