/* SPDX-License-Identifier: MIT */
/* Agents, tools and models as files: what is taken, and how what is wrong is told. */
#include "address.h"
#include "catalog_case.h"
#include "json_point.h"
#include "tool_http.h"
#include "tool_sql.h"
#include <unistd.h>

#define HOSTS "api.example.com, *.crm.example.com, 127.0.0.1, localhost"

/* ---- mistakes have places ---- */

#define HEAD "name: t\ntext: Does it.\n"
#define SQL(statement) HEAD "input: { a: { type: text }, n: { type: integer } }\nsql:\n  statement: \"" statement "\"\n"
#define HTTP(rest) HEAD "input: { a: { type: text, required: true }, o: { type: text }, l: { type: texts, required: true } }\n" \
	"http:\n  method: GET\n" rest "\n"
#define URL(url) HTTP("  url: " url)
#define AGENT(rest) "type: t\ntext: Does it.\nprompt: Do it.\n" rest

static const struct {
	const char *file, *text, *mistakes;
} wrong[] = {
	{ "tools/t.yaml", "", "tools/t.yaml:1:1: this has no value; give one, or take the line out" },
	{ "tools/t.yaml", "- a\n", "tools/t.yaml:1:1: this must be a mapping, not a list" },
	{ "tools/t.yaml", HEAD "sql: { statement: select 1, writes: true }\n",
		"tools/t.yaml:3:29: unknown key 'writes'; did you mean write?" },
	{ "tools/t.yaml", HEAD, "tools/t.yaml:1:1: neither sql nor http; a tool is one of them" },
	{ "tools/t.yaml", HEAD "sql: { statement: select 1 }\nhttp: { method: GET, url: https://api.example.com/ }\n",
		"tools/t.yaml:4:1: sql and http in one tool; keep one of them" },
	{ "tools/t.yaml", "text: Does it.\nsql: { statement: select 1 }\n", "tools/t.yaml:1:1: 'name' is missing; write it" },
	{ "tools/other.yaml", HEAD "sql: { statement: select 1 }\n",
		"tools/other.yaml:1:7: the file of t must be called t.yaml; rename one of them" },
	{ "tools/task_list.yaml", "name: task_list\ntext: x\nsql: { statement: select 1 }\n",
		"tools/task_list.yaml:1:7: task_list is a tool that is built in; rename it" },
	{ "tools/ask_x.yaml", "name: ask_x\ntext: x\nsql: { statement: select 1 }\n",
		"tools/ask_x.yaml:1:7: names that begin with ask_ are drover's own; rename it" },
	{ "tools/t.yml", "x", "tools/t.yml: is not looked at; name it .yaml" },
	{ "tools/t.yaml", "name: [\n", "tools/t.yaml:2:1: not YAML: did not find expected node content, while parsing a flow node from line 2" },
	{ "tools/t.yaml", HEAD "input: { A: { type: text }, user_id: { type: text }, c: { type: float } }\nsql: { statement: select 1 }\n",
		"tools/t.yaml:3:10: a field's name must be of a-z, 0-9 and _, beginning with a letter, at most 63; rename it\n"
		"tools/t.yaml:3:29: user_id is given by drover, never by the model; rename the field\n"
		"tools/t.yaml:3:65: type cannot be 'float'; known are: text, integer, boolean, date, object, texts, integers" },
	{ "tools/t.yaml", HEAD "input:\n  n: { type: boolean, min: 1 }\n  m: { type: integer, min: 9, max: 3 }\n  c: { type: date, choices: [a] }\n"
		"sql: { statement: select 1 }\n",
		"tools/t.yaml:4:23: a field of type boolean has no min and max; take them out\n"
		"tools/t.yaml:5:36: max is below min; one of them is wrong\n"
		"tools/t.yaml:6:20: a field of type date has no choices; take them out" },
	{ "tools/t.yaml", HEAD "sql: { statement: select 1, rows: 0, bytes: 1GB, time: 5, role: service_role }\n",
		"tools/t.yaml:3:35: rows must be a whole number, 1 to 10000\n"
		"tools/t.yaml:3:45: bytes must be a size, such as 4096, 64KiB or 1MiB, from 1024 to 1048576 bytes\n"
		"tools/t.yaml:3:56: time must be a time with its unit, such as 500ms, 5s, 2m or 1h, from 10ms to 600s\n"
		"tools/t.yaml:3:65: service_role stands above row level security: every requester would see all rows; take authenticated, or a "
		"role of the tool's own" },
	{ "tools/t.yaml", SQL("select :b"), "tools/t.yaml:5:22: unknown parameter :b; add it to input, or write a blank after a colon that "
		"begins none" },
	{ "tools/t.yaml", SQL("select ':a'"), "tools/t.yaml:5:23: a parameter within quotes is nothing but text; take the quotes away, and "
		"join texts by ||" },
	{ "tools/t.yaml", SQL("select 1; select 2"), "tools/t.yaml:5:25: a second statement; a tool is one: join them by WITH, or make it two "
		"tools" },
	{ "tools/t.yaml", HEAD "sql:\n  statement: |\n    select 1\n    from \xC3\xA9t where x = :nope\n",
		"tools/t.yaml:6:23: unknown parameter :nope; add it to input, or write a blank after a colon that begins none" },
	{ "tools/t.yaml", HEAD "sql:\n  statement: >\n    select 1\n    where :nope\n",
		"tools/t.yaml:4:14: unknown parameter :nope; add it to input, or write a blank after a colon that begins none" },
	{ "tools/t.yaml", SQL("insert into t values (1)"), "tools/t.yaml:5:15: a tool that reads cannot insert; write 'write: true' below sql" },
	{ "tools/t.yaml", SQL("commit"), "tools/t.yaml:5:15: a statement begins with select, with, values, insert, update, delete or merge" },
	{ "tools/t.yaml", SQL("select set_config('role', 'x', true)"),
		"tools/t.yaml:5:22: set_config would change whose rights and rows the statement has; take it out" },
	{ "tools/t.yaml", URL("https://{a}/"), "tools/t.yaml:6:16: the host must be written out: a name or an address, with no field, user, % or "
		"other sign in it" },
	{ "tools/t.yaml", URL("https://api.example.com/{b}"), "tools/t.yaml:6:33: unknown field {b}; add it to input, or write {{ for a brace" },
	{ "tools/t.yaml", URL("https://api.example.com/{o}"), "tools/t.yaml:6:33: {o} stands in the path: the field must be required, and one "
		"value" },
	{ "tools/t.yaml", URL("https://api.example.com/{l}"), "tools/t.yaml:6:33: {l} stands in the path: the field must be required, and one "
		"value" },
	{ "tools/t.yaml", URL("https://example.com/"), "tools/t.yaml:6:8: example.com is not a host that tools may call; add it to the option "
		"tools.hosts" },
	{ "tools/t.yaml", URL("https://crm.example.com/"), "tools/t.yaml:6:8: crm.example.com is not a host that tools may call; add it to the "
		"option tools.hosts" },
	{ "tools/t.yaml", URL("http://127.0.0.1/"), "tools/t.yaml:6:8: 127.0.0.1 is not an address of the open internet; option "
		"tools.private_addresses would allow it" },
	{ "tools/t.yaml", HTTP("  url: https://api.example.com/\n  headers: { Authorization: { secret: nope }, Host: x, 'a b': y, X: \"{z}\" }"),
		"tools/t.yaml:7:39: the secret's file cannot be opened: No such file or directory\n"
		"tools/t.yaml:7:47: Host is a header of the connection, which is not for tools; take it out\n"
		"tools/t.yaml:7:56: a b is no name of a header; it is of letters, digits and -\n"
		"tools/t.yaml:7:71: unknown field {z}; add it to input, or write {{ for a brace" },
	{ "tools/t.yaml", HTTP("  url: https://api.example.com/\n  headers: { A: { secret: ../x } }\n  response: { pointer: data }\n  body: input\n"
		"  unknown: tell"),
		"tools/t.yaml:7:27: a secret is the name of a file in tools.secrets_dir\n"
		"tools/t.yaml:9:3: a GET has no body; take it out, or take another method\n"
		"tools/t.yaml:8:24: a JSON pointer begins with a slash: /data/0; ~1 stands for a slash within a name\n"
		"tools/t.yaml:10:3: a call that only reads may always be repeated; take it out" },
	{ "tools/t.yaml", HEAD "http: { method: POST, url: https://api.example.com/, unknown: repeat }\n",
		"tools/t.yaml:3:63: a repeated POST may act twice; name the idempotency_header by which the other side knows it again" },
	{ "tools/t.yaml", HEAD "sql: { statement: select 1 }\napproval: { not_requester: true }\n",
		"tools/t.yaml:4:1: not_requester without needed says nothing; write 'needed: true' too" },
	{ "agents/t.yaml", "type: quotes\ntext: x\nprompt: y\n", "agents/t.yaml:1:7: quotes is an agent already; a file cannot take its type: "
		"rename it" },
	{ "agents/t.yaml", "type: t\ntext: x\n", "agents/t.yaml:1:1: neither prompt nor prompt_file; write one of them" },
	{ "agents/t.yaml", AGENT("prompt_file: x.md\n"), "agents/t.yaml:4:1: prompt and prompt_file; keep one of them\n"
		"agents/t.yaml:4:14: the file x.md cannot be opened: No such file or directory" },
	{ "agents/t.yaml", "type: t\ntext: x\nprompt_file: nope.md\n", "agents/t.yaml:3:14: the file nope.md cannot be opened: No such file or "
		"directory" },
	{ "agents/t.yaml", "type: t\ntext: x\nprompt_file: ../../etc/passwd\n", "agents/t.yaml:3:14: a prompt file stands beside its agent, or "
		"below; name it without / or .. in front" },
	{ "agents/t.yaml", AGENT("tools: [task_lst, ask_user, ask_user]\nagents: [quote]\nmodels: [claude-tets]\n"),
		"agents/t.yaml:4:9: there is no tool task_lst; did you mean task_list?\n"
		"agents/t.yaml:4:29: ask_user stands in this list already; keep one\n"
		"agents/t.yaml:5:10: there is no agent quote; did you mean quotes?\n"
		"agents/t.yaml:6:10: there is no model claude-tets; did you mean claude-test?" },
	{ "agents/t.yaml", AGENT("tools: [nothing_like_it]\n"), "agents/t.yaml:4:9: there is no tool nothing_like_it; known are: ask_user, milestone_set, "
		"project_get, project_search, task_create, task_list, task_update, booking_list, quote_create_draft, quote_get, quote_line_put, "
		"quote_search, ratecard_lookup, booking_propose, booking_release, conflict_detect and 2 more" },
	{ "agents/t.yaml", AGENT("agents: [t]\n"), "agents/t.yaml:4:1: t would ask itself in the end; take one of the agents out of the circle" },
	{ "agents/t.yaml", AGENT("limits: { turns: 0, tool_time: 1 }\nresult_schema: { type: string }\nmax_tokens: x\n"),
		"agents/t.yaml:4:18: turns must be a whole number, 1 to 1000\n"
		"agents/t.yaml:4:32: tool_time must be a time with its unit, such as 500ms, 5s, 2m or 1h, from 100ms to 3600s\n"
		"agents/t.yaml:5:1: result_schema must describe an object; write 'type: object' into it\n"
		"agents/t.yaml:6:13: max_tokens must be a whole number, 1 to 128000" },
	{ "models.yaml", "providers: { default: { base_url: ftp://x } }\nmodels: { m: { provider: nope, price: { input: 0.1234567, output: 1 } } }\n",
		"models.yaml:1:14: default is the provider of the options model.*; rename it\n"
		"models.yaml:2:48: input must be an amount for a million tokens, such as 3.75, with at most six decimals\n"
		"models.yaml:1:35: base_url must begin with https:// or http://\n"
		"models.yaml:2:26: there is no provider nope; add it to providers" },
	{ "models.yaml", "providers: { p: { base_url: \"http://u@h/\" } }\nmodels: { claude-test: { provider: p }, m: { thinking_tokens: 2000, "
		"max_tokens: 1500 }, n: { thinking_tokens: 5 } }\n",
		"models.yaml:2:63: thinking_tokens must be below max_tokens\n"
		"models.yaml:2:111: thinking_tokens must be 0, or at least 1024\n"
		"models.yaml:1:29: base_url is scheme, host and port alone, with no user, path or query\n"
		"models.yaml:2:26: claude-test is the model of the options model.*; take provider out\n"
		"models.yaml:2:41: m: thinking_tokens (2000) must be below max_tokens (1500)" },
};

