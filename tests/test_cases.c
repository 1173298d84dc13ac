/* SPDX-License-Identifier: MIT */
/*
 * Agents as data: each file under tests/cases is a request, the model's script, and what must come of it. A file is a
 * test of its own, by its path, in a database of its own. tests/cases/README.md says what may stand in it.
 */
#include "promises.h"
#include "rig.h"
#include "yamldoc.h"
#include <glob.h>

#define FOLDER "TEST_CASES"
#define DEMO_USER "00000000-0000-4000-8000-0000000000d0"
#define OTHER_USER "00000000-0000-4000-8000-0000000000e0"

struct agent_case {
	struct arena *a;
	const struct yaml_node *root, *ask, *expect;
	struct rig rig;
	int64_t id; /* of the request that was asked */
};

/* ---- reading ---- */

static bool is_in(const char *word, const char *const *words)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words != NULL;
}

/* A key that nobody reads would be a promise that nobody checks. */
static bool keys_check(const struct yaml_node *map, const char *const *known, struct err *e)
{
	yaml_each(item, map)
		if (!is_in(item->key, known))
			return yaml_fail(item->key_place, e, "unknown key '%s'", item->key);
	return true;
}

static const char *text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *item = yaml_get(map, key);
	return item && !yaml_is_null(item) ? item->text : NULL;
}

static const char *trimmed(struct arena *a, const char *text)
{
	return arena_text(a, str_trim(str_of(text)));
}

static const char *joined(struct arena *a, const struct yaml_node *list)
{
	const char *all = "";
	yaml_each(item, list)
		all = arena_printf(a, "%s%s%s", all, *all ? ", " : "", item->text);
	return all;
}

static const char *path_of(struct arena *a, const char *name)
{
	return arena_printf(a, "%s/%s.yaml", getenv(FOLDER), name);
}

static bool case_load(struct agent_case *c, const char *path, struct err *e)
{
	static const char *const root_keys[] = { "setup", "limits", "ask", "script", "expect", NULL };
	static const char *const ask_keys[] = { "type", "request", "context", "dry_run", "user", NULL };
	if (!(c->root = yaml_load_file(c->a, path, e)))
		return false;
	c->ask = yaml_get(c->root, "ask");
	c->expect = yaml_get(c->root, "expect");
	if (!c->ask || !c->expect || !text_of(c->root, "script") || !text_of(c->expect, "status"))
		return yaml_fail(c->root->place, e, "a case has ask, script, and expect with a status");
	return keys_check(c->root, root_keys, e) && keys_check(c->ask, ask_keys, e);
}

/* ---- running ---- */

static bool limits_set(struct agent_case *c, struct err *e)
{
	struct agent_limits *l = &c->rig.config.limits;
	const struct {
		const char *name;
		int64_t *value;
	} limits[] = { { "turns", &l->turns }, { "tool_calls", &l->tool_calls }, { "turn_tools", &l->turn_tools },
		{ "children", &l->children } };
	const struct yaml_node *given = yaml_get(c->root, "limits");
	for (const struct yaml_node *item = given ? given->first : NULL; item; item = item->next) {
		size_t i = 0;
		while (i < COUNT(limits) && strcmp(limits[i].name, item->key) != 0)
			i++;
		if (i == COUNT(limits) || !str_to_i64(str_of(item->text), limits[i].value))
			return yaml_fail(item->place, e, "%s: no such limit, or no number", item->key);
	}
	return true;
}

static bool user_of(const struct yaml_node *ask, const char **user, struct err *e)
{
	const char *who = text_of(ask, "user");
	*user = !who || strcmp(who, "demo") == 0 ? DEMO_USER : strcmp(who, "other") == 0 ? OTHER_USER : NULL;
	return *user || strcmp(who, "none") == 0 || yaml_fail(ask->place, e, "user: demo, other or none");
}

