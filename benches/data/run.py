#!/usr/bin/env python3
"""Measures data versioning beside DVC, git-lfs, git-annex, restic and what the hardware needs; `setup.sh` makes what it needs.

    python3 benches/data/run.py [--files 100000] [--only add,status] [--tools mlx,dvc,floor] [--json FILE] [--check]

The tools take turns within a round, each on a fresh copy of the same data, and a figure is the median of its rounds; what
takes long is measured once. Caches are warm, and what others left to be written is written before a measurement begins.
"""

import argparse
import json
import os
import platform
import re
import signal
import sys
from pathlib import Path

import bars
import make_data
import s3
import tools
from bench import Bench, Failed, say
from rows import ON_REQUEST, ROWS

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    arguments = parse_arguments()
    # Who ends this program ends the server with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    arguments.work.mkdir(parents=True, exist_ok=True)
    server = s3.Server(arguments.work.resolve())
    if "s3" in arguments.only and not server.program:
        say("NOT MEASURED: s3, because s3s-fs is missing; see benches/data/setup.sh")
    bench = Bench(arguments, arguments.files, server, only=arguments.tools)
    try:
        for name in arguments.only:
            ROWS[name](bench)
    except Failed as failed:
        sys.exit(str(failed))
    finally:
        server.stop()
        bench.end()

    verdicts = bars.verdicts(bench.results)
    document = {
        "machine": describe_machine(),
        "files": arguments.files,
        "largest_bytes": arguments.largest_bytes,
        "large_mib": arguments.large_mib,
        "csv_mib": arguments.csv_mib,
        "results": bench.results,
        "bars": verdicts,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    print_tables(bench, document)
    return 1 if arguments.check and not all(verdict["kept"] for verdict in verdicts) else 0


def parse_arguments() -> argparse.Namespace:
    names = [kind.name for kind in tools.ALL]
    usual = [name for name in ROWS if name not in ON_REQUEST]

    def some_of(known: list[str]):
        def parse(text: str) -> list[str]:
            if unknown := [name for name in text.split(",") if name not in known]:
                raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
            return [name for name in known if name in text.split(",")]

        return parse

    parser = argparse.ArgumentParser(description="Data versioning, measured beside DVC, git-lfs, git-annex and restic.")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench-data", help="what setup.sh made; on a disk")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--mlx", type=Path, default=target / "release/mlx")
    parser.add_argument("--files", type=int, default=100_000, help="files in the tree")
    sizes = "bytes of the largest file of the tree; the smallest has a twentieth"
    parser.add_argument("--largest-bytes", type=int, default=make_data.LARGEST, help=sizes)
    parser.add_argument("--large-mib", type=int, default=4096, help="size of the large file")
    parser.add_argument("--csv-mib", type=int, default=1024, help="size of the table")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of what takes seconds")
    parser.add_argument("--only", type=some_of(list(ROWS)), default=usual, help=", ".join(ROWS))
    parser.add_argument("--tools", type=some_of(names), default=names, help=", ".join(names))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bar is not kept")
    return parser.parse_args()


def print_tables(bench: Bench, document: dict) -> None:
    results, names = document["results"], bench.only

    def figures(title: str, key: str, form: str) -> list[list[str]]:
        rows = [[title, *names]]
        for row, cells in results.items():
            values = [cells.get(name, {}).get(key) for name in names]
            if any(value is not None for value in values):
                rows.append([row, *(form.format(value) if value is not None else "" for value in values)])
        return rows

    print(f"{document['machine']}; {document['files']} files of up to {document['largest_bytes']} bytes, large file of {document['large_mib']} MiB, ", end="")
    print(f"table of {document['csv_mib']} MiB; medians of up to {bench.arguments.rounds} rounds\n")
    print_table(figures("seconds", "seconds", "{:.3f}"))
    print_table(figures("peak memory, MB", "peak_mb", "{:.0f}"))
    print_table(figures("files on the remote", "remote_files", "{}"))
    print_table(figures("size of the remote, MB", "remote_mb", "{:.1f}"))
    print_table(figures("sent, % of the file", "sent_percent", "{:.2f}"))
    print_table(figures("stored on the remote, % of the file", "stored_percent", "{:.2f}"))
    verdicts = [
        [verdict["bar"], f"{verdict['value']:.2f}", f"{verdict['limit']:g}", "yes" if verdict["kept"] else "NO"]
        for verdict in document["bars"]
    ]
    print_table([["bar", "measured", "limit", "kept"], *verdicts])


def print_table(rows: list[list[str]]) -> None:
    if len(rows) < 2:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    for row in [rows[0], lines, *rows[1:]]:
        cells = [text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
    print()


def describe_machine() -> str:
    model = platform.machine()
    try:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        pass
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}"


if __name__ == "__main__":
    sys.exit(main())
