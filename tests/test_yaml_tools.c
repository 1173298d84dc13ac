/* SPDX-License-Identifier: MIT */
/* Tools that are files, in the hands of a model that means no good; and catalogs that change while requests run. */
#include "catalog_case.h"
#include "clock.h"
#include "http_server.h"
#include "rig_test.h"
#include "tool_http.h"

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
	CHECK_ATTACK("{\"body\":\"bad\"}", "{\"error\": \"tool_1_t: new row for relation \\\"notes\\\" violates check constraint "
		"\\\"notes_body_check\\\"\"}");
	CHECK_SQL(r->owner, "select count(*) from notes", "3");
}

RIG_TEST(what_the_policy_refuses_is_told_and_undone, ATTACKER)
{
	TOOL("{ who: { type: text, required: true } }", "  write: true\n  statement: |\n    with mine as (insert into notes (body) values ('first'))\n"
		"    insert into notes (owner, body) values (:who::uuid, 'given')\n");
	CHECK_ATTACK("{\"who\":\"" OTHER_USER "\"}", "{\"error\": \"tool_1_t: new row violates row-level security policy for table \\\"notes\\\"\"}");
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
	put_sql(c, "{ w: { type: text } }", "  write: true\n  statement: insert into notes (body) values ('x')\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"changed\": 1}");
	REQUIRE_OK(rig_stop(r, e));
	put_sql(c, "", "  statement: select 1 as one\n");
	REQUIRE_OK(start(r, c, e));
	CHECK_ATTACK("{}", "{\"rows\": [{\"one\": 1}]}");
	CHECK_SQL(r->owner, "select string_agg(distinct concat_ws(' ', role, path, wait, ro), '|') from who",
		"drover_worker \"$user\", public 1min off");
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
	{ "", "  statement: select word from workers_own\n", "{}", "{\"error\": \"tool_N_t: permission denied for table workers_own\"}" },
	{ "", "  statement: values (1, 'NaN'::numeric, 12345678901234567890)\n", "{}",
		"{\"rows\": [{\"column1\": 1, \"column2\": \"NaN\", \"column3\": 12345678901234567890}]}" },
};

RIG_TEST(what_a_tool_gives_has_its_measure_and_a_write_is_done_whole, ATTACKER)
{
	struct catalog_case *c = prepare(a, r);
	for (size_t i = 0; i < COUNT(measured); i++) {
		put_sql(c, measured[i].input, measured[i].sql);
		REQUIRE_OK(start(r, c, e));
		const char *told = attack(a, r, measured[i].args), *number = strstr(told, "tool_");
		if (number) /* of the statement, in this process */
			told = arena_printf(a, "%.*stool_N%s", (int)(number - told), told, number + 5 + strspn(number + 5, "0123456789"));
		if (!CHECK_EQ_S(told, measured[i].told))
			printf("      %s", measured[i].sql);
		REQUIRE_OK(rig_stop(r, e));
	}
}

/* ---- HTTP ---- */

/* What came, and what is answered. */
struct peer {
	struct arena *a;
	struct group group;
	struct http_server *server;
	struct http *http;
	int calls, status;
	const char *type, *body, *location;
	const char *method, *path, *seen; /* the last */
	const struct http_header *answer;
};

static const char *all_headers(struct arena *a, struct http_exchange *x)
{
	static const char *const names[] = { "authorization", "x-static", "x-note", "idempotency-key", "content-type", "x-evil" };
	const char *all = "";
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *value = http_exchange_header(x, names[i]);
		if (value)
			all = arena_printf(a, "%s%s: %s\n", all, names[i], value);
	}
	return all;
}

static bool answer(void *self, struct http_exchange *x, struct err *e)
{
	struct peer *p = self;
	p->calls++;
	p->method = arena_text(p->a, str_of(http_exchange_method(x)));
	p->path = arena_text(p->a, str_of(http_exchange_path(x)));
	p->seen = arena_printf(p->a, "%s%.*s", all_headers(p->a, x), STR_ARGS(http_exchange_body(x)));
	struct http_header location[] = { { "Location", p->location }, { 0 } };
	return http_respond(x, p->status, p->type, p->location ? location : NULL, e) && http_respond_write(x, str_of(p->body), e);
}

