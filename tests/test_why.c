/* SPDX-License-Identifier: MIT */
/* why: it names the cause that a claim then acts on, in hundreds of states; and says it so that a
 * person can act. */
#include "json.h"
#include "loop.h"
#include "shell.h"

#define WORKER "00000000-0000-4000-8000-000000000001"
#define SESSION "aaaaaaaa-0000-4000-8000-000000000001"
#define SPACE "bbbbbbbb-0000-4000-8000-000000000001"

struct place {
	struct test_db db;
	struct pg *owner, *worker;
};

enum { SQL_MS = 20000 };

static bool open_place(struct arena *a, struct place *p, struct err *e)
{
	return test_db(a, &p->db, e) && (p->owner = test_connect(a, p->db.owner_url, e)) &&
	       (p->worker = test_connect(a, p->db.worker_url, e));
}

#define REQUIRE_PLACE(p)                                                                                           \
	struct place p;                                                                                            \
	REQUIRE_OK(open_place(a, &(p), e))
#define REQUIRE_PLAY(p, sql) REQUIRE_OK(pg_script((p).owner, a, sql, deadline_in(SQL_MS), NULL, e))

/* ---- why and the claim agree ---- */

/* What why says that a claim would do with a request, and what became of it. */
#define BETS                                                                                                       \
	"create table bets (id bigint, phase text, said text, on_key text);"                                       \
	"create function said(of_request bigint, defaults jsonb) returns text language sql as $$ "                 \
	"select case when bool_or(c ->> 'cause' = 'no_worker') or coalesce(bool_or(c ->> 'on' = "                  \
	"'all'), false) then 'stays' "                                                                             \
	"when bool_or(c ->> 'cause' = 'stopping') then 'ends' "                                                    \
	"when bool_or(c ->> 'cause' = 'parked') then 'free' else coalesce('parks ' || "                            \
	"(array_agg(c ->> 'on' order by n) filter (where c ? 'on'))[1], 'runs') end "                              \
	"from drover.why(of_request, defaults) with ordinality as x (c, n) $$;"                                    \
	"create function bet(defaults jsonb) returns void language sql as $$ delete from bets; "                   \
	"insert into bets select r.id, r.phase, said(r.id, defaults), r.blocked_on from "                          \
	"public.agent_requests r "                                                                                 \
	"where r.phase in ('ready', 'blocked') $$;"                                                                \
	"create view came as select b.*, case when r.phase = 'ready' then 'stays' when r.phase = "                 \
	"'running' then 'runs' "                                                                                   \
	"when r.status = 'failed' then 'ends' else 'parks ' || r.blocked_on end as did "                           \
	"from bets b join public.agent_requests r on r.id = b.id where b.phase = 'ready';"

/* One of these at a time; random() goes on from a fixed seed. */
#define PICK(of) "('" of "'::text[])[1 + floor(random() * array_length('" of "'::text[], 1))]"
#define SPACES "{" SPACE ",bbbbbbbb-0000-4000-8000-000000000002,null}"
#define USERS "{cccccccc-0000-4000-8000-000000000001,null}"
#define SESSIONS "{" SESSION ",aaaaaaaa-0000-4000-8000-000000000002,aaaaaaaa-0000-4000-8000-000000000003,null}"
#define ONE_RUNNING "(select id from agent_requests where phase = 'running' order by random() limit 1)"
#define A_SCOPE                                                                                                    \
	"(select s from (values ('all', ''), ('type', " PICK("{a,b,*}") "), ('workspace', coalesce(" PICK(         \
		SPACES) ", '*')), "                                                                                \
			"('user', coalesce(" PICK(USERS) ", '*'))) as "                                            \
							 "s (scope, "                                              \
							 "key) order "                                             \
							 "by random() "                                            \
							 "limit 1)"

