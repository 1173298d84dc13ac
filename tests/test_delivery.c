/* SPDX-License-Identifier: MIT */
/* How readers hear of log rows: Realtime's broadcast, played by a stand-in with its published signature, and Redis itself. */
#include "broadcast.h"
#include "clock.h"
#include "net.h"
#include "pool_inner.h"
#include "rig_test.h"
#include <sys/types.h>
#include <unistd.h>

/* ---- the stand-in: schema realtime as far as a sender sees it; like the real one, send fails by a warning only ---- */

#define REALTIME_STAND_IN \
	"create schema realtime; " \
	"create table realtime.messages (n bigint generated always as identity, topic text, event text, payload jsonb, " \
	"private boolean, extension text not null default 'broadcast'); " \
	"create table realtime.trouble (word text); " \
	"create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void " \
	"language plpgsql as $f$ begin " \
	"perform set_config('realtime.topic', topic, true); " \
	"if exists (select from realtime.trouble) then raise exception 'no partition of relation \"messages\" found for row'; end if; " \
	"insert into realtime.messages (topic, event, payload, private) values (topic, event, payload, private); " \
	"exception when others then raise warning 'WarnSendingBroadcastMessage: %', sqlerrm; end $f$"

#define TWO_TURNS "replies:\n" \
	"  - when: { tool_result: project_search }\n    reply: [ { thinking: Hm. }, { text: 'Found \"it\".' } ]\n" \
	"  - reply: [ { tool: project_search, input: { words: APOLLO } } ]\n"

/* What was sent, row by row, against the log: nothing missing, nothing else, nothing twice, all in the right place. */
#define SENT_AND_LOG_DIFFER \
	"with sent as (select m.topic, m.event, m.private, x.* from realtime.messages m, jsonb_to_recordset(m.payload -> 'rows') " \
	"as x (request_id bigint, seq int, attempt int, agent_name text, kind text, message text, data jsonb)), " \
	"log as (select 'session:' || session_id, 'agent_logs', true, request_id, seq, attempt, agent_name, kind, message, data " \
	"from agent_logs) select count(*) from ((select * from sent except all select * from log) union all " \
	"(select * from log except all select * from sent)) d"

static bool broadcast_start(struct arena *a, struct rig *r, struct err *e)
{
	CHECK_SQL(r->owner, REALTIME_STAND_IN, "(null)");
	r->config.delivery = DELIVERY_BROADCAST;
	return rig_start(r, e);
}

RIG_TEST(every_row_is_broadcast_once_with_the_last_one_too, TWO_TURNS)
{
	REQUIRE_OK(broadcast_start(a, r, e));
	int64_t one = rig_ask(a, r, "project_management", "find it"), two = rig_ask(a, r, "project_management", "find it too");
	CHECK_FATE(one, "completed 1");
	CHECK_FATE(two, "completed 1");
	REQUIRE_OK(rig_stop(r, e)); /* which sends what is left */
	CHECK_SQL(r->owner, SENT_AND_LOG_DIFFER, "0");
	CHECK_SQL(r->owner, "select count(*) > 10 from agent_logs", "t");
	CHECK_SQL(r->owner, "select count(distinct topic) from realtime.messages", "2");
}

RIG_TEST(what_realtime_warns_of_is_counted_and_the_log_is_whole, TWO_TURNS)
{
	REQUIRE_OK(broadcast_start(a, r, e));
	CHECK_SQL(r->owner, "insert into realtime.trouble values ('x') returning 1", "1");
	CHECK_FATE(rig_ask(a, r, "project_management", "find it"), "completed 1");
	for (int i = 0; i < 2000 && (delivery_load(r->pool->delivery).pending || !delivery_load(r->pool->delivery).warnings); i++)
		loop_sleep(2, e);
	struct delivery_load load = delivery_load(r->pool->delivery);
	CHECK(load.warnings > 0);
	CHECK_EQ_I(load.dropped, load.warnings);
	CHECK_EQ_I(load.sent, 0);
}

