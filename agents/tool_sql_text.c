/* SPDX-License-Identifier: MIT */
/*
 * From a statement with :names to one with $n. The scanner knows what Postgres' own lexer calls quotes and comments, and
 * no grammar: whether the statement is one at all, the server says when doctor prepares it.
 */
#include "tool_sql.h"
#include <strings.h>

enum { TEXT_BYTES = 256 * 1024 };

struct scan {
	const struct tool_sql_source *source;
	const char *text;
	size_t n, at;
	size_t copied;      /* of text, into out */
	struct buf *out;
	int *params, n_params;
	int depth;          /* of brackets */
	bool with, name_next; /* in a list of WITH; the next word is a name there */
	bool first_seen, returning, merge;
	size_t main;        /* in out: where the statement after WITH begins; SIZE_MAX = not yet */
	bool main_changes;
	size_t *where;
	struct err *e;
};

static bool wrong(struct scan *s, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);
static bool wrong(struct scan *s, size_t at, const char *format, ...)
{
	char what[256];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	*s->where = at;
	return FAIL(s->e, ERR_INPUT, "bad_statement", "%s", what);
}

/* ---- words ---- */

static bool begins_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool in_word(char c)
{
	return begins_word(c) || (c >= '0' && c <= '9') || c == '$';
}

static struct str word_at(const struct scan *s, size_t at)
{
	size_t end = at;
	while (end < s->n && in_word(s->text[end]))
		end++;
	return (struct str){ s->text + at, end - at };
}

static bool is_word(struct str word, const char *keyword)
{
	return word.n == strlen(keyword) && strncasecmp(word.p, keyword, word.n) == 0;
}

static bool is_one_of(struct str word, const char *const *keywords)
{
	for (; *keywords; keywords++)
		if (is_word(word, *keywords))
			return true;
	return false;
}

/* ---- parameters ---- */

static const struct {
	const char *name, *type;
	int param;
} given[] = {
	{ "user_id", "uuid", SQL_USER_ID },       { "workspace_id", "uuid", SQL_WORKSPACE_ID },
	{ "session_id", "uuid", SQL_SESSION_ID }, { "request_id", "bigint", SQL_REQUEST_ID },
};

static const char *const types[] = {
	[FIELD_TEXT] = "text", [FIELD_I64] = "bigint", [FIELD_BOOL] = "boolean", [FIELD_DATE] = "date",
	[FIELD_JSON] = "jsonb", [FIELD_TEXTS] = "text[]", [FIELD_I64S] = "bigint[]", [FIELD_OBJECTS] = "jsonb",
};

static const char *find(const struct scan *s, struct str name, int *param)
{
	for (size_t i = 0; i < COUNT(given); i++)
		if (str_is(name, given[i].name)) {
			*param = given[i].param;
			return given[i].type;
		}
	for (int i = 0; s->source->fields[i].name; i++)
		if (str_is(name, s->source->fields[i].name)) {
			*param = i;
			return types[s->source->fields[i].type];
		}
	return NULL;
}

static void copy_to(struct scan *s, size_t at)
{
	buf_add(s->out, (struct str){ s->text + s->copied, at - s->copied });
	s->copied = at;
}

static int number_of(struct scan *s, int param)
{
	int i = 0;
	while (i < s->n_params && s->params[i] != param)
		i++;
	if (i == s->n_params && i < TOOL_SQL_PARAMS)
		s->params[s->n_params++] = param;
	return i + 1;
}

static bool take_parameter(struct scan *s)
{
	struct str name = word_at(s, s->at + 1);
	int param;
	const char *type = find(s, name, &param);
	if (!type)
		return wrong(s, s->at, "unknown parameter :%.*s; add it to input, or write a blank after a colon that begins none",
			(int)MIN_OF(name.n, (size_t)63), name.p);
	copy_to(s, s->at);
	int number = number_of(s, param);
	if (number > TOOL_SQL_PARAMS)
		return wrong(s, s->at, "more than %d parameters", TOOL_SQL_PARAMS);
	buf_printf(s->out, "($%d::%s)", number, type);
	s->at = s->copied = s->at + 1 + name.n;
	return true;
}

static bool check_quoted(struct scan *s, size_t from, size_t to)
{
	int ignored;
	for (size_t i = from; i + 1 < to; i++)
		if (s->text[i] == ':' && s->text[i - 1] != ':' && begins_word(s->text[i + 1]) && find(s, word_at(s, i + 1), &ignored))
			return wrong(s, i, "a parameter within quotes is nothing but text; take the quotes away, and join texts by ||");
	return true;
}

/* ---- what is not looked into ---- */

