# SPDX-License-Identifier: MIT
"""From the death of a worker to its request running again."""
import os
import signal
import time

from cluster import Cluster
from common import build, median, spread, table, wait_for
from start import stalling_model, start_worker

RUNNING = ("select w.pid from agent_requests r join drover.workers w on w.id = r.worker_id "
           "where r.id = {} and r.phase = 'running'")


def ask(cluster):
    """A request that runs on and on; its id and the process that runs it."""
    request = cluster.sql("insert into agent_requests (type, request) values ('quotes', 'stay') returning id")
    pid = wait_for(lambda: cluster.sql(RUNNING.format(request)), "the request to run")
    words = f"select 1 from agent_logs where request_id = {request} and kind = 'text' limit 1"
    wait_for(lambda: cluster.sql(words), "its words")
    return request, int(pid)


def seconds_until_again(cluster, request, dead, began):
    def again():
        pid = cluster.sql(RUNNING.format(request))
        return pid and int(pid) not in dead
    wait_for(again, "the request to run again", 120, 0.01)
    return round(time.time() - began, 2)


def end(cluster, *workers):
    for worker in workers:
        worker.stop(signal.SIGKILL)
    cluster.sql("truncate agent_requests, agent_sessions, agent_logs cascade; truncate drover.workers")


def process_dies(cluster, model, lease):
    worker = start_worker(cluster, model, 10, 2, DROVER_WORKER_LEASE=lease)
    request, pid = ask(cluster)
    began = time.time()
    os.kill(pid, signal.SIGKILL)
    took = seconds_until_again(cluster, request, {pid}, began)
    end(cluster, worker)
    return took


def host_dies(cluster, model, lease):
    """The supervisor first: it would start its children again. Another pool, which knows nothing of it, takes over."""
    worker = start_worker(cluster, model, 10, 1, DROVER_WORKER_LEASE=lease)
    request, pid = ask(cluster)
    other = start_worker(cluster, model, 10, 1, DROVER_WORKER_LEASE=lease)
    wait_for(lambda: cluster.sql("select count(*) from drover.workers") == "2", "the other pool")
    time.sleep(2.5)
    began = time.time()
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    took = seconds_until_again(cluster, request, {pid}, began)
    end(cluster, worker, other)
    return took


def run(options):
    """Kill -9 of a worker process, and of all of a host, to the request running again."""
    build("drover")
    cluster = Cluster()
    model = stalling_model(cluster)
    lease_s = options.scaled(15, 3)
    lease = f"{lease_s}s"
    process = [process_dies(cluster, model, lease) for _ in range(options.rounds)]
    host = [host_dies(cluster, model, lease) for _ in range(options.rounds)]
    table([(f"kill -9 to running again, s (lease {lease})", "median [min..max]"),
           ("a worker process; its supervisor lives", spread(process, 2)),
           (f"a whole host; another takes over (lease + 2 s = {lease_s + 2} s)", spread(host, 2))])
    return {"process_s": median(process, 2), "host_s": median(host, 2), "lease_s": lease_s}
