/* SPDX-License-Identifier: MIT */
/*
 * Running a tool that is a statement. What it may do is the server's to say: the role is the app's, the transaction is
 * read-only within a savepoint, and the server stops it when its time is up. Afterwards it must be the same role with the
 * same claims: a function that changed either has taken rights that nobody gave it.
 */
#include "tool_sql.h"
#include "agents_sql.h"
#include "clock.h"
#include "loop.h"

static const struct sql sql_savepoint = { "tool_savepoint", "tool_sql.c", "savepoint drover_tool", 0 };
static const struct sql sql_back = { "tool_back", "tool_sql.c", "rollback to savepoint drover_tool", 0 };
static const struct sql sql_release = { "tool_release", "tool_sql.c", "release savepoint drover_tool", 0 };
static const struct sql sql_unlock = { "tool_unlock", "tool_sql.c", "select pg_catalog.pg_advisory_unlock_all()", 0 };
static const struct sql sql_reset_role = { "tool_reset_role", "tool_sql.c", "reset role", 0 };
static const struct sql sql_reset_all = { "tool_reset_all", "tool_sql.c", "reset all", 0 };
static const struct sql sql_discard = { "tool_discard", "tool_sql.c", "discard temp", 0 };
static const struct sql sql_constraints = { "tool_constraints", "tool_sql.c", "set constraints all immediate", 0 };

/* ---- arguments ---- */

static const char *array_of(struct arena *a, const struct field *f, const struct field_list *list)
{
	enum { ARRAY_BYTES = 4 << 20 };
	struct buf *b = buf_new(a, ARRAY_BYTES);
	for (size_t i = 0; i < list->n; i++)
		if (f->type == FIELD_TEXTS)
			pg_array_add(b, ((const char *const *)list->items)[i]);
		else
			pg_array_add_i64(b, ((const int64_t *)list->items)[i]);
	return pg_array_end(b);
}

static struct pg_arg field_arg(struct arena *a, const struct field *f, const char *args)
{
	const void *at = args + f->offset;
	if (!*(const bool *)(args + f->given))
		return pg_arg_text(NULL);
	switch (f->type) {
	case FIELD_I64:
		return pg_arg_i64(*(const int64_t *)at);
	case FIELD_BOOL:
		return pg_arg_bool(*(const bool *)at);
	case FIELD_JSON:
		return pg_arg_text(json_print(a, *(const cJSON *const *)at));
	case FIELD_TEXTS:
	case FIELD_I64S:
		return pg_arg_text(array_of(a, f, at));
	default:
		return pg_arg_text(*(const char *const *)at);
	}
}

static struct pg_arg param_arg(const struct tool_env *env, const struct field *fields, int param, const void *args)
{
	switch (param) {
	case SQL_USER_ID:
		return pg_arg_text(env->user_id);
	case SQL_WORKSPACE_ID:
		return pg_arg_text(env->workspace_id);
	case SQL_SESSION_ID:
		return pg_arg_text(env->session_id);
	case SQL_REQUEST_ID:
		return pg_arg_i64(env->request_id);
	default:
		return field_arg(env->arena, &fields[param], args);
	}
}

static struct pg_args args_of(const struct tool_env *env, const struct tool_sql *t, const void *args)
{
	struct pg_arg *v = arena_alloc(env->arena, (size_t)(t->text.n_params + 1) * sizeof(*v));
	for (int i = 0; i < t->text.n_params; i++)
		v[i] = param_arg(env, t->fields, t->text.params[i], args);
	return (struct pg_args){ v, t->text.n_params };
}

/* ---- errors ---- */

static bool has_state(const struct err *e, const char *prefix)
{
	return strncmp(e->sqlstate, prefix, strlen(prefix)) == 0;
}

/* What the requester may not do is for the model to tell; what no arguments can mend is for whoever wrote the tool. */
static bool judge(const struct tool_sql *t, struct err *e)
{
	if (has_state(e, "57014") && e->kind == ERR_TIMEOUT)
		return FAIL(e, ERR_INPUT, "tool_too_slow", "the statement took longer than %lld ms and was stopped; ask for less",
			(long long)t->time_ms);
	if (has_state(e, "25")) { /* writing, or asking to be let write */
		e->kind = ERR_INPUT;
		e->code = "tool_reads_only";
		return err_prefix(e, "this tool may only read: ");
	}
	if (has_state(e, "42501")) {
		e->kind = ERR_INPUT;
		e->code = "tool_not_allowed";
	} else if (has_state(e, "42") || has_state(e, "0A")) {
		e->kind = ERR_REFUSED;
		e->code = "tool_broken";
		return err_prefix(e, "the statement does not fit the database (drover doctor): ");
	}
	return false;
}

/* ---- rows ---- */

static const char *cut_text(struct arena *a, const struct tool_sql *t, const struct pg_rows *rows, int shown)
{
	const char *all = rows->n ? pg_text(rows, 0, "drover_total") : NULL;
	if (shown == rows->n && rows->n <= t->rows)
		return NULL;
	if (!shown)
		return arena_printf(a, "the first row alone has more than %lld bytes: ask for less", (long long)t->bytes);
	if (all)
		return arena_printf(a, "%d of %s rows are shown", shown, all);
	return arena_printf(a, "there are more than the %d rows shown: ask for less", shown);
}