LOOP_TEST(each_mistake_is_told_with_file_line_and_column)
{
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct catalog_case *c = catalog_case_open(a, HOSTS, false);
		catalog_case_put(c, wrong[i].file, wrong[i].text);
		if (!CHECK_EQ_S(catalog_case_mistakes(c), wrong[i].mistakes))
			printf("      case %zu\n", i);
	}
}

LOOP_TEST(the_mistakes_of_all_files_are_told_at_once)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "tools/a.yaml", "nme: a\n");
	catalog_case_put(c, "tools/b.yaml", "name: [");
	catalog_case_put(c, "agents/c.yaml", AGENT("tools: [a, zz]\n"));
	catalog_case_put(c, "models.yaml", "model: {}\n");
	const char *all = catalog_case_mistakes(c);
	CHECK(strstr(all, "tools/a.yaml:1:1: unknown key 'nme'; did you mean name?"));
	CHECK(strstr(all, "tools/b.yaml:"));
	CHECK(strstr(all, "agents/c.yaml:4:12: there is no tool zz;"));
	CHECK(!strstr(all, "there is no tool a;")); /* there is one, and what is wrong with it has been said */
	CHECK(strstr(all, "models.yaml:1:1: unknown key 'model'; did you mean models?"));
}

LOOP_TEST(an_agent_that_searches_needs_a_model_that_can)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "models.yaml", "providers: { p: { api: openai, base_url: 'https://models.example.com' } }\nmodels: { big: { provider: p } }\n");
	catalog_case_put(c, "agents/t.yaml", AGENT("models: [big]\nweb_searches: 2\n"));
	CHECK_EQ_S(catalog_case_mistakes(c), "agents/t.yaml:5:1: none of the agent's models can search the web: they speak chat completions; take it "
		"out, or give the agent a model of api anthropic");
	catalog_case_put(c, "agents/t.yaml", AGENT("models: [big, claude-test]\nweb_searches: 2\n"));
	CHECK_EQ_S(catalog_case_mistakes(c), "");
}

