/* SPDX-License-Identifier: MIT */
/* Commands about the catalog: agents, tools, doctor; and a worker that does not start with a wrong one. */
#include "loop.h"
#include "shell.h"
#include "test_pg.h"

/* In a folder of its own, which is gone afterwards. */
#define IN_FOLDER(setup, command) \
	"d=$(mktemp -d /tmp/drover-catalog-XXXXXX); mkdir $d/tools $d/agents; " setup "DROVER_CATALOG_DIR=$d " command "; s=$?; rm -r $d; exit $s"
#define TOOL(name, sql) "printf 'name: " name "\\ntext: Does it.\\nsql: { statement: \"" sql "\" }\\n' > $d/tools/" name ".yaml; "
#define AGENT "printf 'type: helper\\ntext: Helps.\\nprompt: Help.\\ntools: [t, ask_user]\\nagents: [quotes]\\n' > $d/agents/h.yaml; "
#define WRONG "printf 'type: helper\\ntxt: Helps.\\n' > $d/agents/h.yaml; "

LOOP_TEST(agents_and_tools_are_listed_with_their_files)
{
	struct ran agents = shell(a, NULL, IN_FOLDER(TOOL("t", "select 1") AGENT, "$D agents --json"));
	CHECK_EQ_I(agents.status, 0);
	CHECK_HAS(agents.out, "{\"type\":\"helper\",\"name\":\"helper\",\"text\":\"Helps.\",\"models\":[],\"tools\":[\"t\",\"ask_user\",\"ask_quotes\"],\"file\":\"/tmp/");
	CHECK_HAS(agents.out, "\"type\":\"quotes\"");
	struct ran tools = shell(a, NULL, IN_FOLDER(TOOL("t", "select 1"), "$D tools --json"));
	CHECK_HAS(tools.out, "{\"name\":\"t\",\"kind\":\"sql\",\"effect\":\"reads\",\"unknown\":null,\"approval\":null,\"file\":\"/tmp/");
	CHECK_HAS(tools.out, "{\"name\":\"task_list\",\"kind\":\"built-in\"");
	struct ran table = shell(a, NULL, IN_FOLDER(TOOL("t", "select 1"), "$D tools"));
	CHECK_HAS(table.out, "NAME ");
}

LOOP_TEST(mistakes_of_a_catalog_are_told_and_end_with_exit_code_two)
{
	static const char *const commands[] = { IN_FOLDER(TOOL("t", "select :x") WRONG, "$D agents"), IN_FOLDER(TOOL("t", "select :x") WRONG, "$D tools"),
		IN_FOLDER(TOOL("t", "select :x") WRONG, "DATABASE_URL=postgres://nobody@127.0.0.1:1/none $D worker") };
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct ran r = shell(a, NULL, commands[i]);
		CHECK_EQ_I(r.status, 2);
		CHECK_HAS(r.err, "/tools/t.yaml:3:27: unknown parameter :x;");
		CHECK_HAS(r.err, "/agents/h.yaml:2:1: unknown key 'txt'; did you mean text?");
	}
}

LOOP_TEST(doctor_tries_each_statement_as_its_role)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	struct ran good = shell(a, db.worker_url, IN_FOLDER(TOOL("t", "select code from psa.projects") AGENT, "$D doctor"));
	CHECK_HAS(good.out, "1 agent and 1 tool from files, 1 model");
	CHECK_HAS(good.out, "1 SQL tool was tried against the database");
	struct ran bad = shell(a, db.worker_url, IN_FOLDER(TOOL("t", "select no_such from psa.projects") WRONG, "$D doctor"));
	CHECK_EQ_I(bad.status, 5);
	CHECK_HAS(bad.out, "/tools/t.yaml: t: ");
	CHECK_HAS(bad.out, "column \"no_such\" does not exist");
	CHECK_HAS(bad.out, "/agents/h.yaml:2:1: unknown key 'txt'");
	struct ran rights = shell(a, db.worker_url, IN_FOLDER("printf 'name: t\\ntext: x\\nsql: { statement: \"delete from psa.tasks\", write: true }\\n' "
		"> $d/tools/t.yaml; ", "$D doctor"));
	CHECK_EQ_I(rights.status, 5);
	CHECK_HAS(rights.out, "/tools/t.yaml: permission denied for table tasks");
	CHECK_HAS(rights.out, "-> grant authenticated what it needs, or name a role that has it (sql: role)\n");
	struct ran role = shell(a, db.worker_url, IN_FOLDER("printf 'name: t\\ntext: x\\nsql: { statement: select 1, role: nobody_here }\\n' > $d/tools/t.yaml; ",
		"$D doctor"));
	CHECK_EQ_I(role.status, 5);
	CHECK_HAS(role.out, "/tools/t.yaml: cannot run as nobody_here");
}

LOOP_TEST(the_worked_example_fits_the_database)
{
	struct test_db db;
	REQUIRE_OK(test_db(a, &db, e));
	const char *command = arena_printf(a, IN_FOLDER("echo tok_0123456789 > $d/crm_token; ", "env DROVER_CATALOG_DIR=%s "
		"DROVER_TOOLS_HOSTS=api.example.com DROVER_TOOLS_SECRETS_DIR=$d $D doctor"), getenv("TEST_EXAMPLE"));
	struct ran r = shell(a, db.worker_url, command);
	CHECK_HAS(r.out, "deploy/catalog: 1 agent and 2 tools from files, 2 models");
	CHECK_HAS(r.out, "1 SQL tool was tried against the database");
	CHECK(!strstr(r.out, "wrong  tool") && !strstr(r.out, "wrong  catalog"));
}
