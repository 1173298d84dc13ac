/* SPDX-License-Identifier: MIT */
/* Opening a connection without blocking: libpq resolves names synchronously, so they are resolved here first. */
#include "clock.h"
#include "names.h"
#include "pg_inner.h"
#include <arpa/inet.h>

enum { MAX_WORDS = 64 };

/* ---- names ---- */

/* libpq takes one address a host; the resolver's first is the one to try first. */
static const char *resolve(struct arena *a, const char *host, int64_t deadline, struct err *e)
{
	const char *all;
	struct names *names = names_new();
	bool found = names_find(names, a, host, deadline, &all, e);
	names_free(names);
	if (!found)
		return NULL;
	struct str rest = str_of(all), first;
	str_next(&rest, ',', &first);
	bool bracketed = first.n > 2 && first.p[0] == '[';
	return arena_text(a, bracketed ? (struct str){ first.p + 1, first.n - 2 } : first);
}

static bool needs_lookup(const char *host)
{
	struct in6_addr ignored;
	return host[0] && host[0] != '/' && host[0] != '@' && inet_pton(AF_INET, host, &ignored) != 1 &&
		inet_pton(AF_INET6, host, &ignored) != 1;
}

/* hostaddr for a host list: one address a host, in the same order. */
static const char *resolve_all(struct arena *a, const char *hosts, int64_t deadline, struct err *e)
{
	const char *all = NULL;
	struct str rest = str_of(hosts), part;
	while (str_next(&rest, ',', &part)) {
		const char *host = arena_text(a, part);
		const char *address = needs_lookup(host) ? resolve(a, host, deadline, e) : host[0] == '/' ? "" : host;
		if (!address)
			return NULL;
		all = all ? arena_printf(a, "%s,%s", all, address) : address;
	}
	return all;
}

/* ---- options ---- */

struct words {
	const char *keys[MAX_WORDS + 1], *values[MAX_WORDS + 1];
	int n;
};

static void word_add(struct words *w, const char *key, const char *value)
{
	if (value && value[0] && w->n < MAX_WORDS) {
		w->keys[w->n] = key;
		w->values[w->n++] = value;
	}
}

static const char *word_get(const struct words *w, const char *key)
{
	for (int i = 0; i < w->n; i++)
		if (strcmp(w->keys[i], key) == 0)
			return w->values[i];
	return NULL;
}

static void word_default(struct words *w, const char *key, const char *value)
{
	if (!word_get(w, key))
		word_add(w, key, value);
}

static void parsed_end(void *parsed)
{
	PQconninfoFree(parsed);
}

/* A URL of a wrong form must not show its password in the message, so libpq's own words are not used. */
static bool words_parse(struct arena *a, const char *url, struct words *w, struct err *e)
{
	char *why = NULL;
	PQconninfoOption *parsed = PQconninfoParse(url, &why);
	PQfreemem(why);
	if (!parsed)
		return FAIL(e, ERR_INPUT, "bad_database_url", "the database URL is not of the form "
			"postgresql://user:password@host:port/name");
	arena_defer(a, parsed_end, parsed);
	for (PQconninfoOption *o = parsed; o->keyword; o++)
		word_add(w, o->keyword, o->val);
	word_default(w, "host", getenv("PGHOST"));
	word_default(w, "port", getenv("PGPORT"));
	return true;
}

static size_t words_hosts(const struct words *w)
{
	const char *list = word_get(w, word_get(w, "host") ? "host" : "hostaddr");
	size_t n = 1;
	for (; list && *list; list++)
		n += *list == ',';
	return n;
}

/* The part of that number, or the only one there is. */
static const char *part_of(struct arena *a, const char *list, size_t number)
{
	struct str rest = str_of(list), part = rest;
	for (size_t i = 0; i <= number && str_next(&rest, ',', &part);)
		i++;
	return arena_text(a, part);
}

/* As if the URL named one host only. */
static struct words *words_of_host(struct arena *a, const struct words *w, size_t number)
{
	struct words *one = arena_alloc(a, sizeof(*one));
	for (int i = 0; i < w->n; i++) {
		const char *key = w->keys[i];
		bool listed = strcmp(key, "host") == 0 || strcmp(key, "hostaddr") == 0 || strcmp(key, "port") == 0;
		word_add(one, key, listed ? part_of(a, w->values[i], number) : w->values[i]);
	}
	return one;
}

static bool words_complete(struct arena *a, struct words *w, const struct pg_options *o, int64_t deadline, struct err *e)
{
	const char *hosts = word_get(w, "host");
	if (hosts && !word_get(w, "hostaddr") && hosts[0] != '/') {
		const char *addresses = resolve_all(a, hosts, deadline, e);
		if (!addresses)
			return false;
		word_add(w, "hostaddr", addresses);
	}
	word_default(w, "application_name", o->application_name);
	word_default(w, "gssencmode", "disable"); /* its negotiation may block on a ticket cache */
	word_default(w, "keepalives_idle", "30");
	word_default(w, "keepalives_interval", "10");
	word_default(w, "keepalives_count", "3");
	word_default(w, "tcp_user_timeout", "30000");
	return true;
}

/* ---- connecting ---- */