LOOP_TEST(more_mistakes_than_anybody_reads_are_counted)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	struct buf *text = buf_new(a, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_printf(text, "k%d: x\n", i);
	catalog_case_put(c, "tools/t.yaml", buf_str(text).p);
	struct catalog_problems problems = { .a = a };
	CHECK(!catalog_load(c->catalog, &problems, NULL));
	CHECK_EQ_S(catalog_more(a, &problems), "and 803 more");
}

LOOP_TEST(a_secret_stands_in_no_mistake)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "secrets/short", "sesame\n");
	catalog_case_put(c, "secrets/lines", "open-sesame\nX-Evil: 1\n");
	catalog_case_put(c, "tools/t.yaml", HTTP("  url: https://api.example.com/\n  headers: { A: { secret: short }, B: { secret: lines } }"));
	CHECK_EQ_S(catalog_case_mistakes(c),
		"tools/t.yaml:7:27: the secret's file holds fewer than 8 bytes, too few to be kept out of answers; take a longer secret\n"
		"tools/t.yaml:7:49: the secret's file must hold one word of ASCII, without blanks, quotes and backslashes");
}

/* ---- what is good ---- */

LOOP_TEST(the_worked_example_has_no_mistake)
{
	struct catalog_case *c = catalog_case_open(a, "api.example.com", false);
	catalog_case_put(c, "secrets/crm_token", "tok_0123456789\n");
	c->config.catalog.dir = getenv("TEST_EXAMPLE");
	REQUIRE(c->config.catalog.dir);
	CHECK_EQ_S(catalog_case_mistakes(c), "");
}

