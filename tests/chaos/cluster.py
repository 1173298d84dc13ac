# SPDX-License-Identifier: MIT
"""The processes of the soak: a private Postgres, proxies before it, the scripted model, supervisors with their workers.

All of them are children that die with us (PR_SET_PDEATHSIG), except the workers, which die with their supervisors.
"""
import ctypes
import glob
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
LIBC = ctypes.CDLL(None)
LEASE = 2.0


def die_with_us(how=signal.SIGKILL):
    return lambda: LIBC.prctl(1, how)


def children_of(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


class Postgres:
    """`drover dev` makes the cluster and its schema; then it is started here, so that it can be struck down."""

    def __init__(self, build, folder, max_connections=70):
        self.folder, self.max_connections, self.process = pathlib.Path(folder), max_connections, None
        dev = subprocess.Popen([str(build / "drover"), "dev", "--fresh", "--no-worker", "--dir", str(folder)],
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_us())
        lines = dict(dev.stdout.readline().strip().partition("=")[::2] for _ in range(3))
        dev.send_signal(signal.SIGTERM)
        dev.wait()
        if "DATABASE_URL" not in lines:
            raise RuntimeError("drover dev did not start; see above")
        self.url, self.worker_url = lines["DATABASE_URL"], lines["WORKER_DATABASE_URL"]
        self.port = urllib.parse.urlsplit(self.url).port
        self.data = self.folder / "pg"
        found = [*glob.glob("/usr/lib/postgresql/*/bin/postgres"), *glob.glob("/usr/pgsql-*/bin/postgres"),
                 *glob.glob("/usr/local/pgsql/bin/postgres"), "postgres"]
        self.program = found[0] if len(found) < 3 else max(found[:-1])

    def start(self):
        owner = self.data.stat()
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": self.port,
                    "wal_level": "logical", "max_connections": self.max_connections, "shared_buffers": "128MB", "fsync": "off",
                    "track_commit_timestamp": "on", "max_wal_size": "4GB", "checkpoint_timeout": "30min",
                    "max_parallel_workers": 0, "log_min_messages": "error", "log_min_error_statement": "panic"}
        argv = [self.program, "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self.folder / "postgres.log", "ab") as log:
            self.process = subprocess.Popen(argv, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            preexec_fn=die_with_us(signal.SIGQUIT), **who)
        end = time.time() + 60
        while not self.answers():
            if time.time() > end or self.process.poll() is not None:
                raise RuntimeError(f"Postgres did not start; see {self.folder}/postgres.log")
            time.sleep(0.05)

    def answers(self):
        return self.try_sql("select 1") == "1"

    def stop(self, how=signal.SIGQUIT):
        if self.process:
            kill(self.process.pid, how)
            self.process.wait()
            self.process = None

    def restart_immediately(self):
        self.stop()  # SIGQUIT is what pg_ctl -m immediate sends
        self.start()

    def run(self, text, timeout=60):
        env = dict(os.environ, PGOPTIONS="-c client_min_messages=warning", PGCONNECT_TIMEOUT="3")
        argv = ["psql", self.url, "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-f", "-"]
        return subprocess.run(argv, input=text, text=True, capture_output=True, timeout=timeout, env=env)

    def sql(self, text, timeout=60):
        done = self.run(text, timeout)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()[:500]}")
        return done.stdout.strip()

    def rows(self, query, timeout=120):
        """Rows of texts; None for null."""
        done = self.run(f"copy ({query}) to stdout;", timeout)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()[:500]}")
        return [[None if field == "\\N" else field for field in line.split("\t")] for line in done.stdout.splitlines()]

    def logged(self, text):
        return (self.folder / "postgres.log").read_text(errors="replace").count(text)

    def try_sql(self, text, timeout=15):
        """None when it could not be asked."""
        try:
            done = self.run(text, timeout)
            return None if done.returncode else done.stdout.strip()
        except subprocess.TimeoutExpired:
            return None

    def hold_connections(self, most):
        """Takes slots until there are no more: a backend has one as soon as it has read its startup packet."""
        body = struct.pack("!i", 196608) + b"user\0drover_worker\0database\0drover\0\0"
        held = []
        for _ in range(most):
            try:
                one = socket.create_connection(("127.0.0.1", self.port), timeout=1)
                one.sendall(struct.pack("!i", len(body) + 4) + body)
                held.append(one)
            except OSError:
                break
        return held