static void peer_end(void *self)
{
	struct peer *p = self;
	struct err ignored;
	http_free(p->http);
	http_server_close(p->server);
	group_wait(&p->group, NEVER_MS, &ignored);
}

static struct peer *peer_open(struct arena *a, struct err *e)
{
	struct peer *p = arena_alloc(a, sizeof(*p));
	*p = (struct peer){ .a = a, .status = 200, .type = "application/json", .body = "{\"data\":[{\"id\":12345678901234567890}]}" };
	p->http = http_new();
	p->server = http_server_open(&(struct http_server_options){ 0 }, &p->group, answer, p, e);
	if (p->server)
		arena_defer(a, peer_end, p);
	return p->server ? p : NULL;
}

/* PORT__ in the tool's text is the peer's. */
static const struct tool *http_tool(struct catalog_case *c, const struct peer *p, const char *yaml)
{
	const char *text = yaml;
	for (const char *hit; (hit = strstr(text, "PORT__"));)
		text = arena_printf(c->a, "%.*s%d%s", (int)(hit - text), text, http_server_port(p->server), hit + 6);
	catalog_case_put(c, "tools/t.yaml", arena_printf(c->a, "name: t\ntext: Calls.\ninput: { id: { type: text, required: true }, q: { type: text }, "
		"n: { type: integer }, tags: { type: texts } }\nhttp:\n%s", text));
	return catalog_case_tool(c, "t");
}

/* What the model reads, or "KIND code: message". waits. */
static const char *call(struct arena *a, const struct peer *p, const struct tool *t, const char *input)
{
	struct err e = { 0 };
	const cJSON *result = NULL;
	struct tool_env env = { .tool = t, .arena = a, .http = p->http, .idempotency_key = "key-1", .deadline = deadline_in(20000) };
	if (!t)
		return "no tool";
	void *args = arena_alloc(a, t->args_size + 1);
	bool ok = field_read(a, t->fields, json_parse(a, str_of(input), &e), args, &e) && t->run(&env, args, &result, &e);
	return ok ? json_print(a, result) : arena_printf(a, "%s %s: %s", err_kind_name(e.kind), e.code, e.msg);
}

#define PEER(yaml) \
	struct catalog_case *c = catalog_case_open(a, "127.0.0.1, localhost", true); \
	struct peer *p = peer_open(a, e); \
	REQUIRE(p); \
	catalog_case_put(c, "secrets/token", "s3cret-0123456789\n"); \
	const struct tool *t = http_tool(c, p, yaml); \
	REQUIRE(t)

#define GET "  method: GET\n  url: http://127.0.0.1:PORT__/v1/{id}?q={q}&n={n}\n"
#define POST "  method: POST\n  url: http://127.0.0.1:PORT__/v1/{id}\n"

LOOP_TEST(a_call_carries_its_arguments_its_secret_and_its_key)
{
	PEER(POST "  headers: { Authorization: { secret: token, prefix: 'Bearer ' }, X-Static: 'a {{b}}', X-Note: 'note {q}' }\n"
		"  idempotency_header: Idempotency-Key\n  body: { kind: order, id: '{id}', n: '{n}', missing: '{tags}', text: 'for {id}', list: [1, true, '{n}'] }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"c 7\",\"n\":5,\"q\":\"hi\"}"), "{\"data\":[{\"id\":12345678901234567890}]}");
	CHECK_EQ_S(p->method, "POST");
	CHECK_EQ_S(p->seen, "authorization: Bearer s3cret-0123456789\nx-static: a {b}\nx-note: note hi\nidempotency-key: key-1\n"
		"content-type: application/json\n{\"kind\":\"order\",\"id\":\"c 7\",\"n\":5,\"text\":\"for c 7\",\"list\":[1,true,5]}");
	CHECK(t->effect == TOOL_OUTSIDE && t->unknown == UNKNOWN_TELL);
}

