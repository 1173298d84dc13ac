/* SPDX-License-Identifier: MIT */
/* enqueue: asks an agent from the command line, as the app does by an insert. */
#include "commands.h"
#include "commands_sql.h"
#include "follow.h"
#include "queue_sql.h"

enum { MAX_REQUEST = 262144 }; /* as the table's constraint */

struct enqueue_options {
	const char *session, *user, *context;
	int64_t priority;
	bool dry_run, wait, json;
};

#define AT(c_type, member) FLAG_AT(struct enqueue_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "session", "UUID", FLAG_UUID, AT(const char *, session),
		"The conversation it belongs to; without it a new one" },
	{ 0, "user", "UUID", FLAG_UUID, AT(const char *, user),
		"Whose request: the agent works with this user's rights" },
	{ 0, "context", "JSON", FLAG_JSON, AT(const char *, context), "An object that the agent sees beside the text",
		.preset = "{}" },
	{ 0, "priority", "N", FLAG_NUMBER, AT(int64_t, priority), "Smaller is sooner", .preset = "100", .max = 1000 },
	{ 0, "dry-run", NULL, FLAG_SWITCH, AT(bool, dry_run), "Tools run, but what they write is rolled back" },
	{ 0, "wait", NULL, FLAG_SWITCH, AT(bool, wait),
		"Follow the log on stderr until it has ended, then print the answer on stdout" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "JSON on stdout; with --wait the log is JSON too" },
	{ 0 },
};

static const struct word words[] = {
	{ "TYPE", "The agent: orchestrator, or one that the workers know by this name", WORD_TEXT },
	{ "TEXT", "What to do, in words; - reads it from stdin", WORD_TEXT },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover enqueue orchestrator 'Plan and staff project APOLLO' --wait", "Ask, watch, and print the answer." },
	{ "drover enqueue quotes - --json < letter.txt", "Text from a file; prints {\"id\":...,\"session_id\":...}." },
	{ 0 },
};

static bool read_stdin(struct arena *a, const char **text, struct err *e)
{
	struct buf *b = buf_new(a, MAX_REQUEST);
	char piece[1024];
	for (size_t n; (n = fread(piece, 1, sizeof(piece), stdin)) > 0;)
		buf_add(b, (struct str){ piece, n });
	if (b->full)
		return FAIL(e, ERR_INPUT, "too_large", "the text on stdin is larger than %d bytes", MAX_REQUEST);
	if (ferror(stdin) || !utf8_valid(buf_str(b)))
		return FAIL(e, ERR_INPUT, "bad_input", "the text on stdin cannot be read, or is not UTF-8");
	*text = arena_text(a, buf_str(b));
	return true;
}

static bool insert(struct command_run *run, struct pg *db, struct pg_rows *made, struct err *e)
{
	const struct enqueue_options *o = run->options;
	const char *text = run->words[1];
	if (strcmp(text, "-") == 0 && !read_stdin(run->arena, &text, e))
		return false;
	if (!*text)
		return command_usage(run, e, "TEXT is empty");
	struct pg_args args = PG_ARGS(PG(o->session), PG(o->user), PG(run->words[0]), PG(text), PG(o->context),
		PG(o->priority), PG(o->dry_run));
	return pg_query(db, run->arena, &sql_enqueue, args, command_deadline(), made, e);
}

static void tell_made(const struct printer *p, const struct pg_rows *made, bool json)
{
	ARENA_SCOPE(tmp);
	if (json)
		print_json(p, pg_row_json(tmp, made, 0));
	else
		fprintf(p->to, "request %s, session %s\n", pg_text(made, 0, "id"), pg_text(made, 0, "session_id"));
}

/* ---- waiting ---- */

static void print_answer(const struct printer *p, const char *result)
{
	ARENA_SCOPE(tmp);
	struct err ignored = { 0 };
	const cJSON *value = result ? json_parse(tmp, str_of(result), &ignored) : NULL;
	const char *answer = json_text(value, "answer");
	if (answer)
		print_text(p, STYLE_PLAIN, str_of(answer), 0);
	else
		print_json_pretty(p, result ? result : "null", 0);
	if (answer)
		fputc('\n', p->to);
}

static bool tell_end(struct command_run *run, struct pg *db, int64_t id, struct err *e)
{
	const struct enqueue_options *o = run->options;
	struct pg_rows rows;
	if (!pg_query(db, run->arena, &sql_tail_result, PG_ARGS(PG(id)), command_deadline(), &rows, e))
		return false;
	if (!rows.n)
		return FAIL(e, ERR_INPUT, "no_request", "request %lld was deleted", (long long)id);
	bool completed = strcmp(pg_text(&rows, 0, "status"), "completed") == 0;
	if (o->json)
		print_json(&run->out, pg_row_json(run->arena, &rows, 0));
	else if (completed)
		print_answer(&run->out, pg_text(&rows, 0, "result"));
	if (completed)
		return true;
	const char *error = pg_text(&rows, 0, "error"), *code = pg_text(&rows, 0, "error_code");
	return FAIL(e, ERR_INPUT, "request_failed", "request %lld ended in %s: %s (%s)", (long long)id,
		pg_text(&rows, 0, "phase"), error ? error : "", code ? code : "");
}

static bool follow_body(void *arg, struct err *e)
{
	return follow_run(arg, e);
}

static bool wait_for(struct command_run *run, struct pg *db, int64_t id, struct err *e)
{
	const struct enqueue_options *o = run->options;
	struct follow f = { .db = db, .out = print_to(stderr), .request_id = id, .json = o->json };
	bool stopped;
	if (!command_until_signal(follow_body, &f, &stopped, e))
		return false;
	if (stopped)
		return FAIL(e, ERR_CANCELLED, "stopped",
			"stopped waiting; request %lld goes on (drover cancel %lld ends it)", (long long)id,
			(long long)id);
	return tell_end(run, db, id, e);
}

static bool enqueue_run(struct command_run *run, struct err *e)
{
	const struct enqueue_options *o = run->options;
	struct printer err = print_to(stderr);
	struct pg_rows made;
	struct pg *db = command_db(run, e);
	if (!db || !insert(run, db, &made, e))
		return false;
	tell_made(o->wait ? &err : &run->out, &made, o->json);
	return !o->wait || wait_for(run, db, pg_i64(&made, 0, "id"), e);
}

const struct command command_enqueue = {
	.name = "enqueue",
	.text = "Ask an agent: insert a request",
	.more = "Prints the number of the request and its session. With --wait the exit code is 0 when the "
		"request completed and 1 when it failed.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct enqueue_options),
	.examples = examples,
	.run = enqueue_run,
};