static bool ask(struct agent_case *c, struct err *e)
{
	static const struct sql insert = { "ask", __FILE__, "insert into agent_requests "
		"(user_id, type, request, context, dry_run) values ($1::uuid, $2, $3, coalesce($4::jsonb, '{}'), "
		"coalesce($5::boolean, false)) returning id", 5 };
	const char *user;
	struct pg_rows rows;
	if (!user_of(c->ask, &user, e))
		return false;
	struct pg_args args = PG_ARGS(PG(user), PG(text_of(c->ask, "type")), PG(text_of(c->ask, "request")),
		PG(text_of(c->ask, "context")), PG(text_of(c->ask, "dry_run")));
	if (!pg_query(c->rig.owner, c->a, &insert, args, deadline_in(10000), &rows, e))
		return false;
	c->id = pg_i64(&rows, 0, "id");
	return true;
}

static bool set_up(struct agent_case *c, struct err *e)
{
	const char *sql = text_of(c->root, "setup");
	return limits_set(c, e) && (!sql || pg_script(c->rig.owner, c->a, sql, deadline_in(10000), NULL, e));
}

/* ---- comparing ---- */

/* Where two long texts part. */
static void show_parting(const char *got, const char *want)
{
	enum { BEFORE = 40, SHOWN = 100 };
	size_t at = 0, short_enough = 200;
	while (got[at] && got[at] == want[at])
		at++;
	if (strlen(got) < short_enough)
		return;
	size_t from = at > BEFORE ? at - BEFORE : 0;
	printf("      they part at byte %zu:\n        got  ...%.*s\n        want ...%.*s\n", at, SHOWN, got + from, SHOWN,
		want + from);
}

static void same_text(const struct yaml_node *at, const char *what, const char *got, const char *want)
{
	if (!test_check_text(got, want, at->place.file, at->place.line, what))
		show_parting(got, want);
}

static bool continues(const struct pg_rows *rows, int i)
{
	const char *kind = pg_text(rows, i, "kind");
	bool grows = strcmp(kind, "text") == 0 || strcmp(kind, "thinking") == 0;
	return i > 0 && grows && strcmp(kind, pg_text(rows, i - 1, "kind")) == 0;
}

/* One line a row, "kind: message"; rows that continue each other are one. Times differ from run to run. */
static const char *log_of(struct agent_case *c, int64_t id)
{
	static const struct sql read = { "log", __FILE__, "select kind, regexp_replace(replace(message, e'\\n', '\\n'), "
		"'\\d+ ms', 'N ms', 'g') as message from agent_logs where request_id = $1::bigint order by seq", 1 };
	struct pg_rows rows;
	struct err e;
	struct buf *text = buf_new(c->a, 1 << 20);
	if (!pg_query(c->rig.owner, c->a, &read, PG_ARGS(PG(id)), deadline_in(10000), &rows, &e))
		return arena_text(c->a, str_of(e.msg));
	for (int i = 0; i < rows.n; i++) {
		if (!continues(&rows, i))
			buf_printf(text, "%s%s: ", i ? "\n" : "", pg_text(&rows, i, "kind"));
		buf_add(text, str_of(pg_text(&rows, i, "message")));
	}
	return text->n ? buf_str(text).p : "";
}

/* ---- requests to the model ---- */

/* The provider's ids differ from run to run: they become toolu_1, toolu_2 ... in order of appearance. */
static const char *with_plain_ids(struct arena *a, struct str body)
{
	enum { QUOTE = 1, ID_BYTES = 31, IDS = 100 }; /* with the quote before it */
	struct str *seen = arena_alloc(a, IDS * sizeof(*seen));
	size_t n = 0, nth;
	struct buf *out = buf_new(a, 64 << 20);
	for (const char *id; (id = memmem(body.p, body.n, "\"toolu_", 7)) && id + ID_BYTES <= body.p + body.n;) {
		struct str whole = { id, ID_BYTES };
		for (nth = 0; nth < n && !str_eq(seen[nth], whole); nth++)
			;
		if (nth == n && n < IDS)
			seen[n++] = whole;
		buf_add(out, (struct str){ body.p, (size_t)(id + QUOTE - body.p) });
		buf_printf(out, "toolu_%zu", nth + 1);
		body = (struct str){ id + ID_BYTES, body.n - (size_t)(id - body.p) - ID_BYTES };
	}
	buf_add(out, body);
	return buf_str(out).p;
}