/* The README beside the example says every key, and its blocks are files as they stand. */
static struct str readme(struct arena *a)
{
	struct str text = { 0 };
	struct err e = { 0 };
	if (!getenv("TEST_EXAMPLE"))
		abort();
	if (!catalog_text(a, arena_printf(a, "%s/README.md", getenv("TEST_EXAMPLE")), 1 << 16, &text, &e))
		abort();
	return text;
}

LOOP_TEST(the_blocks_of_the_readme_have_no_mistake)
{
	struct catalog_case *c = catalog_case_open(a, "api.example.com", false);
	catalog_case_put(c, "secrets/crm_token", "tok_0123456789\n");
	catalog_case_put(c, "secrets/house_key", "key_0123456789\n");
	int n = 0;
	for (const char *at = readme(a).p; (at = strstr(at, "```yaml\n# ")); n++) {
		const char *name = at + strlen("```yaml\n# "), *text = strchr(name, '\n') + 1;
		at = strstr(text, "```");
		REQUIRE(at);
		catalog_case_put(c, arena_text(a, (struct str){ name, (size_t)(text - name) - 1 }), arena_text(a, (struct str){ text, (size_t)(at - text) }));
	}
	CHECK_EQ_I(n, 5);
	CHECK_EQ_S(catalog_case_mistakes(c), "");
}

/* A key that nobody knows makes the reader name those that it does. */
LOOP_TEST(the_readme_knows_every_key)
{
	static const struct { const char *file, *text; } maps[] = {
		{ "tools/t.yaml", HEAD "qqqqqqqqqq: 1\n" }, { "tools/t.yaml", HEAD "sql: { qqqqqqqqqq: 1 }\n" },
		{ "tools/t.yaml", HEAD "http: { qqqqqqqqqq: 1 }\n" }, { "tools/t.yaml", HEAD "http: { response: { qqqqqqqqqq: 1 } }\n" },
		{ "tools/t.yaml", HEAD "http: { probe: { qqqqqqqqqq: 1 } }\n" }, { "tools/t.yaml", HEAD "http: { headers: { A: { qqqqqqqqqq: 1 } } }\n" },
		{ "tools/t.yaml", HEAD "approval: { qqqqqqqqqq: 1 }\n" }, { "tools/t.yaml", HEAD "input: { a: { qqqqqqqqqq: 1 } }\n" },
		{ "tools/t.yaml", HEAD "input: { a: { type: qqqqqqqqqq } }\n" }, { "agents/t.yaml", AGENT("qqqqqqqqqq: 1\n") },
		{ "agents/t.yaml", AGENT("limits: { qqqqqqqqqq: 1 }\n") }, { "models.yaml", "qqqqqqqqqq: 1\n" },
		{ "models.yaml", "providers: { p: { qqqqqqqqqq: 1 } }\n" }, { "models.yaml", "models: { m: { qqqqqqqqqq: 1 } }\n" },
		{ "models.yaml", "models: { m: { price: { qqqqqqqqqq: 1 } } }\n" },
	};
	const char *said = readme(a).p;
	for (size_t i = 0; i < COUNT(maps); i++) {
		struct catalog_case *c = catalog_case_open(a, HOSTS, false);
		catalog_case_put(c, maps[i].file, maps[i].text);
		const char *known = strstr(catalog_case_mistakes(c), "known are: "), *end = known ? strchr(known, '\n') : NULL;
		REQUIRE(known);
		struct str rest = { known + strlen("known are: "), end ? (size_t)(end - known) - strlen("known are: ") : strlen(known) - strlen("known are: ") }, key;
		while (str_next(&rest, ',', &key)) {
			key = str_trim(key);
			const char *word = arena_text(a, key);
			test_check(!strchr(word, ' ') && strstr(said, word), __FILE__, __LINE__, word);
		}
	}
}

LOOP_TEST(without_a_folder_there_are_the_built_in_agents)
{
	struct catalog_case *c = catalog_case_open(a, "", false);
	c->config.catalog.dir = "";
	struct generation *g = catalog_case_load(c);
	REQUIRE(g);
	CHECK(agent_find(g->agents, "quotes"));
	CHECK_EQ_I((int64_t)g->n_models, 1);
}

LOOP_TEST(an_agent_has_its_tools_its_agents_and_its_limits)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "tools/t.yaml", SQL("select :a, :n"));
	catalog_case_put(c, "agents/p.md", "Be brief.\n");
	catalog_case_put(c, "agents/x.yaml", "type: helper\ntext: Helps.\nprompt_file: p.md\ntools: [t, task_list, ask_user]\nagents: [quotes]\n"
		"limits: { turns: 3, tool_time: 2s, tool_result_bytes: 4KiB }\nmax_tokens: 77\nweb_searches: 2\n"
		"result_schema: { type: object, properties: { n: { type: integer, maximum: 12 }, ok: { const: true }, s: { const: '12' } } }\n");
	struct generation *g = catalog_case_load(c);
	REQUIRE(g);
	const struct agent *x = agent_find(g->agents, "helper");
	REQUIRE(x);
	CHECK_EQ_S(x->prompt, "Be brief.\n");
	CHECK_EQ_S(x->name, "helper");
	CHECK_EQ_I(x->limits.turns, 3);
	CHECK_EQ_I(x->limits.tool_ms, 2000);
	CHECK_EQ_I((int64_t)x->limits.result_bytes, 4096);
	CHECK_EQ_I(x->max_tokens, 77);
	CHECK_EQ_S(json_print(a, json_get(x->result_schema, "properties")),
		"{\"n\":{\"type\":\"integer\",\"maximum\":12},\"ok\":{\"const\":true},\"s\":{\"const\":\"12\"}}");
	CHECK_EQ_S(x->tools[0]->name, "t");
	CHECK_EQ_S(x->tools[1]->name, "task_list");
	CHECK(x->tools[2]->effect == TOOL_QUESTION);
	CHECK_EQ_S(x->tools[3]->name, "ask_quotes");
	CHECK(x->tools[3]->effect == TOOL_AGENT);
	CHECK_EQ_S(x->tools[3]->agent, "quotes");
	CHECK(!x->tools[4]);
}

