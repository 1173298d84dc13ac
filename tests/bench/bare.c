/* SPDX-License-Identifier: MIT */
/*
 * The floor of the throughput: the same rows claimed and ended by libpq alone, in batches; the claim and the end of the
 * batch before are one transaction in one round trip. No session order, no lease, no log. Serves until SIGTERM.
 *   bench_bare URL BATCH CONNECTIONS    a process a connection; each prints lines "us pid count"
 */
#include "clock.h"
#include "side.h"
#include <libpq-fe.h>
#include <unistd.h>

enum { MOST = 1000, NUMBER_BYTES = 21, IDLE_US = 20000 };

#define CLAIM_SQL "update agent_requests set status = 'processing', phase = 'running', version = version + 1, " \
	"attempt = attempt + 1, worker_id = '00000000-0000-4000-8000-00000000bee5', started_at = clock_timestamp() " \
	"where ctid = any (array(select ctid from agent_requests where phase = 'ready' order by priority, id " \
	"for update skip locked limit $1::integer)) returning id, version, type, request, context, session_id, user_id"
#define END_SQL "update agent_requests r set status = 'completed', phase = 'completed', result = '{}', " \
	"worker_id = null, finished_at = clock_timestamp() from unnest($1::bigint[], $2::integer[]) f (id, version) " \
	"where r.id = f.id and r.version = f.version and r.phase = 'running'"

struct batch {
	char ids[MOST * NUMBER_BYTES + 2], versions[MOST * NUMBER_BYTES + 2];
	int n;
};

static void fail(PGconn *db, const char *what)
{
	fprintf(stderr, "bench_bare: %s: %s", what, PQerrorMessage(db));
	_exit(1);
}

static void run(PGconn *db, const char *sql)
{
	PGresult *r = PQexec(db, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail(db, sql);
	PQclear(r);
}

static PGconn *open_prepared(const char *url)
{
	PGconn *db = PQconnectdb(url);
	if (PQstatus(db) != CONNECTION_OK)
		fail(db, "connect");
	run(db, "set plan_cache_mode = force_generic_plan");
	PQclear(PQprepare(db, "claim", CLAIM_SQL, 1, NULL));
	PQclear(PQprepare(db, "end", END_SQL, 2, NULL));
	return PQenterPipelineMode(db) ? db : NULL;
}

static void read_batch(const PGresult *r, struct batch *b)
{
	char *id = b->ids, *version = b->versions;
	b->n = PQntuples(r);
	*id++ = *version++ = '{';
	for (int i = 0; i < b->n; i++) {
		id += snprintf(id, NUMBER_BYTES, i ? ",%s" : "%s", PQgetvalue(r, i, 0));
		version += snprintf(version, NUMBER_BYTES, i ? ",%s" : "%s", PQgetvalue(r, i, 1));
	}
	snprintf(id, 2, "}");
	snprintf(version, 2, "}");
}

static PGresult *next_result(PGconn *db, ExecStatusType wanted)
{
	PGresult *r = PQgetResult(db);
	if (PQresultStatus(r) != wanted)
		fail(db, PQresStatus(PQresultStatus(r)));
	return r;
}

/* Ends what is in b and claims anew into it; the end was one short transaction with the claim. */
static void exchange(PGconn *db, const char *size, struct batch *b)
{
	const char *end_values[] = { b->ids, b->versions };
	if (!PQsendQueryPrepared(db, "end", 2, end_values, NULL, NULL, 0) ||
		!PQsendQueryPrepared(db, "claim", 1, &size, NULL, NULL, 0) || !PQpipelineSync(db))
		fail(db, "send");
	PGresult *ended = next_result(db, PGRES_COMMAND_OK);
	if (side_number(PQcmdTuples(ended)) != b->n)
		fail(db, "some of the batch were no longer ours");
	PQclear(ended);
	PQclear(PQgetResult(db));
	PGresult *claimed = next_result(db, PGRES_TUPLES_OK);
	read_batch(claimed, b);
	PQclear(claimed);
	PQclear(PQgetResult(db));
	PQclear(next_result(db, PGRES_PIPELINE_SYNC));
}

static _Noreturn void serve(const char *url, const char *size)
{
	static struct batch b = { .ids = "{}", .versions = "{}" };
	PGconn *db = open_prepared(url);
	for (int64_t count = 0;;) {
		int before = b.n;
		exchange(db, size, &b);
		count += before;
		if (before)
			side_say("%ld %d %ld\n", (long)clock_us(), getpid(), (long)count);
		if (!b.n)
			usleep(IDLE_US);
	}
}

static _Noreturn void serve_lane(const void *argv)
{
	const char *const *words = argv;
	serve(words[1], words[2]);
}

int main(int argc, char **argv)
{
	if (argc != 4 || side_number(argv[2]) < 1 || side_number(argv[2]) > MOST)
		return 2;
	return side_fork(side_number(argv[3]), serve_lane, argv);
}
