/* SPDX-License-Identifier: MIT */
/* Tools that are files, in the hands of a model that means no good; and catalogs that change while requests run. */
#include "catalog_case.h"
#include "clock.h"
#include "rig_test.h"

#define DEMO_USER "00000000-0000-4000-8000-0000000000d0"
#define OTHER_USER "00000000-0000-4000-8000-0000000000e0"

/* Whatever the request's text is, it becomes the arguments of the tool. */
#define ATTACKER "replies:\n  - when: { turn: 0 }\n    reply: [ { tool: t, input_text: '{{last_user}}' } ]\n  - reply: Done.\n"
#define AGENT "type: helper\ntext: Helps.\nprompt: Help.\ntools: [t]\n"

#define TABLES \
	"create table public.notes (id int generated always as identity primary key, owner uuid not null default auth.uid(), " \
	"body text not null check (body <> 'bad'), amount bigint, done boolean, due date, data jsonb, tags text[], numbers bigint[]); " \
	"alter table public.notes enable row level security; " \
	"create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid()); " \
	"grant select, insert, update on public.notes to authenticated; " \
	"insert into public.notes (owner, body) values ('" DEMO_USER "', 'mine'), ('" OTHER_USER "', 'theirs'); " \
	"create table public.workers_own (word text); insert into public.workers_own values ('hidden'); " \
	"grant select, insert on public.workers_own to drover_worker; " \
	"create function public.write_note() returns int language sql volatile as $$ insert into public.notes (body) values ('sneaked') " \
	"returning id $$; " \
	"create function public.write_as_owner() returns int language sql volatile security definer as $$ insert into public.notes (owner, body) " \
	"values ('" OTHER_USER "', 'sneaked') returning id $$; " \
	"create function public.unlock() returns int language plpgsql as $$ begin perform set_config('transaction_read_only', 'off', true); " \
	"return public.write_note(); end $$; " \
	"create function public.become(r text) returns text language plpgsql as $$ begin perform set_config('role', r, true); " \
	"return (select string_agg(word, ',') from public.workers_own); end $$; " \
	"create function public.be_other() returns bigint language plpgsql as $$ begin perform set_config('request.jwt.claims', " \
	"'{\"sub\": \"" OTHER_USER "\"}', true); return (select count(*) from public.notes); end $$"

static struct catalog_case *prepare(struct arena *a, struct rig *r)
{
	struct catalog_case *c = catalog_case_open(a, "127.0.0.1, localhost", true);
	CHECK_SQL(r->owner, TABLES, "(null)");
	c->base = r->config;
	catalog_case_put(c, "agents/helper.yaml", AGENT);
	return c;
}

/* The rig runs with the folder as it is now. */
static bool start(struct rig *r, struct catalog_case *c, struct err *e)
{
	struct catalog_problems problems = { .a = c->a };
	r->config.generation = catalog_load(c->catalog, &problems, NULL);
	if (!r->config.generation)
		return FAIL(e, ERR_INPUT, "bad_catalog", "%s", problems.all.first->text);
	return rig_start(r, e);
}

static void put_sql(struct catalog_case *c, const char *input, const char *sql)
{
	catalog_case_put(c, "tools/t.yaml", arena_printf(c->a, "name: t\ntext: Does it.\n%s%s%ssql:\n%s", *input ? "input: " : "", input,
		*input ? "\n" : "", sql));
}

static int64_t ask(struct arena *a, struct rig *r, const char *input)
{
	int64_t id = 0;
	str_to_i64(str_of(test_ask(a, r->owner, arena_printf(a, "insert into agent_requests (user_id, type, request) values ('" DEMO_USER
		"', 'helper', $in$%s$in$) returning id", input))), &id);
	return id;
}

/* What the model was told, or how the request failed. */
static const char *attack(struct arena *a, struct rig *r, const char *input)
{
	int64_t id = ask(a, r, input);
	const char *fate = rig_fate(a, r, id);
	return strncmp(fate, "completed", 9) == 0 ? rig_sql(a, r, "select output from tool_executions where request_id = %ld", id) : fate;
}
#define CHECK_ATTACK(input, want) CHECK_EQ_S(attack(a, r, input), want)