LOOP_TEST(the_whole_input_may_be_the_body)
{
	PEER(POST "  body: input\n");
	call(a, p, t, "{\"id\":\"x\",\"n\":0,\"tags\":[\"a\"]}");
	CHECK_EQ_S(p->seen, "content-type: application/json\n{\"id\":\"x\",\"n\":0,\"tags\":[\"a\"]}");
}

LOOP_TEST(a_line_break_in_an_argument_makes_no_header)
{
	PEER(GET "  headers: { X-Note: '{q}' }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\",\"q\":\"a\\r\\nX-Evil: 1\"}"), "input bad_arguments: q: must have no line breaks and control characters");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\",\"q\":\"a\\nX-Evil: 1\"}"), "input bad_arguments: q: must have no line breaks and control characters");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\\r\\n\"}"), "input bad_arguments: id: must have no line breaks and control characters");
	CHECK_EQ_I(p->calls, 0);
}

LOOP_TEST(no_argument_leads_a_call_away)
{
	static const struct { const char *input, *path; } attacks[] = {
		{ "{\"id\":\"@evil.example\",\"q\":\"file:///etc/passwd\"}", "/v1/@evil.example" }, { "{\"id\":\"x#y\"}", "/v1/x#y" },
		{ "{\"id\":\"gopher:x\",\"q\":\"gopher://x\"}", "/v1/gopher:x" }, { "{\"id\":\"http:x?y\"}", "/v1/http:x?y" },
	};
	static const char *const refused[] = { "..", "../x", "/x", "\\\\x", "%2e%2e%2fx", "." };
	PEER(GET);
	for (size_t i = 0; i < COUNT(attacks); i++) {
		call(a, p, t, attacks[i].input);
		CHECK_EQ_S(p->path, attacks[i].path);
		CHECK_EQ_I(p->calls, (int64_t)i + 1);
	}
	for (size_t i = 0; i < COUNT(refused); i++)
		CHECK(strstr(call(a, p, t, arena_printf(a, "{\"id\":\"%s\"}", refused[i])), "input bad_arguments: id: "));
	CHECK_EQ_I(p->calls, (int64_t)COUNT(attacks));
}

LOOP_TEST(a_redirect_is_not_followed)
{
	static const char *const targets[] = { "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "/v1/other" };
	PEER(GET);
	p->status = 302;
	for (size_t i = 0; i < COUNT(targets); i++) {
		p->location = targets[i];
		CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input http_redirect: HTTP 302: it leads elsewhere, and is not followed");
		CHECK_EQ_I(p->calls, (int64_t)i + 1);
	}
}

LOOP_TEST(a_name_that_leads_to_a_private_address_is_not_called)
{
	struct catalog_case *c = catalog_case_open(a, "localhost", false);
	struct peer *p = peer_open(a, e);
	REQUIRE(p);
	const struct tool *t = http_tool(c, p, "  method: POST\n  url: http://localhost:PORT__/{id}\n");
	REQUIRE(t);
	const char *told = call(a, p, t, "{\"id\":\"x\"}");
	CHECK(strstr(told, "input http_address_refused: ") && strstr(told, "the host's address is not one that may be called"));
	CHECK_EQ_I(p->calls, 0);
}

/* Somebody else, who may, keeps a connection open: a tool that may not must not be lent it. */
LOOP_TEST(a_connection_that_another_opened_is_looked_at_too)
{
	PEER(GET);
	struct http_reply reply;
	struct http_request rq = { .url = arena_printf(a, "http://127.0.0.1:%d/", http_server_port(p->server)) };
	REQUIRE_OK(http_call(p->http, a, &rq, NULL, deadline_in(20000), &reply, e));
	((struct tool_http *)t->self)->private_addresses = false;
	CHECK(strstr(call(a, p, t, "{\"id\":\"x\"}"), "input http_address_refused: "));
	CHECK_EQ_I(p->calls, 1);
}

LOOP_TEST(a_proxy_of_the_environment_is_not_used)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	struct catalog_case *c = catalog_case_open(a, "localhost", true);
	struct peer *p = peer_open(a, e);
	REQUIRE(p);
	const struct tool *t = http_tool(c, p, "  method: GET\n  url: http://localhost:PORT__/{id}\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"data\":[{\"id\":12345678901234567890}]}");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

LOOP_TEST(a_secret_that_comes_back_is_hidden)
{
	PEER(GET "  headers: { Authorization: { secret: token } }\n");
	p->body = "{\"you sent\":\"s3cret-0123456789\",\"s3cret-0123456789\":1}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"you sent\":\"***\",\"***\":1}");
	p->body = "{\"x\":\"\\u00733cret-0123456789\"}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"x\":\"***\"}");
	p->type = "text/plain";
	p->body = "token s3cret-0123456789s3cret-0123456789";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"text\":\"token ******\"}");
	p->status = 401;
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input http_status: HTTP 401: token ******");
}