static bool skip_quotes(struct scan *s, char quote, bool escapes)
{
	size_t from = s->at++;
	for (; s->at < s->n; s->at++) {
		if (escapes && s->text[s->at] == '\\')
			s->at++;
		else if (s->text[s->at] == quote && s->text[s->at + 1] == quote)
			s->at++;
		else if (s->text[s->at] == quote)
			break;
	}
	if (s->at >= s->n)
		return wrong(s, from, "this quote is not closed");
	s->at++;
	return check_quoted(s, from + 1, s->at);
}

static bool skip_dollar(struct scan *s)
{
	size_t from = s->at, end = from + 1;
	while (end < s->n && in_word(s->text[end]) && s->text[end] != '$')
		end++;
	if (s->text[from + 1] >= '0' && s->text[from + 1] <= '9')
		return wrong(s, from, "parameters have names here: write :name, and the field into input");
	if (end >= s->n || s->text[end] != '$') {
		s->at++;
		return true;
	}
	size_t tag = end + 1 - from;
	const char *close = memmem(s->text + end + 1, s->n - end - 1, s->text + from, tag);
	if (!close)
		return wrong(s, from, "this quote is not closed");
	s->at = (size_t)(close - s->text) + tag;
	return check_quoted(s, end + 1, s->at);
}

static bool skip_comment(struct scan *s)
{
	size_t from = s->at;
	int deep = 0;
	do {
		bool opens = s->text[s->at] == '/' && s->text[s->at + 1] == '*', closes = s->text[s->at] == '*' && s->text[s->at + 1] == '/';
		deep += opens - closes;
		s->at += opens || closes ? 2 : 1;
	} while (deep && s->at < s->n);
	return !deep || wrong(s, from, "this comment is not closed");
}

static void skip_line(struct scan *s)
{
	while (s->at < s->n && s->text[s->at] != '\n')
		s->at++;
}

/* ---- the statement's shape ---- */

static const char *const reads[] = { "select", "with", "values", "table", NULL };
static const char *const changes[] = { "insert", "update", "delete", "merge", NULL };

static bool check_first(struct scan *s, struct str word)
{
	s->first_seen = true;
	bool with = is_word(word, "with"), read = is_one_of(word, reads), change = is_one_of(word, changes);
	if (!read && !change)
		return wrong(s, s->at, "a statement begins with select, with, values, insert, update, delete or merge");
	if (change && !s->source->write)
		return wrong(s, s->at, "a tool that reads cannot %.*s; write 'write: true' below sql", (int)word.n, word.p);
	s->with = s->name_next = with && !s->depth;
	return true;
}

static void note_word(struct scan *s, struct str word)
{
	bool change = is_one_of(word, changes);
	if (s->depth)
		return;
	if (s->main != SIZE_MAX) {
		s->returning |= is_word(word, "returning");
	} else if (s->with && is_word(word, "with")) {
		return;
	} else if (s->with && s->name_next) {
		s->name_next = is_word(word, "recursive");
	} else if (change || (is_one_of(word, reads) && !is_word(word, "with"))) {
		copy_to(s, s->at);
		s->main = s->out->n;
		s->main_changes = change;
		s->merge = is_word(word, "merge");
	}
}

static bool take_word(struct scan *s)
{
	struct str word = word_at(s, s->at);
	if (!s->first_seen && !check_first(s, word))
		return false;
	if (is_word(word, "set_config"))
		return wrong(s, s->at, "set_config would change whose rights and rows the statement has; take it out");
	note_word(s, word);
	s->at += word.n;
	if (s->at < s->n && s->text[s->at] == '\'' && (is_word(word, "e")))
		return skip_quotes(s, '\'', true);
	return true;
}

static bool take_bracket(struct scan *s, char c)
{
	s->depth += c == '(' || c == '[' ? 1 : -1;
	if (s->depth < 0)
		return wrong(s, s->at, "this bracket closes nothing");
	if (s->main == SIZE_MAX && s->depth == 1 && !s->first_seen && c == '(') {
		copy_to(s, s->at);
		s->main = s->out->n; /* (select ...) union ... */
	}
	s->at++;
	return true;
}

static bool take_colon(struct scan *s)
{
	char next = s->text[s->at + 1];
	if (begins_word(next))
		return take_parameter(s);
	s->at += next == ':' || next == '=' ? 2 : 1;
	return true;
}

