/* SPDX-License-Identifier: MIT */
/* From a request to an easy handle: the address is read, the name is found, every option is set and checked. */
#include "http_impl.h"
#include <arpa/inet.h>
#include <strings.h>

enum { HEADERS_MAX = 100, RECEIVE_BYTES = 4 * 1024, SEND_BYTES = 16 * 1024 };

/* ---- what the environment says ---- */

static const char *first_set(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = getenv(names[i]);
		if (value && value[0])
			return value;
	}
	return NULL;
}

const char *http_ca_file(void)
{
	static const char *const names[] = { "CURL_CA_BUNDLE", "SSL_CERT_FILE" };
	const char *file = first_set(names, COUNT(names));
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	return file || info->age < CURLVERSION_TENTH ? file : info->cainfo;
}

bool http_proxied(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	return first_set(names, COUNT(names)) != NULL;
}

/* ---- the address ---- */

static const char *url_part(const struct http_transfer *t, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	if (curl_url_get(t->url, part, &text, flags) != CURLUE_OK)
		return NULL;
	const char *copy = arena_text(t->arena, str_of(text));
	curl_free(text);
	return copy;
}

/* Messages name host and port, never the URL: its user, password and query may be secret. */
bool http_url_read(struct http_transfer *t, struct err *e)
{
	t->url = curl_url();
	CURLUcode rc = curl_url_set(t->url, CURLUPART_URL, t->request->url, 0);
	if (rc != CURLUE_OK)
		return FAIL(e, ERR_INPUT, "http_bad_url", "%s: not a usable URL: %s", t->method, curl_url_strerror(rc));
	const char *scheme = url_part(t, CURLUPART_SCHEME, 0);
	t->host = url_part(t, CURLUPART_HOST, 0);
	if (!scheme || !t->host || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return FAIL(e, ERR_INPUT, "http_bad_url", "%s: a URL must be http or https, not %s", t->method,
			scheme ? scheme : "without a scheme");
	t->tls = scheme[4] == 's';
	t->shares = t->tls && t->request->http2;
	t->port = url_part(t, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	t->place = arena_printf(t->arena, "%s://%s:%s", scheme, t->host, t->port);
	return true;
}

static bool is_literal(const char *host)
{
	struct in_addr any;
	return host[0] == '[' || inet_pton(AF_INET, host, &any) == 1;
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0
		|| (is_literal(host) && strncmp(host, "127.", 4) == 0);
}

static bool is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return !*text;
}

static bool fail_name(const struct http_transfer *t, int64_t connect, int64_t total, struct err *e)
{
	int64_t now = clock_ms();
	const struct http_limits *l = &t->request->limits;
	if (e->kind == ERR_NET)
		e->code = "http_unreachable";
	else if (e->kind == ERR_TIMEOUT && connect != NEVER_MS && now >= connect)
		FAIL(e, ERR_TIMEOUT, "connect_timeout", "no address within %ld ms", (long)l->connect_ms);
	else if (e->kind == ERR_TIMEOUT && total != NEVER_MS && now >= total)
		FAIL(e, ERR_TIMEOUT, "total_timeout", "not complete after %ld ms", (long)l->total_ms);
	return http_fail_prefix(t, e);
}

static bool fail_address(const struct http_transfer *t, struct err *e)
{
	FAIL(e, ERR_INPUT, "http_address_refused", "the host's address is not one that may be called");
	return http_fail_prefix(t, e);
}

/* One that is refused refuses the host: what else it is called may change between two looks. */
static bool addresses_check(const struct http_transfer *t, const char *addresses, struct err *e)
{
	struct str rest = str_of(addresses), one;
	while (t->request->address_allowed && str_next(&rest, ',', &one))
		if (!t->request->address_allowed(arena_text(t->arena, one)))
			return fail_address(t, e);
	return true;
}

/* The answer is pinned: libcurl would start a thread for each lookup, and wait for it when the call is cancelled. */
bool http_name_find(struct http_transfer *t, int64_t deadline, struct err *e)
{
	if (is_literal(t->host))
		return addresses_check(t, t->host, e);
	if ((t->http->proxied && !t->request->direct) || !is_ascii(t->host))
		return !t->request->address_allowed || fail_address(t, e); /* it is not we who look the name up */
	const char *addresses;
	int64_t connect = deadline_in(t->request->limits.connect_ms), total = deadline_in(t->request->limits.total_ms);
	int64_t until = deadline_first(deadline, deadline_first(connect, total));
	if (!names_find(t->http->names, t->arena, t->host, until, &addresses, e))
		return fail_name(t, connect, total, e);
	if (!addresses_check(t, addresses, e))
		return false;
	t->resolve = curl_slist_append(NULL, arena_printf(t->arena, "%s:%s:%s", t->host, t->port, addresses));
	return true;
}

/* ---- the head of the request ---- */

static bool is_token(const char *text)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	return text[0] && text[strspn(text, allowed)] == '\0';
}

static void header_add(struct http_transfer *t, const char *line)
{
	t->headers = curl_slist_append(t->headers, line);
	if (!t->headers)
		abort(); /* out of memory */
}

