#!/bin/sh
# Installs Postern on this Debian or Ubuntu machine and starts the node: sudo ./install.sh
#
# Each release in a folder of its own, /opt/postern/RELEASE (a private virtual environment); state in /var/lib/postern,
# the administrator's files in /etc/postern. Run again after `git pull` to upgrade. Under systemd sessions stay open:
# the new release takes over the doors, the old one goes on, from its own folder, until its last session ends.
set -eu
umask 022
cd "$(dirname "$0")"

PROGRAM=/opt/postern
STATE=/var/lib/postern
LOG=/var/log/postern.log
UNITS=/etc/systemd/system
COMPLETION=/usr/local/share/bash-completion/completions

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root: sudo ./install.sh"

export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"  # the distribution's Python, which is built for speed, before any other

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
instance=$version-$(date +%s)  # the same version may be installed twice
release=$PROGRAM/$instance
workers=postern-sessions@$instance.service

python_is_fit() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

install_python() {
    python_is_fit && return
    command -v apt-get >/dev/null || die "needs Python 3.11 or newer with venv, and this machine has no apt-get"
    say "Installing Python ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
    python_is_fit || die "this distribution's Python is older than 3.11"
}

create_users() {
    if command -v systemd-sysusers >/dev/null; then
        said=$(systemd-sysusers "$PWD/systemd/sysusers.conf" 2>&1) || die "cannot create the users: $said"
        return
    fi
    getent group postern-admin >/dev/null || groupadd --system postern-admin
    for user in postern postern-sessions postern-console; do
        getent passwd "$user" >/dev/null ||
            useradd --system --user-group --no-create-home --home-dir "$STATE" --shell /usr/sbin/nologin "$user"
    done
    usermod -aG postern-admin,postern-console postern
    usermod -aG postern-admin postern-console
    usermod -aG postern postern-sessions
}

build_release() {
    python3 -m venv "$release" &&
        "$release/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements.txt &&
        cp -r pyproject.toml README.md appliance db tui "$build" &&  # pip writes beside the sources: not in the checkout
        "$release/bin/pip" install -q --disable-pip-version-check --no-deps --no-build-isolation "$build"
}

install_program() {
    say "Installing the program in $release ..."
    build=$(mktemp -d)
    build_release || { rm -rf "$build" "$release"; die "the program could not be installed; nothing was changed"; }
    rm -rf "$build"
    ln -sfn "$instance" "$PROGRAM/current"
    ln -sf "$PROGRAM/current/bin/postern" /usr/local/bin/postern
    install -d "$COMPLETION"
    _POSTERN_COMPLETE=bash_source "$release/bin/postern" >"$COMPLETION/postern" 2>/dev/null || true
}

create_state() {
    install -d -o postern -g postern -m 0751 "$STATE"  # postern-admin reaches control.sock inside, and can list nothing
    install -d -o root -g postern -m 0750 /etc/postern
    runuser -u postern -- "$release/bin/postern" --home "$STATE" init
}

detached_node() {  # its pid; the file outlives the node, and then the pid may be of another program
    pid=$(cat "$STATE/run/supervisor.lock" 2>/dev/null) || return 0
    if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "^$PROGRAM/.*/bin/postern .*run"; then say "$pid"; fi 2>/dev/null
}

stop_detached() {
    pid=$(detached_node)
    [ -n "$pid" ] || return 0
    say "Stopping the running node (pid $pid); its sessions are asked to end ..."
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

start_detached() {
    (umask 027; : >>"$LOG")
    (cd / && exec setsid "$release/bin/postern" --home "$STATE" run >>"$LOG" 2>&1 </dev/null &)
}

start_under_systemd() {
    install -m 0644 systemd/postern.target systemd/*.service "$UNITS"
    systemctl daemon-reload
    # systemd keeps the listening sockets meanwhile
    systemctl restart postern.service postern-controller.service postern-console.service
    if ! systemctl start "$workers"; then  # it returns when they serve; then the older ones drain
        systemctl stop "$workers"
        die "the session workers do not start, older ones go on; see $log"
    fi
    rm -f "$UNITS"/postern.target.wants/postern-sessions@*  # at the next boot only the newest
    systemctl enable -q postern.target "$workers"
    systemctl start postern.target
}

wait_until_it_runs() {
    for _ in $(seq 100); do
        [ -S "$STATE/control.sock" ] && "$release/bin/postern" --home "$STATE" --json status 2>/dev/null |
            tr -d ' \n' | grep -q '"workers":\["' && return
        sleep 0.1
    done
    die "the node does not answer; see $log"
}

remove_old_releases() {  # what neither runs nor came just before
    for folder in "$PROGRAM"/*-*; do
        case $folder in "$release" | "$before") continue ;; esac
        systemctl is-active -q "postern-sessions@${folder##*/}.service" 2>/dev/null || rm -rf "$folder"
    done
}

fingerprint() {  # as ssh shows it to who connects first (RFC 4648 without padding)
    "$release/bin/python" -c 'import base64, hashlib, sys
key = base64.b64decode(open(sys.argv[1]).read().split()[1])
print("SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("="), "(ED25519)")' \
        "$STATE/ssh/ssh_host_ed25519_key.pub"
}

install_python
create_users
before=$(readlink -f "$PROGRAM/current" || true)
install_program
create_state
stop_detached
if [ -d /run/systemd/system ]; then
    log='journalctl -u "postern*"' stop_it="systemctl stop 'postern*'"
    start_under_systemd
    wait_until_it_runs
else
    log=$LOG
    start_detached
    wait_until_it_runs
    stop_it="kill $(detached_node)"
fi
remove_old_releases

say
say "Postern runs."
"$release/bin/postern" --home "$STATE" status
say
say "Console:       ssh -p 2222 NAME@$(uname -n)   once there is an administrator:"
say "               postern admin add NAME --role owner --key FILE.pub"
say "Its host key:  $(fingerprint)"
say "Stop it:       $stop_it"
say "Its log:       $log"
say "Configure it:  postern config export > site.toml; edit; postern config apply site.toml"
say "Import users:  postern map import people users.csv"
