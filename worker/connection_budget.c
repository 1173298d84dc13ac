/* SPDX-License-Identifier: MIT */
#include "connection_budget.h"
#include <unistd.h>

/* ARCHITECTURE.md, Processes and connections. */
enum { UPKEEP = 2, LEASE = 1, LISTENER = 1 };

static int64_t processes_of(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return c->worker.processes ? c->worker.processes : cores > 0 ? cores : 1;
}

static void limit_by(struct budget *b, int64_t most, const char *by)
{
	if (most < 0 || (b->by && most >= b->allowed)) /* -1 = none */
		return;
	b->allowed = most;
	b->by = by;
}

struct budget budget_of(const struct config *c, int64_t processes, const struct pg_rows *limits)
{
	struct budget b = { .of_process = c->database.pool + UPKEEP + LEASE + (c->database.listen ? LISTENER : 0),
		.processes = processes ? processes : processes_of(c), .others = pg_i64(limits, 0, "others") };
	b.whole = b.of_process * b.processes;
	limit_by(&b, pg_i64(limits, 0, "server_most"), "max_connections without the reserved ones");
	limit_by(&b, pg_i64(limits, 0, "database_most"), "the database's connection limit");
	limit_by(&b, pg_i64(limits, 0, "role_most"), "the role's connection limit");
	bool shared = strncmp(b.by, "the role", 8) != 0; /* a role's limit is for itself alone */
	b.short_of = b.whole > b.allowed - (shared ? b.others : 0);
	return b;
}

const char *budget_text(struct arena *a, const struct config *c, const struct budget *b)
{
	return arena_printf(a, "%lld a worker process (database.pool %lld + %d for upkeep + %d for the lease%s), %lld for %lld "
		"process%s; %lld allowed by %s, others use %lld", (long long)b->of_process, (long long)c->database.pool, UPKEEP, LEASE,
		c->database.listen ? " + 1 that listens" : "", (long long)b->whole, (long long)b->processes,
		b->processes == 1 ? "" : "es", (long long)b->allowed, b->by, (long long)b->others);
}

cJSON *budget_json(struct arena *a, const struct budget *b)
{
	cJSON *all = json_object(a);
	json_put_i64(all, "of_process", b->of_process);
	json_put_i64(all, "processes", b->processes);
	json_put_i64(all, "whole", b->whole);
	json_put_i64(all, "allowed", b->allowed);
	json_put_i64(all, "others", b->others);
	return all;
}
