/* SPDX-License-Identifier: MIT */
/* Doctor on the way to the database: several hosts, a pooler and its mode, waking, and how many connections there are. */
#include "connection_budget.h"
#include "clock.h"
#include "commands_sql.h"
#include "doctor.h"
#include "loop.h"

enum { NOTIFY_MS = 3000, PROBE_MS = 5000, ROUNDS = 5 };

/* ---- hosts ---- */

static bool has_comma(const char *from, const char *end)
{
	return from && memchr(from, ',', strcspn(from, end));
}

static bool names_several(const char *url)
{
	const char *at = strrchr(url, '@'), *scheme = strstr(url, "://");
	return has_comma(at ? at + 1 : scheme ? scheme + 3 : url, "/?") || has_comma(strstr(url, "host="), "&");
}

/* In the URL or, for all of them, in the environment. */
static bool wants_the_primary(const char *url)
{
	const char *environment = getenv("PGTARGETSESSIONATTRS"), *own = strstr(url, "target_session_attrs=");
	const char *value = own ? own + strlen("target_session_attrs=") : environment ? environment : "";
	size_t n = strcspn(value, "&");
	return (n == 10 && memcmp(value, "read-write", n) == 0) || (n == 7 && memcmp(value, "primary", n) == 0);
}

static void check_hosts(struct doctor *d, const char *option, const char *url)
{
	if (!names_several(url))
		return;
	if (wants_the_primary(url))
		doctor_say(d, DOCTOR_OK, "hosts", NULL, "%s names several, and the one that can be written is used", option);
	else
		doctor_say(d, DOCTOR_WRONG, "hosts", arena_printf(d->a, "add target_session_attrs=read-write to %s", option),
			"%s names several, and workers would stay on a standby that answers first", option);
}

void doctor_check_hosts(struct doctor *d)
{
	check_hosts(d, "database.url", d->config->database.url);
	check_hosts(d, "database.listen_url", d->config->database.listen_url);
}

/* ---- a pooler ---- */

struct way {
	bool pooled;  /* the process that answers is not the one that greeted */
	bool shared;  /* another one at another time: each transaction for itself */
	bool keeps;   /* prepared statements survive that */
};

static struct pg *probe_open(struct doctor *d, const char *url, bool prepare, struct err *e)
{
	struct pg_options o = { url, "drover doctor", d->config->database.connect_timeout_ms, prepare };
	return pg_open(&o, NEVER_MS, e);
}

static bool ask_process(struct doctor *d, struct pg *db, int64_t *pid, struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(db, d->a, &sql_doctor_backend, PG_NO_ARGS, deadline_in(PROBE_MS), &rows, e))
		return false;
	*pid = pg_i64(&rows, 0, "pid");
	return true;
}

/* A pooler hands out the session that was given back last, or the one that rests longest: in one of these orders either
 * shows. Sessions of their own would neither change nor be the same. */
static bool look_for_sharing(struct doctor *d, struct pg *one, struct pg *two, struct way *w, struct err *e)
{
	int64_t first, again, other;
	for (int i = 0; i < ROUNDS; i++) {
		if (!ask_process(d, one, &first, e) || !ask_process(d, one, &again, e) || !ask_process(d, two, &other, e))
			return false;
		w->shared |= first != again || again == other;
		w->pooled |= first != pg_backend_pid(one);
	}
	return true;
}

static bool look(struct doctor *d, bool prepare, struct way *w, struct err *e)
{
	struct pg *one = probe_open(d, d->config->database.url, prepare, e);
	struct pg *two = one ? probe_open(d, d->config->database.url, prepare, e) : NULL;
	bool ok = two && look_for_sharing(d, one, two, w, e);
	pg_close(two);
	pg_close(one);
	return ok;
}

static void say_shared(struct doctor *d, const struct way *w)
{
	const struct config *c = d->config;
	bool lost = c->database.prepare && !w->keeps, deaf = c->database.listen && !*c->database.listen_url;
	const char *mend = lost && deaf ? "set database.prepare to false, and database.listen_url (DATABASE_LISTEN_URL) to the "
		"server's own address, or database.listen to false" : lost ? "set database.prepare to false" : deaf ?
		"set database.listen_url (DATABASE_LISTEN_URL) to the server's own address, or database.listen to false" : NULL;
	doctor_say(d, mend ? DOCTOR_WRONG : DOCTOR_OK, "pooler", mend, "one in transaction mode stands before the server%s%s%s",
		lost ? "; prepared statements are lost" : w->keeps ? "; it keeps prepared statements" : "",
		deaf ? "; LISTEN does not work through it" : "",
		!mend && !c->database.listen ? "; workers only poll" : "");
}