RIG_TEST(a_broadcast_that_hangs_holds_up_no_log_and_no_end, TWO_TURNS)
{
	REQUIRE_OK(broadcast_start(a, r, e));
	struct pg *holder = test_connect(a, r->db.owner_url, e);
	REQUIRE(holder);
	CHECK_SQL(holder, "begin; lock table realtime.messages in access exclusive mode", "(null)");
	CHECK_FATE(rig_ask(a, r, "project_management", "find it"), "completed 1");
	CHECK_SQL(holder, "select count(*) from realtime.messages", "0");
	pool_drain(r->pool);
	loop_sleep(100, e); /* nothing runs, but somebody has yet to be told */
	CHECK_SQL(holder, "rollback", "(null)");
	REQUIRE_OK(rig_stop(r, e));
	CHECK_SQL(r->owner, SENT_AND_LOG_DIFFER, "0");
}

RIG_TEST(a_worker_that_is_to_broadcast_without_realtime_does_not_start_and_says_why, TWO_TURNS)
{
	r->config.delivery = DELIVERY_BROADCAST;
	r->serving = (struct group){ .keep_going = true };
	r->pool = pool_new(&r->config);
	CHECK(!pool_serve(r->pool, e));
	CHECK_EQ_I(e->kind, ERR_REFUSED);
	CHECK_EQ_S(e->code, "no_realtime");
	CHECK(strstr(e->msg, "log.delivery") != NULL);
	CHECK_SQL(r->owner, "select count(*) from drover.workers", "0");
	pool_free(r->pool);
	r->config.delivery = DELIVERY_REDIS;
	r->pool = pool_new(&r->config);
	CHECK(!pool_serve(r->pool, e));
	CHECK_EQ_S(e->code, "no_redis");
	pool_free(r->pool);
	r->pool = NULL;
}

/* What doctor says of it, in the words of its line. */
static const char *doctor(struct arena *a, struct rig *r, const char *environment)
{
	const char *program = getenv("TEST_PROGRAM");
	enum { TEXT_BYTES = 4096 };
	char *text = arena_alloc(a, TEXT_BYTES);
	FILE *p = popen(arena_printf(a, "DATABASE_URL='%s' DROVER_CONFIG= %s %s doctor 2>&1 | grep delivery", r->db.worker_url,
		environment, program), "re");
	size_t n = p ? fread(text, 1, TEXT_BYTES - 1, p) : 0;
	if (p)
		pclose(p);
	return arena_text(a, str_trim((struct str){ text, n }));
}

RIG_TEST(doctor_says_whether_readers_can_be_told, TWO_TURNS)
{
	(void)e;
	if (!getenv("TEST_PROGRAM"))
		return;
	CHECK(strstr(doctor(a, r, "DROVER_LOG_DELIVERY=broadcast"), "wrong  delivery    log.delivery is broadcast, but"));
	CHECK(strstr(doctor(a, r, "DROVER_LOG_DELIVERY=redis"), "wrong  delivery    log.delivery is redis, but no Redis"));
	CHECK(strstr(doctor(a, r, "DROVER_LOG_DELIVERY=redis DROVER_REDIS_URL=redis://127.0.0.1:1"), "warn   delivery    redis: "));
	CHECK_EQ_S(doctor(a, r, ""), "ok     delivery    postgres_changes: Realtime reads the table");
	CHECK_SQL(r->owner, REALTIME_STAND_IN, "(null)");
	CHECK_EQ_S(doctor(a, r, "DROVER_LOG_DELIVERY=broadcast"), "ok     delivery    broadcast: realtime.send is there");
}

/* ---- the function ---- */

#define LOG_ROW "insert into agent_logs (session_id, request_id, seq, attempt, agent_name, kind, message, data) "
#define SESSION "00000000-0000-4000-8000-00000000000"