static const char *const acts[] = {
	"insert into agent_requests (session_id, type, request, priority, workspace_id, user_id, "
	"run_at) select coalesce(" PICK(SESSIONS) "::uuid, gen_random_uuid()), " PICK("{a,b}") ", 'x', " PICK(
		"{0,50,100}") "::smallint, " PICK(SPACES) "::uuid, " PICK(USERS) "::uuid, case when random() < 0.1 "
										 "then now() + interval '1 hour' "
										 "end from generate_series(1, 4) "
										 "where (select count(*) from "
										 "agent_requests where finished_at "
										 "is null) < 12",
	"insert into drover.limits (scope, key, max_running, paused_at) select s.scope, "
	"s.key, " PICK(
		"{null,null,0,1,2,3}") "::integer, case when random() < 0.1 then now() end "
				       "from (values ('all', ''), ('type', " PICK("{a,b,*}") "), ('workspace', "
											     "coalesce(" PICK(SPACES) ", '*')), ('user', coalesce(" PICK(
												     USERS) ", "
													    "'*')))"
													    " as s "
													    "(scope"
													    ", "
													    "key) "
													    "order "
													    "by "
													    "random"
													    "() "
													    "limit "
													    "1 on "
													    "confli"
													    "ct "
													    "(scope"
													    ", "
													    "key) "
													    "do "
													    "update"
													    " set "
													    "max_"
													    "runnin"
													    "g = "
													    "exclud"
													    "ed."
													    "max_"
													    "runnin"
													    "g, "
													    "paused"
													    "_at = "
													    "exclud"
													    "ed."
													    "paused"
													    "_at",
	"delete from drover.limits where random() < 0.7",
	"select drover.finish(array[id], array[version], '{completed}', '{completed}', '{\"{}\"}', "
	"'{null}', '{null}', '{a}', '{0}', '{0}', "
	"'{0}', '{0}') from agent_requests where id = " ONE_RUNNING,
	"select drover.finish(array[id], array[version], '{completed}', '{completed}', '{\"{}\"}', "
	"'{null}', '{null}', '{a}', '{0}', '{0}', "
	"'{0}', '{0}') from agent_requests where id = " ONE_RUNNING,
	"update agent_requests set status = 'queued', phase = 'ready', version = version + 1, "
	"worker_id = null where id = " ONE_RUNNING
	"; select drover.after_run(id) from agent_requests where phase = 'ready'",
	"select drover.spawn_children(id, version, '[{\"type\": \"a\", \"request\": \"x\"}, "
	"{\"type\": \"b\", \"request\": \"y\", "
	"\"after\": [0]}]') from agent_requests where id = " ONE_RUNNING " and parent_id is null",
	"insert into drover.cancels (request_id, phase, code, why) select id, 'cancelled', "
	"'cancelled', 'told' from agent_requests "
	"where status in ('queued', 'processing') order by random() limit 1 on conflict do nothing",
	"update agent_requests set run_at = now() where phase = 'scheduled'; select "
	"drover.upkeep(1000, '', "
	"'00000000-0000-0000-0000-000000000000', '{}')",
	"update drover.workers set lease_until = now() + interval '1 hour' - (random() < 0.3)::integer * interval '2 hours'",
};
static const char *const default_limits[] = { "{}", "{}", "{\"type\": 2}", "{\"all\": 4, \"user\": 1}" };

struct score {
	int64_t ran, parked, ended, unparked, stayed;
};

static int64_t count_of(struct arena *a, struct place *p, const char *sql)
{
	int64_t n = 0;
	CHECK(str_to_i64(str_of(test_ask(a, p->owner, sql)), &n));
	return n;
}

/* One at a time where there may be limits: the first of a batch takes the place of the second. */
static void claim_and_compare(struct arena *a, struct place *p, const char *defaults, struct score *s)
{
	test_ask(a, p->owner, arena_printf(a, "select bet('%s')", defaults));
	bool limited = strcmp(defaults, "{}") != 0 || count_of(a, p, "select count(*) from drover.limits");
	const char *claimed = test_ask(a, p->worker,
		arena_printf(a, "select count(*) from drover.claim('" WORKER "', %d, 0, 0, '%s', %s, null)",
			limited ? 1 : 3, defaults, lrand48() % 4 ? "false" : "true"));
	CHECK(strncmp(claimed, "ERROR", 5) != 0);
	CHECK_SQL(p->owner,
		"select string_agg(format('%s: said %s, did %s', id, said, did), ', ') from came "
		"where did <> 'stays' and did <> said",
		"(null)");
	/* when nothing moved, nothing could have */
	CHECK_SQL(p->owner,
		"select string_agg(format('%s: said %s', id, said), ', ') from came where said <> "
		"'stays' and "
		"not exists (select from came where did <> 'stays')",
		"(null)");
	s->ran += count_of(a, p, "select count(*) from came where did = 'runs'");
	s->parked += count_of(a, p, "select count(*) from came where did like 'parks%'");
	s->ended += count_of(a, p, "select count(*) from came where did = 'ends'");
	s->stayed += count_of(a, p, "select count(*) from came where did = 'stays' and said = 'stays'");
}

