# SPDX-License-Identifier: MIT
"""Many live streams in one worker process, beside the same streams read by a bare loop in C and by Python."""
import subprocess
import time

from cluster import Cluster
from common import BUILD, HERE, Process, build_side, cpu_seconds, median, note, sh, side, spread, table, wait_for
from start import rss_kib, start_worker

PYTHON = "/usr/bin/python3"  # of Debian, which has the packages
PACKAGES = ["python3-aiohttp", "python3-httpx"]
ASK = ("insert into agent_requests (type, request) select 'project_management', 'stream ' || n "
       "from generate_series(1, {}) n")
SETTLE_S = 2  # between the last stream's start and the first reading


def script(folder, seconds, rate):
    path = folder / f"load-{seconds}-{rate}.yaml"
    path.write_text("replies:\n  - reply: [ { text: '################ word word ', repeat: "
                    f"{seconds * rate} }} ]\n    chunk: 27\n    pace: {1000 // rate}ms\n")
    return path


class Model:
    """The scripted model under load. Its lines: load US LIVE EVENTS ENDED CUT."""

    def __init__(self, folder, seconds, rate, *more):
        self.process = Process(BUILD / "drover", "mock-model", "--port", "0", "--trace", "--script",
                               script(folder, seconds, rate), *more)
        self.url = self.process.line(0, "model").split("=", 1)[1]

    def now(self):
        for line in reversed(list(self.process.lines)):
            if line.startswith("load "):
                return tuple(map(int, line.split()[1:]))
        return 0, 0, 0, 0, 0


# ---- one reading: processor time over what the model sent meanwhile ----

class Window:
    """CPU of a process between two lines of a counter, which come once a second."""

    def __init__(self, pid, counted):
        self.pid, self.counted = pid, counted
        self.first = self.read()

    def read(self):
        before = len(self.counted.lines)
        wait_for(lambda: len(self.counted.lines) > before, "a count", 30, 0.002)
        numbers = [int(word) for word in self.counted.lines[before].split() if word.isdigit()]
        return numbers[0], numbers[2], cpu_seconds(self.pid)

    def end(self):
        """Microseconds per event, events per second, cores."""
        us, events, cpu = (b - a for a, b in zip(self.first, self.read()))
        return cpu * 1e6 / max(events, 1), events * 1e6 / us, cpu * 1e6 / us


def measured(pid, counted, seconds):
    window = Window(pid, counted)
    time.sleep(seconds)
    return window.end()


def overlap(streams):
    """How long a stream must live that all are alive together: the start takes its time."""
    return 4 + streams // 200


# ---- our side ----

def worker_of(cluster, model, streams, **more):
    worker = start_worker(cluster, model, streams + 16, DROVER_QUEUE_BATCH="1000", DROVER_RETENTION_COMPLETED="0",
                          DROVER_RETENTION_FAILED="0", DROVER_RETENTION_CANCELLED="0", DROVER_RETENTION_LOGS="0",
                          DROVER_LIMITS_RUN_TIME="1h", **more)
    pid = int(wait_for(lambda: cluster.sql("select pid from drover.workers"), "worker"))
    time.sleep(1)
    return worker, pid


def rows_written(cluster):
    return int(cluster.sql("select last_value from agent_logs_id_seq"))


def ended(cluster):
    return cluster.sql("select count(*) filter (where status = 'completed'), count(*) filter (where status = 'failed') "
                       "from agent_requests").split("|")


