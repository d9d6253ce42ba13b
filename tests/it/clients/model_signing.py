"""Checks the signature of a bundle that mlx signed with OpenSSF's own program, and signs another one for mlx to check."""

import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])


def model_signing(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "model_signing", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def must(*arguments: str) -> None:
    done = model_signing(*arguments)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"


verify = ["verify", "key", "out", "--signature", "out/model.sig", "--public_key", "ours.pub"]
must(*verify)
weights = root / "out/model/a.bin"
weights.chmod(0o644)
weights.write_bytes(b"changed")
assert model_signing(*verify).returncode != 0

must("sign", "key", "bare", "--signature", "theirs.sig", "--private_key", "ours.pem")
must("sign", "key", "out", "--signature", "of-another.sig", "--private_key", "ours.pem", "--ignore-paths", "out/model.sig")
