/* SPDX-License-Identifier: MIT */
/* Commands about the whole: migrate, status, doctor, against a real database. */
#include "clock.h"
#include "json.h"
#include "loop.h"
#include "shell.h"
#include <signal.h>

#define WORKER(id, host, seconds) \
	"insert into drover.workers (id, host, pid, version, slots, running, claimed, finished, lease_until) values " \
	"('00000000-0000-4000-8000-00000000000" #id "', '" host "', 10" #id ", '0.1.0', 1000, 3, 10, 7, " \
	"now() + interval '" #seconds " s');"

static struct pg *open_db(struct arena *a, struct test_db *db, const char *sql, struct err *e)
{
	struct pg *owner = test_db(a, db, e) ? test_connect(a, db->owner_url, e) : NULL;
	return owner && pg_script(owner, a, sql, deadline_in(10000), NULL, e) ? owner : NULL;
}

static const cJSON *parse(struct arena *a, const char *text)
{
	struct err ignored = { 0 };
	return json_parse(a, str_trim(str_of(text)), &ignored);
}

/* ---- migrate ---- */

LOOP_TEST(migrate_applies_once_and_says_what)
{
	struct test_db db;
	REQUIRE_OK(test_db_empty(a, &db, e));
	struct ran before = shell(a, db.owner_url, "$D migrate --pending --json");
	int64_t n = json_i64(parse(a, before.out), "pending", -1);
	CHECK(n > 0);
	struct ran first = shell(a, db.owner_url, "$D migrate");
	CHECK_EQ_I(first.status, 0);
	CHECK_HAS(first.out, "applied core/001_roles.sql\n");
	CHECK_HAS(first.out, arena_printf(a, "\n%ld applied, 0 already there\n", (long)n));
	CHECK_EQ_I(count_lines(first.out), n + 1);
	CHECK_EQ_S(shell(a, db.owner_url, "$D migrate").out, arena_printf(a, "0 applied, %ld already there\n", (long)n));
	CHECK_EQ_S(shell(a, db.owner_url, "$D migrate --pending").out, "0 pending\n");
	CHECK_EQ_S(shell(a, db.owner_url, "$D migrate --json").out,
		arena_printf(a, "{\"applied\":0,\"already\":%ld}\n", (long)n));
}

LOOP_TEST(migrate_demo_loads_the_demo_data_once)
{
	struct test_db db;
	struct pg *owner = open_db(a, &db, "select 1", e);
	REQUIRE(owner);
	for (int i = 0; i < 2; i++)
		CHECK_HAS(shell(a, db.owner_url, "$D migrate --demo").out, "demo data is there\n");
	CHECK_SQL(owner, "select count(*) from psa.workspaces where name = 'Northwind Studio'", "1");
}

LOOP_TEST(a_changed_migration_is_an_error_that_names_the_file)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, "update drover.migrations set checksum = 'x' where module = 'core' and version = 2", e));
	struct ran r = shell(a, db.owner_url, "$D migrate");
	CHECK_EQ_I(r.status, 1);
	CHECK_HAS(r.err, "core/002_requests.sql");
	CHECK_EQ_I(count_lines(r.err), 1);
}

LOOP_TEST(a_command_on_an_empty_database_says_to_migrate)
{
	struct test_db db;
	REQUIRE_OK(test_db_empty(a, &db, e));
	struct ran r = shell(a, db.owner_url, "$D status");
	CHECK_EQ_I(r.status, 1);
	CHECK_HAS(r.err, "drover migrate brings the tables up to date\n");
}

/* ---- status ---- */

