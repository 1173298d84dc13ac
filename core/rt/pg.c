/* SPDX-License-Identifier: MIT */
/* Statements: everything is a pipeline that ends with one sync, so n statements are one round trip and one
 * transaction. A call that does not come to its end leaves the connection broken. */
#include "pg_inner.h"

static const struct sql sql_begin = { "begin", "pg.c", "BEGIN", 0 };
static const struct sql sql_commit = { "commit", "pg.c", "COMMIT", 0 };

/* ---- errors ---- */

/* By the longest matching prefix of the SQLSTATE, so longer rows come first. */
static const struct {
	const char *prefix;
	enum err_kind kind;
	const char *code;
} states[] = {
	{ "DV001", ERR_FENCE, "fence_lost" },   { "57014", ERR_TIMEOUT, "db_timeout" },
	{ "55P03", ERR_BUSY, "db_busy" },       { "25006", ERR_NET, "db_read_only" }, /* a primary that was one */
	{ "42501", ERR_REFUSED, "db_permission" }, { "P0001", ERR_INPUT, "db_rejected" },
	{ "57P", ERR_NET, "db_lost" },          { "08", ERR_NET, "db_lost" },
	{ "40", ERR_BUSY, "db_busy" },          { "53", ERR_BUSY, "db_busy" },
	{ "22", ERR_INPUT, "db_rejected" },     { "23", ERR_INPUT, "db_rejected" },
	{ "28", ERR_REFUSED, "db_permission" }, { "3D", ERR_REFUSED, "no_database" },
	{ "", ERR_BUG, "db_error" },
};

static bool fail_connection(struct pg *db, const char *statement, struct err *e)
{
	db->broken = true;
	const char *text = PQerrorMessage(db->conn);
	bool credentials = strstr(text, "authentication failed") || strstr(text, "does not exist") ||
		strstr(text, "no password supplied");
	struct str line = str_trim(str_of(text));
	const char *newline = line.n ? memchr(line.p, '\n', line.n) : NULL;
	return FAIL(e, credentials ? ERR_REFUSED : ERR_NET, credentials ? "db_permission" : "db_lost", "%s: %.*s", statement,
		newline ? (int)(newline - line.p) : (int)line.n, line.p);
}

bool pg_fail(struct pg *db, const PGresult *result, const char *statement, struct err *e)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	if (!state)
		return fail_connection(db, statement, e);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	size_t i = 0;
	while (strncmp(states[i].prefix, state, strlen(states[i].prefix)) != 0)
		i++;
	bool ours = db->read_only && strcmp(state, "25006") == 0;
	enum err_kind kind = ours ? ERR_REFUSED : states[i].kind;
	FAIL(e, kind, states[i].code, "%s%s%s%s%s%s", text ? text : state, detail ? " (" : "", detail ? detail : "",
		detail ? ")" : "", hint ? ". Hint: " : "", hint ? hint : "");
	if (strcmp(state, "P0001") != 0) /* those are words for the caller, complete in themselves */
		err_prefix(e, "%s: ", statement);
	snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", state);
	db->broken |= kind == ERR_NET;
	return false;
}

/* ---- waiting ---- */

static bool flush(struct pg *db, int64_t deadline, struct err *e)
{
	int rc;
	while ((rc = PQflush(db->conn)) == 1) {
		/* while our bytes do not go out the server may be blocked on bytes for us */
		if (!pg_wait_socket(db, true, true, deadline, e))
			return false;
		if (!PQconsumeInput(db->conn))
			return pg_fail(db, NULL, "send", e);
	}
	return rc == 0 || pg_fail(db, NULL, "send", e);
}

static bool next_result(struct pg *db, int64_t deadline, PGresult **result, struct err *e)
{
	while (PQisBusy(db->conn)) {
		if (!pg_wait_socket(db, true, false, deadline, e))
			return false;
		if (!PQconsumeInput(db->conn))
			return pg_fail(db, NULL, "receive", e);
	}
	*result = PQgetResult(db->conn);
	return true;
}

static void result_end(void *result)
{
	PQclear(result);
}

/* ---- one pipeline ---- */

struct call {
	struct pg *db;
	struct arena *a;
	int64_t deadline;
	struct err *e;
	bool failed; /* a statement failed: e has its error; the rest of the pipeline is aborted */
};

static bool is_prepared(const struct pg *db, const struct sql *q)
{
	for (size_t i = 0; i < db->n_prepared; i++)
		if (db->prepared[i] == q)
			return true;
	return false;
}

static void remember_prepared(struct pg *db, const struct sql *q)
{
	db->prepared = mem_grow(db->prepared, (db->n_prepared + 1) * sizeof(*db->prepared));
	db->prepared[db->n_prepared++] = q;
}

