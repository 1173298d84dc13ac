/* SPDX-License-Identifier: MIT */
/* Doctor on the database: reachable, new enough, in shape. */
#include "agents_sql.h"
#include "clock.h"
#include "commands_sql.h"
#include "doctor.h"
#include "loop.h"
#include "migrations.h"
#include "queue_sql.h"
#include <time.h>

enum { OLDEST_SERVER = 150000, SKEW_MS = 1000 };

void doctor_check_connection(struct doctor *d)
{
	struct err e = { 0 };
	const struct config *c = d->config;
	d->run->config = c;
	int64_t start = clock_ms();
	d->db = command_db(d->run, &e);
	d->run->exit = EXIT_DONE;
	if (d->db)
		doctor_say(d, DOCTOR_OK, "connection", NULL, "%s, after %lld ms",
			config_redact_url(d->a, c->database.url), (long long)(clock_ms() - start));
	else if (!*c->database.url)
		doctor_say(d, DOCTOR_WRONG, "connection", "set DATABASE_URL, or database.url in the configuration",
			"no database is named");
	else
		doctor_say(d, DOCTOR_WRONG, "connection",
			"is the server up, the address right, the role allowed to log in?", "%s: %s",
			config_redact_url(d->a, c->database.url), e.msg);
}

/* ---- the server ---- */

static void judge_version(struct doctor *d, const struct pg_rows *r)
{
	bool old = pg_i64(r, 0, "version_num") < OLDEST_SERVER;
	bool utf8 = strcmp(pg_text(r, 0, "encoding"), "UTF8") == 0;
	doctor_say(d, old ? DOCTOR_WRONG : DOCTOR_OK, "server", old ? "use Postgres 15 or newer" : NULL, "Postgres %s",
		pg_text(r, 0, "version"));
	if (!utf8)
		doctor_say(d, DOCTOR_WRONG, "server", "create the database with encoding UTF8",
			"the database's encoding is %s", pg_text(r, 0, "encoding"));
	if (pg_bool(r, 0, "standby"))
		doctor_say(d, DOCTOR_WRONG, "server", "give the address of the primary",
			"it is a standby: nothing can be written");
}

static void judge_role(struct doctor *d, const struct pg_rows *r)
{
	const char *role = pg_text(r, 0, "role");
	bool super = pg_bool(r, 0, "rolsuper"), bypass = pg_bool(r, 0, "rolbypassrls");
	if (super || bypass)
		doctor_say(d, DOCTOR_WARN, "role",
			"let workers log in as drover_worker (alter role drover_worker password ...)",
			"%s %s: row level security does not bind it", role, super ? "is a superuser" : "has BYPASSRLS");
	else
		doctor_say(d, DOCTOR_OK, "role", NULL, "%s", role);
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * (int64_t)1000 + t.tv_nsec / 1000000;
}

static void judge_clock(struct doctor *d, int64_t before, int64_t server, int64_t after)
{
	int64_t skew = server - (before + after) / 2, unsure = (after - before) / 2;
	bool off = skew > SKEW_MS + unsure || skew < -SKEW_MS - unsure;
	doctor_say(d, off ? DOCTOR_WARN : DOCTOR_OK, "clock", off ? "let both take their time from NTP" : NULL,
		"the server's is %lld ms %s of ours, give or take %lld", (long long)llabs(skew),
		skew < 0 ? "behind" : "ahead", (long long)unsure);
}

void doctor_check_server(struct doctor *d)
{
	struct err e = { 0 };
	struct pg_rows r;
	/* twice: the first prepares, the second is one short round trip to measure by */
	bool ok = pg_query(d->db, d->a, &sql_doctor_server, PG_NO_ARGS, command_deadline(), NULL, &e);
	int64_t before = now_ms();
	if (!ok || !pg_query(d->db, d->a, &sql_doctor_server, PG_NO_ARGS, command_deadline(), &r, &e)) {
		doctor_say(d, DOCTOR_WRONG, "server", NULL, "%s", e.msg);
		return;
	}
	int64_t after = now_ms();
	judge_version(d, &r);
	judge_role(d, &r);
	judge_clock(d, before, pg_i64(&r, 0, "now_ms"), after);
}

/* ---- its shape ---- */

void doctor_check_migrations(struct doctor *d)
{
	struct err e = { 0 };
	int pending;
	if (migrate_pending(d->db, migrations_all, command_deadline(), &pending, &e)) {
		d->migrated = !pending;
		doctor_say(d, pending ? DOCTOR_WRONG : DOCTOR_OK, "migrations", pending ? "run drover migrate" : NULL,
			pending ? "%d pending" : "all applied", pending);
	} else if (e.kind == ERR_REFUSED) {
		d->migrated = true;
		doctor_say(d, DOCTOR_WARN, "migrations", "run drover doctor as the owner of the tables too",
			"this role may not see which are applied");
	} else {
		doctor_say(d, DOCTOR_WRONG, "migrations", NULL, "%s", e.msg);
	}
}

static size_t check_list(struct doctor *d, const struct sql *const *list, size_t *failed)
{
	size_t n = 0;
	for (; list[n]; n++) {
		struct err e = { 0 };
		if (pg_prepare_check(d->db, list[n], command_deadline(), &e))
			continue;
		++*failed;
		doctor_say(d, DOCTOR_WRONG, "statement", "is drover of the same version as the migrations?", "%s",
			e.msg);
	}
	return n;
}

void doctor_check_statements(struct doctor *d)
{
	size_t failed = 0;
	if (!d->migrated) {
		doctor_say(d, DOCTOR_WARN, "statements", "run drover migrate, then doctor again",
			"not checked without migrations");
		return;
	}
	size_t n = check_list(d, queue_sql_all, &failed) + check_list(d, agents_sql_all, &failed) +
		check_list(d, commands_sql_all, &failed);
	if (!failed)
		doctor_say(d, DOCTOR_OK, "statements", NULL, "all %zu fit the tables", n);
}
