/* SPDX-License-Identifier: MIT */
#include "follow_print.h"
#include <time.h>

enum { AGENT_WIDTH = 14, MAX_ARGUMENTS = 240, MAX_OUTPUT = 160, MAX_ANSWER = 100, TEXT_INDENT = 4 };

static const struct kind {
	const char *name;
	enum print_style style;
	bool joins; /* rows in a row are one text */
	const char *label;
} kinds[] = {
	{ "thinking", STYLE_DIM, true, "thinking " },
	{ "text", STYLE_PLAIN, true, "" },
	{ "tool_call", STYLE_CYAN, false, "tool_call " },
	{ "tool_result", STYLE_CYAN, false, "tool_result " },
	{ "status", STYLE_YELLOW, false, "status " },
	{ "error", STYLE_RED, false, "error " },
	{ "complete", STYLE_GREEN, false, "complete " },
	{ "", STYLE_PLAIN, false, "" }, /* of a newer schema */
};

static const struct kind *kind_of(const char *name)
{
	const struct kind *k = kinds;
	while (*k->name && strcmp(k->name, name) != 0)
		k++;
	return k;
}

void follow_print_end(const struct printer *out, struct follow_line *line)
{
	if (line->kind)
		fputc('\n', out->to);
	line->kind = NULL;
	line->breaks = 0;
}

static void print_head(const struct printer *out, const struct pg_rows *rows, int i)
{
	ARENA_SCOPE(tmp);
	struct tm tm;
	time_t at = (time_t)(pg_i64(rows, i, "at_ms") / 1000);
	localtime_r(&at, &tm);
	print_styled(out, STYLE_DIM, "%02d:%02d:%02d #%lld ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(long long)pg_i64(rows, i, "request_id"));
	const char *agent = print_clean(tmp, pg_text(rows, i, "agent_name"), AGENT_WIDTH);
	print_styled(out, STYLE_BOLD, "%-*s ", AGENT_WIDTH, agent);
}

static void print_tool_call(const struct printer *out, const cJSON *data)
{
	ARENA_SCOPE(tmp);
	const cJSON *input = json_get(data, "input");
	print_brief(out, STYLE_CYAN, json_text(data, "tool"), 0);
	fputc(' ', out->to);
	print_brief(out, STYLE_PLAIN, input ? json_print(tmp, input) : "", MAX_ARGUMENTS);
}

static void print_tool_result(const struct printer *out, const char *message, const cJSON *data)
{
	ARENA_SCOPE(tmp);
	const cJSON *output = json_get(data, "output");
	bool failed = json_true(data, "is_error");
	char status[32];
	const char *text = cJSON_IsString(output) ? output->valuestring : output ? json_print(tmp, output) : "";
	print_brief(out, STYLE_CYAN, json_text(data, "tool"), 0);
	if (sscanf(message, "%*[^:]: %31[a-z_]", status) != 1) /* "crm_note: dry_run, 3 ms" */
		snprintf(status, sizeof(status), "%s", failed ? "refused" : "done");
	print_styled(out, failed ? STYLE_RED : STYLE_GREEN, " %s ", status);
	print_brief(out, STYLE_DIM, text, MAX_OUTPUT);
}

/* Line breaks at the end of a piece wait for the next piece: nobody wants to see them at the end of a thought. */
static void print_piece(const struct printer *out, enum print_style style, struct follow_line *line, struct str text)
{
	ARENA_SCOPE(tmp);
	struct str body = text;
	while (body.n && body.p[body.n - 1] == '\n')
		body.n--;
	struct buf *b = buf_new(tmp, text.n + line->breaks);
	for (; body.n && line->breaks; line->breaks--)
		buf_add(b, STR("\n"));
	buf_add(b, body);
	print_text(out, style, buf_str(b), TEXT_INDENT);
	line->breaks += text.n - body.n;
}

static void print_message(const struct printer *out, const struct kind *k, struct follow_line *line,
	const struct pg_rows *rows, int i)
{
	ARENA_SCOPE(tmp);
	struct err ignored = { 0 };
	const char *text = pg_text(rows, i, "data");
	const cJSON *data = text ? json_parse(tmp, str_of(text), &ignored) : NULL;
	if (json_text(data, "tool") && strcmp(k->name, "tool_call") == 0)
		print_tool_call(out, data);
	else if (json_text(data, "tool") && strcmp(k->name, "tool_result") == 0)
		print_tool_result(out, pg_text(rows, i, "message"), data);
	else if (strcmp(k->name, "complete") == 0) /* the answer, which was shown while it was written */
		print_brief(out, k->style, pg_text(rows, i, "message"), MAX_ANSWER);
	else
		print_piece(out, k->style, line, str_of(pg_text(rows, i, "message")));
}

static bool continues(const struct follow_line *line, const struct kind *k, int64_t id, const char *agent)
{
	return line->kind == k->name && k->joins && line->request_id == id && strcmp(line->agent, agent) == 0;
}

void follow_print_row(const struct printer *out, struct follow_line *line, const struct pg_rows *rows, int i)
{
	const struct kind *k = kind_of(pg_text(rows, i, "kind"));
	int64_t id = pg_i64(rows, i, "request_id");
	const char *agent = pg_text(rows, i, "agent_name");
	if (!continues(line, k, id, agent)) {
		follow_print_end(out, line);
		print_head(out, rows, i);
		print_styled(out, k->style, "%s", k->label);
	}
	print_message(out, k, line, rows, i);
	line->request_id = id;
	line->kind = k->name;
	snprintf(line->agent, sizeof(line->agent), "%s", agent);
}