/* One tool in a rig of its own run. */
#define TOOL(input, sql) struct catalog_case *c = prepare(a, r); put_sql(c, input, sql); REQUIRE_OK(start(r, c, e))

/* ---- SQL: what arguments can do ---- */

RIG_TEST(an_argument_of_any_type_is_a_value_and_never_sql, ATTACKER)
{
	static const struct { const char *input, *told; } attacks[] = {
		{ "{\"s\":\"' or true --\"}", "{\"rows\": []}" },
		{ "{\"s\":\"'; drop table public.notes; --\"}", "{\"rows\": []}" },
		{ "{\"s\":\"$$; select 1; $$\"}", "{\"rows\": []}" },
		{ "{\"s\":\"\\\\'; reset role; --\"}", "{\"rows\": []}" },
		{ "{\"s\":\"mine\"}", "{\"rows\": [{\"body\": \"mine\", \"echo\": [\"mine\", null, null, null, null, null, null]}]}" },
		{ "{\"s\":\"mine\",\"i\":0,\"b\":false,\"d\":\"2027-02-28\",\"o\":{\"x\":\"'; drop table notes\"},\"ts\":[\"a,b\",\"}\\\",(\\\\\",\"null\"],\"is\":[1,-2]}",
			"{\"rows\": [{\"body\": \"mine\", \"echo\": [\"mine\", 0, false, \"2027-02-28\", {\"x\": \"'; drop table notes\"}, "
			"[\"a,b\", \"}\\\",(\\\\\", \"null\"], [1, -2]]}]}" },
		{ "{\"s\":\"mine\",\"i\":\"1 or true\"}", "{\"error\": \"i: must be a whole number\"}" },
		{ "{\"s\":\"mine\",\"b\":\"true) or (true\"}", "{\"error\": \"b: must be true or false\"}" },
		{ "{\"s\":\"mine\",\"d\":\"2027-01-01'::date or true --\"}", "{\"error\": \"d: must be a day that exists, as YYYY-MM-DD\"}" },
		{ "{\"s\":\"mine\",\"ts\":\"{a}\"}", "{\"error\": \"ts: must be an array\"}" },
		{ "{\"s\":\"mine\",\"is\":[\"1\"]}", "{\"error\": \"is[0]: must be a whole number\"}" },
		{ "{\"s\":\"mine\",\"user_id\":\"" OTHER_USER "\"}", "{\"error\": \"user_id: unknown argument\"}" },
	};
	TOOL("{ s: { type: text, required: true }, i: { type: integer }, b: { type: boolean }, d: { type: date }, o: { type: object }, "
		"ts: { type: texts }, is: { type: integers } }",
		"  statement: |\n    select body, jsonb_build_array(:s, :i, :b, :d, :o, :ts, :is) as echo\n    from notes where body = :s\n");
	for (size_t i = 0; i < COUNT(attacks); i++)
		CHECK_ATTACK(attacks[i].input, attacks[i].told);
	CHECK_SQL(r->owner, "select count(*) from notes", "2");
}

RIG_TEST(a_tool_sees_the_rows_of_its_requester_and_no_others, ATTACKER)
{
	TOOL("", "  statement: select body, owner = :user_id as own, :request_id > 0 as r, :session_id is not null as s from notes, (select current_user) u\n");
	CHECK_ATTACK("{}", "{\"rows\": [{\"r\": true, \"s\": true, \"own\": true, \"body\": \"mine\"}]}");
	CHECK_SQL(r->owner, "update agent_requests set user_id = user_id where false; insert into agent_requests (type, request) values ('helper', '{}') "
		"returning user_id", "(null)");
	CHECK_EQ_S(rig_wait(a, r, 2), "completed");
	CHECK_EQ_S(rig_sql(a, r, "select output from tool_executions where request_id = %ld", 2), "{\"rows\": []}");
}

RIG_TEST(a_tool_of_a_role_that_nobody_granted_fails_and_names_it, ATTACKER)
{
	CHECK_SQL(r->owner, "do $$ begin if to_regrole('drover_test_other') is null then create role drover_test_other; end if; end $$", "(null)");
	TOOL("", "  statement: select 1 as one\n  role: drover_test_other\n");
	int64_t id = ask(a, r, "{}");
	CHECK_FATE(id, "failed tool_broken 1");
	CHECK(strstr(rig_sql(a, r, "select error from agent_requests where id = %ld", id), "role drover_test_other (grant it to the worker's role)"));
}

