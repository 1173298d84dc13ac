/* SPDX-License-Identifier: MIT */
#include "follow.h"
#include "clock.h"
#include "command.h"
#include "commands_sql.h"
#include "loop.h"

enum { POLL_MS = 150, MAX_ROWS = 500, SETTLE_MS = 10000, MAX_LIST = 16 * 1024 * 1024 };

struct watched {
	int64_t id, seq;
	bool root; /* its end is waited for */
};

struct following {
	struct follow *f;
	struct arena *a;     /* of one poll */
	struct arena *kept;  /* until the end */
	struct watched *all; /* grows only */
	size_t n, capacity;
	struct follow_line line;
	/* Log rows of a session may commit out of the order of their ids: what was newest a while ago is settled. */
	int64_t settled_id, newest_id, newest_at;
	struct pg_rows requests, rows, session, newest;
};

static void grow(struct following *w)
{
	w->capacity = MAX_OF(2 * w->capacity, (size_t)64);
	struct watched *grown = arena_alloc(w->kept, w->capacity * sizeof(*grown));
	if (w->n)
		memcpy(grown, w->all, w->n * sizeof(*grown));
	w->all = grown;
}

static struct watched *watch(struct following *w, int64_t id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].id == id)
			return &w->all[i];
	if (w->n == w->capacity)
		grow(w);
	w->all[w->n] = (struct watched){ .id = id };
	return &w->all[w->n++];
}

/* ---- one poll ---- */

static const char *list_roots(struct following *w)
{
	struct buf *b = buf_new(w->a, MAX_LIST);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].root)
			pg_array_add_i64(b, w->all[i].id);
	return pg_array_end(b);
}

static void list_seen(struct following *w, const char **ids, const char **seqs)
{
	struct buf *id = buf_new(w->a, MAX_LIST), *seq = buf_new(w->a, MAX_LIST);
	for (size_t i = 0; i < w->n; i++) {
		pg_array_add_i64(id, w->all[i].id);
		pg_array_add_i64(seq, w->all[i].seq);
	}
	*ids = pg_array_end(id);
	*seqs = pg_array_end(seq);
}

/* Newest first: what the second then finds beyond it has not been counted as settled. */
static bool find_session(struct following *w, struct err *e)
{
	const char *session = w->f->session_id;
	struct pg_step steps[] = {
		{ &sql_tail_newest, PG_ARGS(PG(session)), &w->newest },
		{ &sql_tail_session, PG_ARGS(PG(session), PG(w->settled_id)), &w->session },
	};
	if (!pg_batch(w->f->db, w->a, steps, COUNT(steps), command_deadline(), e))
		return false;
	for (int i = 0; i < w->session.n; i++)
		watch(w, pg_i64(&w->session, i, "id"))->root = true;
	if (!w->newest_at || clock_ms() - w->newest_at > SETTLE_MS) {
		w->settled_id = w->newest_id;
		w->newest_id = pg_i64(&w->newest, 0, "id");
		w->newest_at = clock_ms();
	}
	return true;
}

/* The requests' state before the rows: when all had ended, all their rows are there. */
static bool ask(struct following *w, struct err *e)
{
	const char *roots = list_roots(w), *ids, *seqs;
	int limit = MAX_ROWS;
	list_seen(w, &ids, &seqs);
	struct pg_step steps[] = {
		{ &sql_tail_requests, PG_ARGS(PG(roots)), &w->requests },
		{ &sql_tail_rows, PG_ARGS(PG(roots), PG(ids), PG(seqs), PG(limit)), &w->rows },
	};
	return pg_batch(w->f->db, w->a, steps, COUNT(steps), command_deadline(), e);
}

static void show_rows(struct following *w)
{
	for (int i = 0; i < w->rows.n; i++) {
		if (w->f->json)
			print_json_text(&w->f->out, str_of(pg_text(&w->rows, i, "row")));
		else
			follow_print_row(&w->f->out, &w->line, &w->rows, i);
		watch(w, pg_i64(&w->rows, i, "request_id"))->seq = pg_i64(&w->rows, i, "seq");
	}
	fflush(w->f->out.to);
}

/* ---- the end ---- */

static int find_row(const struct pg_rows *requests, int64_t id)
{
	for (int i = 0; i < requests->n; i++)
		if (pg_i64(requests, i, "id") == id)
			return i;
	return -1;
}

/* A request that is open keeps the ones above it open. */
static void keep_open(struct following *w, int64_t id, bool *open)
{
	for (int i; (i = find_row(&w->requests, id)) >= 0 && !open[i]; id = pg_i64(&w->requests, i, "parent_id"))
		open[i] = true;
}

static bool all_ended(struct following *w)
{
	bool *open = arena_alloc(w->a, (size_t)w->requests.n + 1), any = false;
	for (int i = 0; i < w->requests.n; i++)
		if (!pg_bool(&w->requests, i, "ended"))
			keep_open(w, pg_i64(&w->requests, i, "id"), open);
	for (size_t i = 0; i < w->n; i++) {
		int row = w->all[i].root ? find_row(&w->requests, w->all[i].id) : -1;
		w->all[i].root = row >= 0 && open[row];
		any |= w->all[i].root;
	}
	return !any;
}

static bool poll_once(struct following *w, bool *more, bool *ended, struct err *e)
{
	if (w->f->session_id && !find_session(w, e))
		return false;
	if (!ask(w, e))
		return false;
	w->f->found |= w->requests.n > 0;
	show_rows(w);
	*more = w->rows.n == MAX_ROWS;
	*ended = !*more && all_ended(w);
	return true;
}

static bool follow_all(struct following *w, struct err *e)
{
	bool ended = false, more = true, ok = true;
	while (ok && !ended && (more || !w->f->once)) {
		ARENA_SCOPE(tmp);
		w->a = tmp;
		ok = poll_once(w, &more, &ended, e) && (ended || more || w->f->once || loop_sleep(POLL_MS, e));
	}
	return ok;
}

bool follow_run(struct follow *f, struct err *e)
{
	ARENA_SCOPE(a);
	struct following *w = arena_alloc(a, sizeof(*w));
	*w = (struct following){ .f = f, .kept = a };
	if (!f->session_id)
		watch(w, f->request_id)->root = true;
	bool ok = follow_all(w, e);
	follow_print_end(&f->out, &w->line);
	fflush(f->out.to);
	return ok;
}
