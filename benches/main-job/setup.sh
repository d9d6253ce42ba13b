#!/usr/bin/env bash
# Makes what run.py measures: a release build of mlx, and DVC in a virtual environment of its own.
#
#     benches/main-job/setup.sh [WORK]      WORK: where all of it lies; target/bench where nothing is said
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${1:-$root/target/bench}

mkdir -p "$work"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
if [ ! -x "$work/dvc/bin/dvc" ]; then
    python3 -m venv "$work/dvc"
    "$work/dvc/bin/pip" install --quiet --disable-pip-version-check 'dvc==3.67.1'
fi
command -v make >/dev/null || echo 'make is missing: its column stays empty'
command -v strace >/dev/null || echo 'strace is missing: processes are not counted'
echo "Ready. Measure: python3 benches/main-job/run.py --work $work"
