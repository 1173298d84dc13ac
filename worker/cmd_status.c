/* SPDX-License-Identifier: MIT */
/* status: how the queue, the workers and the requests of the last hour are, and what an operator should look at. */
#include "commands.h"
#include "commands_sql.h"
#include "loop.h"
#include "settings.h"
#include "status.h"

struct status_options {
	bool json;
	int64_t watch_ms;
};

#define AT(c_type, member) FLAG_AT(struct status_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object; with --watch one a line" },
	{ 'w', "watch", "SECONDS", FLAG_DURATION, AT(int64_t, watch_ms), "Again and again, until Ctrl-C", .min = 100,
		.max = 3600000, .value_optional = true, .bare = "2s" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover status", "Once, for people." },
	{ "drover status --watch 5", "Redrawn every five seconds." },
	{ "drover status --json | jq .workers", "For programs." },
	{ 0 },
};

static bool status_read(const struct config *c, struct pg *db, struct arena *a, struct status *s, struct err *e)
{
	enum { BUDGETS_SHOWN = 10 };
	struct pool_config pool = pool_config_of(c);
	struct pg_args budgets = PG_ARGS(PG(agent_budgets_json(a, &pool.budgets)), PG(BUDGETS_SHOWN));
	struct pg_step steps[] = {
		{ &sql_status_depth, PG_NO_ARGS, &s->depth },       { &sql_status_oldest, PG_NO_ARGS, &s->oldest },
		{ &sql_status_ended, PG_NO_ARGS, &s->ended },       { &sql_status_times, PG_NO_ARGS, &s->times },
		{ &sql_status_failures, PG_NO_ARGS, &s->failures }, { &sql_status_workers, PG_NO_ARGS, &s->workers },
		{ &sql_connection_limits, PG_NO_ARGS, &s->connections }, { &sql_status_budgets, budgets, &s->budgets },
		{ &sql_status_lanes, PG_NO_ARGS, &s->lanes },
	};
	if (!pg_batch(db, a, steps, COUNT(steps), command_deadline(), e) || !alarms_read(db, a, c, &s->alarms, e))
		return false;
	status_sum(s);
	return true;
}

static bool show_once(struct command_run *run, struct pg *db, struct err *e)
{
	ARENA_SCOPE(tmp);
	const struct status_options *o = run->options;
	struct status s = { .config = run->config };
	if (!status_read(run->config, db, tmp, &s, e))
		return false;
	run->exit = s.alarms.wrong ? EXIT_UNWELL : EXIT_DONE;
	if (o->watch_ms && run->out.width && !o->json)
		fputs("\x1b[H\x1b[2J", run->out.to);
	if (o->json)
		print_json(&run->out, status_json(tmp, &s));
	else
		status_print(&run->out, tmp, &s);
	fflush(run->out.to);
	return true;
}

struct watch_status {
	struct command_run *run;
	struct pg *db;
};

static bool watch_body(void *arg, struct err *e)
{
	struct watch_status *w = arg;
	const struct status_options *o = w->run->options;
	while (show_once(w->run, w->db, e))
		if (!loop_sleep(o->watch_ms, e))
			return false;
	return false;
}

static bool status_run(struct command_run *run, struct err *e)
{
	const struct status_options *o = run->options;
	struct pg *db = command_db(run, e);
	struct watch_status w = { run, db };
	bool stopped;
	if (!db)
		return false;
	if (!o->watch_ms)
		return show_once(run, db, e);
	bool ok = command_until_signal(watch_body, &w, &stopped, e);
	run->exit = EXIT_DONE;
	return ok;
}

const struct command command_status = {
	.name = "status",
	.text = "Show alarms, queue, workers, lanes of models, times, budgets and failures",
	.more = "Depth counts what is open now. Times, failures and tokens are of requests that ended in the "
		"last hour, p50 and p99 of the newest 10,000 of them; rates are of the last minute, claims "
		"without second attempts. Lanes are the keys of model providers: they stand here while one is paused or has said "
		"its limits; budgets when some are set.\n\n"
		"Alarms stand first, each with what to do; exit code 5 when one of them is more than a warning: no "
		"worker lives, claims have stopped, a lease ran out and nobody took over, ... What other roles' "
		"connections do shows in full only to a role with pg_read_all_stats.",
	.flags = flags,
	.options_size = sizeof(struct status_options),
	.examples = examples,
	.run = status_run,
};
