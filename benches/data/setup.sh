#!/usr/bin/env bash
# Makes what run.py measures: a release build of mlx, DVC in a virtual environment of its own, and the S3 server.
#
#     benches/data/setup.sh [WORK]      WORK: where all of it lies; target/bench-data where nothing is said
#
# git-lfs, git-annex, restic and curl come from the system: apt-get install git-lfs git-annex restic curl
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${1:-$root/target/bench-data}

mkdir -p "$work"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
if [ ! -x "$work/dvc/bin/dvc" ]; then
    python3 -m venv "$work/dvc"
    "$work/dvc/bin/pip" install --quiet --disable-pip-version-check 'dvc[s3]==3.67.1'
fi
# Asked for a name that has others below it, s3s-fs answers 500, where S3 says 404; DVC asks so before it pulls. In this
# environment, and only there, that means "no such object".
sed -i '/async def _info/,/except ClientError/ s/except FileNotFoundError:/except OSError:/' \
    "$work"/dvc/lib/python3*/site-packages/s3fs/core.py
if ! PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:$work/s3s/bin" command -v s3s-fs >/dev/null; then
    cargo install s3s-fs --version 0.14.1 --locked --features binary --root "$work/s3s"
fi
for program in git git-lfs git-annex restic curl; do
    command -v "$program" >/dev/null || echo "$program is missing: what is compared with it stays empty"
done
echo "Ready. Measure: python3 benches/data/run.py --work $work"
