/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include "clock.h"
#include "loop.h"
#include "migrate_sql.h"

/* Any two numbers will do, as long as nobody else uses them: "drov", "migr". Held for a transaction, not for a session,
 * which through a pooler may be another one at the next statement. */
#define LOCK "select pg_advisory_xact_lock(1685221238, 1835624306)"
/* Who waits for a strong lock makes everybody behind it wait, for as long as the one before it: rather give way soon,
 * and come again. */
#define GIVE_WAY "; set local lock_timeout = '2s'"

static bool begin_alone(struct pg *db, struct arena *a, int64_t deadline, struct err *e)
{
	return pg_begin(db, a, NULL, 0, deadline, e) &&
		(pg_script(db, a, LOCK GIVE_WAY, deadline, NULL, e) || err_prefix(e, "waiting for another migration: "));
}

static bool rolled_back(struct pg *db)
{
	struct err ignored = { 0 };
	pg_rollback(db, deadline_in(5000), &ignored);
	return false;
}

static bool ledger_make(struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	return (begin_alone(db, tmp, deadline, e) &&
		pg_query(db, tmp, &sql_ledger_exists, PG_NO_ARGS, deadline, &rows, e) &&
		(pg_bool(&rows, 0, "there") || pg_script(db, tmp, sql_ledger_make.text, deadline, NULL, e)) &&
		pg_commit(db, tmp, NULL, 0, deadline, e)) || rolled_back(db);
}

/* *there: it was applied. A changed one fails. */
static bool compare(struct pg *db, const struct migration *m, int64_t deadline, bool *there, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	struct pg_args args = PG_ARGS(PG(m->module), PG(m->version), PG(m->text));
	if (!pg_query(db, tmp, &sql_ledger_compare, args, deadline, &rows, e))
		return false;
	*there = rows.n > 0;
	if (*there && !pg_bool(&rows, 0, "same"))
		return FAIL(e, ERR_INPUT, "migration_changed", "migration %s differs from the one that was applied on %s; "
			"restore the file, and put the change into a new one", m->path, pg_text(&rows, 0, "applied_at"));
	return true;
}

static bool run_text(struct pg *db, const struct migration *m, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_args args = PG_ARGS(PG(m->module), PG(m->version), PG(m->name), PG(m->text));
	return (pg_script(db, tmp, m->text, deadline, NULL, e) &&
		pg_query(db, tmp, &sql_ledger_add, args, deadline, NULL, e)) || err_prefix(e, "migration %s: ", m->path);
}

/* Somebody else may have applied it before we were alone. */
static bool apply_once(struct pg *db, const struct migration *m, int64_t deadline, bool *there, struct err *e)
{
	ARENA_SCOPE(tmp);
	return (begin_alone(db, tmp, deadline, e) && compare(db, m, deadline, there, e) &&
		(*there || run_text(db, m, deadline, e)) && pg_commit(db, tmp, NULL, 0, deadline, e)) || rolled_back(db);
}

/* Locked out, or the victim of a deadlock. */
static bool is_locked_out(const struct err *e)
{
	return strcmp(e->sqlstate, "55P03") == 0 || strcmp(e->sqlstate, "40P01") == 0;
}

static const char *oldest_transaction(struct pg *db, struct arena *a)
{
	struct err ignored = { 0 };
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_oldest_transaction, PG_NO_ARGS, deadline_in(5000), &rows, &ignored) || !rows.n)
		return "";
	return arena_printf(a, "; the oldest transaction is %s", pg_text(&rows, 0, "who"));
}

static bool apply(struct pg *db, const struct migration *m, int64_t deadline, bool *there, struct err *e)
{
	enum { TRIES = 20, FIRST_MS = 500, LONGEST_MS = 5000, TRY_MS = 3000 };
	int64_t pause_ms = FIRST_MS;
	for (int tries = 1; !apply_once(db, m, deadline, there, e); tries++) {
		ARENA_SCOPE(tmp);
		if (!is_locked_out(e))
			return false;
		const char *who = oldest_transaction(db, tmp);
		if (tries == TRIES || (deadline != NEVER_MS && clock_ms() + pause_ms + TRY_MS >= deadline))
			return FAIL(e, ERR_BUSY, "migration_locked_out", "migration %s got no lock on a table in %d tries of 2 s, "
				"so that the queue can go on; nothing of it was applied%s. End that transaction, or run drover migrate "
				"again later", m->path, tries, who);
		log_write(LOG_WARN, "migration_waits", "%s has no lock yet, and comes again in %lld ms%s", m->path,
			(long long)pause_ms, who);
		if (!loop_sleep(pause_ms, e))
			return false;
		pause_ms = MIN_OF(2 * pause_ms, (int64_t)LONGEST_MS);
		*e = (struct err){ 0 };
	}
	return true;
}

static bool check_all(struct pg *db, const struct migration *list, int64_t deadline, int *pending, struct err *e)
{
	*pending = 0;
	for (const struct migration *m = list; m->module; m++) {
		bool there;
		if (!compare(db, m, deadline, &there, e))
			return false;
		*pending += !there;
	}
	return true;
}

bool migrate_pending(struct pg *db, const struct migration *list, int64_t deadline, int *pending, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	if (!pg_query(db, tmp, &sql_ledger_exists, PG_NO_ARGS, deadline, &rows, e))
		return false;
	if (pg_bool(&rows, 0, "there"))
		return check_all(db, list, deadline, pending, e);
	for (*pending = 0; list[*pending].module;)
		++*pending;
	return true;
}

bool migrate(struct pg *db, const struct migration *list, void (*done)(const struct migration *m), int64_t deadline,
	struct migrate_report *report, struct err *e)
{
	int pending;
	if (!ledger_make(db, deadline, e) || !check_all(db, list, deadline, &pending, e))
		return false;
	*report = (struct migrate_report){ 0 };
	for (const struct migration *m = list; m->module; m++) {
		bool there;
		if (!compare(db, m, deadline, &there, e) || (!there && !apply(db, m, deadline, &there, e)))
			return false;
		*(there ? &report->already : &report->applied) += 1;
		if (!there && done)
			done(m);
	}
	return true;
}
