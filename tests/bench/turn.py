# SPDX-License-Identifier: MIT
"""What a request of two model turns and one tool costs when the model takes no time."""
import asyncio
import struct
import threading
import time
import urllib.parse

from cluster import Cluster, free_port
from common import BUILD, ROOT, Process, build, cpu_seconds, median, note, spread, table, wait_for
from start import start_worker

SCRIPT = """replies:
  - when: { turn: 0 }
    reply: [ { thinking: 'First I look.' }, { tool: project_search, input: { words: apollo } } ]
  - reply: It is a small project.
"""
ASK = ("insert into agent_requests (user_id, workspace_id, type, request) select user_id, workspace_id, "
       "'project_management', 'find apollo ' || n from psa.members, generate_series(1, {}) n")
DONE = "select not exists (select from agent_requests where finished_at is null)"
STATEMENTS = """select round(s.calls / {0}.0, 2) || ' ' || coalesce((regexp_match(s.query, '^-- ([^.;]*)'))[1],
    left(regexp_replace(s.query, '\\s+', ' ', 'g'), 100))
  from pg_stat_statements s join pg_roles r on r.oid = s.userid and r.rolname <> 'postgres'
  where s.toplevel and s.calls >= {0} * 0.05 order by s.calls desc"""
IDLE_S = 5


class Proxy:
    """Between the worker and Postgres: counts how often Postgres says that it is ready for more: a round trip each."""

    READY = ord("Z")

    def __init__(self, port):
        self.server_port, self.port, self.trips, self.bytes = port, free_port(), 0, 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.connection, "127.0.0.1", self.port))
        self.loop.run_forever()

    async def connection(self, client_reader, client_writer):
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        await asyncio.gather(self.forward(client_reader, server_writer), self.count(server_reader, client_writer),
                             return_exceptions=True)

    async def forward(self, reader, writer):
        while data := await reader.read(65536):
            self.bytes += len(data)
            writer.write(data)
        writer.close()

    async def count(self, reader, writer):
        """Messages are a type and a length; everything is passed on as it came."""
        held = b""
        while data := await reader.read(65536):
            self.bytes += len(data)
            writer.write(data)
            held += data
            at = 0
            while len(held) - at >= 5 and len(held) - at >= 1 + (n := struct.unpack_from(">I", held, at + 1)[0]):
                self.trips += held[at] == self.READY
                at += 1 + n
            held = held[at:]
        writer.close()

    def url(self, url):
        parts = urllib.parse.urlsplit(url)
        place = f"{parts.netloc.rsplit(':', 1)[0]}:{self.port}"
        return urllib.parse.urlunsplit(parts._replace(netloc=place, query="sslmode=disable&gssencmode=disable"))


class Turns:
    def __init__(self, cluster, model):
        self.cluster, self.model = cluster, model

    def worker(self, slots, url):
        self.cluster.sql("truncate agent_requests, agent_sessions, agent_logs, agent_turns, tool_executions cascade; "
                         "truncate drover.workers")
        worker = start_worker(self.cluster, self.model, slots, **({"DROVER_DATABASE_URL": url} if url else {}))
        return worker, int(wait_for(lambda: self.cluster.sql("select pid from drover.workers"), "worker"))

    def drain(self, requests):
        """Seconds."""
        began = time.time()
        self.cluster.sql(ASK.format(requests))
        wait_for(lambda: self.cluster.sql(DONE) == "t", f"{requests} requests", 600, 0.02)
        return time.time() - began

    def check(self):
        failed = self.cluster.sql("select error from agent_requests where status <> 'completed' limit 1")
        tools = self.cluster.sql("select count(*) filter (where output::text like '%APOLLO%') = (select count(*) from "
                                 "agent_requests) from tool_executions")
        if failed or tools != "t":
            raise SystemExit(f"the requests did not end as they should: {failed or 'a tool found nothing'}")

    def speed(self, requests):
        """Requests a second, per core of the worker's processor time, and bytes of WAL each."""
        worker, pid = self.worker(200, None)
        self.drain(200)
        time.sleep(1)
        lsn, cpu = self.cluster.sql("select pg_current_wal_insert_lsn()"), cpu_seconds(pid)
        took = self.drain(requests)
        cpu = cpu_seconds(pid) - cpu
        wal = int(self.cluster.sql(f"select pg_current_wal_insert_lsn() - '{lsn}'"))
        self.check()
        worker.stop()
        return requests / took, requests / cpu, wal / requests

    def trips(self, requests, slots, proxy):
        """Round trips a request, less what the idle worker makes; the statements behind them."""
        worker, _ = self.worker(slots, proxy.url(self.cluster.worker_url))
        self.drain(slots * 2)
        time.sleep(1)
        before = proxy.trips
        time.sleep(IDLE_S)
        idle = (proxy.trips - before) / IDLE_S
        self.cluster.sql("select pg_stat_statements_reset()")
        before, sent = proxy.trips, proxy.bytes
        took = self.drain(requests)
        trips = proxy.trips - before - idle * took
        note(f"{slots} slots: {idle:.1f} round trips a second when idle; {(proxy.bytes - sent) / requests:,.0f} bytes a "
             "request on the wire")
        lines = self.cluster.sql(STATEMENTS.format(requests)).splitlines()
        self.check()
        worker.stop()
        return trips / requests, lines


def run(options):
    """A request of two turns and one tool without model delay: requests a second and core, round trips, WAL."""
    requests = options.scaled(5000, 300)
    build("drover")
    cluster = Cluster(shared_preload_libraries="pg_stat_statements")
    cluster.sql("create extension pg_stat_statements")
    cluster.sql((ROOT / "schema/psa/demo.sql").read_text().rstrip().rstrip(";"))
    script = cluster.folder / "turn.yaml"
    script.write_text(SCRIPT)
    model = Process(BUILD / "drover", "mock-model", "--port", "0", "--script", script)
    turns, proxy = Turns(cluster, model.line(0, "model").split("=", 1)[1]), Proxy(cluster.port)
    speeds = []
    for n in range(options.rounds):
        speeds.append(turns.speed(requests))
        note(f"round {n + 1} of {options.rounds}: {speeds[-1]}")
    alone, statements = turns.trips(max(requests // 20, 20), 1, proxy)
    together, _ = turns.trips(requests, 200, proxy)
    print(f"  {requests:,} requests of two turns and one tool that reads; the model answers at once")
    of = lambda i, digits=0: spread([one[i] for one in speeds], digits)
    table([("", "median [min..max]"), ("requests a second, one process", of(0)),
           ("requests a second and core of the worker's own processor time", of(1)), ("bytes of WAL a request", of(2)),
           ("round trips a request, one at a time", f"{alone:.1f}"),
           ("round trips a request, 200 at once", f"{together:.1f}"), ("", ""),
           ("statements a request, one at a time", "")]
          + [("  " + line.split(" ", 1)[1], line.split(" ", 1)[0]) for line in statements])
    return {"requests_per_s": median([one[0] for one in speeds]),
            "requests_per_s_per_core": median([one[1] for one in speeds]),
            "round_trips": round(alone, 1), "round_trips_at_200": round(together, 1),
            "statements": round(sum(float(line.split(" ", 1)[0]) for line in statements), 1),
            "wal_bytes": median([one[2] for one in speeds])}
