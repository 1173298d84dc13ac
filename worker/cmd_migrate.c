/* SPDX-License-Identifier: MIT */
/* migrate: brings the database's shape up to date. */
#include "commands.h"
#include "demo_sql.h"
#include "loop.h"
#include "migrations.h"

struct migrate_options {
	bool pending, demo, json;
};

#define AT(c_type, member) FLAG_AT(struct migrate_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "pending", NULL, FLAG_SWITCH, AT(bool, pending), "Only say how many migrations the database lacks" },
	{ 0, "demo", NULL, FLAG_SWITCH, AT(bool, demo),
		"Load the demo data afterwards; loading it again changes nothing" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object instead of lines" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover migrate", "Apply what is missing, in order, each in a transaction." },
	{ "drover migrate --pending", "How many are missing; changes nothing." },
	{ 0 },
};

/* Told while it goes on: a long one should not look stuck. stderr in JSON, because stdout is one object then. */
static void tell_applied(const struct migration *m)
{
	printf("applied %s\n", m->path);
	fflush(stdout);
}

static bool show_pending(struct command_run *run, struct pg *db, struct err *e)
{
	const struct migrate_options *o = run->options;
	int n;
	if (!migrate_pending(db, migrations_all, command_deadline(), &n, e))
		return false;
	printf(o->json ? "{\"pending\":%d}\n" : "%d pending\n", n);
	return true;
}

static bool load_demo(struct command_run *run, struct pg *db, struct err *e)
{
	const struct migrate_options *o = run->options;
	if (!pg_script(db, run->arena, seed_demo, command_deadline(), NULL, e))
		return err_prefix(e, "demo data: ");
	if (!o->json)
		printf("demo data is there\n");
	return true;
}

static bool migrate_run(struct command_run *run, struct err *e)
{
	const struct migrate_options *o = run->options;
	struct migrate_report report;
	struct pg *db = command_db(run, e);
	if (!db)
		return false;
	if (o->pending)
		return show_pending(run, db, e);
	/* without a deadline: an index on a large table takes what it takes, and Ctrl-C rolls it back */
	if (!migrate(db, migrations_all, o->json ? NULL : tell_applied, NEVER_MS, &report, e))
		return false;
	if (!o->json)
		printf("%d applied, %d already there\n", report.applied, report.already);
	if (o->demo && !load_demo(run, db, e))
		return false;
	if (o->json)
		printf("{\"applied\":%d,\"already\":%d}\n", report.applied, report.already);
	return true;
}

const struct command command_migrate = {
	.name = "migrate",
	.text = "Create or update the tables in the database",
	.more = "Needs a role that may create schemas, roles and publications: on a server of your own a "
		"superuser, on Supabase postgres. Two at once wait for each other. A migration that was "
		"applied and whose text changed afterwards is an error, and then nothing is applied.",
	.flags = flags,
	.options_size = sizeof(struct migrate_options),
	.examples = examples,
	.run = migrate_run,
};
