# SPDX-License-Identifier: MIT
"""Building, starting, and what it costs in memory."""
import os
import pathlib
import re
import tempfile
import time

from cluster import Cluster
from common import BUILD, ROOT, Process, build, median, sh, spread, table, wait_for

STALL = ("replies:\n  - chunk: 5\n    reply: [ { text: 'some words and then silence' } ]\n"
         "    stall_after: { deltas: 2, for: 10m }\n")


def rss_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def clean_clone(folder):
    sh("git", "clone", "-q", ROOT, folder)
    began = time.time()
    sh("meson", "setup", "build", cwd=folder)
    sh("ninja", "-C", "build", "drover", cwd=folder)
    built = time.time() - began
    began = time.time()
    sh(f"{folder}/build/drover", "dev", "--fresh", "--demo", "--dir", f"{folder}/build/try", cwd=folder)
    return built, time.time() - began


def start_worker(cluster, model, slots, processes=1, **more):
    """The program as it is run; more: options by their environment names."""
    env = {**os.environ, "DROVER_DATABASE_URL": cluster.worker_url, "DROVER_MODEL_BASE_URL": model,
           "DROVER_LOG_LEVEL": "error", "DROVER_WORKER_SLOTS": str(slots), "DROVER_WORKER_DRAIN": "0", **more}
    return Process(BUILD / "drover", "worker", "--processes", str(processes), env=env)


def stalling_model(cluster):
    """A model that says two words and then nothing: requests that run for as long as they are let."""
    script = cluster.folder / "stall.yaml"
    script.write_text(STALL)
    model = Process(BUILD / "drover", "mock-model", "--port", "0", "--script", script)
    return model.line(0, "model").split("=", 1)[1]


def first_claim_ms(cluster, model):
    """From exec of `drover worker` to the claim in the database, by the one clock of this machine."""
    cluster.sql("truncate drover.workers")
    request = cluster.sql("insert into agent_requests (type, request) values ('none', 'x') returning id")
    began = time.time()
    worker = start_worker(cluster, model, 10)
    row = f"from agent_requests where id = {request} and started_at is not null"
    wait_for(lambda: cluster.sql(f"select 1 {row}"), "claim")
    started = float(cluster.sql(f"select extract(epoch from started_at) {row}"))
    worker.stop()
    return (started - began) * 1000


def memory(cluster, model, streams):
    worker = start_worker(cluster, model, streams)
    pid = int(wait_for(lambda: cluster.sql("select pid from drover.workers"), "worker"))
    time.sleep(3)
    idle = rss_kib(pid)
    cluster.sql("insert into agent_requests (type, request) select 'project_management', 'stream ' || n "
                f"from generate_series(1, {streams}) n")
    running = "select count(distinct request_id) from agent_logs where kind = 'text'"
    wait_for(lambda: int(cluster.sql(running)) >= streams, "streams", 120)
    busy = rss_kib(pid)
    worker.stop()
    return idle, busy


def run(options):
    """Build and demo from a clean clone, process start to first claim, resident memory idle and per live stream."""
    build("drover")
    streams = options.scaled(1000, 100)
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as folder:
        built, demo = clean_clone(f"{folder}/clone")
    cluster = Cluster()
    model = stalling_model(cluster)
    claims = [first_claim_ms(cluster, model) for _ in range(5)]
    idle, busy = memory(cluster, model, streams)
    table([("build from a clean clone", f"{built:.1f} s"), ("demo", f"{demo:.1f} s"),
           ("process start to first claim", f"{spread(claims, 1)} ms"),
           ("idle worker, resident", f"{idle / 1024:.1f} MiB"),
           (f"per live stream, at {streams}", f"{(busy - idle) / streams:.1f} KiB")])
    return {"build_s": round(built, 1), "demo_s": round(demo, 1), "start_to_claim_ms": median(claims, 1),
            "idle_rss_mib": round(idle / 1024, 1), "kib_per_stream": round((busy - idle) / streams, 1),
            "streams": streams}
