#!/bin/sh
# Builds mlx and walks the breast-cancer example from data to an answered prediction, and back from the answer to the data.
#
#     sh examples/quickstart.sh [DIR]
#
# It needs Rust, a C compiler, Git, and Python 3.11 or later with venv (or uv): no service, no account, no configuration.
# DIR is where the project goes; `target/quickstart` of the checkout where nothing is said.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
server=

fail() {
    printf '\nquickstart: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '\n%s\n' "$*"
}

# Shows a command as one would type it, then runs it.
run() {
    printf '\n$'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=@+-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$@"
}

stop_server() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
trap stop_server EXIT
trap 'exit 130' INT TERM

check_machine() {
    command -v cargo >/dev/null || fail 'cargo is missing: install Rust, see https://rustup.rs'
    command -v cc >/dev/null || fail 'a C compiler is missing: on Debian or Ubuntu, `apt install gcc libc6-dev`'
    command -v git >/dev/null || fail 'git is missing: on Debian or Ubuntu, `apt install git`'
    if command -v uv >/dev/null; then return; fi
    command -v python3 >/dev/null || fail 'python3 is missing: on Debian or Ubuntu, `apt install python3 python3-venv`'
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or later is needed, and python3 is $(python3 --version); uv brings its own: https://docs.astral.sh/uv"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        fail 'the venv module of Python is missing: on Debian or Ubuntu, `apt install python3-venv`'
}

# The directory of the project: the one asked for, or a fresh one below target.
choose_directory() {
    project=${1:-$target/quickstart}
    if [ $# -eq 0 ]; then
        number=2
        while [ -e "$project" ]; do
            project=$target/quickstart-$number
            number=$((number + 1))
        done
    elif [ -e "$project" ] && [ -n "$(ls -A -- "$project")" ]; then
        fail "$project is not empty; name another directory"
    fi
}

# Starts the server on a free port and waits until it says where it listens.
start_server() {
    printf '\n$ mlx serve production --port 0 &\n'
    mlx serve production --port 0 >.mlx/serve.log 2>&1 &
    server=$!
    waited=0
    while address=$(sed -n 's|.*\(http://[0-9.:]*[0-9]\).*|\1|p' .mlx/serve.log | head -n 1) && [ -z "$address" ]; do
        kill -0 "$server" 2>/dev/null || { cat .mlx/serve.log >&2; fail 'the server did not start; see above'; }
        [ "$waited" -lt 600 ] || { cat .mlx/serve.log >&2; fail 'the server did not get ready within a minute'; }
        waited=$((waited + 1))
        sleep 0.1
    done
    cat .mlx/serve.log
}

check_machine
[ $# -le 1 ] || fail 'usage: sh examples/quickstart.sh [DIR]'
choose_directory "$@"

say '1. Build mlx'
run cargo build --release --locked --manifest-path "$root/Cargo.toml"
PATH=$target/release:$PATH
export PATH

say '2. A project: scripts, a manifest, and Git'
run mlx init --example breast-cancer "$project"
run cd "$project"
project=$(pwd)
run git init --quiet
if ! git config user.email >/dev/null; then
    run git config user.name 'mlx quickstart'
    run git config user.email 'quickstart@localhost'
fi
run git add .
run git commit --quiet --message 'Start'

say '3. Train: the environment is made once (about half a minute), then both steps run'
run mlx train
run git add .
run git commit --quiet --message 'The lock names data and model by digest'
say 'Again: nothing changed, so nothing runs.'
run mlx train

say '4. Name the model, and let it pass its gates'
run mlx model register breast-cancer
run mlx model promote breast-cancer 1 production

say '5. Package and deploy it'
run mlx package breast-cancer@production
run mlx deploy production

say '6. Serve it, and ask it'
start_server
run mlx predict "$address" --input data/sample.csv
answer=$(mlx predict "$address" --input data/sample.csv --json)
version=$(mlx --version)
stop_server

say '7. Walk back: every answer names its run, and the run names its data'
run_id=$(printf '%s\n' "$answer" | sed -n 's/.*"run": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
[ -n "$run_id" ] || { printf '%s\n' "$answer" >&2; fail 'the answer does not name its run; this is a bug'; }
run mlx runs show "$run_id"

cat <<EOF

Done: $version took a model from data to answers, and back.

  the project            $project
  its manifest           mlx.toml          what you write: data, steps, gates, target
  its lock               mlx.lock          what mlx writes: digests of data and outputs; kept in Git
  objects, runs, logs    .mlx/             ignored by Git
  the bundle             dist/             one file, the same bytes wherever it is made
  the live release       deploy/production
  mlx itself             $target/release/mlx

What to try next:

  export PATH="$target/release:\$PATH"
  cd "$project"
  mlx train --set train.trees=300           # only the training runs again
  mlx compare $run_id latest           # what it changed
  mlx model show breast-cancer@production   # where the live model comes from
  rm -r data model && mlx checkout          # back, bit for bit
  mlx serve production --port 8080
EOF
