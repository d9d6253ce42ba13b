"""What is measured: mlx, its peers, and the floor, which is what the hardware needs for the same work.

Each tool says for each piece of work which commands it takes, run in the project's directory; `None` where it has no such
thing. What prepares a measurement is done by `run`, unmeasured.
"""

import os
import shutil
from pathlib import Path

import s3

Commands = list[list[str]] | None


class Tool:
    name = ""
    # What must be on the PATH.
    programs: list[str] = []

    def __init__(self, bench) -> None:
        self.bench = bench

    def start(self, project: Path) -> None:
        """Makes a project of a directory that holds the data in `data`."""

    def add(self, what: str) -> Commands:
        return None

    def record(self, project: Path) -> None:
        """Puts into Git what was added."""

    def status(self) -> Commands:
        return None

    def checkout(self) -> Commands:
        return None

    def checkout_hard(self) -> Commands:
        return None

    def open_remote(self, project: Path, kind: str) -> None:
        """Makes the remote ready for the first push."""

    def push(self, kind: str) -> Commands:
        return None

    def clone(self, project: Path, clone: Path, kind: str) -> None:
        """What another user has before they pull."""

    def pull(self, kind: str) -> Commands:
        return None

    def remote(self, kind: str) -> Path:
        """Where what was pushed lies as files."""
        return (self.bench.remotes if kind == "dir" else self.bench.s3.data / s3.BUCKET) / self.name

    def run(self, command: list[str], directory: Path, **variables: str) -> None:
        self.bench.run(command, directory, variables)

    def commit(self, project: Path) -> None:
        self.run(["git", "commit", "-q", "--allow-empty", "-m", "Data"], project)


class Mlx(Tool):
    name = "mlx"

    def start(self, project: Path) -> None:
        self.run(["git", "init", "-q"], project)
        remotes = f'[remote.dir]\nurl = "{self.remote("dir")}"\n\n[remote.s3]\nurl = "s3://{s3.BUCKET}/{self.name}"\n'
        (project / "mlx.toml").write_text(f'[project]\nname = "bench"\n\n{remotes}')

    def add(self, what: str) -> Commands:
        return [["mlx", "add", what]]

    def status(self) -> Commands:
        return [["mlx", "status"]]

    def checkout(self) -> Commands:
        return [["mlx", "checkout"]]

    def checkout_hard(self) -> Commands:
        return [["env", "MLX_STORE_LINK=hard", "mlx", "checkout"]]

    def push(self, kind: str) -> Commands:
        return [["mlx", "push", "--remote", kind, "--json"]]

    def clone(self, project: Path, clone: Path, kind: str) -> None:
        self.run(["git", "init", "-q"], clone)
        for name in ["mlx.toml", "mlx.lock"]:
            shutil.copy(project / name, clone)

    def pull(self, kind: str) -> Commands:
        return [["mlx", "pull", "--remote", kind]]


class Dvc(Tool):
    name = "dvc"
    programs = ["dvc", "git"]

    def start(self, project: Path) -> None:
        self.run(["git", "init", "-q"], project)
        self.run(["dvc", "init", "-q"], project)
        self.run(["dvc", "config", "core.analytics", "false"], project)
        self.run(["dvc", "remote", "add", "-q", "dir", str(self.remote("dir"))], project)
        self.run(["dvc", "remote", "add", "-q", "s3", f"s3://{s3.BUCKET}/{self.name}"], project)
        self.run(["dvc", "remote", "modify", "s3", "endpointurl", self.bench.s3.endpoint], project)

    def add(self, what: str) -> Commands:
        return [["dvc", "add", what]]

    def status(self) -> Commands:
        return [["dvc", "status"]]

    def checkout(self) -> Commands:
        return [["dvc", "checkout"]]

    def push(self, kind: str) -> Commands:
        return [["dvc", "push", "-r", kind]]

    def clone(self, project: Path, clone: Path, kind: str) -> None:
        self.run(["git", "init", "-q"], clone)
        (clone / ".dvc").mkdir()
        shutil.copy(project / ".dvc/config", clone / ".dvc")
        for path in project.glob("*.dvc"):
            if path.is_file():
                shutil.copy(path, clone)

    def pull(self, kind: str) -> Commands:
        return [["dvc", "pull", "-r", kind]]


