/* SPDX-License-Identifier: MIT */
/* The round trip on which everything turns: what has ended goes out, what is ready comes in, in one transaction. */
#include "queue_inner.h"
#include "queue_sql.h"

/* ---- out ---- */

enum { ARRAYS = 12, ARRAYS_BYTES = 256 * 1024 * 1024 };

static void end_add(struct buf *const *columns, const struct queue_end *end)
{
	const char *texts[] = { end->completed ? "completed" : "failed", end->phase, end->result, end->error,
		end->error_code, end->agent };
	int64_t tokens[] = { end->tokens.input, end->tokens.output, end->tokens.cache_write, end->tokens.cache_read };
	size_t c = 0;
	pg_array_add_i64(columns[c++], end->request->id);
	pg_array_add_i64(columns[c++], end->request->version);
	for (size_t i = 0; i < COUNT(texts); i++)
		pg_array_add(columns[c++], texts[i]);
	for (size_t i = 0; i < COUNT(tokens); i++)
		pg_array_add_i64(columns[c++], tokens[i]);
}

struct pg_args end_args(struct arena *a, const struct queue_end *ends, size_t n)
{
	struct buf *columns[ARRAYS];
	struct pg_arg *v = arena_alloc(a, ARRAYS * sizeof(*v));
	for (size_t c = 0; c < ARRAYS; c++)
		columns[c] = buf_new(a, ARRAYS_BYTES);
	for (size_t i = 0; i < n; i++)
		end_add(columns, &ends[i]);
	for (size_t c = 0; c < ARRAYS; c++)
		v[c] = PG(pg_array_end(columns[c]));
	return (struct pg_args){ v, ARRAYS };
}

static int compare_ends(const void *a, const void *b)
{
	int64_t x = ((const struct queue_end *)a)->request->id, y = ((const struct queue_end *)b)->request->id;
	return (x > y) - (x < y);
}

/* ---- in ---- */

enum column {
	ID, VERSION, ATTEMPT, CRASHES, IS_CHILD, DRY_RUN, RESUMED, TYPE, REQUEST, CONTEXT, SESSION_ID, USER_ID, WORKSPACE_ID,
	LAST_SEQ, PRIORITY, COLUMNS,
};

static const char *const column_names[COLUMNS] = {
	[ID] = "id", [VERSION] = "version", [ATTEMPT] = "attempt", [CRASHES] = "crashes", [IS_CHILD] = "is_child",
	[DRY_RUN] = "dry_run", [RESUMED] = "resumed", [TYPE] = "type", [REQUEST] = "request", [CONTEXT] = "context",
	[SESSION_ID] = "session_id", [USER_ID] = "user_id", [WORKSPACE_ID] = "workspace_id", [LAST_SEQ] = "last_seq",
	[PRIORITY] = "priority",
};

/* at: where each column is. */
static struct queue_request read_request(const struct pg_rows *rows, int i, const int at[COLUMNS])
{
	return (struct queue_request){
		.id = pg_i64_at(rows, i, at[ID]),
		.version = pg_i64_at(rows, i, at[VERSION]),
		.attempt = (int)pg_i64_at(rows, i, at[ATTEMPT]),
		.crashes = (int)pg_i64_at(rows, i, at[CRASHES]),
		.is_child = pg_bool_at(rows, i, at[IS_CHILD]),
		.dry_run = pg_bool_at(rows, i, at[DRY_RUN]),
		.resumed = pg_bool_at(rows, i, at[RESUMED]),
		.type = pg_text_at(rows, i, at[TYPE]),
		.request = pg_text_at(rows, i, at[REQUEST]),
		.context = pg_text_at(rows, i, at[CONTEXT]),
		.session_id = pg_text_at(rows, i, at[SESSION_ID]),
		.user_id = pg_text_at(rows, i, at[USER_ID]),
		.workspace_id = pg_text_at(rows, i, at[WORKSPACE_ID]),
		.last_seq = pg_i64_at(rows, i, at[LAST_SEQ]),
		.priority = pg_i64_at(rows, i, at[PRIORITY]),
	};
}

static struct queue_request *read_requests(struct arena *a, const struct pg_rows *rows)
{
	struct queue_request *all = arena_alloc(a, (size_t)rows->n * sizeof(*all));
	int at[COLUMNS];
	for (int c = 0; c < COLUMNS; c++)
		at[c] = pg_column(rows, column_names[c]);
	for (int i = 0; i < rows->n; i++)
		all[i] = read_request(rows, i, at);
	return all;
}

