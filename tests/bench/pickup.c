/* SPDX-License-Identifier: MIT */
/*
 * How long from an insert's commit to the agent running, at low load: the real pool in a process of its own, beside a bare
 * listener that does nothing but LISTEN and claim. Both on one private Postgres, rounds in turn.
 *   bench_pickup ROUNDS INSERTS    prints one line a round: "drover|bare p50_us p99_us"
 */
#include "clock.h"
#include "embedded.h"
#include "loop.h"
#include "migrate.h"
#include "migrations.h"
#include "pool.h"
#include "process.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GAP_MS = 20, MOST = 100000, LONG_MS = 60000 };

/* Shared by the processes: when request i (from 0, in order of insertion) was picked up. */
static int64_t *picked;

/* ---- the agent that only says that it runs ---- */

static bool note(struct agent_run *run, struct agent_result *result, struct err *e)
{
	int64_t i;
	if (!str_to_i64(str_of(run->request), &i) || i < 0 || i >= MOST)
		return FAIL(e, ERR_INPUT, "bad_request", "not a number");
	picked[i] = clock_us();
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{}", .message = "" };
	return true;
}

static const struct agent noter = { .type = "note", .name = "note", .text = "", .prompt = "", .run = note };
static const struct agent *const agents[] = { &noter, NULL };

static bool drain_later(void *pool, struct err *e)
{
	int number;
	bool ok = loop_wait_signal((int[]){ SIGTERM }, 1, &number, e);
	pool_drain(pool);
	return ok;
}

static bool be_pool(void *url, struct err *e)
{
	struct pool_config c = { .database_url = url, .prepare = true, .listen = true, .connections = 4, .connect_ms = LONG_MS,
		.slots = 100, .batch = 100, .lease_ms = 15000, .poll_ms = 1000, .max_attempts = 5, .backoff_base_ms = 1000,
		.backoff_max_ms = 1000, .flush_ms = 250, .thoughts = { 4096, 65536 }, .limits = { .run_ms = LONG_MS },
		.agents = agents };
	struct group g = { 0 };
	struct pool *p = pool_new(&c);
	bool ok = group_start(&g, "drain", drain_later, p, e) && pool_serve(p, e);
	group_wait(&g, NEVER_MS, e);
	pool_free(p);
	return ok;
}

/* ---- the bare listener ---- */

static const struct sql bare_claim = { "bare_claim", "bench", "update bare set taken = true where id = (select id from bare "
	"where not taken order by id for update skip locked limit 1) returning id", 0 };

static bool claim_bare(struct pg *db, struct err *e)
{
	for (;;) {
		ARENA_SCOPE(a);
		struct pg_rows rows;
		if (!pg_query(db, a, &bare_claim, PG_NO_ARGS, NEVER_MS, &rows, e))
			return false;
		if (!rows.n)
			return true;
		picked[pg_i64(&rows, 0, "id")] = clock_us();
	}
}

static bool be_bare(void *url, struct err *e)
{
	struct pg_options o = { .url = url, .connect_ms = LONG_MS, .prepare = true };
	struct pg *listener = pg_open(&o, NEVER_MS, e), *db = pg_open(&o, NEVER_MS, e);
	ARENA_SCOPE(tmp);
	bool ok = listener && db && pg_script(listener, tmp, "listen bare", NEVER_MS, NULL, e) && claim_bare(db, e);
	while (ok) {
		ARENA_SCOPE(a);
		const char *channel, *payload;
		ok = pg_notification(listener, a, &channel, &payload, NEVER_MS, e) && claim_bare(db, e);
	}
	return ok; /* ends by SIGTERM */
}

static pid_t start(loop_body body, const char *url)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	struct err e = { 0 };
	log_level_set(LOG_WARN);
	if (!loop_open(&e) || !loop_run("bench", body, (void *)(uintptr_t)url, &e))
		fprintf(stderr, "%s\n", e.msg);
	_exit(0);
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static const struct sql insert_request = { "insert_request", "bench", "insert into agent_requests (type, request) values ('note', $1)", 1 };
static const struct sql insert_bare = { "insert_bare", "bench", "insert into bare (id) values ($1::bigint)", 1 };