#define SWEEP                                                                                                      \
	"do $$ declare k text := ''; begin perform "                                                               \
	"drover.sweep_sessions('00000000-0000-0000-0000-000000000000', 1000); "                                    \
	"loop select s.next_key into k from drover.sweep_parked(k, 1000, '%s') s; exit when k is "                 \
	"null; end loop; end $$"

/* Parked ones whose way is free are let go by the sweep; of a limit's key at least the first. It
 * may let others go, too: the next claim parks them again. Whether a worker lives is nothing to it.
 */
static void sweep_and_compare(struct arena *a, struct place *p, const char *defaults, struct score *s)
{
	test_ask(a, p->owner, "update drover.workers set lease_until = now() + interval '1 hour'");
	test_ask(a, p->owner, arena_printf(a, "select bet('%s')", defaults));
	CHECK_SQL(p->owner, arena_printf(a, SWEEP, defaults), "(null)");
	CHECK_SQL(p->owner,
		"select string_agg(format('%s on %s', b.id, b.on_key), ', ') from bets b join "
		"agent_requests r on r.id = b.id "
		"where b.said = 'free' and r.phase = 'blocked' and (b.on_key = 'session' or not "
		"exists (select from bets o "
		"join agent_requests q on q.id = o.id where o.on_key = b.on_key and q.phase = "
		"'ready'))",
		"(null)");
	s->unparked += count_of(a, p,
		"select count(*) from bets b join agent_requests r on r.id = b.id where b.said = "
		"'free' and r.phase = 'ready'");
}

/* Of what waits in no line: the first cause is its state, and the numbers are right. */
#define STATES                                                                                                     \
	"select string_agg(format('%s %s: %s', r.id, r.phase, w.c), ', ') from agent_requests r "                  \
	"left join lateral ("                                                                                      \
	"select c from drover.why(r.id, '{}') c where c ->> 'cause' <> 'stopping' limit 1) w on "                  \
	"true where case r.phase "                                                                                 \
	"when 'running' then coalesce(w.c ->> 'cause', '') not in ('running', 'lost') "                            \
	"when 'waiting_children' then w.c ->> 'cause' is distinct from 'children' or (w.c ->> "                    \
	"'n')::integer <> r.waits_on "                                                                             \
	"when 'waiting_dependencies' then w.c ->> 'cause' is distinct from 'siblings' or (w.c "                    \
	"->> 'n')::integer <> r.waits_on "                                                                         \
	"when 'scheduled' then coalesce(w.c ->> 'cause', '') not in ('scheduled', 'due') "                         \
	"when 'completed' then w.c ->> 'cause' is distinct from 'ended' else false end"

LOOP_TEST(why_and_a_real_claim_agree_in_hundreds_of_states)
{
	enum { STEPS = 500, SEED = 20261120 };
	struct score s = { 0 };
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, BETS "select setseed(0.42); insert into drover.workers (id, host, pid, "
			     "version, slots, lease_until) values ('" WORKER
			     "', 'box', 7, '0', 100, now() + interval '1 hour')");
	srand48(SEED);
	for (int i = 0; i < STEPS; i++) {
		ARENA_SCOPE(tmp);
		const char *act = acts[(size_t)lrand48() % COUNT(acts)], *said = test_ask(tmp, p.owner, act);
		if (!CHECK(strncmp(said, "ERROR", 5) != 0))
			printf("    %s\n    %s\n", said, act);
		const char *defaults = default_limits[(size_t)lrand48() % COUNT(default_limits)];
		if (i % 3 == 0)
			sweep_and_compare(tmp, &p, defaults, &s);
		else
			claim_and_compare(tmp, &p, defaults, &s);
		if (i % 10 == 0)
			CHECK_SQL(p.owner, STATES, "(null)");
		test_ask(tmp, p.owner,
			"update drover.workers set lease_until = now() + interval '1 hour' where "
			"random() < 0.9");
	}
	printf("    %ld ran, %ld were parked, %ld ended, %ld were let go, %ld stayed\n", (long)s.ran,
		(long)s.parked, (long)s.ended, (long)s.unparked, (long)s.stayed);
	CHECK(s.ran > 40 && s.parked > 20 && s.ended > 2 && s.unparked > 2 && s.stayed > 15);
}

/* ---- what it says ---- */

#define ASK(session, type)                                                                                         \
	"insert into agent_requests (session_id, type, request) values (" session ", '" type "', 'x');"
