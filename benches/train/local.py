#!/usr/bin/env python3
"""Measures training on this machine beside DVC, make and a loop of the shell; `setup.sh` makes what it needs.

    python3 benches/train/local.py [--work DIR] [--mlx PATH] [--dvc PATH] [--rounds N] [--only ROWS] [--json FILE] [--check]

What is compared takes turns within each round, and a figure is the median of its rounds; the bars are ratios within one
run, but for what has to be small on any machine. `--check` ends with exit code 1 where a bar is not kept.
"""

import argparse
import json
import os
import platform
import pty
import re
import shutil
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS = 300
FAN = 10_000
OUTPUT_MB = 100
# A loop that takes about a second, and a program that prints so many lines of a log.
BUSY = "python3 -c 'sum(i * i for i in range(12_000_000))'"
LINE = "epoch %07d loss 0.123456 accuracy 0.987654 rate 0.001 examples 1234.5 a second, 12 s left\\n"
PRINT = "import sys\nfor i in range({lines}): sys.stdout.write({line!r} % i)\n"


def main() -> int:
    arguments = parse_arguments()
    bench = Bench(arguments)
    rows = {"noop": noop, "cold": cold, "planning": planning, "parallel": parallel, "output": output}
    bars: list[dict] = []
    for name in arguments.only or rows:
        shutil.rmtree(bench.work / name, ignore_errors=True)
        bars += rows[name](bench, bench.work / name)
    print_table(bars)
    print(f"\n{describe_machine()}; medians of {arguments.rounds} rounds")
    if arguments.json:
        document = {"machine": describe_machine(), "rounds": arguments.rounds, "bars": bars, "figures": bench.figures}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if arguments.check and not all(bar["kept"] for bar in bars) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training on this machine, beside DVC, make and a loop of the shell.")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench", help="what setup.sh made; on a disk")
    parser.add_argument("--mlx", type=Path, default=target / "release/mlx")
    parser.add_argument("--dvc", type=Path, help="where it is not the one that setup.sh made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", type=lambda text: text.split(","), help="noop, cold, planning, parallel, output")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bar is not kept")
    return parser.parse_args()


def noop(bench, place) -> list[dict]:
    """A chain in which everything is up to date."""
    lay_out_chain(bench, place)
    commands = bench.tools({"mlx": ["train"], "dvc": ["repro"], "make": []})
    for tool, command in commands.items():
        bench.measure(command, place / tool)
    figures = bench.alternate("no-op", {tool: (command, place / tool) for tool, command in commands.items()})
    bars = [at_most(f"no-op, {STEPS} steps: CPU of mlx, ms", figures["mlx"]["cpu"], 30)]
    if "dvc" in figures:
        bars.append(at_least("no-op: dvc repro / mlx train", figures["dvc"]["wall"] / figures["mlx"]["wall"], 50))
    if "make" in figures:
        bars.append(at_most("no-op: mlx train / make", figures["mlx"]["wall"] / figures["make"]["wall"], 1))
    return bars


def cold(bench, place) -> list[dict]:
    """The same chain from nothing, all of it kept."""
    lay_out_chain(bench, place)
    loop = f"i=0; while [ $i -lt {STEPS} ]; do sh -c \"echo $i > o$i\"; i=$((i+1)); done"
    (place / "shell").mkdir()
    commands = bench.tools({"mlx": ["train"], "dvc": ["repro"]}) | {"shell": ["sh", "-c", loop]}
    works = {tool: (command, place / tool) for tool, command in commands.items()}
    # DVC takes a minute for it.
    figures = bench.alternate("cold", works, rounds=min(bench.rounds, 3), before=forget)
    overhead = {tool: (figure["wall"] - figures["shell"]["wall"]) / STEPS for tool, figure in figures.items()}
    bars = [at_most(f"{STEPS} steps cold: mlx above a shell loop, ms a step", overhead["mlx"], 1.5)]
    if "dvc" in overhead:
        bars.append(at_least("cold: DVC's overhead / that of mlx", overhead["dvc"] / overhead["mlx"], 30))
    return bars


