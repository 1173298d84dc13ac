/* SPDX-License-Identifier: MIT */
/*
 * How late the log is: reads the rows of some requests as soon as they can be seen, and compares the times of sending
 * that stand in their texts (16 digits, CLOCK_MONOTONIC in microseconds) with the clock. The 5 ms between two looks are
 * in the lag.
 *   bench_log_lag URL REQUESTS SECONDS    of the first so many that run; prints "n p50 p99 max", in milliseconds
 */
#include "clock.h"
#include "side.h"
#include <libpq-fe.h>
#include <unistd.h>

enum { DIGITS = 16, POLL_US = 5000, MOST = 10000, MOST_LAGS = 4000000, ID_BYTES = 24, SECOND_US = 1000000 };

/* seq has no gaps and goes up with the commits of a request: what is behind the last one seen is new. */
#define ROWS_SQL "select l.request_id, l.seq, l.message from unnest($1::bigint[], $2::integer[]) s (id, seq) " \
	"join agent_logs l on l.request_id = s.id and l.seq > s.seq and l.kind in ('text', 'thinking') " \
	"order by l.request_id, l.seq"

struct reader {
	PGconn *db;
	int64_t ids[MOST];
	int seqs[MOST], n;
	int32_t *lags;
	int n_lags;
};

static void fail(struct reader *r, const char *what)
{
	fprintf(stderr, "bench_log_lag: %s: %s", what, PQerrorMessage(r->db));
	_exit(1);
}

static int64_t number_at(const PGresult *rows, int i, int column)
{
	int64_t n = 0;
	return str_to_i64(str_of(PQgetvalue(rows, i, column)), &n) ? n : 0;
}

static void requests_find(struct reader *r, const char *wanted)
{
	PGresult *rows = PQexecParams(r->db, "select q.id, coalesce((select max(seq) from agent_logs l "
		"where l.request_id = q.id), 0) from agent_requests q where q.phase = 'running' order by md5(q.id::text) "
		"limit $1::integer", 1, NULL, &wanted, NULL, NULL, 0);
	if (PQresultStatus(rows) != PGRES_TUPLES_OK)
		fail(r, "requests");
	r->n = PQntuples(rows);
	for (int i = 0; i < r->n; i++) {
		r->ids[i] = number_at(rows, i, 0);
		r->seqs[i] = (int)number_at(rows, i, 1);
	}
	PQclear(rows);
}

static int request_of(const struct reader *r, int64_t id, int from)
{
	for (int i = 0; i < r->n; i++)
		if (r->ids[(from + i) % r->n] == id)
			return (from + i) % r->n;
	return from;
}

static void times_read(struct reader *r, const char *text, int64_t now)
{
	for (const char *p = text; *p;) {
		size_t digits = strspn(p, "0123456789");
		int64_t sent;
		if (digits == DIGITS && str_to_i64((struct str){ p, digits }, &sent) && r->n_lags < MOST_LAGS)
			r->lags[r->n_lags++] = (int32_t)(now - sent);
		p += digits ? digits : 1;
	}
}

static void arrays(const struct reader *r, char *ids, char *seqs)
{
	*ids++ = *seqs++ = '{';
	for (int i = 0; i < r->n; i++) {
		ids += snprintf(ids, ID_BYTES, i ? ",%ld" : "%ld", (long)r->ids[i]);
		seqs += snprintf(seqs, ID_BYTES, i ? ",%d" : "%d", r->seqs[i]);
	}
	snprintf(ids, 2, "}");
	snprintf(seqs, 2, "}");
}

static void rows_read(struct reader *r)
{
	static char ids[MOST * ID_BYTES + 2], seqs[MOST * ID_BYTES + 2];
	const char *values[] = { ids, seqs };
	arrays(r, ids, seqs);
	PGresult *rows = PQexecPrepared(r->db, "rows", 2, values, NULL, NULL, 0);
	if (PQresultStatus(rows) != PGRES_TUPLES_OK)
		fail(r, "rows");
	int64_t now = clock_us();
	for (int i = 0, at = 0; i < PQntuples(rows); i++) {
		at = request_of(r, number_at(rows, i, 0), at);
		r->seqs[at] = (int)number_at(rows, i, 1);
		times_read(r, PQgetvalue(rows, i, 2), now);
	}
	PQclear(rows);
}

static int compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static struct reader r;
	if (argc != 4 || side_number(argv[2]) > MOST)
		return 2;
	r.db = PQconnectdb(argv[1]);
	r.lags = mem_alloc(MOST_LAGS * sizeof(*r.lags));
	if (PQstatus(r.db) != CONNECTION_OK)
		fail(&r, "connect");
	PQclear(PQexec(r.db, "set plan_cache_mode = force_generic_plan; set enable_seqscan = off"));
	PQclear(PQprepare(r.db, "rows", ROWS_SQL, 2, NULL));
	requests_find(&r, argv[2]);
	if (!r.n)
		return 3;
	for (int64_t end = clock_us() + side_number(argv[3]) * (int64_t)SECOND_US; clock_us() < end; usleep(POLL_US))
		rows_read(&r);
	qsort(r.lags, (size_t)r.n_lags, sizeof(*r.lags), compare);
	if (!r.n_lags)
		return 3;
	side_say("%d %.1f %.1f %.1f\n", r.n_lags, r.lags[r.n_lags / 2] / 1e3, r.lags[(int64_t)r.n_lags * 99 / 100] / 1e3,
		r.lags[r.n_lags - 1] / 1e3);
	return 0;
}
