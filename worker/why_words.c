/* SPDX-License-Identifier: MIT */
/* The words for each cause: one function a cause, found by its name. */
#include "why_inner.h"

/* ---- pieces ---- */

static struct why_words words(const char *text, const char *todo)
{
	return (struct why_words){ text, todo };
}

/* A word of a command line that somebody will copy: a type can be called anything. */
static const char *shell_word(struct arena *a, const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	enum { WORD_MOST = 4096 };
	if (*word && *word != '-' && !word[strspn(word, safe)])
		return word;
	struct buf *b = buf_new(a, WORD_MOST);
	buf_add(b, STR("'"));
	for (; *word; word++)
		buf_add(b, *word == '\'' ? STR("'\\''") : (struct str){ word, 1 });
	buf_add(b, STR("'"));
	return buf_str(b).p;
}

static const char *text_or(const cJSON *c, const char *name, const char *other)
{
	const char *text = json_text(c, name);
	return text ? text : other;
}

static const char *ago(struct arena *a, const cJSON *c)
{
	return print_duration(a, MAX_OF(json_i64(c, "for_ms", 0), 0));
}

/* "type quotes", "all" as it is written on a command line; for words it is the same. */
static const char *place(struct arena *a, const cJSON *c, const char *key)
{
	const char *scope = text_or(c, "scope", "");
	return *key ? arena_printf(a, "%s %s", scope, shell_word(a, key)) : scope;
}

static const char *whole_queue_or(struct arena *a, const cJSON *c)
{
	const char *key = text_or(c, "key", "");
	return *key ? arena_printf(a, "%s %s", text_or(c, "scope", ""), key) : "the whole queue";
}

/* "12, 13, 14 and others" */
static const char *ids(struct arena *a, const cJSON *c)
{
	const cJSON *list = json_get(c, "ids"), *item;
	const char *text = "";
	json_each (item, list)
		text = arena_printf(a, "%s%s%.0f", text, *text ? ", " : "", cJSON_GetNumberValue(item));
	return json_i64(c, "n", 0) > cJSON_GetArraySize(list) ? arena_printf(a, "%s and others", text) : text;
}

static const char *error_of(struct arena *a, const cJSON *c)
{
	const char *error = json_text(c, "error"), *code = json_text(c, "code");
	return arena_printf(a, "%s%s%s%s%s", error ? ": " : "", error ? error : "", code ? " (" : "",
		code ? code : "", code ? ")" : "");
}

/* ---- its own state ---- */

struct asked {
	const struct why *w;
	const cJSON *c;
	const char *id, *phase;
};

static struct why_words say_ended(struct arena *a, const struct asked *q)
{
	const char *phase = text_or(q->c, "phase", "");
	bool again = strcmp(phase, "failed") == 0 || strcmp(phase, "cancelled") == 0;
	const char *root = arena_printf(a, "%ld", (long)json_i64(q->c, "parent", 0)),
		   *id = json_get(q->c, "parent") ? root : q->id;
	return words(arena_printf(a, "it ended %s ago: %s%s", ago(a, q->c), phase, error_of(a, q->c)),
		again ? arena_printf(a, "drover show %s tells more; drover retry %s runs it again", q->id, id)
		      : arena_printf(a, "drover show %s", q->id));
}

static struct why_words say_running(struct arena *a, const struct asked *q)
{
	const cJSON *c = q->c;
	return words(
		arena_printf(a,
			"it runs: attempt %ld, for %s, on %s, whose lease was renewed %s ago and lasts %s more%s",
			(long)json_i64(c, "attempt", 0), ago(a, c), text_or(c, "worker", "?"),
			print_duration(a, json_i64(c, "heartbeat_ms", 0)),
			print_duration(a, json_i64(c, "lease_ms", 0)),
			json_true(c, "draining") ? "; the worker is draining" : ""),
		arena_printf(a, "drover tail %s", q->id));
}

static struct why_words say_lost(struct arena *a, const struct asked *q)
{
	const char *worker = json_text(q->c, "worker");
	int64_t over = MAX_OF(-json_i64(q->c, "lease_ms", 0), 0);
	if (!worker)
		return words(arena_printf(a,
				     "it runs in the name of a worker that is not there (%s): nobody takes it over",
				     text_or(q->c, "worker_id", "none")),
			"drover status names the mend");
	return words(arena_printf(a,
			     "it ran on %s, attempt %ld, but that worker's lease ran out %s ago: the next look of "
			     "a live worker takes it over",
			     worker, (long)json_i64(q->c, "attempt", 0), print_duration(a, over)),
		"drover status: does a worker live? drover worker starts one");
}