LOOP_TEST(the_schema_of_a_tool_and_the_check_of_its_arguments_come_from_its_fields)
{
	static const char fields[] = "input:\n  t: { type: text, required: true, max: 5, choices: [ab, cd], text: One. }\n  i: { type: integer, min: -3, max: 7 }\n"
		"  b: { type: boolean }\n  d: { type: date }\n  o: { type: object }\n  ts: { type: texts, max: 2 }\n  is: { type: integers }\n";
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "tools/t.yaml", arena_printf(a, HEAD "%ssql: { statement: select 1 }\n", fields));
	const struct tool *t = catalog_case_tool(c, "t");
	REQUIRE(t);
	CHECK_EQ_S(json_print(a, json_get(field_schema(a, t->fields), "properties")),
		"{\"t\":{\"type\":\"string\",\"description\":\"One.\",\"enum\":[\"ab\",\"cd\"]},\"i\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":7},"
		"\"b\":{\"type\":\"boolean\"},\"d\":{\"type\":\"string\",\"format\":\"date\"},\"o\":{\"type\":\"object\"},"
		"\"ts\":{\"type\":\"array\",\"maxItems\":2,\"items\":{\"type\":\"string\"}},\"is\":{\"type\":\"array\",\"maxItems\":100,\"items\":{\"type\":\"integer\"}}}");
	char *args = arena_alloc(a, t->args_size);
	const cJSON *good = json_parse(a, STR("{\"t\":\"cd\",\"i\":0,\"b\":false,\"ts\":[\"x\",\"y\"],\"is\":[1,2]}"), e);
	REQUIRE_OK(field_read(a, t->fields, good, args, e));
	struct template_values v = { t->fields, args, NULL };
	CHECK_EQ_S(json_print(a, template_input(a, &v)), "{\"t\":\"cd\",\"i\":0,\"b\":false,\"ts\":[\"x\",\"y\"],\"is\":[1,2]}");
	CHECK(!field_read(a, t->fields, json_parse(a, STR("{\"t\":\"ef\"}"), e), args, e));
	CHECK_EQ_S(e->msg, "t: must be one of: ab, cd");
}

LOOP_TEST(prices_are_exact)
{
	static const struct { const char *text; int64_t micros; } prices[] = {
		{ "3.75", 3750000 }, { "0.000001", 1 }, { "15", 15000000 }, { "0.1", 100000 }, { "0.3", 300000 }, { "999999999.999999", 999999999999999 },
		{ "0", 0 },
	};
	static const char *const bad[] = { "", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0.1234567", "1234567890", "1.5 ", "0x1", "NaN" };
	int64_t micros;
	for (size_t i = 0; i < COUNT(prices); i++) {
		CHECK(catalog_micros(prices[i].text, &micros));
		CHECK_EQ_I(micros, prices[i].micros);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK(!catalog_micros(bad[i], &micros)))
			printf("      %s\n", bad[i]);
}

LOOP_TEST(models_have_their_doors_prices_and_limits)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	c->base.model.api_key = "default-key";
	c->base.model.thinking_tokens = 500;
	c->config.model.fallback = "small , big";
	catalog_case_put(c, "secrets/key", "sk-0123456789");
	catalog_case_put(c, "models.yaml", "providers:\n  p: { base_url: 'https://models.example.com', api_key_file: key, key_header: x-api-key, "
		"requests_per_minute: 60, tokens_per_minute: 1000 }\nmodels:\n  claude-test: { max_tokens: 600, price: { input: 3, output: 15, "
		"cache_write: 3.75, cache_read: 0.3 } }\n  big: { provider: p, name: big-instruct, max_tokens: 4096, context_tokens: 32000 }\n");
	struct generation *g = catalog_case_load(c);
	REQUIRE(g);
	struct models all = { .all = g->models, .n = g->n_models };
	CHECK_EQ_I((int64_t)g->n_models, 3);
	CHECK_EQ_S(g->models[0].name, "claude-test");
	CHECK_EQ_I(g->models[0].price.cache_write, 3750000);
	CHECK_EQ_I(g->models[0].price.cache_read, 300000);
	CHECK_EQ_I(g->models[0].max_tokens, 600);
	const struct model_config *small = model_find(&all, "small"), *big = model_find(&all, "big");
	REQUIRE(small && big);
	CHECK_EQ_S(small->api_key, "default-key");
	CHECK_EQ_I(small->price.input, 0);
	CHECK_EQ_S(big->api_key, "sk-0123456789");
	CHECK_EQ_S(big->called, "big-instruct");
	CHECK_EQ_S(big->lane, "p");
	CHECK(!big->key_as_bearer);
	CHECK_EQ_I(big->thinking_tokens, 0);
	CHECK_EQ_I(big->requests_per_minute, 60);
	CHECK_EQ_S(g->fallback[0], "small");
	CHECK_EQ_S(g->fallback[1], "big");
	CHECK(!g->fallback[2]);
}