LOOP_TEST(an_answer_is_what_its_pointer_says_and_within_its_limit)
{
	PEER(GET "  response: { pointer: /data/0/id, bytes: 100 }\n");
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "12345678901234567890");
	p->body = "{\"data\":[]}";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "input nothing_there: the answer (HTTP 200) has nothing at /data/0/id");
	p->body = "";
	p->status = 204;
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"status\":204}");
	p->status = 200;
	char *big = arena_alloc(a, 10000001);
	memset(big, 'x', 10000000);
	p->body = big;
	const char *told = call(a, p, t, "{\"id\":\"x\"}");
	if (!CHECK(strstr(told, "input http_body_too_large: HTTP 200, but ") && strstr(told, "100 bytes")))
		printf("      %s\n", told);
}

LOOP_TEST(a_call_with_an_effect_says_only_what_it_knows)
{
	static const struct { int status; const char *begins; } cases[] = {
		{ 400, "input http_status: HTTP 400: " }, { 404, "input http_status: " }, { 409, "input http_status: " }, { 408, "busy http_status: " },
		{ 500, "busy http_status: HTTP 500: " }, { 503, "busy " }, { 302, "refused http_redirect: " }, { 201, "{\"data\"" },
	};
	PEER(POST);
	for (size_t i = 0; i < COUNT(cases); i++) {
		p->status = cases[i].status;
		const char *told = call(a, p, t, "{\"id\":\"x\"}");
		if (!CHECK(strncmp(told, cases[i].begins, strlen(cases[i].begins)) == 0))
			printf("      %d: %s\n", cases[i].status, told);
	}
	p->status = 200;
	p->body = "no JSON, and \xff";
	CHECK_EQ_S(call(a, p, t, "{\"id\":\"x\"}"), "{\"text\":\"no JSON, and \xEF\xBF\xBD\"}");
	const struct tool *nobody = http_tool(c, p, "  method: POST\n  url: http://127.0.0.1:1/{id}\n");
	CHECK(strstr(call(a, p, nobody, "{\"id\":\"x\"}"), "input http_unreachable: "));
}

LOOP_TEST(a_probe_finds_out)
{
	static const struct { int status; enum tool_found found; } cases[] = { { 200, FOUND_DONE }, { 404, FOUND_NOT_DONE }, { 410, FOUND_NOT_DONE },
		{ 500, FOUND_UNKNOWN }, { 302, FOUND_UNKNOWN } };
	PEER(POST "  probe: { method: GET, url: 'http://127.0.0.1:PORT__/by-key/{idempotency_key}' }\n");
	CHECK(t->unknown == UNKNOWN_PROBE && t->probe == tool_http_probe);
	struct tool_env env = { .tool = t, .arena = a, .http = p->http, .idempotency_key = "key-1", .deadline = deadline_in(20000) };
	void *args = arena_alloc(a, t->args_size + 1);
	REQUIRE_OK(field_read(a, t->fields, json_parse(a, STR("{\"id\":\"x\"}"), e), args, e));
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum tool_found found;
		const cJSON *result = NULL;
		p->status = cases[i].status;
		REQUIRE_OK(t->probe(&env, args, &found, &result, e));
		CHECK_EQ_I(found, cases[i].found);
		CHECK_EQ_S(p->path, "/by-key/key-1");
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
