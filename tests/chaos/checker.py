# SPDX-License-Identifier: MIT
"""Reads a history and says what was broken in it. Pure: lists in, violations out; bad histories can be made by hand.

A tick is a number drawn from one sequence in the database: what depends on something committed has the larger number.
"""
import collections
import json

Change = collections.namedtuple("Change", "tick at asked committed op request session parent status phase version attempt "
                                          "worker")
Run = collections.namedtuple("Run", "tick request version attempt pid")
Effect = collections.namedtuple("Effect", "tick request session call version pid")
Row = collections.namedtuple("Row", "id session parent type status phase version waits_on worker context dry_run key "
                                    "depends_on user")
Log = collections.namedtuple("Log", "request seq kind")
Execution = collections.namedtuple("Execution", "request call tool status")
Worker = collections.namedtuple("Worker", "id pid alive")
Permit = collections.namedtuple("Permit", "key request version")

KINDS = ("lost", "overlaps", "disorder", "log_gaps", "doubled_effects", "permits_leaked", "over_limits")
OPEN = ("queued", "processing")
# Between the moment that a commit is stamped and the one from which others see it.
COMMIT_GRACE = 1.0


class History:
    """Everything that is known of a soak. Times are seconds."""

    def __init__(self, **known):
        self.acked = known.get("acked", {})         # idempotency key -> id: what the app was told
        self.rows = known.get("rows", [])           # agent_requests as they are at the end
        self.changes = known.get("changes", [])     # every change of status, phase, version, owner
        self.runs = known.get("runs", [])           # every start of an agent
        self.effects = known.get("effects", [])
        self.logs = known.get("logs", [])
        self.executions = known.get("executions", [])
        self.quotes = known.get("quotes", [])       # request ids, one a draft
        self.workers = known.get("workers", [])     # rows that are left
        self.permits = known.get("permits", [])
        self.cancels = known.get("cancels", [])     # request ids that are told to stop
        self.limits = known.get("limits", {})       # (scope, key) -> how many may run at once
        self.by_id = {row.id: row for row in self.rows}
        self.of_request = {row.id: [] for row in self.rows}
        for change in sorted(self.changes):
            self.of_request.setdefault(change.request, []).append(change)
        for changes in self.of_request.values():
            _insert_first(changes)

    def of(self, request):
        return self.of_request.get(request, [])

    def state(self, request, tick):
        """The last change of a request before a tick, or None."""
        found = None
        for change in self.of(request):
            if change.tick >= tick:
                break
            found = change
        return found


def _insert_first(changes):
    """A row may be superseded by the very statement that inserts it, and that is noted before its insert is."""
    for place, change in enumerate(changes):
        if place and change.op == "insert":
            changes.insert(0, changes.pop(place)._replace(tick=changes[0].tick))
            return


# ---- lost: everything that was acknowledged has ended, with an answer ----

def lost(h):
    for key, request in h.acked.items():
        row = h.by_id.get(request)
        if row is None:
            yield request, f"insert {key} was acknowledged, and its row is gone"
        elif row.key != key:
            yield request, f"insert {key} was acknowledged with this id, which is {row.key}"
    for row in h.rows:
        if row.status in OPEN:
            yield row.id, f"has not ended: {row.status}, {row.phase}, waits on {row.waits_on}"


# ---- overlaps: one run a fence, one request a session ----

def overlaps(h):
    yield from _runs_alike(h)
    yield from _sessions_twice(h)
    yield from _taken_while_running(h)
    yield from _written_by_others(h)


def _runs_alike(h):
    first = {}
    for run in sorted(h.runs):
        before = first.setdefault((run.request, run.version), run)
        if before is not run:
            yield run.request, (f"version {run.version} was run twice: by {before.pid} at {before.tick}, "
                                f"by {run.pid} at {run.tick}")


def _sessions_twice(h):
    running = collections.defaultdict(set)
    for change in sorted(h.changes):
        if change.parent is not None:
            continue
        at_work = running[change.session]
        if change.status != "processing" or change.op == "delete":
            at_work.discard(change.request)
            continue
        at_work.add(change.request)
        if len(at_work) > 1:
            yield change.request, f"session {change.session} runs {sorted(at_work)} at once, tick {change.tick}"


