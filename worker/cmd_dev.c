/* SPDX-License-Identifier: MIT */
/* dev: the whole thing on one's own machine, with nothing installed but Postgres' programs; --demo shows it at work. */
#include "commands.h"
#include "dev.h"
#include "fiber.h"
#include "loop.h"
#include <unistd.h>

#define DEMO_REQUEST "plan the Apollo kickoff, staff it and draft the quote"

struct dev_flags {
	const char *dir;
	bool fresh, demo, keep, own_model, no_worker, verbose;
};

/* ---- the demo: the program's own commands, as a user would call them ---- */

static bool call_self(struct command_run *run, const struct dev *d, const char *const *args, struct err *e)
{
	const char *argv[16] = { own_program(run->arena) };
	const char *env[256] = { arena_printf(run->arena, "DROVER_DATABASE_URL=%s", d->owner_url) };
	int status = 0;
	for (size_t i = 0; args[i] && i + 2 < COUNT(argv); i++)
		argv[i + 1] = args[i];
	for (size_t i = 0, n = 1; run->environment[i] && n + 1 < COUNT(env); i++)
		if (!str_starts(str_of(run->environment[i]), "DROVER_DATABASE_URL"))
			env[n++] = run->environment[i];
	printf("\n$ drover");
	for (size_t i = 0; args[i]; i++)
		printf(strchr(args[i], ' ') ? " '%s'" : " %s", args[i]);
	printf("\n");
	fflush(stdout);
	struct process *p = process_start(&(struct process_options){ .argv = argv, .env = env, .die_with_us = true }, e);
	bool ok = p && process_wait(p, NEVER_MS, &status, e);
	process_free(p);
	return ok && (status == 0 || FAIL(e, ERR_INPUT, "demo_failed", "drover %s ended with %d", args[0], status));
}

static bool demo(struct command_run *run, const struct dev *d, struct err *e)
{
	const char *const enqueue[] = { "enqueue", "orchestrator", DEMO_REQUEST, "--wait", NULL };
	const char *const status[] = { "status", NULL };
	return call_self(run, d, enqueue, e) && call_self(run, d, status, e);
}

/* ---- the command ---- */

static void tell_ready(const struct dev *d)
{
	printf("DATABASE_URL=%s\n", d->owner_url);
	if (!d->pool)
		printf("WORKER_DATABASE_URL=%s\n", d->worker_url);
	if (!d->pool && d->model_url)
		printf("MODEL_BASE_URL=%s\n", d->model_url);
	if (d->pool && d->mock)
		printf("The model is scripted (%s): it plays a fixed story and knows nothing.\n", d->model_url);
	fflush(stdout);
}

static void tell_how(const struct dev *d)
{
	printf("\nEnqueue from another terminal, as the app would:\n\n"
		"  psql '%s' -c \"insert into agent_requests (type, request) values ('orchestrator', '" DEMO_REQUEST "') "
		"returning id, session_id\"\n\n"
		"and watch it: DATABASE_URL='%s' drover tail ID. Ctrl-C stops everything.\n", d->owner_url, d->owner_url);
	fflush(stdout);
}

static bool until_cancelled(void *arg, struct err *e)
{
	(void)arg;
	while (loop_park(NEVER_MS, e))
		;
	return false;
}

struct session {
	struct command_run *run;
	struct dev *dev;
};

static bool live(void *arg, struct err *e)
{
	struct session *s = arg;
	const struct dev_flags *f = s->run->options;
	struct dev_options o = { f->dir, f->fresh, f->own_model, f->no_worker, s->run->config };
	if (!dev_start(s->run->arena, &o, s->dev, e))
		return false;
	tell_ready(s->dev);
	if (f->demo && !demo(s->run, s->dev, e))
		return false;
	if (f->demo && !f->keep)
		return true;
	if (!f->no_worker)
		tell_how(s->dev);
	return until_cancelled(NULL, e);
}

static bool live_and_stop(void *arg, struct err *e)
{
	struct session *s = arg;
	const struct dev_flags *f = s->run->options;
	bool ok = live(s, e);
	dev_stop(s->dev);
	bool keep = !ok || f->keep || !f->fresh || !f->demo; /* else nobody asked for its data to be kept */
	return ok && (keep || embedded_remove(s->run->arena, s->dev->postgres.dir, e));
}

static bool run_dev(struct command_run *run, struct err *e)
{
	const struct dev_flags *f = run->options;
	struct session s = { run, arena_alloc(run->arena, sizeof(*s.dev)) };
	bool stopped;
	if (f->demo && f->no_worker)
		return command_usage(run, e, "--demo needs a worker: leave --no-worker out");
	log_level_set(f->verbose ? LOG_INFO : LOG_WARN);
	fiber_stack_size_set((size_t)run->config->fiber.stack);
	seed_dice();
	raise_file_limit();
	return command_until_signal(live_and_stop, &s, &stopped, e);
}

#define AT(c_type, member) FLAG_AT(struct dev_flags, c_type, member)
static const struct flag flags[] = {
	{ 0, "dir", "DIR", FLAG_TEXT, AT(const char *, dir), "Where the private Postgres keeps its data", .preset = ".drover" },
	{ 0, "fresh", NULL, FLAG_SWITCH, AT(bool, fresh), "Delete that data first" },
	{ 0, "demo", NULL, FLAG_SWITCH, AT(bool, demo), "Run a request of the demo, show its log and the status, and end" },
	{ 0, "keep", NULL, FLAG_SWITCH, AT(bool, keep), "After the demo stay up" },
	{ 0, "own-model", NULL, FLAG_SWITCH, AT(bool, own_model), "Use the model of the configuration, not the scripted one" },
	{ 0, "no-worker", NULL, FLAG_SWITCH, AT(bool, no_worker), "Database and model only, for a worker started by hand" },
	{ 'v', "verbose", NULL, FLAG_SWITCH, AT(bool, verbose), "The worker's log on stderr too" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover dev", "everything up, until Ctrl-C" },
	{ "drover dev --demo", "one request from insert to result, then down again" },
	{ "ANTHROPIC_API_KEY=... drover dev --own-model", "with a real model" },
	{ 0 },
};

const struct command command_dev = {
	.name = "dev",
	.text = "A private Postgres, the schema, demo data, a scripted model and a worker, in one go",
	.more = "Needs Postgres' programs, but no running server, no key and no network. Prints DATABASE_URL=... once requests "
		"are served. psql through that URL is the demo user.",
	.flags = flags,
	.options_size = sizeof(struct dev_flags),
	.examples = examples,
	.run = run_dev,
};