static bool take_next(struct scan *s)
{
	char c = s->text[s->at], next = s->text[s->at + 1];
	if (begins_word(c))
		return take_word(s);
	if (c == '-' && next == '-')
		return skip_line(s), true;
	if (c == '/' && next == '*')
		return skip_comment(s);
	if (c == '\'' || c == '"')
		return skip_quotes(s, c, false);
	if (c == '$')
		return skip_dollar(s);
	if (c == ':')
		return take_colon(s);
	if (strchr("()[]", c))
		return take_bracket(s, c);
	if (c >= '0' && c <= '9')
		return s->at += word_at(s, s->at).n, true;
	if (c == ',' && !s->depth && s->with && s->main == SIZE_MAX)
		s->name_next = true;
	s->at++;
	return true;
}

/* What follows the last semicolon must be nothing. */
static bool check_tail(struct scan *s)
{
	while (s->at < s->n) {
		char c = s->text[s->at], next = s->text[s->at + 1];
		if (c == '-' && next == '-')
			skip_line(s);
		else if (c == '/' && next == '*' && !skip_comment(s))
			return false;
		else if (c != '/' && !strchr(" \t\r\n\f\v", c))
			return wrong(s, s->at, "a second statement; a tool is one: join them by WITH, or make it two tools");
		else if (c != '/')
			s->at++;
		else if (next != '*')
			return wrong(s, s->at, "a second statement; a tool is one: join them by WITH, or make it two tools");
	}
	return true;
}

static bool scan_all(struct scan *s)
{
	while (s->at < s->n && s->text[s->at] != ';')
		if (!take_next(s))
			return false;
	copy_to(s, s->at);
	if (s->depth)
		return wrong(s, s->at, "%d brackets are not closed", s->depth);
	if (!s->first_seen)
		return wrong(s, 0, "there is no statement");
	if (s->at < s->n) {
		s->at++;
		return check_tail(s);
	}
	return true;
}

/* ---- limits around it ---- */

/*
 * The server makes the rows into JSON and stops sending where it is enough, so no result is larger than its limits.
 * One more row than wanted tells that there are more. A WITH query that changes rows runs to its end whatever is read of it; one
 * that only calls functions does because it is counted.
 */
#define ROWS_OF "select case when drover_sum <= %lld then drover_row end as drover_row, drover_total from (select drover_row, " \
	"drover_total, sum(octet_length(drover_row)) over (rows unbounded preceding) as drover_sum from (select " \
	"pg_catalog.to_json(drover_it)::text as drover_row, %s as drover_total from "
#define ROWS_END " limit %lld) as drover_rows) as drover_sums"

static void wrap_read(const struct scan *s, struct buf *to)
{
	buf_printf(to, ROWS_OF "(\n", (long long)s->source->bytes, "null::bigint");
	buf_add(to, buf_str(s->out));
	buf_printf(to, "\n) as drover_it" ROWS_END, (long long)s->source->rows + 1);
}

static void wrap_write(const struct scan *s, struct buf *to)
{
	struct str all = buf_str(s->out), main = { all.p + s->main, all.n - s->main };
	buf_add(to, (struct str){ all.p, s->main });
	buf_printf(to, "%s drover_it as (\n%.*s%s\n) ", s->with ? "," : "with", (int)main.n, main.p,
		s->main_changes && !s->returning ? "\nreturning 1" : "");
	if (s->main_changes && !s->returning)
		buf_add(to, STR("select count(*) as drover_changed from drover_it"));
	else
		buf_printf(to, ROWS_OF "drover_it" ROWS_END, (long long)s->source->bytes, "count(*) over ()",
			(long long)s->source->rows + 1);
}

bool tool_sql_compile(struct arena *a, const struct tool_sql_source *source, struct tool_sql_text *out, size_t *at,
	struct err *e)
{
	struct scan s = { .source = source, .text = source->statement, .n = strlen(source->statement),
		.out = buf_new(a, TEXT_BYTES), .params = arena_alloc(a, TOOL_SQL_PARAMS * sizeof(int)), .main = SIZE_MAX,
		.where = at, .e = e };
	struct buf *text = buf_new(a, TEXT_BYTES);
	*at = 0;
	if (!scan_all(&s))
		return false;
	if (s.main == SIZE_MAX)
		return wrong(&s, 0, "after WITH there is no select, values, insert, update, delete or merge");
	bool silent = source->write && s.merge; /* before Postgres 17 it gives no rows */
	if (silent)
		buf_add(text, buf_str(s.out));
	else
		(source->write ? wrap_write : wrap_read)(&s, text);
	if (text->full || s.out->full)
		return wrong(&s, 0, "with its parameters the statement is larger than %d bytes", TEXT_BYTES);
	*out = (struct tool_sql_text){ buf_str(text).p, s.n_params, s.params, !silent && s.main_changes && !s.returning, silent };
	return true;
}
