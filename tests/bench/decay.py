# SPDX-License-Identifier: MIT
"""What a claimed request costs when the table is not new: as multiples of the cost in an empty one."""
import statistics

from cluster import Cluster, Psql
from common import Process, build_side, note, side, table

BATCHES = (100, 10)
# The sessions take turns, ten requests each, as conversations do.
READY = ("insert into agent_requests (session_id, type, request) "
         "select md5((n % {1})::text || '{0}')::uuid, 'noop', 'x' from generate_series(1, {2}) n")
# Ended ones as runs leave them, in the final state at once.
FINISHED = ("insert into agent_requests (session_id, type, request, status, phase, result, version, attempt, "
            "created_at, started_at, finished_at) select md5((n / 10)::text)::uuid, 'noop', 'x', 'completed', "
            "'completed', '{{}}', 1, 1, t, t, t from generate_series({0}, {1}) n, "
            "lateral (select now() - interval '30 days' + n * interval '0.2 s' as t) w")
CHUNK = 500000
KEYS = ("finished_10m", "waiting_1m", "held_snapshot", "churn")




class Table:
    """One database with the queue: the empty one to compare with, or the one that has a past."""

    def __init__(self, cluster, name):
        self.name, self.worker_url = name, cluster.database(name)
        self.psql, self.seed = Psql(cluster.url_of("postgres", name)), 0

    def empty(self):
        self.psql.ask("truncate agent_requests, agent_sessions, agent_logs cascade")
        self.psql.ask("vacuum analyze agent_requests")

    def ready(self, n):
        self.seed += 1
        self.psql.ask(READY.format(self.seed, max(n // 10, 1), n))

    def claims(self, batch, warm, n, start):
        """Microseconds per request of the median claim."""
        lines = Process(side("claim"), self.worker_url, batch, warm, n, start).wait("claims", 3600)
        each = [int(us) / int(got) for us, got in (line.split() for line in lines) if int(got)]
        if len(each) < n * 0.9:
            raise SystemExit(f"only {len(each)} of {n} claims found anything")
        return statistics.median(each)


class Decay:
    def __init__(self, options):
        # the disk would hide what the statement costs
        self.cluster = Cluster(autovacuum_naptime="5s", synchronous_commit="off")
        self.fresh, self.used = Table(self.cluster, "fresh"), Table(self.cluster, "used")
        self.scaled, self.rounds, self.n = options.scaled, options.rounds, options.scaled(200, 40)

    def compare(self, start="floor", refill=True):
        """{batch: ([us fresh], [us used])}, in turn, with as much in front as is claimed."""
        found = {batch: ([], []) for batch in BATCHES}
        for _ in range(self.rounds):
            for batch in BATCHES:
                for where, values in zip((self.fresh, self.used), found[batch]):
                    if refill or where is self.fresh:
                        where.ready(batch * (self.n + 1))
                    values.append(where.claims(batch, 1, self.n, start))
        self.fresh.empty()
        return found

    def nothing(self):
        self.used.empty()
        return self.compare()

    def finished(self):
        self.used.empty()
        total = self.scaled(10_000_000, 100_000)
        for low in range(0, total, CHUNK):
            self.used.psql.ask(FINISHED.format(low + 1, min(low + CHUNK, total)))
            note(f"{min(low + CHUNK, total):,} finished rows")
        self.used.psql.ask("vacuum analyze agent_requests")
        self.used.psql.ask("checkpoint")
        return self.compare()

    def waiting(self):
        self.used.empty()
        self.used.ready(self.scaled(1_000_000, 100_000))
        self.used.psql.ask("vacuum analyze agent_requests")
        return self.compare(refill=False)

    def held(self, start="floor"):
        self.used.empty()
        holder = Psql(self.cluster.url_of("postgres", "used"))
        holder.ask("begin isolation level repeatable read; select count(*) from agent_requests")
        claims = self.scaled(50_000, 5_000) // 100
        self.used.ready((claims + 1) * 100)
        self.used.claims(100, claims, 1, "floor")
        found = self.compare(start)
        holder.stop()
        return found

    def held_all(self):
        return self.held("all")

    def churn(self):
        """An hour of many, compressed: inserted, claimed and ended again and again, with autovacuum on."""
        self.used.empty()
        total, step = self.scaled(500_000, 20_000), self.scaled(10_000, 2_000)
        for _ in range(total // step):
            self.used.ready(step)
            self.used.claims(100, 1, step // 100 - 1, "floor")
        return self.compare()


def run(options):
    """The cost of a claim with 10 million finished, 1 million waiting, behind a held snapshot, after much churn."""
    build_side("claim")
    d = Decay(options)
    states = {"empty": d.nothing, "finished_10m": d.finished, "waiting_1m": d.waiting, "held_snapshot": d.held,
              "held_snapshot, from the start": d.held_all, "churn": d.churn}
    heads = (f"batch {b}: empty -> so, times [min..max]" for b in BATCHES)
    rows = [("us per claimed request", "   ".join(f"{head:<50}" for head in heads))]
    figures = {}
    for name, state in states.items():
        found, worst, cells = state(), 0, []
        for batch, (fresh, used) in found.items():
            ratios = [u / f for f, u in zip(fresh, used)]
            worst = max(worst, statistics.median(ratios))
            cells.append(f"{statistics.median(fresh):8.1f} -> {statistics.median(used):8.1f}  "
                         f"x{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]")
        rows.append((name, "   ".join(f"{c:<50}" for c in cells)))
        note(f"{name}: {cells}")
        figures[name] = round(worst, 2)
    table(rows)
    return {k: v for k, v in figures.items() if k in KEYS}
