/* SPDX-License-Identifier: MIT */
/* One fault at a time, at the worst moment: each test is a way in which a worker once lost, doubled or stopped
 * something. */
#include "clock.h"
#include "embedded.h"
#include "fiber.h"
#include "process.h"
#include "rig_test.h"
#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_WORDS(times) \
	"replies:\n  - pace: 20ms\n    chunk: 4\n    reply: [ { text: 'slow word ', repeat: " #times " } ]\n"
#define BLOCKED_AT(words) \
	"select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and query like '%" words "%'"

/* Until the query gives t. */
static bool wait_for(struct arena *a, struct rig *r, const char *sql, struct err *e)
{
	for (int64_t end = clock_ms() + 15000; clock_ms() < end; loop_sleep(5, e))
		if (strcmp(test_ask(a, r->owner, sql), "t") == 0)
			return true;
	return FAIL(e, ERR_TIMEOUT, "timeout", "never came true: %s", sql);
}

static bool wait_mid_stream(struct arena *a, struct rig *r, int64_t id, struct err *e)
{
	return wait_for(a, r, arena_printf(a, "select count(*) > 0 from agent_logs where kind = 'text' and request_id = %ld",
		(long)id), e);
}

/* ---- ends that cannot be written ---- */

RIG_TEST(an_end_that_is_refused_while_a_claim_is_under_way_is_not_forgotten, SLOW_WORDS(30))
{
	struct pg *other = test_connect(a, r->db.owner_url, e);
	REQUIRE_OK(other && rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_mid_stream(a, r, id, e));
	CHECK_SQL(other, "begin; select id from drover.workers for update; select 1", "1");
	int64_t later = rig_ask(a, r, "quotes", "y");
	REQUIRE_OK(wait_for(a, r, "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and "
		"query ~ 'drover.claim|set wants_wake'", e));
	/* paused: what is given back must not run again, and be refused again, before the right is back */
	CHECK_SQL(r->owner, "revoke execute on function drover.finish from drover_worker; "
		"insert into drover.limits (scope, key, paused_at) values ('all', '', now()) returning 1", "1");
	CHECK(loop_sleep(2000, e)); /* the run is over, and waits for the claim to come back */
	CHECK_SQL(other, "commit; select 1", "1");
	REQUIRE_OK(wait_for(a, r, arena_printf(a, "select version > 1 from agent_requests where id = %ld", (long)id), e));
	CHECK_SQL(r->owner, "grant execute on function drover.finish to drover_worker; delete from drover.limits returning 1", "1");
	CHECK_FATE(id, "completed 1");
	CHECK_FATE(later, "completed 1");
}

#define SLOW_END \
	"create function public.slow_end() returns trigger language plpgsql as $$ begin " \
	"perform pg_advisory_xact_lock(4711); return new; end $$; create trigger slow_end before update on public.agent_requests " \
	"for each row when (new.phase = 'completed') execute function public.slow_end(); select 1"

RIG_TEST(who_cancels_while_the_end_is_written_does_not_undo_it, SLOW_WORDS(10))
{
	struct pg *other = test_connect(a, r->db.owner_url, e);
	REQUIRE_OK(other && rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_mid_stream(a, r, id, e));
	CHECK_SQL(other, SLOW_END, "1");
	CHECK_SQL(other, "begin; select pg_advisory_xact_lock(4711); select 1", "1");
	REQUIRE_OK(wait_for(a, r, BLOCKED_AT("drover.finish"), e));
	rig_sql(a, r, "select pg_notify('drover_cancel', '%ld')", id);
	CHECK(loop_sleep(3000, e)); /* longer than a server runs on for a client that has gone */
	CHECK_SQL(other, "commit; select 1", "1");
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select version from agent_requests where id = %ld", id), "1");
}

#define PICKY \
	"create function public.picky() returns trigger language plpgsql as $$ begin " \
	"if new.kind = 'text' and new.request_id = %ld then raise 'not this'; end if; return new; end $$; " \
	"create trigger picky before insert on public.agent_logs for each row execute function public.picky(); select 1"

