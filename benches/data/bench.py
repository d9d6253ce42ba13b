"""The work directory: the data, a project of each tool, and what measures a command."""

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import time
import traceback
from pathlib import Path

import make_data
import s3
import tools

# No further round for what took this long already, in seconds.
PATIENCE = 20.0


class Failed(Exception):
    """A command did not do its work."""


class Bench:
    """A work directory with the data, and a project of each tool below `projects`."""

    def __init__(self, arguments, files: int, server: s3.Server, only: list[str], prefix: str = "") -> None:
        self.arguments, self.files, self.s3, self.only, self.prefix = arguments, files, server, only, prefix
        self.work = arguments.work.resolve()
        self.remotes = self.work / "remotes"
        self.largest = arguments.largest_bytes
        sizes = "" if self.largest == make_data.LARGEST else f"-{self.largest}"
        self.tree = self.work / f"tree-{files}-{arguments.seed}{sizes}"
        self.results: dict[str, dict[str, dict]] = {}
        self.output, self.messages = self.work / "stdout", self.work / "stderr"
        self.environment = self.make_environment()
        self.removed = self.work / "removed"
        self.removed.mkdir(exist_ok=True)
        for place in ["projects", "remotes", "home"]:
            self.remove(self.work / place)
            (self.work / place).mkdir(parents=True)
        self.tools = [tool for kind in tools.ALL if self.is_there(tool := kind(self))]
        self.projects: dict[str, Path] = {}
        in_child(make_data.make_tree, self.tree, files, arguments.seed, self.largest)

    def make_environment(self) -> dict[str, str]:
        programs = self.work / "bin"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir(parents=True)
        mlx = self.arguments.mlx.resolve()
        if not mlx.exists():
            sys.exit(f"`{mlx}` is missing; run benches/data/setup.sh {self.work} first")
        for name, program in {"mlx": mlx, "dvc": self.work / "dvc/bin/dvc"}.items():
            if program.exists():
                (programs / name).symlink_to(program)
        return {
            "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
            "HOME": str(self.work / "home"),
            "LANG": "C.UTF-8",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.work / "home/dvc"),
            "RESTIC_PASSWORD": "bench",
            **{f"GIT_{who}_{what}": "bench@localhost" for who in ["AUTHOR", "COMMITTER"] for what in ["NAME", "EMAIL"]},
            **self.s3.credentials(),
        }

    def is_there(self, tool: tools.Tool) -> bool:
        if tool.name not in self.only:
            return False
        missing = [name for name in tool.programs if not shutil.which(name, path=self.environment["PATH"])]
        if missing:
            say(f"NOT MEASURED: {tool.name}, because {', '.join(missing)} is missing; see benches/data/setup.sh")
        return not missing

    # Running

    def run(self, command: list[str], directory: Path, variables: dict[str, str] | None = None) -> float:
        """Runs a command to its end, and returns the most memory that it or a child of it held, in MB."""
        environment = self.environment | (variables or {})
        with self.output.open("wb") as output, self.messages.open("wb") as messages:
            process = subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=messages)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said = (self.messages.read_bytes() + self.output.read_bytes())[-2000:].decode(errors="replace").strip()
            raise Failed(f"`{' '.join(command)}` in {directory} ended with {process.returncode}:\n{said}")
        return usage.ru_maxrss * 1024 / 1e6

    def measure(self, row: str, tool: tools.Tool, commands, directory: Path) -> None:
        os.sync()
        started = time.perf_counter()
        peak = max(self.run(command, directory) for command in commands)
        seconds = time.perf_counter() - started
        cell = self.cell(row, tool)
        cell.setdefault("rounds", []).append(seconds)
        cell["seconds"] = statistics.median(cell["rounds"])
        cell["peak_mb"] = max(peak, cell.get("peak_mb", 0))
        say(f"{self.prefix}{row}: {tool.name} {seconds:.3f} s, {peak:.0f} MB")

    def is_slow(self, row: str, tool: tools.Tool) -> bool:
        return sum(self.cell(row, tool).get("rounds", [])) > PATIENCE

    def cell(self, row: str, tool: tools.Tool) -> dict:
        return self.results.setdefault(self.prefix + row, {}).setdefault(tool.name, {})

    def each(self, row: str, work, has_work=lambda tool: True) -> None:
        """Does this work with each tool that has it, in each round, as long as it is quick; a peer that fails is left out."""
        for number in range(self.arguments.rounds):
            for tool in [tool for tool in self.tools if has_work(tool)]:
                if number > 0 and self.is_slow(row, tool):
                    continue
                try:
                    work(tool)
                except Failed as failed:
                    if tool.name in ("mlx", "floor"):
                        raise
                    say(f"NOT MEASURED: {tool.name} from `{row}` on, because it failed: {failed}")
                    self.tools.remove(tool)
        cells = self.results.get(self.prefix + row, {})
        self.results[self.prefix + row] = {name: cell for name, cell in cells.items() if cell}

    # Projects

    def fresh(self, tool: tools.Tool, files: list[Path] | None = None) -> Path:
        """A project of the tool that holds copies of these files; of the tree, as `data`, where nothing is said."""
        project = self.work / "projects" / tool.name
        self.remove(project)
        project.mkdir(parents=True)
        for source in files or []:
            subprocess.run(["cp", str(source), str(project / source.name)], check=True)
        if files is None:
            subprocess.run(["cp", "-r", str(self.tree), str(project / "data")], check=True)
        tool.start(project)
        self.projects.pop(tool.name, None)
        return project

    def remove(self, path: Path) -> None:
        """Moves a file or directory out of the way, until the end. Were it deleted now, ext4 would look for a minute at each
        of its inodes before it gives out another: whatever creates files next would take several times as long."""
        if not path.exists():
            return
        if is_small(path):
            delete(path)
        else:
            path.rename(self.removed / str(len(list(self.removed.iterdir()))))

    def end(self) -> None:
        """Deletes what was moved out of the way."""
        delete(self.removed)

    def project(self, tool: tools.Tool) -> Path:
        """A project in which the tree has been added."""
        if tool.name not in self.projects:
            project = self.fresh(tool)
            for command in (tool.add("data") or []) if tool.name != "floor" else []:
                self.run(command, project)
            tool.record(project)
            self.projects[tool.name] = project
        return self.projects[tool.name]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def is_small(directory: Path) -> bool:
    """Whether there are so few files that deleting them is not felt afterwards; they may be large."""
    names = (name for _, _, names in os.walk(directory) for name in names)
    return len(list(itertools.islice(names, 1000))) < 1000


def delete(directory: Path) -> None:
    """Deletes a directory where there is one, also where a tool made those in it read-only."""
    if directory.exists():
        # Files stay as they are: they may be links to what is kept.
        subprocess.run(["find", str(directory), "-type", "d", "!", "-perm", "-u+w", "-exec", "chmod", "u+w", "{}", "+"], check=True)
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def in_child(work, *arguments) -> None:
    """In a process of its own: the memory of this one counts as the least that a command it starts has held."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"{work.__name__} failed")
