/* SPDX-License-Identifier: MIT */
/* What operators see of a worker process: its metrics as Prometheus reads them, whether it lives, and its log. */
#include "clock.h"
#include "net.h"
#include "pool_inner.h"
#include "rig_test.h"
#include "stats.h"
#include <fcntl.h>
#include <regex.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- counting ---- */

enum { TEXT_BYTES = 1024 * 1024 };

static const char *text_of(struct arena *a, const struct stats *s)
{
	struct buf *b = buf_new(a, TEXT_BYTES);
	stats_print(s, b);
	return b->p;
}

static struct stats *stats_in(struct arena *a)
{
	struct stats *s = stats_new();
	arena_defer(a, (void (*)(void *))stats_free, s);
	return s;
}

/* The value of a series, "" when there is none. */
static const char *value_of(struct arena *a, const char *text, const char *series)
{
	const char *line = arena_printf(a, "\n%s ", series), *at = strstr(text, line);
	if (!at)
		return "";
	at += strlen(line);
	return arena_text(a, (struct str){ at, strcspn(at, "\n") });
}
#define CHECK_SERIES(text, series, want) CHECK_EQ_S(value_of(a, text, series), want)

/* Every line is a comment of the two kinds, or a series with a number. */
static void check_format(const char *text)
{
	regex_t line;
	int bad = regcomp(&line, "^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\\{[a-z_]+=\"([^\"\\\\]|\\\\.)*\"(,[a-z_]+=\"([^\"\\\\]|\\\\.)*\")*\\})?"
		" -?[0-9]+(\\.[0-9]+)?)$", REG_EXTENDED | REG_NOSUB);
	REQUIRE(!bad);
	struct str rest = str_of(text), one;
	while (str_next(&rest, '\n', &one)) {
		char copy[1024];
		snprintf(copy, sizeof(copy), "%.*s", STR_ARGS(one));
		if (one.n && !CHECK(regexec(&line, copy, 0, NULL, 0) == 0))
			printf("      %s\n", copy);
	}
	regfree(&line);
}

TEST(what_nobody_made_known_is_other_and_makes_no_series)
{
	ARENA_SCOPE(a);
	struct stats *s = stats_in(a);
	stats_know(s, "tool", "project_search");
	for (int i = 0; i < 1000; i++)
		stats_tool_call(s, arena_printf(a, "made_up_%d", i), "refused", 3);
	stats_tool_call(s, "project_search", "done", 70);
	const char *text = text_of(a, s);
	CHECK_SERIES(text, "drover_tool_calls_total{tool=\"other\",status=\"refused\"}", "1000");
	CHECK_SERIES(text, "drover_tool_calls_total{tool=\"project_search\",status=\"done\"}", "1");
	CHECK(!strstr(text, "made_up"));
	check_format(text);
}

TEST(a_histogram_counts_up_to_each_bound)
{
	ARENA_SCOPE(a);
	struct stats *s = stats_in(a);
	stats_know(s, "tool", "t");
	stats_tool_call(s, "t", "done", 5);
	stats_tool_call(s, "t", "done", 6);
	stats_tool_call(s, "t", "done", 999999999);
	const char *text = text_of(a, s);
	CHECK_SERIES(text, "drover_tool_call_seconds_bucket{tool=\"t\",le=\"0.005\"}", "1");
	CHECK_SERIES(text, "drover_tool_call_seconds_bucket{tool=\"t\",le=\"0.01\"}", "2");
	CHECK_SERIES(text, "drover_tool_call_seconds_bucket{tool=\"t\",le=\"300\"}", "2");
	CHECK_SERIES(text, "drover_tool_call_seconds_bucket{tool=\"t\",le=\"+Inf\"}", "3");
	CHECK_SERIES(text, "drover_tool_call_seconds_count{tool=\"t\"}", "3");
	CHECK_SERIES(text, "drover_tool_call_seconds_sum{tool=\"t\"}", "1000000.010");
}

TEST(labels_are_escaped_and_their_number_is_bounded)
{
	ARENA_SCOPE(a);
	struct stats *s = stats_in(a);
	stats_know(s, "lane", "a\"b\\c\nd");
	stats_know(s, "model", "m");
	struct model_config config = { .lane = "a\"b\\c\nd", .name = "m" };
	for (int i = 0; i < 2000; i++)
		stats_model_call(s, &config, arena_printf(a, "code_%d", i), -1, 5, NULL, 0);
	const char *text = text_of(a, s);
	CHECK_SERIES(text, "drover_model_calls_total{lane=\"a\\\"b\\\\c\\nd\",model=\"m\",outcome=\"code_7\"}", "1");
	CHECK_SERIES(text, "drover_model_calls_total{lane=\"other\",model=\"other\",outcome=\"other\"}", "1488");
	check_format(text);
}

