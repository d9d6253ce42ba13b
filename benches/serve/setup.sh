#!/usr/bin/env bash
# Makes what run.py measures: a release build of mlx, the other servers in a virtual environment, the model in bundles.
#
#     benches/serve/setup.sh [WORK]      WORK: where all of it lies; target/bench where nothing is said
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-$root/target/bench}

mkdir -p "$work"
mlx=${MLX:-}
if [ -z "$mlx" ]; then
    cargo build --release --locked --manifest-path "$root/Cargo.toml"
    mlx=${CARGO_TARGET_DIR:-$root/target}/release/mlx
fi
if [ ! -x "$work/servers/bin/bentoml" ]; then
    python3 -m venv "$work/servers"
    "$work/servers/bin/pip" install --quiet --disable-pip-version-check -r "$here/project/requirements.txt" \
        fastapi==0.121.2 uvicorn[standard]==0.38.0 bentoml==1.4.30
fi
rm -rf "$work/forest"
cp -r "$here/project" "$work/forest"
"$mlx" -C "$work/forest" train
for model in onnx sklearn; do
    "$mlx" -C "$work/forest" model register "$model"
    "$mlx" -C "$work/forest" package "$model"
done
command -v wrk >/dev/null || { echo 'wrk is missing: apt install wrk'; exit 1; }
echo "Ready. Measure: python3 benches/serve/run.py --mlx $mlx --work $work"
