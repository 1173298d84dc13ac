/* SPDX-License-Identifier: MIT */
/* A file of tools/: what its keys are. */
#include "catalog_read.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, KIB = 1024, MIB = 1024 * KIB };

#define AT(c_type, member) offsetof(struct c_type, member)

static const struct catalog_key sql_keys[] = {
	{ "statement", catalog_read_node, AT(catalog_sql, statement), .max = CATALOG_STATEMENT_BYTES, .required = true },
	{ "write", catalog_read_bool, AT(catalog_sql, write) },
	{ "role", catalog_read_node, AT(catalog_sql, role), .max = 63 },
	{ "rows", catalog_read_count, AT(catalog_sql, rows), 1, 10000 },
	{ "bytes", catalog_read_size, AT(catalog_sql, bytes), KIB, MIB },
	{ "time", catalog_read_time, AT(catalog_sql, time_ms), 10, 10 * MINUTE },
	{ 0 },
};

/* ---- http ---- */

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
static const char *const effects[] = { "read", "outside", NULL };
static const char *const unknowns[] = { "tell", "repeat", "human", NULL };

static const struct catalog_key secret_keys[] = {
	{ "secret", catalog_read_node, AT(catalog_header, secret), .max = 128, .required = true },
	{ "prefix", catalog_read_text, AT(catalog_header, prefix), .max = 64 },
	{ 0 },
};

static void read_headers(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *at)
{
	static const struct catalog_key text = { .max = 4096 }, secret = { .keys = secret_keys };
	struct catalog_call *call = (struct catalog_call *)(void *)((char *)at - AT(catalog_call, headers));
	(void)k;
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	if (node->n > CATALOG_FIELDS) {
		catalog_problem(r->problems, node->key_place, "%zu headers; at most %d", node->n, CATALOG_FIELDS);
		return;
	}
	struct catalog_header *headers = arena_alloc(r->a, (node->n + 1) * sizeof(*headers));
	size_t n = 0;
	yaml_each(item, node) {
		headers[n].name = item->key;
		if (item->kind == YAML_MAP)
			catalog_read_map(r, &secret, item, &headers[n++]);
		else
			catalog_read_node(r, &text, item, &headers[n++].value);
	}
	call->headers = headers;
	call->n_headers = n;
}

static const struct catalog_key response_keys[] = {
	{ "bytes", catalog_read_size, AT(catalog_http, response.bytes) - AT(catalog_http, response), 1, 16 * MIB },
	{ "pointer", catalog_read_node, AT(catalog_http, response.pointer) - AT(catalog_http, response), .max = 1000 },
	{ "time", catalog_read_time, AT(catalog_http, response.time_ms) - AT(catalog_http, response), 10, 10 * MINUTE },
	{ 0 },
};

static const struct catalog_key probe_keys[] = {
	{ "method", catalog_read_word, AT(catalog_call, method), .choices = methods, .required = true },
	{ "url", catalog_read_node, AT(catalog_call, url), .max = 4096, .required = true },
	{ "headers", read_headers, AT(catalog_call, headers) },
	{ "body", catalog_read_any, AT(catalog_call, body) },
	{ 0 },
};

static const struct catalog_key http_keys[] = {
	{ "method", catalog_read_word, AT(catalog_http, call.method), .choices = methods, .required = true },
	{ "url", catalog_read_node, AT(catalog_http, call.url), .max = 4096, .required = true },
	{ "headers", read_headers, AT(catalog_http, call.headers) },
	{ "body", catalog_read_any, AT(catalog_http, call.body) },
	{ "response", catalog_read_part, AT(catalog_http, response), .keys = response_keys },
	{ "effect", catalog_read_word, AT(catalog_http, effect), .choices = effects },
	{ "unknown", catalog_read_any, AT(catalog_http, unknown) },
	{ "probe", catalog_read_part, AT(catalog_http, probe), .keys = probe_keys },
	{ "idempotency_header", catalog_read_node, AT(catalog_http, idempotency_header), .max = 100 },
	{ 0 },
};

static const struct catalog_key approval_keys[] = {
	{ "needed", catalog_read_bool, AT(catalog_approval, needed) },
	{ "not_requester", catalog_read_bool, AT(catalog_approval, not_requester) },
	{ "why", catalog_read_text, AT(catalog_approval, why), .max = 1000 },
	{ "expire", catalog_read_time, AT(catalog_approval, expire_ms), MINUTE, 365LL * 24 * 60 * MINUTE },
	{ 0 },
};

static const struct catalog_key tool_keys[] = {
	{ "name", catalog_read_node, AT(catalog_tool, name), .max = 64, .required = true },
	{ "text", catalog_read_node, AT(catalog_tool, text), .max = 4000, .required = true },
	{ "input", catalog_read_fields, 0 },
	{ "sql", catalog_read_part, AT(catalog_tool, sql), .keys = sql_keys },
	{ "http", catalog_read_part, AT(catalog_tool, http), .keys = http_keys },
	{ "approval", catalog_read_part, AT(catalog_tool, approval), .keys = approval_keys },
	{ 0 },
};

static const struct field no_fields[] = { { 0 } };

static void read_unknown(struct catalog_reader *r, struct catalog_http *http)
{
	struct catalog_key k = { .choices = unknowns };
	int which = CATALOG_TELL;
	if (!http->unknown)
		return;
	catalog_read_choice(r, &k, http->unknown, &which);
	http->unknown_is = (enum catalog_unknown)which;
}

void catalog_read_tool(struct catalog_reader *r, struct catalog_tool *tool)
{
	struct catalog_key k = { .keys = tool_keys };
	*tool = (struct catalog_tool){ .file = r->file, .fields = no_fields,
		.sql = { .rows = 100, .bytes = 256 * KIB, .time_ms = 5 * SECOND },
		.http = { .response = { .bytes = 64 * KIB, .time_ms = 10 * SECOND } } };
	catalog_read_map(r, &k, r->file->root, tool);
	read_unknown(r, &tool->http);
	if (r->file->root->kind == YAML_MAP && !tool->sql.node == !tool->http.call.node)
		catalog_problem(r->problems, tool->sql.node ? tool->http.call.node->key_place : r->file->root->place,
			tool->sql.node ? "sql and http in one tool; keep one of them" : "neither sql nor http; a tool is one of them");
}
