/* SPDX-License-Identifier: MIT */
#include "settings.h"
#include "agents.h"
#include "model_api.h"
#include "options.h"
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

/* Anthropic's own variable is no key for anybody else. */
static const char *api_key_of(const struct config *c)
{
	const struct config_option *o = option_find("model.api_key");
	bool own = strcmp(c->from[o - config_options], "environment ANTHROPIC_API_KEY") == 0;
	return own && c->model.api != API_ANTHROPIC ? "" : c->model.api_key;
}

static struct model_config model_config_of(const struct config *c)
{
	return (struct model_config){
		.base_url = c->model.base_url,
		.api = model_api_find(c->model.api == API_OPENAI ? "openai" : "anthropic"),
		.api_key = api_key_of(c),
		.key_as_bearer = c->model.key_header == KEY_HEADER_BEARER,
		.version = c->model.version,
		.name = c->model.name,
		.max_tokens = c->model.max_tokens,
		.thinking_tokens = c->model.thinking_tokens,
		.lane = "default",
		.context_tokens = c->model.context_tokens,
		.cache = c->model.cache,
		.http2 = c->model.http2,
		.requests_per_minute = c->model.requests_per_minute,
		.tokens_per_minute = c->model.tokens_per_minute,
		.turn_bytes = (size_t)c->model.answer_bytes,
		.limits = {
			.connect_ms = c->model.connect_timeout_ms,
			.first_byte_ms = c->model.first_byte_timeout_ms,
			.stall_ms = c->model.stall_timeout_ms,
			.total_ms = c->model.turn_timeout_ms,
			.body_bytes = 64 * 1024,
		},
	};
}

static struct agent_limits agent_limits_of(const struct config *c)
{
	return (struct agent_limits){
		.turns = c->limits.turns,
		.tool_calls = c->limits.tool_calls,
		.turn_tools = c->limits.turn_tools,
		.parallel_tools = c->limits.parallel_tools,
		.repeats = c->limits.repeats,
		.history = c->limits.history,
		.expire_ms = c->approvals.expire_ms,
		.run_ms = c->limits.run_time_ms,
		.tool_ms = c->limits.tool_time_ms,
		.children = c->limits.children,
		.result_bytes = (size_t)c->limits.tool_result_bytes,
	};
}

/* {"all": 100, "user": 5}: those that are set. */
static void default_limits(const struct config *c, char *out, size_t n)
{
	const struct { const char *scope; int64_t most; } limits[] = { { "all", c->queue.max_running },
		{ "type", c->queue.max_running_type }, { "workspace", c->queue.max_running_workspace },
		{ "user", c->queue.max_running_user } };
	int at = snprintf(out, n, "{");
	for (size_t i = 0; i < COUNT(limits); i++)
		if (limits[i].most)
			at += snprintf(out + at, n - (size_t)at, "%s\"%s\":%ld", at > 1 ? "," : "", limits[i].scope,
				(long)limits[i].most);
	snprintf(out + at, n - (size_t)at, "}");
}

static struct agent_budgets budgets_of(const struct config *c)
{
	return (struct agent_budgets){
		.request = { c->budget.request_tokens, c->budget.request_cost },
		.session = { c->budget.session_tokens, c->budget.session_cost },
		.user = { c->budget.user_day_tokens, c->budget.user_day_cost },
		.workspace = { c->budget.workspace_day_tokens, c->budget.workspace_day_cost },
	};
}

/* What a run may have unwritten while the database is away: a few of its largest rows. */
static size_t pending_bytes(const struct config *c)
{
	enum { LEAST = 256 * 1024, ROWS = 4 };
	return MAX_OF((size_t)LEAST, ROWS * (size_t)c->log.row_bytes);
}

_Static_assert((int)DELIVER_POSTGRES_CHANGES == DELIVERY_TABLE && (int)DELIVER_BROADCAST == DELIVERY_BROADCAST &&
	(int)DELIVER_REDIS == DELIVERY_REDIS, "the option's choices are the pool's");

struct pool_config pool_config_of(const struct config *c)
{
	struct pool_config p = {
		.database_url = c->database.url,
		.listen_url = c->database.listen_url,
		.prepare = c->database.prepare,
		.listen = c->database.listen,
		.listen_check_ms = c->database.listen_check_ms,
		.connections = (int)c->database.pool,
		.connect_ms = c->database.connect_timeout_ms,
		.slots = (int)c->worker.slots,
		.batch = (int)c->queue.batch,
		.lease_ms = c->worker.lease_ms,
		.poll_ms = c->worker.poll_ms,
		.drain_ms = c->worker.drain_ms,
		.fair = c->queue.order == ORDER_FAIR,
		.max_attempts = (int)c->queue.max_attempts,
		.max_crashes = (int)c->queue.max_crashes,
		.backoff_base_ms = c->queue.backoff_base_ms,
		.backoff_max_ms = c->queue.backoff_max_ms,
		.retention = { c->retention.completed_ms, c->retention.failed_ms, c->retention.cancelled_ms, c->retention.logs_ms,
			c->retention.archive },
		.flush_ms = c->log.flush_interval_ms,
		.thoughts = { .flush_bytes = (size_t)c->log.flush_bytes, .row_bytes = (size_t)c->log.row_bytes,
			.pending_bytes = pending_bytes(c), .per_token = c->log.per_token },
		.delivery = (enum pool_delivery)c->log.delivery,
		.redis_url = c->redis.url,
		.redis_ms = c->redis.timeout_ms,
		.metrics_host = c->metrics.host,
		.metrics_port = (int)c->metrics.port,
		.traces_url = c->traces.url,
		.traces_header = c->traces.header,
		.traces_percent = (int)c->traces.percent,
		.model = model_config_of(c),
		.retry = { c->model.retries, c->model.retry_base_ms, c->model.retry_max_ms },
		.fallback = c->model.fallback,
		.lanes = { c->model.circuit_failures, c->model.circuit_pause_ms },
		.limits = agent_limits_of(c),
		.budgets = budgets_of(c),
		.agents = agents_all,
	};
	default_limits(c, p.default_limits, sizeof(p.default_limits));
	return p;
}

int64_t raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return (int64_t)limit.rlim_cur;
}

void seed_dice(void)
{
	long seed = 0;
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		srand48(seed);
}

const char *own_program(struct arena *a)
{
	char path[1024];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	return n > 0 ? arena_text(a, (struct str){ path, (size_t)n }) : "drover";
}
