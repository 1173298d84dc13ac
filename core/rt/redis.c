/* SPDX-License-Identifier: MIT */
/* A Redis connection on fibers: a fiber sends a command and sleeps until its reply, in order with the others'. */
#include "redis_impl.h"
#include "names.h"
#include <curl/urlapi.h>
#include <curl/curl.h>
#include <strings.h>

enum { WORDS_MAX = 1024 };

/* ---- commands ---- */

/* On the stack of the fiber that waits: it does not leave before hiredis has answered or forgotten it. */
struct wait {
	struct redis *redis;
	struct task *task;
	struct arena *arena;
	struct redis_reply *reply;
	struct err *error;
	bool done, ok;
};

static bool fail_broken(const char *place, const char *why, struct err *e)
{
	return FAIL(e, ERR_NET, "redis_unreachable", "redis %s: %s", place, why && why[0] ? why : "connection closed");
}

static bool reply_take(struct wait *w, const redisAsyncContext *c, const redisReply *r)
{
	if (!r)
		return fail_broken(w->redis->place, c->errstr, w->error);
	if (r->type == REDIS_REPLY_ERROR)
		return FAIL(w->error, ERR_INPUT, "redis_error", "redis %s: %s", w->redis->place, r->str);
	return redis_reply_copy(w->arena, r, w->reply) || FAIL(w->error, ERR_INPUT, "redis_reply_too_large",
		"redis %s: reply is over %d bytes or %d items", w->redis->place, REDIS_REPLY_BYTES, REDIS_REPLY_ITEMS);
}

static void on_reply(redisAsyncContext *c, void *reply, void *wait)
{
	struct wait *w = wait;
	w->ok = reply_take(w, c, reply);
	w->done = true;
	task_wake(w->task);
}

/* Words after which replies come that nobody asked for. */
static bool is_subscription(const char *word)
{
	static const char *const words[] = { "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
		"sunsubscribe", "monitor" };
	for (size_t i = 0; i < COUNT(words); i++)
		if (strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

static bool words_count(const char *const *words, int *n, struct err *e)
{
	for (*n = 0; *n <= WORDS_MAX && words[*n];)
		++*n;
	if (*n == 0 || *n > WORDS_MAX || is_subscription(words[0]))
		return FAIL(e, ERR_INPUT, "redis_bad_command",
			"a Redis command has 1 to %d words and is no subscription", WORDS_MAX);
	return true;
}

/* hiredis answers all who wait, with nothing, before it returns. */
static void redis_break(struct redis *r)
{
	if (r->context)
		redisAsyncFree(r->context);
	r->context = NULL;
}

static bool command_wait(struct wait *w, int64_t deadline, struct err *e)
{
	bool ok = true;
	while (ok && !w->done)
		ok = loop_park(deadline, e);
	if (w->done)
		return w->ok;
	struct err why = *e;
	redis_break(w->redis);
	*e = why;
	return err_prefix(e, "redis %s: ", w->redis->place);
}

bool redis_command(struct redis *r, struct arena *a, const char *const *words, int64_t deadline,
	struct redis_reply *reply, struct err *e)
{
	int n;
	struct redis_reply got;
	struct wait w = { .redis = r, .task = task_self(), .arena = a, .reply = &got, .error = e };
	if (!words_count(words, &n, e))
		return false;
	if (!r->context)
		return fail_broken(r->place, NULL, e);
	if (redisAsyncCommandArgv(r->context, on_reply, &w, n, (const char **)words, NULL) != REDIS_OK)
		return fail_broken(r->place, r->context->errstr, e);
	if (!command_wait(&w, deadline, e))
		return false;
	*reply = got;
	return true;
}

/* ---- connections ---- */

struct address {
	const char *host, *user, *password, *db;
	int64_t port;
};

static const char *url_part(struct arena *a, CURLU *url, CURLUPart part)
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, CURLU_URLDECODE) != CURLUE_OK)
		return NULL;
	const char *copy = arena_text(a, str_of(text));
	curl_free(text);
	return copy;
}

static void url_end(void *url)
{
	curl_url_cleanup(url);
}