#define SOME_REQUESTS \
	"insert into agent_requests (type, request, created_at) values ('quotes', 'a', now() - interval '90 s'), " \
	"('quotes', 'b', now()), ('orchestrator', 'c', now() - interval '5 s');" \
	"insert into agent_requests (type, request, run_at) values ('quotes', 'd', now() + interval '1 h');" \
	"update agent_requests set status = 'processing', phase = 'running', version = 1, attempt = 1, started_at = now() " \
	"where id = 3;" \
	"select drover.spawn_children(3, 1, '[{\"type\": \"quotes\", \"request\": \"x\"}, " \
	"{\"type\": \"quotes\", \"request\": \"y\", \"after\": [0]}]');" \
	"update agent_requests set status = 'processing', phase = 'running', started_at = now() where id = 5;" \
	"insert into agent_requests (type, request, status, phase, created_at, started_at, finished_at, attempt, " \
	"input_tokens, output_tokens, error_code) select 'quotes', 'e', " \
	"case when n <= 2 then 'failed' else 'completed' end, " \
	"case when n <= 2 then 'failed' else 'completed' end, t, t + n * interval '10 ms', t + n * interval '110 ms', " \
	"1, 10, 3, " \
	"case when n <= 2 then 'model_error' end from generate_series(1, 100) n, (select now() - interval '10 min') t (t);" \
	"insert into agent_requests (type, request, status, phase, created_at, started_at, finished_at, input_tokens) " \
	"values " \
	"('quotes', 'old', 'completed', 'completed', now() - interval '3 h', now() - interval '3 h', " \
	"now() - interval '2 h', 1000)," \
	"('quotes', 'new', 'completed', 'completed', now() - interval '3 s', now() - interval '2 s', " \
	"now() - interval '1 s', 0);"

LOOP_TEST(status_counts_what_is_there)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, SOME_REQUESTS WORKER(1, "hosta", 60) WORKER(2, "hostb", -60), e));
	struct ran r = shell(a, db.worker_url, "$D status --json");
	const cJSON *s = parse(a, r.out), *ended = json_get(s, "ended_last_hour"), *times = json_get(s, "times_last_hour");
	CHECK_EQ_I(r.status, 5); /* an alarm: request 1 waits, and nobody is there to claim it */
	REQUIRE(s);
	CHECK_EQ_I(json_i64(s, "live_workers", -1), 1);
	CHECK_EQ_I(json_i64(s, "running", -1), 1);
	CHECK_EQ_I(json_i64(s, "waiting", -1), 5);
	CHECK_EQ_I(json_i64(s, "claimed_last_minute", -1), 3); /* 3, 5 and the new one */
	CHECK_EQ_I(json_i64(s, "finished_last_minute", -1), 1);
	CHECK_EQ_I(json_i64(json_get(s, "oldest_ready"), "id", -1), 1);
	CHECK(json_i64(json_get(s, "oldest_ready"), "waiting_ms", -1) >= 90000);
	CHECK_EQ_I(json_i64(ended, "completed", -1), 99);
	CHECK_EQ_I(json_i64(ended, "failed", -1), 2);
	CHECK_EQ_I(json_i64(ended, "input_tokens", -1), 1000);
	CHECK_EQ_I(json_i64(ended, "output_tokens", -1), 300);
	CHECK_EQ_I(json_i64(times, "requests", -1), 101);
	CHECK_EQ_I(json_i64(times, "wait_p50_ms", -1), 510);
	CHECK_EQ_I(json_i64(times, "run_p99_ms", -1), 9900);
	CHECK_EQ_I(cJSON_GetArraySize(json_get(s, "workers")), 2);
}

LOOP_TEST(status_counts_each_open_request_once_by_type_and_phase)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, SOME_REQUESTS, e));
	const cJSON *s = parse(a, shell(a, db.owner_url, "$D status --json").out), *row;
	struct buf *b = buf_new(a, 4096);
	json_each(row, json_get(s, "depth"))
		buf_printf(b, "%s %s %s %ld\n", json_text(row, "type"), json_text(row, "status"), json_text(row, "phase"),
			(long)json_i64(row, "n", 0));
	CHECK_EQ_S(buf_str(b).p, "orchestrator processing waiting_children 1\nquotes queued ready 2\n"
		"quotes queued scheduled 1\nquotes queued waiting_dependencies 1\nquotes processing running 1\n");
}

LOOP_TEST(status_shows_a_child_that_still_runs_when_its_parent_was_cancelled)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, SOME_REQUESTS "select drover.end_request(3, 'cancelled', 'cancelled', 'cancelled')", e));
	struct ran r = shell(a, db.worker_url, "$D status");
	CHECK_HAS(r.out, "1 running, 4 waiting");
	CHECK_HAS(r.out, "processing  running");
}

