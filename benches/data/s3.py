"""An S3 server on loopback: s3s-fs, which checks signatures, knows multipart uploads and lists in pages."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

BUCKET = "bench"
KEY, SECRET = "benchkey", "benchsecret"


def program(work: Path) -> str | None:
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "bin"
    return shutil.which("s3s-fs", path=os.pathsep.join([os.environ["PATH"], str(cargo), str(work / "s3s/bin")]))


class Server:
    """Runs from the first use to `stop`; a bucket is a directory below `data`."""

    def __init__(self, work: Path) -> None:
        self.program = program(work)
        self.data = work / "s3-data"
        self.log = work / "s3.log"
        self.process: subprocess.Popen | None = None
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def start(self) -> bool:
        """Returns whether it runs: it does not where it is not installed."""
        if self.process or not self.program:
            return self.process is not None
        shutil.rmtree(self.data, ignore_errors=True)
        (self.data / BUCKET).mkdir(parents=True)
        arguments = ["--host", "127.0.0.1", "--port", str(self.port), "--access-key", KEY, "--secret-key", SECRET]
        environment = {"PATH": os.environ["PATH"], "RUST_LOG": "warn"}
        with self.log.open("wb") as log:
            command = [self.program, *arguments, str(self.data)]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the S3 server does not answer; see {self.log}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            # A server on loopback is not overloaded: DVC need not wait before it takes a 500 for an answer (see setup.sh).
            "AWS_MAX_ATTEMPTS": "1",
        }
