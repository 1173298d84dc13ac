/* SPDX-License-Identifier: MIT */
/* Tools that call out: whom they may call, and what their headers hold. */
#include "address.h"
#include "catalog_inner.h"
#include "json_point.h"
#include <strings.h>

/* ---- hosts ---- */

static bool host_matches(struct str pattern, const char *host)
{
	struct str h = str_of(host);
	if (!str_starts(pattern, "*."))
		return pattern.n == h.n && strncasecmp(pattern.p, h.p, h.n) == 0;
	struct str below = { pattern.p + 1, pattern.n - 1 };
	return below.n > 1 && h.n > below.n && strncasecmp(h.p + h.n - below.n, below.p, below.n) == 0;
}

static bool host_is_allowed(const char *hosts, const char *host)
{
	struct str rest = str_of(hosts), one;
	while (str_next(&rest, ',', &one)) {
		one = str_trim(one);
		if (one.n && host_matches(one, host))
			return true;
	}
	return false;
}

static bool looks_like_address(const char *host)
{
	return host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

static void check_host(struct look *l, const struct yaml_node *url, const char *host)
{
	const struct config *c = l->c->config;
	if (!host_is_allowed(c->tools.hosts, host))
		catalog_problem(l->problems, url->place, "%s is not a host that tools may call; add it to the option tools.hosts", host);
	else if (looks_like_address(host) && !c->tools.private_addresses && !address_is_public(host))
		catalog_problem(l->problems, url->place, "%s is not an address of the open internet; option tools.private_addresses would "
			"allow it", host);
}

/* ---- headers ---- */

static bool is_token(const char *text)
{
	size_t n = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return n && !text[n];
}

static const char *header_mistake(const char *name)
{
	static const char *const ours[] = { "host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade",
		"proxy-authorization", "trailer" };
	if (!is_token(name))
		return "is no name of a header; it is of letters, digits and -";
	for (size_t i = 0; i < COUNT(ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return "is a header of the connection, which is not for tools; take it out";
	return NULL;
}

static bool build_header(struct look *l, const struct catalog_tool *from, const struct catalog_header *h,
	struct tool_http_header *out)
{
	struct err e = { 0 };
	size_t at;
	const struct yaml_node *value = h->secret ? h->secret : h->value;
	const char *why = header_mistake(h->name);
	out->name = h->name;
	if (!value)
		return false;
	if (why)
		catalog_problem(l->problems, value->key_place, "%.64s %s", h->name, why);
	if (h->secret) {
		const char *secret = catalog_secret(l, h->secret);
		out->secret = secret ? arena_printf(l->a, "%s%s", h->prefix ? h->prefix : "", secret) : NULL;
		return !why && secret;
	}
	if (template_compile(l->a, value->text, from->fields, PLACE_HEADER, &out->value, &at, &e))
		return !why;
	catalog_problem(l->problems, catalog_place(from->file, value, at), "%s", e.msg);
	return false;
}

/* ---- calls ---- */

static bool build_body(struct look *l, const struct catalog_tool *from, const struct catalog_call *call,
	struct tool_http_call *out)
{
	struct err e = { 0 };
	if (!call->body)
		return true;
	if (call->method && strcmp(call->method, "GET") == 0) {
		catalog_problem(l->problems, call->body->key_place, "a GET has no body; take it out, or take another method");
		return false;
	}
	if (call->body->kind == YAML_TEXT && strcmp(call->body->text, "input") == 0) {
		out->body = HTTP_BODY_INPUT;
		return true;
	}
	if (call->body->kind != YAML_MAP) {
		catalog_problem(l->problems, call->body->place, "body must be 'input', or a mapping");
		return false;
	}
	out->body = HTTP_BODY_JSON;
	out->json = catalog_json(l->a, call->body, l->problems);
	if (out->json && !template_check_json(l->a, out->json, from->fields, &e)) {
		catalog_problem(l->problems, call->body->place, "%s", e.msg);
		return false;
	}
	return out->json;
}

static bool build_call(struct look *l, const struct catalog_tool *from, const struct catalog_call *call,
	struct tool_http_call *out)
{
	struct err e = { 0 };
	const char *host;
	size_t at;
	bool ok = call->method && call->url;
	struct tool_http_header *headers = arena_alloc(l->a, (call->n_headers + 1) * sizeof(*headers));
	*out = (struct tool_http_call){ .method = call->method, .headers = headers, .n_headers = call->n_headers };
	if (call->url && !template_compile_url(l->a, call->url->text, from->fields, &out->url, &host, &at, &e)) {
		catalog_problem(l->problems, catalog_place(from->file, call->url, at), "%s", e.msg);
		ok = false;
	} else if (call->url) {
		check_host(l, call->url, host);
	}
	for (size_t i = 0; i < call->n_headers; i++)
		ok &= build_header(l, from, &call->headers[i], &headers[i]);
	return build_body(l, from, call, out) && ok;
}

static void check_pointer(struct look *l, const struct yaml_node *node)
{
	if (node && !json_pointer_is_good(node->text))
		catalog_problem(l->problems, node->place, "a JSON pointer begins with a slash: /data/0; ~1 stands for a slash within a name");
}

static void check_effect(struct look *l, const struct catalog_http *h, bool reads)
{
	if (reads && h->unknown)
		catalog_problem(l->problems, h->unknown->key_place, "a call that only reads may always be repeated; take it out");
	if (reads && h->probe.node)
		catalog_problem(l->problems, h->probe.node->key_place, "a call that only reads needs no probe; take it out");
	if (h->unknown && h->probe.node)
		catalog_problem(l->problems, h->unknown->key_place, "unknown and probe; keep one of them");
	if (!reads && h->unknown && h->unknown_is == CATALOG_REPEAT && !h->idempotency_header &&
		h->call.method && strcmp(h->call.method, "PUT") != 0 && strcmp(h->call.method, "DELETE") != 0)
		catalog_problem(l->problems, h->unknown->place, "a repeated %s may act twice; name the idempotency_header by which the other "
			"side knows it again", h->call.method);
	if (h->idempotency_header && header_mistake(h->idempotency_header->text))
		catalog_problem(l->problems, h->idempotency_header->place, "%s", header_mistake(h->idempotency_header->text));
}

static enum tool_unknown unknown_of(const struct catalog_http *h, bool reads)
{
	static const enum tool_unknown all[] = { [CATALOG_TELL] = UNKNOWN_TELL, [CATALOG_REPEAT] = UNKNOWN_REPEAT,
		[CATALOG_HUMAN] = UNKNOWN_HUMAN };
	return reads ? UNKNOWN_REPEAT : h->probe.node ? UNKNOWN_PROBE : all[h->unknown_is];
}

bool catalog_build_http(struct look *l, const struct catalog_tool *from, struct tool *to)
{
	const struct catalog_http *h = &from->http;
	bool get = h->call.method && strcmp(h->call.method, "GET") == 0;
	bool reads = h->effect ? strcmp(h->effect, "read") == 0 : get;
	struct tool_http *t = arena_alloc(l->a, sizeof(*t));
	*t = (struct tool_http){ .fields = from->fields, .bytes = (size_t)h->response.bytes, .time_ms = h->response.time_ms,
		.pointer = h->response.pointer ? h->response.pointer->text : "", .reads = reads, .secrets = l->secrets,
		.key_header = h->idempotency_header ? h->idempotency_header->text : NULL,
		.private_addresses = l->c->config->tools.private_addresses };
	bool ok = build_call(l, from, &h->call, &t->call);
	ok = (!h->probe.node || build_call(l, from, &h->probe, &t->probe)) && ok;
	check_pointer(l, h->response.pointer);
	check_effect(l, h, reads);
	to->self = t;
	to->run = tool_http_run;
	to->probe = h->probe.node ? tool_http_probe : NULL;
	to->effect = TOOL_OUTSIDE;
	to->unknown = unknown_of(h, reads);
	return ok;
}