static const cJSON *rows_json(struct arena *a, const struct tool_sql *t, const struct pg_rows *rows)
{
	cJSON *object = json_object(a), *list = json_put_array(object, "rows");
	int shown = 0;
	for (; shown < rows->n && shown < t->rows && pg_text(rows, shown, "drover_row"); shown++)
		json_add_raw(list, pg_text(rows, shown, "drover_row"));
	const char *cut = cut_text(a, t, rows, shown);
	if (cut)
		json_put_text(object, "cut", cut);
	return object;
}

static const cJSON *result_of(struct arena *a, const struct tool_sql *t, const struct pg_rows *rows)
{
	if (!t->text.silent && !t->text.counts)
		return rows_json(a, t, rows);
	cJSON *object = json_object(a);
	if (t->text.counts)
		json_put_i64(object, "changed", pg_i64(rows, 0, "drover_changed"));
	else
		json_put_bool(object, "done", true);
	return object;
}

/* ---- in and out ---- */

struct call {
	struct tool_env *env;
	const struct tool_sql *t;
	struct pg_rows settings; /* before, of one that writes */
	struct pg_rows entered, rows, same;
	struct err *e;
};

static bool batch(struct call *c, const struct pg_step *steps, size_t n)
{
	return pg_batch(c->env->db, c->env->arena, steps, n, c->env->deadline, c->e);
}

static int64_t time_left(const struct call *c)
{
	int64_t left = c->env->deadline == NEVER_MS ? c->t->time_ms : c->env->deadline - clock_ms();
	return MAX_OF(MIN_OF(c->t->time_ms, left), (int64_t)1);
}

static bool enter(struct call *c)
{
	const char *ms = arena_printf(c->env->arena, "%lld", (long long)time_left(c));
	struct pg_args args = PG_ARGS(PG(c->t->role), PG(ms), PG(c->t->write ? "off" : "on"));
	struct pg_step steps[] = { { c->t->write ? &sql_tool_settings : &sql_savepoint, PG_NO_ARGS, &c->settings },
		{ &sql_tool_enter, args, &c->entered } };
	if (!batch(c, steps, COUNT(steps))) {
		if (has_state(c->e, "42501")) {
			c->e->code = "tool_broken";
			err_prefix(c->e, "role %s (grant it to the worker's role): ", c->t->role);
		}
		return false;
	}
	return c->entered.n || FAIL(c->e, ERR_REFUSED, "tool_broken", "role %s of the tool is not there, or stands above row level "
		"security", c->t->role);
}

/* Whatever it did that a read-only transaction lets through, and all its settings, end here; locks of the session do not by themselves. */
static bool leave_read(struct call *c)
{
	struct pg_step steps[] = { { &sql_back, PG_NO_ARGS, NULL }, { &sql_release, PG_NO_ARGS, NULL },
		{ &sql_unlock, PG_NO_ARGS, NULL } };
	return batch(c, steps, COUNT(steps));
}

/* The connection is another requester's next: settings beyond the transaction, temporary tables and locks must not stay on it. */
static bool leave_write(struct call *c)
{
	struct pg_args args = PG_ARGS(PG(pg_text(&c->settings, 0, "search_path")), PG(pg_text(&c->settings, 0, "statement_timeout")),
		PG(pg_text(&c->settings, 0, "plan_cache_mode")), PG(pg_text(&c->settings, 0, "enable_seqscan")),
		PG(pg_text(&c->entered, 0, "claims")));
	struct pg_step steps[] = { { &sql_reset_role, PG_NO_ARGS, NULL }, { &sql_reset_all, PG_NO_ARGS, NULL },
		{ &sql_discard, PG_NO_ARGS, NULL }, { &sql_tool_leave, args, NULL } };
	return batch(c, steps, COUNT(steps));
}

/* The statement's name is a number of this process, and nobody's business: the call says which tool it was. */
static void drop_name(const struct sql *q, struct err *e)
{
	size_t n = strlen(q->name);
	if (strncmp(e->msg, q->name, n) == 0 && strncmp(e->msg + n, ": ", 2) == 0)
		memmove(e->msg, e->msg + n + 2, strlen(e->msg + n + 2) + 1);
}

static bool run_statement(struct call *c, const void *args)
{
	struct pg_args same = PG_ARGS(PG(c->t->role), PG(pg_text(&c->entered, 0, "claims")));
	struct pg_step steps[3] = { { c->t->sql, args_of(c->env, c->t, args), &c->rows } };
	size_t n = 1;
	if (c->t->write)
		steps[n++] = (struct pg_step){ &sql_constraints, PG_NO_ARGS, NULL }; /* at COMMIT they would be checked as the worker */
	steps[n++] = (struct pg_step){ &sql_tool_check, same, &c->same };
	pg_expect_read_only(c->env->db, !c->t->write);
	bool ok = batch(c, steps, n);
	pg_expect_read_only(c->env->db, false);
	if (!ok) {
		drop_name(c->t->sql, c->e);
		return judge(c->t, c->e);
	}
	return pg_bool(&c->same, 0, "same") || FAIL(c->e, ERR_REFUSED, "tool_broken",
		"the statement changed its role or its claims; what it did is undone");
}

bool tool_sql_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	struct call c = { .env = env, .t = env->tool->self, .e = e };
	if (!enter(&c) || !run_statement(&c, args))
		return false;
	*result = result_of(env->arena, c.t, &c.rows);
	return c.t->write ? leave_write(&c) : leave_read(&c);
}
