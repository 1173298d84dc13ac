/* SPDX-License-Identifier: MIT */
/* The HTTP client over TLS, against a real server with a certificate of the test's own: `openssl s_server`. */
#include "http.h"
#include "loop.h"
#include "net.h"
#include "test.h"
#include <sys/wait.h>
#include <unistd.h>

struct rig {
	struct arena *arena;
	const char *folder, *cert;
	pid_t server;
	int port;
	struct http *http;
};

static void rig_end(void *self)
{
	struct rig *r = self;
	CHECK_EQ_I((int64_t)http_running(r->http), 0);
	http_free(r->http);
	net_program_kill(r->server);
	unlink(r->cert);
	unlink(arena_printf(r->arena, "%s/key.pem", r->folder));
	rmdir(r->folder);
	unsetenv("SSL_CERT_FILE");
}

static void certificate_make(struct rig *r)
{
	const char *key = arena_printf(r->arena, "%s/key.pem", r->folder);
	const char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
		"-nodes", "-subj", "/CN=drover test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
		"-keyout", key, "-out", r->cert, NULL };
	int status;
	waitpid(net_program_start(argv), &status, 0);
	CHECK_EQ_I(status, 0); /* is openssl installed? */
}

static pid_t server_start(struct rig *r)
{
	const char *at = arena_printf(r->arena, "127.0.0.1:%d", r->port);
	const char *key = arena_printf(r->arena, "%s/key.pem", r->folder);
	const char *argv[] = { "openssl", "s_server", "-accept", at, "-cert", r->cert, "-key", key, "-www", NULL };
	return net_program_start(argv);
}

/* trusted: this process trusts the server's certificate, as an operator would say it. */
static struct rig *rig_new(struct arena *a, bool trusted)
{
	struct rig *r = arena_alloc(a, sizeof(*r));
	struct err ignored;
	char folder[] = "/tmp/drover-tls-XXXXXX";
	*r = (struct rig){ .arena = a, .folder = arena_text(a, str_of(mkdtemp(folder))) };
	r->cert = arena_printf(a, "%s/cert.pem", r->folder);
	certificate_make(r);
	unsetenv("CURL_CA_BUNDLE");
	unsetenv("SSL_CERT_FILE");
	if (trusted)
		setenv("SSL_CERT_FILE", r->cert, 1);
	close(net_listen(1, &r->port));
	r->server = server_start(r);
	r->http = http_new();
	arena_defer(a, rig_end, r);
	for (int i = 0; i < 100; i++) {
		int fd = net_connect(r->port);
		bool up = net_write(fd, STR("x"), deadline_in(1000), &ignored);
		close(fd);
		if (up)
			break;
		loop_sleep(20, &ignored);
	}
	return r;
}

static bool call(struct rig *r, const char *host, struct http_reply *reply, struct err *e)
{
	struct http_request rq = { .url = arena_printf(r->arena, "https://%s:%d/", host, r->port) };
	return http_call(r->http, r->arena, &rq, NULL, deadline_in(5000), reply, e);
}

LOOP_TEST(a_trusted_certificate_lets_the_call_through)
{
	struct rig *r = rig_new(a, true);
	struct http_reply reply;
	for (int i = 0; i < 20; i++)
		REQUIRE_OK(call(r, "127.0.0.1", &reply, e));
	CHECK_EQ_I(reply.status, 200);
	CHECK(reply.body.n > 100);
}

static void check_refused(const struct err *e)
{
	CHECK_EQ_I(e->kind, ERR_NET);
	CHECK_EQ_S(e->code, "http_unreachable");
	CHECK(strstr(e->msg, ": connect or TLS: SSL"));
}

LOOP_TEST(an_unknown_certificate_is_refused)
{
	struct rig *r = rig_new(a, false);
	struct http_reply reply;
	CHECK(!call(r, "127.0.0.1", &reply, e));
	check_refused(e);
}

LOOP_TEST(a_certificate_for_another_name_is_refused)
{
	struct rig *r = rig_new(a, true);
	struct http_reply reply;
	CHECK(!call(r, "localhost", &reply, e));
	check_refused(e);
}
