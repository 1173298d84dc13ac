#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""core/rt/fiber_gdb.py against the program parked, alive and as a core file. 

Usage: test_gdb.py PARKED FIBER_GDB.PY [SANITIZER]   with a sanitizer a core file would hold its terabytes of shadow"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM, SCRIPT = sys.argv[1:3]
WITH_CORE = sys.argv[3:] in ([], ["none"], [""])
counts = {True: 0, False: 0}


def check(sentence, ok, shown=""):
    counts[bool(ok)] += 1
    print("%s - %s" % ("ok" if ok else "not ok", sentence))
    if not ok:
        print("\n".join("    " + line for line in shown.splitlines()))


def gdb(*arguments):
    # LeakSanitizer cannot look at a process that is traced already.
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", DEBUGINFOD_URLS="")
    command = ["gdb", "-q", "-nx", "-batch", "-iex", "set auto-load no", "-x", SCRIPT, *arguments]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env=environment, text=True, timeout=120)
    return run.stdout


def traces(text):
    """Name of a fiber to (state, functions from the inside out)."""
    found, frames = {}, []
    for line in text.splitlines():
        head = re.match(r'fiber 0x[0-9a-f]+ "(.*)" (.*)', line)
        frame = re.match(r"  #\d+ +(?:0x[0-9a-f]+ in )?(\w+) \(", line)
        if head:
            frames = []
            found[head.group(1)] = (head.group(2), frames)
        elif frame:
            frames.append(frame.group(1))
    return found


def has_in_order(frames, *names):
    places = [frames.index(name) if name in frames else -1 for name in names]
    return -1 not in places and places == sorted(places)


def check_traces(where, text):
    found = traces(text)
    state, frames = found.get("request 42 baker", ("", []))
    check("a parked fiber shows its calls, " + where,
          state == "parked" and has_in_order(frames, "knead", "bake", "fiber_main"), text)
    check("the trace ends where the fiber began, " + where, frames[-1:] in (["fiber_start"], ["start"], ["__start_context"]), text)
    check("arguments are shown, " + where, re.search(r"knead \(loaves=(12|<optimized out>|loaves@entry=12)", text), text)
    state, frames = found.get("request 43 miller", ("", []))
    check("each has its own, " + where, state == "parked" and has_in_order(frames, "grind") and "knead" not in frames, text)
    check("one that never ran is named, " + where, found.get("sleeper", ("",))[0] == "not started", text)
    check("the running one is named, " + where, found.get("stopper", ("",))[0].startswith("running"), text)
    check("an ended one is named, " + where, found.get("gone", ("",))[0] == "ended", text)
    check("all are counted, " + where, "\n5 fibers\n" in text, text)


def main():
    if not shutil.which("gdb"):
        check("gdb is installed", False)
        return
    with tempfile.TemporaryDirectory() as folder:
        core = os.path.join(folder, "core")
        alive = gdb("-ex", "run", "-ex", "fibers", "-ex", "fibers request 43", "-ex", "backtrace",
                    *(["-ex", "generate-core-file " + core] if WITH_CORE else []), PROGRAM)
        all_of_them, _, rest = alive.partition("5 fibers\n")
        check_traces("alive", all_of_them + "5 fibers\n" if rest else alive)
        check("words choose fibers", set(traces(rest)) == {"request 43 miller"} and "1 fibers" in rest, alive)
        check("the thread's own trace is as before", re.search(r"^#\d+ .*stop_here", rest, re.M) and "grind" not in
              rest.partition("1 fibers")[2], alive)
        if WITH_CORE:
            check_traces("in a core file", gdb("-ex", "fibers", PROGRAM, core))


main()
print("%d passed, %d failed" % (counts[True], counts[False]))
sys.exit(1 if counts[False] else 0)
