/* SPDX-License-Identifier: MIT */
/* Models: the one of the options first, its fallback, and those of models.yaml. */
#include "catalog_inner.h"
#include "model_api.h"

static const struct catalog_provider *find_provider(const struct look *l, const char *name)
{
	const struct catalog_provider *p = l->files.providers;
	while (p && strcmp(p->name, name) != 0)
		p = p->next;
	return p;
}

static struct model_config *find_model(const struct look *l, const char *name)
{
	for (size_t i = 0; i < l->n_models; i++)
		if (strcmp(l->models[i].name, name) == 0)
			return &l->models[i];
	return NULL;
}

/* ---- providers ---- */

static void check_provider(struct look *l, const struct catalog_provider *p)
{
	struct str url = str_of(p->base_url ? p->base_url->text : "https://");
	if (!str_starts(url, "https://") && !str_starts(url, "http://"))
		catalog_problem(l->problems, p->base_url->place, "base_url must begin with https:// or http://");
	else if (strpbrk(url.p, " @?#\\"))
		catalog_problem(l->problems, p->base_url->place, "base_url is scheme, host and port alone, with no user, path or query");
}

static struct model_config at_provider(struct look *l, const struct catalog_provider *p)
{
	struct model_config m = l->c->base->model;
	m.api = model_api_find(p->api == API_OPENAI ? "openai" : "anthropic");
	m.lane = p->name;
	m.base_url = p->base_url ? p->base_url->text : "";
	m.api_key = p->api_key_file ? catalog_secret(l, p->api_key_file) : NULL;
	m.key_as_bearer = p->key_header == KEY_HEADER_BEARER;
	m.version = p->version ? p->version : m.version;
	m.requests_per_minute = p->requests_per_minute;
	m.tokens_per_minute = p->tokens_per_minute;
	m.thinking_tokens = 0;
	m.context_tokens = 0;
	return m;
}

/* ---- models ---- */

static void take_limits(const struct catalog_model *from, struct model_config *m)
{
	if (from->max_tokens)
		m->max_tokens = from->max_tokens;
	if (from->thinking_tokens >= 0)
		m->thinking_tokens = from->thinking_tokens;
	if (from->context_tokens)
		m->context_tokens = from->context_tokens;
	m->price = (struct model_price){ from->price.input, from->price.output, from->price.cache_write, from->price.cache_read };
}

static void check_model(struct look *l, const struct catalog_model *from, const struct model_config *m)
{
	if (m->thinking_tokens >= m->max_tokens)
		catalog_problem(l->problems, from->node->key_place, "%s: thinking_tokens (%lld) must be below max_tokens (%lld)", from->key,
			(long long)m->thinking_tokens, (long long)m->max_tokens);
}

static void build_model(struct look *l, const struct catalog_model *from)
{
	const struct catalog_provider *p = from->provider ? find_provider(l, from->provider->text) : NULL;
	struct model_config *there = find_model(l, from->key), m = l->c->base->model;
	if (from->provider && !p) {
		catalog_problem(l->problems, from->provider->place, "there is no provider %.64s; add it to providers", from->provider->text);
		return;
	}
	if (there && from->provider)
		catalog_problem(l->problems, from->provider->key_place, "%s is the model of the options model.*; take provider out", from->key);
	if (there && from->name)
		catalog_problem(l->problems, from->name->key_place, "%s is the model of the options model.*; take name out", from->key);
	if (p)
		m = at_provider(l, p);
	m.name = from->key;
	m.called = from->name ? from->name->text : NULL;
	take_limits(from, there ? there : &m);
	check_model(l, from, there ? there : &m);
	if (!there)
		l->models[l->n_models++] = m;
}

/* ---- the fallback ---- */

static const char **fallback_names(struct look *l, size_t *n)
{
	enum { MOST = 32 };
	const char **names = arena_alloc(l->a, (MOST + 1) * sizeof(*names));
	struct str rest = str_of(l->c->config->model.fallback), one;
	for (*n = 0; *n < MOST && str_next(&rest, ',', &one);) {
		one = str_trim(one);
		if (one.n)
			names[(*n)++] = arena_text(l->a, one);
	}
	return names;
}

static bool is_in_file(const struct look *l, const char *name)
{
	const struct catalog_model *m = l->files.models;
	while (m && strcmp(m->key, name) != 0)
		m = m->next;
	return m;
}

/* Names that models.yaml gives no provider are models of the options' one. */
static void add_at_default(struct look *l, const char *name)
{
	if (find_model(l, name))
		return;
	struct model_config m = l->c->base->model;
	m.name = name;
	m.price = (struct model_price){ 0 };
	l->models[l->n_models++] = m;
}

void catalog_build_models(struct look *l)
{
	size_t n_fallback, n = 1;
	const char **fallback = fallback_names(l, &n_fallback);
	for (const struct catalog_model *m = l->files.models; m; m = m->next)
		n++;
	l->models = arena_alloc(l->a, (n + n_fallback) * sizeof(*l->models));
	l->models[l->n_models++] = l->c->base->model;
	for (const struct catalog_provider *p = l->files.providers; p; p = p->next)
		check_provider(l, p);
	for (size_t i = 0; i < n_fallback; i++)
		if (!is_in_file(l, fallback[i]))
			add_at_default(l, fallback[i]);
	for (const struct catalog_model *m = l->files.models; m; m = m->next)
		build_model(l, m);
	l->fallback = n_fallback ? fallback : NULL;
}
