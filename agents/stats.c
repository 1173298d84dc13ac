/* SPDX-License-Identifier: MIT */
#include "stats.h"
#include "model.h"

enum stat_type { COUNTER, GAUGE, HISTOGRAM };
enum { LABELS = 3, SERIES_MOST = 512, NAMES_MOST = 512 };

static const struct {
	const char *name;
	enum stat_type type;
	const char *help;
	const char *labels[LABELS];
	int64_t scale; /* what is counted is printed divided by it; 0 = as it is */
} rows[STATS] = {
	[STAT_REQUESTS_RUNNING] = { "drover_requests_running", GAUGE, "Requests that this process runs." },
	[STAT_REQUESTS_CLAIMED] = { "drover_requests_claimed_total", COUNTER, "Requests that this process claimed." },
	[STAT_REQUESTS_FINISHED] = { "drover_requests_finished_total", COUNTER,
		"Runs that ended here: completed, failed, cancelled; retry, waiting, released go on later; lost are another's.",
		{ "status", "agent" } },
	[STAT_SLOTS] = { "drover_slots", GAUGE, "Requests that this process may run at once." },
	[STAT_FLUSH_ROWS] = { "drover_log_rows_total", COUNTER, "Rows written to agent_logs by the flusher." },
	[STAT_FLUSH_BYTES] = { "drover_log_bytes_total", COUNTER, "Bytes of their messages and data." },
	[STAT_FLUSH_LAG] = { "drover_log_lag_seconds", HISTOGRAM,
		"From a thought's first byte to its commit, a run and flush.", { 0 }, 1000 },
	[STAT_STREAMS_PENDING] = { "drover_log_streams_pending", GAUGE, "Runs with thoughts that are not written yet." },
	[STAT_BYTES_PENDING] = { "drover_log_bytes_pending", GAUGE, "Memory of the thoughts that are not written yet." },
	[STAT_DELIVERED] = { "drover_delivery_messages_total", COUNTER, "Messages sent to readers by broadcast or Redis." },
	[STAT_DELIVERY_DROPPED] = { "drover_delivery_dropped_total", COUNTER,
		"Parts of the log of which readers were not told; they find them in agent_logs by seq." },
	[STAT_DELIVERY_PENDING] = { "drover_delivery_pending", GAUGE, "Parts of the log that wait to be told of." },
	[STAT_BROADCAST_WARNINGS] = { "drover_broadcast_warnings_total", COUNTER,
		"Warnings of realtime.send, which fails in no other way." },
	[STAT_REDIS_CONNECTED] = { "drover_delivery_redis_connected", GAUGE, "1 while Redis takes messages." },
	[STAT_MODEL_CALLS] = { "drover_model_calls_total", COUNTER, "Model calls that ended.",
		{ "lane", "model", "outcome" } },
	[STAT_MODEL_RETRIES] = { "drover_model_retries_total", COUNTER, "Turns that were asked for again.",
		{ "lane", "model", "code" } },
	[STAT_MODEL_TOKENS] = { "drover_model_tokens_total", COUNTER, "Tokens by kind.", { "lane", "model", "kind" } },
	[STAT_MODEL_COST] = { "drover_model_cost_micros_total", COUNTER,
		"Cost in millionths of the currency of the price table.", { "lane", "model" } },
	[STAT_MODEL_FIRST_TOKEN] = { "drover_model_first_token_seconds", HISTOGRAM, "From the call to its first token.",
		{ "lane", "model" }, 1000 },
	[STAT_MODEL_DURATION] = { "drover_model_call_seconds", HISTOGRAM, "Model calls that succeeded.",
		{ "lane", "model" }, 1000 },
	[STAT_TOOL_CALLS] = { "drover_tool_calls_total", COUNTER, "Tool calls that were answered.", { "tool", "status" } },
	[STAT_TOOL_DURATION] = { "drover_tool_call_seconds", HISTOGRAM, "How long they took.", { "tool" }, 1000 },
	[STAT_PG_IN_USE] = { "drover_pg_connections_in_use", GAUGE, "Database connections in use.", { "pool" } },
	[STAT_PG_WAITING] = { "drover_pg_waiting", GAUGE, "Fibers that wait for one.", { "pool" } },
	[STAT_LEASE_LEFT] = { "drover_lease_seconds", GAUGE, "What is left of the lease.", { 0 }, 1000 },
	[STAT_SPANS_SENT] = { "drover_spans_sent_total", COUNTER, "Spans that the collector took." },
	[STAT_SPANS_DROPPED] = { "drover_spans_dropped_total", COUNTER, "Spans that were lost: it was away or too slow." },
	[STAT_FIBERS] = { "drover_fibers", GAUGE, "Fibers of this process." },
	[STAT_MEMORY] = { "process_resident_memory_bytes", GAUGE, "Memory of this process." },
	[STAT_CPU] = { "process_cpu_seconds_total", COUNTER, "CPU time of this process.", { 0 }, 1000 },
};