def _taken_while_running(h):
    for request, changes in h.of_request.items():
        for before, after in zip(changes, changes[1:]):
            if before.phase == after.phase == "running" and before.version != after.version:
                yield request, f"was claimed at tick {after.tick} while it ran"
            if before.phase == "running" != after.phase and after.status in OPEN and before.version == after.version:
                yield request, f"became {after.phase} at tick {after.tick} while it ran, with its version unchanged"


def _written_by_others(h):
    claimed = {(run.request, run.version): run.pid for run in h.runs}
    for effect in h.effects:
        state = h.state(effect.request, effect.tick)
        if state is None or state.phase != "running" or state.version != effect.version:
            now = "nothing" if state is None else f"{state.phase} at version {state.version}"
            yield effect.request, (f"call {effect.call} of version {effect.version} wrote at tick {effect.tick}, "
                                   f"while it was {now}")
        elif claimed.get((effect.request, effect.version)) != effect.pid:
            owner = claimed.get((effect.request, effect.version))
            yield effect.request, (f"call {effect.call} was written by {effect.pid}, "
                                   f"but version {effect.version} is run by {owner}")


# ---- disorder ----

def disorder(h):
    """A request starts only when every older one of its session has ended or is scheduled: waits for a run_at that is yet
    to come. Neither priority nor an attempt that is put off excuses. An older one that came due is excused while that
    was not committed when the claim was asked for. A child starts when what it depends on has ended, a parent goes on
    when all its children have."""
    sessions = collections.defaultdict(list)
    for request, changes in h.of_request.items():
        if changes and changes[0].parent is None:
            sessions[changes[0].session].append(request)
    for requests in sessions.values():
        yield from _session_disorder(h, sorted(requests))
    yield from _family_disorder(h)


def _starts(changes):
    return [change for change in changes if change.phase == "running"]


def _session_disorder(h, requests):
    for place, request in enumerate(requests):
        starts = _starts(h.of(request))
        for older in requests[:place] if starts else ():
            start = starts[0]
            state = h.state(older, start.tick)
            if state is None or state.status not in OPEN or state.phase == "scheduled" or state.op == "delete":
                continue
            if not _came_due_meanwhile(h, older, start):
                yield request, f"started at tick {start.tick} before {older} of its session, which was {state.phase}"


def _came_due_meanwhile(h, older, start):
    changes = [change for change in h.of(older) if change.tick < start.tick]
    for before, after in zip(changes, changes[1:]):
        if before.phase == "scheduled" and after.phase != "scheduled":
            return after.committed is None or after.committed >= start.asked - COMMIT_GRACE
    return False


def _family_disorder(h):
    children = collections.defaultdict(list)
    for row in h.rows:
        if row.parent is not None:
            children[row.parent].append(row)
    for row in h.rows:
        for start in _starts(h.of(row.id)) if row.depends_on else ():
            yield from _not_ended(h, row, start, row.depends_on, "which it depends on")
    for parent, made in children.items():
        born = max((h.of(child.id)[0].tick for child in made if h.of(child.id)), default=0)
        for start in _starts(h.of(parent)):
            if start.tick > born:
                yield from _not_ended(h, h.by_id[parent], start, [child.id for child in made], "its child")


def _not_ended(h, row, start, others, what):
    for other in others:
        state = h.state(other, start.tick)
        if state is not None and state.status in OPEN and state.op != "delete":
            yield row.id, f"started at tick {start.tick} before {other}, {what}, had ended: {state.phase}"


# ---- log_gaps ----

def log_gaps(h):
    logs = collections.defaultdict(list)
    for log in h.logs:
        logs[log.request].append((log.seq, log.kind))
    for row in h.rows:
        rows = sorted(logs.pop(row.id, []))
        seqs = [seq for seq, _ in rows]
        ends = [(seq, kind) for seq, kind in rows if kind in ("complete", "error")]
        want = "complete" if row.status == "completed" else "error"
        if seqs != list(range(1, len(seqs) + 1)):
            yield row.id, f"the log is not 1..{len(seqs)}: {_around_gap(seqs)}"
        if row.status not in OPEN and (len(ends) != 1 or ends[0] != (seqs[-1], want)):
            yield row.id, f"{row.phase}, but of {len(seqs)} log rows the ends are {ends}, not one {want} at the end"
    for request in logs:
        yield request, "has log rows, but is not there"


