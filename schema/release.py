#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the migrations of a release, with their checksums, into schema/released.txt. From then on none of them may change.

Usage: schema/release.py VERSION            lists every migration that is there; refuses a version that is listed
       schema/release.py VERSION --again    replaces what is listed for it: only before it is published
"""
import hashlib
import pathlib
import re
import sys

SCHEMA = pathlib.Path(__file__).resolve().parent
LIST = SCHEMA / "released.txt"


def migrations():
    for path in sorted(SCHEMA.glob("*/[0-9][0-9][0-9]_*.sql")):
        yield f"{path.parent.name}/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    version, *rest = sys.argv[1:] or [""]
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or rest not in ([], ["--again"]):
        sys.exit(__doc__.strip())
    lines = LIST.read_text(encoding="utf-8").splitlines()
    others = [line for line in lines if line.split(" ")[0] != version]
    if len(others) < len(lines) and not rest:
        sys.exit(f"{LIST.name} lists {version} already; --again replaces it")
    others += [f"{version} {path} {checksum}" for path, checksum in migrations()]
    LIST.write_text("\n".join(others) + "\n", encoding="utf-8")


main()