/* What comes after should not fail for the same reason once more. */
static void reopen_plainly(struct doctor *d)
{
	struct err ignored = { 0 };
	struct config *plain = arena_alloc(d->a, sizeof(*plain));
	*plain = *d->config;
	plain->database.prepare = false;
	d->run->config = plain;
	d->db = command_db(d->run, &ignored);
	d->run->config = d->config;
	d->run->exit = EXIT_DONE;
}

void doctor_check_pooler(struct doctor *d)
{
	struct err e = { 0 };
	struct way w = { 0 }, prepared = { 0 };
	if (!look(d, false, &w, &e)) {
		doctor_say(d, DOCTOR_WARN, "pooler", NULL, "two connections at once: %s", e.msg);
		return;
	}
	if (!w.shared) {
		doctor_say(d, DOCTOR_OK, "pooler", NULL, w.pooled ? "one in session mode stands before the server" : "none");
		return;
	}
	w.keeps = look(d, true, &prepared, &e);
	say_shared(d, &w);
	if (!w.keeps)
		reopen_plainly(d);
}

/* ---- waking ---- */

static bool wait_for_payload(struct pg *db, struct arena *a, const char *want, struct err *e)
{
	const char *channel, *payload = "";
	int64_t deadline = deadline_in(NOTIFY_MS);
	while (strcmp(payload, want) != 0)
		if (!pg_notification(db, a, &channel, &payload, deadline, e))
			return false;
	return true;
}

/* On two connections, as workers do it: a pooler may well bring a notification to the one that sent it. */
static bool notify_arrives(struct doctor *d, struct pg *listener, struct err *e)
{
	const char *payload = arena_printf(d->a, "%d.%lld", pg_backend_pid(listener), (long long)clock_us());
	return pg_script(listener, d->a, "listen drover_doctor", command_deadline(), NULL, e) &&
		pg_query(d->db, d->a, &sql_doctor_notify, PG_ARGS(PG(payload)), command_deadline(), NULL, e) &&
		wait_for_payload(listener, d->a, payload, e);
}

static void unlisten(struct doctor *d, struct pg *listener)
{
	struct err ignored = { 0 };
	if (listener)
		pg_script(listener, d->a, "unlisten *", deadline_in(PROBE_MS), NULL, &ignored);
	pg_close(listener);
}

void doctor_check_listen(struct doctor *d)
{
	struct err e = { 0 };
	const struct config *c = d->config;
	const char *own = *c->database.listen_url ? c->database.listen_url : NULL;
	if (!c->database.listen) {
		doctor_say(d, DOCTOR_OK, "listen", NULL,
			"database.listen is off: workers look for work every worker.poll");
		return;
	}
	struct pg *listener = probe_open(d, own ? own : c->database.url, false, &e);
	if (listener && notify_arrives(d, listener, &e))
		doctor_say(d, DOCTOR_OK, "listen", NULL, "a notification arrives%s", own ? " by database.listen_url" : "");
	else
		doctor_say(d, DOCTOR_WRONG, "listen", own
			? "is database.listen_url the same database as database.url, without a pooler in transaction mode?"
			: "set database.listen_url (DATABASE_LISTEN_URL) to the server's own address, or use the pooler in session mode, "
			"or set database.listen to false", "a notification does not arrive: %s", e.msg);
	unlisten(d, listener);
}

/* ---- how many ---- */

void doctor_check_connections(struct doctor *d)
{
	struct err e = { 0 };
	struct pg_rows rows;
	if (!pg_query(d->db, d->a, &sql_connection_limits, PG_NO_ARGS, command_deadline(), &rows, &e)) {
		doctor_say(d, DOCTOR_WARN, "connections", NULL, "%s", e.msg);
		return;
	}
	struct budget b = budget_of(d->config, 0, &rows);
	doctor_say(d, b.short_of ? DOCTOR_WARN : DOCTOR_OK, "connections", b.short_of
		? "lower worker.processes or database.pool, raise the limit, or put a pooler before the server" : NULL,
		"%s", budget_text(d->a, d->config, &b));
}