static struct why_words say_scheduled(struct arena *a, const struct asked *q)
{
	return words(arena_printf(a, "it is not due before %s, in %s (run_at)", text_or(q->c, "due", "?"),
			     print_duration(a, json_i64(q->c, "due_ms", 0))),
		NULL);
}

static struct why_words say_retry(struct arena *a, const struct asked *q)
{
	return words(arena_printf(a, "attempt %ld of %ld failed%s; the next is due in %s",
			     (long)json_i64(q->c, "attempt", 0), (long)q->w->max_attempts, error_of(a, q->c),
			     print_duration(a, json_i64(q->c, "due_ms", 0))),
		NULL);
}

static struct why_words say_due(struct arena *a, const struct asked *q)
{
	int64_t late = MAX_OF(-json_i64(q->c, "due_ms", 0), 0);
	enum { LONG_MS = 60000 };
	return words(arena_printf(a, "its time came %s ago: the next look of a worker makes it ready (worker.poll)",
			     print_duration(a, late)),
		late > LONG_MS ? "drover status: does a worker live? its log says upkeep_failed" : NULL);
}

static struct why_words say_children(struct arena *a, const struct asked *q)
{
	int64_t n = json_i64(q->c, "n", 0);
	return words(arena_printf(a, "it waits without a worker for %s %s of its own to end: %s",
			     print_number(a, n), n == 1 ? "request" : "requests", ids(a, q->c)),
		NULL);
}

static struct why_words say_siblings(struct arena *a, const struct asked *q)
{
	int64_t n = json_i64(q->c, "n", 0);
	return words(arena_printf(a, "it begins after %s other %s of the same parent: %s", print_number(a, n),
			     n == 1 ? "request" : "requests", ids(a, q->c)),
		NULL);
}

/* As it can be copied: there is nearly always one. */
static const char *mend_of_people(struct arena *a, const cJSON *c, bool question)
{
	long first = (long)cJSON_GetNumberValue(cJSON_GetArrayItem(json_get(c, "ids"), 0));
	const char *all = json_i64(c, "n", 0) > 1 ? "; drover proposals lists all" : "";
	if (question)
		return arena_printf(a, "the next row of its session, or drover approve %ld --note 'the answer'%s", first, all);
	return arena_printf(a, "drover approve %ld, or drover reject %ld%s", first, first, all);
}

static struct why_words say_people(struct arena *a, const struct asked *q)
{
	const char *kind = text_or(q->c, "kind", ""), *text = text_or(q->c, "text", "");
	int64_t n = json_i64(q->c, "n", 0);
	const char *what = strcmp(kind, "question") == 0 ? "an answer" : arena_printf(a, "a decision on %s%s",
		text_or(q->c, "tool", "?"), strcmp(kind, "unknown") == 0 ? ", whose outcome was lost" : "");
	return words(arena_printf(a, "it has waited for people for %s: %s%s%s%s%s (%s %s); that expires in %s", ago(a, q->c), what,
			     *text ? ": " : "", text, n > 1 ? ", and more" : "",
			     json_true(q->c, "not_requester") ? "; not by the one who asked" : "", n > 1 ? "proposals" : "proposal",
			     ids(a, q->c), print_duration(a, MAX_OF(json_i64(q->c, "due_ms", 0), 0))),
		mend_of_people(a, q->c, strcmp(kind, "question") == 0));
}

static struct why_words say_phase(struct arena *a, const struct asked *q)
{
	return words(arena_printf(a, "it is in phase %s, which lets nobody claim it", text_or(q->c, "phase", "?")),
		arena_printf(a, "drover show %s", q->id));
}

/* ---- what holds it back ---- */

static struct why_words say_stopping(struct arena *a, const struct asked *q)
{
	const char *who = strcmp(q->phase, "running") == 0            ? "its worker ends it"
			  : strcmp(q->phase, "waiting_children") == 0 ? "it ends with the last of its children"
								      : "a worker's next look ends it";
	return words(arena_printf(a, "it was told to stop %s ago (%s%s): %s", ago(a, q->c),
			     text_or(q->c, "phase", ""), error_of(a, q->c), who),
		NULL);
}