/* Upper bounds in ms; the last bucket is all the rest. */
static const int64_t bounds[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000 };
enum { BUCKETS = COUNT(bounds) + 1 };

struct series {
	struct series *next;
	const char *labels[LABELS];
	int64_t value;            /* of a histogram: the sum */
	int64_t buckets[BUCKETS]; /* not summed up */
};

/* Names that a label may have. */
struct known {
	const char *label;
	const char *names[NAMES_MOST];
	size_t n;
};

struct stats {
	struct arena *arena;
	struct series *series[STATS];
	size_t n_series[STATS];
	struct known known[4];
};

static const char other[] = "other";

struct stats *stats_new(void)
{
	struct arena *a = arena_new();
	struct stats *s = arena_alloc(a, sizeof(*s));
	*s = (struct stats){ .arena = a, .known = { { .label = "agent" }, { .label = "tool" }, { .label = "lane" },
		{ .label = "model" } } };
	return s;
}

void stats_free(struct stats *s)
{
	if (s)
		arena_free(s->arena);
}

/* ---- labels ---- */

static struct known *known_of(struct stats *s, const char *label)
{
	for (size_t i = 0; i < COUNT(s->known); i++)
		if (strcmp(s->known[i].label, label) == 0)
			return &s->known[i];
	return NULL;
}

static const char *known_name(const struct known *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->names[i], name) == 0)
			return k->names[i];
	return NULL;
}

void stats_know(struct stats *s, const char *label, const char *value)
{
	struct known *k = s ? known_of(s, label) : NULL;
	if (k && value && k->n < NAMES_MOST && !known_name(k, value))
		k->names[k->n++] = arena_text(s->arena, str_of(value));
}