LOOP_TEST(status_for_people_has_all_its_parts)
{
	static const char *const parts[] = { "1 live worker, 1 running, 5 waiting; per minute 3 claimed, 1 finished\n",
		"waiting longest: request 1 (quotes), 1 min 3", "hosta:101  live   1/1000", "hostb:102  lost   0/1000",
		"  99 completed, 2 failed\n", "waited p50 510 ms, p99 ", "1,000 in, 300 out", "model_error         2" };
	struct test_db db;
	REQUIRE(open_db(a, &db, SOME_REQUESTS WORKER(1, "hosta", 60) WORKER(2, "hostb", -60)
		"update public.agent_requests set worker_id = (select w.id from drover.workers w where w.host = 'hosta') "
		"where phase = 'running';", e));
	struct ran r = shell(a, db.worker_url, "$D status");
	for (size_t i = 0; i < COUNT(parts); i++)
		test_check(strstr(r.out, parts[i]) != NULL, __FILE__, __LINE__, parts[i]);
}

LOOP_TEST(no_live_worker_is_exit_5)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, WORKER(2, "hostb", -60), e));
	struct ran r = shell(a, db.worker_url, "$D status");
	CHECK_EQ_I(r.status, 5);
	CHECK_HAS(r.out, "0 live workers");
}

LOOP_TEST(status_watch_comes_again_and_ends_by_signal)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, "select 1", e));
	struct shell *s = shell_start(a, db.worker_url, "exec $D status --watch 100ms --json");
	int64_t start = clock_ms();
	while (clock_ms() - start < 700)
		REQUIRE_OK(loop_sleep(50, e));
	shell_signal(s, SIGINT);
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK(count_lines(r.out) >= 3);
	CHECK(is_json_lines(a, r.out));
	CHECK_EQ_S(r.err, "");
}

/* ---- doctor ---- */

static const char *level_of(struct arena *a, const char *json, const char *what)
{
	const cJSON *line;
	json_each(line, json_get(parse(a, json), "checks"))
		if (strcmp(json_text(line, "what"), what) == 0)
			return json_text(line, "level");
	return "(none)";
}

#define MODEL "DROVER_MODEL_BASE_URL=$(cat url) "
#define WITH_MODEL(command) "$D mock-model --port 0 > m & m=$!; " \
	"for i in 1 2 3 4 5 6 7 8 9; do grep -q = m || sleep 0.2; done; " \
	"sed 's/MODEL_BASE_URL=//' m > url; " command "; s=$?; kill $m; wait $m; rm -f m url; exit $s"

LOOP_TEST(doctor_finds_nothing_wrong_where_all_is_well)
{
	static const char *const whats[] = { "config", "connection", "server", "role", "clock", "statements", "listen",
		"model key", "model" };
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	struct ran r = shell(a, db.worker_url, WITH_MODEL(MODEL "$D doctor --json"));
	CHECK_EQ_I(r.status, 0);
	for (size_t i = 0; i < COUNT(whats); i++)
		test_check_text(level_of(a, r.out, whats[i]), "ok", __FILE__, __LINE__, whats[i]);
	CHECK_EQ_S(level_of(a, shell(a, db.owner_url, "$D doctor --json").out, "migrations"), "ok");
}

LOOP_TEST(doctor_names_every_mistake_at_once)
{
	struct test_db db;
	REQUIRE_OK(test_db_empty(a, &db, e));
	struct ran r = shell(a, db.owner_url, "printf 'worker:\\n  slts: 3\\nlog:\\n  level: loud\\n' > c.yaml; "
		"DROVER_MODEL_BASE_URL=http://127.0.0.1:1 $D doctor --config c.yaml; s=$?; rm c.yaml; exit $s");
	CHECK_EQ_I(r.status, 5);
	CHECK_HAS(r.out, "wrong  config      c.yaml:2:3: worker: unknown option 'slts'; did you mean worker.slots?\n");
	CHECK_HAS(r.out, "wrong  config      c.yaml:4:10: log.level: must be");
	CHECK_HAS(r.out, "ok     connection ");
	CHECK_HAS(r.out, "warn   role        postgres is a superuser");
	CHECK_HAS(r.out, " pending\n                   -> run drover migrate\n");
	CHECK_HAS(r.out, "wrong  model       http://127.0.0.1:1: ");
}

