/* SPDX-License-Identifier: MIT */
/* PUBLISH drover:session:UUID for each request and flush, many in one command. Redis keeps nothing, and while it is
 * away nothing is kept for it: readers fill gaps in seq from agent_logs. */
#include "clock.h"
#include "delivery_inner.h"
#include "json.h"
#include "redis.h"

enum { PAYLOAD_BYTES = 190 * 1024, RETRY_MS = 1000 };

/* ---- what is said ---- */

static const char *row_json(struct arena *a, const struct run *r, const struct thought_row *row)
{
	cJSON *o = json_object(a);
	json_put_i64(o, "request_id", r->request.id);
	json_put_i64(o, "seq", row->seq);
	json_put_i64(o, "attempt", r->request.attempt);
	json_put_text(o, "agent_name", r->agent_name);
	json_put_text(o, "kind", thought_kind_name(row->kind));
	json_put_text(o, "message", row->message);
	json_put_raw(o, "data", row->data ? row->data : "null");
	return json_print(a, o);
}

/* As the broadcast does: readers have it whole in the table. */
static const char *cut_row_json(struct arena *a, const struct run *r, const struct thought_row *row)
{
	enum { SHOWN = 10000 };
	struct str text = str_of(row->message);
	struct thought_row small = *row;
	small.message = arena_text(a, (struct str){ text.p, utf8_cut(text, SHOWN) });
	small.data = NULL;
	const char *json = row_json(a, r, &small);
	return arena_printf(a, "%.*s,\"cut\":true}", (int)strlen(json) - 1, json);
}

static void payload_end(struct delivery *d, const struct run *r, int64_t first, int64_t last, struct buf *b)
{
	if (!b->n)
		return;
	buf_add(b, STR("]}"));
	notice_add(d, r, first, last, buf_str(b));
	buf_clear(b);
}

void delivery_payloads(struct run *r, int64_t seq)
{
	enum { AROUND = 32 };
	ARENA_SCOPE(tmp);
	struct buf *b = buf_new(tmp, PAYLOAD_BYTES + AROUND);
	const struct thought_row *row = thoughts_rows(r->thoughts);
	int64_t first = row->seq, last = 0;
	for (; row && row->seq <= seq; row = row->next) {
		struct str json = str_of(row_json(tmp, r, row));
		if (json.n > PAYLOAD_BYTES)
			json = str_of(cut_row_json(tmp, r, row));
		if (b->n + json.n > PAYLOAD_BYTES) {
			payload_end(r->pool->delivery, r, first, last, b);
			first = row->seq;
		}
		buf_add(b, b->n ? STR(",") : STR("{\"rows\":["));
		buf_add(b, json);
		last = row->seq;
	}
	payload_end(r->pool->delivery, r, first, last, b);
}

/* ---- sending ---- */

void delivery_close(struct delivery *d)
{
	redis_close(d->redis);
	d->redis = NULL;
}

static bool connected(struct pool *p, struct delivery *d, struct err *e)
{
	if (d->redis && redis_broken(d->redis))
		delivery_close(d);
	if (d->redis)
		return true;
	if (clock_ms() < d->retry_ms)
		return FAIL(e, ERR_NET, "redis_unreachable", "Redis is away");
	d->redis = redis_open(p->config->redis_url, deadline_in(p->config->redis_ms), e);
	d->retry_ms = clock_ms() + RETRY_MS;
	return d->redis != NULL;
}

enum { AT_ONCE = 400 }; /* a command has at most 1024 words */

static bool publish(struct pool *p, struct delivery *d, struct arena *a, struct notice *const *notices, size_t n,
	struct err *e)
{
	const char **words = arena_alloc(a, (2 * n + 4) * sizeof(*words));
	struct redis_reply ignored;
	words[0] = "EVAL";
	words[1] = "for i = 1, #KEYS do redis.call('PUBLISH', KEYS[i], ARGV[i]) end";
	words[2] = arena_printf(a, "%zu", n);
	for (size_t i = 0; i < n; i++) {
		words[3 + i] = arena_printf(a, "drover:session:%s", notices[i]->session);
		words[3 + n + i] = notices[i]->payload;
	}
	return redis_command(d->redis, a, words, deadline_in(p->config->redis_ms), &ignored, e);
}

void delivery_publish(struct pool *p, struct delivery *d)
{
	enum { BYTES = 4 * 1024 * 1024 };
	ARENA_SCOPE(tmp);
	struct err e = { 0 };
	struct notice **notices = arena_alloc(tmp, AT_ONCE * sizeof(struct notice *));
	bool ok = connected(p, d, &e);
	size_t n = 0, bytes = 0;
	while (d->n && n < AT_ONCE && bytes < BYTES) {
		notices[n] = notice_take(d);
		bytes += notices[n++]->bytes;
	}
	ok = ok && publish(p, d, tmp, notices, n, &e);
	for (size_t i = 0; i < n; i++)
		free(notices[i]);
	if (ok)
		d->load.sent += (int64_t)n;
	else
		notices_dropped(d, (int64_t)n, e.msg);
}