static void check_messages(struct agent_case *c, const struct yaml_node *want, const char *body)
{
	struct err e = { 0 };
	const cJSON *expected = json_parse(c->a, str_of(want->text), &e), *sent = json_parse(c->a, str_of(body), &e);
	if (!expected || !sent)
		test_check(false, want->place.file, want->place.line, e.msg);
	else
		same_text(want, "messages", json_print(c->a, json_get(sent, "messages")), json_print(c->a, expected));
}

static void check_words(const struct yaml_node *list, const char *body, bool wanted)
{
	const char *shown = strstr(body, "\"messages\":"), *what = wanted ? "has" : "lacks";
	for (const struct yaml_node *word = list ? list->first : NULL; word; word = word->next)
		if (!test_check(!strstr(body, word->text) == !wanted, word->place.file, word->place.line, what))
			printf("      %s: %s\n      got: ...%s\n", wanted ? "missing" : "too much", word->text, shown);
}

/* The first that nobody has looked at, or the first of those that the named reply answered. */
static size_t request_find(const struct agent_case *c, const char *reply, const bool *used, size_t n)
{
	size_t i = 0;
	while (i < n && (used[i] || (reply && strcmp(reply, mock_request_reply(c->rig.mock, i)) != 0)))
		i++;
	return i;
}

static void check_request(struct agent_case *c, const struct yaml_node *want, bool *used, size_t n)
{
	static const char *const keys[] = { "reply", "messages", "has", "lacks", NULL };
	struct err e;
	size_t i = request_find(c, text_of(want, "reply"), used, n);
	if (!keys_check(want, keys, &e) || i == n) {
		test_check(false, want->place.file, want->place.line, i == n ? "a request that never came" : e.msg);
		return;
	}
	used[i] = true;
	const char *body = with_plain_ids(c->a, mock_request_body(c->rig.mock, i));
	if (yaml_get(want, "messages"))
		check_messages(c, yaml_get(want, "messages"), body);
	check_words(yaml_get(want, "has"), body, true);
	check_words(yaml_get(want, "lacks"), body, false);
}

static void check_requests(struct agent_case *c, const struct yaml_node *list)
{
	size_t n = mock_request_count(c->rig.mock);
	bool *used = arena_alloc(c->a, n + 1);
	if (!list)
		return;
	test_check_i64((int64_t)n, (int64_t)list->n, list->place.file, list->place.line, "requests to the model");
	yaml_each(want, list)
		check_request(c, want, used, n);
}

/* ---- what came of it ---- */

#define REQUEST "from agent_requests where id = %ld"

static const struct {
	const char *key, *sql;
} outcomes[] = {
	{ "answer", "select result ->> 'answer' " REQUEST },
	{ "error", "select error " REQUEST },
	{ "error_code", "select error_code " REQUEST },
	{ "result", "select result::text " REQUEST },
	{ "status", "select status " REQUEST },
	{ "tools", "select string_agg(x.tool_name || ' ' || x.status, ', ' order by t.sequence_number) from tool_executions x "
		"join agent_turns t on (t.request_id, t.tool_call_id, t.content_type) = (x.request_id, x.tool_call_id, 'tool_call') "
		"where x.request_id = %ld" },
	{ "turns", "select string_agg(content_type, ', ' order by sequence_number) from agent_turns "
		"where request_id = %ld" },
	{ "type", "select type " REQUEST },
};

/* A list stands for the one text that the query gives. */
static const char *wanted_text(struct arena *a, const struct yaml_node *want)
{
	return want->kind == YAML_TEXT ? trimmed(a, want->text) : want->n ? joined(a, want) : "(null)";
}

/* Of the request that was asked, and of each of its children. */
static void check_outcome(struct agent_case *c, const struct yaml_node *want, int64_t id)
{
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		const struct yaml_node *item = yaml_get(want, outcomes[i].key);
		if (item)
			same_text(item, item->key, rig_sql(c->a, &c->rig, outcomes[i].sql, id), wanted_text(c->a, item));
	}
	if (yaml_get(want, "log"))
		same_text(yaml_get(want, "log"), "log", log_of(c, id), trimmed(c->a, text_of(want, "log")));
}