/* Whatever the database has against them: here it is a trigger of the app's own. */
RIG_TEST(rows_that_are_refused_hold_up_no_other_run_and_their_own_ends, SLOW_WORDS(60))
{
	REQUIRE_OK(rig_start(r, e));
	int64_t good = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_mid_stream(a, r, good, e));
	CHECK_EQ_S(rig_sql(a, r, PICKY, good + 1), "1");
	int64_t bad = rig_ask(a, r, "quotes", "y");
	CHECK_EQ_I(bad, good + 1);
	CHECK(loop_sleep(500, e));
	const char *count = "select count(*) from agent_logs where request_id = %ld";
	const char *before = rig_sql(a, r, count, good);
	CHECK(loop_sleep(500, e));
	CHECK(strcmp(rig_sql(a, r, count, good), before) != 0);
	CHECK_FATE(good, "completed 1");
	CHECK_FATE(bad, "failed db_rejected 1");
}

#define NO_ANSWERS \
	"create function public.no() returns trigger language plpgsql as $$ begin raise 'no answers'; end $$; " \
	"create trigger no before update on public.agent_requests for each row when (new.status = 'completed') " \
	"execute function public.no(); select 1"

RIG_TEST(a_result_that_is_refused_is_an_error_and_nothing_else, SLOW_WORDS(1))
{
	CHECK_SQL(r->owner, NO_ANSWERS, "1");
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "quotes", "x"), "failed db_rejected 1");
}

struct hand {
	struct pg *db;
	const struct queue_request *claimed;
	size_t n;
};

static bool claim_by_hand(struct arena *a, struct rig *r, int most, struct hand *h, struct err *e)
{
	struct queue_worker w = { "00000000-0000-4000-8000-00000000cafe", "h", 1, "v", most, 60000 };
	return (h->db = test_connect(a, r->db.worker_url, e)) && queue_register(h->db, &w, deadline_in(5000), e) &&
		queue_claim(h->db, a, w.id, most, deadline_in(30000), &h->claimed, &h->n, e);
}

RIG_TEST(who_was_told_to_stop_does_not_wait_for_another_attempt, SLOW_WORDS(1))
{
	struct hand h;
	struct err why = { .kind = ERR_NET, .code = "x", .msg = "x" };
	struct queue_tokens none = { 0 };
	int64_t id = rig_ask(a, r, "quotes", "x");
	rig_ask(a, r, "quotes", "y");
	REQUIRE_OK(claim_by_hand(a, r, 2, &h, e));
	CHECK_EQ_I(h.n, 2);
	CHECK_SQL(r->owner, "select bool_and(drover.end_request(id, 'cancelled', 'cancelled', 'cancelled')) "
		"from agent_requests", "t");
	CHECK(queue_retry_later(h.db, a, &h.claimed[0], 60000, &why, &none, log_batch_new(a), deadline_in(5000), e));
	CHECK(queue_release(h.db, a, &h.claimed[1], &none, log_batch_new(a), deadline_in(5000), e));
	CHECK_EQ_S(rig_sql(a, r, "select string_agg(phase, ' ') from agent_requests where id >= %ld", id),
		"cancelled cancelled");
}

/* ---- many at once ---- */

#define MANY \
	"insert into agent_requests (type, request, run_at) select 'quotes', 'x', %s from generate_series(1, 1500); select 1"

static void check_in_two_steps(struct arena *a, struct pg *db)
{
	struct err e = { 0 };
	struct queue_rules rules = { 5, 5, "{}" };
	struct queue_sweep sweep = { 0 };
	struct queue_news news[3] = { { 0 } };
	for (int i = 0; i < 3; i++)
		CHECK(queue_maintain(db, a, &rules, &sweep, deadline_in(30000), &news[i], &e));
	CHECK_EQ_I(news[0].moved, 1000);
	CHECK_EQ_I(news[0].next_ms, 1);
	CHECK_EQ_I(news[1].moved, 500);
	CHECK_EQ_I(news[1].next_ms, 0);
	CHECK_EQ_I(news[2].moved, 0);
}

