#!/usr/bin/env python3
"""Measures what packaging costs: weights of noise, packaged, packaged again after a change of the code, unpacked, scanned.

    python3 benches/bundle/run.py --mlx FILE [--work DIR] [--mib N] [--rounds N] [--json FILE] [--check]

Beside it `cp` of the same weights, with `sync` of the copy, since a bundle is durable when the command ends. They take turns
within a round, and each figure is the median of its rounds. `--check` ends with exit code 1 where a bar is not reached.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

MANIFEST = """[step.fit]
cmd = "mkdir -p model && cp weights.bin model/"
deps = ["fit.py", "weights.bin"]
outs = ["model"]
[model.m]
path = "model"
[model.served]
path = "model"
serve = { python = "serve.py:Model" }
"""
CLASS = """class Model:
    inputs = {"input": "FP64[-1, 2]"}
    outputs = {"y": "FP64[-1]"}

    def load(self, path):
        self.path = path

    def predict(self, inputs):
        return {"y": [float(sum(row)) for row in inputs["input"]]}
"""
BARS = {"package / cp": 1.2, "package again": 1.0}


def main() -> int:
    arguments = parse_arguments()
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    make_project(work, arguments.mib)

    def mlx(*words: str) -> None:
        subprocess.run([arguments.mlx.resolve(), "-C", work, "--quiet", *words], check=True, stdout=subprocess.DEVNULL)

    mlx("train")
    mlx("model", "register", "m")
    mlx("model", "register", "served")
    measured: dict[str, list[float]] = {}

    def take(name: str, job) -> None:
        os.sync()
        began = time.monotonic()
        job()
        measured.setdefault(name, []).append(time.monotonic() - began)

    for round in range(arguments.rounds):
        copy = work / "copy.bin"
        copy.unlink(missing_ok=True)
        take("cp, sync", lambda: (subprocess.run(["cp", "--reflink=never", work / "weights.bin", copy], check=True), sync(copy)))
        for name in ("m-1.tar", "served-1.tar"):
            (work / "dist" / name).unlink(missing_ok=True)
        take("package", lambda: mlx("package", "m"))
        take("package, served by Python", lambda: mlx("package", "served"))
        (work / "serve.py").write_text(CLASS + f"# {round}\n")
        take("package again, other code", lambda: mlx("package", "served"))
        take("verify", lambda: mlx("bundle", "verify", "dist/m-1.tar"))
        shutil.rmtree(work / "out", ignore_errors=True)
        take("unpack", lambda: mlx("bundle", "unpack", "dist/m-1.tar", "out"))
        take("scan", lambda: mlx("bundle", "scan", "dist/m-1.tar"))
    return show({name: statistics.median(times) for name, times in measured.items()}, arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlx", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(__file__).resolve().parents[2] / "target/bench-bundle")
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def make_project(work: Path, mib: int) -> None:
    work.mkdir(parents=True)
    (work / "mlx.toml").write_text(MANIFEST)
    (work / "fit.py").write_text("print('trained')\n")
    (work / "serve.py").write_text(CLASS)
    with open(work / "weights.bin", "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))


def sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fdatasync(file.fileno())


def show(medians: dict[str, float], arguments: argparse.Namespace) -> int:
    print(f"{arguments.mib} MiB of noise, median of {arguments.rounds} rounds")
    for name, seconds in medians.items():
        print(f"  {name:<28} {seconds:7.2f} s  {seconds / medians['cp, sync']:5.2f} x cp")
    figures = {"package / cp": medians["package"] / medians["cp, sync"], "package again": medians["package again, other code"]}
    missed = {name: figure for name, figure in figures.items() if figure > BARS[name]}
    for name, figure in missed.items():
        print(f"MISSED: {name} is {figure:.2f}, the bar is {BARS[name]}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"medians": medians, "figures": figures}, indent=2) + "\n")
    return 1 if missed and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