/* ---- statements ---- */

static const struct field sql_fields[] = {
	{ "t", FIELD_TEXT, 0 }, { "i", FIELD_I64, 8 }, { "b", FIELD_BOOL, 16 }, { "d", FIELD_DATE, 24 }, { "o", FIELD_JSON, 32 },
	{ "ts", FIELD_TEXTS, 40 }, { "is", FIELD_I64S, 56 }, { 0 },
};

LOOP_TEST(one_bound_of_an_integer_says_nothing_of_the_other)
{
	static const struct { const char *args; bool fits; } cases[] = { { "{\"a\":-1}", false }, { "{\"a\":7}", true }, { "{\"b\":-7}", true },
		{ "{\"b\":11}", false } };
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "tools/t.yaml", HEAD "input: { a: { type: integer, min: 0 }, b: { type: integer, max: 10 } }\nsql: { statement: 'select :a, :b' }\n");
	const struct tool *t = catalog_case_tool(c, "t");
	REQUIRE(t);
	CHECK_EQ_S(json_print(a, json_get(field_schema(a, t->fields), "properties")),
		"{\"a\":{\"type\":\"integer\",\"minimum\":0},\"b\":{\"type\":\"integer\",\"maximum\":10}}");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err wrong_value = { 0 };
		test_check(field_read(a, t->fields, json_parse(a, str_of(cases[i].args), e), arena_alloc(a, t->args_size), &wrong_value) ==
			cases[i].fits, __FILE__, __LINE__, cases[i].args);
	}
}

/* What stands between the limits; or the mistake with its byte. */
static const char *inner(struct arena *a, const char *statement, bool write)
{
	struct tool_sql_source source = { statement, sql_fields, write, 10, 1000 };
	struct tool_sql_text text;
	struct err e = { 0 };
	size_t at;
	if (!tool_sql_compile(a, &source, &text, &at, &e))
		return arena_printf(a, "%zu: %.30s", at, e.msg);
	const char *from = strstr(text.text, "(\n"), *end = NULL;
	for (const char *p = text.text; (p = strstr(p, "\n) ")); p++)
		end = p;
	return from && end ? arena_text(a, (struct str){ from + 2, (size_t)(end - from - 2) }) : text.text;
}

LOOP_TEST(parameters_are_found_where_they_are_and_nowhere_else)
{
	static const struct { const char *statement, *inner; } cases[] = {
		{ "select :t, :i, :b, :d, :o, :ts, :is", "select ($1::text), ($2::bigint), ($3::boolean), ($4::date), ($5::jsonb), ($6::text[]), "
			"($7::bigint[])" },
		{ "select :t, :i, :t", "select ($1::text), ($2::bigint), ($1::text)" },
		{ "select :user_id, :workspace_id, :session_id, :request_id",
			"select ($1::uuid), ($2::uuid), ($3::uuid), ($4::bigint)" },
		{ "select x::date, f(a := 1), y[1:2]", "select x::date, f(a := 1), y[1:2]" },
		{ "select '12:30:00'", "select '12:30:00'" },
		{ "select to_char(x, 'HH24:MI') || :t", "select to_char(x, 'HH24:MI') || ($1::text)" },
		{ "select 'it''s' || :t", "select 'it''s' || ($1::text)" },
		{ "select E'\\'' || :t", "select E'\\'' || ($1::text)" },
		{ "select e'\\\\' || :t", "select e'\\\\' || ($1::text)" },
		{ "select name'\\' || :t", "select name'\\' || ($1::text)" },
		{ "select \"a\"\"b\" || :t", "select \"a\"\"b\" || ($1::text)" },
		{ "select $$ it's $$ || :t", "select $$ it's $$ || ($1::text)" },
		{ "select $x$ $$ ; -- $x$ || :t", "select $x$ $$ ; -- $x$ || ($1::text)" },
		{ "select 1 -- :nope; it's\n, :t", "select 1 -- :nope; it's\n, ($1::text)" },
		{ "select /* :nope /* ' */ ; */ :t", "select /* :nope /* ' */ ; */ ($1::text)" },
		{ "select :t; -- the end\n", "select ($1::text)" },
		{ "select a$b$c, :t", "select a$b$c, ($1::text)" },
		{ "(select :t) union all (select 'x')", "(select ($1::text)) union all (select 'x')" },
		{ "select ':t'", "8: a parameter within quotes is n" },
		{ "select $$ :t $$", "10: a parameter within quotes is n" },
		{ "select \":t\"", "8: a parameter within quotes is n" },
		{ "select 'open", "7: this quote is not closed" },
		{ "select $a$ open $$", "7: this quote is not closed" },
		{ "select /* open", "7: this comment is not closed" },
		{ "select $1", "7: parameters have names here: wr" },
		{ "select 1; drop table x", "10: a second statement; a tool is " },
		{ "select 1) ; commit; select (1", "8: this bracket closes nothing" },
		{ "select (1", "9: 1 brackets are not closed" },
		{ "select :user", "7: unknown parameter :user; add i" },
		{ "", "0: there is no statement" }, { " -- nothing\n", "0: there is no statement" },
		{ "with a as (select 1)", "0: after WITH there is no select," },
		{ "set role postgres", "0: a statement begins with select" }, { "begin", "0: a statement begins with select" },
		{ "copy t to program 'x'", "0: a statement begins with select" }, { "do $$ x $$", "0: a statement begins with select" },
		{ "explain analyze select 1", "0: a statement begins with select" }, { "call f()", "0: a statement begins with select" },
		{ "delete from t", "0: a tool that reads cannot delet" }, { "select Set_Config('a','b',true)", "7: set_config would change whose " },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = inner(a, cases[i].statement, false), *want = cases[i].inner;
		if (want[0] >= '0' && want[0] <= '9')
			want = arena_printf(a, "%.*s", (int)strlen(got), want);
		if (!CHECK_EQ_S(got, want) || !CHECK(strlen(got) > 5))
			printf("      %s\n", cases[i].statement);
	}
}

