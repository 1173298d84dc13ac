/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include "loop.h"
#include "migrate_sql.h"

/* Any two numbers will do, as long as nobody else uses them: "drov", "migr". */
#define LOCK "select pg_advisory_lock(1685221238, 1835624306)"
#define UNLOCK "select pg_advisory_unlock(1685221238, 1835624306)"

static bool ledger_make(struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	return pg_query(db, tmp, &sql_ledger_exists, PG_NO_ARGS, deadline, &rows, e) &&
		(pg_bool(&rows, 0, "there") || pg_script(db, tmp, sql_ledger_make.text, deadline, NULL, e));
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

static bool apply(struct pg *db, const struct migration *m, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_args args = PG_ARGS(PG(m->module), PG(m->version), PG(m->name), PG(m->text));
	struct pg_step note = { &sql_ledger_add, args, NULL };
	if (pg_begin(db, tmp, NULL, 0, deadline, e) && pg_script(db, tmp, m->text, deadline, NULL, e) &&
		pg_commit(db, tmp, &note, 1, deadline, e))
		return true;
	struct err ignored = { 0 };
	pg_rollback(db, deadline_in(5000), &ignored);
	return err_prefix(e, "migration %s: ", m->path);
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

static bool apply_all(struct pg *db, const struct migration *list, void (*done)(const struct migration *m),
	int64_t deadline, struct migrate_report *report, struct err *e)
{
	int pending;
	if (!ledger_make(db, deadline, e) || !check_all(db, list, deadline, &pending, e))
		return false;
	*report = (struct migrate_report){ 0 };
	for (const struct migration *m = list; m->module; m++) {
		bool there;
		if (!compare(db, m, deadline, &there, e) || (!there && !apply(db, m, deadline, e)))
			return false;
		*(there ? &report->already : &report->applied) += 1;
		if (!there && done)
			done(m);
	}
	return true;
}

bool migrate(struct pg *db, const struct migration *list, void (*done)(const struct migration *m), int64_t deadline,
	struct migrate_report *report, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct err ignored = { 0 };
	if (!pg_script(db, tmp, LOCK, deadline, NULL, e))
		return err_prefix(e, "waiting for another migration: ");
	bool ok = apply_all(db, list, done, deadline, report, e);
	pg_script(db, tmp, UNLOCK, deadline_in(5000), NULL, &ignored);
	return ok;
}