TEST(a_model_call_counts_tokens_cost_and_times)
{
	ARENA_SCOPE(a);
	struct stats *s = stats_in(a);
	stats_know(s, "lane", "default");
	stats_know(s, "model", "m");
	struct model_config config = { .name = "m" };
	struct model_usage usage = { .input_tokens = 100, .output_tokens = 20, .cache_read_tokens = 7 };
	stats_model_call(s, &config, "ok", 200, 1500, &usage, 321);
	stats_model_retry(s, &config, "model_overloaded");
	stats_model_call(NULL, &config, "ok", 200, 1500, &usage, 321);
	stats_tool_call(NULL, "t", "done", 1);
	const char *text = text_of(a, s);
	CHECK_SERIES(text, "drover_model_tokens_total{lane=\"default\",model=\"m\",kind=\"input\"}", "100");
	CHECK_SERIES(text, "drover_model_tokens_total{lane=\"default\",model=\"m\",kind=\"cache_read\"}", "7");
	CHECK_SERIES(text, "drover_model_cost_micros_total{lane=\"default\",model=\"m\"}", "321");
	CHECK_SERIES(text, "drover_model_retries_total{lane=\"default\",model=\"m\",code=\"model_overloaded\"}", "1");
	CHECK_SERIES(text, "drover_model_first_token_seconds_sum{lane=\"default\",model=\"m\"}", "0.200");
	CHECK_SERIES(text, "drover_model_call_seconds_sum{lane=\"default\",model=\"m\"}", "1.500");
}

/* ---- over HTTP ---- */

static void set_port(struct rig *r)
{
	int port;
	do
		close(net_listen(1, &port));
	while (!net_port_free(port + 1)); /* of a second process */
	r->config.metrics_host = "127.0.0.1";
	r->config.metrics_port = port;
}

/* Status and body, or why there is none. */
static const char *get(struct arena *a, struct rig *r, const char *method, const char *path)
{
	struct err e = { 0 };
	struct http *http = http_new();
	struct http_reply reply;
	struct http_request rq = { .method = method, .url = arena_printf(a, "http://127.0.0.1:%d%s", r->config.metrics_port, path) };
	bool ok = http_call(http, a, &rq, NULL, deadline_in(5000), &reply, &e);
	const char *text = ok ? arena_printf(a, "%d %.*s", reply.status, STR_ARGS(reply.body)) : arena_text(a, str_of(e.msg));
	http_free(http);
	return text;
}
static const char *get_next(struct arena *a, struct rig *r)
{
	r->config.metrics_port++;
	const char *text = get(a, r, "GET", "/readyz");
	r->config.metrics_port--;
	return text;
}

#define CHECK_GET(path, want) CHECK_EQ_S(get(a, r, "GET", path), want)

#define HELLO "replies:\n  - reply: [ { text: Hello. } ]\n"

RIG_TEST(a_worker_tells_what_it_has_done, HELLO)
{
	set_port(r);
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "project_management", "hello"), "completed 1");
	CHECK_FATE(rig_ask(a, r, "astrology", "hello"), "failed unknown_agent 1");
	const char *text = get(a, r, "GET", "/metrics");
	REQUIRE(str_starts(str_of(text), "200 # HELP"));
	check_format(text + 4);
	CHECK_SERIES(text, "drover_requests_finished_total{status=\"completed\",agent=\"project\"}", "1");
	CHECK_SERIES(text, "drover_requests_finished_total{status=\"failed\",agent=\"drover\"}", "1");
	CHECK_SERIES(text, "drover_requests_claimed_total", "2");
	CHECK_SERIES(text, "drover_requests_running", "0");
	CHECK_SERIES(text, "drover_pg_waiting{pool=\"agents\"}", "0");
	CHECK(value_of(a, text, "drover_fibers")[0] > '0');
	CHECK(strlen(value_of(a, text, "process_resident_memory_bytes")) > 6);
	CHECK_GET("/secrets", "404 GET /metrics, /healthz or /readyz\n");
	CHECK_EQ_S(get(a, r, "POST", "/metrics"), "405 GET /metrics, /healthz or /readyz\n");
}

RIG_TEST(a_worker_is_ready_until_it_drains_and_lives_to_the_end, HELLO)
{
	set_port(r);
	REQUIRE_OK(rig_start(r, e));
	CHECK_GET("/healthz", "200 ok\n");
	CHECK_GET("/readyz", "200 ready\n");
	pool_drain(r->pool);
	CHECK_GET("/readyz", "503 draining: no more requests are claimed\n");
	REQUIRE_OK(rig_stop(r, e));
	CHECK(!strstr(get(a, r, "GET", "/healthz"), "200"));
}