def planning(bench, place) -> list[dict]:
    """What is to be done about a fan of which nothing was done yet."""
    place.mkdir(parents=True)
    (place / "seed").write_text("seed\n")
    manifest = f"[params]\nitems = {list(range(FAN))}\n"
    manifest += "[step.s]\nforeach = 'items'\ncmd = 'cp seed o/${item}'\ndeps = ['seed']\nouts = ['o/${item}']\n"
    (place / "mlx.toml").write_text(manifest)
    work = ([str(bench.mlx), "train", "--dry-run"], place)
    figures = bench.alternate("planning", {"mlx": work})["mlx"]
    return [
        at_most(f"planning of {FAN:,} steps: ms", figures["wall"], 150),
        at_most(f"planning of {FAN:,} steps: MB", figures["peak_mb"], 150),
    ]


def parallel(bench, place) -> list[dict]:
    """Two steps that need a processor each, beside one of them."""
    for count in [1, 2]:
        steps = [f'[step.s{number}]\ncmd = "{BUSY}"\nalways = true\n' for number in range(count)]
        (place / str(count)).mkdir(parents=True)
        (place / str(count) / "mlx.toml").write_text("".join(steps))
    works = {str(count): ([str(bench.mlx), "--quiet", "train"], place / str(count)) for count in [1, 2]}
    figures = bench.alternate("parallel", works)
    return [at_most("2 CPU-bound steps / one", figures["2"]["wall"] / figures["1"]["wall"], 1.05)]


def output(bench, place) -> list[dict]:
    """A program that prints much, on a terminal with the live view, beside the same into a file."""
    place.mkdir(parents=True)
    lines = OUTPUT_MB * 1_000_000 // len(LINE % 0)
    (place / "print.py").write_text(PRINT.format(lines=lines, line=LINE))
    (place / "mlx.toml").write_text("[step.print]\ncmd = 'python3 print.py'\ndeps = ['print.py']\n")
    works = {
        "file": (["sh", "-c", "python3 print.py > print.log"], place),
        "mlx": ([str(bench.mlx), "train", "--force"], place),
    }
    figures = bench.alternate("output", works, terminal={"mlx"})
    return [at_most(f"{OUTPUT_MB} MB of output: live view / file", figures["mlx"]["wall"] / figures["file"]["wall"], 1.1)]


