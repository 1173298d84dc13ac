/* SPDX-License-Identifier: MIT */
#include "status.h"
#include "status_lanes.h"

void status_sum(struct status *s)
{
	s->live_workers = s->waiting = s->running = 0;
	s->claimed_last_minute = pg_i64(&s->ended, 0, "started_last_minute");
	for (int i = 0; i < s->depth.n; i++) {
		bool running = strcmp(pg_text(&s->depth, i, "phase"), "running") == 0;
		*(running ? &s->running : &s->waiting) += pg_i64(&s->depth, i, "n");
		s->claimed_last_minute += pg_i64(&s->depth, i, "started_last_minute");
	}
	for (int i = 0; i < s->workers.n; i++)
		s->live_workers += pg_bool(&s->workers, i, "live");
}

cJSON *status_json(struct arena *a, const struct status *s)
{
	cJSON *all = json_object(a);
	json_put_i64(all, "live_workers", s->live_workers);
	json_put_i64(all, "waiting", s->waiting);
	json_put_i64(all, "running", s->running);
	json_put_i64(all, "claimed_last_minute", s->claimed_last_minute);
	json_put_i64(all, "finished_last_minute", pg_i64(&s->ended, 0, "finished_last_minute"));
	json_put_copy(all, "alarms", alarms_json(a, &s->alarms));
	json_put_copy(all, "depth", pg_rows_json(a, &s->depth));
	if (s->oldest.n)
		json_put_copy(all, "oldest_ready", pg_row_json(a, &s->oldest, 0));
	json_put_copy(all, "ended_last_hour", pg_row_json(a, &s->ended, 0));
	json_put_copy(all, "times_last_hour", pg_row_json(a, &s->times, 0));
	json_put_copy(all, "failures_last_hour", pg_rows_json(a, &s->failures));
	json_put_copy(all, "workers", pg_rows_json(a, &s->workers));
	json_put_copy(all, "budgets", pg_rows_json(a, &s->budgets));
	json_put_copy(all, "lanes", pg_rows_json(a, &s->lanes));
	struct budget b = budget_of(s->config, s->live_workers, &s->connections);
	json_put_copy(all, "connections", budget_json(a, &b));
	return all;
}

/* ---- for people ---- */

static const char *number(struct arena *a, const struct pg_rows *rows, const char *column)
{
	return print_number(a, pg_i64(rows, 0, column));
}

static const char *duration(struct arena *a, const struct pg_rows *rows, int i, const char *column)
{
	return pg_text(rows, i, column) ? print_duration(a, pg_i64(rows, i, column)) : "-";
}

static void print_title(const struct printer *p, const char *title)
{
	fputc('\n', p->to);
	print_styled(p, STYLE_BOLD, "%s", title);
	fputc('\n', p->to);
}

static void print_summary(const struct printer *p, struct arena *a, const struct status *s)
{
	print_styled(p, s->live_workers ? STYLE_GREEN : STYLE_RED, "%lld live worker%s", (long long)s->live_workers,
		s->live_workers == 1 ? "" : "s");
	fprintf(p->to, ", %s running, %s waiting", print_number(a, s->running), print_number(a, s->waiting));
	fprintf(p->to, "; per minute %s claimed, %s finished\n", print_number(a, s->claimed_last_minute),
		number(a, &s->ended, "finished_last_minute"));
	if (!s->oldest.n)
		return;
	fprintf(p->to, "waiting longest: request %s (", pg_text(&s->oldest, 0, "id"));
	print_brief(p, STYLE_PLAIN, pg_text(&s->oldest, 0, "type"), 0);
	fprintf(p->to, "), %s\n", duration(a, &s->oldest, 0, "waiting_ms"));
}

static void print_depth(const struct printer *p, struct arena *a, const struct status *s)
{
	static const struct print_column columns[] = {
		{ "type", ALIGN_LEFT }, { "status", ALIGN_LEFT }, { "phase", ALIGN_LEFT }, { "requests", ALIGN_RIGHT },
		{ "oldest", ALIGN_RIGHT }, { 0 },
	};
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < s->depth.n; i++) {
		print_cell(t, STYLE_PLAIN, pg_text(&s->depth, i, "type"));
		print_cell(t, STYLE_PLAIN, pg_text(&s->depth, i, "status"));
		print_cell(t, STYLE_PLAIN, pg_text(&s->depth, i, "phase"));
		print_cell_i64(t, pg_i64(&s->depth, i, "n"));
		print_cell(t, STYLE_PLAIN, duration(a, &s->depth, i, "oldest_ms"));
	}
	print_title(p, "Queue");
	if (s->depth.n)
		print_table_end(t, p, 2);
	else
		fprintf(p->to, "  empty\n");
}