RIG_TEST(a_worker_without_its_database_lives_but_is_not_ready, HELLO)
{
	set_port(r);
	const char *right = r->config.database_url;
	r->config.database_url = "postgresql://nobody@127.0.0.1:1/none";
	r->serving = (struct group){ .keep_going = true };
	r->pool = pool_new(&r->config);
	REQUIRE_OK(group_start(&r->serving, "pool", (loop_body)pool_serve, r->pool, e));
	for (int i = 0; i < 1000 && !strstr(get(a, r, "GET", "/healthz"), "200 ok"); i++)
		loop_sleep(2, e);
	CHECK_GET("/healthz", "200 ok\n");
	CHECK_GET("/readyz", "503 not registered: the database has not answered yet\n");
	r->config.database_url = right;
}

RIG_TEST(a_lease_that_is_late_is_not_ready, HELLO)
{
	REQUIRE_OK(rig_start(r, e));
	CHECK(pool_is_ready(r->pool, e));
	r->pool->lease_ends = clock_ms() - 1;
	CHECK(!pool_is_ready(r->pool, e));
	CHECK_EQ_S(e->code, "lease_late");
	r->pool->lease_ends = clock_ms() + 5000;
	CHECK_SQL(r->owner, "alter role drover_worker nologin", "(null)");
	CHECK_SQL(r->owner, "select count(pg_terminate_backend(pid)) >= 0 from pg_stat_activity where usename = 'drover_worker'", "t");
	CHECK(!pool_is_ready(r->pool, e));
	CHECK_SQL(r->owner, "alter role drover_worker login", "(null)");
}

RIG_TEST(a_port_that_is_taken_costs_the_metrics_and_nothing_else, HELLO)
{
	int port, fd = net_listen(1, &port);
	r->config.metrics_host = "127.0.0.1";
	r->config.metrics_port = port;
	REQUIRE_OK(rig_start(r, e));
	CHECK_FATE(rig_ask(a, r, "project_management", "hello"), "completed 1");
	close(fd);
}

RIG_TEST(each_worker_process_has_the_port_after_the_one_before, HELLO)
{
	const char *program = getenv("TEST_PROGRAM");
	set_port(r);
	const char *argv[] = { program, "worker", "--processes", "2", NULL };
	if (!program)
		return;
	setenv("DROVER_METRICS_PORT", arena_printf(a, "%d", r->config.metrics_port), 1);
	setenv("DATABASE_URL", r->db.worker_url, 1);
	pid_t pid = net_program_start(argv);
	const char *text = "";
	for (int i = 0; i < 1500; i++) {
		text = arena_printf(a, "%s %s", get(a, r, "GET", "/readyz"), get_next(a, r));
		if (strcmp(text, "200 ready\n 200 ready\n") == 0)
			break;
		loop_sleep(20, e);
	}
	CHECK_EQ_S(text, "200 ready\n 200 ready\n");
	net_program_kill(pid); /* its children die with it */
	unsetenv("DROVER_METRICS_PORT");
	unsetenv("DATABASE_URL");
}

/* ---- the log ---- */

static const char *log_of(struct arena *a, int64_t request, const char *event)
{
	struct log_context own = { .request_id = request, .agent = "project", .session = "the-session" };
	char text[2048] = "";
	int saved = dup(2), file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	dup2(file, 2);
	log_context_set(&own);
	log_write(LOG_WARN, event, "%s", "one\nline \x01 \"quoted\"");
	log_context_set(NULL);
	fflush(stderr);
	dup2(saved, 2);
	ssize_t n = pread(file, text, sizeof(text) - 1, 0);
	close(file);
	close(saved);
	return n > 0 ? arena_text(a, str_of(text)) : "";
}

TEST(a_line_of_the_log_is_one_line_with_request_session_agent_and_worker)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	log_worker_set("the-worker");
	const char *line = log_of(a, 7, "something");
	log_worker_set(NULL);
	CHECK(strchr(line, '\n') == line + strlen(line) - 1);
	const cJSON *o = json_parse(a, str_trim(str_of(line)), &e);
	REQUIRE(o);
	CHECK_EQ_I(json_i64(o, "request", 0), 7);
	CHECK_EQ_S(json_text(o, "session"), "the-session");
	CHECK_EQ_S(json_text(o, "agent"), "project");
	CHECK_EQ_S(json_text(o, "worker"), "the-worker");
	CHECK_EQ_S(json_text(o, "event"), "something");
}
