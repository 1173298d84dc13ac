# SPDX-License-Identifier: MIT
"""From an insert to the job running, at low load, each side woken by its own notifications."""
import time

from cluster import Cluster, node, versions
from common import Process, build_side, interleave, median, side, spread, table, wait_for

GAP_MS = 20
BARE = """create table bare (id bigint primary key, taken boolean not null default false);
create function ring() returns trigger language plpgsql as $$ begin notify bare; return null; end $$;
create trigger ring after insert on bare for each statement execute function ring();
grant select, update on bare to drover_worker"""


def by_c(cluster, name):
    """Rows (asked, committed, started)."""
    def measure(inserts):
        argv = [side("pickup"), cluster.url, cluster.worker_url, name, inserts, GAP_MS]
        lines = Process(*argv).wait(name, 600)
        cluster.sql("truncate agent_requests, agent_sessions, agent_logs cascade; truncate bare")
        return [tuple(map(int, line.split())) for line in lines]
    return measure


def by_node(cluster, script):
    def measure(inserts):
        worker = Process(*node(script, cluster.url, "listen"))
        time.sleep(2)
        lines = Process(*node(script, cluster.url, "insert", inserts, GAP_MS)).wait(script, 600)
        wait_for(lambda: len(worker.lines) >= inserts, f"{script}: all to run", 40)
        started = dict(tuple(map(int, line.split())) for line in worker.stop())
        return [(*map(int, line.split()), started[i]) for i, line in enumerate(lines)]
    return measure


def summary(rows):
    """{p50: ms, ..., asked_p99: ms}; a job may run before the insert's own answer is there."""
    cuts = {}
    committed, asked = [max(s - c, 0) / 1000 for _, c, s in rows], [(s - a) / 1000 for a, _, s in rows]
    for label, times in (("", committed), ("asked_", asked)):
        times.sort()
        cuts[f"{label}p50"] = times[len(times) // 2]
        cuts[f"{label}p99"] = times[len(times) * 99 // 100]
    return {k: round(v, 3) for k, v in cuts.items()}


def compare(options, peers):
    build_side("pickup")
    cluster = Cluster()
    cluster.sql(BARE)
    sides = {"drover": by_c(cluster, "drover"), "bare": by_c(cluster, "bare")}
    for script in ("graphile", "pgboss") if peers else ():
        Process(*node(f"{script}.mjs", cluster.url, "setup")).wait(f"{script} setup", 60)
        sides[script] = by_node(cluster, f"{script}.mjs")
    inserts = options.scaled(400, 100)
    values = interleave(list(sides), options.rounds, lambda name: summary(sides[name](inserts)))
    print(f"  {inserts} inserts a round, {GAP_MS} ms between them" + (f"; {versions()}" if peers else ""))
    columns = (("p50", "p50"), ("p99", "p99"), ("asked_p50", "with the insert p50"), ("asked_p99", "p99"))
    rows = [("insert committed to running, ms", "   ".join(f"{label:<19}" for _, label in columns))]
    figures = {}
    for name, cuts in values.items():
        rows.append((name, "   ".join(f"{spread([c[key] for c in cuts], 2):<19}" for key, _ in columns)))
        for key in ("p50", "p99"):
            figures[f"{name}_{key}_ms"] = median([c[key] for c in cuts], 2)
    table(rows)
    return figures


def run(options):
    """Insert to running with 20 ms between inserts, beside graphile-worker, pg-boss and a bare listener."""
    return compare(options, True)


def pickup(options):
    """Insert to running beside the bare listener alone: needs no npm."""
    figures = compare(options, False)
    figures["ratio_p50"] = round(figures["drover_p50_ms"] / figures["bare_p50_ms"], 2)
    return figures