RIG_TEST(no_tool_runs_as_a_superuser, ATTACKER)
{
	CHECK_SQL(r->owner, "do $$ begin if to_regrole('drover_test_super') is null then create role drover_test_super superuser; "
		"grant drover_test_super to drover_worker; end if; end $$", "(null)");
	TOOL("", "  statement: select word from workers_own\n  role: drover_test_super\n");
	CHECK_FATE(ask(a, r, "{}"), "failed tool_broken 1");
	CHECK_SQL(r->owner, "drop role drover_test_super", "(null)");
}

/* ---- SQL: writing ---- */

static const char *const writes[] = {
	"select write_note() as n", "select write_as_owner() as n", "select unlock() as n",
	"with w as (insert into notes (body) values ('sneaked') returning 1) select * from w",
	"select nextval('notes_id_seq') as n", "select lo_create(0) as n", "select body from notes for update",
};

RIG_TEST(a_tool_that_reads_cannot_write_by_any_way, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	CHECK_SQL(r->owner, "grant usage on sequence notes_id_seq to authenticated", "(null)");
	for (size_t i = 0; i < COUNT(writes); i++) {
		put_sql(c, "", arena_printf(a, "  statement: \"%s\"\n", writes[i]));
		REQUIRE_OK(start(r, c, e));
		const char *told = attack(a, r, "{}");
		bool ok = strstr(told, "this tool may only read: ") || strcmp(told, "failed tool_broken 1") == 0 || strstr(writes[i], "lo_create");
		if (!CHECK(ok))
			printf("      %s: %s\n", writes[i], told);
		CHECK_SQL(r->owner, "select count(*) from notes", "2");
		CHECK_SQL(r->owner, "select count(*) from pg_largeobject_metadata", "0"); /* before Postgres 16 the transaction allows it */
		REQUIRE_OK(rig_stop(r, e));
	}
	CHECK_SQL(r->owner, "select count(*) from agent_requests where attempt > 1", "0"); /* nobody took it for a lost primary */
}

RIG_TEST(a_tool_that_writes_commits_with_its_answer_as_the_requester, ATTACKER)
{
	TOOL("{ body: { type: text, required: true } }", "  write: true\n  statement: insert into notes (body) values (:body) returning id, owner\n");
	CHECK_ATTACK("{\"body\":\"new\"}", "{\"rows\": [{\"id\": 3, \"owner\": \"" DEMO_USER "\"}]}");
	CHECK_SQL(r->owner, "select n.xmin = x.xmin from notes n, tool_executions x where n.id = 3", "t");
	CHECK_SQL(r->owner, "select n.xmin = t.xmin from notes n, agent_turns t where n.id = 3 and t.content_type = 'tool_result'", "t");
	CHECK_ATTACK("{\"body\":\"bad\"}", "{\"error\": \"new row for relation \\\"notes\\\" violates check constraint "
		"\\\"notes_body_check\\\"\"}");
	CHECK_SQL(r->owner, "select count(*) from notes", "3");
}

RIG_TEST(what_the_policy_refuses_is_told_and_undone, ATTACKER)
{
	TOOL("{ who: { type: text, required: true } }", "  write: true\n  statement: |\n    with mine as (insert into notes (body) values ('first'))\n"
		"    insert into notes (owner, body) values (:who::uuid, 'given')\n");
	CHECK_ATTACK("{\"who\":\"" OTHER_USER "\"}", "{\"error\": \"new row violates row-level security policy for table \\\"notes\\\"\"}");
	CHECK_SQL(r->owner, "select count(*) from notes", "2");
	CHECK_ATTACK("{\"who\":\"" DEMO_USER "\"}", "{\"changed\": 1}");
	CHECK_SQL(r->owner, "select count(*) from notes", "4");
}