/* A lease is renewed long before it runs out: one that has used two thirds of its time is in trouble. */
static bool is_late(const struct pg_rows *w, int i)
{
	int64_t age = pg_i64(w, i, "heartbeat_age_ms"), left = pg_i64(w, i, "lease_left_ms");
	return 3 * age > 2 * (age + left);
}

static void print_worker(struct print_table *t, struct arena *a, const struct pg_rows *w, int i)
{
	bool live = pg_bool(w, i, "live");
	const char *state = !live ? "lost" : pg_bool(w, i, "draining") ? "draining" : "live";
	print_cell(t, STYLE_PLAIN, arena_printf(a, "%s:%s", pg_text(w, i, "host"), pg_text(w, i, "pid")));
	print_cell(t, !live ? STYLE_RED : is_late(w, i) ? STYLE_YELLOW : STYLE_GREEN, state);
	print_cell(t, STYLE_PLAIN, arena_printf(a, "%s/%s", pg_text(w, i, "running"), pg_text(w, i, "slots")));
	print_cell(t, STYLE_PLAIN, duration(a, w, i, "heartbeat_age_ms"));
	print_cell(t, live ? STYLE_PLAIN : STYLE_RED, live ? duration(a, w, i, "lease_left_ms") : "ran out");
	print_cell_i64(t, pg_i64(w, i, "claimed"));
	print_cell_i64(t, pg_i64(w, i, "finished"));
	print_cell(t, STYLE_PLAIN, duration(a, w, i, "up_ms"));
	print_cell(t, STYLE_PLAIN, pg_text(w, i, "version"));
}

static void print_workers(const struct printer *p, struct arena *a, const struct status *s)
{
	static const struct print_column columns[] = {
		{ "worker", ALIGN_LEFT },
		{ "state", ALIGN_LEFT },
		{ "load", ALIGN_RIGHT },
		{ "heartbeat", ALIGN_RIGHT },
		{ "lease", ALIGN_RIGHT },
		{ "claimed", ALIGN_RIGHT },
		{ "finished", ALIGN_RIGHT },
		{ "up", ALIGN_RIGHT },
		{ "version", ALIGN_LEFT },
		{ 0 },
	};
	struct print_table *t = print_table_new(a, columns);
	struct budget b = budget_of(s->config, s->live_workers, &s->connections);
	for (int i = 0; i < s->workers.n; i++)
		print_worker(t, a, &s->workers, i);
	print_title(p, "Workers");
	if (!s->workers.n) {
		fprintf(p->to, "  none; start one with drover worker\n");
		return;
	}
	print_table_end(t, p, 2);
	fprintf(p->to, "  connections: %s\n", budget_text(a, s->config, &b));
}

static void print_hour(const struct printer *p, struct arena *a, const struct status *s)
{
	print_title(p, "Last hour");
	fprintf(p->to, "  %s completed, %s failed\n", number(a, &s->ended, "completed"),
		number(a, &s->ended, "failed"));
	fprintf(p->to, "  waited p50 %s, p99 %s; ran p50 %s, p99 %s\n", duration(a, &s->times, 0, "wait_p50_ms"),
		duration(a, &s->times, 0, "wait_p99_ms"), duration(a, &s->times, 0, "run_p50_ms"),
		duration(a, &s->times, 0, "run_p99_ms"));
	fprintf(p->to, "  tokens: %s in, %s out, %s into and %s from the provider's cache\n",
		number(a, &s->ended, "input_tokens"), number(a, &s->ended, "output_tokens"),
		number(a, &s->ended, "cache_write_tokens"), number(a, &s->ended, "cache_read_tokens"));
}

static void print_failures(const struct printer *p, struct arena *a, const struct status *s)
{
	static const struct print_column columns[] = {
		{ "error_code", ALIGN_LEFT },
		{ "requests", ALIGN_RIGHT },
		{ "newest", ALIGN_RIGHT },
		{ "ago", ALIGN_RIGHT },
		{ 0 },
	};
	struct print_table *t = print_table_new(a, columns);
	for (int i = 0; i < s->failures.n; i++) {
		print_cell(t, STYLE_RED, pg_text(&s->failures, i, "error_code"));
		print_cell_i64(t, pg_i64(&s->failures, i, "n"));
		print_cell(t, STYLE_PLAIN, pg_text(&s->failures, i, "newest_id"));
		print_cell(t, STYLE_PLAIN, duration(a, &s->failures, i, "newest_ms"));
	}
	if (!s->failures.n)
		return;
	print_title(p, "Failures of the last hour");
	print_table_end(t, p, 2);
}

void status_print(const struct printer *p, struct arena *a, const struct status *s)
{
	alarms_print(p, a, &s->alarms);
	print_summary(p, a, s);
	print_depth(p, a, s);
	print_workers(p, a, s);
	status_lanes_print(p, a, &s->lanes);
	print_hour(p, a, s);
	status_budgets_print(p, a, &s->budgets);
	print_failures(p, a, s);
}