RIG_TEST(messages_stay_below_what_realtime_takes_and_a_huge_row_is_cut_and_says_so, TWO_TURNS)
{
	CHECK_SQL(r->owner, REALTIME_STAND_IN, "(null)");
	struct pg *worker = test_connect(a, r->db.worker_url, e);
	REQUIRE(worker);
	CHECK_SQL(r->owner, LOG_ROW "select '" SESSION "1', 1, n, 1, 'x', 'text', repeat(e'a\"\\n', 10000), null from generate_series(1, 20) n; "
		LOG_ROW "select '" SESSION "1', 2, n, 1, 'x', 'text', repeat(e'\\x01', 60000), '{\"a\": 1}' from generate_series(1, 9) n; "
		LOG_ROW "select '" SESSION "2', 3, n, 1, 'x', 'text', 'short', '{\"a\": 1}' from generate_series(1, 20) n", "(null)");
	CHECK_SQL(worker, "select drover.broadcast('{1,2,3}', '{1,1,2}', '{20,9,19}') > 10", "t");
	CHECK_SQL(r->owner, "select max(octet_length(payload::text)) < 200000 from realtime.messages", "t");
	CHECK_SQL(r->owner, "select count(*) from realtime.messages where topic = 'session:" SESSION "2'", "1");
	CHECK_SQL(r->owner, "select string_agg((x ->> 'seq'), ' ' order by m.n, o) from realtime.messages m, "
		"jsonb_array_elements(payload -> 'rows') with ordinality t (x, o) where x ->> 'request_id' = '3'",
		"2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
	CHECK_SQL(r->owner, "select string_agg(distinct concat_ws(' ', x ->> 'request_id', x ->> 'cut', length(x ->> 'message'), x ->> 'data'), '|') "
		"from realtime.messages, jsonb_array_elements(payload -> 'rows') x where x ->> 'request_id' <> '3'",
		"1 30000|2 true 10000");
	CHECK_SQL(r->owner, "select count(*) from realtime.messages, jsonb_array_elements(payload -> 'rows') x", "47");
	CHECK_SQL(r->owner, "delete from agent_logs returning 'gone'", "gone");
}

RIG_TEST(only_the_worker_broadcasts_and_only_what_the_table_holds, TWO_TURNS)
{
	CHECK_SQL(r->owner, REALTIME_STAND_IN, "(null)");
	struct pg *worker = test_connect(a, r->db.worker_url, e);
	REQUIRE(worker);
	CHECK_SQL(worker, "select drover.broadcast('{77}', '{1}', '{9}')", "0");
	CHECK(strstr(test_ask(a, worker, "select realtime.send('{}', 'agent_logs', 'session:x')"), "ERROR"));
	CHECK(strstr(test_ask(a, r->owner, "set role authenticated; select drover.broadcast('{1}', '{1}', '{1}')"), "ERROR"));
	CHECK_SQL(r->owner, "reset role; select has_function_privilege('authenticated', "
		"'drover.broadcast(bigint[], integer[], integer[])', 'execute')", "f");
	CHECK_SQL(r->owner, "select count(*) from realtime.messages", "0");
}

/* ---- Redis ---- */

struct redis_rig {
	int port, subscriber;
	pid_t pid;
	struct buf *heard;
};

static void redis_rig_end(void *self)
{
	struct redis_rig *x = self;
	if (x->subscriber >= 0)
		close(x->subscriber);
	if (x->pid > 0)
		net_program_kill(x->pid);
}

static struct redis_rig *redis_rig_new(struct arena *a, struct rig *r)
{
	struct redis_rig *x = arena_alloc(a, sizeof(*x));
	*x = (struct redis_rig){ .subscriber = -1, .heard = buf_new(a, 8 * 1024 * 1024) };
	close(net_listen(1, &x->port));
	r->config.delivery = DELIVERY_REDIS;
	r->config.redis_url = arena_printf(a, "redis://127.0.0.1:%d", x->port);
	r->config.redis_ms = 2000;
	arena_defer(a, redis_rig_end, x);
	return x;
}

/* The server, and one who listens to all sessions. */
static bool redis_rig_start(struct arena *a, struct redis_rig *x, struct err *e)
{
	const char *argv[] = { "redis-server", "--port", arena_printf(a, "%d", x->port), "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--dir", "/tmp", NULL };
	x->pid = net_program_start(argv);
	for (int i = 0; i < 200; i++) {
		struct err ignored = { 0 };
		x->subscriber = net_connect(x->port);
		if (x->subscriber >= 0 && net_write(x->subscriber, STR("PSUBSCRIBE drover:session:*\r\n"), deadline_in(1000), &ignored) &&
			net_read_until(x->subscriber, x->heard, "psubscribe", deadline_in(1000), &ignored))
			return true;
		close(x->subscriber);
		loop_sleep(20, &ignored);
	}
	return FAIL(e, ERR_BUG, "no_redis", "redis-server does not answer; is it installed?");
}

/* Every payload that was heard becomes a row of a table, to be compared like the broadcast's. */
static void keep_heard(struct arena *a, struct rig *r, const struct redis_rig *x)
{
	CHECK_SQL(r->owner, "create schema realtime; create table realtime.messages (topic text, event text default 'agent_logs', "
		"private boolean default true, payload jsonb)", "(null)");
	for (const char *at = x->heard->p; (at = strstr(at, "pmessage")); at++) {
		const char *topic = strstr(strstr(at, "$") + 1, "drover:session:"); /* the pattern, */
		topic = strstr(topic + 1, "drover:session:");                       /* then the channel */
		const char *payload = strstr(topic, "{\"rows\"");
		size_t n = strcspn(payload, "\r");
		test_ask(a, r->owner, arena_printf(a, "insert into realtime.messages values ('%.*s', default, default, $j$%.*s$j$)",
			44, topic + strlen("drover:"), (int)n, payload));
	}
}

RIG_TEST(redis_tells_its_subscribers_every_row, TWO_TURNS)
{
	struct redis_rig *x = redis_rig_new(a, r);
	REQUIRE_OK(redis_rig_start(a, x, e));
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "project_management", "find it"), "completed 1");
	CHECK_FATE(rig_ask(a, r, "project_management", "find it too"), "completed 1");
	REQUIRE_OK(rig_stop(r, e));
	int64_t ends = 0;
	for (int i = 0; i < 100 && ends < 2; i++) {
		bool end;
		struct err ignored = { 0 };
		net_read(x->subscriber, x->heard, &end, deadline_in(50), &ignored);
		ends = 0;
		for (const char *at = x->heard->p; (at = strstr(at, "\"complete\"")); at++)
			ends++;
	}
	CHECK_EQ_I(ends, 2);
	keep_heard(a, r, x);
	CHECK_SQL(r->owner, SENT_AND_LOG_DIFFER, "0");
}