LOOP_TEST(what_comes_due_at_once_is_not_kept_until_the_next_poll)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, SLOW_WORDS(1), &r, e));
	CHECK_SQL(r.owner, arena_printf(a, MANY, "now() + interval '1 second'"), "1");
	CHECK(loop_sleep(1100, e));
	check_in_two_steps(a, test_connect(a, r.db.worker_url, e));
	rig_close(&r);
}

/* However many a dead host had: what does not fit into one deadline would never be taken over. */
LOOP_TEST(the_requests_of_a_dead_host_are_taken_over_in_steps)
{
	struct rig r = { 0 };
	struct hand h;
	REQUIRE_OK(rig_open(a, SLOW_WORDS(1), &r, e));
	CHECK_SQL(r.owner, arena_printf(a, MANY, "null"), "1");
	REQUIRE_OK(claim_by_hand(a, &r, 1500, &h, e));
	CHECK_EQ_I(h.n, 1500);
	CHECK_SQL(r.owner, "update drover.workers set lease_until = now(); select 1", "1");
	check_in_two_steps(a, h.db);
	CHECK_SQL(r.owner, "select count(*) from drover.workers", "0");
	rig_close(&r);
}

/* ---- the lease ---- */

/* As CREATE INDEX does it: who claims and who promotes have to wait. */
RIG_TEST(a_locked_table_does_not_cost_the_lease, SLOW_WORDS(120))
{
	struct pg *other = test_connect(a, r->db.owner_url, e);
	r->config.lease_ms = 2500;
	REQUIRE_OK(other && rig_start(r, e));
	int64_t id = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_mid_stream(a, r, id, e));
	const char *worker = test_ask(a, r->owner, "select id from drover.workers");
	CHECK_SQL(other, "begin; lock table agent_requests in share mode; select 1", "1");
	CHECK(loop_sleep(5000, e));
	CHECK_SQL(other, "commit; select 1", "1");
	CHECK_FATE(id, "completed 1");
	CHECK_SQL(r->owner, "select id from drover.workers", worker);
}

RIG_TEST(a_worker_whose_registration_was_answered_too_late_registers_again, SLOW_WORDS(1))
{
	r->config.worker_id = "00000000-0000-4000-8000-00000000beef";
	CHECK_SQL(r->owner, "insert into drover.workers (id, host, pid, version, slots, lease_until) values "
		"('00000000-0000-4000-8000-00000000beef', 'h', 1, 'v', 1, now() + interval '1 second'); select 1", "1");
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "quotes", "x"), "completed 1");
}

/* ---- connections ---- */

RIG_TEST(connections_that_ended_while_idle_cost_no_attempt, SLOW_WORDS(1))
{
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "quotes", "x"), "completed 1");
	CHECK_SQL(r->owner, "select bool_and(pg_terminate_backend(pid)) from pg_stat_activity "
		"where datname = current_database() and application_name like 'drover%'", "t");
	CHECK(loop_sleep(100, e));
	CHECK_FATE(rig_ask(a, r, "quotes", "y"), "completed 1");
}

static int listen_mutely(int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 8) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &size) == 0;
	*port = ok ? ntohs(address.sin_port) : 0;
	return fd;
}

LOOP_TEST(a_database_host_that_hangs_is_passed_over_for_the_next)
{
	struct test_db db;
	int port, mute = listen_mutely(&port);
	REQUIRE_OK(test_db(a, &db, e));
	const char *at = strchr(db.worker_url, '@');
	const char *url = arena_printf(a, "%.*s@127.0.0.1:%d,%s", (int)(at - db.worker_url), db.worker_url, port, at + 1);
	struct pg *both = pg_open(&(struct pg_options){ .url = url, .connect_ms = 2000 }, NEVER_MS, e);
	REQUIRE_OK(both);
	CHECK_SQL(both, "select 1", "1");
	pg_close(both);
	close(mute);
}

