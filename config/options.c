/* SPDX-License-Identifier: MIT */
/*
 * Every option of Drover. To add one: a row here and a member of struct config; file, environment, checks, sample,
 * help and print follow. The member's type is checked against the row's by the compiler.
 */
#include "options.h"
#include "config.h"
#include <ctype.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, KIB = 1024, MIB = 1024 * KIB };

static const char *const postgres_schemes[] = { "postgresql", "postgres", NULL };
static const char *const http_schemes[] = { "https", "http", NULL };
static const char *const redis_schemes[] = { "redis", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const orders[] = { "fifo", "fair", NULL };
static const char *const key_headers[] = { "bearer", "x-api-key", NULL };
static const char *const apis[] = { "anthropic", "openai", NULL };
static const char *const deliveries[] = { "postgres_changes", "broadcast", "redis", NULL };

/* clang-format off */
#define PLACE(c_type, member) _Generic(((struct config *)0)->member, c_type: offsetof(struct config, member))
#define ROW(section, name, kind, place, value, ...) \
	{ .path = #section "." #name, .type = kind, .offset = place, .preset = value, __VA_ARGS__ }
#define NUMBER(section, name, kind, member, value, low, high, ...) \
	ROW(section, name, kind, PLACE(int64_t, section.member), value, .min = low, .max = high, .text = __VA_ARGS__)
#define INTEGER(section, name, ...) NUMBER(section, name, OPTION_INTEGER, name, __VA_ARGS__)
#define DURATION(section, name, ...) NUMBER(section, name, OPTION_DURATION, name##_ms, __VA_ARGS__)
#define SIZE(section, name, ...) NUMBER(section, name, OPTION_SIZE, name, __VA_ARGS__)
#define BOOL(section, name, value, ...) \
	ROW(section, name, OPTION_BOOL, PLACE(bool, section.name), value, .text = __VA_ARGS__)
#define CHOICE(section, name, c_type, list, value, ...) \
	ROW(section, name, OPTION_CHOICE, PLACE(c_type, section.name), value, .choices = list, .text = __VA_ARGS__)
#define TEXT(section, name, value, low, high, ...) \
	ROW(section, name, OPTION_TEXT, PLACE(const char *, section.name), value, .min = low, .max = high, \
		.text = __VA_ARGS__)
#define URL(section, name, list, value, low, ...) \
	ROW(section, name, OPTION_URL, PLACE(const char *, section.name), value, .min = low, .max = 2048, \
		.choices = list, .text = __VA_ARGS__)

const struct config_section config_sections[] = {
	{ "database", "Postgres: the queue, the log and the app's tables." },
	{ "worker",   "The pool of worker processes." },
	{ "queue",    "How requests are claimed and tried again." },
	{ "log",      "The thinking stream (agent_logs) and the worker's own log." },
	{ "retention", "How long what has ended is kept: 0 = for ever, else at least an hour. One worker prunes for all, in small steps." },
	{ "realtime", "Supabase Realtime: nothing but the alarms of drover status reads these." },
	{ "model",    "The language model and how long to wait for it." },
	{ "limits",   "How far one request may go. An agent may set lower ones." },
	{ "budget",   "What may be spent on models: tokens, and millionths of the currency in which prices are given. 0 = no limit." },
	{ "catalog",  "Agents, tools and models as YAML files." },
	{ "tools",    "What tools that call out may reach." },
	{ "approvals", "What waits for a person." },
	{ "fiber",    "The stack that each running request gets." },
	{ "redis",    "Provider limits shared by all workers, and thoughts for readers of Redis. Postgres alone is enough." },
	{ "metrics",  "Prometheus text, /healthz and /readyz." },
	{ "traces",   "OpenTelemetry spans, sent as OTLP/HTTP JSON." },
};
const size_t config_sections_n = COUNT(config_sections);

const struct config_option config_options[] = {
	URL(database, url, postgres_schemes, "", 0,
		"Where Postgres is. Several hosts: with target_session_attrs=read-write. With a pooler see listen_url, prepare.",
		.secret = true, .alias = "DATABASE_URL", .example = "postgresql://user:password@localhost:5432/app"),
	URL(database, listen_url, postgres_schemes, "", 0,
		"The same database without the pooler, for LISTEN and the lease; as url when left out.",
		.secret = true, .alias = "DATABASE_LISTEN_URL", .example = "postgresql://user:password@localhost:5432/app"),
	INTEGER(database, pool, "4", 1, 64, "Connections of one process for tools and turns."),
	DURATION(database, connect_timeout, "5s", 100, 5 * MINUTE,
		"Longest wait for one connection to open."),
	BOOL(database, prepare, "true",
		"Prepare each query once a connection. Off for poolers in transaction mode, unless they keep statements."),
	BOOL(database, listen, "true",
		"Wake by LISTEN/NOTIFY. A pooler in transaction mode needs listen_url or this off: worker.poll alone wakes then."),
	DURATION(database, listen_check, "10s", SECOND, 10 * MINUTE,
		"A silent listening connection is asked this often; a dead one is replaced within one and a half of it."),

	INTEGER(worker, processes, "0", 0, 256, "Processes of one thread each; 0 = one per core."),
	INTEGER(worker, slots, "1000", 1, 20000, "Requests at once in one process."),
	DURATION(worker, lease, "15s", 2 * SECOND, 10 * MINUTE,
		"A worker silent this long is taken for dead and its requests run again elsewhere."),
	DURATION(worker, poll, "1s", 50, MINUTE,
		"How often an idle worker looks for requests that nobody announced."),
	DURATION(worker, drain, "30s", 0, HOUR,
		"Time that running requests get to end after SIGTERM; then they go back to the queue."),

	INTEGER(queue, batch, "100", 1, 1000, "Requests claimed at once, at most."),
	CHOICE(queue, order, enum config_claim_order, orders, "fifo",
		"fifo: strictly by (priority, id). fair: within a priority each workspace (or user) has its share; drover limit sets weights."),
	INTEGER(queue, max_running, "0", 0, 1000000, "Requests that run at once, all workers together; 0 = no limit."),
	INTEGER(queue, max_running_type, "0", 0, 1000000, "The same for each type; drover limit sets others."),
	INTEGER(queue, max_running_workspace, "0", 0, 1000000, "The same for each workspace."),
	INTEGER(queue, max_running_user, "0", 0, 1000000, "The same for each user."),
	INTEGER(queue, max_attempts, "5", 1, 100, "Attempts that may end in an error before a request fails for good."),
	INTEGER(queue, max_crashes, "3", 1, 100, "Attempts that may end with the death of their worker; then the request fails, as poison."),
	DURATION(queue, backoff_base, "2s", 100, 10 * MINUTE,
		"Wait before the second attempt; it doubles with each one."),
	DURATION(queue, backoff_max, "5m", SECOND, 24 * HOUR, "Longest wait between two attempts."),

	DURATION(log, flush_interval, "250ms", 10, 10 * SECOND,
		"Longest time that a thought waits before it is written."),
	SIZE(log, flush_bytes, "4KiB", 256, 64 * KIB, "Thoughts of this size are written at once."),
	SIZE(log, row_bytes, "64KiB", KIB, 256 * KIB,
		"Largest message or data of one row; more becomes several rows or is cut."),
	CHOICE(log, delivery, enum config_delivery, deliveries, "postgres_changes",
		"How readers hear of rows of agent_logs. broadcast: realtime.send, one message a session and flush; redis: PUBLISH."),
	BOOL(log, per_token, "false",
		"A row for each piece of text as the model sends it: for debugging; Realtime and the database pay for every row."),
	CHOICE(log, level, enum log_level, log_levels, "info",
		"What the worker's own log on stderr shows."),

	DURATION(retention, completed, "30d", HOUR, 3650LL * DAY, "Age at which completed requests are pruned.",
		.or_zero = true),
	DURATION(retention, failed, "90d", HOUR, 3650LL * DAY, "Age at which failed requests are pruned.",
		.or_zero = true),
	DURATION(retention, cancelled, "30d", HOUR, 3650LL * DAY,
		"Age at which cancelled and superseded requests are pruned.", .or_zero = true),
	DURATION(retention, logs, "7d", HOUR, 3650LL * DAY,
		"Age at which rows of agent_logs are pruned, of requests that have ended; at the latest with them.",
		.or_zero = true),
	BOOL(retention, archive, "false",
		"Move pruned requests to drover.archived_requests; their logs, turns and tool executions are deleted."),

	INTEGER(realtime, messages, "500", 0, 1000000,
		"Messages a second that the plan allows: 100 Free, 500 Pro, 2500 without spend cap; 0 = no alarm."),
	INTEGER(realtime, watchers, "1", 1, 100000, "Browsers that watch one session, on average."),

	CHOICE(model, api, enum config_api, apis, "anthropic",
		"What the provider speaks: Anthropic's Messages, or OpenAI's chat completions (vLLM, Ollama, llama.cpp, OpenRouter)."),
	URL(model, base_url, http_schemes, "https://api.anthropic.com", 1,
		"The provider, or a gateway that speaks its format; without the path."),
	TEXT(model, api_key, "", 0, 4096,
		"Key of the provider.", .secret = true, .alias = "ANTHROPIC_API_KEY", .example = "the-key"),
	CHOICE(model, key_header, enum config_key_header, key_headers, "bearer",
		"How the key is sent: Authorization: Bearer, or x-api-key."),
	TEXT(model, version, "2026-10-21", 1, 64, "The anthropic-version header."),
	TEXT(model, name, "claude-sonnet-4-5", 1, 128, "Model of agents that name none."),
	INTEGER(model, max_tokens, "8192", 1, 128000, "Longest answer of one turn, thinking included."),
	INTEGER(model, thinking_tokens, "0", 1024, 64000,
		"Thinking budget of one turn, below max_tokens; 0 = no thinking.", .or_zero = true),
	DURATION(model, connect_timeout, "10s", 100, 5 * MINUTE,
		"Longest wait for a connection to the provider."),
	DURATION(model, first_byte_timeout, "1m", SECOND, 30 * MINUTE,
		"Longest wait for an answer to begin."),
	DURATION(model, stall_timeout, "1m", SECOND, 30 * MINUTE, "Longest silence within an answer."),
	DURATION(model, turn_timeout, "10m", SECOND, 2 * HOUR, "Longest time of one turn."),
	SIZE(model, answer_bytes, "1MiB", 4 * KIB, 64 * MIB, "Largest answer of one turn."),
	TEXT(model, fallback, "", 0, 1024,
		"Models to ask when the first is overloaded or away, in order, with commas between; of this provider or of models.yaml.",
		.example = "claude-haiku-4-5, qwen3"),
	INTEGER(model, retries, "2", 0, 20, "Times that one turn is asked for again before the next model, or the next attempt."),
	DURATION(model, retry_base, "500ms", 10, 10 * SECOND, "Longest wait before the first of them; it doubles with each."),
	DURATION(model, retry_max, "30s", 100, 10 * MINUTE,
		"Longest wait between two; a provider that asks for more ends the attempt instead."),
	INTEGER(model, circuit_failures, "10", 0, 10000,
		"Failures in a row after which a provider is left alone for circuit_pause; 0 = never."),
	DURATION(model, circuit_pause, "15s", 100, 10 * MINUTE, "How long; then one request tries whether it is back."),
	INTEGER(model, context_tokens, "180000", 1000, 10000000,
		"Longest conversation sent to the model; of a longer one old tool results are cut first, and the log says so."),
	BOOL(model, cache, "true", "Ask the provider to cache the prompt."),
	BOOL(model, http2, "false", "HTTP/2 to providers with TLS: less memory a stream, more time an event."),
	INTEGER(model, requests_per_minute, "0", 0, 10000000, "To one key, all workers together; 0 = what the provider's answers say."),
	INTEGER(model, tokens_per_minute, "0", 0, 1000000000, "The same in tokens, in and out."),

	INTEGER(limits, turns, "20", 1, 1000, "Model turns of one request."),
	INTEGER(limits, tool_calls, "100", 0, 10000, "Tool calls of one request."),
	INTEGER(limits, turn_tools, "32", 1, 256, "Tool calls of one turn."),
	DURATION(limits, run_time, "15m", SECOND, 24 * HOUR, "Longest time of one attempt."),
	DURATION(limits, tool_time, "30s", 100, HOUR, "Longest time of one tool call."),
	SIZE(limits, tool_result_bytes, "32KiB", KIB, MIB,
		"Largest tool result that the model sees; more is cut and says so."),
	INTEGER(limits, parallel_tools, "4", 1, 64, "Tool calls of one turn that run at once."),
	INTEGER(limits, repeats, "3", 1, 100, "Times that a request may make the same tool call with the same arguments."),
	INTEGER(limits, history, "20", 0, 100, "Earlier requests of the session that the model is told of; 0 = none."),
	INTEGER(limits, children, "6", 0, 100,
		"Requests that one request may start and wait for; 0 = none."),

	INTEGER(budget, request_tokens, "0", 0, 1000000000000, "Tokens of one request, all attempts."),
	INTEGER(budget, request_cost, "0", 0, 1000000000000, "Cost of one request, all attempts."),
	INTEGER(budget, session_tokens, "0", 0, 1000000000000, "Tokens of one session."),
	INTEGER(budget, session_cost, "0", 0, 1000000000000, "Cost of one session."),
	INTEGER(budget, user_day_tokens, "0", 0, 1000000000000, "Tokens of one user a day (UTC)."),
	INTEGER(budget, user_day_cost, "0", 0, 1000000000000, "Cost of one user a day."),
	INTEGER(budget, workspace_day_tokens, "0", 0, 1000000000000, "Tokens of one workspace a day."),
	INTEGER(budget, workspace_day_cost, "0", 0, 1000000000000, "Cost of one workspace a day."),

	TEXT(catalog, dir, "", 0, 4096,
		"Folder with agents/*.yaml, tools/*.yaml and models.yaml; leave it out for the built-in agents alone.",
		.example = "/etc/drover"),
	DURATION(catalog, check, "2s", 100, 10 * MINUTE, "How often the folder is looked at for changes."),

	TEXT(tools, hosts, "", 0, 4096,
		"Hosts that HTTP tools may call, with commas between; *.example.com is every host below it. Empty = none.",
		.example = "api.example.com, *.crm.example.com"),
	BOOL(tools, private_addresses, "false", "Whether HTTP tools may call loopback, private and link-local addresses."),
	TEXT(tools, secrets_dir, "", 0, 4096, "Folder of files, one a secret, for the headers of HTTP tools.",
		.example = "/run/secrets"),

	DURATION(approvals, expire, "1d", MINUTE, 365LL * DAY, "How long a proposal or a question waits for a person."),

	SIZE(fiber, stack, "256KiB", 64 * KIB, 8 * MIB,
		"Address space of a running request's stack; only what is touched takes memory."),

	URL(redis, url, redis_schemes, "", 0, "Where Redis is; leave it out to do without.",
		.secret = true, .example = "redis://:password@localhost:6379/0"),
	DURATION(redis, timeout, "250ms", 10, 10 * SECOND, "Longest wait for Redis; after it a worker goes on with its own share."),

	TEXT(metrics, host, "127.0.0.1", 1, 255, "Address to listen on."),
	INTEGER(metrics, port, "0", 0, 65000, "Port of the first worker process; the next has the next one. 0 = off."),

	URL(traces, url, http_schemes, "", 0, "Collector, with the path; leave it out to send none.",
		.example = "http://localhost:4318/v1/traces"),
	TEXT(traces, header, "", 0, 4096, "One header for it, NAME=VALUE.", .secret = true, .example = "x-api-key=the-key"),
	INTEGER(traces, percent, "100", 0, 100, "Share of requests that are traced."),
};
const size_t config_options_n = COUNT(config_options);

const struct config_order config_orders[] = {
	{ "queue.backoff_base", "queue.backoff_max", false },
	{ "log.flush_bytes", "log.row_bytes", false },
	{ "model.thinking_tokens", "model.max_tokens", true },
	{ "model.retry_base", "model.retry_max", false },
};
const size_t config_orders_n = COUNT(config_orders);
/* clang-format on */

static const char *variable_of(struct arena *a, const char *path)
{
	char *variable = arena_printf(a, "DROVER_%s", path);
	for (char *p = variable; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	return variable;
}

static void add_name(struct arena *a, struct option_names *to, struct option_name name)
{
	const char *path = arena_printf(a, "%s%s", name.option->path, name.is_file ? "_file" : "");
	to->names[to->n] = name;
	to->paths[to->n] = path;
	to->variables[to->n++] = variable_of(a, path);
}

void option_names(struct arena *a, struct option_names *out)
{
	size_t most = 2 * config_options_n;
	out->n = 0;
	out->names = arena_alloc(a, most * sizeof(*out->names));
	out->paths = arena_alloc(a, most * sizeof(*out->paths));
	out->variables = arena_alloc(a, most * sizeof(*out->variables));
	for (const struct config_option *o = config_options; o < config_options + config_options_n; o++) {
		add_name(a, out, (struct option_name){ o, false });
		if (o->secret)
			add_name(a, out, (struct option_name){ o, true });
	}
}

const struct config_option *option_find(const char *path)
{
	for (size_t i = 0; i < config_options_n; i++)
		if (strcmp(config_options[i].path, path) == 0)
			return &config_options[i];
	return NULL;
}