LOOP_TEST(doctor_says_which_statement_does_not_fit_the_tables)
{
	struct test_db db;
	REQUIRE(open_db(a, &db, "alter table agent_requests rename column attempt to attempts", e));
	struct ran r = shell(a, db.owner_url, "$D doctor");
	CHECK_EQ_I(r.status, 5);
	CHECK_HAS(r.out, "wrong  statement   queue/sql/");
	CHECK_HAS(r.out, "wrong  statement   worker/sql/show_request.sql");
}

LOOP_TEST(doctor_wants_a_key_for_the_real_provider_only)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url,
		"DROVER_MODEL_CONNECT_TIMEOUT=100ms $D doctor --json").out, "model key"), "wrong");
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url,
		"DROVER_MODEL_CONNECT_TIMEOUT=100ms ANTHROPIC_API_KEY=k $D doctor --json").out, "model key"), "ok");
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url,
		"DROVER_MODEL_BASE_URL=http://127.0.0.1:1 $D doctor --json").out, "model key"), "ok");
	struct ran other = shell(a, db.worker_url, "DROVER_MODEL_API=openai DROVER_MODEL_CONNECT_TIMEOUT=100ms "
		"DROVER_MODEL_BASE_URL=https://api.openai.com $D doctor");
	CHECK_HAS(other.out, "wrong  model key   none, and https://api.openai.com wants one\n");
	CHECK_HAS(other.out, "-> set DROVER_MODEL_API_KEY, or model.api_key_file in the configuration\n");
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url, "DROVER_MODEL_API=openai DROVER_MODEL_CONNECT_TIMEOUT=100ms "
		"DROVER_MODEL_BASE_URL=https://gateway.invalid $D doctor --json").out, "model key"), "warn");
}

LOOP_TEST(doctor_warns_of_too_few_files)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url, "ulimit -n 100; $D doctor --json").out, "files"), "warn");
	CHECK_EQ_S(level_of(a, shell(a, db.worker_url,
		"ulimit -n 100; DROVER_WORKER_SLOTS=10 $D doctor --json").out, "files"), "ok");
}

LOOP_TEST(doctor_without_a_database_still_checks_the_rest)
{
	struct ran r = shell(a, "postgresql://u:hush@127.0.0.1:1/x", "DROVER_MODEL_BASE_URL=http://127.0.0.1:1 $D doctor");
	CHECK_EQ_I(r.status, 5);
	CHECK_HAS(r.out, "wrong  connection  postgresql://u:***@127.0.0.1:1/x: ");
	CHECK_HAS(r.out, "wrong  model       ");
}

LOOP_TEST(no_secret_is_ever_printed)
{
	static const char *const commands[] = { "doctor", "doctor --json", "status", "--config-print", "migrate --pending" };
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	const char *at = strrchr(db.owner_url, '@'), *colon = strchr(strstr(db.owner_url, "//"), ':');
	const char *password = arena_text(a, (struct str){ colon + 1, (size_t)(at - colon) - 1 });
	REQUIRE(strlen(password) > 3);
	for (size_t i = 0; i < COUNT(commands); i++) {
		const char *command = arena_printf(a, "DROVER_MODEL_BASE_URL=http://me:hush2@127.0.0.1:1 "
			"ANTHROPIC_API_KEY=hush1 $D %s", commands[i]);
		struct ran r = shell(a, db.owner_url, command);
		const char *all = arena_printf(a, "%s%s", r.out, r.err);
		test_check(!strstr(all, password) && !strstr(all, "hush"), __FILE__, __LINE__, commands[i]);
		CHECK(r.out[0] != '\0' && r.status != 127);
	}
}