#define NEW "gen_random_uuid()"
#define MEET                                                                                                       \
	"insert into drover.workers (id, host, pid, version, slots, lease_until) values ('" WORKER                 \
	"', 'box', 7, '0', 2, now() + interval '1 hour');"
#define LEASE(interval)                                                                                            \
	"update drover.workers set lease_until = now() + interval '" interval "', draining = "                     \
	"false;"
#define CLAIM(defaults) "select drover.claim('" WORKER "', 1, 0, 0, '" defaults "', false, null);"

struct step {
	const char *before; /* SQL of the owner */
	const char *command;
	const char *parts[5]; /* what it says */
	const char *never;    /* what it does not; or NULL */
};

static void play_steps(struct arena *a, struct place *p, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ARENA_SCOPE(tmp);
		bool good = strncmp(test_ask(tmp, p->owner, steps[i].before), "ERROR", 5) != 0;
		struct ran r = shell(tmp, p->db.worker_url, steps[i].command);
		good &= r.status == 0 && !*r.err && !(steps[i].never && strstr(r.out, steps[i].never));
		for (size_t k = 0; k < COUNT(steps[i].parts) && steps[i].parts[k]; k++)
			good &= strstr(r.out, steps[i].parts[k]) != NULL;
		if (!CHECK(good))
			printf("    step %zu: %s\n%s%s%s\n", i, steps[i].command, r.out, r.err,
				test_ask(a, p->owner, steps[i].before));
	}
}

#define LAST_STEP(steps) play_steps(a, &p, steps, COUNT(steps))

LOOP_TEST(why_tells_of_workers_the_line_and_the_session)
{
	static const struct step steps[] = {
		{ ASK("'" SESSION "'", "quotes") ASK("'" SESSION "'", "quotes") ASK("'" SESSION "'", "quotes"),
			"$D why 1",
			{ "request 1 quotes queued, ready; made ",
				"  1. no worker lives: none is registered\n     > drover worker\n",
				"  2. it is the first in line\n" },
			"what it waits for" },
		{ MEET "update drover.workers set draining = true", "$D why 1",
			{ "1. no worker claims: all that live (1) are draining\n" } },
		{ LEASE("-9 seconds"), "$D why 1",
			{ "1. no worker lives: 1 registered, and the last lease ran out 9." } },
		{ LEASE("1 hour"), "$D why 1",
			{ "\n  1. it is the first in line; 2 of 2 slots are free; a worker takes "
			  "it at its next look\n" },
			"2." },
		{ "select 1", "$D why 2",
			{ "1. request 1 (quotes) is before it in its session: ready, for ", "     > drover why 1\n",
				"2. 1 ready request is before it",
				"what it waits for:\n     1 quotes ready: it is ready, and nothing "
				"but its place" } },
		{ CLAIM("{}") CLAIM("{}") CLAIM("{}"), "$D why 1",
			{ "1. it runs: attempt 1, for ", " on box:7, whose lease was renewed ",
				"     > drover tail 1\n" },
			"2." },
		{ "select 1", "$D why 2",
			{ "queued, blocked;",
				"1. request 1 (quotes) is before it in its session: running on "
				"box:7, for ",
				"     1 quotes running: it runs: attempt 1" },
			"2." },
		{ "select 1", "$D why 3", { "2. 2 requests of its session are before it\n" } },
		{ ASK(NEW, "quotes") ASK(NEW, "quotes") CLAIM("{}"), "$D why 5",
			{ "1. it is the first in line; all 2 slots of the one worker that lives "
			  "are taken; nothing ended in the last 5 minutes, so "
			  "nobody can say when its turn comes\n     > wait, or raise "
			  "worker.slots" } },
		{ ASK(NEW, "quotes") "update agent_requests set status = 'completed', phase = "
				     "'completed', finished_at = now() where id = 4; "
				     "insert into agent_requests (type, request, status, phase, "
				     "finished_at) select 'a', 'x', 'completed', 'completed', "
				     "now() from "
				     "generate_series(1, 49); " CLAIM("{}"),
			"$D why 6",
			{ "1. it is the first in line; all 2 slots",
				"; at 10.0 ends a minute (the "
				"last 5 minutes) its turn comes in about 6.0 s\n" } },
		{ "insert into agent_requests (type, request, priority) select 'a', 'x', 0 from "
		  "generate_series(1, 10001)",
			"$D why 6",
			{ "1. at least 10,000 ready requests are before it; ",
				"its turn comes in more than 16 h 40 min" } },
		{ "select 1", "DROVER_QUEUE_ORDER=fair $D why 6",
			{ "its place is not known: the order is fair (queue.order)",
				"at least 10,000 of a better priority or from the same are before "
				"it" },
			"its turn comes" },
		{ LEASE("-5 seconds"), "$D why 1",
			{ "1. it ran on box:7, attempt 1, but that worker's lease ran out 5." } },
		{ "update drover.workers set id = gen_random_uuid()", "$D why 1",
			{ "1. it runs in the name of a worker that is not there (" WORKER ")" } },
	};
	REQUIRE_PLACE(p);
	LAST_STEP(steps);
}