RIG_TEST(a_constraint_that_waits_for_the_commit_is_checked_as_the_requester, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	CHECK_SQL(r->owner, "create function public.late() returns trigger language plpgsql as $$ begin raise exception 'late as %', current_user; "
		"end $$; create constraint trigger late after insert on notes deferrable initially deferred for each row execute function late()",
		"(null)");
	put_sql(c, "", "  write: true\n  statement: insert into notes (body) values ('x')\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"error\": \"late as authenticated\"}");
}

RIG_TEST(after_a_tool_the_transaction_is_the_workers_again, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	CHECK_SQL(r->owner, "create table public.who (role text, path text, wait text, ro text); grant insert on who to public; "
		"create function public.note_who() returns trigger language plpgsql as $$ begin insert into public.who values (current_user, "
		"current_setting('search_path'), current_setting('statement_timeout'), current_setting('transaction_read_only')); return null; end $$; "
		"create trigger who after insert on tool_executions for each row execute function note_who()", "(null)");
	put_sql(c, "{ w: { type: text } }", "  write: true\n  statement: insert into notes (body) values ('x')\n  time: 3s\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"changed\": 1}");
	REQUIRE_OK(rig_stop(r, e));
	put_sql(c, "", "  statement: select 1 as one\n  time: 3s\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"rows\": [{\"one\": 1}]}");
	CHECK_SQL(r->owner, "select string_agg(distinct concat_ws(' ', role, path, wait, ro), '|') from who",
		/* five seconds: limits.tool_time of the rig, which holds for the whole call */
		"drover_worker \"$user\", public 5s off");
}

RIG_TEST(a_function_that_takes_another_role_or_other_claims_gives_nothing, ATTACKER)
{
	static const char *const sneaks[] = { "select become('drover_worker') as n", "select become('none') as n", "select be_other() as n" };
	struct catalog_case *c = prepare(a, r);
	for (size_t i = 0; i < 2 * COUNT(sneaks); i++) {
		put_sql(c, "", arena_printf(a, "  write: %s\n  statement: \"%s\"\n", i % 2 ? "true" : "false", sneaks[i / 2]));
		REQUIRE_OK(start(r, c, e));
		CHECK_EQ_S(attack(a, r, "{}"), "failed tool_broken 1");
		REQUIRE_OK(rig_stop(r, e));
	}
	CHECK_SQL(r->owner, "select count(*) from tool_executions", "0");
}

/* What a function of the app leaves in its session: settings beyond the transaction, rows, a lock. */
#define LEAVES \
	"create table public.hoard (word text); grant select, insert on public.hoard to authenticated; " \
	"create function public.leave(what text) returns text language plpgsql as $$ begin if what = 'put' then " \
	"perform set_config('app.tenant', 'A', false), set_config('role', current_user, false), set_config('search_path', 'nowhere', false), " \
	"set_config('request.jwt.claims', current_setting('request.jwt.claims'), false), pg_catalog.pg_advisory_lock(7); " \
	"create temp table if not exists kept (word text); return 'put'; end if; " \
	"return concat_ws(' ', nullif(current_setting('app.tenant', true), ''), to_regclass('pg_temp.kept'), (select count(*) from pg_locks " \
	"where locktype = 'advisory' and pid = pg_backend_pid())); end $$; " \
	"create function public.hold() returns text language plpgsql as $$ begin perform pg_catalog.pg_advisory_lock(7); return 'held'; end $$; " \
	"create function public.be_other_of_old() returns bigint language plpgsql as $$ begin perform set_config('request.jwt.claim.sub', '" \
	OTHER_USER "', %s); return (select count(*) from public.notes); end $$"

RIG_TEST(what_a_function_leaves_in_its_session_is_gone_for_the_next_tool, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	CHECK_SQL(r->owner, arena_printf(a, LEAVES, "true"), "(null)");
	r->config.connections = 1;
	put_sql(c, "{ what: { type: text, required: true } }", "  write: true\n  statement: select leave(:what) as n\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{\"what\":\"put\"}", "{\"rows\": [{\"n\": \"put\"}]}");
	CHECK_ATTACK("{\"what\":\"look\"}", "{\"rows\": [{\"n\": \"0\"}]}");
	CHECK_SQL(r->owner, "select count(*) from pg_locks where locktype = 'advisory' and objid = 7", "0");
}

