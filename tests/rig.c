/* SPDX-License-Identifier: MIT */
#include "agents.h"
#include "clock.h"
#include "demo_sql.h"
#include "rig.h"

#define DEMO_USER "00000000-0000-4000-8000-0000000000d0"

enum { WAIT_MS = 30000 };

static struct pool_config config_of(struct rig *r)
{
	return (struct pool_config){
		.database_url = r->db.worker_url,
		.prepare = true,
		.listen = true,
		.listen_check_ms = 10000,
		.connections = 4,
		.connect_ms = 5000,
		.slots = 100,
		.batch = 20,
		.lease_ms = 5000,
		.poll_ms = 200,
		.drain_ms = 5000,
		.max_attempts = 3,
		.max_crashes = 3,
		.backoff_base_ms = 10,
		.backoff_max_ms = 50,
		.flush_ms = 20,
		.thoughts = { 4096, 65536 },
		.model = { .version = "2026-10-21", .name = "claude-test", .max_tokens = 1000, .turn_bytes = 1 << 20,
			.key_as_bearer = true, .limits = { 2000, 5000, 5000, 20000, 65536 } },
		.limits = { .turns = 10, .tool_calls = 20, .turn_tools = 10, .parallel_tools = 4, .repeats = 20, .history = 20,
			.expire_ms = 60000, .run_ms = 20000, .tool_ms = 5000, .children = 6,
			.result_bytes = 32768 },
		.agents = agents_all,
	};
}

bool rig_open(struct arena *a, const char *script, struct rig *r, struct err *e)
{
	struct test_db db;
	return test_db(a, &db, e) && rig_open_on(a, &db, script, r, e);
}

bool rig_open_on(struct arena *a, const struct test_db *db, const char *script, struct rig *r, struct err *e)
{
	struct config_problems problems = { 0 };
	r->db = *db;
	if (!(r->owner = test_connect(a, db->owner_url, e)))
		return false;
	if (!pg_script(r->owner, a, seed_demo, deadline_in(WAIT_MS), NULL, e))
		return false;
	if (!script_load_text(a, "script", str_of(script), &problems, &r->script))
		return FAIL(e, ERR_INPUT, "bad_script", "%s", problems.first->text);
	struct mock_options o = { .script = &r->script, .record = 1000 };
	if (!mock_start(&o, &r->fibers, &r->mock, e))
		return false;
	r->config = config_of(r);
	r->config.model.base_url = arena_printf(a, "http://127.0.0.1:%d", mock_port(r->mock));
	return true;
}

static bool serve(void *pool, struct err *e)
{
	return pool_serve(pool, e);
}

bool rig_start(struct rig *r, struct err *e)
{
	r->serving = (struct group){ .keep_going = true };
	r->pool = pool_new(&r->config);
	if (!group_start(&r->serving, "pool", serve, r->pool, e))
		return false;
	while (!pool_ready(r->pool) && r->serving.running)
		if (!loop_sleep(1, e))
			return false;
	return pool_ready(r->pool) || FAIL(e, ERR_BUG, "no_pool", "the pool did not start");
}

bool rig_stop(struct rig *r, struct err *e)
{
	if (!r->pool)
		return true;
	pool_drain(r->pool);
	bool ok = group_wait(&r->serving, NEVER_MS, e);
	pool_free(r->pool);
	r->pool = NULL;
	return ok;
}

void rig_close(struct rig *r)
{
	struct err ignored = { 0 };
	rig_stop(r, &ignored);
	mock_stop(r->mock);
	group_wait(&r->fibers, NEVER_MS, &ignored);
}

int64_t rig_ask(struct arena *a, struct rig *r, const char *type, const char *request)
{
	int64_t id = 0;
	const char *sql = arena_printf(a, "insert into agent_requests (user_id, type, request) values ('" DEMO_USER
		"', '%s', '%s') returning id", type, request);
	str_to_i64(str_of(test_ask(a, r->owner, sql)), &id);
	return id;
}

const char *rig_sql(struct arena *a, struct rig *r, const char *format, int64_t id)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return test_ask(a, r->owner, arena_printf(a, format, (long)id));
#pragma GCC diagnostic pop
}

const char *rig_wait(struct arena *a, struct rig *r, int64_t id)
{
	struct err ignored = { 0 };
	for (int64_t end = clock_ms() + WAIT_MS; clock_ms() < end; loop_sleep(5, &ignored)) {
		const char *status = rig_sql(a, r, "select status from agent_requests where id = %ld and finished_at is not null", id);
		if (strcmp(status, "(null)") != 0)
			return status;
	}
	return "timeout";
}
