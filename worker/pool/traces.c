/* SPDX-License-Identifier: MIT */
/* Sends spans to a collector, OTLP/HTTP in JSON. What it does not take is dropped and counted; no run waits for it. */
#include "clock.h"
#include "json.h"
#include "pool_inner.h"
#include "tracer.h"

enum { GATHER_MS = 1000, SEND_MS = 10000, TELL_MS = 60000 };

struct tracer *traces_new(const struct pool_config *c)
{
	return c->traces_url && c->traces_url[0] && c->traces_percent ? tracer_new(c->traces_percent) : NULL;
}

/* Everything around the spans. */
static const char *resource_json(struct arena *a, const struct pool *p)
{
	const char *const attributes[][2] = { { "service.name", "drover" }, { "service.version", DROVER_VERSION },
		{ "service.instance.id", p->worker_id }, { "host.name", p->worker.host } };
	cJSON *resource = json_object(a), *list = json_put_array(resource, "attributes");
	for (size_t i = 0; i < COUNT(attributes); i++) {
		cJSON *one = json_add_object(list);
		json_put_text(one, "key", attributes[i][0]);
		json_put_text(json_put_object(one, "value"), "stringValue", attributes[i][1]);
	}
	return json_print(a, resource);
}

static struct str envelope(struct arena *a, const struct pool *p, const struct buf *spans)
{
	enum { AROUND = 4096 };
	struct buf *b = buf_new(a, spans->n + AROUND);
	buf_printf(b, "{\"resourceSpans\":[{\"resource\":%s,\"scopeSpans\":[{", resource_json(a, p));
	buf_printf(b, "\"scope\":{\"name\":\"drover\",\"version\":\"%s\"},\"spans\":[", DROVER_VERSION);
	buf_add(b, buf_str(spans));
	buf_add(b, STR("]}]}]}"));
	return buf_str(b);
}

static struct http_header extra_header(struct arena *a, const char *option)
{
	const char *equals = option ? strchr(option, '=') : NULL;
	if (!equals)
		return (struct http_header){ 0 };
	return (struct http_header){ arena_text(a, (struct str){ option, (size_t)(equals - option) }), equals + 1 };
}

static bool post(struct pool *p, const struct buf *spans, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct http_header headers[] = { { "Content-Type", "application/json" },
		extra_header(tmp, p->config->traces_header), { 0 } };
	struct http_request rq = { .method = "POST", .url = p->config->traces_url, .headers = headers,
		.body = envelope(tmp, p, spans), .limits = { .connect_ms = SEND_MS, .total_ms = SEND_MS } };
	struct http_reply reply;
	if (!http_call(p->models.http, tmp, &rq, NULL, deadline_in(SEND_MS), &reply, e))
		return false;
	return reply.status / 100 == 2 ||
		FAIL(e, ERR_REFUSED, "traces_refused", "the collector answered %d (option traces.url)", reply.status);
}

static void send_ready(struct pool *p, int64_t *told_ms)
{
	struct tracer *t = p->tracer;
	struct err e = { 0 };
	struct buf spans;
	size_t n = tracer_take(t, &spans);
	bool ok = post(p, &spans, &e);
	buf_done(&spans);
	*(ok ? &t->sent : &t->dropped) += (int64_t)n;
	if (ok || (*told_ms && clock_ms() - *told_ms < TELL_MS))
		return;
	*told_ms = clock_ms();
	log_write(LOG_WARN, "traces_dropped", "%s (%ld spans dropped so far)", e.msg, (long)t->dropped);
}

/* The last spans are those of the last runs: they have a moment. */
static void send_last(struct pool *p, int64_t *told_ms)
{
	task_cancel_clear();
	if (p->tracer->n)
		send_ready(p, told_ms);
}

bool pool_trace_loop(void *pool, struct err *e)
{
	struct pool *p = pool;
	int64_t told_ms = 0;
	if (p->tracer)
		p->tracer->sender = task_self();
	while (!task_cancelled()) {
		if (!p->tracer || !p->tracer->n)
			loop_park(NEVER_MS, e);
		else if (loop_park(deadline_in(GATHER_MS), e) || !task_cancelled()) /* woken again when there are many */
			send_ready(p, &told_ms);
	}
	if (p->tracer) {
		p->tracer->sender = NULL;
		send_last(p, &told_ms);
	}
	return pool_service_ended(p, e);
}
