/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at every wait of a worker process, before its answer and after it, while it serves a request with thinking,
 * parallel tools that write, and tools that act outside. Another worker goes on; nothing is lost, nothing is doubled,
 * and outside is called again only where the tool's policy says so.
 */
#include "clock.h"
#include "http.h"
#include "http_server.h"
#include "killed.h"
#include "process.h"
#include "promises.h"
#include "rig.h"
#include <signal.h>

#define STORY \
	"replies:\n" \
	"  - when: { tool_result: mail_probe }\n    reply: [ { thinking: Done. }, { text: 'All is sent. ' }, { text: The end. } ]\n" \
	"  - when: { tool_result: mail_repeat }\n    reply: [ { text: Now the others. }, { tool: mail_tell, input: {} }, " \
	"{ tool: mail_probe, input: {} } ]\n" \
	"  - reply:\n      - thinking: First the milestone.\n      - text: I set it and send a mail.\n" \
	"      - tool: milestone_set\n        input: { project: APOLLO, name: Killed, day: '2027-03-01' }\n" \
	"      - tool: mail_repeat\n        input: {}\n"

#define VICTIM "00000000-0000-4000-8000-00000000dead"

/* ---- the world outside: what was called, with which key ---- */

struct outside {
	struct http_server *server;
	struct group group;
	size_t n;
	struct { char tool[32], key[80]; } calls[64];
};

static bool known(const struct outside *o, const char *key)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->calls[i].key, key) == 0)
			return true;
	return false;
}

static void note(struct outside *o, struct http_exchange *x)
{
	const char *tool = http_exchange_header(x, "x-tool"), *key = http_exchange_header(x, "idempotency-key");
	if (o->n == COUNT(o->calls))
		return;
	snprintf(o->calls[o->n].tool, sizeof(o->calls[0].tool), "%s", tool ? tool : "");
	snprintf(o->calls[o->n++].key, sizeof(o->calls[0].key), "%s", key ? key : "");
}

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct outside *o = self;
	bool asks = strcmp(http_exchange_method(x), "GET") == 0;
	const char *key = strrchr(http_exchange_path(x), '/');
	if (!asks)
		note(o, x);
	return http_respond(x, asks && !known(o, key ? key + 1 : "") ? 404 : 200, "text/plain", NULL, e)
		&& http_respond_write(x, STR("sent"), e);
}

static size_t calls_of(const struct outside *o, const char *tool)
{
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++)
		n += strcmp(o->calls[i].tool, tool) == 0;
	return n;
}

static bool one_key(const struct outside *o, const char *tool)
{
	const char *key = NULL;
	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->calls[i].tool, tool) != 0)
			continue;
		if (!o->calls[i].key[0] || (key && strcmp(key, o->calls[i].key) != 0))
			return false;
		key = o->calls[i].key;
	}
	return true;
}

/* ---- one trial ---- */

struct trial {
	struct rig *r;
	struct outside *outside;
	const char *outside_url;
	int64_t k, id;
};

static bool ended(struct arena *a, const struct trial *t)
{
	return strcmp(rig_sql(a, t->r, "select count(*) from agent_requests where id = %ld and finished_at is not null", t->id),
		"1") == 0;
}

static struct process *victim_start(struct arena *a, const struct trial *t, struct err *e)
{
	const char *argv[] = { getenv("KILL_WORKER"), t->r->db.worker_url, t->r->config.model.base_url, t->outside_url, VICTIM,
		arena_printf(a, "%ld", (long)t->k), NULL };
	if (!argv[0])
		return FAIL(e, ERR_INPUT, "no_worker", "KILL_WORKER must be the path of kill_worker"), NULL;
	return process_start(&(struct process_options){ .argv = argv, .die_with_us = true }, e);
}

/* *killed: the victim met its wait; else it served the request to the end. */
static bool victim_serve(struct arena *a, const struct trial *t, bool *killed, struct err *e)
{
	int status;
	struct process *p = victim_start(a, t, e);
	if (!p)
		return false;
	for (int64_t end = clock_ms() + 20000; process_running(p) && !ended(a, t) && clock_ms() < end;)
		if (!loop_sleep(5, e))
			break;
	bool alive = process_running(p);
	process_signal(p, SIGTERM);
	bool ok = process_wait(p, deadline_in(20000), &status, e);
	*killed = ok && !alive;
	*killed = *killed || (ok && status == 128 + SIGKILL);
	process_free(p);
	return ok;
}

