#!/bin/sh
# Installs Postern on this Debian or Ubuntu machine and starts the node: sudo ./install.sh
#
# Program in /opt/postern (a private virtual environment), state in /var/lib/postern, the administrator's files in
# /etc/postern. Run again after `git pull` to upgrade: sessions stay open, the new release takes over the doors.
set -eu
umask 022
cd "$(dirname "$0")"

PROGRAM=/opt/postern
STATE=/var/lib/postern
LOG=/var/log/postern.log

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root: sudo ./install.sh"

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
        systemd-sysusers "$PWD/systemd/sysusers.conf" >/dev/null
        return
    fi
    getent group postern-admin >/dev/null || groupadd --system postern-admin
    for user in postern postern-sessions; do
        getent passwd "$user" >/dev/null ||
            useradd --system --user-group --no-create-home --home-dir "$STATE" --shell /usr/sbin/nologin "$user"
    done
    usermod -aG postern-admin postern
    usermod -aG postern postern-sessions
}

install_program() {
    say "Installing the program in $PROGRAM ..."
    [ -x "$PROGRAM/bin/python" ] || python3 -m venv "$PROGRAM"
    "$PROGRAM/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements.txt
    build=$(mktemp -d)
    cp -r pyproject.toml README.md appliance db tui "$build"  # pip writes beside the sources: never into the checkout
    "$PROGRAM/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall "$build"
    rm -rf "$build"
    ln -sf "$PROGRAM/bin/postern" /usr/local/bin/postern
}

create_state() {
    install -d -o postern -g postern -m 0751 "$STATE"
    install -d -o root -g postern -m 0750 /etc/postern
    runuser -u postern -- "$PROGRAM/bin/postern" --home "$STATE" init
    chmod 0751 "$STATE"  # members of postern-admin reach control.sock inside, and can list nothing
}

start_under_systemd() {
    release=$("$PROGRAM/bin/python" -c 'from importlib.metadata import version; print(version("postern"))')
    # A name that a running instance does not have: the same release may be installed twice.
    instance="$release-$(date +%s)"
    older=$(systemctl list-units --plain --no-legend 'postern-sessions@*.service' | cut -d' ' -f1)
    install -m 0644 systemd/postern.target systemd/*.service /etc/systemd/system/
    systemctl daemon-reload
    for unit in $older; do systemctl disable -q "$unit"; done
    systemctl enable -q postern.target "postern-sessions@$instance.service"
    systemctl start postern.service
    systemctl restart postern-controller.service
    systemctl start postern.target "postern-sessions@$instance.service"
    stop_it="systemctl stop postern.target"
}

start_detached() {
    pid=$(cat "$STATE/run/supervisor.lock" 2>/dev/null || true)
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
        say "Stopping the running node (pid $pid); its sessions are asked to end ..."
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    fi
    setsid "$PROGRAM/bin/postern" --home "$STATE" run >>"$LOG" 2>&1 </dev/null &
    stop_it="kill $!        (its log: $LOG)"
}

wait_until_it_answers() {
    for _ in $(seq 100); do
        if "$PROGRAM/bin/postern" --home "$STATE" status >/dev/null 2>&1 && [ -S "$STATE/control.sock" ]; then
            return
        fi
        sleep 0.1
    done
    die "the node does not answer; see $(if [ -d /run/systemd/system ]; then echo 'journalctl -u "postern*"'; else echo $LOG; fi)"
}

install_python
create_users
install_program
create_state
if [ -d /run/systemd/system ]; then start_under_systemd; else start_detached; fi
wait_until_it_answers

say
say "Postern runs."
"$PROGRAM/bin/postern" --home "$STATE" status
say
say "Stop it:       $stop_it"
say "Configure it:  postern config export > site.toml; edit; postern config apply site.toml"
say "Import users:  postern map import people users.csv"
