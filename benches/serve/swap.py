#!/usr/bin/env python3
"""Measures a release that takes over under load: `mlx serve --follow` while `mlx deploy` and `mlx rollback` switch.

    python3 benches/serve/swap.py --mlx FILE [--work DIR] [--seconds N] [--rounds N] [--check]

`setup.sh` makes what it needs. Load comes from wrk (one thread, 32 connections) the whole time; in the first half nothing
happens, in the second half the target switches three times. What was refused, and the 99th percentiles of both halves, are
told; `--check` ends with exit code 1 where a request failed or the second is more than three times the first.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from run import load, wait_for_answer

PORT = 8110
URL = f"http://127.0.0.1:{PORT}"
INFER = f"{URL}/v2/models/onnx/infer"


def main() -> int:
    arguments = parse_arguments()
    work = arguments.work.resolve()
    project = make_project(arguments.mlx, work)
    row = json.loads((work / "forest/rows.json").read_text())[0]
    body = work / "v2.json"
    body.write_text(json.dumps({"inputs": [{"name": "input", "shape": [1, 30], "datatype": "FP32", "data": row}]}))
    command = [arguments.mlx, "-C", project, "serve", "production", "--follow", "--every", "0.1", "--workers", "1",
               "--threads", "1", "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_answer(INFER, body.read_bytes())
        quiet, switching = [], []
        for _ in range(arguments.rounds):
            quiet.append(load(INFER, body, 32, arguments.seconds))
            switches = threading.Thread(target=switch, args=(arguments.mlx, project, arguments.seconds))
            switches.start()
            switching.append(load(INFER, body, 32, arguments.seconds))
            switches.join()
        switched = status()["followed"][0]
    finally:
        server.terminate()
        server.wait()
    return show(quiet, switching, switched, arguments.check)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlx", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--work", type=Path, default=Path(__file__).resolve().parents[2] / "target/bench")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def make_project(mlx: Path, work: Path) -> Path:
    """A copy of the forest's project with a target on which two releases lie; the first is live."""
    project = work / "swap"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(work / "forest", project, symlinks=True)
    with open(project / "mlx.toml", "a") as manifest:
        manifest.write('\n[target.production]\nurl = "deploy"\nmodel = "onnx:1"\n')
    run(mlx, project, "deploy", "production")
    # Another release of the same model: its bundle holds another description.
    text = (project / "mlx.toml").read_text()
    (project / "mlx.toml").write_text(text.replace('[model.onnx]\n', '[model.onnx]\ndescription = "the other one"\n'))
    run(mlx, project, "deploy", "production")
    run(mlx, project, "rollback", "production")
    return project


def switch(mlx: Path, project: Path, seconds: int) -> None:
    for command in (("deploy", "production"), ("rollback", "production"), ("deploy", "production")):
        time.sleep(seconds / 5)
        run(mlx, project, *command)
    time.sleep(seconds / 5)
    run(mlx, project, "rollback", "production")


def run(mlx: Path, project: Path, *arguments: str) -> None:
    subprocess.run([mlx, "-C", project, *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def status() -> dict:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{URL}/status", timeout=10) as answer:
        return json.load(answer)


def show(quiet: list, switching: list, followed: dict, check: bool) -> int:
    before, during = (statistics.median(result[2] for result in results) for results in (quiet, switching))
    ratio = during / before
    print(f"{'p99 with nothing to do, us':<40}{before:>10.0f}")
    print(f"{'p99 while the target switches, us':<40}{during:>10.0f}")
    print(f"{'the second, of the first':<40}{ratio:>10.2f}   <= 3{'' if ratio <= 3 else '  MISSED'}")
    # load() ends the program at the first answer that is no 200.
    print(f"{'requests that failed':<40}{0:>10}   0")
    print(f"live at the end: {followed['live']}")
    return 1 if check and ratio > 3 else 0


if __name__ == "__main__":
    sys.exit(main())
