/* SPDX-License-Identifier: MIT */
/* What libcurl hands over while the fiber sleeps: head, body and progress are noted, never waited for. */
#include "http_impl.h"
#include <ctype.h>

/*
 * Within a step a piece only puts its limit off, and there is nothing to do. A new step has another limit: the fiber is
 * woken when it sleeps past that one. Time is that of the loop: no system clock for each piece.
 */
static void touch(struct http_transfer *t, enum http_step step)
{
	bool same = t->step == step;
	t->step = step;
	t->last_byte = (int64_t)uv_now(loop_uv());
	if (same)
		return;
	if (step == HTTP_ANSWERED)
		curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 1L); /* what is sent is of no interest now */
	int64_t due = http_due(t);
	if (due != t->parked_until && deadline_first(due, t->parked_until) == due)
		task_wake(t->task);
}

int http_on_connected(void *transfer, char *to, char *from, int to_port, int from_port)
{
	struct http_transfer *t = transfer;
	(void)from, (void)to_port, (void)from_port;
	if (t->step == HTTP_SENT && t->request->body.n) {
		FAIL(&t->failure, ERR_NET, "http_cut", "the kept connection died before an answer; what was sent may have been "
			"taken and is not sent again");
		return CURL_PREREQFUNC_ABORT;
	}
	if (t->request->address_allowed && !t->request->address_allowed(to)) { /* a connection that somebody else had opened */
		FAIL(&t->failure, ERR_INPUT, "http_address_refused", "the host's address is not one that may be called");
		return CURL_PREREQFUNC_ABORT;
	}
	touch(t, HTTP_SENT);
	return CURL_PREREQFUNC_OK;
}

int http_on_progress(void *transfer, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all, curl_off_t ul)
{
	struct http_transfer *t = transfer;
	(void)dl_all, (void)dl, (void)ul_all;
	if (t->step == HTTP_SENT && ul != t->uploaded)
		touch(t, HTTP_SENT);
	t->uploaded = ul;
	return 0;
}

/* ---- head ---- */

static bool status_line(struct http_transfer *t, struct str line)
{
	struct str word;
	int64_t status;
	if (!str_starts(line, "HTTP/") || !str_next(&line, ' ', &word) || !str_next(&line, ' ', &word)
		|| !str_to_i64(word, &status))
		return false;
	t->status = (int)status;
	t->n_headers = 0;
	t->head_ended = false;
	buf_clear(t->head); /* what came before was a 1xx */
	return true;
}

static bool header_keep(struct http_transfer *t, struct str line)
{
	static const struct str end = { "", 1 };
	struct str name;
	if (!line.n || !memchr(line.p, ':', line.n))
		return true;
	str_next(&line, ':', &name);
	size_t start = t->head->n;
	if (!buf_add(t->head, name) || !buf_add(t->head, end) || !buf_add(t->head, str_trim(line))
		|| !buf_add(t->head, end))
		return FAIL(&t->failure, ERR_INPUT, "http_head_too_large", "head of the response is over %d bytes",
			HTTP_HEAD_BYTES);
	for (size_t i = start; i < start + name.n; i++)
		t->head->p[i] = (char)tolower((unsigned char)t->head->p[i]);
	t->n_headers++;
	return true;
}

size_t http_on_header(char *line, size_t size, size_t n, void *transfer)
{
	struct http_transfer *t = transfer;
	struct str text = str_trim((struct str){ line, size * n });
	touch(t, HTTP_ANSWERED);
	t->head_ended = t->head_ended || !text.n;
	bool ok = t->body_begun || status_line(t, text) || header_keep(t, text); /* trailers are not kept */
	return ok ? size * n : 0;
}

static const struct http_header *headers_array(const struct http_transfer *t)
{
	struct http_header *all = arena_alloc(t->arena, (t->n_headers + 1) * sizeof(*all));
	const char *p = t->head->p;
	for (size_t i = 0; i < t->n_headers; i++) {
		all[i].name = p;
		all[i].value = p + strlen(p) + 1;
		p = all[i].value + strlen(all[i].value) + 1;
	}
	return all;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
	for (const struct http_header *h = reply->headers; h && h->name; h++)
		if (strcmp(h->name, name) == 0)
			return h->value;
	return NULL;
}

void http_reply_fill(const struct http_transfer *t, struct http_reply *reply)
{
	*reply = (struct http_reply){ .status = t->status, .headers = headers_array(t), .body = buf_str(t->body) };
	const char *type = http_reply_header(reply, "content-type");
	reply->content_type = type ? type : "";
}

/* ---- body ---- */

static void body_begin(struct http_transfer *t)
{
	struct http_reply head;
	t->body_begun = true;
	t->to_sink = t->sink.data != NULL;
	if (!t->sink.head)
		return;
	http_reply_fill(t, &head);
	t->to_sink = t->sink.head(t->sink.self, t->status, head.content_type);
}

static bool body_collect(struct http_transfer *t, struct str piece)
{
	return buf_add(t->body, piece) || FAIL(&t->failure, ERR_INPUT, "http_body_too_large",
		"body of the response is over %zu bytes", t->body->limit);
}

size_t http_on_body(char *piece, size_t size, size_t n, void *transfer)
{
	struct http_transfer *t = transfer;
	struct str bytes = { piece, size * n };
	touch(t, HTTP_ANSWERED);
	if (!t->body_begun)
		body_begin(t);
	t->received += bytes.n;
	bool ok = t->to_sink ? t->sink.data(t->sink.self, bytes, &t->failure) : body_collect(t, bytes);
	return ok ? bytes.n : 0;
}
