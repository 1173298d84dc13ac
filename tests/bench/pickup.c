/* SPDX-License-Identifier: MIT */
/*
 * How long from an insert to the agent running, at low load: the real pool, or a bare listener that does nothing but
 * LISTEN and claim, each in a process of its own.
 *   bench_pickup URL SERVE_URL SIDE INSERTS GAP_MS    SIDE is drover or bare; prints a line an insert: "asked committed
 *   started", microseconds of one clock
 */
#include "clock.h"
#include "loop.h"
#include "pg.h"
#include "side.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 100000, LONG_MS = 60000, WARM_MS = 700, PATIENCE_MS = 5000 };

/* Shared by the processes: when request i (from 0, in order of insertion) began to run. */
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

/* ---- the bare listener ---- */

static const struct sql bare_claim = { "bare_claim", "bench", "update bare set taken = true where id = "
	"(select id from bare where not taken order by id for update skip locked limit 1) returning id", 0 };

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

static _Noreturn void serve(bool bare, const char *url)
{
	struct err e = { 0 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!bare)
		side_serve(&(struct side){ url, 100, 100, &noter });
	if (!loop_open(&e) || !loop_run("bench", be_bare, (void *)(uintptr_t)url, &e))
		fprintf(stderr, "%s\n", e.msg);
	_exit(1);
}

/* ---- measuring ---- */

static const struct sql inserts[] = {
	{ "insert_request", "bench", "insert into agent_requests (type, request) values ('note', $1)", 1 },
	{ "insert_bare", "bench", "insert into bare (id) values ($1::bigint)", 1 },
};

struct measure {
	const char *url;
	bool bare;
	int inserts, gap_ms;
};

static bool wait_for_start(int i, struct err *e)
{
	for (int64_t end = clock_ms() + PATIENCE_MS; !picked[i]; )
		if (clock_ms() > end || !loop_sleep(1, e))
			return FAIL(e, ERR_TIMEOUT, "not_picked_up", "insert %d was not picked up in %d ms", i, PATIENCE_MS);
	return true;
}

static bool insert_one(struct pg *db, const struct measure *m, int i, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_args number = PG_ARGS(PG(arena_printf(tmp, "%d", i)));
	int64_t asked = clock_us();
	if (!pg_query(db, tmp, &inserts[m->bare], number, NEVER_MS, NULL, e))
		return false;
	int64_t committed = clock_us();
	if (!loop_sleep(m->gap_ms, e) || !wait_for_start(i, e))
		return false;
	side_say("%ld %ld %ld\n", (long)asked, (long)committed, (long)picked[i]);
	return true;
}

static bool measure(void *arg, struct err *e)
{
	const struct measure *m = arg;
	struct pg *db = pg_open(&(struct pg_options){ .url = m->url, .connect_ms = LONG_MS, .prepare = true }, NEVER_MS, e);
	bool ok = db && loop_sleep(WARM_MS, e);
	for (int i = 0; ok && i < m->inserts; i++)
		ok = insert_one(db, m, i, e);
	pg_close(db);
	return ok;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	if (argc != 6 || side_number(argv[4]) > MOST)
		return 2;
	struct measure m = { argv[1], strcmp(argv[3], "bare") == 0, side_number(argv[4]), side_number(argv[5]) };
	picked = mmap(NULL, MOST * sizeof(*picked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t server = fork();
	if (server == 0)
		serve(m.bare, argv[2]);
	log_level_set(LOG_WARN);
	bool ok = loop_open(&e) && loop_run("bench", measure, &m, &e);
	if (!ok)
		fprintf(stderr, "bench_pickup: %s\n", e.msg);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	return ok ? 0 : 1;
}
