# SPDX-License-Identifier: MIT
"""What a pool with nothing to do costs."""
import time

from cluster import Cluster
from common import build, cpu_seconds, median, spread, table, wait_for
from start import start_worker

PROCESSES = 2
OURS = "from pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname = 'drover_worker'"
BUSY = f"select calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 90) {OURS} order by calls desc limit 8"
CALLS = f"select coalesce(sum(calls), 0) {OURS}"


def watch(cluster, pids, seconds):
    cluster.sql("select pg_stat_statements_reset()")
    before, began = [cpu_seconds(pid) for pid in pids], time.time()
    time.sleep(seconds)
    calls, took = int(cluster.sql(CALLS)), time.time() - began
    cpu = [(cpu_seconds(pid) - b) / took * 100 for pid, b in zip(pids, before)]
    return calls / took / PROCESSES, sum(cpu) / PROCESSES


def run(options):
    """Statements per second and CPU of a worker process that has nothing to do."""
    build("drover")
    seconds = options.scaled(60, 10)
    cluster = Cluster(shared_preload_libraries="pg_stat_statements")
    cluster.sql("create extension pg_stat_statements")
    worker = start_worker(cluster, "http://127.0.0.1:1", 1000, PROCESSES)
    wait_for(lambda: cluster.sql("select count(*) from drover.workers") == str(PROCESSES), "workers")
    pids = [int(pid) for pid in cluster.sql("select pid from drover.workers").split()]
    time.sleep(5)
    seen = [watch(cluster, pids, seconds) for _ in range(options.rounds)]
    table([(f"of each of {PROCESSES} idle worker processes, {seconds} s", "median [min..max]"),
           ("statements per second", spread([s for s, _ in seen], 2)),
           ("CPU, percent", spread([c for _, c in seen], 2))])
    print("  what they ask, calls in the last round of both together:")
    for line in cluster.sql(BUSY).splitlines():
        print("   ", line.replace("|", "  ", 1))
    worker.stop()
    return {"statements_per_second": median([s for s, _ in seen], 2), "cpu_percent": median([c for _, c in seen], 2)}