static struct why_words say_no_worker(struct arena *a, const struct asked *q)
{
	const char *reason = text_or(q->c, "reason", ""), *n = print_number(a, json_i64(q->c, "n", 0));
	if (strcmp(reason, "draining") == 0)
		return words(arena_printf(a, "no worker claims: all that live (%s) are draining", n),
			"drover worker, once those have ended");
	if (strcmp(reason, "lost") == 0)
		return words(arena_printf(a, "no worker lives: %s registered, and the last lease ran out %s ago", n,
				     ago(a, q->c)),
			"drover worker; its log tells why the others went");
	return words("no worker lives: none is registered", "drover worker");
}

static struct why_words say_paused(struct arena *a, const struct asked *q)
{
	const char *row = text_or(q->c, "row", ""), *why = json_text(q->c, "why");
	bool each = strcmp(row, "*") == 0;
	return words(arena_printf(a, "%s%s is paused, for %s now%s%s", each ? "every " : "",
			     each ? text_or(q->c, "scope", "") : whole_queue_or(a, q->c), ago(a, q->c),
			     why ? ": " : "", why ? why : ""),
		arena_printf(a, "drover resume %s", place(a, q->c, row)));
}

static const char *limit_source(struct arena *a, const cJSON *c)
{
	const char *row = json_text(c, "row"), *scope = text_or(c, "scope", "");
	bool all = strcmp(scope, "all") == 0;
	if (!row)
		return arena_printf(a,
			"queue.max_running%s%s of the configuration that this command reads; that of the workers "
			"counts",
			all ? "" : "_", all ? "" : scope);
	return strcmp(row, "*") == 0 ? arena_printf(a, "each %s's, set by drover limit %s '*'", scope, scope)
				     : "set by drover limit";
}

static struct why_words say_limit(struct arena *a, const struct asked *q)
{
	const cJSON *c = q->c;
	const char *what = whole_queue_or(a, c), *most = print_number(a, json_i64(c, "most", 0));
	const char *raise = arena_printf(a, "drover limit %s --max %ld", place(a, c, text_or(c, "key", "")),
		(long)json_i64(c, "most", 0) + 1);
	if (!json_i64(c, "most", 0))
		return words(
			arena_printf(a, "%s may not run at all: the limit is 0 (%s)", what, limit_source(a, c)),
			raise);
	return words(arena_printf(a, "%s is full: %s of at most %s run, %s (%s)", what,
			     print_number(a, json_i64(c, "n", 0)), most, ids(a, c), limit_source(a, c)),
		arena_printf(a, "wait until one of them ends, or %s", raise));
}

static struct why_words say_session(struct arena *a, const struct asked *q)
{
	const cJSON *c = q->c;
	const char *id = arena_printf(a, "%ld", (long)json_i64(c, "request", 0)), *worker = json_text(c, "worker");
	return words(arena_printf(a, "request %s (%s) is before it in its session: %s%s%s, for %s", id,
			     text_or(c, "type", "?"), text_or(c, "phase", "?"), worker ? " on " : "",
			     worker ? worker : "", ago(a, c)),
		arena_printf(a, "drover why %s", id));
}

static struct why_words say_parked(struct arena *a, const struct asked *q)
{
	return words(arena_printf(a,
			     "it was put aside for %s, where its way is free again: a worker's next looks find it",
			     text_or(q->c, "on", "?")),
		"if that takes long: drover status; does a worker live?");
}

static struct why_words say_lane(struct arena *a, const struct asked *q)
{
	static const struct { const char *reason, *todo; } mends[] = {
		{ "spend_limit", "raise the spend limit at the provider" },
		{ "auth", "check model.api_key, or the key in models.yaml, and the provider's account" },
	};
	const char *reason = text_or(q->c, "reason", ""), *todo = NULL, *why = text_or(q->c, "why", "");
	for (size_t i = 0; i < COUNT(mends); i++)
		if (strcmp(mends[i].reason, reason) == 0)
			todo = mends[i].todo;
	return words(arena_printf(a, "if it asks a model of lane %s, it waits: the lane is paused until %s, for %s more (%s%s%s)",
			     text_or(q->c, "lane", "?"), text_or(q->c, "due", "?"), print_duration(a, json_i64(q->c, "due_ms", 0)),
			     reason, *why ? ": " : "", why),
		todo);
}

static const struct {
	const char *cause;
	struct why_words (*say)(struct arena *a, const struct asked *q);
} sayings[] = {
	{ "ended", say_ended },
	{ "running", say_running },
	{ "lost", say_lost },
	{ "scheduled", say_scheduled },
	{ "retry_wait", say_retry },
	{ "due", say_due },
	{ "children", say_children },
	{ "siblings", say_siblings },
	{ "people", say_people },
	{ "stopping", say_stopping },
	{ "no_worker", say_no_worker },
	{ "paused", say_paused },
	{ "limit", say_limit },
	{ "session", say_session },
	{ "parked", say_parked },
	{ "lane", say_lane },
};