/* A batch may hold the same statement twice: it is prepared by the first. */
static bool must_prepare(const struct pg *db, const struct pg_step *steps, size_t i)
{
	if (!db->prepare || is_prepared(db, steps[i].q))
		return false;
	for (size_t before = 0; before < i; before++)
		if (steps[before].q == steps[i].q)
			return false;
	return true;
}

static bool send_step(struct call *c, const struct pg_step *steps, size_t i)
{
	const struct pg_step *s = &steps[i];
	PGconn *conn = c->db->conn;
	if (s->args.n != s->q->n_params)
		return FAIL(c->e, ERR_BUG, "bad_call", "%s takes %d parameters, got %d", s->q->path, s->q->n_params, s->args.n);
	const char **values = arena_alloc(c->a, sizeof(*values) * (size_t)(s->args.n + 1));
	for (int p = 0; p < s->args.n; p++)
		values[p] = pg_arg_value(c->a, &s->args.v[p]);
	bool sent = true;
	if (must_prepare(c->db, steps, i))
		sent = PQsendPrepare(conn, s->q->name, s->q->text, 0, NULL);
	if (sent && c->db->prepare)
		sent = PQsendQueryPrepared(conn, s->q->name, s->args.n, values, NULL, NULL, 0);
	else if (sent)
		sent = PQsendQueryParams(conn, s->q->text, s->args.n, NULL, values, NULL, NULL, 0);
	return sent || pg_fail(c->db, NULL, s->q->name, c->e);
}

/* The result of one command, and the NULL that ends it. false = the connection is lost. */
static bool receive_one(struct call *c, const struct sql *q, PGresult **kept)
{
	PGresult *result, *end;
	if (!next_result(c->db, c->deadline, &result, c->e))
		return false;
	if (!result)
		return FAIL(c->e, ERR_NET, "db_lost", "%s: the server closed the connection", q->name);
	arena_defer(c->a, result_end, result);
	ExecStatusType status = PQresultStatus(result);
	if (status == PGRES_FATAL_ERROR && !c->failed) {
		c->failed = true;
		pg_fail(c->db, result, q->name, c->e);
	}
	*kept = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? result : NULL;
	return next_result(c->db, c->deadline, &end, c->e) && !end;
}

static bool receive_step(struct call *c, const struct pg_step *steps, size_t i, bool prepared_here)
{
	PGresult *result;
	if (prepared_here) {
		if (!receive_one(c, steps[i].q, &result))
			return false;
		if (result)
			remember_prepared(c->db, steps[i].q);
	}
	if (!receive_one(c, steps[i].q, &result))
		return false;
	if (result && steps[i].rows)
		*steps[i].rows = (struct pg_rows){ PQntuples(result), result };
	return true;
}

static bool receive_sync(struct call *c)
{
	PGresult *result;
	if (!next_result(c->db, c->deadline, &result, c->e))
		return false;
	bool ok = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
	PQclear(result);
	return ok || FAIL(c->e, ERR_NET, "db_lost", "the server closed the connection in a pipeline");
}

