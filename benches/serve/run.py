#!/usr/bin/env python3
"""Measures single rows in JSON: `mlx serve` beside FastAPI and BentoML; `setup.sh` makes what it needs.

    python3 benches/serve/run.py --mlx FILE [--work DIR] [--seconds N] [--rounds N] [--check]

Every server has one worker and one thread for the model. They take turns within a round, each figure is the median of its
rounds, and wrk (one thread) makes the load. `--check` ends with exit code 1 where a bar is not reached.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONCURRENCY = (1, 32)


def main() -> int:
    arguments = parse_arguments()
    work = arguments.work.resolve()
    rows = json.loads((work / "forest/rows.json").read_text())
    tensor = {"name": "input", "shape": [1, 30], "datatype": "FP32", "data": rows[0]}
    bodies = {"v2": {"inputs": [tensor]}, "v2-64": {"inputs": [{**tensor, "datatype": "FP64"}]}, "rows": {"rows": rows[:1]}}
    for name, body in bodies.items():
        (work / f"{name}.json").write_text(json.dumps(body))
    results: dict[tuple[str, int], list[list[float]]] = {}
    starts: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for name, server in servers(arguments.mlx, work).items():
            began = time.monotonic()
            with Server(server) as url:
                body = (work / f"{server['body']}.json").read_bytes()
                wait_for_answer(url, body)
                starts.setdefault(name, []).append((time.monotonic() - began) * 1e3)
                for connections in CONCURRENCY:
                    result = load(url, work / f"{server['body']}.json", connections, arguments.seconds)
                    results.setdefault((name, connections), []).append(result)
    return show(results, starts, arguments.check)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlx", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / "target/bench")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def servers(mlx: Path, work: Path) -> dict[str, dict]:
    programs, forest = work / "servers/bin", work / "forest"
    mlx_options = ["--workers", "1", "--threads", "1", "--port"]
    return {
        "mlx, ONNX": {
            "command": [mlx, "serve", forest / "dist/onnx-1.tar", *mlx_options, "8101"],
            "url": "http://127.0.0.1:8101/v2/models/onnx/infer", "body": "v2",
        },
        "FastAPI, ONNX": {
            "command": [programs / "uvicorn", "--app-dir", HERE, "fastapi_app:app", "--port", "8102",
                        "--no-access-log", "--log-level", "warning"],
            "url": "http://127.0.0.1:8102/infer", "body": "v2", "model": forest / "onnx/forest.onnx",
        },
        "mlx, scikit-learn": {
            "command": [mlx, "serve", forest / "dist/sklearn-1.tar", *mlx_options, "8103"],
            "url": "http://127.0.0.1:8103/v2/models/sklearn/infer", "body": "v2-64",
        },
        "BentoML, scikit-learn": {
            "command": [programs / "bentoml", "serve", "bento_app:Forest", "--port", "8104", "--working-dir", HERE],
            "url": "http://127.0.0.1:8104/infer", "body": "rows", "model": forest / "sklearn/forest.joblib",
        },
        # Both may ask the model for the rows of several requests at once.
        "mlx, together": {
            "command": [mlx, "serve", forest / "dist/sklearn-1.tar", "--max-batch", "32", *mlx_options, "8105"],
            "url": "http://127.0.0.1:8105/v2/models/sklearn/infer", "body": "v2-64",
        },
        "BentoML, together": {
            "command": [programs / "bentoml", "serve", "bento_app:Forest", "--port", "8106", "--working-dir", HERE],
            "url": "http://127.0.0.1:8106/infer", "body": "rows", "model": forest / "sklearn/forest.joblib",
            "variables": {"TOGETHER": "1"},
        },
    }


class Server:
    """A server in a process group of its own, ended with all that it started."""

    def __init__(self, server: dict):
        self.server = server

    def __enter__(self) -> str:
        variables = {**os.environ, "MODEL": str(self.server.get("model", "")), "BENTOML_DO_NOT_TRACK": "True",
                     **self.server.get("variables", {})}
        command = [str(part) for part in self.server["command"]]
        self.process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        return self.server["url"]

    def __exit__(self, *_) -> None:
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)


def wait_for_answer(url: str, body: bytes) -> None:
    # What the environment says of proxies does not concern this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    until = time.monotonic() + 120
    while True:
        try:
            with opener.open(request, timeout=10) as answer:
                answer.read()
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def load(url: str, body: Path, connections: int, seconds: int) -> list[float]:
    """Requests per second, median and 99th percentile in microseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "post.lua"), url]
    output = subprocess.run(command, env={**os.environ, "BODY": str(body)}, check=True, capture_output=True, text=True)
    line = next(line for line in output.stdout.splitlines() if line.startswith("RESULT "))
    *figures, refused = (float(figure) for figure in line.split()[1:])
    if refused:
        sys.exit(f"{url} refused {refused:.0f} requests")
    return figures


def show(results: dict, starts: dict, check: bool) -> int:
    middle = {key: [statistics.median(column) for column in zip(*rounds)] for key, rounds in results.items()}
    print(f"{'server':<24}{'at once':>8}{'requests/s':>12}{'p50 us':>10}{'p99 us':>10}{'to an answer, ms':>18}")
    for (name, connections), (rate, median, last) in middle.items():
        print(f"{name:<24}{connections:>8}{rate:>12.0f}{median:>10.0f}{last:>10.0f}{statistics.median(starts[name]):>18.0f}")
    bars = [("ONNX, of FastAPI's requests/s", "mlx, ONNX", "FastAPI, ONNX", 2.5),
            ("ONNX, of BentoML's requests/s", "mlx, ONNX", "BentoML, scikit-learn", 20.0),
            ("scikit-learn, of BentoML's requests/s", "mlx, scikit-learn", "BentoML, scikit-learn", 2.0),
            ("together, of BentoML's requests/s", "mlx, together", "BentoML, together", 2.0)]
    missed = 0
    for connections in CONCURRENCY:
        for what, ours, theirs, bar in bars:
            ratio = middle[ours, connections][0] / middle[theirs, connections][0]
            missed += report(f"{what}, {connections} at once", ratio, ratio >= bar, f">= {bar}")
        ratio = middle["mlx, ONNX", connections][2] / middle["FastAPI, ONNX", connections][2]
        missed += report(f"ONNX, of FastAPI's p99, {connections} at once", ratio, ratio <= 0.5, "<= 0.5")
    start = statistics.median(starts["mlx, ONNX"])
    missed += report("ONNX, start to a correct answer, ms", start, start <= 150, "<= 150")
    return 1 if check and missed else 0


def report(what: str, figure: float, is_reached: bool, bar: str) -> bool:
    print(f"{what:<52}{figure:>10.2f}   {bar:<8}{'' if is_reached else '  MISSED'}")
    return not is_reached


if __name__ == "__main__":
    sys.exit(main())