/* The message must not repeat the URL: it may hold a password. */
static bool address_read(struct arena *a, const char *text, struct address *to, struct err *e)
{
	CURLU *url = curl_url();
	arena_defer(a, url_end, url);
	bool ok = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
		&& str_is(str_of(url_part(a, url, CURLUPART_SCHEME)), "redis");
	const char *port = ok ? url_part(a, url, CURLUPART_PORT) : NULL;
	const char *path = ok ? url_part(a, url, CURLUPART_PATH) : NULL;
	*to = (struct address){ .host = url_part(a, url, CURLUPART_HOST), .user = url_part(a, url, CURLUPART_USER),
		.password = url_part(a, url, CURLUPART_PASSWORD),
		.db = path && path[0] == '/' ? path + 1 : "", .port = 6379 };
	int64_t db = 0;
	ok = ok && to->host && (!port || str_to_i64(str_of(port), &to->port))
		&& (!to->db[0] || (str_to_i64(str_of(to->db), &db) && db >= 0));
	return ok || FAIL(e, ERR_INPUT, "redis_bad_url",
		"not a Redis URL: redis://[[user]:password@]host[:port][/database number] is expected");
}

/* hiredis would look the name up itself, and block the loop. */
static bool host_find(struct arena *a, const char *host, int64_t deadline, const char **all, struct err *e)
{
	struct names *names = names_new();
	struct str bare = str_of(host);
	if (bare.n > 2 && bare.p[0] == '[')
		bare = (struct str){ bare.p + 1, bare.n - 2 };
	bool ok = names_find(names, a, arena_text(a, bare), deadline, all, e);
	names_free(names);
	if (!ok && e->kind == ERR_NET)
		e->code = "redis_unreachable";
	return ok || err_prefix(e, "redis: ");
}

static bool redis_greet(struct redis *r, const struct address *to, int64_t deadline, struct err *e)
{
	struct redis_reply reply;
	const char *user = to->user && to->user[0] ? to->user : NULL;
	const char *auth[] = { "AUTH", user ? user : to->password, user ? to->password : NULL, NULL };
	const char *select[] = { "SELECT", to->db[0] ? to->db : "0", NULL };
	return (!to->password || redis_command(r, r->arena, auth, deadline, &reply, e))
		&& redis_command(r, r->arena, select, deadline, &reply, e);
}

static bool redis_connect(struct redis *r, const struct address *to, struct str ip, int64_t deadline, struct err *e)
{
	bool six = ip.p[0] == '[';
	const char *bare = arena_text(r->arena, (struct str){ ip.p + six, ip.n - 2 * (size_t)six });
	redis_break(r);
	r->place = arena_printf(r->arena, "%.*s:%d", STR_ARGS(ip), (int)to->port);
	r->context = redisAsyncConnect(bare, (int)to->port);
	if (!r->context || r->context->err)
		return fail_broken(r->place, r->context ? r->context->errstr : NULL, e);
	if (!redis_watch(&r->context))
		return fail_broken(r->place, "its socket cannot be watched", e);
	return redis_greet(r, to, deadline, e);
}

static bool redis_connect_any(struct redis *r, const char *url, int64_t deadline, struct err *e)
{
	struct address to;
	const char *all = "";
	if (!address_read(r->arena, url, &to, e) || !host_find(r->arena, to.host, deadline, &all, e))
		return false;
	struct str rest = str_of(all), ip;
	bool ok = false;
	while (!ok && str_next(&rest, ',', &ip)) {
		ok = redis_connect(r, &to, ip, deadline, e);
		if (!ok && e->kind != ERR_NET)
			return false;
	}
	return ok;
}

struct redis *redis_open(const char *url, int64_t deadline, struct err *e)
{
	struct arena *a = arena_new();
	struct redis *r = arena_alloc(a, sizeof(*r));
	r->arena = a;
	if (redis_connect_any(r, url, deadline, e))
		return r;
	redis_close(r);
	return NULL;
}

void redis_close(struct redis *r)
{
	if (!r)
		return;
	redis_break(r);
	arena_free(r->arena);
}

bool redis_broken(const struct redis *r)
{
	return !r->context;
}
