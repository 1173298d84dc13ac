/* SPDX-License-Identifier: MIT */
/*
 * What an operator can set: defaults, then a YAML file, then the environment; each option is one row in options.c.
 * A section of the file is a struct here. Times are milliseconds (_ms), sizes are bytes. Text is never NULL: "" = none.
 */
#pragma once
#include "arena.h"
#include "log.h"

enum config_claim_order { ORDER_FIFO, ORDER_FAIR };
enum config_api { API_ANTHROPIC, API_OPENAI };
enum config_delivery { DELIVER_POSTGRES_CHANGES, DELIVER_BROADCAST, DELIVER_REDIS };
enum config_key_header { KEY_HEADER_BEARER, KEY_HEADER_X_API_KEY };

struct config {
	struct {
		const char *url, *listen_url;
		int64_t pool, connect_timeout_ms, listen_check_ms;
		bool prepare, listen;
	} database;
	struct {
		int64_t processes; /* 0 = one per core */
		int64_t slots, lease_ms, poll_ms, drain_ms;
	} worker;
	struct {
		int64_t batch, max_attempts, max_crashes, backoff_base_ms, backoff_max_ms;
		int64_t max_running, max_running_type, max_running_workspace, max_running_user;
		enum config_claim_order order;
	} queue;
	struct {
		int64_t flush_interval_ms, flush_bytes, row_bytes;
		enum config_delivery delivery;
		bool per_token;
		enum log_level level;
	} log;
	struct {
		int64_t completed_ms, failed_ms, cancelled_ms, logs_ms; /* 0 = kept for ever */
		bool archive;
	} retention;
	struct {
		int64_t messages, watchers;
	} realtime;
	struct {
		enum config_api api;
		const char *base_url, *api_key;
		enum config_key_header key_header;
		const char *version, *name;
		int64_t max_tokens, thinking_tokens;
		int64_t connect_timeout_ms, first_byte_timeout_ms, stall_timeout_ms, turn_timeout_ms;
		int64_t answer_bytes;
		const char *fallback;
		int64_t retries, retry_base_ms, retry_max_ms, circuit_failures, circuit_pause_ms;
		int64_t context_tokens, requests_per_minute, tokens_per_minute;
		bool cache, http2;
	} model;
	struct {
		int64_t turns, tool_calls, turn_tools, run_time_ms, tool_time_ms, tool_result_bytes, children;
		int64_t parallel_tools, repeats, history;
	} limits;
	struct {
		int64_t request_tokens, request_cost, session_tokens, session_cost; /* costs in micro-units */
		int64_t user_day_tokens, user_day_cost, workspace_day_tokens, workspace_day_cost;
	} budget;
	struct {
		const char *dir;
		int64_t check_ms;
	} catalog;
	struct {
		const char *hosts, *secrets_dir;
		bool private_addresses;
	} tools;
	struct {
		int64_t expire_ms;
	} approvals;
	struct {
		int64_t stack; /* bytes */
	} fiber;
	struct {
		const char *url;
		int64_t timeout_ms;
	} redis;
	struct {
		const char *host;
		int64_t port;
	} metrics;
	struct {
		const char *url, *header;
		int64_t percent;
	} traces;
	/* Where each row of options.c came from: "default", "drover.yaml:3:9", "environment DROVER_WORKER_SLOTS". */
	const char *const *from;
};

struct config_problem {
	const char *text; /* "file:line:col: path: what; mend" or "environment NAME: what; mend", complete, one line */
	const struct config_problem *next;
};

struct config_problems {
	size_t n;
	const struct config_problem *first;
};

/*
 * file NULL = the file that DROVER_CONFIG names, or none. environment ends with NULL, as environ does; NULL = empty.
 * A variable is DROVER_ and the option's path (model.base_url: DROVER_MODEL_BASE_URL); it wins over DATABASE_URL and
 * ANTHROPIC_API_KEY, and each wins over the file. An empty variable counts as not set. A secret may be read from a
 * file: model.api_key_file or DROVER_MODEL_API_KEY_FILE give its path.
 * False when there is any problem: *out is untouched then and all problems are listed. *problems is always written.
 * No problem repeats a value: it could be a secret, put in the right place or in a wrong one.
 * Nothing is required: an empty database.url is for the commands to refuse.
 */
bool config_load(struct arena *a, const char *file, char *const *environment, struct config *out,
	struct config_problems *problems);
/* The same from a text; name stands for the file in messages. */
bool config_load_text(struct arena *a, const char *name, struct str yaml, char *const *environment, struct config *out,
	struct config_problems *problems);

/* A YAML file with every option, its default and what it does. It loads without problems. */
void config_sample(FILE *to);
void config_help(FILE *to);
/* Effective values and where each came from. Secrets are "***", passwords in URLs too. */
void config_print(FILE *to, const struct config *c);
/* "postgres://app:***@host/db?***": fit for a log. */
const char *config_redact_url(struct arena *a, const char *url);
