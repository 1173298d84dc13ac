# SPDX-License-Identifier: MIT
"""What the benchmarks share: building, processes that end with us, rounds, tables."""
import atexit
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BENCH_BUILD", ROOT / "build"))


def sh(*argv, **kw):
    kw = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kw}
    done = subprocess.run([str(a) for a in argv], text=True, **kw)
    if done.returncode:
        sys.exit(f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def build(*targets):
    if not (BUILD / "build.ninja").exists():
        sh("meson", "setup", BUILD, cwd=ROOT)
    sh("ninja", "-C", BUILD, *targets)


def build_side(*names):
    build("drover", *(f"tests/bench/bench_{name}" for name in names))


def side(name):
    return str(BUILD / f"tests/bench/bench_{name}")


def note(text):
    print(f"  .. {text}", file=sys.stderr, flush=True)


def wait_for(condition, what, seconds=60, pause=0.05):
    end = time.time() + seconds
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    sys.exit(f"{what}: waited {seconds} s in vain")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- processes: each in a group of its own, ended with us ----

class Process:
    """Collects its lines on stdout. stop() ends it and its children, by their own ids."""

    alive = []

    def __init__(self, *argv, **kw):
        self.lines = []
        argv = [str(word) for word in argv]
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True, **kw)
        self.pid = self.child.pid
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        Process.alive.append(self)

    def read(self):
        for line in self.child.stdout:
            self.lines.append(line.strip())

    def line(self, n, what, seconds=60):
        wait_for(lambda: len(self.lines) > n or self.child.poll() is not None, what, seconds, 0.01)
        if len(self.lines) <= n:
            sys.exit(f"{what}: it ended with {self.child.returncode}")
        return self.lines[n]

    def family(self):
        """Its own id and its children's."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]

    def wait(self, what, seconds):
        try:
            if self.child.wait(seconds):
                sys.exit(f"{what} ended with {self.child.returncode}")
        except subprocess.TimeoutExpired:
            sys.exit(f"{what}: waited {seconds} s in vain")
        self.reader.join()
        Process.alive.remove(self)
        return self.lines

    def stop(self, number=signal.SIGTERM):
        if self in Process.alive:
            Process.alive.remove(self)
        if self.child.poll() is None:
            self.child.send_signal(number)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        self.reader.join()
        return self.lines


@atexit.register
def stop_all():
    for process in reversed(list(Process.alive)):
        process.stop()


# ---- rounds and tables ----

def interleave(names, rounds, measure):
    """{name: [value of each round]}; every second round in the other order."""
    values = {name: [] for name in names}
    for n in range(rounds):
        for name in names if n % 2 == 0 else list(reversed(names)):
            values[name].append(measure(name))
            note(f"round {n + 1} of {rounds}: {name}: {values[name][-1]}")
    return values


def spread(values, digits=0):
    form = f"{{:,.{digits}f}}".format
    return f"{form(statistics.median(values))} [{form(min(values))}..{form(max(values))}]"


def median(values, digits=None):
    return round(statistics.median(values), digits)


def table(rows):
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}".rstrip())
