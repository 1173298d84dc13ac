/* SPDX-License-Identifier: MIT */
/* Waking: a listening connection that is deaf without knowing it is found out in time, and costs nothing but that time.
 * The poll is far away in these tests, so what runs soon was woken. */
#include "clock.h"
#include "pool_inner.h"
#include "pooler.h"
#include "proxy.h"
#include "rig_test.h"
#include <sys/resource.h>

#define WORDS "replies:\n  - reply: [ { text: hello } ]\n"

enum { CHECK_MS = 1000, FAR_MS = 30000, SOON_MS = 1000 };

static bool wait_listening(struct rig *r, bool want, int64_t most_ms, struct err *e)
{
	for (int64_t end = clock_ms() + most_ms; clock_ms() < end;)
		if (r->pool->listening == want)
			return true;
		else if (!loop_sleep(5, e))
			return false;
	return FAIL(e, ERR_TIMEOUT, "timeout", "the pool %s listen", want ? "did not begin to" : "went on to");
}

static bool start_far(struct rig *r, struct err *e)
{
	r->config.poll_ms = FAR_MS;
	r->config.listen_check_ms = CHECK_MS;
	return rig_start(r, e) && wait_listening(r, true, 5000, e) && loop_sleep(300, e);
}

/* How long it took from the insert to the answer. */
static int64_t ask_and_wait(struct arena *a, struct rig *r)
{
	int64_t start = clock_ms(), id = rig_ask(a, r, "quotes", "x");
	CHECK_FATE(id, "completed 1");
	return clock_ms() - start;
}

RIG_TEST(an_insert_wakes_an_idle_worker, WORDS)
{
	REQUIRE_OK(start_far(r, e));
	CHECK(ask_and_wait(a, r) < SOON_MS);
	CHECK(loop_sleep(3 * CHECK_MS, e)); /* asked in between */
	CHECK(r->pool->listening);
	CHECK(ask_and_wait(a, r) < SOON_MS);
}

RIG_TEST(a_connection_that_died_silently_is_replaced_in_one_and_a_half_checks, WORDS)
{
	struct proxy proxy;
	REQUIRE_OK(proxy_start(&proxy, url_port(r->db.worker_url), e));
	r->config.listen_url = url_at(a, r->db.worker_url, arena_printf(a, "127.0.0.1:%d", proxy.port));
	REQUIRE_OK(start_far(r, e));
	CHECK(ask_and_wait(a, r) < SOON_MS);
	int64_t cut = clock_ms();
	proxy_hang(&proxy);
	int64_t deaf = rig_ask(a, r, "quotes", "x");
	REQUIRE_OK(wait_listening(r, false, 10 * CHECK_MS, e));
	CHECK(clock_ms() - cut <= 3 * CHECK_MS / 2 + 200);
	CHECK_FATE(deaf, "completed 1"); /* by looking, for its notification was lost */
	CHECK(clock_ms() - cut <= 3 * CHECK_MS / 2 + SOON_MS);
	rig_stop(r, e);
	proxy_stop(&proxy);
}

RIG_TEST(who_no_longer_listens_begins_again_and_looks, WORDS)
{
	REQUIRE_OK(start_far(r, e));
	CHECK_SQL(r->owner, "select bool_and(pg_terminate_backend(pid)) from pg_stat_activity "
		"where application_name = 'drover listener' and datname = current_database()", "t");
	REQUIRE_OK(wait_listening(r, false, 1000, e));
	int64_t deaf = rig_ask(a, r, "quotes", "x"), start = clock_ms();
	REQUIRE_OK(wait_listening(r, true, SOON_MS, e));
	CHECK_FATE(deaf, "completed 1");
	CHECK(clock_ms() - start < 2 * SOON_MS);
	CHECK(ask_and_wait(a, r) < SOON_MS);
}

RIG_TEST(a_server_that_can_no_longer_be_written_is_left, WORDS)
{
	REQUIRE_OK(start_far(r, e));
	struct pg *db = test_connect(a, r->db.owner_url, e);
	CHECK_SQL(db, arena_printf(a, "alter database %s set default_transaction_read_only = on; select 1", r->db.name), "1");
	CHECK_SQL(db, "select bool_and(pg_terminate_backend(pid)) from pg_stat_activity "
		"where application_name = 'drover listener' and datname = current_database()", "t");
	REQUIRE_OK(wait_listening(r, false, 1000, e));
	CHECK(!wait_listening(r, true, 2 * CHECK_MS, e)); /* what it asks for is its own, and says no */
	CHECK_SQL(db, arena_printf(a, "begin read write; alter database %s reset default_transaction_read_only; commit; "
		"select 1", r->db.name), "1");
	REQUIRE_OK(wait_listening(r, true, 10000, e));
	CHECK(ask_and_wait(a, r) < SOON_MS);
}

LOOP_TEST(listening_to_another_database_is_refused_at_the_start)
{
	struct rig r = { 0 };
	struct test_db other;
	REQUIRE_OK(rig_open(a, WORDS, &r, e) && test_db(a, &other, e));
	r.config.listen_url = other.worker_url;
	CHECK(!rig_start(&r, e));
	CHECK(r.serving.failed || !r.serving.running);
	rig_close(&r);
}

RIG_TEST(without_listening_the_poll_finds_everything_and_nobody_notifies, WORDS)
{
	r->config.listen = false;
	REQUIRE_OK(rig_start(r, e));
	ask_and_wait(a, r);
	CHECK(loop_sleep(500, e));
	CHECK_SQL(r->owner, "select count(*) from pg_stat_activity where application_name = 'drover listener' "
		"and datname = current_database()", "0");
	CHECK_SQL(r->owner, "select bool_or(wants_wake) from drover.workers", "f");
}

#define COMMITS "select pg_stat_force_next_flush(); select xact_commit + xact_rollback from pg_stat_database " \
	"where datname = current_database()"

static int64_t commits(struct arena *a, struct rig *r)
{
	int64_t n = 0;
	str_to_i64(str_of(test_ask(a, r->owner, COMMITS)), &n);
	return n;
}

static int64_t cpu_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * (int64_t)1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* With the defaults. Sessions that rest tell their counts only after ten seconds. */
RIG_TEST(an_idle_worker_asks_less_than_twice_a_second_and_sleeps, WORDS)
{
	enum { TOLD_MS = 11000, LOOK_MS = 15000 };
	r->config.poll_ms = 1000;
	r->config.lease_ms = 15000;
	REQUIRE_OK(rig_start(r, e) && wait_listening(r, true, 5000, e) && loop_sleep(TOLD_MS, e));
	int64_t before = commits(a, r), cpu = cpu_us();
	CHECK(loop_sleep(LOOK_MS, e));
	int64_t asked = commits(a, r) - before;
	double percent = (double)(cpu_us() - cpu) / (LOOK_MS * 10.0);
	printf("    %.2f statements a second, %.3f %% CPU\n", (double)asked * 1000 / LOOK_MS, percent);
	CHECK(asked < 2 * LOOK_MS / 1000);
	CHECK(percent < 0.5); /* some 0.03; more where the build or the machine is slow, but nothing that turns in circles */
}