def ours(cluster, folder, streams, seconds, rate):
    model = Model(folder, seconds + overlap(streams) + SETTLE_S * 2, rate, "--load")
    cluster.sql("truncate agent_requests, agent_sessions, agent_logs, agent_turns cascade; truncate drover.workers")
    worker, pid = worker_of(cluster, model.url, streams)
    idle, began = rss_kib(pid), time.time()
    cluster.sql(ASK.format(streams))
    wait_for(lambda: model.now()[1] >= streams or model.now()[3], f"{streams} streams", 120, 0.02)
    started, live = time.time() - began, model.now()[1]
    note(f"{live} streams live after {started:.1f} s")
    time.sleep(SETTLE_S)
    lag = Process(side("log_lag"), cluster.url, min(streams, 100), seconds - 1)
    rows, clock = rows_written(cluster), time.time()
    us, sent, cores = measured(pid, model.process, seconds)
    rows = (rows_written(cluster) - rows) / (time.time() - clock)
    mock = measured(model.process.pid, model.process, 1)
    busy = rss_kib(pid)
    lags = [float(word) for word in lag.wait("log_lag", 60)[0].split()]
    wait_for(lambda: model.now()[1] == 0, "the streams to end", 120)
    wait_for(lambda: cluster.sql("select not exists (select from agent_requests where finished_at is null)") == "t",
             "the requests to end", 60)
    completed, failed = map(int, ended(cluster))
    worker.stop()
    model.process.stop()
    return {"streams": live, "started_s": started, "events_per_s": sent, "us_per_event": us, "cores": cores,
            "mock_us": mock[0], "bytes_per_stream": (busy - idle) * 1024 / streams, "rows_per_s": rows,
            "log_lag_p50_ms": lags[1], "log_lag_p99_ms": lags[2], "completed": completed, "failed": failed}


def certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
       "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out", cert)
    return cert, key


def ours_tls(cluster, folder, streams, seconds, rate):
    """The model has a fiber a stream here. Its count of events is not kept: all of them over all of the time."""
    cert, key = certificate(folder)
    live_s = seconds + overlap(streams) * 2
    model = Model(folder, live_s, rate, "--tls-cert", cert, "--tls-key", key)
    cluster.sql("truncate agent_requests, agent_sessions, agent_logs, agent_turns cascade; truncate drover.workers")
    worker, pid = worker_of(cluster, model.url, streams, CURL_CA_BUNDLE=str(cert))
    idle = rss_kib(pid)
    cluster.sql(ASK.format(streams))
    wait_for(lambda: len(model.process.lines) > streams, f"{streams} streams over TLS", 120, 0.1)
    time.sleep(SETTLE_S)
    clock, cpu, mock = time.time(), cpu_seconds(pid), cpu_seconds(model.process.pid)
    time.sleep(seconds)
    took, cpu, mock = time.time() - clock, cpu_seconds(pid) - cpu, cpu_seconds(model.process.pid) - mock
    busy = rss_kib(pid)
    if ended(cluster) != ["0", "0"]:
        note("over TLS the first streams ended before the last reading: the figure is too high")
    wait_for(lambda: cluster.sql("select not exists (select from agent_requests where finished_at is null)") == "t",
             "the requests to end", 240)
    completed = int(ended(cluster)[0])
    worker.stop()
    model.process.stop()
    events = streams * rate * took
    return {"streams": streams, "us_per_event": cpu * 1e6 / events, "mock_us": mock * 1e6 / events,
            "bytes_per_stream": (busy - idle) * 1024 / streams, "completed": completed}


# ---- the others, on the same model ----

def other(folder, argv_of, streams, seconds, rate, least=0.9):
    """Half as many, until it keeps up. (streams, us per event, events per second)"""
    while True:
        model = Model(folder, seconds + overlap(streams) + SETTLE_S, rate, "--load")
        reader = Process(*argv_of(model.url, streams))
        wait_for(lambda: model.now()[1] >= streams or model.now()[3], f"{streams} streams", 120, 0.02)
        live = model.now()[1]
        time.sleep(SETTLE_S)
        us, got, _ = measured(reader.pid, reader, seconds)
        reader.stop()
        model.process.stop()
        if live >= streams and got >= least * streams * rate:
            return streams, us, got
        note(f"{argv_of('', streams)[-3:]}: {live} live, {got:,.0f} events a second: it does not keep up")
        streams //= 2


def bare(url, streams):
    return [side("bare_streams"), url.rsplit(":", 1)[-1], streams]


def python(which):
    return lambda url, streams: [PYTHON, "-B", HERE / "peer_streams.py", which, f"{url}/v1/messages", streams]