RIG_TEST(a_lock_that_a_reading_tool_takes_does_not_outlive_it, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	CHECK_SQL(r->owner, arena_printf(a, LEAVES, "true"), "(null)");
	put_sql(c, "", "  statement: select hold() as n\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"rows\": [{\"n\": \"held\"}]}");
	CHECK_SQL(r->owner, "select count(*) from pg_locks where locktype = 'advisory' and objid = 7", "0");
}

/* auth.uid() reads the claim of old before the claims. */
RIG_TEST(the_claim_of_old_makes_nobody_another_user, ATTACKER)
{
	static const char *const local[] = { "true", "false" };
	struct catalog_case *c = prepare(a, r);
	r->config.connections = 1;
	for (size_t i = 0; i < 2 * COUNT(local); i++) {
		CHECK_SQL(r->owner, arena_printf(a, "drop function if exists leave(text), hold(), be_other_of_old(); drop table if exists hoard; "
			LEAVES, local[i / 2]), "(null)");
		put_sql(c, "", arena_printf(a, "  write: %s\n  statement: select be_other_of_old() as n\n", i % 2 ? "true" : "false"));
		REQUIRE_OK(start(r, c, e));
		CHECK_EQ_S(attack(a, r, "{}"), "failed tool_broken 1");
		REQUIRE_OK(rig_stop(r, e));
	}
	CHECK_SQL(r->owner, arena_printf(a, "alter role drover_worker in database %s set request.jwt.claim.sub = '" OTHER_USER "'",
		test_ask(a, r->owner, "select quote_ident(current_database())")), "(null)");
	put_sql(c, "", "  statement: select body from notes\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"rows\": [{\"body\": \"mine\"}]}");
}

/* ---- arguments that two readers read differently ---- */

/* A person sees what jsonb keeps of it, which is the last. */
RIG_TEST(an_argument_that_comes_twice_is_refused, ATTACKER)
{
	TOOL("{ n: { type: integer, required: true }, o: { type: object } }", "  statement: select :n as n, :o as o\n");
	CHECK_ATTACK("{\"n\":1000,\"n\":1}", "{\"error\": \"n: given twice\"}");
	CHECK_ATTACK("{\"n\":1,\"o\":{\"a\":[{\"b\":1,\"c\":2,\"b\":3}]}}", "{\"error\": \"b: given twice\"}");
	CHECK_ATTACK("{\"n\":1,\"o\":{\"a\":{\"n\":1},\"b\":{\"n\":1}}}",
		"{\"rows\": [{\"n\": 1, \"o\": {\"a\": {\"n\": 1}, \"b\": {\"n\": 1}}}]}");
	CHECK_SQL(r->owner, "select count(*) from agent_turns where tool_input -> 'n' = '1'", "3");
}

#define EIGHT_CALLS "replies:\n  - when: { turn: 0 }\n    reply: [ { tool: t, input_text: '{{last_user}}' }, { tool: t, input_text: '{{last_user}}' }, " \
	"{ tool: t, input_text: '{{last_user}}' }, { tool: t, input_text: '{{last_user}}' }, { tool: t, input_text: '{{last_user}}' }, " \
	"{ tool: t, input_text: '{{last_user}}' }, { tool: t, input_text: '{{last_user}}' }, { tool: t, input_text: '{{last_user}}' } ]\n" \
	"  - reply: Done.\n"

/* What takes the square of it would hold up the worker until its lease is gone; under a sanitizer what takes only its time would. */
#ifdef __SANITIZE_ADDRESS__
enum { NAMES = 2000 };
#else
enum { NAMES = 20000 };
#endif
RIG_TEST(arguments_of_many_names_do_not_hold_up_the_worker, EIGHT_CALLS)
{
	struct buf *b = buf_new(a, 1 << 18);
	r->config.model.turn_bytes = 16 << 20;
	TOOL("{ o: { type: object } }", "  statement: select length(:o::text) > 9 as n\n");
	for (int i = 0; i < NAMES; i++)
		buf_printf(b, "%s\"%06d\":1", i ? "," : "{\"o\":{", i);
	buf_add(b, STR("}}"));
	int64_t id = ask(a, r, buf_str(b).p);
	CHECK_FATE(id, "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select count(*) from tool_executions where request_id = %ld and output = '{\"rows\": [{\"n\": true}]}'", id), "8");
}