struct why_words why_words_of(
	struct arena *a, const struct why *w, const cJSON *c, const char *id, const char *phase)
{
	struct asked q = { w, c, id, phase };
	for (size_t i = 0; i < COUNT(sayings); i++)
		if (strcmp(sayings[i].cause, text_or(c, "cause", "")) == 0)
			return sayings[i].say(a, &q);
	return say_phase(a, &q);
}

/* ---- its place ---- */

enum { COUNTED_MOST = 10000, MINUTES = 5, MINUTE_MS = 60000 };

static const char *count_text(struct arena *a, int64_t n)
{
	return n >= COUNTED_MOST ? arena_printf(a, "at least %s", print_number(a, COUNTED_MOST))
				 : print_number(a, n);
}

static const char *slots_text(struct arena *a, const struct pg_rows *line)
{
	int64_t slots = pg_i64(line, 0, "slots"), n = pg_i64(line, 0, "workers"),
		free = slots - pg_i64(line, 0, "taken");
	if (!n)
		return "";
	if (free <= 0)
		return arena_printf(a, "; all %s slots of the %s are taken", print_number(a, slots),
			n == 1 ? "one worker that lives"
			       : arena_printf(a, "%s workers that live", print_number(a, n)));
	return arena_printf(a, "; %s of %s slots are free", print_number(a, free), print_number(a, slots));
}

/* From the ends of the last minutes; who is first, or finds a free slot, need not wait for any. */
static const char *estimate(struct arena *a, const struct why *w, int64_t ahead)
{
	int64_t ended = pg_i64(&w->line, 0, "ended"),
		free = pg_i64(&w->line, 0, "slots") - pg_i64(&w->line, 0, "taken");
	if (w->fair || !pg_i64(&w->line, 0, "workers"))
		return "";
	if (ahead < free)
		return w->causes.n ? "" : "; a worker takes it at its next look";
	if (!ended)
		return arena_printf(a,
			"; nothing ended in the last %d minutes, so nobody can say when its turn comes", MINUTES);
	return arena_printf(a, "; at %.1f ends a minute (the last %d minutes) its turn comes in %s%s",
		(double)ended / MINUTES, MINUTES, ahead >= COUNTED_MOST ? "more than " : "about ",
		print_duration(a, (ahead + 1) * MINUTES * MINUTE_MS / ended));
}

static const char *place_text(struct arena *a, const struct why *w, int64_t ahead)
{
	if (w->fair)
		return arena_printf(a,
			"its place is not known: the order is fair (queue.order), each workspace or user has its "
			"turn; %s of a better priority or from the same %s before it",
			ahead ? count_text(a, ahead) : "none", ahead == 1 ? "is" : "are");
	if (!ahead)
		return "it is the first in line";
	return arena_printf(
		a, "%s ready %s before it", count_text(a, ahead), ahead == 1 ? "request is" : "requests are");
}

/* The one before it in its session was named already. */
static struct why_words place_parked(struct arena *a, int64_t ahead, bool session)
{
	if (ahead <= session)
		return words(NULL, NULL);
	return words(
		arena_printf(a, "%s %s %s before it", count_text(a, ahead), ahead == 1 ? "request" : "requests",
			session      ? "of its session are"
			: ahead == 1 ? "that waits for the same is"
				     : "that wait for the same are"),
		NULL);
}

struct why_words why_words_of_line(struct arena *a, const struct why *w)
{
	if (!w->line.n)
		return words(NULL, NULL);
	int64_t ahead = pg_i64(&w->line, 0, "ahead"),
		free = pg_i64(&w->line, 0, "slots") - pg_i64(&w->line, 0, "taken");
	bool full = pg_i64(&w->line, 0, "workers") && free <= 0;
	if (strcmp(pg_text(&w->request, 0, "phase"), "ready") == 0)
		return words(arena_printf(a, "%s%s%s", place_text(a, w, ahead), slots_text(a, &w->line),
				     estimate(a, w, ahead)),
			full ? "wait, or raise worker.slots or start one more drover worker" : NULL);
	return place_parked(a, ahead, strcmp(pg_text(&w->request, 0, "blocked_on"), "session") == 0);
}