static const char *label_value(struct stats *s, const char *label, const char *value)
{
	if (!label)
		return NULL;
	struct known *k = known_of(s, label);
	const char *name = !value ? NULL : k ? known_name(k, value) : value;
	return name ? name : other;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static struct series *series_find(struct stats *s, enum stat_id stat, const char *const *labels)
{
	for (struct series *x = s->series[stat]; x; x = x->next)
		if (same(x->labels[0], labels[0]) && same(x->labels[1], labels[1]) && same(x->labels[2], labels[2]))
			return x;
	return NULL;
}

static struct series *series_of(struct stats *s, enum stat_id stat, const char *l0, const char *l1, const char *l2)
{
	const char *const *names = rows[stat].labels;
	const char *values[LABELS] = { label_value(s, names[0], l0), label_value(s, names[1], l1),
		label_value(s, names[2], l2) };
	struct series *x = series_find(s, stat, values);
	if (x)
		return x;
	bool full = s->n_series[stat] >= SERIES_MOST;
	for (size_t i = 0; full && i < LABELS; i++)
		values[i] = names[i] ? other : NULL;
	if (full && (x = series_find(s, stat, values)))
		return x;
	x = arena_alloc(s->arena, sizeof(*x));
	for (size_t i = 0; i < LABELS; i++)
		x->labels[i] = values[i] ? arena_text(s->arena, str_of(values[i])) : NULL;
	struct series **at = &s->series[stat];
	while (*at)
		at = &(*at)->next;
	s->n_series[stat]++;
	return *at = x;
}

/* ---- counting ---- */

void stat_add(struct stats *s, enum stat_id stat, const char *l0, const char *l1, const char *l2, int64_t n)
{
	if (s)
		series_of(s, stat, l0, l1, l2)->value += n;
}

void stat_set(struct stats *s, enum stat_id stat, const char *l0, int64_t n)
{
	if (s)
		series_of(s, stat, l0, NULL, NULL)->value = n;
}

void stat_time(struct stats *s, enum stat_id stat, const char *l0, const char *l1, int64_t ms)
{
	if (!s)
		return;
	struct series *x = series_of(s, stat, l0, l1, NULL);
	size_t i = 0;
	while (i < COUNT(bounds) && ms > bounds[i])
		i++;
	x->buckets[i]++;
	x->value += ms;
}

void stats_model_call(struct stats *s, const struct model_config *config, const char *outcome, int64_t first_token_ms,
	int64_t ms, const struct model_usage *usage, int64_t cost_micros)
{
	if (!s)
		return;
	const char *lane = config->lane ? config->lane : "default", *model = config->name;
	bool ok = strcmp(outcome, "ok") == 0;
	stat_add(s, STAT_MODEL_CALLS, lane, model, outcome, 1);
	if (first_token_ms >= 0)
		stat_time(s, STAT_MODEL_FIRST_TOKEN, lane, model, first_token_ms);
	if (ok)
		stat_time(s, STAT_MODEL_DURATION, lane, model, ms);
	if (cost_micros)
		stat_add(s, STAT_MODEL_COST, lane, model, NULL, cost_micros);
	if (!usage)
		return;
	stat_add(s, STAT_MODEL_TOKENS, lane, model, "input", usage->input_tokens);
	stat_add(s, STAT_MODEL_TOKENS, lane, model, "output", usage->output_tokens);
	stat_add(s, STAT_MODEL_TOKENS, lane, model, "cache_write", usage->cache_write_tokens);
	stat_add(s, STAT_MODEL_TOKENS, lane, model, "cache_read", usage->cache_read_tokens);
}

void stats_model_retry(struct stats *s, const struct model_config *config, const char *code)
{
	if (s)
		stat_add(s, STAT_MODEL_RETRIES, config->lane ? config->lane : "default", config->name, code, 1);
}

void stats_tool_call(struct stats *s, const char *tool, const char *status, int64_t ms)
{
	stat_add(s, STAT_TOOL_CALLS, tool, status, NULL, 1);
	stat_time(s, STAT_TOOL_DURATION, tool, NULL, ms);
}

/* ---- printing ---- */

static void print_value(struct buf *to, enum stat_id stat, int64_t value)
{
	if (rows[stat].scale)
		buf_printf(to, " %.3f\n", (double)value / (double)rows[stat].scale);
	else
		buf_printf(to, " %ld\n", (long)value);
}

static void print_escaped(struct buf *to, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			buf_add(to, STR("\\n"));
		else
			buf_printf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

/* le = NULL: no such label. */
static void print_labels(struct buf *to, enum stat_id stat, const struct series *x, const char *le)
{
	const char *between = "{";
	for (size_t i = 0; i < LABELS && rows[stat].labels[i]; i++, between = ",") {
		buf_printf(to, "%s%s=\"", between, rows[stat].labels[i]);
		print_escaped(to, x->labels[i]);
		buf_add(to, STR("\""));
	}
	if (le)
		buf_printf(to, "%sle=\"%s\"", between, le);
	if (le || rows[stat].labels[0])
		buf_add(to, STR("}"));
}

static void print_histogram(struct buf *to, enum stat_id stat, const struct series *x)
{
	int64_t upto = 0;
	for (size_t i = 0; i < BUCKETS; i++) {
		char le[32] = "+Inf";
		if (i < COUNT(bounds))
			snprintf(le, sizeof(le), "%g", (double)bounds[i] / (double)rows[stat].scale);
		buf_printf(to, "%s_bucket", rows[stat].name);
		print_labels(to, stat, x, le);
		buf_printf(to, " %ld\n", (long)(upto += x->buckets[i]));
	}
	buf_printf(to, "%s_sum", rows[stat].name);
	print_labels(to, stat, x, NULL);
	print_value(to, stat, x->value);
	buf_printf(to, "%s_count", rows[stat].name);
	print_labels(to, stat, x, NULL);
	buf_printf(to, " %ld\n", (long)upto);
}

static void print_series(struct buf *to, enum stat_id stat, const struct series *x)
{
	if (rows[stat].type == HISTOGRAM) {
		print_histogram(to, stat, x);
		return;
	}
	buf_add(to, str_of(rows[stat].name));
	print_labels(to, stat, x, NULL);
	print_value(to, stat, x->value);
}

void stats_print(const struct stats *s, struct buf *to)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	for (enum stat_id stat = 0; stat < STATS; stat++) {
		buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", rows[stat].name, rows[stat].help, rows[stat].name,
			types[rows[stat].type]);
		for (const struct series *x = s->series[stat]; x; x = x->next)
			print_series(to, stat, x);
	}
}
