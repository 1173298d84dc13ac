/* SPDX-License-Identifier: MIT */
/* From a look at the folder to a generation, and again whenever the folder has changed. */
#include "catalog_inner.h"
#include "loop.h"

static void catalog_end(void *catalog)
{
	arena_free(((struct catalog *)catalog)->watched_in);
}

struct catalog *catalog_new(struct arena *a, const struct config *config, const struct pool_config *base)
{
	struct catalog *c = arena_alloc(a, sizeof(*c));
	*c = (struct catalog){ .arena = a, .config = config, .base = base };
	arena_defer(a, catalog_end, c);
	return c;
}

/* ---- files beside the folder's own ---- */

void catalog_watch_file(struct look *l, const char *path)
{
	for (size_t i = 0; i < l->n_watched; i++)
		if (strcmp(l->watched[i], path) == 0)
			return;
	if (l->n_watched < LOOK_WATCHED)
		l->watched[l->n_watched++] = path;
}

static bool is_file_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
	return n && !text[n] && text[0] != '.';
}

/* Nothing that would end a header's line, or look different within JSON: then it could not be kept out of results. */
static const char *secret_mistake(struct str text)
{
	enum { SHORTEST = 8 };
	if (!text.n)
		return "is empty; write the secret into it";
	if (text.n < SHORTEST)
		return "holds fewer than 8 bytes, too few to be kept out of answers; take a longer secret";
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7F || text.p[i] == '"' || text.p[i] == '\\')
			return "must hold one word of ASCII, without blanks, quotes and backslashes";
	return NULL;
}

static const char *secret_path(struct look *l, const struct yaml_node *at)
{
	const char *dir = l->c->config->tools.secrets_dir;
	bool key = strcmp(at->key, "api_key_file") == 0;
	if (key && at->text[0] == '/')
		return at->text;
	if (!is_file_name(at->text))
		catalog_problem(l->problems, at->place, "a secret is the name of a file in tools.secrets_dir%s", key ? ", or a path from the root" :
			"");
	else if (!*dir)
		catalog_problem(l->problems, at->place, "there is no folder of secrets; set the option tools.secrets_dir");
	else
		return arena_printf(l->a, "%s/%s", dir, at->text);
	return NULL;
}

const char *catalog_secret(struct look *l, const struct yaml_node *at)
{
	enum { SECRET_BYTES = 4096 };
	struct err e = { 0 };
	struct str text = { 0 };
	const char *path = secret_path(l, at), *why;
	if (!path)
		return NULL;
	catalog_watch_file(l, path);
	why = catalog_text(l->a, path, SECRET_BYTES, &text, &e) ? secret_mistake(text = str_trim(text)) : e.msg;
	if (why) {
		catalog_problem(l->problems, at->place, "the secret's file %s", why);
		return NULL;
	}
	const char *secret = arena_text(l->a, text);
	if (l->n_secrets < LOOK_SECRETS)
		l->secrets[l->n_secrets++] = secret;
	return secret;
}

/* ---- one look ---- */

const char *catalog_more(struct arena *a, const struct catalog_problems *problems)
{
	size_t n = problems->all.n;
	return n > CATALOG_PROBLEMS ? arena_printf(a, "and %zu more", n - CATALOG_PROBLEMS) : NULL;
}

static void remember_watched(struct catalog *c, const struct look *l)
{
	arena_free(c->watched_in);
	c->watched_in = arena_new();
	const char **all = arena_alloc(c->watched_in, (l->n_watched + 1) * sizeof(*all));
	for (size_t i = 0; i < l->n_watched; i++)
		all[i] = arena_text(c->watched_in, str_of(l->watched[i]));
	c->watched = all;
}

static struct generation *generation_of(struct look *l)
{
	struct generation *g = arena_alloc(l->a, sizeof(*g));
	const struct agent **agents = arena_alloc(l->a, (l->listing.n_agents + 1) * sizeof(*agents));
	for (size_t i = 0; i < l->listing.n_agents; i++)
		agents[i] = l->listing.agents[i].agent;
	*g = (struct generation){ .arena = l->a, .agents = agents, .models = l->models, .n_models = l->n_models,
		.fallback = l->fallback };
	return g;
}

static void arena_end(void *a)
{
	arena_free(a);
}

struct generation *catalog_load(struct catalog *c, struct catalog_problems *problems, struct catalog_listing *listing)
{
	struct arena *a = arena_new();
	struct look l = { .c = c, .a = a, .problems = problems };
	l.watched = arena_alloc(a, (LOOK_WATCHED + 1) * sizeof(*l.watched));
	l.secrets = arena_alloc(a, (LOOK_SECRETS + 1) * sizeof(*l.secrets));
	const char *dir = c->config->catalog.dir;
	uint64_t before = *dir ? catalog_mark(dir, NULL) : 0;
	if (*dir)
		catalog_read(a, dir, &l.files, problems);
	catalog_build_tools(&l);
	catalog_build_models(&l);
	catalog_build_agents(&l);
	remember_watched(c, &l);
	/* what changed while it was read is looked at again */
	c->mark = *dir && catalog_mark(dir, NULL) == before ? catalog_mark(dir, c->watched) : 0;
	if (listing)
		*listing = l.listing;
	if (!problems->all.n)
		return generation_of(&l);
	arena_defer(problems->a, arena_end, a);
	return NULL;
}

void catalog_drop(struct generation *g)
{
	if (g)
		arena_free(g->arena);
}

/* ---- again and again ---- */

static void tell(const struct catalog_problems *problems)
{
	for (const struct config_problem *p = problems->all.first; p; p = p->next)
		log_write(LOG_ERROR, "catalog_wrong", "%s", p->text);
	log_write(LOG_ERROR, "catalog_refused", "%zu mistakes: the agents and tools from before go on", problems->all.n);
}

static void look_again(const struct catalog_watch *w)
{
	ARENA_SCOPE(tmp);
	struct catalog_problems problems = { .a = tmp };
	struct generation *g = catalog_load(w->catalog, &problems, NULL);
	if (!g) {
		tell(&problems);
		return;
	}
	log_write(LOG_INFO, "catalog_loaded", "%s has changed: requests that start from now on run with it",
		w->catalog->config->catalog.dir);
	pool_adopt(w->pool, g);
}

/* Half of a change may be there already, and the rest a moment later: a mark that still moves is looked at again first. */
bool catalog_watch(void *watch, struct err *e)
{
	const struct catalog_watch *w = watch;
	struct catalog *c = w->catalog;
	const char *dir = c->config->catalog.dir;
	uint64_t seen = c->mark;
	while (*dir && loop_sleep(c->config->catalog.check_ms, e)) {
		uint64_t now = catalog_mark(dir, c->watched);
		if (now != c->mark && now == seen)
			look_again(w);
		seen = now;
	}
	return true;
}
