/* SPDX-License-Identifier: MIT */
#include "show.h"
#include <time.h>

enum { LABEL_WIDTH = 12, TIME_WIDTH = 12, MAX_NOTE = 200, MAX_CHILD = 80 };

cJSON *show_json(struct arena *a, const struct shown *s)
{
	cJSON *all = json_object(a);
	json_put_raw(all, "request", pg_text(&s->request, 0, "row"));
	json_put_copy(all, "timeline", pg_rows_json(a, &s->timeline));
	json_put_copy(all, "children", pg_rows_json(a, &s->children));
	return all;
}

/* ---- the head ---- */

static const char *value(const struct shown *s, const char *column)
{
	return pg_text(&s->request, 0, column);
}

static const char *number(struct arena *a, const struct shown *s, const char *column)
{
	return print_number(a, pg_i64(&s->request, 0, column));
}

static enum print_style status_style(const char *status)
{
	static const struct {
		const char *status;
		enum print_style style;
	} styles[] = { { "completed", STYLE_GREEN }, { "failed", STYLE_RED }, { "processing", STYLE_CYAN } };
	for (size_t i = 0; i < COUNT(styles); i++)
		if (strcmp(styles[i].status, status) == 0)
			return styles[i].style;
	return STYLE_YELLOW;
}

static void print_label(const struct printer *p, const char *label)
{
	print_styled(p, STYLE_DIM, "  %-*s", LABEL_WIDTH, label);
}

static void print_line(const struct printer *p, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	print_label(p, label);
	print_text(p, STYLE_PLAIN, str_of(text), LABEL_WIDTH + 2);
	fputc('\n', p->to);
}

static const char *local_time(struct arena *a, int64_t ms)
{
	struct tm tm;
	time_t at = (time_t)(ms / 1000);
	char text[64];
	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	return arena_text(a, str_of(text));
}

static const char *times(struct arena *a, const struct shown *s)
{
	const char *waited = print_duration(a, pg_i64(&s->request, 0, "waited_ms"));
	const char *ran = value(s, "ran_ms") ? print_duration(a, pg_i64(&s->request, 0, "ran_ms")) : NULL;
	bool ended = strcmp(value(s, "status"), "completed") == 0 || strcmp(value(s, "status"), "failed") == 0;
	return arena_printf(a, "%s; waited %s%s%s%s", local_time(a, pg_i64(&s->request, 0, "created_ms")), waited,
		ran ? ended ? ", took " : ", for " : "", ran ? ran : "", ran && !ended ? " so far" : "");
}

static const char *tokens(struct arena *a, const struct shown *s)
{
	const char *cost = pg_i64(&s->request, 0, "cost_micros") ? arena_printf(a, "; cost %.6f",
		(double)pg_i64(&s->request, 0, "cost_micros") / 1e6) : "";
	return arena_printf(a, "%s in, %s out, %s into and %s from the provider's cache%s", number(a, s, "input_tokens"),
		number(a, s, "output_tokens"), number(a, s, "cache_write_tokens"), number(a, s, "cache_read_tokens"), cost);
}

static const char *blocked_by(struct arena *a, const struct shown *s)
{
	if (pg_text(&s->blocker, 0, "before_id"))
		return arena_printf(a, "request %s before it in its session (%s)", pg_text(&s->blocker, 0, "before_id"),
			pg_text(&s->blocker, 0, "before_phase"));
	return pg_bool(&s->blocker, 0, "worker_lives") ? "a worker"
						       : "a worker, but none lives: drover worker starts one";
}

static const char *waits_for(struct arena *a, const struct shown *s)
{
	const char *phase = value(s, "phase");
	if (strcmp(phase, "ready") == 0)
		return s->blocker.n ? blocked_by(a, s) : "a worker";
	if (strcmp(phase, "scheduled") == 0 || strcmp(phase, "retry_wait") == 0) {
		int64_t due = pg_i64(&s->request, 0, "due_ms");
		return due > 0 ? arena_printf(a, "its time, in %s", print_duration(a, due))
			       : "its time, which has come: a worker";
	}
	if (strcmp(phase, "waiting_children") == 0 || strcmp(phase, "waiting_dependencies") == 0)
		return arena_printf(a, "%s more request%s to end", value(s, "waits_on"), pg_i64(&s->request, 0, "waits_on") == 1 ? "" : "s");
	return strcmp(phase, "waiting_approval") == 0 ? value(s, "asks") : NULL;
}

static const char *waits_for_and_why(struct arena *a, const struct shown *s)
{
	const char *what = waits_for(a, s), *phase = value(s, "phase");
	if (!what && strcmp(phase, "blocked") != 0)
		return NULL;
	return arena_printf(a, "%s; drover why %s says more", what ? what : "its session, a limit or a pause", value(s, "id"));
}

static void print_head(const struct printer *p, struct arena *a, const struct shown *s)
{
	const char *status = value(s, "status"), *phase = value(s, "phase");
	print_styled(p, STYLE_BOLD, "request %s ", value(s, "id"));
	print_brief(p, STYLE_BOLD, value(s, "type"), 0);
	print_styled(p, status_style(status), " %s", status);
	fprintf(p->to, "%s%s%s%s\n", strcmp(status, phase) ? ", " : "", strcmp(status, phase) ? phase : "",
		pg_bool(&s->request, 0, "cancel_requested") ? ", told to stop" : "",
		pg_bool(&s->request, 0, "dry_run") ? ", dry run" : "");
	print_line(p, "session", value(s, "session_id"));
	print_line(p, "user", value(s, "user_id"));
	print_line(p, "workspace", value(s, "workspace_id"));
	print_line(p, "parent", value(s, "parent_id"));
	print_line(p, "created", times(a, s));
	print_line(p, "priority", value(s, "priority"));
	print_line(p, "attempt", pg_i64(&s->request, 0, "attempt") ? value(s, "attempt") : NULL); /* none counts while it waits */
	print_line(p, "worker", value(s, "worker"));
	print_line(p, "waits for", waits_for_and_why(a, s));
	print_line(p, "agents", value(s, "agents"));
	print_line(p, "tokens", tokens(a, s));
	print_line(p, "asked", value(s, "request"));
	print_line(p, "context", value(s, "context"));
}