static bool measure(struct pg *db, struct arena *a, const char *name, const struct sql *insert, int n, struct err *e)
{
	int64_t *us = arena_alloc(a, (size_t)n * sizeof(*us));
	memset(picked, 0, MOST * sizeof(*picked));
	for (int i = 0; i < n; i++) {
		ARENA_SCOPE(tmp);
		if (!pg_query(db, tmp, insert, PG_ARGS(PG(arena_printf(tmp, "%d", i))), NEVER_MS, NULL, e))
			return false;
		int64_t committed = clock_us();
		if (!loop_sleep(GAP_MS, e))
			return false;
		for (int64_t end = clock_ms() + 5000; !picked[i] && clock_ms() < end;)
			if (!loop_sleep(1, e))
				return false;
		if (!picked[i])
			return FAIL(e, ERR_TIMEOUT, "not_picked_up", "%s: insert %d was not picked up in 5 s", name, i);
		us[i] = MAX_OF(picked[i] - committed, (int64_t)0); /* it may run before our own answer is here */
	}
	qsort(us, (size_t)n, sizeof(*us), compare);
	printf("%s %ld %ld\n", name, (long)us[n / 2], (long)us[n * 99 / 100]);
	fflush(stdout);
	return true;
}

struct bench {
	struct embedded server;
	const char *owner_url;
	int rounds, inserts;
};

static bool round_of(struct bench *b, struct pg *db, struct arena *a, struct err *e)
{
	static const struct { const char *name; loop_body body; const struct sql *insert; } sides[] = {
		{ "drover", be_pool, &insert_request }, { "bare", be_bare, &insert_bare },
	};
	bool ok = true;
	for (size_t i = 0; ok && i < COUNT(sides); i++) {
		pid_t pid = start(sides[i].body, b->owner_url);
		ok = loop_sleep(500, e) && measure(db, a, sides[i].name, sides[i].insert, b->inserts, e);
		kill(pid, SIGTERM);
		ok = ok && loop_sleep(300, e) && pg_script(db, a, "truncate agent_requests cascade; truncate bare", NEVER_MS, NULL, e);
	}
	return ok;
}

static bool run(struct bench *b, struct arena *a, struct err *e)
{
	static const char *const set_up = "create table bare (id bigint primary key, taken boolean not null default false); "
		"create function ring() returns trigger language plpgsql as $$ begin notify bare; return null; end $$; "
		"create trigger ring after insert on bare for each statement execute function ring()";
	struct migrate_report report;
	struct pg *db = pg_open(&(struct pg_options){ .url = b->owner_url, .connect_ms = LONG_MS, .prepare = true }, NEVER_MS, e);
	bool ok = db && migrate(db, migrations_all, NULL, deadline_in(LONG_MS), &report, e) &&
		pg_script(db, a, set_up, NEVER_MS, NULL, e);
	for (int i = 0; ok && i < b->rounds; i++)
		ok = round_of(b, db, a, e);
	pg_close(db);
	return ok;
}

static bool bench(void *arg, struct err *e)
{
	struct bench *b = arg;
	ARENA_SCOPE(a);
	char *dir = arena_text(a, STR("/tmp/drover-bench-XXXXXX"));
	if (!mkdtemp(dir))
		return FAIL(e, ERR_INPUT, "cannot_write", "no directory under /tmp");
	if (!embedded_start(a, &(struct embedded_options){ .dir = dir }, &b->server, e))
		return false;
	b->owner_url = embedded_url(a, &b->server, "postgres", b->server.password, "postgres");
	bool ok = run(b, a, e);
	embedded_stop(&b->server);
	delete_tree(b->server.dir);
	return ok;
}

int main(int argc, char **argv)
{
	int64_t rounds = 3, inserts = 200;
	struct err e = { 0 };
	if (argc > 2 && (!str_to_i64(str_of(argv[1]), &rounds) || !str_to_i64(str_of(argv[2]), &inserts) || inserts > MOST))
		return 2;
	picked = mmap(NULL, MOST * sizeof(*picked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_level_set(LOG_WARN);
	struct bench b = { .rounds = (int)rounds, .inserts = (int)inserts };
	bool ok = loop_open(&e) && loop_run("bench", bench, &b, &e);
	if (!ok)
		fprintf(stderr, "bench_pickup: %s\n", e.msg);
	loop_close();
	return ok ? 0 : 1;
}
