/* SPDX-License-Identifier: MIT */
/* Inside core/rt only: what the files of the HTTP client share. */
#pragma once
#include "clock.h"
#include "swarm.h"
#include "http.h"
#include "loop_uv.h"
#include "names.h"
#include <curl/curl.h>

/*
 * One multi handle scans its transfers; ten thousand on one collapse, on sixteen they do not. Calls that share
 * connections (HTTP/2) are kept to what one connection carries: libcurl opens one for nearly each call that finds its
 * own full.
 */
enum { HTTP_SHARDS = 16, HTTP_SHARED = 128, HTTP_STREAMS = 100 };
enum { HTTP_HEAD_BYTES = 64 * 1024, HTTP_BODY_DEFAULT = 1024 * 1024 };

struct http_shard {
	CURLM *multi; /* made when first used */
	uv_timer_t *timer;
	struct swarm *swarm; /* its sockets are members */
	size_t running;
};

struct http {
	struct http_shard shards[HTTP_SHARDS];
	struct http_shard shared[HTTP_SHARED]; /* for HTTP/2 */
	struct swarm *swarm;
	struct names *names;
	CURLSH *share; /* TLS sessions, so that shards resume each other's */
	const char *ca_file; /* NULL = libcurl's own default */
	bool proxied; /* the environment names a proxy: it resolves, not we */
};

enum http_step { HTTP_RESOLVE, HTTP_CONNECT, HTTP_SENT, HTTP_ANSWERED };

/*
 * One call. Lives in the caller's arena; libcurl knows it until the easy handle is removed. What each piece of the body
 * touches stands together in front: of ten thousand streams none is in the processor's cache when its piece comes.
 */
struct http_transfer {
	enum http_step step;
	bool head_ended, body_begun, to_sink, done;
	int64_t last_byte; /* clock_ms, either way */
	size_t received;   /* of the body */
	struct http_sink sink; /* a copy; data NULL = none */

	int64_t started; /* clock_ms */
	int64_t parked_until;
	curl_off_t uploaded;
	struct http *http;
	struct http_shard *shard; /* NULL while not added */
	struct task *task;
	struct arena *arena;
	const struct http_request *request;
	const char *method, *place; /* "POST", "http://host:port": for messages */
	const char *host, *port;
	bool tls, shares; /* shares: its connection, over HTTP/2 where the server speaks it */

	CURL *easy;
	CURLU *url;
	struct curl_slist *headers, *resolve;
	char why[CURL_ERROR_SIZE];

	CURLcode result;
	struct err failure; /* why a callback ended the transfer */

	int status;
	struct buf *head; /* name NUL value NUL ... */
	size_t n_headers;
	struct buf *body;
};

/* http_setup.c */
bool http_url_read(struct http_transfer *t, struct err *e);
bool http_name_find(struct http_transfer *t, int64_t deadline, struct err *e); /* waits */
bool http_easy_setup(struct http_transfer *t, struct err *e);
const char *http_ca_file(void);
bool http_proxied(void);

/* http_multi.c */
bool http_shard_add(struct http_transfer *t, struct err *e);
void http_shard_remove(struct http_transfer *t);
void http_shard_close(struct http_shard *s);

/* http_reply.c: libcurl's callbacks, and what came of them */
size_t http_on_header(char *line, size_t size, size_t n, void *transfer);
size_t http_on_body(char *piece, size_t size, size_t n, void *transfer);
int http_on_connected(void *transfer, char *to, char *from, int to_port, int from_port);
int http_on_progress(void *transfer, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all, curl_off_t ul);
void http_reply_fill(const struct http_transfer *t, struct http_reply *reply);

/* http_limit.c: limits, and the errors of a transfer */
int64_t http_due(const struct http_transfer *t);
bool http_fail_due(const struct http_transfer *t, struct err *e);
bool http_result(const struct http_transfer *t, struct err *e);
/* "POST http://host:port: response: " in front of e's message. */
bool http_fail_prefix(const struct http_transfer *t, struct err *e);