def need_python():
    if subprocess.run([PYTHON, "-c", "import aiohttp, httpx"], stderr=subprocess.DEVNULL).returncode:
        note("installing " + " ".join(PACKAGES))
        sh("apt-get", "update", "-qq")
        sh("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
    return sh(PYTHON, "-c", "import sys, aiohttp, httpx; print('python', sys.version.split()[0], 'aiohttp', "
              "aiohttp.__version__, 'httpx', httpx.__version__)").strip()


# ---- all ----

def figures_of(all_ours, tls, others):
    of = lambda key, digits=None: median([one[key] for one in all_ours], digits)
    per = {name: median([one[1] for one in rounds], 2) for name, rounds in others.items()}
    figures = {key: of(key, digits) for key, digits in (
        ("streams", None), ("events_per_s", None), ("completed", None), ("us_per_event", 2), ("bytes_per_stream", None),
        ("log_lag_p50_ms", 1), ("log_lag_p99_ms", 1), ("rows_per_s", None), ("started_s", 2), ("mock_us", 2))}
    figures["ratio_bare"] = round(figures["us_per_event"] / per["bare"], 2)
    for name in ("aiohttp", "httpx"):
        figures[f"ratio_{name}"] = round(per[name] / figures["us_per_event"], 2)
    for name, rounds in others.items():
        figures[f"{name}_us_per_event"], figures[f"{name}_streams"] = per[name], median([one[0] for one in rounds])
    for key in ("streams", "us_per_event", "bytes_per_stream", "completed"):
        figures[f"tls_{key}"] = median([one[key] for one in tls], 2 if key == "us_per_event" else None)
    return figures


def run(options):
    """10,000 streams of 10 events a second in one worker process, beside bare epoll, aiohttp, httpx; and over TLS."""
    streams, seconds, rate = options.scaled(10000, 500), 5 if options.quick else 15, options.rate
    build_side("bare_streams", "log_lag")
    if any(options.only in name for name in ("aiohttp", "httpx")):
        print(f"  {need_python()}")
    cluster = Cluster(max_wal_size="16GB")
    folder = cluster.folder
    sides = {"drover": lambda: ours(cluster, folder, streams, seconds, rate),
             "drover tls": lambda: ours_tls(cluster, folder, min(streams, 2000), seconds, rate),
             "bare": lambda: other(folder, bare, streams, seconds, rate),
             "aiohttp": lambda: other(folder, python("aiohttp"), min(streams, 4000), seconds, rate),
             "httpx": lambda: other(folder, python("httpx"), min(streams, 1000), seconds, rate)}
    seen = {name: [] for name in sides}
    for n in range(options.rounds):
        for name in sides if n % 2 == 0 else reversed(sides):
            if options.only in name:
                seen[name].append(sides[name]())
                note(f"round {n + 1} of {options.rounds}: {name}: {seen[name][-1]}")
    if options.only:
        return {}
    tell(seen, seconds, rate)
    return figures_of(seen["drover"], seen["drover tls"], {k: seen[k] for k in ("bare", "aiohttp", "httpx")})


def tell(seen, seconds, rate):
    mine = seen["drover"]
    of = lambda key, digits=0: spread([one[key] for one in mine], digits)
    print(f"  {of('streams')} streams at once, {rate} events a second each, read for {seconds} s after the "
          "last has begun; processor time of the reading process alone")
    rows = [("us of processor an event", "median [min..max]"), ("drover", of("us_per_event", 2))]
    rows += [(f"{name}, {median([one[0] for one in seen[name]])} streams", spread([one[1] for one in seen[name]], 2))
             for name in ("bare", "aiohttp", "httpx")]
    tls = seen["drover tls"]
    rows += [(f"drover over TLS, {tls[0]['streams']} streams", spread([one["us_per_event"] for one in tls], 2)),
             ("the model itself", of("mock_us", 2)), ("", ""),
             ("events a second", of("events_per_s")), ("completed", of("completed")),
             ("from the insert to the last stream, s", of("started_s", 1)),
             ("bytes a stream", of("bytes_per_stream")),
             ("bytes a stream over TLS", spread([one["bytes_per_stream"] for one in tls])),
             ("log rows a second", of("rows_per_s")),
             ("sent by the model to seen in agent_logs, p50 ms", of("log_lag_p50_ms", 1)),
             ("p99 ms (a reader that looks every 5 ms, at 100 of the requests)", of("log_lag_p99_ms", 1))]
    table(rows)
