/* SPDX-License-Identifier: MIT */
/* models.yaml: doors to providers, and the models behind them. */
#include "catalog_read.h"

#define AT(c_type, member) offsetof(struct c_type, member)

static const char *const apis[] = { "anthropic", "openai", NULL };
static const char *const key_headers[] = { "bearer", "x-api-key", NULL };

static const struct catalog_key provider_keys[] = {
	{ "api", catalog_read_choice, AT(catalog_provider, api), .choices = apis },
	{ "base_url", catalog_read_node, AT(catalog_provider, base_url), .max = 2048, .required = true },
	{ "api_key_file", catalog_read_node, AT(catalog_provider, api_key_file), .max = 4096 },
	{ "key_header", catalog_read_choice, AT(catalog_provider, key_header), .choices = key_headers },
	{ "version", catalog_read_text, AT(catalog_provider, version), .max = 64 },
	{ "requests_per_minute", catalog_read_count, AT(catalog_provider, requests_per_minute), 0, 10000000 },
	{ "tokens_per_minute", catalog_read_count, AT(catalog_provider, tokens_per_minute), 0, 1000000000 },
	{ 0 },
};

static const struct catalog_key price_keys[] = {
	{ "input", catalog_read_money, AT(catalog_price, input), .required = true },
	{ "output", catalog_read_money, AT(catalog_price, output), .required = true },
	{ "cache_write", catalog_read_money, AT(catalog_price, cache_write) },
	{ "cache_read", catalog_read_money, AT(catalog_price, cache_read) },
	{ 0 },
};

static const struct catalog_key model_keys[] = {
	{ "provider", catalog_read_node, AT(catalog_model, provider), .max = 64 },
	{ "name", catalog_read_node, AT(catalog_model, name), .max = 128 },
	{ "max_tokens", catalog_read_count, AT(catalog_model, max_tokens), 1, 128000 },
	{ "thinking_tokens", catalog_read_count, AT(catalog_model, thinking_tokens), 0, 64000 },
	{ "context_tokens", catalog_read_count, AT(catalog_model, context_tokens), 1000, 10000000 },
	{ "price", catalog_read_part, AT(catalog_model, price), .keys = price_keys },
	{ 0 },
};

/* What a mapping's names must look like: they go into logs and metrics. */
static bool check_name(struct catalog_reader *r, const struct yaml_node *item, const char *extra)
{
	size_t n = strspn(item->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/"), longest = 64;
	bool ok = n && !item->key[n] && n <= longest && (*extra || !strpbrk(item->key, ":/"));
	if (!ok)
		catalog_problem(r->problems, item->key_place, "a name must be of letters, digits and _ - .%s, at most %zu; rename it",
			extra, longest);
	return ok;
}

static void read_providers(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *out)
{
	struct catalog_key map = { .keys = provider_keys };
	struct catalog_provider **end = &((struct catalog_files *)out)->providers;
	(void)k;
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	yaml_each(item, node) {
		struct catalog_provider *p = *end = arena_alloc(r->a, sizeof(*p));
		*p = (struct catalog_provider){ .name = item->key, .node = item };
		end = &p->next;
		check_name(r, item, "");
		if (strcmp(item->key, "default") == 0)
			catalog_problem(r->problems, item->key_place, "default is the provider of the options model.*; rename it");
		catalog_read_map(r, &map, item, p);
	}
}

static void check_tokens(struct catalog_reader *r, const struct catalog_model *m)
{
	const struct yaml_node *thinking = yaml_get(m->node, "thinking_tokens");
	if (thinking && m->thinking_tokens > 0 && m->thinking_tokens < 1024)
		catalog_problem(r->problems, thinking->place, "thinking_tokens must be 0, or at least 1024");
	else if (thinking && m->max_tokens && m->thinking_tokens >= m->max_tokens)
		catalog_problem(r->problems, thinking->place, "thinking_tokens must be below max_tokens");
}

static void read_all_models(struct catalog_reader *r, const struct catalog_key *k, const struct yaml_node *node, void *out)
{
	struct catalog_key map = { .keys = model_keys };
	struct catalog_model **end = &((struct catalog_files *)out)->models;
	(void)k;
	if (!catalog_is_kind(r, node, YAML_MAP))
		return;
	if (node->n > CATALOG_MODELS) {
		catalog_problem(r->problems, node->key_place, "%zu models; at most %d", node->n, CATALOG_MODELS);
		return;
	}
	yaml_each(item, node) {
		struct catalog_model *m = *end = arena_alloc(r->a, sizeof(*m));
		*m = (struct catalog_model){ .key = item->key, .node = item, .thinking_tokens = -1 };
		end = &m->next;
		check_name(r, item, " : /");
		catalog_read_map(r, &map, item, m);
		check_tokens(r, m);
	}
}

void catalog_read_models(struct catalog_reader *r, struct catalog_files *out)
{
	static const struct catalog_key keys[] = {
		{ "providers", read_providers, 0 },
		{ "models", read_all_models, 0 },
		{ 0 },
	};
	struct catalog_key k = { .keys = keys };
	if (!yaml_is_null(r->file->root))
		catalog_read_map(r, &k, r->file->root, out);
}
