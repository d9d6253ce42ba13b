"""The pieces of work that are measured: each a row of the table."""

import json
import os
import subprocess
from pathlib import Path

import make_data
from bench import Bench, in_child
from tools import Tool

MIB = 1 << 20


def add(bench: Bench) -> None:
    def work(tool: Tool) -> None:
        project = bench.fresh(tool)
        bench.measure("add", tool, tool.add("data"), project)
        tool.record(project)
        bench.remove(project / "copy")
        bench.projects[tool.name] = project

    bench.each("add", work, lambda tool: tool.add("data"))


def status(bench: Bench) -> None:
    bench.each(
        "status",
        lambda tool: bench.measure("status", tool, tool.status(), bench.project(tool)),
        lambda tool: tool.status(),
    )


def changed(bench: Bench) -> None:
    """One file in a hundred has another content."""
    seed = bench.arguments.seed

    def work(tool: Tool) -> None:
        nonlocal seed
        project, seed = bench.project(tool), seed + 1
        in_child(make_data.change_some, project / "data", 0.01, seed, bench.largest)
        bench.measure("status-changed", tool, tool.status(), project)
        if tool.name != "floor":
            bench.measure("add-changed", tool, tool.add("data"), project)
            tool.record(project)

    bench.each("status-changed", work, lambda tool: tool.status())


def checkout(bench: Bench) -> None:
    def work(tool: Tool) -> None:
        project = bench.project(tool)
        bench.remove(project / "data")
        bench.measure("checkout", tool, tool.checkout(), project)

    bench.each("checkout", work, lambda tool: tool.checkout())


def checkout_hard(bench: Bench) -> None:
    def work(tool: Tool) -> None:
        project = bench.project(tool)
        bench.remove(project / "data")
        if tool.name == "mlx" and "checkout-hard-first" not in bench.results:
            # What lies in packs becomes files of its own, once.
            bench.measure("checkout-hard-first", tool, tool.checkout_hard(), project)
            bench.remove(project / "data")
        bench.measure("checkout-hard", tool, tool.checkout_hard(), project)
        bench.remove(project / "data")
        for command in tool.checkout():
            bench.run(command, project)

    bench.each("checkout-hard", work, lambda tool: tool.checkout_hard())


def transfer(kind: str):
    """Push of everything to an empty remote, and pull of it into an empty clone."""

    def rows(bench: Bench) -> None:
        if kind == "s3" and not bench.s3.start():
            return

        def work(tool: Tool) -> None:
            # A remote is pushed to once: making it empty again is not what the tools expect.
            if "seconds" in bench.cell(f"push-{kind}", tool):
                return
            project = bench.project(tool)
            tool.open_remote(project, kind)
            bench.measure(f"push-{kind}", tool, tool.push(kind), project)
            files = files_below(tool.remote(kind))
            cell = bench.cell(f"push-{kind}", tool)
            cell.update(remote_files=len(files), remote_mb=sum(path.stat().st_size for path in files) / 1e6)
            clone = bench.work / "projects" / f"{tool.name}-clone"
            for _ in range(bench.arguments.rounds):
                bench.remove(clone)
                clone.mkdir()
                tool.clone(project, clone, kind)
                bench.measure(f"pull-{kind}", tool, tool.pull(kind), clone)
                if bench.is_slow(f"pull-{kind}", tool):
                    break
            check_same(project / "data", clone / "data")
            bench.remove(clone)
            bench.remove(tool.remote(kind))

        bench.each(f"push-{kind}", work, lambda tool: tool.push(kind))

    return rows


def large(bench: Bench) -> None:
    """One large file of noise."""
    source = bench.work / "big.bin"
    in_child(make_data.make_noise, source, bench.arguments.large_mib * MIB, bench.arguments.seed)

    def work(tool: Tool) -> None:
        project = bench.fresh(tool, [source])
        floor = [["cp", source.name, "copy"]]
        bench.measure("large", tool, floor if tool.name == "floor" else tool.add(source.name), project)
        if tool.name == "floor":
            (project / "copy").unlink()
            bench.measure("large-synced", tool, [["sh", "-c", f"cp {source.name} copy && sync copy"]], project)
        bench.remove(project)

    bench.each("large", work, lambda tool: tool.add(source.name))


