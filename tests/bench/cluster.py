# SPDX-License-Identifier: MIT
"""A throw-away Postgres for one benchmark, the same for all who are measured on it, and the peers' side of it."""
import atexit
import glob
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

from common import BUILD, HERE, Process, note, sh, stop_all, wait_for

# Room enough that no side waits for the disk by accident; commits are as safe as by default.
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "max_connections": "200",
            "wal_level": "logical", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
            "autovacuum": "on"}


def newest_bin():
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb") or [shutil.which("initdb")]
    return pathlib.Path(max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path)])).parent


def server_user():
    """Postgres does not run as root."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    def __init__(self, **settings):
        self.settings = {**SETTINGS, **settings}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="drover-bench-"))
        atexit.register(self.remove)
        self.folder.chmod(0o755)
        self.bin, self.port, self.password = newest_bin(), free_port(), os.urandom(12).hex()
        self.url, self.worker_url = (self.url_of(role) for role in ("postgres", "drover_worker"))
        self.start()
        self.database("drover")
        self.psql = Psql(self.url)
        shown = " ".join(f"{name}={value}" for name, value in self.settings.items())
        print("  Postgres", self.sql("show server_version"), shown, flush=True)

    def database(self, name):
        """A new one with the queue in it; its URL for a worker."""
        psql = Psql(self.url_of("postgres", "postgres"))
        psql.ask(f"create database {name}")
        sh(BUILD / "drover", "migrate", env=dict(os.environ, DROVER_DATABASE_URL=self.url_of("postgres", name)))
        psql.ask(f"alter role drover_worker login password '{self.password}'")
        psql.stop()
        return self.url_of("drover_worker", name)

    def url_of(self, role, database="drover"):
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self):
        home, kw = self.folder / "pg", server_user()
        home.mkdir()
        if kw:
            os.chown(home, kw["user"], kw["group"])
        secret = self.folder / "password"
        secret.write_text(self.password)
        sh(self.bin / "initdb", "-D", home, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8",
           "--locale=C.UTF-8", "--no-sync", cwd="/", **kw)
        secret.unlink()
        options = {**self.settings, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": self.port}
        log = open(self.folder / "postgres.log", "w")
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.server = Process(self.bin / "postgres", "-D", home, *flags, stderr=log, cwd="/", **kw)
        ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_for(lambda: subprocess.run(ready).returncode == 0, f"Postgres ({self.folder}/postgres.log)")

    def sql(self, text):
        return self.psql.ask(text)

    def settle(self, *tables):
        """The same start for every side."""
        for table in tables:
            self.sql(f"vacuum analyze {table}")
        self.sql("checkpoint")

    def remove(self):
        stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)


class Psql:
    """One connection that stays open: asking costs a round trip, not a process."""

    END = "-- end of answer --"

    def __init__(self, url):
        self.process = Process("psql", url, "-XAtq", "-v", "ON_ERROR_STOP=1", stdin=subprocess.PIPE,
                               env=dict(os.environ, PGOPTIONS="-c client_min_messages=warning"))
        self.read = 0

    def ask(self, text):
        self.process.child.stdin.write(f"{text};\n\\echo '{self.END}'\n")
        self.process.child.stdin.flush()
        answer = []
        while (line := self.process.line(self.read, f"psql: {text[:80]}", 3600)) != self.END:
            answer.append(line)
            self.read += 1
        self.read += 1
        return "\n".join(answer)

    def stop(self):
        self.process.stop()


# ---- the peers, by npm, only when a benchmark needs them ----

def node(*argv):
    lock, installed = HERE / "package-lock.json", HERE / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        note("installing the peers with npm")
        sh("npm", "ci", "--loglevel=error", cwd=HERE)
    return ["node", str(HERE / argv[0]), *(str(a) for a in argv[1:])]


def versions():
    lock = (HERE / "package.json").read_text()
    return dict(re.findall(r'"(graphile-worker|pg-boss)": "([\d.]+)"', lock))