class Proxy:
    def __init__(self, build, port, seed):
        self.process = subprocess.Popen([str(build / "tests/chaos_proxy"), str(port), str(seed)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_us())
        self.port = int(self.process.stdout.readline())

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Model:
    def __init__(self, build, script, log):
        self.process = subprocess.Popen([str(build / "drover"), "mock-model", "--port", "0", "--script", str(script)],
                                        stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=die_with_us())
        self.url = self.process.stdout.readline().strip().partition("=")[2]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Supervisor:
    """`drover worker` with the agents of the soak, behind a proxy, with clocks that can be stepped."""

    def __init__(self, build, folder, name, postgres, model, processes, seed, order):
        self.build, self.name, self.processes = build, name, processes
        self.proxy = Proxy(build, postgres.port, seed)
        self.log = folder / f"{name}.log"
        self.clock = folder / f"{name}.clock"
        self.ahead = [0, 0]
        self.step_clock(0, 0)
        self.process = None
        self.leaving = []
        self.env = {
            "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
            "DROVER_DATABASE_URL": postgres.worker_url.replace(f":{postgres.port}/", f":{self.proxy.port}/"),
            "DROVER_MODEL_BASE_URL": model.url, "LD_PRELOAD": str(build / "tests/libchaos_clock.so"),
            "CHAOS_CLOCK": str(self.clock), "DROVER_WORKER_LEASE": f"{LEASE:.0f}s", "DROVER_WORKER_POLL": "200ms",
            "DROVER_WORKER_DRAIN": "1s", "DROVER_WORKER_SLOTS": "60", "DROVER_QUEUE_BATCH": "60", "DROVER_DATABASE_POOL": "4",
            "DROVER_DATABASE_CONNECT_TIMEOUT": "2s", "DROVER_QUEUE_MAX_ATTEMPTS": "40", "DROVER_QUEUE_BACKOFF_BASE": "100ms",
            "DROVER_QUEUE_BACKOFF_MAX": "1s", "DROVER_LOG_FLUSH_INTERVAL": "100ms", "DROVER_LOG_LEVEL": "warn",
            "DROVER_QUEUE_MAX_CRASHES": "40", "DROVER_QUEUE_ORDER": order, "DROVER_DATABASE_LISTEN_CHECK": "1s",
            "DROVER_LIMITS_TOOL_TIME": "5s", "DROVER_LIMITS_RUN_TIME": "30s", "DROVER_MODEL_FIRST_BYTE_TIMEOUT": "5s",
            "DROVER_MODEL_STALL_TIMEOUT": "5s", "DROVER_MODEL_TURN_TIMEOUT": "10s"}

    def step_clock(self, wall_s, monotonic_s):
        """The monotonic clock goes forward only, as it does."""
        self.ahead[0] += int(wall_s * 1e9)
        self.ahead[1] += int(monotonic_s * 1e9)
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("=qq", *self.ahead))

    def start(self):
        with open(self.log, "ab") as log:
            argv = [str(self.build / "tests/chaos_worker"), "worker", "--processes", str(self.processes)]
            self.process = subprocess.Popen(argv, cwd="/", env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_us())

    def workers(self):
        return children_of(self.process.pid) if self.process else []

    def kill_all(self):
        """The whole host, as it were: stopped first, so that nobody starts anybody again."""
        kill(self.process.pid, signal.SIGSTOP)
        workers = self.workers()
        kill(self.process.pid, signal.SIGKILL)
        for pid in workers:
            kill(pid, signal.SIGKILL)
        self.process.wait()

    def leave_and_start(self):
        """A rolling restart: the next is up while the last one drains."""
        self.process.terminate()
        self.leaving.append(self.process)
        self.start()

    def wait_for_leaving(self, seconds):
        late = 0
        for process in self.leaving:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                late += 1
        self.leaving = [process for process in self.leaving if process.poll() is None]
        return late

    def stop(self):
        """True when they left by themselves."""
        self.process.terminate()
        try:
            self.process.wait(30)
            return True
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        for process in [*self.leaving, self.process]:
            if process and process.poll() is None:
                workers = children_of(process.pid)
                process.kill()
                for pid in workers:
                    kill(pid, signal.SIGKILL)
                process.wait()
        self.proxy.stop()