def table(bench: Bench) -> None:
    """The second version of a table: with one line in a hundred more at its end, and with 100 lines changed."""
    changes = {
        "csv-append": (make_data.append_to_csv, 0.01),
        "csv-edit": (make_data.edit_csv, 100),
    }
    source = bench.work / "table.csv"
    in_child(make_data.make_csv, source, bench.arguments.csv_mib * MIB, bench.arguments.seed)
    for row, (change, how) in changes.items():

        def work(tool: Tool, row=row, change=change, how=how) -> None:
            if "seconds" in bench.cell(row, tool):
                return
            project = bench.fresh(tool, [source])
            tool.open_remote(project, "dir")
            for command in [*tool.add(source.name), *tool.push("dir")]:
                bench.run(command, project)
            before = size_below(tool.remote("dir"))
            subprocess.run(["chmod", "u+w", str(project / source.name)], check=True)  # DVC may have taken that away.
            in_child(change, project / source.name, how, bench.arguments.seed + 1)
            for command in tool.add(source.name):
                bench.run(command, project)
            bench.measure(row, tool, tool.push("dir"), project)
            size = (project / source.name).stat().st_size
            stored = size_below(tool.remote("dir")) - before
            sent = json.loads(bench.output.read_text())["sent_bytes"] if tool.name == "mlx" else stored
            bench.cell(row, tool).update(stored_percent=100 * stored / size, sent_percent=100 * sent / size)
            bench.remove(project)
            bench.remove(tool.remote("dir"))

        bench.each(row, work, lambda tool: tool.name in ("mlx", "dvc"))


def scale(bench: Bench) -> None:
    """Ten times as many files, with mlx alone."""
    larger = Bench(bench.arguments, 10 * bench.files, bench.s3, only=["mlx"], prefix="x10 ")
    for row in [add, status, changed, transfer("dir")]:
        row(larger)
    bench.results |= larger.results


def wide(bench: Bench) -> None:
    """One directory with 300,000 entries."""

    def work(tool: Tool) -> None:
        project = bench.fresh(tool, [])
        in_child(make_many, project / "data", 300_000)
        bench.measure("wide: add", tool, tool.add("data"), project)
        bench.measure("wide: status", tool, tool.status(), project)
        bench.remove(project / "data")
        bench.measure("wide: checkout", tool, tool.checkout(), project)
        bench.remove(project)

    bench.each("wide: add", work, lambda tool: tool.name == "mlx")


def make_many(directory: Path, count: int) -> None:
    directory.mkdir()
    for number in range(count):
        (directory / f"{number:06}").write_bytes(b"%d\n" % number)


def sparse(bench: Bench) -> None:
    """One file of 20 GiB that holds nothing."""

    def work(tool: Tool) -> None:
        project = bench.fresh(tool, [])
        with (project / "hole").open("wb") as file:
            file.truncate(20 << 30)
        bench.measure("sparse: add", tool, tool.add("hole"), project)
        bench.remove(project)

    bench.each("sparse: add", work, lambda tool: tool.name == "mlx")


def files_below(directory: Path) -> list[Path]:
    """Files that a tool put there; what the S3 server keeps beside them begins with a dot."""
    found = (Path(place) / name for place, _, names in os.walk(directory) for name in names if not name.startswith("."))
    return list(found)


def size_below(directory: Path) -> int:
    return sum(path.stat().st_size for path in files_below(directory))


def check_same(one: Path, other: Path) -> None:
    subprocess.run(["diff", "-rq", str(one), str(other)], check=True)


# In the order in which they are measured.
ROWS = {
    "add": add,
    "status": status,
    "changed": changed,
    "checkout": checkout,
    "checkout-hard": checkout_hard,
    "dir": transfer("dir"),
    "s3": transfer("s3"),
    "large": large,
    "csv": table,
    "scale": scale,
    "wide": wide,
    "sparse": sparse,
}
# What takes minutes and tens of gigabytes, only when it is named.
ON_REQUEST = ["scale", "wide", "sparse"]