LOOP_TEST(a_statement_that_writes_keeps_its_shape_within_its_limits)
{
	static const struct { const char *statement, *begins; } cases[] = {
		{ "insert into t values (:t) returning id", "with drover_it as (\ninsert into t values (($1::text)) returning id\n) select case" },
		{ "insert into t values (:t)", "with drover_it as (\ninsert into t values (($1::text))\nreturning 1\n) select count(*) as drover_changed from drover_it" },
		{ "with a as (insert into t values (1) returning id) select * from a",
			"with a as (insert into t values (1) returning id) , drover_it as (\nselect * from a\n) select case" },
		{ "with recursive update as (select 1), b(x) as materialized (select 2) update t set a = 1 from b",
			"with recursive update as (select 1), b(x) as materialized (select 2) , drover_it as (\nupdate t set a = 1 from b\nreturning 1\n) select count" },
		{ "select app.approve(:i)", "with drover_it as (\nselect app.approve(($1::bigint))\n) select case" },
		{ "merge into t using u on true when matched then do nothing", "merge into t using u on true when matched then do nothing" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tool_sql_source source = { cases[i].statement, sql_fields, true, 10, 1000 };
		struct tool_sql_text text = { 0 };
		size_t at;
		REQUIRE_OK(tool_sql_compile(a, &source, &text, &at, e));
		CHECK_EQ_S(arena_printf(a, "%.*s", (int)strlen(cases[i].begins), text.text), cases[i].begins);
	}
}

LOOP_TEST(a_statement_that_did_not_change_keeps_its_name_and_another_gets_its_own)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	catalog_case_put(c, "tools/t.yaml", SQL("select :a"));
	const struct tool_sql *first = catalog_case_tool(c, "t")->self;
	catalog_case_put(c, "agents/x.yaml", AGENT("tools: [t]\n"));
	const struct tool_sql *again = catalog_case_tool(c, "t")->self;
	catalog_case_put(c, "tools/t.yaml", SQL("select :a, 2"));
	const struct tool_sql *other = catalog_case_tool(c, "t")->self;
	CHECK(first != again);
	CHECK(first->sql == again->sql);
	CHECK(other->sql != first->sql);
	CHECK(strcmp(other->sql->name, first->sql->name) != 0);
}

/* ---- URLs ---- */

static const struct field url_fields[] = {
	{ "a", FIELD_TEXT, 0, .required = true, .given = 16 }, { "q", FIELD_TEXT, 8, .given = 17 }, { 0 },
};
struct url_args {
	const char *a, *q;
	bool a_given, q_given;
};

static const char *render_url(struct arena *a, const char *template, const char *value, const char *query)
{
	struct template t;
	struct err e = { 0 };
	const char *host, *out;
	size_t at;
	struct url_args args = { value, query, value, query };
	struct template_values v = { url_fields, &args, NULL };
	bool ok = template_compile_url(a, template, url_fields, &t, &host, &at, &e) && template_render(a, &t, &v, &out, &e);
	return ok ? out : e.msg[0] ? arena_text(a, str_of(e.msg)) : "no error";
}