def _around_gap(seqs):
    for place, seq in enumerate(seqs):
        if seq != place + 1:
            return f"row {place + 1} has seq {seq}"
    return "?"


# ---- doubled_effects ----

def doubled_effects(h):
    keys = collections.Counter(row.key for row in h.rows if row.key)
    for row in h.rows:
        if row.key and keys[row.key] > 1:
            yield row.id, f"insert {row.key} was made {keys[row.key]} times"
    effects, done = collections.defaultdict(list), collections.defaultdict(list)
    for effect in sorted(h.effects):
        effects[effect.request].append(effect.call)
    for execution in h.executions:
        done[execution.request].append(execution)
    drafts = collections.Counter(h.quotes)
    for row in h.rows:
        if row.type in ("effect", "effect_twin"):
            yield from _effects_of(row, effects.pop(row.id, []), done[row.id])
        else:
            yield from _drafts_of(row, drafts.pop(row.id, 0), done[row.id])
    for request in [*effects, *drafts]:
        yield request, "has effects, but is not there or has none to make"


def _effects_of(row, calls, executions):
    plan = row.context
    wanted = [] if row.dry_run else [n for n in range(1, plan.get("calls", 1) + 1) if n != plan.get("refuse")]
    if row.status == "completed" and calls != wanted:
        yield row.id, f"completed with the effects {calls}, not {wanted}"
    elif calls != wanted[:len(calls)]:
        yield row.id, f"{row.phase} with the effects {calls}, which is no beginning of {wanted}"
    told = sorted(execution.call for execution in executions if execution.status == "done")
    if sorted(f"call_{n}" for n in calls) != told:
        yield row.id, f"has the effects {calls}, but the ledger tells of {told}"
    if len(executions) != len({execution.call for execution in executions}):
        yield row.id, "has two ledger rows of one call"


def _drafts_of(row, drafts, executions):
    told = sum(execution.tool == "quote_create_draft" and execution.status == "done" for execution in executions)
    if drafts != told:
        yield row.id, f"made {drafts} drafts, but the ledger tells of {told}"
    if row.type == "quotes" and (drafts > 1 or row.status == "completed" and drafts != 1):
        yield row.id, f"{row.phase} with {drafts} drafts, not one"


# ---- permits_leaked: nothing is left of what does not run ----

def permits_leaked(h):
    running = {(row.id, row.version) for row in h.rows if row.phase == "running"}
    for permit in h.permits:
        if (permit.request, permit.version) not in running:
            yield permit.request, f"holds a permit of {permit.key} for version {permit.version}, which does not run"
    for request in h.cancels:
        if request not in h.by_id or h.by_id[request].status not in OPEN:
            yield request, "is told to stop, and has ended"
    alive = {worker.id for worker in h.workers if worker.alive}
    for worker in h.workers:
        if not worker.alive:
            yield None, f"worker {worker.id} (process {worker.pid}) is dead, and its row is there"
    for row in h.rows:
        if row.worker is not None and row.worker not in alive:
            yield row.id, f"{row.phase} in the name of worker {row.worker}, which is not alive"


# ---- over_limits: at no time more than a limit says ----

def over_limits(h):
    for (scope, key), most in h.limits.items():
        under = {row.id for row in h.rows if scope == "all" or key == {"type": row.type, "user": row.user}[scope]}
        running = set()
        for change in sorted(change for change in h.changes if change.request in under):
            if change.phase != "running" or change.op == "delete":
                running.discard(change.request)
                continue
            running.add(change.request)
            if len(running) > most:
                yield change.request, (f"is number {len(running)} under {scope} {key}, which has {most}, "
                                       f"at tick {change.tick}: {sorted(running)}")


CHECKS = {"lost": lost, "overlaps": overlaps, "disorder": disorder, "log_gaps": log_gaps,
          "doubled_effects": doubled_effects, "permits_leaked": permits_leaked, "over_limits": over_limits}


def check(h):
    """All kinds: kind -> [(request id or None, sentence)]."""
    return {kind: list(CHECKS[kind](h)) for kind in KINDS}


def context_of(text):
    return json.loads(text) if text else {}
