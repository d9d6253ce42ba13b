#!/usr/bin/env python3
"""Measures the main job beside DVC, make and a loop of the shell; `setup.sh` makes what it needs.

    python3 benches/main-job/run.py [--work DIR] [--rounds N] [--json FILE] [--check]

Every figure is the median of its rounds, and the tools take turns within a round, so that a busy moment of the machine
meets all of them. `--check` ends with exit code 1 where a budget is not kept.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS = 300
# DVC takes a minute and more for the chain.
CHAIN_ROUNDS = 3
# The tools in the order of the columns.
TOOLS = ["mlx", "dvc", "make", "sh"]
# What mlx has to keep, in the unit of the measure.
BUDGETS = {
    "no-op, example: CPU, ms": 20.0,
    "no-op, example: processes": 1.0,
    "--version: wall, ms": 5.0,
    "chain: overhead a step, ms": 2.0,
    "release binary, MB": 40.0,
}


def main() -> int:
    arguments = parse_arguments()
    work, rounds = arguments.work.resolve(), arguments.rounds
    bench = Bench(work)
    bench.lay_out()

    results: dict[str, dict[str, float]] = {}
    versions = bench.alternate({tool: [tool, "--version"] for tool in bench.tools if tool != "sh"}, work, rounds)
    results["--version: wall, ms"] = medians(versions, "wall")
    results["--version: CPU, ms"] = medians(versions, "cpu")

    example = {tool: command for tool, command in bench.commands().items() if tool != "sh"}
    noops = bench.alternate(example, work / "example", rounds)
    results["no-op, example: wall, ms"] = medians(noops, "wall")
    results["no-op, example: CPU, ms"] = medians(noops, "cpu")
    results["no-op, example: processes"] = {
        tool: float(count)
        for tool, command in example.items()
        if (count := bench.processes(command, work / "example" / tool)) is not None
    }

    chains = bench.alternate(bench.commands(), work / "chain", CHAIN_ROUNDS, before=bench.forget)
    results["chain: wall, ms"] = medians(chains, "wall")
    loop = results["chain: wall, ms"]["sh"]
    results["chain: overhead a step, ms"] = {
        tool: (wall - loop) / STEPS for tool, wall in results["chain: wall, ms"].items() if tool != "sh"
    }
    chain_noops = {tool: command for tool, command in bench.commands().items() if tool != "sh"}
    results["no-op, chain: wall, ms"] = medians(bench.alternate(chain_noops, work / "chain", CHAIN_ROUNDS), "wall")
    results["release binary, MB"] = {"mlx": bench.mlx.stat().st_size / 1e6}

    kept = {name: results[name]["mlx"] <= budget for name, budget in BUDGETS.items() if "mlx" in results[name]}
    print_table(results, kept)
    print(f"\n{describe_machine()}; medians of {rounds} rounds, of {CHAIN_ROUNDS} for the chain of {STEPS} steps")
    if arguments.json:
        document = {"machine": describe_machine(), "steps": STEPS, "results": results, "budgets": BUDGETS, "kept": kept}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if arguments.check and not all(kept.values()) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The main job, measured beside DVC, make and a loop of the shell.")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench", help="what setup.sh made")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a budget is not kept")
    return parser.parse_args()


class Bench:
    """The same two pipelines for each tool, below the work directory: `example/TOOL` and `chain/TOOL`."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.mlx = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/mlx"
        dvc = work / "dvc/bin/dvc"
        if not self.mlx.exists() or not dvc.exists():
            sys.exit(f"run benches/main-job/setup.sh {work} first")
        # Named by their paths, so that nothing else of DVC's environment is on anybody's PATH.
        self.programs = {"mlx": str(self.mlx), "dvc": str(dvc)}
        # The directory with the Python of the example, once mlx has made it.
        self.python: Path | None = None
        self.tools = [tool for tool in TOOLS if tool != "make" or shutil.which("make")]
        home = work / "home"
        home.mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MLX_CACHE_DIR": str(work / "cache"),
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "PYENV_", "SSL_CERT_", "REQUESTS_"))},
        }

    def commands(self) -> dict[str, list[str]]:
        loop = f"i=0; while [ $i -lt {STEPS} ]; do sh -c true; i=$((i+1)); done"
        all_tools = {"mlx": ["mlx", "train"], "dvc": ["dvc", "repro"], "make": ["make"], "sh": ["sh", "-c", loop]}
        return {tool: all_tools[tool] for tool in self.tools}

    def lay_out(self) -> None:
        for pipeline in ["example", "chain"]:
            shutil.rmtree(self.work / pipeline, ignore_errors=True)
            for tool in self.tools:
                (self.work / pipeline / tool).mkdir(parents=True)
        self.lay_out_example()
        self.lay_out_chain()

    def lay_out_example(self) -> None:
        """The breast-cancer example. The other tools run the same scripts in the environment that mlx made."""
        example = self.work / "example"
        self.run(["mlx", "init", "--example", "breast-cancer", "."], example / "mlx")
        self.start_git(example / "mlx")
        self.run(["mlx", "train"], example / "mlx")
        (python,) = (self.work / "cache/envs").glob("*/bin/python")
        self.python = python.parent
        params = {
            "prepare": {"test_share": 0.25, "seed": 7},
            "train": {"trees": 100, "depth": 8, "seed": 7},
        }
        (self.work / "params.json").write_text(json.dumps(params))

        for tool in [tool for tool in self.tools if tool in ("dvc", "make")]:
            for script in ["prepare.py", "train.py"]:
                shutil.copy(example / "mlx" / script, example / tool)
        data = ["data/train.csv", "data/test.csv"]
        self.write_dvc(
            example / "dvc",
            {
                "prepare": ("python prepare.py", ["prepare.py"], [*data, "data/sample.csv"]),
                "train": ("python train.py", ["train.py", *data], ["model", "metrics.json"]),
            },
        )
        if "make" in self.tools:
            text = (
                "metrics.json: train.py data/train.csv\n\tpython train.py\n\n"
                "data/train.csv: prepare.py\n\tpython prepare.py\n"
            )
            (example / "make/Makefile").write_text(text)
        for tool in ["dvc", "make"]:
            if tool in self.tools:
                self.run(self.commands()[tool], example / tool)

    def lay_out_chain(self) -> None:
        """Steps that do next to nothing, each needing what the one before it made."""
        chain = self.work / "chain"
        steps = [
            (f"s{number}", f"echo {number} > o{number}", f"o{number - 1}" if number else "seed", f"o{number}")
            for number in range(STEPS)
        ]
        for tool in self.tools:
            (chain / tool / "seed").write_text("seed\n")
        manifest = "".join(
            f'[step.{name}]\ncmd = "{command}"\ndeps = ["{need}"]\nouts = ["{made}"]\n\n'
            for name, command, need, made in steps
        )
        (chain / "mlx/mlx.toml").write_text('[project]\nname = "chain"\n\n' + manifest)
        self.start_git(chain / "mlx")
        self.write_dvc(chain / "dvc", {name: (command, [need], [made]) for name, command, need, made in steps})
        if "make" in self.tools:
            rules = "".join(f"{made}: {need}\n\t{command}\n\n" for _, command, need, made in steps)
            (chain / "make/Makefile").write_text(f"all: o{STEPS - 1}\n\n" + rules)

    def write_dvc(self, directory: Path, stages: dict[str, tuple[str, list[str], list[str]]]) -> None:
        self.start_git(directory)
        self.run(["dvc", "init", "--quiet"], directory)
        self.run(["dvc", "config", "core.analytics", "false"], directory)
        document = {
            "stages": {
                name: {"cmd": command, "deps": deps, "outs": outs} for name, (command, deps, outs) in stages.items()
            }
        }
        # JSON is YAML too.
        (directory / "dvc.yaml").write_text(json.dumps(document, indent=2))

    def start_git(self, directory: Path) -> None:
        self.run(["git", "init", "--quiet"], directory)
        self.run(["git", "add", "--all"], directory)
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        self.run(["git", *identity, "commit", "--quiet", "--allow-empty", "-m", "Start"], directory)

    def forget(self, tool: str, directory: Path) -> None:
        """Takes away what a run of the chain left, so that the next one does all of it."""
        if tool == "mlx":
            shutil.rmtree(directory / ".mlx", ignore_errors=True)
        if tool == "dvc":
            for cache in [".dvc/cache", ".dvc/tmp"]:
                shutil.rmtree(directory / cache, ignore_errors=True)
        for name in ["mlx.lock", "dvc.lock", *(f"o{number}" for number in range(STEPS))]:
            (directory / name).unlink(missing_ok=True)

    def start(self, command: list[str], directory: Path, **pipes) -> subprocess.Popen:
        """Other tools than mlx find the Python of the example and its parameters in their environment."""
        program, *rest = command
        environment = dict(self.environment)
        if self.python and program not in ("mlx", "strace"):
            environment["PATH"] = os.pathsep.join([str(self.python), environment["PATH"]])
            environment["MLX_PARAMS"] = str(self.work / "params.json")
        return subprocess.Popen(
            [self.programs.get(program, program), *rest], cwd=directory, env=environment, stderr=subprocess.PIPE, **pipes
        )

    def alternate(self, commands, directory: Path, rounds: int, before=None) -> dict[str, list[dict[str, float]]]:
        """Runs the commands in turn, each in its own directory below this one where there is one."""
        samples: dict[str, list[dict[str, float]]] = {tool: [] for tool in commands}
        for _ in range(rounds):
            for tool, command in commands.items():
                place = directory / tool if (directory / tool).is_dir() else directory
                if before:
                    before(tool, place)
                samples[tool].append(self.measure(command, place))
        return samples

    def measure(self, command: list[str], directory: Path) -> dict[str, float]:
        """Wall and CPU milliseconds of the process and of those it waited for."""
        started = time.perf_counter()
        process = self.start(command, directory, stdout=subprocess.DEVNULL)
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"`{' '.join(command)}` in {directory} failed:\n{message.decode(errors='replace')}")
        return {"wall": wall * 1000, "cpu": (usage.ru_utime + usage.ru_stime) * 1000}

    def processes(self, command: list[str], directory: Path) -> int | None:
        """How many processes a command is, threads not counted; `None` without strace."""
        if not shutil.which("strace"):
            return None
        trace = self.work / "strace.txt"
        calls = "trace=fork,vfork,clone,clone3"
        program, *rest = command
        traced = [self.programs.get(program, program), *rest]
        self.run(["strace", "-f", "-qq", "-e", calls, "-e", "signal=none", "-o", str(trace), *traced], directory)
        started = re.compile(r"^\d+ +(fork|vfork|clone3?)\(")
        lines = trace.read_text(errors="replace").splitlines()
        return 1 + sum(1 for line in lines if started.match(line) and "CLONE_THREAD" not in line)

    def run(self, command: list[str], directory: Path) -> None:
        process = self.start(command, directory, stdout=subprocess.PIPE)
        out, message = process.communicate()
        if process.returncode != 0:
            sys.exit(f"`{' '.join(command)}` in {directory} failed:\n{(out + message).decode(errors='replace')}")


def medians(samples: dict[str, list[dict[str, float]]], what: str) -> dict[str, float]:
    return {tool: statistics.median(sample[what] for sample in runs) for tool, runs in samples.items()}


def print_table(results: dict[str, dict[str, float]], kept: dict[str, bool]) -> None:
    header = ["", *TOOLS, "dvc / mlx", "make / mlx", "budget", "kept"]
    rows = [header]
    for name, values in results.items():
        ratio = lambda tool: f"{values[tool] / values['mlx']:.1f}" if tool in values and values.get("mlx") else ""
        budget = f"{BUDGETS[name]:g}" if name in BUDGETS else ""
        verdict = {True: "yes", False: "NO"}.get(kept.get(name), "")
        cells = [f"{values[tool]:.1f}" if tool in values else "" for tool in TOOLS]
        rows.append([name, *cells, ratio("dvc"), ratio("make"), budget, verdict])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for index, row in enumerate(rows):
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
        if index == 0:
            print("| " + " | ".join("-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)) + " |")


def describe_machine() -> str:
    model = platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text()
        model = re.search(r"model name\s*: (.*)", info).group(1)
    except (OSError, AttributeError):
        pass
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}"


if __name__ == "__main__":
    sys.exit(main())