/* ---- memory ---- */

RIG_TEST(without_room_for_a_stack_requests_wait_and_the_database_is_left_in_peace, SLOW_WORDS(1))
{
	REQUIRE_OK(rig_start(r, e));
	fiber_stack_size_set((size_t)1 << 47);
	int64_t id = rig_ask(a, r, "quotes", "x");
	CHECK(loop_sleep(1000, e));
	CHECK_EQ_S(rig_sql(a, r, "select version between 2 and 30 from agent_requests where id = %ld", id), "t");
	fiber_stack_size_set(FIBER_STACK_DEFAULT);
	CHECK_FATE(id, "completed 1");
}

/* ---- processes ---- */

static struct process *supervisor_start(struct arena *a, struct rig *r, struct err *e)
{
	const char *argv[] = { getenv("TEST_PROGRAM"), "worker", "--processes", "1", NULL };
	const char *env[] = { arena_printf(a, "DROVER_DATABASE_URL=%s", r->db.worker_url),
		arena_printf(a, "PATH=%s", getenv("PATH")),
		arena_printf(a, "DROVER_MODEL_BASE_URL=%s", r->config.model.base_url), "DROVER_LOG_LEVEL=error", NULL };
	if (argv[0])
		return process_start(&(struct process_options){ .argv = argv, .env = env, .die_with_us = true }, e);
	FAIL(e, ERR_INPUT, "no_program", "TEST_PROGRAM must be the path of drover");
	return NULL;
}

/* Kills the worker process at a moment when its supervisor can start no other. */
static bool kill_worker(struct arena *a, struct rig *r, struct process *supervisor, struct err *e)
{
	struct rlimit none = { 3, 1024 };
	int64_t pid;
	return wait_for(a, r, "select count(*) = 1 from drover.workers where lease_until > now()", e) &&
		str_to_i64(str_of(test_ask(a, r->owner, "select pid from drover.workers where lease_until > now()")), &pid) &&
		prlimit(process_pid(supervisor), RLIMIT_NOFILE, &none, NULL) == 0 && kill((pid_t)pid, SIGKILL) == 0 &&
		loop_sleep(700, e);
}

RIG_TEST(a_supervisor_survives_that_it_cannot_start_a_process_and_stops_while_it_waits, SLOW_WORDS(1))
{
	struct rlimit enough = { 1024, 1024 };
	int status = -1;
	struct process *p = supervisor_start(a, r, e);
	REQUIRE_OK(p);
	CHECK(kill_worker(a, r, p, e) && process_running(p) && prlimit(process_pid(p), RLIMIT_NOFILE, &enough, NULL) == 0);
	CHECK_FATE(rig_ask(a, r, "quotes", "x"), "completed 1");
	CHECK(kill_worker(a, r, p, e) && process_running(p) && prlimit(process_pid(p), RLIMIT_NOFILE, &enough, NULL) == 0);
	process_signal(p, SIGTERM);
	CHECK(process_wait(p, deadline_in(5000), &status, e));
	CHECK_EQ_I(status, 0);
	process_free(p);
}

static bool start_embedded(void *dir, struct err *e)
{
	ARENA_SCOPE(a);
	struct embedded x = { 0 };
	bool ok = embedded_start(a, &(struct embedded_options){ .dir = dir, .fast = true }, &x, e);
	embedded_stop(&x);
	return ok;
}

LOOP_TEST(a_private_database_that_was_left_half_made_is_made_anew)
{
	char dir[] = "/tmp/drover-test-XXXXXX";
	struct group g = { 0 };
	struct err ignored = { 0 };
	REQUIRE(mkdtemp(dir));
	const char *made = arena_printf(a, "%s/pg/PG_VERSION", dir), *half = arena_printf(a, "%s/pg.half/PG_VERSION", dir);
	REQUIRE_OK(group_start(&g, "embedded", start_embedded, dir, e));
	while (access(made, F_OK) != 0 && access(half, F_OK) != 0 && g.running)
		CHECK(loop_sleep(1, e));
	group_cancel(&g);
	CHECK(!group_wait(&g, NEVER_MS, &ignored));
	REQUIRE_OK(start_embedded(dir, e));
	delete_tree(dir);
}

