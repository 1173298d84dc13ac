/* SPDX-License-Identifier: MIT */
/* The pool's two kinds of process: a small supervisor, and the single-threaded workers it starts again when they die. */
#include "catalog_tell.h"
#include "clock.h"
#include "commands.h"
#include "fiber.h"
#include "loop.h"
#include "pool.h"
#include "process.h"
#include "settings.h"
#include "uuid.h"
#include <signal.h>
#include <unistd.h>

struct worker_options {
	int64_t processes;
	int64_t number; /* of a worker process, from 0 */
	const char *child, *after; /* a worker process: its id, and the one whose place it takes */
};

static const int stop_signals[] = { SIGTERM, SIGINT };

/* ---- a worker process ---- */

static bool serve(void *pool, struct err *e)
{
	return pool_serve(pool, e);
}

/* First signal: drain; second: at once. */
static bool drain_on_signal(void *pool, struct err *e)
{
	int number;
	while (loop_wait_signal(stop_signals, COUNT(stop_signals), &number, e))
		pool_drain(pool);
	return true;
}

static bool run_pool(struct pool *p, struct catalog *catalog, struct err *e)
{
	struct group serving = { 0 }, signals = { 0 };
	struct catalog_watch watch = { catalog, p };
	struct err ignored = { 0 };
	bool ok = group_start(&signals, "signals", drain_on_signal, p, e) &&
		group_start(&signals, "catalog", catalog_watch, &watch, e) && group_start(&serving, "pool", serve, p, e) &&
		group_wait(&serving, NEVER_MS, e);
	group_cancel(&signals);
	group_wait(&signals, NEVER_MS, &ignored);
	return ok;
}

/* All mistakes, and then an end that no second start would change. */
static bool load_catalog(struct command_run *run, struct catalog *catalog, struct generation **out, struct err *e)
{
	struct catalog_problems problems = { .a = run->arena };
	*out = catalog_load(catalog, &problems, NULL);
	return *out || catalog_tell(run, &problems, e);
}

static bool run_child(struct command_run *run, const struct worker_options *o, struct err *e)
{
	struct pool_config config = pool_config_of(run->config);
	config.worker_id = o->child;
	config.after = o->after;
	if (config.metrics_port)
		config.metrics_port += (int)o->number;
	log_worker_set(o->child);
	log_level_set(run->config->log.level);
	fiber_stack_size_set((size_t)run->config->fiber.stack);
	seed_dice();
	int64_t files = raise_file_limit();
	if (files < config.slots + 64)
		log_write(LOG_WARN, "few_descriptors", "%ld descriptors are too few for %d slots (ulimit -n)", (long)files,
			config.slots);
	struct catalog *catalog = catalog_new(run->arena, run->config, &config);
	if (!load_catalog(run, catalog, &config.generation, e))
		return false;
	struct pool *p = pool_new(&config);
	bool ok = run_pool(p, catalog, e);
	pool_free(p);
	if (!ok && e->kind == ERR_REFUSED)
		run->exit = strcmp(e->code, "no_realtime") == 0 ? EXIT_USAGE : EXIT_NO_DATABASE;
	return ok;
}

/* ---- the supervisor ---- */

struct supervisor {
	struct command_run *run;
	struct group children;
	struct process **processes;
	struct task **resting; /* between two starts */
	int n;
	int stops; /* signals so far */
	int exit;  /* of a child that will not do better the next time */
};

struct slot {
	struct supervisor *s;
	int number;
	char id[UUID_TEXT], before[UUID_TEXT];
};

/* The URL holds a password: in the environment, not in the process list. */
static const char **child_environment(struct command_run *run)
{
	size_t n = 0;
	while (run->environment[n])
		n++;
	const char **env = arena_alloc(run->arena, (n + 3) * sizeof(*env));
	const char *url = run->config->database.url, *listen_url = run->config->database.listen_url;
	env[0] = arena_printf(run->arena, "DROVER_DATABASE_URL=%s", url);
	env[1] = arena_printf(run->arena, "DROVER_DATABASE_LISTEN_URL=%s", *listen_url ? listen_url : url);
	size_t kept = 2;
	for (size_t i = 0; i < n; i++)
		if (!str_starts(str_of(run->environment[i]), "DROVER_DATABASE_URL") && /* _FILE too: one of them is enough */
			!str_starts(str_of(run->environment[i]), "DROVER_DATABASE_LISTEN_URL"))
			env[kept++] = run->environment[i];
	return env;
}

static struct process *child_start(struct slot *slot, struct err *e)
{
	struct command_run *run = slot->s->run;
	const char *argv[16] = { own_program(run->arena), "worker", "--child", slot->id, "--number",
		arena_printf(run->arena, "%d", slot->number) };
	size_t n = 6;
	if (slot->before[0]) {
		argv[n++] = "--after";
		argv[n++] = slot->before;
	}
	if (run->config_file) {
		argv[n++] = "--config";
		argv[n++] = run->config_file;
	}
	struct process_options o = { .argv = argv, .env = child_environment(run), .die_with_us = true, .own_group = true };
	return process_start(&o, e);
}

/* Wrong configuration or refused credentials will not be better at the next start. */
static bool is_hopeless(int status)
{
	return status == EXIT_USAGE || status == EXIT_NO_DATABASE;
}

enum { NOT_STARTED = -1 };