LOOP_TEST(a_value_in_a_url_is_nothing_but_a_value)
{
	static const struct { const char *value, *query, *url; } cases[] = {
		{ "c7", "x", "https://api.example.com/v1/c7?q=x" },
		{ "a b@c#d?e&f", "a b@c#d?e&f=g/h\\i\r\nj\xC3\xA9",
			"https://api.example.com/v1/a%20b%40c%23d%3Fe%26f?q=a%20b%40c%23d%3Fe%26f%3Dg%2Fh%5Ci%0D%0Aj%C3%A9" },
		{ "x", NULL, "https://api.example.com/v1/x?q=" },
		{ "@evil.example", "x", "https://api.example.com/v1/%40evil.example?q=x" },
		{ "file:", "file:///etc/passwd", "https://api.example.com/v1/file%3A?q=file%3A%2F%2F%2Fetc%2Fpasswd" },
		{ "..", "x", "a: must not be dots alone: it is a part of a path" },
		{ ".", "x", "a: must not be dots alone: it is a part of a path" },
		{ "%2e%2e", "x", "a: must have no slash and no percent sign: it is a part of a path" },
		{ "../admin", "x", "a: must have no slash and no percent sign: it is a part of a path" },
		{ "//evil.example", "x", "a: must have no slash and no percent sign: it is a part of a path" },
		{ "..\\admin", "x", "a: must have no slash and no percent sign: it is a part of a path" },
		{ "", "x", "a: must not be empty: it is a part of a path" },
		{ "a\r\nX-Evil: 1", "x", "a: must have no line breaks and control characters" },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_EQ_S(render_url(a, "https://api.example.com/v1/{a}?q={q}", cases[i].value, cases[i].query), cases[i].url);
	CHECK_EQ_S(render_url(a, "https://api.example.com/.{a}/x", ".a", NULL), "https://api.example.com/..a/x");
	CHECK_EQ_S(render_url(a, "https://api.example.com/{{x}}?{q}", "a", "b"), "https://api.example.com/{x}?b");
}

LOOP_TEST(nothing_leads_a_url_to_another_host)
{
	static const char *const bad[] = {
		"https://{a}", "https://{a}/", "https://api.example.com{a}/", "https://{a}.example.com/", "{a}://api.example.com/", "{a}",
		"https://api.example.com@evil.example/", "https://user:pw@api.example.com/", "https://api.example.com#@evil.example/",
		"https://api.example.com\\@evil.example/", "https://api%2eexample.com/", "https://api.example.com:{a}/",
		"https://api.example.com:0/", "https://api.example.com:99999/", "https://api.example.com:/", "https:///x", "https:api.example.com/",
		"https://api.example.com./", "https://api..example.com/", "https://\xC3\xA9.example.com/", "file:///etc/passwd", "gopher://x/",
		"ftp://api.example.com/", "HTTPS://api.example.com/", "https://[::1]{a}/", "https://api.example.com/#x", "https://api.example.com/a b",
		"https://api.example.com/\\x", "https://api.example.com /", "//api.example.com/", "https://api.example.com/{a", "https://api.example.com/a}",
	};
	struct template t;
	const char *host;
	size_t at;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK(!template_compile_url(a, bad[i], url_fields, &t, &host, &at, e)))
			printf("      %s\n", bad[i]);
	REQUIRE_OK(template_compile_url(a, "https://API.Example.com:8443/{a}", url_fields, &t, &host, &at, e));
	CHECK_EQ_S(host, "api.example.com");
	REQUIRE_OK(template_compile_url(a, "http://[2001:DB8::1]:80?x={q}", url_fields, &t, &host, &at, e));
	CHECK_EQ_S(host, "[2001:db8::1]");
}

TEST(addresses_that_are_not_of_the_open_internet_are_known)
{
	static const char *const closed[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "[::1]", "fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "[::ffff:169.254.169.254]", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
		"2002:a00:1::", "2001:db8::1", "2001::1", "64:ff9b:1::1", "::127.0.0.1", "100::1", "fd00:ec2::254", "3fff::1", "4000::1", "",
		"localhost", "127.1", "0x7f000001", "2130706433", "1.1.1.1.1", "[", "[]", "fe80::1%eth0",
	};
	static const char *const open[] = { "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
		"198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700:4700::1111", "[2a00:1450::1]", "::ffff:8.8.8.8", "2002:808:808::",
		"64:ff9b::808:808" };
	for (size_t i = 0; i < COUNT(closed); i++)
		if (!CHECK(!address_is_public(closed[i])))
			printf("      %s\n", closed[i]);
	for (size_t i = 0; i < COUNT(open); i++)
		if (!CHECK(address_is_public(open[i])))
			printf("      %s\n", open[i]);
}

LOOP_TEST(a_json_pointer_gives_the_bytes_it_points_to)
{
	static const char json[] = " { \"a\" : [ 1 , { \"b/c\" : 12345678901234567890.10 , \"~\": [ ] } ] , \"\" : \"x]}\\\"y\" , \"z\" : null } ";
	static const struct { const char *pointer, *part; } cases[] = {
		{ "/a/1/b~1c", "12345678901234567890.10" }, { "/a/1/~0", "[ ]" }, { "/a/0", "1" }, { "/", "\"x]}\\\"y\"" }, { "/z", "null" },
		{ "/a/2", NULL }, { "/a/01", NULL }, { "/a/-1", NULL }, { "/a/-", NULL }, { "/b", NULL }, { "/z/x", NULL }, { "/a/0/x", NULL },
		{ "/a", "[ 1 , { \"b/c\" : 12345678901234567890.10 , \"~\": [ ] } ]" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str part = { 0 };
		bool found = json_point(str_of(json), cases[i].pointer, &part);
		CHECK_EQ_S(found ? arena_text(a, part) : NULL, cases[i].part);
	}
}

/* ---- changes ---- */

LOOP_TEST(every_change_of_a_file_changes_the_mark)
{
	struct catalog_case *c = catalog_case_open(a, HOSTS, false);
	const char *more[] = { arena_printf(a, "%s/secrets/s", c->dir), NULL };
	uint64_t last = catalog_mark(c->dir, more);
	static const char *const files[] = { "tools/a.yaml", "agents/a.yaml", "models.yaml", "secrets/s", "tools/a.yaml", "secrets/s" };
	for (size_t i = 0; i < COUNT(files); i++) {
		catalog_case_put(c, files[i], "same size");
		uint64_t now = catalog_mark(c->dir, more);
		CHECK(now != last);
		CHECK(now == catalog_mark(c->dir, more));
		last = now;
	}
	catalog_case_remove(c, "tools/a.yaml");
	CHECK(catalog_mark(c->dir, more) != last);
}