/* ---- what is deleted ---- */

#define FAMILY "insert into agent_requests (type, request, status, phase, waits_on) values ('orchestrator', 'p', 'processing', " \
	"'waiting_children', 3); insert into agent_requests (type, request, parent_id, phase, depends_on, waits_on) values " \
	"('quotes', 'a', 1, 'ready', '{}', 0), ('quotes', 'b', 1, 'ready', '{}', 0), " \
	"('quotes', 'c', 1, 'waiting_dependencies', '{2,3}', 2); select 1"
#define PHASES "select string_agg(id || ' ' || phase || ' ' || waits_on, ', ' order by id) from agent_requests"

LOOP_TEST(who_waits_for_a_deleted_request_waits_for_one_less)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - reply: unused\n", &r, e));
	CHECK_SQL(r.owner, FAMILY, "1");
	CHECK_SQL(r.owner, "delete from agent_requests where id = 2; " PHASES,
		"1 waiting_children 2, 3 ready 0, 4 waiting_dependencies 1");
	CHECK_SQL(r.owner, "delete from agent_requests where id = 3; " PHASES, "1 waiting_children 1, 4 ready 0");
	CHECK_SQL(r.owner, "delete from agent_requests where id = 4; " PHASES, "1 ready 0");
	rig_close(&r);
}

LOOP_TEST(both_of_two_that_are_deleted_at_once_are_counted)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - reply: unused\n", &r, e));
	CHECK_SQL(r.owner, FAMILY, "1");
	CHECK_SQL(r.owner, "delete from agent_requests where id in (2, 3); " PHASES, "1 waiting_children 1, 4 ready 0");
	rig_close(&r);
}

/* ---- who may cancel ---- */

#define SLOWLY "replies:\n  - pace: 20ms\n    chunk: 1\n    reply: It comes letter by letter.\n"
#define RUNS "select count(*) from agent_requests where phase = 'running' and id = %ld"

static bool wait_until_it_runs(struct arena *a, struct rig *r, int64_t id, struct err *e)
{
	for (int i = 0; i < 500 && strcmp(rig_sql(a, r, RUNS, id), "1") != 0; i++)
		if (!loop_sleep(10, e))
			return false;
	return loop_sleep(100, e);
}

LOOP_TEST(a_notification_alone_cancels_nothing)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, SLOWLY, &r, e));
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "quotes", "slowly");
	CHECK(wait_until_it_runs(a, &r, id, e));
	CHECK_EQ_S(rig_sql(a, &r, "select pg_notify('drover_cancel', '%ld')", id), "");
	CHECK_EQ_S(rig_wait(a, &r, id), "completed");
	rig_close(&r);
}

LOOP_TEST(a_cancel_is_heard_long_before_the_next_heartbeat)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, "replies:\n  - stall_after: { deltas: 1, for: 5m }\n    reply: It never comes.\n", &r, e));
	r.config.lease_ms = 300000;
	r.config.limits.run_ms = r.config.model.limits.stall_ms = r.config.model.limits.total_ms = 120000;
	REQUIRE_OK(rig_start(&r, e));
	int64_t id = rig_ask(a, &r, "quotes", "never");
	CHECK(wait_until_it_runs(a, &r, id, e));
	CHECK_EQ_S(rig_sql(a, &r, "select drover.end_request(%ld, 'cancelled', 'cancelled', 'cancelled')", id), "t");
	CHECK_EQ_S(rig_wait(a, &r, id), "failed");
	CHECK_EQ_S(rig_sql(a, &r, "select phase from agent_requests where id = %ld", id), "cancelled");
	rig_close(&r);
}