bool pg_wait_socket(struct pg *db, bool readable, bool writable, int64_t deadline, struct err *e)
{
	int fd = PQsocket(db->conn);
	if (fd < 0)
		return FAIL(e, ERR_NET, "db_lost", "database connection is closed");
	if (fd != db->watch_fd) {
		watch_free(db->watch);
		db->watch = watch_new(fd);
		db->watch_fd = fd;
	}
	return watch_wait(db->watch, readable, writable, deadline, e);
}

static void watch_drop(struct pg *db)
{
	watch_free(db->watch);
	db->watch = NULL;
	db->watch_fd = -1;
}

static bool handshake(struct pg *db, int64_t deadline, struct err *e)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	while (next != PGRES_POLLING_OK) {
		if (next == PGRES_POLLING_FAILED)
			return pg_fail(db, NULL, "connect", e);
		if (!pg_wait_socket(db, next == PGRES_POLLING_READING, next == PGRES_POLLING_WRITING, deadline, e))
			return false;
		watch_drop(db); /* the next host, or plain after refused TLS: a new socket, maybe of the same number */
		next = PQconnectPoll(db->conn);
	}
	return true;
}

/* Notices go to the worker's log; a warning may be the only sign of trouble. */
static void on_notice(void *connection, const PGresult *result)
{
	struct pg *db = connection;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	bool warning = severity && strcmp(severity, "WARNING") == 0;
	if (!warning || !db->warnings_kept) {
		log_write(warning ? LOG_WARN : LOG_DEBUG, "db_notice", "%s", text ? text : "");
		return;
	}
	db->warnings++;
	snprintf(db->warning, sizeof(db->warning), "%s", text ? text : "");
}

void pg_warnings_keep(struct pg *db)
{
	db->warnings_kept = true;
	db->warnings = 0;
	db->warning[0] = '\0';
}

int64_t pg_warnings_end(struct pg *db, char *text, size_t size)
{
	db->warnings_kept = false;
	snprintf(text, size, "%s", db->warning);
	return db->warnings;
}

static bool connect_one(struct pg *db, const struct words *w, int64_t deadline, struct err *e)
{
	db->conn = PQconnectStartParams(w->keys, w->values, 0);
	if (!db->conn)
		return FAIL(e, ERR_BUG, "no_memory", "no memory for a database connection");
	PQsetNoticeReceiver(db->conn, on_notice, db);
	if (PQstatus(db->conn) == CONNECTION_BAD)
		return pg_fail(db, NULL, "connect", e);
	if (!handshake(db, deadline, e))
		return false;
	return PQsetnonblocking(db->conn, 1) == 0 || pg_fail(db, NULL, "connect", e);
}

static void disconnect(struct pg *db)
{
	watch_drop(db);
	PQfinish(db->conn);
	db->conn = NULL;
	db->broken = false;
}

/* An equal part of what is left for each host that is left. */
static int64_t share(int64_t deadline, size_t hosts)
{
	int64_t now = clock_ms();
	return deadline == NEVER_MS ? NEVER_MS : now + (deadline - now) / (int64_t)hosts;
}

/* Host by host, because libpq would wait for a silent one without end. */
static bool connect_any(struct pg *db, const struct pg_options *o, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct words all = { 0 };
	if (!words_parse(tmp, o->url, &all, e))
		return false;
	size_t n = words_hosts(&all);
	for (size_t i = 0; i < n; i++) {
		struct words *one = words_of_host(tmp, &all, i);
		int64_t due = share(deadline, n - i);
		disconnect(db);
		if (words_complete(tmp, one, o, due, e) && connect_one(db, one, due, e))
			return true;
		if (e->kind != ERR_NET && e->kind != ERR_TIMEOUT)
			return false;
	}
	return false;
}

struct pg *pg_open(const struct pg_options *o, int64_t deadline, struct err *e)
{
	struct pg *db = mem_alloc(sizeof(*db));
	db->watch_fd = -1;
	db->prepare = o->prepare;
	if (connect_any(db, o, deadline_first(deadline, deadline_in(o->connect_ms)), e))
		return db;
	err_prefix(e, "database: ");
	pg_close(db);
	return NULL;
}

void pg_close(struct pg *db)
{
	if (!db)
		return;
	watch_free(db->watch);
	PQfinish(db->conn);
	free(db->prepared);
	free(db);
}

bool pg_broken(const struct pg *db)
{
	return db->broken || PQstatus(db->conn) != CONNECTION_OK;
}

int pg_backend_pid(const struct pg *db)
{
	return PQbackendPID(db->conn);
}

const char *pg_url_redact(struct arena *a, const char *url)
{
	char *copy = arena_text(a, str_of(url));
	char *scheme = strstr(copy, "://");
	char *at = scheme ? strchr(scheme + 3, '@') : NULL;
	char *colon = at ? memchr(scheme + 3, ':', (size_t)(at - scheme) - 3) : NULL;
	if (colon)
		copy = arena_printf(a, "%.*s:***%s", (int)(colon - copy), copy, at);
	char *word = strstr(copy, "password=");
	if (!word)
		return copy;
	size_t value = strcspn(word + 9, " &");
	return arena_printf(a, "%.*s***%s", (int)(word + 9 - copy), copy, word + 9 + value);
}
