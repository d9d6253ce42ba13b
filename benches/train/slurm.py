#!/usr/bin/env python3
"""1,000 steps of 10 ms through Slurm: `mlx train` beside one job array written by hand.

    python3 benches/train/slurm.py [--mlx PATH] [--steps 1000] [--rounds 3]

Needs a Slurm that `sbatch` reaches and a directory that its nodes see (--dir). Both sides do the same work on the same
cluster, in turns: each step sleeps 10 ms and writes one file. The array is what one would write by hand, an element a
step. Times are from submission to the last file, for mlx to the end of the command, whose lock names all outputs.
Prints one JSON object; `ratio` is the median of mlx over that of the array, and the bar is 1.5.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

BAR = 1.5


def array(directory, steps):
    """An array of as many elements; returns the seconds until all files are there."""
    directory.mkdir()
    script = f'#!/bin/sh\nsleep 0.01\necho "$SLURM_ARRAY_TASK_ID" > "{directory}/o$SLURM_ARRAY_TASK_ID"\n'
    limit = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=True).stdout
    most = next(int(line.split("=")[1]) for line in limit.splitlines() if line.startswith("MaxArraySize"))
    assert steps <= most, "the array would not fit into one"
    began = time.monotonic()
    command = ["sbatch", "--parsable", f"--array=0-{steps - 1}", "--output=/dev/null", "--job-name=by-hand"]
    subprocess.run(command, input=script, text=True, check=True, capture_output=True, cwd=directory)
    while sum(1 for _ in directory.glob("o*")) < steps:
        time.sleep(0.05)
    return time.monotonic() - began


def mlx(program, directory, steps):
    """A pipeline of as many steps; returns the seconds of the command."""
    directory.mkdir()
    manifest = f"[executor.cluster]\nkind = 'slurm'\nprogram = '{program}'\n[params]\nitems = {list(range(steps))}\n"
    manifest += "[step.s]\nforeach = 'items'\ncmd = 'sleep 0.01; echo ${item} > o${item}'\nouts = ['o${item}']\n"
    (directory / "mlx.toml").write_text(manifest)
    began = time.monotonic()
    subprocess.run([program, "--quiet", "train", "--executor", "cluster"], check=True, cwd=directory,
                   stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    assert sum(1 for _ in directory.glob("o*")) == steps
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlx", default=shutil.which("mlx") or "target/release/mlx")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=None)
    arguments = parser.parse_args()
    program = str(Path(arguments.mlx).resolve())
    times = {"array": [], "mlx": []}
    with tempfile.TemporaryDirectory(dir=arguments.dir) as scratch:
        for round_ in range(arguments.rounds):
            times["array"].append(array(Path(scratch) / f"array-{round_}", arguments.steps))
            times["mlx"].append(mlx(program, Path(scratch) / f"mlx-{round_}", arguments.steps))
            while subprocess.run(["squeue", "-h"], capture_output=True, text=True).stdout.strip():
                time.sleep(0.2)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["mlx"] / medians["array"]
    print(json.dumps({
        "steps": arguments.steps, "seconds": times, "ratio": round(ratio, 3), "bar": BAR, "met": ratio <= BAR,
        "cpus": os.cpu_count(),
    }))


if __name__ == "__main__":
    main()