LOOP_TEST(why_tells_of_limits_and_pauses_and_names_all_that_hold)
{
	static const struct step steps[] = {
		{ MEET "select drover.set_limit('type', 'quotes', 1, null);" ASK(NEW, "quotes") ASK(NEW, "quotes")
				ASK(NEW, "quotes") CLAIM("{}"),
			"$D why 2",
			{ "1. type quotes is full: 1 of at most 1 run, 1 (set by drover limit)\n   "
			  "  > wait until one of them ends, "
			  "or drover limit type quotes --max 2\n",
				"2. it is the first in line" } },
		{ CLAIM("{}") CLAIM("{}"), "$D why 3",
			{ "queued, blocked;", "1. type quotes is full: 1 of at most 1 run, 1 (",
				"2. 1 request that waits for the same is before it\n" } },
		{ "select drover.pause('type', 'quotes', E'price list\\x1b[2J is wrong')", "$D why 3",
			{ "1. type quotes is paused, for ",
				" now: price list\\x1b[2J is wrong\n     > drover resume type "
				"quotes\n",
				"2. type quotes is full: " } },
		{ "select drover.pause('all', '', null)", "$D why 3",
			{ "1. type quotes is paused", "2. type quotes is full", "3. the whole queue is paused",
				"> drover resume all\n" } },
		{ "select drover.resume('all', ''); select drover.resume('type', 'quotes'); select "
		  "drover.pause('type', '*', null)",
			"$D why 3", { "1. type quotes is full" }, "paused" },
		{ ASK(NEW, "it''s -x"), "$D why 4",
			{ "1. every type is paused, for ", "     > drover resume type '*'\n" } },
		{ "select drover.pause('type', 'it''s -x', null)", "$D why 4",
			{ "1. type it's -x is paused", "> drover resume type 'it'\\''s -x'\n" } },
		{ "delete from drover.limits", "$D why 3",
			{ "1. it was put aside for type:quotes, where its way is free again" } },
		{ "select 1", "DROVER_QUEUE_MAX_RUNNING_TYPE=1 $D why 3",
			{ "1. type quotes is full: 1 of at most 1 run, 1 (queue.max_running_type "
			  "of the "
			  "configuration that this command reads; that of the workers counts)" } },
		{ "insert into drover.limits (scope, key, max_running) values ('type', '*', 1)", "$D why 3",
			{ "1. type quotes is full: 1 of at most 1 run, 1 (each type's, set by "
			  "drover limit type '*')" } },
		{ "update drover.limits set max_running = 0", "$D why 4",
			{ "1. type it's -x may not run at all: the limit is 0 (each type's",
				"> drover limit type 'it'\\''s -x' --max 1\n" } },
		{ "insert into drover.permits select 'type:quotes', i, 1 from generate_series(100, "
		  "120) i; update drover.limits set max_running = 5",
			"$D why 3",
			{ "22 of at most 5 run, 1, 100, 101, 102, 103, 104, 105, 106, 107, 108 and "
			  "others (" } },
	};
	REQUIRE_PLACE(p);
	LAST_STEP(steps);
}

