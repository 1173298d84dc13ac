/* SPDX-License-Identifier: MIT */
/*
 * Postgres on fibers. Queries are compiled-in constants (struct sql, from .sql files), prepared once per connection and
 * pipelined. Errors: connection trouble ERR_NET; statement timeout ERR_TIMEOUT; serialization, deadlock, locks, resources
 * ERR_BUSY; SQLSTATE DV001 (the fence) ERR_FENCE; data, constraint and raised errors (22, 23, P0001) ERR_INPUT;
 * permission ERR_REFUSED; all else ERR_BUG. After a failed or abandoned call the connection is put in order or replaced.
 */
#pragma once
#include "json.h"

struct sql {
	const char *name;
	const char *path;
	const char *text;
	int n_params;
};

struct pg;
struct pg_pool;

struct pg_arg {
	enum { PG_NULL, PG_TEXT, PG_I64, PG_BOOL } kind;
	const char *text;
	int64_t i64;
};
struct pg_args {
	const struct pg_arg *v;
	int n;
};

static inline struct pg_arg pg_arg_text(const char *s) { return (struct pg_arg){ s ? PG_TEXT : PG_NULL, s, 0 }; }
static inline struct pg_arg pg_arg_i64(int64_t i) { return (struct pg_arg){ PG_I64, NULL, i }; }
static inline struct pg_arg pg_arg_bool(bool b) { return (struct pg_arg){ PG_BOOL, NULL, b }; }
/* PG_ARGS(PG(id), PG(name)): types cannot lie. NULL text is SQL null. JSON travels as text. */
#define PG(x) _Generic((x), bool: pg_arg_bool, int: pg_arg_i64, int64_t: pg_arg_i64, \
		char *: pg_arg_text, const char *: pg_arg_text)(x)
#define PG_ARGS(...) ((struct pg_args){ (const struct pg_arg[]){ __VA_ARGS__ }, \
		(int)COUNT(((const struct pg_arg[]){ __VA_ARGS__ })) })
#define PG_NO_ARGS ((struct pg_args){ NULL, 0 })

/* A result, in the arena it was asked for. Columns by name; a name that is not there is a bug and aborts. */
struct pg_rows {
	int n;
	const void *result;
};
const char *pg_text(const struct pg_rows *rows, int row, const char *column); /* NULL for null */
int64_t pg_i64(const struct pg_rows *rows, int row, const char *column);      /* 0 for null */
bool pg_bool(const struct pg_rows *rows, int row, const char *column);        /* false for null */
/* For many rows: the name is looked up once. */
int pg_column(const struct pg_rows *rows, const char *column);
const char *pg_text_at(const struct pg_rows *rows, int row, int column);
int64_t pg_i64_at(const struct pg_rows *rows, int row, int column);
bool pg_bool_at(const struct pg_rows *rows, int row, int column);
const char *pg_first(const struct pg_rows *rows);                             /* first column of the first row */
/* All rows as a JSON array of objects of text, numbers, booleans and JSON by column type: what a tool shows the model. */
cJSON *pg_rows_json(struct arena *a, const struct pg_rows *rows);
cJSON *pg_row_json(struct arena *a, const struct pg_rows *rows, int row);

/* Array literals for unnest($1::...[]). */
struct buf;
void pg_array_add(struct buf *b, const char *text); /* NULL is null */
void pg_array_add_i64(struct buf *b, int64_t n);
const char *pg_array_end(struct buf *b);            /* the literal, closed; "{}" when nothing was added */

/* ---- connections ---- */

struct pg_options {
	const char *url;               /* conninfo or URI; several hosts are tried in order, each for its share of connect_ms */
	const char *application_name;
	int64_t connect_ms;            /* limit of one connection attempt */
	bool prepare;                  /* false for poolers in transaction mode: unnamed statements */
};

/* waits. NULL and e on failure. Close with pg_close (NULL allowed), which never waits. */
struct pg *pg_open(const struct pg_options *o, int64_t deadline, struct err *e);
void pg_close(struct pg *db);
bool pg_broken(const struct pg *db);
int pg_backend_pid(const struct pg *db);

/* Warnings of the server go to the log. From keep to end those of this connection are counted instead, for whoever asks
 * something that fails by nothing else. end gives their number, and the last one's text ("" = none). */
void pg_warnings_keep(struct pg *db);
int64_t pg_warnings_end(struct pg *db, char *text, size_t size);

/* One statement. waits. rows may be NULL. */
bool pg_query(struct pg *db, struct arena *a, const struct sql *q, struct pg_args args, int64_t deadline,
	struct pg_rows *rows, struct err *e);

/* Several statements, one round trip, one transaction: all or nothing. waits. */
struct pg_step {
	const struct sql *q;
	struct pg_args args;
	struct pg_rows *rows; /* or NULL */
};
bool pg_batch(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e);

/*
 * A transaction around code. pg_begin keeps BEGIN and the steps until the first statement after it, whatever it is: then
 * all go in one round trip, and what a step fails with, that statement fails with. When a step has rows, they are asked
 * for at once (waits); else pg_begin never waits, and a must live until that statement. pg_commit sends its steps and
 * COMMIT. After any failure in between call pg_rollback (waits; also puts a failed statement right): of what was never
 * sent it sends nothing.
 */
bool pg_begin(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e);
bool pg_commit(struct pg *db, struct arena *a, const struct pg_step *steps, size_t n, int64_t deadline, struct err *e);
bool pg_rollback(struct pg *db, int64_t deadline, struct err *e);
/* While it is on, the transaction is read-only because we made it so: a statement that writes is ERR_REFUSED, and not the
 * sign of a server that is the primary no more. */
void pg_expect_read_only(struct pg *db, bool on);

/* Text that is not a compiled-in query: migrations, LISTEN. Several statements allowed; rows of the last. waits. */
bool pg_script(struct pg *db, struct arena *a, const char *text, int64_t deadline, struct pg_rows *rows, struct err *e);
/* Checks a statement without running it. waits. */
bool pg_prepare_check(struct pg *db, const struct sql *q, int64_t deadline, struct err *e);

/* After LISTEN: waits for the next notification. payload lives in a. */
bool pg_notification(struct pg *db, struct arena *a, const char **channel, const char **payload, int64_t deadline,
	struct err *e);

/* ---- pool: opened lazily, bounded, first come first served ---- */

struct pg_pool *pg_pool_new(const struct pg_options *o, int max);
void pg_pool_free(struct pg_pool *pool); /* nothing may be out */
/* waits for a free connection, in order of asking; a broken or half-done one is put right or replaced first. */
struct pg *pg_get(struct pg_pool *pool, int64_t deadline, struct err *e);
void pg_put(struct pg_pool *pool, struct pg *db); /* NULL allowed; never waits; any state */
int pg_pool_size(const struct pg_pool *pool);
/* Connections that are out, and fibers that wait for one. */
void pg_pool_load(const struct pg_pool *pool, int *in_use, int *waiting);

/* The value of password in any conninfo or URI replaced by ***; never fails. For messages. */
const char *pg_url_redact(struct arena *a, const char *url);