/* ---- SQL: measure ---- */

RIG_TEST(a_statement_that_takes_too_long_is_stopped_by_the_server, ATTACKER)
{
	TOOL("", "  statement: select pg_sleep(600)\n  time: 50ms\n");
	CHECK_ATTACK("{}", "{\"error\": \"the statement took longer than 50 ms and was stopped; ask for less\"}");
	CHECK_SQL(r->owner, "select count(*) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()", "0");
}

static const struct { const char *input, *sql, *args, *told; } measured[] = {
	{ "", "  statement: select n from generate_series(1, 100000) n order by n\n  rows: 3\n", "{}",
		"{\"cut\": \"there are more than the 3 rows shown: ask for less\", \"rows\": [{\"n\": 1}, {\"n\": 2}, {\"n\": 3}]}" },
	{ "", "  statement: select n from generate_series(1, 3) n order by n\n  rows: 3\n", "{}", "{\"rows\": [{\"n\": 1}, {\"n\": 2}, {\"n\": 3}]}" },
	{ "", "  statement: select repeat('x', 10000000) as x from generate_series(1, 5)\n  bytes: 1KiB\n", "{}",
		"{\"cut\": \"the first row alone has more than 1024 bytes: ask for less\", \"rows\": []}" },
	{ "", "  statement: select n, repeat('x', case n when 2 then 10000000 else 1 end) as x from generate_series(1, 3) n\n", "{}",
		"{\"cut\": \"there are more than the 1 rows shown: ask for less\", \"rows\": [{\"n\": 1, \"x\": \"x\"}]}" },
	{ "", "  write: true\n  rows: 2\n  statement: insert into notes (body) select 'n' || n from generate_series(1, 50) n returning body\n", "{}",
		"{\"cut\": \"2 of 50 rows are shown\", \"rows\": [{\"body\": \"n1\"}, {\"body\": \"n2\"}]}" },
	{ "", "  statement: select count(*) as n from notes\n", "{}", "{\"rows\": [{\"n\": 51}]}" }, /* all fifty were written */
	{ "", "  write: true\n  rows: 1\n  statement: select write_note() > 0 as ok from generate_series(1, 5)\n", "{}",
		"{\"cut\": \"1 of 5 rows are shown\", \"rows\": [{\"ok\": true}]}" },
	{ "", "  statement: select count(*) as n from notes\n", "{}", "{\"rows\": [{\"n\": 56}]}" },
	{ "", "  write: true\n  statement: update notes set done = true where body = 'sneaked'\n", "{}", "{\"changed\": 5}" },
	{ "", "  statement: select word from workers_own\n", "{}", "{\"error\": \"permission denied for table workers_own\"}" },
	{ "", "  statement: values (1, 'NaN'::numeric, 12345678901234567890)\n", "{}",
		"{\"rows\": [{\"column1\": 1, \"column2\": \"NaN\", \"column3\": 12345678901234567890}]}" },
};

RIG_TEST(what_a_tool_gives_has_its_measure_and_a_write_is_done_whole, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	for (size_t i = 0; i < COUNT(measured); i++) {
		put_sql(c, measured[i].input, measured[i].sql);
		REQUIRE_OK(start(r, c, e));
		const char *told = attack(a, r, measured[i].args);
		if (!CHECK_EQ_S(told, measured[i].told))
			printf("      %s", measured[i].sql);
		REQUIRE_OK(rig_stop(r, e));
	}
}

/* ---- catalogs that change ---- */

#define SLOW "replies:\n  - when: { system: old, turn: 0 }\n    reply: [ { tool: t } ]\n  - when: { system: old }\n    stall_after: { deltas: 1, for: 800ms }\n" \
	"    reply: Old says so, at length.\n  - when: { system: new, turn: 0 }\n    reply: [ { tool: t } ]\n  - reply: New.\n"

struct watching {
	struct catalog_watch watch;
	struct group group;
};

static bool watch_start(struct watching *w, struct rig *r, struct catalog_case *c, struct err *e)
{
	*w = (struct watching){ .watch = { c->catalog, r->pool } };
	return group_start(&w->group, "catalog", catalog_watch, &w->watch, e);
}