static void check_database(struct arena *a, const struct trial *t)
{
	static const struct { const char *sql, *want; } holds[] = {
		{ "select status || ' ' || coalesce(error, '') from agent_requests where id = %ld", "completed " },
		{ "select count(*) from psa.tasks where name = 'Killed' and version = 1 and %ld > 0", "1" },
		{ "select count(*) from (select from agent_turns where request_id = %ld and content_type = 'tool_call' "
			"group by tool_call_id having count(*) <> 1) twice", "0" },
		{ "select count(*) from (select from agent_turns where request_id = %ld and content_type = 'tool_result' "
			"group by tool_call_id having count(*) <> 1) twice", "0" },
		{ "select string_agg(tool_name, ' ' order by id) from tool_executions where tool_name = 'milestone_set' "
			"and request_id = %ld", "milestone_set" },
		{ "select count(*) from agent_logs where kind = 'complete' and request_id = %ld", "1" },
	};
	for (size_t i = 0; i < COUNT(holds); i++)
		CHECK_EQ_S(rig_sql(a, t->r, holds[i].sql, t->id), holds[i].want);
	CHECK_PROMISES(t->r->owner);
}

static bool told_unknown(struct arena *a, const struct trial *t)
{
	return strcmp(rig_sql(a, t->r, "select count(*) from tool_executions where tool_name = 'mail_tell' and status = 'unknown' "
		"and request_id = %ld", t->id), "1") == 0;
}

static void check_outside(struct arena *a, const struct trial *t)
{
	const struct outside *o = t->outside;
	CHECK(calls_of(o, "mail_repeat") >= 1 && calls_of(o, "mail_repeat") <= 2);
	CHECK(one_key(o, "mail_repeat"));
	CHECK_EQ_I(calls_of(o, "mail_probe"), 1);
	if (!told_unknown(a, t))
		CHECK_EQ_I(calls_of(o, "mail_tell"), 1);
	CHECK(calls_of(o, "mail_tell") <= 1);
}

static bool forget(struct arena *a, struct trial *t)
{
	t->outside->n = 0;
	return CHECK_EQ_S(test_ask(a, t->r->owner, "delete from psa.tasks where name = 'Killed'; delete from agent_requests; "
		"delete from drover.workers; select 1"), "1");
}

static bool try_one(struct trial *t, bool *killed, struct err *e)
{
	ARENA_SCOPE(a);
	if (!forget(a, t))
		return false;
	t->id = rig_ask(a, t->r, "killed", "set a milestone and send");
	if (!victim_serve(a, t, killed, e))
		return false;
	t->r->config.worker_id = NULL;
	t->r->config.after = VICTIM;
	if (!rig_start(t->r, e))
		return false;
	rig_wait(a, t->r, t->id);
	if (!rig_stop(t->r, e))
		return false;
	check_database(a, t);
	check_outside(a, t);
	return true;
}

static void kill_at_every_wait(struct arena *a, int sign, struct err *e)
{
	struct rig r = { 0 };
	struct outside *outside = arena_alloc(a, sizeof(*outside));
	struct http_server_options o = { .host = "127.0.0.1" };
	REQUIRE_OK(rig_open(a, STORY, &r, e));
	*outside = (struct outside){ .group = { .keep_going = true } };
	REQUIRE_OK(outside->server = http_server_open(&o, &outside->group, answer, outside, e));
	struct trial t = { .r = &r, .outside = outside,
		.outside_url = arena_printf(a, "http://127.0.0.1:%d/mail", http_server_port(outside->server)) };
	killed_outside_set(t.outside_url);
	r.config = killed_config(r.db.worker_url, r.config.model.base_url);
	log_level_set(LOG_ERROR + 1);
	bool killed = true;
	for (t.k = sign; killed; t.k += sign * TORTURE_STEP)
		if (!test_check(try_one(&t, &killed, e), __FILE__, __LINE__, "a trial"))
			break;
	printf("    killed at %ld waits\n", labs((long)t.k) / TORTURE_STEP - 1);
	CHECK(labs((long)t.k) > 30);
	log_level_set(LOG_INFO);
	http_server_close(outside->server);
	group_wait(&outside->group, NEVER_MS, e);
	rig_close(&r);
}

LOOP_TEST(a_worker_killed_before_any_answer_came_loses_and_doubles_nothing)
{
	kill_at_every_wait(a, 1, e);
}

LOOP_TEST(a_worker_killed_after_any_answer_came_loses_and_doubles_nothing)
{
	kill_at_every_wait(a, -1, e);
}