static void check_children(struct agent_case *c, const struct yaml_node *list)
{
	static const char *const keys[] = { "type", "status", "error_code", "error", "answer", "result", "turns",
		"tools", "log", NULL };
	struct err e;
	int64_t id = 0;
	if (!list)
		return;
	str_to_i64(str_of(rig_sql(c->a, &c->rig, "select count(*) from agent_requests where parent_id = %ld", c->id)), &id);
	test_check_i64(id, (int64_t)list->n, list->place.file, list->place.line, "children");
	id = c->id;
	yaml_each(child, list) {
		if (!keys_check(child, keys, &e))
			test_check(false, child->place.file, child->place.line, e.msg);
		check_outcome(c, child, ++id);
	}
}

static void check_rows(struct agent_case *c, const struct yaml_node *list)
{
	static const char *const keys[] = { "sql", "is", NULL };
	struct err e;
	for (const struct yaml_node *row = list ? list->first : NULL; row; row = row->next) {
		if (!keys_check(row, keys, &e) || !text_of(row, "sql") || !yaml_get(row, "is"))
			test_check(false, row->place.file, row->place.line, "a row has sql and is");
		else
			same_text(yaml_get(row, "is"), text_of(row, "sql"), test_ask(c->a, c->rig.owner, text_of(row, "sql")),
				trimmed(c->a, yaml_get(row, "is")->text));
	}
}

/* What holds in every case, whatever it is about. */
static void check_always(struct agent_case *c)
{
	struct mock_counts counts = mock_count(c->rig.mock);
	promises_check(c->a, c->rig.owner, c->root->place.file, c->root->place.line);
	CHECK_EQ_I(counts.rejected, 0);
	CHECK_EQ_I(counts.unmatched, 0);
}

static void check_expected(struct agent_case *c)
{
	static const char *const keys[] = { "status", "error_code", "error", "answer", "result", "turns", "tools", "log",
		"requests", "children", "rows", NULL };
	struct err e;
	if (!keys_check(c->expect, keys, &e))
		test_check(false, c->expect->place.file, c->expect->place.line, e.msg);
	check_outcome(c, c->expect, c->id);
	check_requests(c, yaml_get(c->expect, "requests"));
	check_children(c, yaml_get(c->expect, "children"));
	check_rows(c, yaml_get(c->expect, "rows"));
	check_always(c);
}

static bool play(struct agent_case *c, struct err *e)
{
	if (!set_up(c, e) || !rig_start(&c->rig, e) || !ask(c, e))
		return false;
	rig_wait(c->a, &c->rig, c->id);
	check_expected(c);
	return true;
}

static void run_case(struct arena *a, struct err *e)
{
	struct agent_case *c = arena_alloc(a, sizeof(*c));
	c->a = a;
	REQUIRE_OK(case_load(c, path_of(a, test_name()), e));
	REQUIRE_OK(rig_open(a, text_of(c->root, "script"), &c->rig, e));
	bool ok = play(c, e);
	rig_close(&c->rig);
	REQUIRE_OK(ok);
}

/* ---- finding ---- */

static void no_cases(void)
{
	test_check(false, __FILE__, __LINE__, "a case was found: set " FOLDER " to the folder tests/cases");
}

static void add_case(struct arena *a, const char *folder, const char *path)
{
	struct str name = str_of(path + strlen(folder) + 1);
	struct test *t = arena_alloc(a, sizeof(*t));
	name.n -= strlen(".yaml");
	*t = (struct test){ .name = arena_text(a, name), .run_in_loop = run_case };
	test_add(t);
}

/* As the tests of other files are: before main, which then chooses among them. */
__attribute__((constructor)) static void add_cases(void)
{
	static struct arena *all;
	static struct test none = { .name = "there are cases", .run = no_cases };
	const char *folder = getenv(FOLDER);
	glob_t found = { 0 };
	all = arena_new();
	if (folder)
		glob(arena_printf(all, "%s/*/*.yaml", folder), 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_case(all, folder, found.gl_pathv[i]);
	if (!found.gl_pathc)
		test_add(&none);
	globfree(&found);
}