static bool has_header(const struct http_header *h, const char *name)
{
	for (; h && h->name; h++)
		if (strcasecmp(h->name, name) == 0)
			return true;
	return false;
}

static bool headers_build(struct http_transfer *t, struct err *e)
{
	const struct http_header *first = t->request->headers;
	for (const struct http_header *h = first; h && h->name; h++) {
		if (!is_token(h->name) || !h->value || strpbrk(h->value, "\r\n") || h - first >= HEADERS_MAX)
			return FAIL(e, ERR_INPUT, "http_bad_header",
				"%s %s: request header %ld is refused: a name of letters, a line of value, at most %d",
				t->method, t->place, (long)(h - first) + 1, HEADERS_MAX);
		header_add(t, arena_printf(t->arena, h->value[0] ? "%s: %s" : "%s;", h->name, h->value));
	}
	if (!has_header(first, "content-type"))
		header_add(t, "Content-Type:"); /* else libcurl claims a form */
	header_add(t, "Expect:");
	return is_token(t->method) || FAIL(e, ERR_INPUT, "http_bad_method", "not an HTTP method: %s", t->method);
}

/* ---- options ---- */

#define SET(option, value) (curl_easy_setopt(t->easy, (option), (value)) == CURLE_OK \
	|| FAIL(e, ERR_BUG, "http_internal", "libcurl refuses %s", #option))

static bool set_callbacks(struct http_transfer *t, struct err *e)
{
	return SET(CURLOPT_PRIVATE, t)
		&& SET(CURLOPT_ERRORBUFFER, t->why)
		&& SET(CURLOPT_HEADERFUNCTION, http_on_header)
		&& SET(CURLOPT_HEADERDATA, t)
		&& SET(CURLOPT_WRITEFUNCTION, http_on_body)
		&& SET(CURLOPT_WRITEDATA, t)
		&& SET(CURLOPT_PREREQFUNCTION, http_on_connected)
		&& SET(CURLOPT_PREREQDATA, t)
		&& SET(CURLOPT_XFERINFOFUNCTION, http_on_progress)
		&& SET(CURLOPT_XFERINFODATA, t)
		&& SET(CURLOPT_NOPROGRESS, t->request->body.n ? 0L : 1L);
}

static bool set_connection(struct http_transfer *t, struct err *e)
{
	int64_t connect_ms = t->request->limits.connect_ms, left = t->started + connect_ms - clock_ms();
	return SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms > 0 ? (long)MAX_OF(left, (int64_t)1) : (long)INT32_MAX)
		&& SET(CURLOPT_NOSIGNAL, 1L)
		&& SET(CURLOPT_TCP_NODELAY, 1L)
		&& SET(CURLOPT_TCP_KEEPALIVE, 1L)
		&& SET(CURLOPT_HTTP_VERSION, (long)(t->shares ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1))
		&& SET(CURLOPT_PIPEWAIT, t->shares ? 1L : 0L) /* else calls that start at once open a connection each */
		&& SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES)
		&& SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES)
		&& SET(CURLOPT_SHARE, t->http->share)
		&& (!t->resolve || SET(CURLOPT_RESOLVE, t->resolve))
		&& ((!is_loopback(t->host) && !t->request->direct) || SET(CURLOPT_PROXY, ""));
}

/* A CA path, Debian's default, would keep libcurl from caching the CA store: 900 kB and 16 ms a connection. */
static bool set_trust(struct http_transfer *t, struct err *e)
{
	return SET(CURLOPT_SSL_VERIFYPEER, 1L)
		&& SET(CURLOPT_SSL_VERIFYHOST, 2L)
		&& (!t->http->ca_file || SET(CURLOPT_CAINFO, t->http->ca_file))
		&& (!t->http->ca_file || SET(CURLOPT_CAPATH, NULL));
}

static bool set_request(struct http_transfer *t, struct err *e)
{
	struct str body = t->request->body;
	bool head = strcmp(t->method, "HEAD") == 0, get = strcmp(t->method, "GET") == 0;
	return SET(CURLOPT_CURLU, t->url)
		&& SET(CURLOPT_PROTOCOLS_STR, "http,https")
		&& SET(CURLOPT_FOLLOWLOCATION, 0L)
		&& SET(CURLOPT_HTTPHEADER, t->headers)
		&& (!head || SET(CURLOPT_NOBODY, 1L))
		&& (((head || get) && !body.n) || (SET(CURLOPT_POST, 1L)
			&& SET(CURLOPT_POSTFIELDS, body.n ? body.p : "")
			&& SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n)))
		&& (head || SET(CURLOPT_CUSTOMREQUEST, t->method));
}

bool http_easy_setup(struct http_transfer *t, struct err *e)
{
	if (!headers_build(t, e))
		return false;
	t->step = HTTP_CONNECT;
	t->easy = curl_easy_init();
	if (!t->easy)
		return FAIL(e, ERR_BUG, "http_internal", "libcurl gives no handle");
	return set_callbacks(t, e) && set_connection(t, e) && set_trust(t, e) && set_request(t, e);
}