/* The database returns them as they lie. */
static int compare_requests(const void *a, const void *b)
{
	const struct queue_request *x = a, *y = b;
	if (x->priority != y->priority)
		return (x->priority > y->priority) - (x->priority < y->priority);
	return (x->id > y->id) - (x->id < y->id);
}

static struct queue_claim read_claim(struct arena *a, const struct pg_rows *rows)
{
	if (!rows->n) /* the lease has run out */
		return (struct queue_claim){ 0 };
	struct queue_claim claim = { .looked = pg_i64(rows, 0, "looked"), .undecided = pg_i64(rows, 0, "undecided"),
		.returns = pg_i64(rows, 0, "returns"), .last_tenant = pg_text(rows, 0, "tenant") };
	if (!pg_text(rows, 0, "id"))
		return claim;
	struct queue_request *all = read_requests(a, rows);
	qsort(all, (size_t)rows->n, sizeof(*all), compare_requests);
	claim.requests = all;
	claim.n = (size_t)rows->n;
	return claim;
}

/* ---- both ---- */

/* Two requests of a session whose inserts overlapped can both look like the head: the unique index refuses the second
 * claim, and looking again sees the first. Two such pairs, crosswise, are a deadlock. */
static bool is_contended(const struct err *e)
{
	return strcmp(e->sqlstate, "23505") == 0 || strcmp(e->sqlstate, "40P01") == 0;
}

static bool batch(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, bool claims, int64_t deadline,
	struct err *e)
{
	enum { TRIES = 10 }; /* each is lost to somebody else's commit */
	for (int i = 0; i < TRIES; i++) {
		if (pg_batch(db, a, steps, n, deadline, e))
			return true;
		if (!claims || !is_contended(e))
			return false;
	}
	return FAIL(e, ERR_BUSY, "claim_contended", "claim lost the race for a session %d times", TRIES);
}

bool queue_exchange(struct pg *db, struct arena *a, struct queue_end *ends, size_t n, struct log_batch *rows,
	const struct queue_wish *wish, int64_t deadline, int64_t **ended, size_t *n_ended, struct queue_claim *claim,
	struct err *e)
{
	struct pg_step steps[4];
	struct pg_rows finished = { 0 }, claimed = { 0 };
	size_t k = 0;
	if (n > 1)
		qsort(ends, n, sizeof(*ends), compare_ends);
	struct pg_args out = n ? end_args(a, ends, n) : PG_NO_ARGS;
	struct pg_args fence = { out.v, 2 };
	struct pg_args in = wish ? PG_ARGS(PG(wish->worker_id), PG(wish->max), PG(wish->floor_priority), PG(wish->floor_id),
		PG(wish->default_limits), PG(wish->fair), PG(wish->last_tenant)) : PG_NO_ARGS;
	if (n && rows->n_rows) {
		steps[k++] = (struct pg_step){ &sql_fence_many, fence, NULL };
		steps[k++] = (struct pg_step){ &sql_log_append, rows_args(a, rows), NULL };
	}
	if (n)
		steps[k++] = (struct pg_step){ &sql_finish, out, &finished };
	if (wish)
		steps[k++] = (struct pg_step){ &sql_claim, in, &claimed };
	if (!batch(db, a, steps, k, wish != NULL, deadline, e))
		return false;
	int64_t *ids = arena_alloc(a, (size_t)(finished.n + 1) * sizeof(*ids));
	for (int i = 0; i < finished.n; i++)
		ids[i] = pg_i64_at(&finished, i, 0);
	*ended = ids;
	*n_ended = (size_t)finished.n;
	*claim = read_claim(a, &claimed);
	return true;
}

bool queue_claim(struct pg *db, struct arena *a, const char *worker_id, int max, int64_t deadline,
	const struct queue_request **requests, size_t *n, struct err *e)
{
	struct queue_wish wish = { .worker_id = worker_id, .max = max, .default_limits = "{}" };
	struct queue_claim claim;
	int64_t *none;
	size_t n_none;
	if (!queue_exchange(db, a, NULL, 0, NULL, &wish, deadline, &none, &n_none, &claim, e))
		return false;
	*requests = claim.requests;
	*n = claim.n;
	return true;
}