class Bench:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work = arguments.work.resolve() / "train"
        self.mlx = arguments.mlx.resolve()
        self.rounds = arguments.rounds
        dvc = arguments.dvc or arguments.work / "dvc/bin/dvc"
        if not self.mlx.exists():
            sys.exit(f"{self.mlx} is not there: run benches/train/setup.sh {arguments.work} first")
        self.programs = {"mlx": self.mlx, "dvc": dvc.absolute(), "make": shutil.which("make")}
        for tool in ["dvc", "make"]:
            if not self.programs[tool] or not Path(self.programs[tool]).exists():
                print(f"NOT MEASURED: {tool} is missing; see benches/train/setup.sh", file=sys.stderr)
                del self.programs[tool]
        home = self.work / "home"
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "MLX_CACHE_DIR": str(self.work / "cache"),
        }
        self.figures: dict[str, dict] = {}

    def tools(self, arguments: dict[str, list[str]]) -> dict[str, list[str]]:
        """The command of each tool that is there."""
        return {tool: [str(self.programs[tool]), *rest] for tool, rest in arguments.items() if tool in self.programs}

    def alternate(self, name, works, rounds=None, before=None, terminal=frozenset()) -> dict[str, dict[str, float]]:
        """Runs the commands in turns; the median of each figure of each of them."""
        samples: dict[str, list[dict[str, float]]] = {tool: [] for tool in works}
        for _ in range(rounds or self.rounds):
            for tool, (command, directory) in works.items():
                if before:
                    before(tool, directory)
                # What others left to be written is not this one's to wait for.
                os.sync()
                samples[tool].append(self.measure(command, directory, tool in terminal))
        medians = {
            tool: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for tool, runs in samples.items()
        }
        self.figures[name] = medians
        return medians

    def measure(self, command: list[str], directory: Path, on_terminal: bool = False) -> dict[str, float]:
        """Wall and CPU milliseconds of the process and of those it waited for, and the most memory that one had."""
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        reader = None
        if on_terminal:
            controller, terminal = pty.openpty()
            ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            pipes = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
            reader = threading.Thread(target=read_to_end, args=[controller])
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=directory, env=self.environment, **pipes)
        if reader:
            os.close(terminal)
            reader.start()
        message = b"" if on_terminal else process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if reader:
            reader.join()
        if process.returncode != 0:
            sys.exit(f"`{' '.join(command)}` in {directory} failed:\n{message.decode(errors='replace')}")
        return {
            "wall": wall * 1000,
            "cpu": (usage.ru_utime + usage.ru_stime) * 1000,
            "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        }

    def run(self, command: list[str], directory: Path) -> None:
        subprocess.run(command, cwd=directory, env=self.environment, check=True, stdout=subprocess.DEVNULL)


def read_to_end(controller: int) -> None:
    """Reads what is drawn; the end of the other side is an error."""
    try:
        while os.read(controller, 1 << 16):
            pass
    except OSError:
        pass
    os.close(controller)


def lay_out_chain(bench: Bench, place: Path) -> None:
    """Steps that do next to nothing, each needing what the one before it made."""
    steps = [(f"s{n}", f"echo {n} > o{n}", f"o{n - 1}" if n else "seed", f"o{n}") for n in range(STEPS)]
    for tool in bench.programs:
        (place / tool).mkdir(parents=True)
        (place / tool / "seed").write_text("seed\n")
        if tool != "make":
            bench.run(["git", "init", "--quiet"], place / tool)
    manifest = [f'[step.{name}]\ncmd = "{cmd}"\ndeps = ["{need}"]\nouts = ["{made}"]\n' for name, cmd, need, made in steps]
    (place / "mlx/mlx.toml").write_text("".join(manifest))
    if "dvc" in bench.programs:
        for arguments in [["init", "--quiet"], ["config", "core.analytics", "false"]]:
            bench.run([str(bench.programs["dvc"]), *arguments], place / "dvc")
        stages = {name: {"cmd": cmd, "deps": [need], "outs": [made]} for name, cmd, need, made in steps}
        # JSON is YAML too.
        (place / "dvc/dvc.yaml").write_text(json.dumps({"stages": stages}))
    if "make" in bench.programs:
        rules = "".join(f"{made}: {need}\n\t{cmd}\n\n" for _, cmd, need, made in steps)
        (place / "make/Makefile").write_text(f"all: o{STEPS - 1}\n\n{rules}")


def forget(_: str, directory: Path) -> None:
    """Takes away what a run left, so that the next one does all of it."""
    for name in [".mlx", ".dvc/cache", ".dvc/tmp"]:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ["mlx.lock", "dvc.lock", *(f"o{number}" for number in range(STEPS))]:
        (directory / name).unlink(missing_ok=True)


def at_most(work: str, value: float, limit: float) -> dict:
    return {"work": work, "value": value, "limit": limit, "side": "most", "kept": value <= limit}


def at_least(work: str, value: float, limit: float) -> dict:
    return {"work": work, "value": value, "limit": limit, "side": "least", "kept": value >= limit}


def print_table(bars: list[dict]) -> None:
    rows = [["work", "measured", "bar", "kept"]]
    for bar in bars:
        limit = f"at {bar['side']} {bar['limit']:g}"
        rows.append([bar["work"], f"{bar['value']:.2f}", limit, "yes" if bar["kept"] else "NO"])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    for row in [rows[0], rule, *rows[1:]]:
        cells = [text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")


def describe_machine() -> str:
    model = platform.machine()
    try:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        pass
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}"


if __name__ == "__main__":
    sys.exit(main())