class GitLfs(Tool):
    name = "git-lfs"
    programs = ["git", "git-lfs"]

    def start(self, project: Path) -> None:
        self.run(["git", "init", "-q"], project)
        self.run(["git", "lfs", "install", "--local"], project)
        (project / ".gitattributes").write_text("data/** filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs -text\n")

    def add(self, what: str) -> Commands:
        return [["git", "add", what, ".gitattributes"]]

    def record(self, project: Path) -> None:
        self.commit(project)

    def status(self) -> Commands:
        return [["git", "status", "--porcelain"]]

    def checkout(self) -> Commands:
        return [["git", "checkout", "-q", "--", "data"]]

    def open_remote(self, project: Path, kind: str) -> None:
        if kind == "dir":
            self.run(["git", "init", "-q", "--bare", str(self.remote(kind))], project)
            self.run(["git", "remote", "add", "origin", f"file://{self.remote(kind)}"], project)

    def push(self, kind: str) -> Commands:
        return [["git", "push", "-q", "origin", "HEAD:refs/heads/main"]] if kind == "dir" else None

    def clone(self, project: Path, clone: Path, kind: str) -> None:
        url = f"file://{self.remote(kind)}"
        self.run(["git", "clone", "-q", "-b", "main", url, "."], clone, GIT_LFS_SKIP_SMUDGE="1")
        self.run(["git", "lfs", "install", "--local"], clone)

    def pull(self, kind: str) -> Commands:
        return [["git", "lfs", "pull"]] if kind == "dir" else None


class GitAnnex(Tool):
    name = "git-annex"
    programs = ["git", "git-annex"]

    def start(self, project: Path) -> None:
        self.run(["git", "init", "-q"], project)
        self.run(["git", "annex", "init", "-q"], project)

    def add(self, what: str) -> Commands:
        return [["git", "annex", "add", "--quiet", what]]

    def record(self, project: Path) -> None:
        self.commit(project)

    def status(self) -> Commands:
        return [["git", "status", "--porcelain"]]

    def checkout(self) -> Commands:
        return [["git", "checkout", "-q", "--", "data"]]

    def open_remote(self, project: Path, kind: str) -> None:
        if kind == "dir":
            self.remote(kind).mkdir(parents=True)
            options = ["type=directory", f"directory={self.remote(kind)}", "encryption=none"]
            self.run(["git", "annex", "initremote", "-q", "dir", *options], project)

    def push(self, kind: str) -> Commands:
        jobs = f"-J{os.cpu_count()}"
        return [["git", "annex", "copy", "--quiet", jobs, "--to", "dir", "data"]] if kind == "dir" else None

    def clone(self, project: Path, clone: Path, kind: str) -> None:
        self.run(["git", "clone", "-q", str(project), "."], clone)
        self.run(["git", "annex", "init", "-q"], clone)
        self.run(["git", "annex", "enableremote", "-q", "dir", f"directory={self.remote(kind)}"], clone)

    def pull(self, kind: str) -> Commands:
        get = ["git", "annex", "get", "--quiet", f"-J{os.cpu_count()}", "--from", "dir", "data"]
        return [get] if kind == "dir" else None


class Restic(Tool):
    """Backs up and restores; it has no versions that one works with."""

    name = "restic"
    programs = ["restic"]

    def repository(self, kind: str) -> list[str]:
        place = str(self.remote(kind)) if kind == "dir" else f"s3:{self.bench.s3.endpoint}/{s3.BUCKET}/{self.name}"
        return ["restic", "--quiet", "--repo", place]

    def open_remote(self, project: Path, kind: str) -> None:
        self.run([*self.repository(kind), "init"], project)

    def push(self, kind: str) -> Commands:
        return [[*self.repository(kind), "backup", "data"]]

    def pull(self, kind: str) -> Commands:
        return [[*self.repository(kind), "restore", "latest", "--target", "."]]


class Floor(Tool):
    """What no tool can do without: copying, hashing, listing; for S3, one tar sent and fetched by curl."""

    name = "floor"
    programs = ["curl", "tar", "sha256sum"]
    HASH = 'find "$0" -type f -print0 | xargs -0 -P "$(nproc)" -n 256 sha256sum'

    def add(self, what: str) -> Commands:
        return [["cp", "-r", what, "copy"], ["sh", "-c", self.HASH, what]]

    def status(self) -> Commands:
        return [["find", "data", "-printf", "%p %s %T@ %C@ %i\n"]]

    def checkout(self) -> Commands:
        return [["cp", "-r", str(self.bench.tree), "data"]]

    def checkout_hard(self) -> Commands:
        return [["cp", "-rl", str(self.bench.tree), "data"]]

    def open_remote(self, project: Path, kind: str) -> None:
        self.remote(kind).mkdir(parents=True)

    def push(self, kind: str) -> Commands:
        if kind == "dir":
            return [["cp", "-r", "data", str(self.remote(kind))]]
        return [["tar", "cf", "../data.tar", "data"], [*self.curl(), "-T", "../data.tar", self.url()]]

    def pull(self, kind: str) -> Commands:
        if kind == "dir":
            return [["cp", "-r", str(self.remote(kind) / "data"), "data"]]
        return [[*self.curl(), "-o", "data.tar", self.url()], ["tar", "xf", "data.tar"]]

    def url(self) -> str:
        return f"{self.bench.s3.endpoint}/{s3.BUCKET}/{self.name}/data.tar"

    def curl(self) -> list[str]:
        signed = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{s3.KEY}:{s3.SECRET}"]
        return ["curl", "-sS", "--fail", *signed, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]


ALL = [Mlx, Dvc, GitLfs, GitAnnex, Restic, Floor]
