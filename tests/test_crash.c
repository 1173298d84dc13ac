/* SPDX-License-Identifier: MIT */
/* Real worker processes, killed in the middle of a stream: the request goes on elsewhere, nothing is lost or doubled. */
#include "clock.h"
#include "process.h"
#include "rig.h"
#include <signal.h>
#include <unistd.h>

#define STORY \
	"replies:\n" \
	"  - when: { turn: 0 }\n    reply: [ { tool: milestone_set, input: { project: APOLLO, name: Killed, day: '2027-03-01' } } ]\n" \
	"  - when: { turn: 1, nth: 1 }\n    pace: 20ms\n    chunk: 4\n    reply: [ { text: 'slow word ', repeat: 200 } ]\n" \
	"  - when: { turn: 1 }\n    reply: [ { text: Done after all. } ]\n"

static struct process *worker_start(struct arena *a, struct rig *r, const char *lease, struct err *e)
{
	const char *program = getenv("TEST_PROGRAM");
	const char *argv[] = { program, "worker", "--processes", "1", NULL };
	const char *env[] = {
		arena_printf(a, "DROVER_DATABASE_URL=%s", r->db.worker_url),
		arena_printf(a, "DROVER_MODEL_BASE_URL=%s", r->config.model.base_url),
		arena_printf(a, "PATH=%s", getenv("PATH")),
		arena_printf(a, "DROVER_WORKER_LEASE=%s", lease), "DROVER_LOG_FLUSH_INTERVAL=50ms", "DROVER_LOG_LEVEL=error", "DROVER_WORKER_DRAIN=0", NULL,
	};
	if (!program)
		return FAIL(e, ERR_INPUT, "no_program", "TEST_PROGRAM must be the path of drover"), NULL;
	return process_start(&(struct process_options){ .argv = argv, .env = env, .die_with_us = true }, e);
}

static void worker_stop(struct process *p)
{
	struct err ignored = { 0 };
	int status;
	if (!p)
		return;
	process_signal(p, SIGTERM);
	process_wait(p, deadline_in(15000), &status, &ignored);
	process_free(p);
}

static bool wait_until(struct arena *a, struct rig *r, const char *sql, int64_t id, const char *want, struct err *e)
{
	enum { PATIENCE_MS = 20000 };
	for (int64_t end = clock_ms() + PATIENCE_MS; clock_ms() < end;) {
		if (strcmp(rig_sql(a, r, sql, id), want) == 0)
			return true;
		if (!loop_sleep(10, e))
			return false;
	}
	return FAIL(e, ERR_TIMEOUT, "waited", "%s is not %s but %s", sql, want, rig_sql(a, r, sql, id));
}

#define IN_MID_STREAM "select count(*) > 2 from agent_logs where kind = 'text' and request_id = %ld"
#define OWNER_PID "select w.pid from agent_requests r join drover.workers w on w.id = r.worker_id where r.id = %ld"

static int owner_pid(struct arena *a, struct rig *r, int64_t id)
{
	int64_t pid = 0;
	str_to_i64(str_of(rig_sql(a, r, OWNER_PID, id)), &pid);
	return (int)pid;
}

static void check_after(struct arena *a, struct rig *r, int64_t id)
{
	CHECK_EQ_S(rig_wait(a, r, id), "completed");
	CHECK_EQ_S(rig_sql(a, r, "select result ->> 'answer' from agent_requests where id = %ld", id), "Done after all.");
	CHECK_EQ_S(rig_sql(a, r, "select attempt from agent_requests where id = %ld", id), "2");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) = max(seq) and min(seq) = 1 from agent_logs where request_id = %ld", id), "t");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) from agent_logs where agent_name = 'drover' and message like 'worker %%was lost%%' "
		"and request_id = %ld", id), "1");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) from psa.tasks where name = 'Killed' and version = 1 and source_request_id = %ld", id),
		"1");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) from tool_executions where request_id = %ld", id), "1");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) from agent_logs where kind = 'complete' and request_id = %ld", id), "1");
}

/* By the supervisor: the lease outlasts the test. */
LOOP_TEST(a_killed_worker_process_is_replaced_and_its_request_goes_on)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	struct process *worker = worker_start(a, &r, "10m", e);
	REQUIRE_OK(worker);
	int64_t id = rig_ask(a, &r, "project_management", "set it");
	if (test_check(wait_until(a, &r, IN_MID_STREAM, id, "t", e), __FILE__, __LINE__, "in mid-stream")) {
		kill(owner_pid(a, &r, id), SIGKILL);
		check_after(a, &r, id);
	}
	worker_stop(worker);
	rig_close(&r);
}

LOOP_TEST(a_dead_hosts_request_goes_on_elsewhere_after_the_lease)
{
	struct rig r = { 0 };
	int status;
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	struct process *first = worker_start(a, &r, "2s", e);
	REQUIRE_OK(first);
	int64_t id = rig_ask(a, &r, "project_management", "set it");
	if (test_check(wait_until(a, &r, IN_MID_STREAM, id, "t", e), __FILE__, __LINE__, "in mid-stream")) {
		struct process *second = worker_start(a, &r, "2s", e);
		int pid = owner_pid(a, &r, id);
		process_signal(first, SIGSTOP); /* so that the supervisor sees nothing */
		kill(pid, SIGKILL);
		process_signal(first, SIGKILL);
		CHECK(process_wait(first, deadline_in(5000), &status, e));
		check_after(a, &r, id);
		worker_stop(second);
	}
	process_free(first);
	rig_close(&r);
}

LOOP_TEST(a_stopped_worker_writes_nothing_after_its_lease)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	struct process *first = worker_start(a, &r, "2s", e);
	REQUIRE_OK(first);
	int64_t id = rig_ask(a, &r, "project_management", "set it");
	if (test_check(wait_until(a, &r, IN_MID_STREAM, id, "t", e), __FILE__, __LINE__, "in mid-stream")) {
		int pid = owner_pid(a, &r, id);
		kill(pid, SIGSTOP);
		struct process *second = worker_start(a, &r, "2s", e);
		check_after(a, &r, id);
		const char *before = rig_sql(a, &r, "select count(*) || ' ' || max(id) from agent_logs where %ld > 0", id);
		kill(pid, SIGCONT);
		CHECK(loop_sleep(1000, e));
		CHECK_EQ_S(rig_sql(a, &r, "select count(*) || ' ' || max(id) from agent_logs where %ld > 0", id), before);
		worker_stop(second);
	}
	worker_stop(first);
	rig_close(&r);
}

LOOP_TEST(a_drain_lets_run_then_releases_without_counting)
{
	struct rig r = { 0 };
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	struct process *worker = worker_start(a, &r, "2s", e);
	REQUIRE_OK(worker);
	int64_t id = rig_ask(a, &r, "project_management", "set it");
	if (test_check(wait_until(a, &r, IN_MID_STREAM, id, "t", e), __FILE__, __LINE__, "in mid-stream")) {
		worker_stop(worker);
		worker = NULL;
		CHECK_EQ_S(rig_sql(a, &r, "select status || ' ' || phase || ' ' || attempt || ' ' || (worker_id is null) from agent_requests "
			"where id = %ld", id), "queued ready 0 true");
		CHECK_EQ_S(rig_sql(a, &r, "select count(*) from drover.workers where %ld > 0", id), "0");
		worker = worker_start(a, &r, "2s", e);
		CHECK_EQ_S(rig_wait(a, &r, id), "completed");
		CHECK_EQ_S(rig_sql(a, &r, "select attempt from agent_requests where id = %ld", id), "1");
	}
	worker_stop(worker);
	rig_close(&r);
}