static bool child_once(struct slot *slot, int *status, struct err *e)
{
	struct supervisor *s = slot->s;
	uuid_make(slot->id);
	struct process *p = s->processes[slot->number] = child_start(slot, e);
	bool ok = p && process_wait(p, NEVER_MS, status, e);
	process_free(p);
	s->processes[slot->number] = NULL;
	if (p || !slot->before[0])
		return ok;
	log_write(LOG_ERROR, "worker_not_started", "%s", e->msg);
	*status = NOT_STARTED; /* but it was before: no memory or no descriptors, for a while */
	return true;
}

/* False when it is to start no more. */
static bool rest(struct slot *slot, int64_t ms)
{
	struct err ignored = { 0 };
	slot->s->resting[slot->number] = task_self();
	bool ok = ms == 0 || loop_sleep(ms, &ignored);
	slot->s->resting[slot->number] = NULL;
	return ok && !slot->s->stops;
}

static bool keep_alive(void *arg, struct err *e)
{
	enum { QUICK_MS = 1000, WAIT_MOST_MS = 10000 };
	struct slot *slot = arg;
	int64_t wait_ms = 100;
	for (;;) {
		int64_t began = clock_ms();
		int status;
		if (!child_once(slot, &status, e))
			return false;
		if (slot->s->stops)
			return true;
		if (is_hopeless(status)) {
			slot->s->exit = status;
			return FAIL(e, ERR_REFUSED, "worker_cannot_start", "a worker process cannot start; its error is above");
		}
		if (status != NOT_STARTED) {
			log_write(LOG_ERROR, "worker_died", "worker %s ended with %d", slot->id, status);
			memcpy(slot->before, slot->id, sizeof(slot->id));
		}
		wait_ms = clock_ms() - began > QUICK_MS ? 0 : MIN_OF(wait_ms * 2, (int64_t)WAIT_MOST_MS);
		if (!rest(slot, wait_ms))
			return true;
		wait_ms = MAX_OF(wait_ms, (int64_t)100);
	}
}

static bool forward_signals(void *arg, struct err *e)
{
	struct supervisor *s = arg;
	int number;
	while (loop_wait_signal(stop_signals, COUNT(stop_signals), &number, e)) {
		s->stops++;
		for (int i = 0; i < s->n; i++)
			if (s->processes[i])
				process_signal(s->processes[i], SIGTERM);
			else if (s->resting[i])
				task_cancel(s->resting[i]);
	}
	return true;
}

static bool children_run(struct supervisor *s, struct err *e)
{
	struct arena *a = s->run->arena;
	struct slot *slots = arena_alloc(a, (size_t)s->n * sizeof(*slots));
	s->processes = arena_alloc(a, (size_t)s->n * sizeof(*s->processes));
	s->resting = arena_alloc(a, (size_t)s->n * sizeof(struct task *));
	struct err ignored = { 0 };
	bool ok = true;
	for (int i = 0; ok && i < s->n; i++) {
		slots[i] = (struct slot){ .s = s, .number = i };
		ok = group_start(&s->children, "worker", keep_alive, &slots[i], e);
	}
	if (!ok)
		group_cancel(&s->children); /* those that did start */
	return group_wait(&s->children, NEVER_MS, ok ? e : &ignored) && ok;
}

static bool supervise(struct command_run *run, int64_t processes, struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct supervisor s = { .run = run, .n = processes ? (int)processes : cores > 0 ? (int)cores : 1 };
	struct group signals = { 0 };
	struct err ignored = { 0 };
	bool ok = group_start(&signals, "signals", forward_signals, &s, e) && children_run(&s, e);
	group_cancel(&signals);
	group_wait(&signals, NEVER_MS, &ignored);
	if (s.exit)
		run->exit = (enum command_exit)s.exit;
	return ok;
}

static bool run_worker(struct command_run *run, struct err *e)
{
	const struct worker_options *o = run->options;
	if (!run->config->database.url[0])
		return command_usage(run, e, "no database: set DATABASE_URL, or database.url in the configuration");
	if (o->child)
		return run_child(run, o, e);
	struct pool_config config = pool_config_of(run->config);
	struct generation *first;
	if (!load_catalog(run, catalog_new(run->arena, run->config, &config), &first, e))
		return false;
	catalog_drop(first);
	return supervise(run, o->processes ? o->processes : run->config->worker.processes, e);
}

static const struct flag flags[] = {
	{ .letter = 'p', .name = "processes", .argument = "N", .type = FLAG_NUMBER, .max = 256,
		.offset = FLAG_AT(struct worker_options, int64_t, processes),
		.text = "Worker processes; default worker.processes, one per core" },
	{ .name = "child", .argument = "ID", .type = FLAG_UUID, .offset = FLAG_AT(struct worker_options, const char *, child),
		.text = "Be the worker process of this id", .hidden = true },
	{ .name = "number", .argument = "N", .type = FLAG_NUMBER, .max = 256,
		.offset = FLAG_AT(struct worker_options, int64_t, number),
		.text = "Which of the worker processes, from 0: its metrics have that port above the first", .hidden = true },
	{ .name = "after", .argument = "ID", .type = FLAG_UUID, .offset = FLAG_AT(struct worker_options, const char *, after),
		.text = "Take the place of a worker that is dead", .hidden = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover worker", "one process per core, configuration from ./drover.yaml and the environment" },
	{ "drover worker --processes 1", "one process" },
	{ 0 },
};

const struct command command_worker = {
	.name = "worker",
	.text = "Run the pool: claim requests, run agents, stream their thoughts",
	.more = "A small supervisor starts the worker processes and starts them again when they die. SIGTERM or Ctrl-C: stop "
		"claiming, let run for worker.drain, then release; a second one: release at once.",
	.flags = flags,
	.options_size = sizeof(struct worker_options),
	.examples = examples,
	.run = run_worker,
};
