#!/bin/sh
# Servers of your own for the targets of mlx.toml, on this machine alone: an SSH server, an S3 store and an OCI registry.
#
#     sh servers.sh start      # into the directory `servers`; no root, no Docker, nothing outside of it
#     . servers/env            # tells mlx where they are
#     sh servers.sh stop
#
# They are programs that you install: sshd (Debian: openssh-server), docker-registry (a package of Debian; elsewhere it is
# called `registry`), and for S3 s3s-fs (`cargo install --locked --features binary s3s-fs@0.14.1`). What is missing is left
# out. All that they are given to keep lies below `servers`; their passwords are no secrets.
set -eu

cd "$(dirname -- "$0")"
# Some systems keep servers out of the way of users.
PATH=$PATH:/usr/sbin:/sbin
home=$PWD/servers
password=throwaway
# That password as bcrypt, as registries want it.
hash='$2y$05$.5D7a/Af13rpA5GUjDqYzuAPkp9Lnw1d6I0UMNPDerMSG/L3sY7pS'

find_program() {
    for name in "$@"; do
        command -v "$name" && return 0
    done
    echo "left out: none of these is installed: $*" >&2
    return 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Runs a server until `stop`, and waits until it listens: `start NAME PORT COMMAND...`.
start() {
    name=$1 port=$2
    shift 2
    nohup "$@" >"$home/$name.log" 2>&1 </dev/null &
    echo $! >"$home/$name.pid"
    python3 - "$port" <<'END' || { tail -n 20 "$home/$name.log" >&2; echo "$name did not start, see above" >&2; exit 1; }
import socket, sys, time
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit()
    except OSError:
        time.sleep(0.1)
sys.exit(1)
END
    echo "$name listens on 127.0.0.1:$port"
}

# Adds a line to the file that tells mlx where the servers are.
say() {
    printf "export %s='%s'\n" "$1" "$(quoted "$2")" >>"$home/env"
}

# What may stand between two single quotes.
quoted() {
    printf %s "$1" | sed "s/'/'\\\\''/g"
}

start_ssh() {
    server=$(find_program sshd) || return 0
    port=$(free_port) ssh=$home/ssh
    mkdir -p "$ssh" "$home/bin" "$home/web1"
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    for key in host client; do
        [ -e "$ssh/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$ssh/$key"
    done
    cat >"$ssh/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey "$ssh/host"
PidFile none
AuthorizedKeysFile "$ssh/client.pub"
AuthenticationMethods publickey
StrictModes no
UsePAM no
END
    echo "web1 $(cat "$ssh/host.pub")" >"$ssh/known_hosts"
    cat >"$ssh/config" <<END
Host web1
HostName 127.0.0.1
HostKeyAlias web1
Port $port
IdentityFile "$ssh/client"
IdentitiesOnly yes
UserKnownHostsFile "$ssh/known_hosts"
StrictHostKeyChecking yes
END
    # mlx takes the `ssh` of the PATH: one that knows this server, and leaves ~/.ssh alone.
    rm -f "$home/bin/ssh"
    printf "#!/bin/sh\nexec '%s' -F '%s' \"\$@\"\n" "$(command -v ssh)" "$(quoted "$ssh/config")" >"$home/bin/new"
    chmod 755 "$home/bin/new"
    mv "$home/bin/new" "$home/bin/ssh"
    start ssh "$port" "$server" -D -e -f "$ssh/sshd_config"
    say MLX_TARGET_SSH_URL "ssh://web1$home/web1/wine"
    printf "export PATH='%s':\"\$PATH\"\n" "$(quoted "$home/bin")" >>"$home/env"
}

start_s3() {
    server=$(find_program s3s-fs) || return 0
    port=$(free_port)
    # To it a directory is a bucket.
    mkdir -p "$home/s3/models"
    start s3 "$port" "$server" --host 127.0.0.1 --port "$port" --access-key wine --secret-key "$password" "$home/s3"
    say MLX_TARGET_S3_ENDPOINT "http://127.0.0.1:$port"
    say AWS_ACCESS_KEY_ID wine
    say AWS_SECRET_ACCESS_KEY "$password"
}

start_registry() {
    server=$(find_program docker-registry registry) || return 0
    port=$(free_port)
    echo "robot:$hash" >"$home/htpasswd"
    cat >"$home/registry.yml" <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: "$home/registry"}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port", secret: "$password"}
auth: {htpasswd: {realm: wine, path: "$home/htpasswd"}}
END
    start registry "$port" "$server" serve "$home/registry.yml"
    say MLX_TARGET_OCI_URL "oci://127.0.0.1:$port/models/wine"
    say MODELS_PASSWORD "$password"
}

stop() {
    for file in "$home"/*.pid; do
        [ -e "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
        rm "$file"
    done
}

case ${1-} in
    start)
        stop
        mkdir -p "$home"
        : >"$home/env"
        start_ssh
        start_s3
        start_registry
        echo 'next: . servers/env'
        ;;
    stop) stop ;;
    *)
        echo 'usage: sh servers.sh start|stop' >&2
        exit 2
        ;;
esac
