/* SPDX-License-Identifier: MIT */
/* What the bodies of commands share: the connection, words as numbers, and an end by Ctrl-C. */
#include "command.h"
#include "loop.h"
#include <signal.h>

static void db_end(void *db)
{
	pg_close(db);
}

struct pg *command_db(struct command_run *run, struct err *e)
{
	const struct config *c = run->config;
	struct pg_options o = { c->database.url, "drover", c->database.connect_timeout_ms, c->database.prepare };
	if (!*o.url) {
		run->exit = EXIT_USAGE;
		FAIL(e, ERR_INPUT, "no_database_url",
			"no database is named; set DATABASE_URL, give --database-url, or write "
			"database.url into the configuration");
		return NULL;
	}
	struct pg *db = pg_open(&o, NEVER_MS, e);
	if (db)
		arena_defer(run->arena, db_end, db);
	else
		run->exit = EXIT_NO_DATABASE;
	return db;
}

int64_t command_deadline(void)
{
	enum { QUERY_MS = 60000 };
	return deadline_in(QUERY_MS);
}

int64_t command_id(const struct command_run *run, size_t word)
{
	int64_t id = 0;
	str_to_i64(str_of(run->words[word]), &id);
	return id;
}

bool command_usage(struct command_run *run, struct err *e, const char *format, ...)
{
	char what[400];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	run->exit = EXIT_USAGE;
	return FAIL(e, ERR_INPUT, "usage", "%s (see drover %s --help)", what, run->command->name);
}

/* ---- until a signal ---- */

struct until {
	bool (*body)(void *arg, struct err *e);
	void *arg;
	struct group group;
	bool ended, stopped;
};

static bool run_body(void *arg, struct err *e)
{
	struct until *u = arg;
	bool ok = u->body(u->arg, e);
	u->ended = !u->stopped;
	group_cancel(&u->group); /* the watch on signals has nothing to wait for any more */
	return ok || u->stopped;
}

static bool watch_signals(void *arg, struct err *e)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct until *u = arg;
	int number;
	if (!loop_wait_signal(signals, COUNT(signals), &number, e))
		return u->ended;
	u->stopped = true;
	group_cancel(&u->group);
	return true;
}

bool command_until_signal(bool (*body)(void *arg, struct err *e), void *arg, bool *stopped, struct err *e)
{
	struct until u = { .body = body, .arg = arg };
	bool ok = group_start(&u.group, "body", run_body, &u, e) &&
		group_start(&u.group, "signals", watch_signals, &u, e);
	if (!ok)
		group_cancel(&u.group);
	ok = group_wait(&u.group, NEVER_MS, e) && ok;
	*stopped = u.stopped;
	return ok;
}