/* ---- what happened ---- */

static void print_title(const struct printer *p, const char *title)
{
	fputc('\n', p->to);
	print_styled(p, STYLE_BOLD, "%s", title);
	fputc('\n', p->to);
}

static enum print_style event_style(const char *event, const char *status)
{
	if (strcmp(event, "note") == 0)
		return strcmp(status, "error") == 0 ? STYLE_RED : STYLE_YELLOW;
	if (strcmp(event, "tool") == 0)
		return STYLE_CYAN;
	return status && strcmp(event, "turn") != 0 ? status_style(status) : STYLE_PLAIN;
}

static void print_event(const struct printer *p, struct arena *a, const struct pg_rows *t, int i)
{
	const char *event = pg_text(t, i, "event"), *what = pg_text(t, i, "what"), *status = pg_text(t, i, "status");
	bool is_attempt = strcmp(event, "attempt") == 0;
	bool is_step = strcmp(event, "tool") == 0 || strcmp(event, "turn") == 0;
	print_styled(p, STYLE_DIM, "  %*s  ", TIME_WIDTH, print_duration(a, pg_i64(t, i, "after_ms")));
	print_brief(p, event_style(event, status), event, 0);
	if (is_attempt)
		fprintf(p->to, " %s", pg_text(t, i, "attempt"));
	fputs(what ? " " : "", p->to);
	print_brief(p, STYLE_PLAIN, what ? what : "", MAX_NOTE);
	if (is_step) {
		fputs(", ", p->to);
		print_brief(p, STYLE_PLAIN, status, MAX_NOTE);
	}
	if (pg_text(t, i, "duration_ms"))
		fprintf(p->to, ", %s", print_duration(a, pg_i64(t, i, "duration_ms")));
	if (pg_text(t, i, "tokens"))
		fprintf(p->to, ", %s tokens", print_number(a, pg_i64(t, i, "tokens")));
	fputc('\n', p->to);
}

static void print_child(const struct printer *p, struct arena *a, const struct pg_rows *c, int i)
{
	const char *status = pg_text(c, i, "status"), *after = pg_text(c, i, "depends_on"),
		   *code = pg_text(c, i, "error_code");
	fprintf(p->to, "%*s%s ", 2 * (int)pg_i64(c, i, "depth"), "", pg_text(c, i, "id"));
	print_brief(p, STYLE_BOLD, pg_text(c, i, "type"), 0);
	print_styled(p, status_style(status), " %s", pg_text(c, i, "phase"));
	if (pg_text(c, i, "ran_ms"))
		fprintf(p->to, ", %s", print_duration(a, pg_i64(c, i, "ran_ms")));
	fputs(code ? ", " : "", p->to);
	print_brief(p, STYLE_PLAIN, code ? code : "", MAX_CHILD);
	fprintf(p->to, "%s%s  ", *after ? ", after " : "", after);
	print_brief(p, STYLE_DIM, pg_text(c, i, "request"), MAX_CHILD);
	fputc('\n', p->to);
}

/* The answer is said elsewhere, and what it took stands above. */
static bool holds_more(const cJSON *result)
{
	static const char *const shown[] = { "answer", "value", "turns", "tool_calls", NULL };
	const cJSON *item;
	json_each(item, result) {
		size_t i = 0;
		while (shown[i] && strcmp(shown[i], item->string) != 0)
			i++;
		if (!shown[i])
			return true;
	}
	return false;
}

/* The answer as it was meant to be read: its JSON where there is a schema, else its text; the whole only when it holds more. */
static void print_result(const struct printer *p, const char *result)
{
	ARENA_SCOPE(tmp);
	struct err ignored = { 0 };
	const cJSON *object = json_parse(tmp, str_of(result), &ignored), *read = json_get(object, "value");
	const char *answer = json_text(object, "answer");
	if (read || answer)
		print_title(p, "Answer");
	if (read) {
		print_json_pretty(p, json_print(tmp, read), 2);
	} else if (answer) {
		fputs("  ", p->to);
		print_text(p, STYLE_PLAIN, str_of(answer), 2);
		fputc('\n', p->to);
	}
	if (answer && !holds_more(object))
		return;
	print_title(p, "Result");
	print_json_pretty(p, result, 2);
}

static void print_end(const struct printer *p, const struct shown *s)
{
	const char *error = value(s, "error"), *code = value(s, "error_code");
	if (error) {
		print_title(p, "Error");
		fputs("  ", p->to);
		if (code && strcmp(code, error) != 0) {
			print_brief(p, STYLE_PLAIN, code, MAX_CHILD);
			fputs(": ", p->to);
		}
		print_text(p, STYLE_RED, str_of(error), 2);
		fputc('\n', p->to);
	}
	if (value(s, "result"))
		print_result(p, value(s, "result"));
}

void show_print(const struct printer *p, struct arena *a, const struct shown *s)
{
	print_head(p, a, s);
	print_title(p, "Timeline");
	for (int i = 0; i < s->timeline.n; i++)
		print_event(p, a, &s->timeline, i);
	if (s->children.n)
		print_title(p, "Children");
	for (int i = 0; i < s->children.n; i++)
		print_child(p, a, &s->children, i);
	print_end(p, s);
}
