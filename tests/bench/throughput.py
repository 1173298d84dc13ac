# SPDX-License-Identifier: MIT
"""Jobs that do nothing, from a backlog: claim, hand out, finish; ours, the peers at their fastest, and a bare loop."""

from cluster import Cluster, node, versions
from common import Process, build_side, cpu_seconds, interleave, median, side, spread, table, wait_for

# The rate is taken between these shares of the backlog: starting up and the last half-empty batches are not throughput.
FROM, TO = 0.2, 0.9
SLOTS, BATCH = 1000, 500


class Table:
    """Where a side keeps its jobs."""

    def __init__(self, cluster, names, done, fill):
        self.cluster, self.names, self.done, self.fill = cluster, names, done, fill

    def prepare(self, jobs):
        self.cluster.sql(f"truncate {', '.join(self.names)} cascade")
        self.fill(jobs)
        self.cluster.settle(*self.names)


def ours(cluster, per_session):
    def fill(jobs):
        # the sessions take turns, as conversations do
        cluster.sql("insert into agent_requests (session_id, type, request) select md5((n % "
                    f"{max(jobs // per_session, 1)})::text)::uuid, 'noop', 'x' from generate_series(1, {jobs}) n")
    return Table(cluster, ["agent_requests", "agent_sessions", "agent_logs"],
                 "select not exists (select from agent_requests where finished_at is null)", fill)


def graphile(cluster):
    Process(*node("graphile.mjs", cluster.url, "setup")).wait("graphile setup", 60)
    return Table(cluster, ["graphile_worker._private_jobs"],
                 "select not exists (select from graphile_worker._private_jobs)",
                 lambda jobs: Process(*node("graphile.mjs", cluster.url, "fill", jobs)).wait("graphile fill", 600))


def pgboss(cluster):
    Process(*node("pgboss.mjs", cluster.url, "setup")).wait("pg-boss setup", 60)
    return Table(cluster, ["pgboss.job"], "select not exists (select from pgboss.job where state <> 'completed')",
                 lambda jobs: Process(*node("pgboss.mjs", cluster.url, "fill", jobs)).wait("pg-boss fill", 600))


# ---- one measurement ----

def passed(processes, wanted):
    """When the processes together had done that many, by their own lines "us pid count"."""
    last, total = {}, 0
    for us, pid, count in sorted(tuple(map(int, line.split())) for p in processes for line in list(p.lines)):
        total += count - last.get(pid, 0)
        last[pid] = count
        if total >= wanted:
            return us
    return None


def cpu_of(where, processes):
    """Seconds of the processor that (Postgres for these clients, they themselves) have used."""
    backends = where.cluster.sql("select pid from pg_stat_activity where backend_type = 'client backend' "
                                 "and pid <> pg_backend_pid()")
    return sum(map(cpu_seconds, backends.split())), sum(cpu_seconds(pid) for p in processes for pid in p.family())


def drain(where, commands, jobs):
    """Jobs per second, and microseconds of processor a job: of Postgres, of the workers."""
    where.prepare(jobs)
    processes = [Process(*argv) for argv in commands]
    try:
        wait_for(lambda: passed(processes, jobs * 0.95), f"{commands[0]}", 600, 0.2)
        wait_for(lambda: where.cluster.sql(where.done) == "t", f"the last of {commands[0]}", 60, 0.1)
        cpu = cpu_of(where, processes)
    finally:
        for p in processes:
            p.stop()
    seconds = (passed(processes, jobs * TO) - passed(processes, jobs * FROM)) / 1e6
    return round(jobs * (TO - FROM) / seconds), *(round(used / jobs * 1e6, 1) for used in cpu)


# ---- the sides: name, table, commands, share of the backlog ----

def our_sides(cluster, per_session):
    mine = ours(cluster, per_session)
    for kind in ("quiet", "logged"):
        for n in (1, 2):
            command = [side("noop"), cluster.worker_url, SLOTS, BATCH, n, kind]
            yield f"drover {kind}, {n} process{'es' * (n > 1)}", mine, [command], 1
    for n in (1, 2):
        for name, program in (("statements alone", "exchange"), ("bare libpq", "bare")):
            command = [side(program), cluster.worker_url, BATCH, n]
            yield f"{name}, {n} connection{'s' * (n > 1)}", mine, [command], 1


def peer_sides(cluster):
    theirs = graphile(cluster)
    for n in (1, 2):
        command = node("graphile.mjs", cluster.url, "fast")
        yield f"graphile batched, {n} process{'es' * (n > 1)}", theirs, [command] * n, 1
    yield "graphile single", theirs, [node("graphile.mjs", cluster.url, "single")], 0.05
    theirs = pgboss(cluster)
    for how, batch, loops in (("hand", 500, 1), ("hand", 500, 2), ("hand", 1000, 2), ("work", 500, 1), ("work", 500, 2),
                              ("work", 1000, 2)):
        command = node("pgboss.mjs", cluster.url, how, batch, loops)
        yield f"pgboss {how}, batch {batch}, {loops} loop{'s' * (loops > 1)}", theirs, [command], 1
    yield "pgboss hand, batch 1000, 2 processes", theirs, [node("pgboss.mjs", cluster.url, "hand", 1000, 1)] * 2, 1
    yield "pgboss single", theirs, [node("pgboss.mjs", cluster.url, "single")], 0.05


def best(values, start):
    return max((median(v) for name, v in values.items() if name.startswith(start) and "single" not in name), default=0)


def figures_of(values):
    figures = {"drover": best(values, "drover quiet"), "drover_logged": best(values, "drover logged"),
               "graphile": best(values, "graphile"), "pgboss": best(values, "pgboss"), "bare": best(values, "bare"),
               "graphile_single": median(values["graphile single"]), "pgboss_single": median(values["pgboss single"])}
    for other in ("graphile", "pgboss", "bare", "graphile_single", "pgboss_single"):
        figures[f"ratio_{other}"] = round(figures["drover"] / figures[other], 2)
    return figures


def run(options):
    """Jobs per second of agents that do nothing, from a backlog, beside graphile-worker, pg-boss and a bare loop."""
    jobs = options.scaled(150000, 20000)
    build_side("noop", "bare", "exchange")
    cluster = Cluster()
    sides = {s[0]: s[1:] for s in (*our_sides(cluster, options.per_session), *peer_sides(cluster))}
    sides = {name: s for name, s in sides.items() if options.only in name}
    seen = interleave(list(sides), options.rounds, lambda name: drain(*sides[name][:2], round(jobs * sides[name][2])))
    values = {name: [v[0] for v in rounds] for name, rounds in seen.items()}
    print(f"  {jobs:,} jobs of {jobs // options.per_session:,} sessions; slots {SLOTS}, batch {BATCH}; peers: "
          + ", ".join(f"{k} {v}" for k, v in versions().items()))
    rows = [("", f"{'jobs per second, median [min..max]':<36}us of processor a job: Postgres, workers")]
    for name, rounds in seen.items():
        used = (median([v[i] for v in rounds], 1) for i in (1, 2))
        rows.append((name, f"{spread(values[name]):<36}" + "".join(f"{u:9.1f}" for u in used)))
    table(rows)
    return figures_of(values) if not options.only else {}