RIG_TEST(without_redis_the_log_goes_on_and_what_was_not_told_is_counted, TWO_TURNS)
{
	struct redis_rig *x = redis_rig_new(a, r);
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "project_management", "find it"), "completed 1");
	for (int i = 0; i < 2000 && (delivery_load(r->pool->delivery).pending || !delivery_load(r->pool->delivery).dropped); i++)
		loop_sleep(2, e);
	CHECK(delivery_load(r->pool->delivery).dropped > 0);
	CHECK(!delivery_load(r->pool->delivery).connected);
	REQUIRE_OK(redis_rig_start(a, x, e));
	int64_t id = 0;
	for (int i = 0; i < 200 && !delivery_load(r->pool->delivery).sent; i++) { /* it is tried again once a second */
		id = rig_ask(a, r, "project_management", "find it");
		CHECK_FATE(id, "completed 1");
	}
	CHECK(delivery_load(r->pool->delivery).sent > 0);
	CHECK(net_read_until(x->subscriber, x->heard, "\"rows\"", deadline_in(5000), e));
}

/* ---- nothing ---- */

RIG_TEST(with_postgres_changes_nothing_more_than_the_insert_is_done, TWO_TURNS)
{
	CHECK_SQL(r->owner, REALTIME_STAND_IN, "(null)");
	REQUIRE_OK(rig_start(r, e));
	CHECK(!r->pool->delivery);
	CHECK_FATE(rig_ask(a, r, "project_management", "find it"), "completed 1");
	REQUIRE_OK(rig_stop(r, e));
	CHECK_SQL(r->owner, "select count(*) from realtime.messages", "0");
}
