#!/usr/bin/env bash
# Fuzzes one target on the stable toolchain, without cargo-fuzz.
#
#     fuzz/run.sh TARGET [SECONDS] [MORE OPTIONS OF LIBFUZZER…]      SECONDS: 60 where nothing is said
#
# What is found lies in fuzz/artifacts/TARGET; `fuzz/run.sh TARGET 0 fuzz/artifacts/TARGET/crash-…` runs it again.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '4p' "$0" | cut -c 3-; exit 2; }
target=$1 seconds=${2:-60}
shift $(($# < 2 ? $# : 2))

fuzz=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
# What `cargo fuzz` sets: LLVM counts the edges that an input reaches and tells which values were compared. `--target`
# keeps it away from build scripts.
export RUSTFLAGS="-Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    --cfg fuzzing"
cargo build --release --locked --target "$host" --manifest-path "$fuzz/Cargo.toml" --bin "$target"

corpus=$fuzz/corpus/$target artifacts=$fuzz/artifacts/$target
python3 "$fuzz/seeds.py" "$fuzz/corpus"
mkdir -p "$artifacts"
program=${CARGO_TARGET_DIR:-$fuzz/target}/$host/release/$target
[ "$seconds" != 0 ] || exec "$program" "$@"
exec "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$artifacts/" "$@" "$corpus"