static void watch_stop(struct watching *w)
{
	struct err ignored;
	group_cancel(&w->group);
	group_wait(&w->group, NEVER_MS, &ignored);
}

static void put_generation(struct catalog_case *c, const char *prompt, const char *statement)
{
	put_sql(c, "", arena_printf(c->a, "  statement: %s\n", statement));
	catalog_case_put(c, "agents/helper.yaml", arena_printf(c->a, "type: helper\ntext: Helps.\nprompt: %s\ntools: [t]\n", prompt));
}

/* Until a request with the new catalog says so; many may come before. */
static bool wait_for(struct arena *a, struct rig *r, const char *output)
{
	for (int64_t end = clock_ms() + 20000; clock_ms() < end;)
		if (strcmp(attack(a, r, "{}"), output) == 0)
			return true;
	return false;
}

RIG_TEST(a_changed_catalog_is_for_requests_that_start_from_then_on, SLOW)
{
	struct watching w;
	struct catalog_case *c = prepare(a, r);
	c->config.catalog.check_ms = 20;
	put_generation(c, "old", "select 'old' as v");
	REQUIRE_OK(start(r, c, e));
	REQUIRE_OK(watch_start(&w, r, c, e));
	int64_t old = ask(a, r, "{}");
	CHECK_EQ_S(rig_sql(a, r, "select 1 from pg_sleep(0.1)", old), "1");
	for (int64_t end = clock_ms() + 20000; clock_ms() < end &&
		strcmp(rig_sql(a, r, "select count(*) from tool_executions where request_id = %ld", old), "1") != 0;)
		REQUIRE_OK(loop_sleep(5, e));
	put_generation(c, "new", "select 'new' as v");
	CHECK(wait_for(a, r, "{\"rows\": [{\"v\": \"new\"}]}"));
	CHECK_EQ_S(rig_fate(a, r, old), "completed 1");
	CHECK_EQ_S(rig_sql(a, r, "select result ->> 'answer' from agent_requests where id = %ld", old), "Old says so, at length.");
	watch_stop(&w);
}

RIG_TEST(a_wrong_catalog_is_refused_and_the_old_one_goes_on, SLOW)
{
	struct watching w;
	struct catalog_case *c = prepare(a, r);
	c->config.catalog.check_ms = 20;
	put_generation(c, "new", "select 'first' as v");
	REQUIRE_OK(start(r, c, e));
	REQUIRE_OK(watch_start(&w, r, c, e));
	catalog_case_put(c, "tools/t.yaml", "name: t\ntext: x\nsql: { statement: select :nope }\n");
	REQUIRE_OK(loop_sleep(300, e));
	CHECK_ATTACK("{}", "{\"rows\": [{\"v\": \"first\"}]}");
	put_sql(c, "", "  statement: select 'second' as v\n");
	CHECK(wait_for(a, r, "{\"rows\": [{\"v\": \"second\"}]}"));
	catalog_case_remove(c, "agents/helper.yaml");
	for (int64_t end = clock_ms() + 20000; clock_ms() < end && strcmp(attack(a, r, "{}"), "failed unknown_agent 1") != 0;)
		;
	CHECK(strstr(test_ask(a, r->owner, "select error from agent_requests order by id desc limit 1"),
		"unknown type \"helper\"; known are: orchestrator, project_management"));
	watch_stop(&w);
}

RIG_TEST(statements_of_many_catalogs_meet_on_one_connection, SLOW)
{
	struct watching w;
	struct catalog_case *c = prepare(a, r);
	c->config.catalog.check_ms = 10;
	r->config.connections = 1;
	put_generation(c, "new", "select 0 as v");
	REQUIRE_OK(start(r, c, e));
	REQUIRE_OK(watch_start(&w, r, c, e));
	for (int i = 1; i < 8; i++) {
		put_sql(c, "", arena_printf(a, "  statement: select %d as v\n", i % 3));
		CHECK(wait_for(a, r, arena_printf(a, "{\"rows\": [{\"v\": %d}]}", i % 3)));
	}
	watch_stop(&w);
}