LOOP_TEST(why_tells_what_an_open_request_waits_for_and_how_an_ended_one_ended)
{
	static const struct step steps[] = {
		{ MEET "insert into agent_requests (type, request, run_at) values ('quotes', 'x', "
		       "now() + interval '2 hours 30 seconds');"
		       "select drover.pause('type', 'quotes', 'later')",
			"$D why 1",
			{ "queued, scheduled;", "1. it is not due before 2", ", in 2 h 0 min (run_at)\n",
				"2. type quotes is paused" } },
		{ "delete from drover.limits; update agent_requests set run_at = now() - interval "
		  "'3 seconds'",
			"$D why 1",
			{ "1. its time came 3.", " ago: the next look of a worker makes it ready (worker.poll)\n" },
			"upkeep_failed" },
		{ "update agent_requests set phase = 'retry_wait', attempt = 1, error = 'model is "
		  "busy', error_code = 'busy', run_at = now() + interval "
		  "'10.5 seconds'",
			"$D why 1",
			{ "1. attempt 1 of ", " failed: model is busy (busy); the next is due in 10." } },
		{ ASK(NEW, "plan") CLAIM("{}") "select drover.spawn_children(2, 1, '[{\"type\": \"a\", "
					       "\"request\": \"x\"}, {\"type\": \"b\", \"request\": \"y\", "
					       "\"after\": [0]}]')",
			"$D why 2",
			{ "processing, waiting_children;",
				"1. it waits without a worker for 2 requests of its own to end: 3, "
				"4\n",
				"what it waits for:\n     3 a ready: it is ready, and nothing but "
				"its place in line holds it back\n     4 b waiting_dependencies: "
				"it begins after 1 "
				"other request of the same parent: 3\n" } },
		{ "select 1", "$D why 4",
			{ "1. it begins after 1 other request of the same parent: 3\n",
				"     3 a ready: it is ready" } },
		{ CLAIM("{}") "select drover.end_request(2, 'cancelled', 'cancelled', 'wrong "
			      "plan')",
			"$D why 2",
			{ "1. it was told to stop ",
				" ago (cancelled: wrong plan): it ends with the last of its "
				"children\n",
				"2. it waits without a worker for 1 request of its "
				"own to end: 3\n",
				"     3 a running: it runs" } },
		{ "select 1", "$D why 3",
			{ "1. it runs: ", "2. it was told to stop ",
				" ago (cancelled: wrong plan): its worker ends it\n" } },
		{ "update agent_requests set status = 'failed', phase = 'failed', error = 'it "
		  "broke', error_code = 'broken', finished_at = now() - interval "
		  "'61 seconds' where id = 1",
			"$D why 1",
			{ "1 quotes failed; made", "1. it ended 1 min 1 s ago: failed: it broke "
						   "(broken)\n     > drover show 1 tells more; "
						   "drover retry 1 runs it again\n" },
			"2." },
		{ "select 1", "$D why 4",
			{ "1. it ended ", " ago: cancelled: wrong plan", "drover retry 2 runs it again" } },
		{ "update agent_requests set status = 'completed', phase = 'completed', error = "
		  "null, error_code = null where id = 1",
			"$D why 1", { "1. it ended 1 min ", " ago: completed\n     > drover show 1\n" } },
	};
	REQUIRE_PLACE(p);
	LAST_STEP(steps);
}

LOOP_TEST(why_as_json_has_the_words_and_a_request_that_is_not_there_is_exit_3)
{
	struct err ignored = { 0 };
	REQUIRE_PLACE(p);
	REQUIRE_PLAY(p, MEET ASK("'" SESSION "'", "quotes")
				ASK("'" SESSION "'", "quotes") "select drover.pause('all', '', 'because')");
	struct ran r = shell(a, p.db.worker_url, "$D why 2 --json");
	const cJSON *all = json_parse(a, str_trim(str_of(r.out)), &ignored), *causes = json_get(all, "causes");
	REQUIRE(cJSON_GetArraySize(causes) == 2);
	const cJSON *first = cJSON_GetArrayItem(causes, 0), *second = cJSON_GetArrayItem(causes, 1);
	CHECK_EQ_S(json_text(first, "cause"), "paused");
	CHECK_EQ_S(json_text(first, "do"), "drover resume all");
	CHECK_EQ_S(json_text(second, "cause"), "session");
	CHECK_EQ_I(json_i64(second, "request", 0), 1);
	CHECK(json_text(second, "text"));
	CHECK_EQ_I(json_i64(json_get(all, "request"), "id", 0), 2);
	CHECK_EQ_I(json_i64(json_get(all, "line"), "ahead", -1), 1);
	CHECK_EQ_I(json_i64(cJSON_GetArrayItem(json_get(all, "waits_for"), 0), "id", 0), 1);
	struct ran none = shell(a, p.db.worker_url, "$D why 99");
	CHECK_EQ_I(none.status, 3);
	CHECK_EQ_S(none.err, "drover why: there is no request 99\n");
	CHECK_HAS(shell(a, p.db.worker_url, "$D show 2").out, "; drover why 2 says more\n");
}