/* first..n: BEGIN and COMMIT are steps like any other. */
static bool run_pipeline(struct call *c, const struct pg_step *steps, size_t n)
{
	bool *prepares = arena_alloc(c->a, n);
	if (!PQenterPipelineMode(c->db->conn))
		return pg_fail(c->db, NULL, steps[0].q->name, c->e);
	for (size_t i = 0; i < n; i++) {
		prepares[i] = must_prepare(c->db, steps, i);
		if (!send_step(c, steps, i))
			return false;
	}
	if (!PQpipelineSync(c->db->conn))
		return pg_fail(c->db, NULL, "sync", c->e);
	if (!flush(c->db, c->deadline, c->e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!receive_step(c, steps, i, prepares[i]))
			return false;
	return receive_sync(c) && PQexitPipelineMode(c->db->conn);
}

/* What pg_begin kept goes first. */
static const struct pg_step *begin_first(struct pg *db, struct arena *a, const struct pg_step *steps, size_t *n)
{
	if (!db->n_begin)
		return steps;
	struct pg_step *all = arena_alloc(a, (db->n_begin + *n) * sizeof(*all));
	memcpy(all, db->begin, db->n_begin * sizeof(*all));
	if (*n)
		memcpy(all + db->n_begin, steps, *n * sizeof(*all));
	*n += db->n_begin;
	db->n_begin = 0;
	return all;
}

bool pg_batch(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e)
{
	struct call c = { db, a, deadline, e, false };
	if (pg_broken(db))
		return FAIL(e, ERR_NET, "db_lost", "database connection is lost");
	steps = begin_first(db, a, steps, &n);
	if (!run_pipeline(&c, steps, n)) {
		db->broken = true;
		return false;
	}
	return !c.failed;
}

bool pg_query(struct pg *db, struct arena *a, const struct sql *q, struct pg_args args, int64_t deadline,
	struct pg_rows *rows, struct err *e)
{
	return pg_batch(db, a, &(struct pg_step){ q, args, rows }, 1, deadline, e);
}

/* ---- transactions ---- */

/* The caller's step, with arguments that live as long as a. */
static struct pg_step step_keep(struct arena *a, const struct pg_step *step)
{
	struct pg_arg *v = arena_alloc(a, (size_t)(step->args.n + 1) * sizeof(*v));
	for (int i = 0; i < step->args.n; i++) {
		v[i] = step->args.v[i];
		if (v[i].kind == PG_TEXT)
			v[i].text = arena_text(a, str_of(v[i].text));
	}
	return (struct pg_step){ step->q, { v, step->args.n }, step->rows };
}

bool pg_begin(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e)
{
	bool at_once = false;
	if (pg_broken(db))
		return FAIL(e, ERR_NET, "db_lost", "database connection is lost");
	struct pg_step *kept = arena_alloc(a, (n + 1) * sizeof(*kept));
	kept[0] = (struct pg_step){ &sql_begin, PG_NO_ARGS, NULL };
	for (size_t i = 0; i < n; i++) {
		kept[i + 1] = step_keep(a, &steps[i]);
		at_once |= steps[i].rows != NULL;
	}
	db->begin = kept;
	db->n_begin = n + 1;
	return !at_once || pg_batch(db, a, NULL, 0, deadline, e);
}

bool pg_commit(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e)
{
	struct pg_step *all = arena_alloc(a, (n + 1) * sizeof(*all));
	if (n)
		memcpy(all, steps, n * sizeof(*all));
	all[n] = (struct pg_step){ &sql_commit, PG_NO_ARGS, NULL };
	return pg_batch(db, a, all, n + 1, deadline, e);
}

bool pg_rollback(struct pg *db, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	db->n_begin = 0;
	if (PQtransactionStatus(db->conn) == PQTRANS_IDLE)
		return true;
	return pg_script(db, tmp, "ROLLBACK", deadline, NULL, e);
}

void pg_expect_read_only(struct pg *db, bool on)
{
	db->read_only = on;
}

/* ---- free text, notifications ---- */

static bool receive_script(struct call *c, struct pg_rows *rows)
{
	for (PGresult *result;;) {
		if (!next_result(c->db, c->deadline, &result, c->e))
			return false;
		if (!result)
			return true;
		arena_defer(c->a, result_end, result);
		if (PQresultStatus(result) == PGRES_FATAL_ERROR && !c->failed) {
			c->failed = true;
			pg_fail(c->db, result, "script", c->e);
		} else if (rows) {
			*rows = (struct pg_rows){ PQntuples(result), result };
		}
	}
}

bool pg_script(struct pg *db, struct arena *a, const char *text, int64_t deadline, struct pg_rows *rows, struct err *e)
{
	struct call c = { db, a, deadline, e, false };
	if (pg_broken(db))
		return FAIL(e, ERR_NET, "db_lost", "database connection is lost");
	if (db->n_begin && !pg_batch(db, a, NULL, 0, deadline, e))
		return false;
	bool whole = (PQsendQuery(db->conn, text) || pg_fail(db, NULL, "script", e)) && flush(db, deadline, e) &&
		receive_script(&c, rows);
	db->broken |= !whole;
	return whole && !c.failed;
}

bool pg_prepare_check(struct pg *db, const struct sql *q, int64_t deadline, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct call c = { db, tmp, deadline, e, false };
	if (db->n_begin && !pg_batch(db, tmp, NULL, 0, deadline, e))
		return false;
	bool whole = (PQsendPrepare(db->conn, "", q->text, 0, NULL) || pg_fail(db, NULL, q->path, e)) &&
		flush(db, deadline, e) && receive_script(&c, NULL);
	db->broken |= !whole;
	if (whole && c.failed)
		err_prefix(e, "%s: ", q->path);
	return whole && !c.failed;
}

bool pg_notification(struct pg *db, struct arena *a, const char **channel, const char **payload, int64_t deadline,
	struct err *e)
{
	PGnotify *n;
	while (!(n = PQnotifies(db->conn))) {
		if (!pg_wait_socket(db, true, false, deadline, e))
			return false;
		if (!PQconsumeInput(db->conn))
			return pg_fail(db, NULL, "listen", e);
	}
	*channel = arena_text(a, str_of(n->relname));
	*payload = arena_text(a, str_of(n->extra));
	PQfreemem(n);
	return true;
}
