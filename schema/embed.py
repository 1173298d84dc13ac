#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns text files into C constants, with checks.

embed.py sql NAME OUT.c OUT.h FILES...         one query a file   -> const struct sql sql_<file>, and NAME_all[]
embed.py migrations NAME OUT.c OUT.h FILES...  MODULE/NNN_x.sql   -> const struct migration NAME_all[]
embed.py text NAME OUT.c OUT.h FILES...        any text           -> const char NAME_<file>[]
"""
import pathlib
import re
import sys


def fail(path, why):
    sys.exit(f"{path}: {why}")


def literal(text):
    lines = text.split("\n")
    quoted = [line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") for line in lines]
    return "\n".join(f'\t"{line}\\n"' for line in quoted)


def comment_of(path, text):
    """Every SQL file says in its first line what it does."""
    if not text.startswith("-- "):
        fail(path, "the first line must be a comment that says what it does")


def count_params(path, text):
    code = re.sub(r"--[^\n]*", "", text)
    used = {int(n) for n in re.findall(r"\$(\d+)", code)}
    n = max(used, default=0)
    if used != set(range(1, n + 1)):
        fail(path, f"parameters must be $1..${n} without gaps")
    return n


def emit_sql(name, paths):
    source, header, all_names = [], ["#include \"pg.h\"\n"], []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        comment_of(path, text)
        symbol = f"sql_{path.stem}"
        short = "/".join(path.parts[-3:])
        source.append(f'const struct sql {symbol} = {{\n\t"{path.stem}", "{short}",\n{literal(text)},\n'
                      f"\t{count_params(path, text)}\n}};\n")
        header.append(f"extern const struct sql {symbol};\n")
        all_names.append(f"\t&{symbol},\n")
    source.append(f"const struct sql *const {name}_all[] = {{\n{''.join(all_names)}\tNULL\n}};\n")
    header.append(f"extern const struct sql *const {name}_all[]; /* ends with NULL */\n")
    return source, header


def emit_migrations(name, paths):
    rows = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        comment_of(path, text)
        number = re.match(r"(\d{3})_(\w+)$", path.stem)
        if not number:
            fail(path, "a migration is called NNN_name.sql")
        rows.append(f'\t{{ "{path.parent.name}", {int(number[1])}, "{number[2]}", "{path.parent.name}/{path.name}",\n'
                    f"{literal(text)} }},\n")
    source = [f"const struct migration {name}_all[] = {{\n{''.join(rows)}\t{{ 0 }}\n}};\n"]
    header = ['#include "migrate.h"\n', f"extern const struct migration {name}_all[]; /* in order; ends with {{ 0 }} */\n"]
    return source, header


def emit_text(name, paths):
    source, header = [], []
    for path in paths:
        symbol = f"{name}_{re.sub(r'[^a-z0-9]', '_', path.stem)}"
        source.append(f"const char {symbol}[] =\n{literal(path.read_text(encoding='utf-8').rstrip())};\n")
        header.append(f"extern const char {symbol}[];\n")
    return source, header


def main():
    kind, name, out_c, out_h, *files = sys.argv[1:]
    emit = {"sql": emit_sql, "migrations": emit_migrations, "text": emit_text}[kind]
    source, header = emit(name, [pathlib.Path(f) for f in files])
    pathlib.Path(out_h).write_text("/* generated */\n#pragma once\n" + "".join(header), encoding="utf-8")
    include = f'#include "{pathlib.Path(out_h).name}"\n'
    pathlib.Path(out_c).write_text("/* generated */\n" + include + "\n".join(source), encoding="utf-8")


main()
