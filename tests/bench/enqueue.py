# SPDX-License-Identifier: MIT
"""What an insert costs beside one into the same table without triggers, with busy and with idle workers."""
import re
import statistics
import subprocess

from cluster import Cluster
from common import Process, build_side, interleave, median, sh, side, spread, table

CLIENTS = (16, 64)
WARM_S = 2
TABLES = {"plain": "plain_requests", "busy": "agent_requests", "idle": "agent_requests", "real": "agent_requests"}
WORDS = {"plain": "plain table", "busy": "busy workers", "idle": "a worker that always wants to be told",
         "real": "a real pool that runs them"}


def waiter(cluster, kind):
    """Workers as the inserts see them; the stand-ins take no processor time away with claims of their own."""
    if kind == "plain":
        return None
    if kind == "real":
        return Process(side("noop"), cluster.worker_url, 1000, 500, 1, "quiet")
    p = Process(side("waiter"), cluster.worker_url, kind)
    p.line(0, "waiter")
    return p


def inserts_per_second(cluster, name, seconds):
    kind, clients = name
    cluster.sql("truncate agent_requests, agent_sessions, plain_requests cascade; truncate drover.workers")
    cluster.settle("agent_requests", "plain_requests")
    script = cluster.folder / f"{kind}.sql"
    script.write_text(f"insert into {TABLES[kind]} (type, request) values ('noop', 'x');\n")
    worker = waiter(cluster, kind)
    argv = [cluster.bin / "pgbench", "-n", "-M", "prepared", "-c", clients, "-j", 2, "-P", 1, "-T", WARM_S + seconds,
            "-f", script, cluster.url]
    progress = re.findall(r"progress: [\d.]+ s, ([\d.]+) tps", sh(*argv, stderr=subprocess.STDOUT))
    told = worker.stop()[1:] if worker else []
    if kind in ("idle", "busy") and (kind == "idle") != bool(told):
        raise SystemExit(f"{kind}: told {len(told)} times")
    return statistics.mean(map(float, progress[WARM_S:]))


def run(options):
    """Inserts per second at 16 and 64 clients with busy and with idle workers, as shares of a plain table's."""
    build_side("waiter", "noop")
    cluster = Cluster()
    cluster.sql("create table plain_requests (like public.agent_requests including all)")
    # the same vacuuming, too: on two cores it takes its share
    settings = cluster.sql("select array_to_string(reloptions, ', ') from pg_class where oid = 'public.agent_requests'::regclass")
    cluster.sql(f"alter table plain_requests set ({settings})")
    seconds = options.scaled(10, 3)
    names = [(kind, clients) for clients in CLIENTS for kind in TABLES]
    values = interleave(names, options.rounds, lambda name: inserts_per_second(cluster, name, seconds))
    rows = [(f"inserts per second, {seconds} s each", "median [min..max]")]
    figures = {}
    for kind, clients in names:
        share = median(values[kind, clients]) / median(values["plain", clients])
        rows.append((f"{clients} clients, {WORDS[kind]}", f"{spread(values[kind, clients]):<32} {share:6.0%}"))
        if kind != "plain":
            figures[f"{kind}_{clients}"] = round(share, 2)
    table(rows)
    return figures
