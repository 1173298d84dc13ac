# SPDX-License-Identifier: MIT
"""The app of the soak: inserts requests into many sessions until each is acknowledged, cancels some, pauses and resumes."""
import collections
import json
import random
import threading
import time
import uuid

DEMO_USER = "00000000-0000-4000-8000-0000000000d0"
BATCH = 120
# Shares of the requests that the app makes, in percent. The rest are plain effect requests.
SHARES = (("orchestrator", 1.0), ("quotes", 1.5), ("unknown", 0.2), ("busy", 4.0), ("fail", 2.0), ("refuse", 2.0),
          ("dry_run", 1.0), ("slow", 2.0), ("run_at", 5.0), ("supersede", 1.5))


# Places for running requests, all workers together. The first users of a load have few.
LIMITS = {("all", ""): 120, ("type", "effect_twin"): 30}
USER_LIMITS = (4, 6, 10)


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


class Load(threading.Thread):
    """Its one thread keeps the order of a session: the next request goes in when the one before has been acknowledged."""

    def __init__(self, postgres, requests, seconds, seed):
        super().__init__(daemon=True)
        self.postgres, self.total, self.seconds = postgres, requests, seconds
        self.dice = random.Random(seed)
        self.users = [self.uuid() for _ in range(12)]
        self.limits = {**LIMITS, **{("user", user): most for user, most in zip(self.users, USER_LIMITS)}}
        self.paused = []
        self.sessions = []
        self.acked = {}
        self.shares = collections.Counter()
        self.actions = collections.Counter()
        self.made = 0
        self.stopping = False
        self.error = None

    # ---- what is asked ----

    def uuid(self):
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def session(self):
        """(id, user); some have one request, most some, a few very many."""
        if len(self.sessions) < 250:
            size = self.dice.choice((1, 1, 2, 3, 5, 8, 12, 12, 20, 60))
            self.sessions.append([self.uuid(), self.dice.choice(self.users), size])
        chosen = self.dice.choice(self.sessions)
        chosen[2] -= 1
        if chosen[2] == 0:
            self.sessions.remove(chosen)
        return chosen[0], chosen[1]

    def kind(self):
        at = self.dice.random() * 100
        for name, share in SHARES:
            at -= share
            if at < 0:
                return name
        return "plain"

    def request(self):
        kind, dice = self.kind(), self.dice
        self.shares[kind] += 1
        session, user = self.session()
        plan = {"calls": dice.choices((0, 1, 2, 3), (5, 60, 25, 10))[0], "ms": dice.choice((0, 0, 2, 10, 30)),
                "in_ms": dice.choice((0, 0, 0, 2, 10))}
        row = {"session_id": session, "user_id": user, "request": kind,
               "type": dice.choices(("effect", "effect_twin"), (5, 1))[0], "priority": dice.choice((50, 100, 100, 100, 200)),
               "run_at": None, "supersede_key": None, "dry_run": False, "idempotency_key": f"chaos-{self.made}"}
        if kind in ("orchestrator", "quotes"):
            row.update(type=kind, user_id=DEMO_USER, session_id=self.uuid())
        elif kind == "unknown":
            row.update(type="nobody")
        elif kind == "busy":
            plan.update(busy=dice.randint(1, 2), at=dice.randint(0, max(plan["calls"], 1)))
        elif kind == "fail":
            plan.update(fail=True, at=dice.randint(0, plan["calls"]))
        elif kind == "refuse":
            plan.update(calls=3, refuse=dice.randint(1, 3))
        elif kind == "slow":
            plan.update(calls=3, ms=dice.randint(150, 600), in_ms=dice.randint(0, 200))
        elif kind == "dry_run":
            row.update(dry_run=True)
        elif kind == "run_at":
            row.update(run_at=f"now() + interval '{dice.randint(300, 6000)} ms'")
        elif kind == "supersede":
            row.update(supersede_key=f"key-{dice.randint(0, 7)}")
        row["context"] = json.dumps(plan)
        self.made += 1
        return row

    # ---- how it gets there ----

    def insert(self, rows):
        columns = list(rows[0])
        values = ",\n".join("(" + ", ".join(row[c] or "null" if c == "run_at" else literal(row[c]) for c in columns) + ")"
                            for row in rows)
        keys = ", ".join(f"({literal(row['user_id'])}::uuid, {literal(row['idempotency_key'])})" for row in rows)
        text = (f"insert into agent_requests ({', '.join(columns)}) values {values} on conflict do nothing;\n"
                f"select idempotency_key, id from agent_requests where (user_id, idempotency_key) in ({keys});\n")
        while not self.stopping:
            told = self.postgres.try_sql(text)
            acked = dict(line.split("\t") for line in told.splitlines()) if told else {}
            if len(acked) == len(rows):
                self.acked.update((key, int(request)) for key, request in acked.items())
                return
            self.actions["inserts tried again"] += 1
            time.sleep(0.2)

    def cancel_some(self):
        if not self.acked:
            return
        newest = max(self.acked.values())
        ids = {self.dice.randint(max(1, newest - 400), newest) for _ in range(12)}
        query = "; ".join(f"select drover.end_request({n}, 'cancelled', 'cancelled', 'cancelled')" for n in ids)
        if self.postgres.try_sql(query) is not None:
            self.actions["cancels"] += len(ids)

    def set_limits(self):
        rows = ", ".join(f"({literal(scope)}, {literal(key)}, {most})" for (scope, key), most in self.limits.items())
        self.postgres.sql(f"insert into drover.limits (scope, key, max_running) values {rows}")

    def pause_some(self):
        """And resumes, sooner or later, what was paused before."""
        scope, key = self.dice.choice((*self.limits, ("type", "quotes"), ("user", self.users[-1])))
        if self.postgres.try_sql(f"select drover.pause({literal(scope)}, {literal(key)})", 5) is not None:
            self.actions["pauses"] += 1
            self.paused.append((time.time() + self.dice.uniform(0.2, 2.0), scope, key))

    def resume(self, everything=False):
        due = [p for p in self.paused if everything or p[0] <= time.time()]
        for one in due:
            if self.postgres.try_sql(f"select drover.resume({literal(one[1])}, {literal(one[2])})", 5) is not None:
                self.paused.remove(one)

    def run(self):
        try:
            began, batches = time.time(), 0
            while self.made < self.total and not self.stopping:
                self.insert([self.request() for _ in range(min(BATCH, self.total - self.made))])
                batches += 1
                if batches % 10 == 0:
                    self.cancel_some()
                if batches % 12 == 0:
                    self.pause_some()
                self.resume()
                ahead = self.made / self.total * self.seconds - (time.time() - began)
                if ahead > 0:
                    time.sleep(min(ahead, 5))
        except Exception as e:  # the main thread must know
            self.error = e

    def stop(self):
        self.stopping = True
        self.join()
        while self.paused:
            self.resume(everything=True)
