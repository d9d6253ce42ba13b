#!/usr/bin/env bash
# Makes what local.py measures: a release build of mlx, and DVC in a virtual environment of its own.
#
#     benches/train/setup.sh [WORK]      WORK: where all of it lies; target/bench where nothing is said
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../main-job/setup.sh" "$@"
