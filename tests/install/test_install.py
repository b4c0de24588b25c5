"""The real ./install.sh on a machine of its own, with and without systemd: installed, used, upgraded, stopped."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.machine import CHECKOUT, Machine, wheels
from tests.services.ports import eventually

pytestmark = pytest.mark.long

SITE = """
[[backend]]
name = "store"
imap = "127.0.0.1:{port}"
[[map]]
name = "people"
[auth]
method = "backend"
[imap]
map = ["people"]
[limits]
drain_seconds = 2
"""
SERVED = 4  # addresses that a new node listens on: imap, pop3, sieve, console
STATE = "/var/lib/postern"
MODES = {
    STATE: "751 postern postern",
    f"{STATE}/config.db": "640 postern postern",
    f"{STATE}/node.db": "640 postern postern",
    f"{STATE}/secret.key": "640 postern postern",
    f"{STATE}/tls/key.pem": "640 postern postern",
    f"{STATE}/ssh/ssh_host_ed25519_key": "640 postern postern-console",
    f"{STATE}/drop": "770 postern postern-console",
    f"{STATE}/control.sock": "660 postern postern-admin",
    "/etc/postern": "750 root postern",
}
ATTEMPTS = f"""
import sqlite3
def refused(attempt):
    try:
        attempt()
    except (OSError, sqlite3.OperationalError):
        return True
assert sqlite3.connect("file:{STATE}/config.db?mode=ro", uri=True).execute("SELECT count(*) FROM object").fetchone()[0]
assert refused(lambda: sqlite3.connect("{STATE}/config.db").execute("DELETE FROM object"))
assert refused(lambda: open("{STATE}/config.db-shm", "r+b"))
assert refused(lambda: open("{STATE}/secret.key", "ab"))
assert refused(lambda: open("{STATE}/new", "w"))
assert refused(lambda: open("{STATE}/ssh/ssh_host_ed25519_key"))
"""

NO_SECRETS = f"""
import os
for name in ("config.db", "node.db", "secret.key", "tls/key.pem"):
    assert not os.access("{STATE}/" + name, os.R_OK), name
assert os.access("{STATE}/ssh/ssh_host_ed25519_key", os.R_OK) and os.access("{STATE}/drop", os.W_OK)
assert not os.access("{STATE}/ssh/ssh_host_ed25519_key", os.W_OK) and not os.access("{STATE}", os.W_OK)
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of all requirements."""
    return wheels(tmp_path_factory.mktemp("pip") / "wheels")


@pytest.fixture(params=["systemd", "reaper"])
def machine(request: pytest.FixtureRequest, locked: Path) -> Iterator[Machine]:
    """A machine with nothing of Postern on it."""
    with Machine(request.param, locked) as machine:
        yield machine


def install(machine: Machine) -> str:
    """What ./install.sh says."""
    return machine.run(f"{CHECKOUT}/install.sh").stdout


def configure(machine: Machine) -> None:
    """One store, which logs anybody in, and one person."""
    port = read(machine.program("tests.install.there", "store"))
    machine.run("postern", "config", "apply", "/dev/stdin", stdin=SITE.format(port=port))
    machine.run("postern", "map", "put", "people", "maria@example.test", "store")


def read(program: subprocess.Popen[str]) -> str:
    """The next line it prints."""
    assert program.stdout
    return program.stdout.readline().strip()


def say(program: subprocess.Popen[str], line: str) -> str:
    """What it prints when told this."""
    assert program.stdin
    program.stdin.write(line + "\n")
    return read(program)


def session(machine: Machine) -> subprocess.Popen[str]:
    """A client that has logged in."""
    program = machine.program("tests.install.there", "session")
    assert read(program).startswith("tag OK")
    return program


def processes(machine: Machine) -> dict[str, set[str]]:
    """Of what belongs to the node: users by what they run."""
    found: dict[str, set[str]] = {}
    for line in machine.run("ps", "axww", "-o", "user:20,args").stdout.splitlines():
        what = re.search(r"^(\S+) +/opt/postern/\S+ (?:-P )?(?:-m |/opt/postern/\S+/)(\S+)", line)
        if what:
            found.setdefault(what[2], set()).add(what[1])
    return found


def test_installed_used_upgraded_and_stopped(machine: Machine) -> None:
    said = install(machine)
    assert "Postern runs." in said
    configure(machine)
    supervisor = {"systemd": ("appliance.supervisor.main", "postern"), "reaper": ("postern", "root")}[machine.init]
    assert processes(machine) == {
        supervisor[0]: {supervisor[1]},
        "appliance.control.server": {"postern"},
        "appliance.sessions": {"postern-sessions"},
        "tui.sshd": {"postern-console"},
    }
    modes = machine.run("stat", "-c", "%n %a %U %G", *MODES).stdout.splitlines()
    assert dict(line.split(" ", 1) for line in modes) == MODES
    who_may(machine)
    console(machine, said)

    if machine.init == "systemd":
        parts_alone(machine)

    held = session(machine)
    said = install(machine)
    if machine.init == "systemd":
        assert say(held, "NOOP").startswith("tag OK"), "an upgrade ended a session"
        newer = session(machine)
        assert len(instances(machine)) == 2
        say(held, "LOGOUT")
        eventually(lambda: len(instances(machine)) == 1, "the old instance ends with its last session")
        assert say(newer, "NOOP").startswith("tag OK"), "when ./install.sh is done, new sessions are the new release's"
    else:
        assert say(held, "NOOP") == "(closed)"
    assert "maria@example.test,store" in machine.run("postern", "map", "export", "people").stdout
    assert say(session(machine), "NOOP").startswith("tag OK")

    stop = re.search(r"^Stop it: +(.*)$", said, re.MULTILINE)
    assert stop
    machine.run("sh", "-c", stop[1])
    eventually(lambda: not processes(machine), "nothing runs any more", 30)
    assert "stopped" in machine.run("postern", "status").stdout


def who_may(machine: Machine) -> None:
    """Members of postern-admin may use commands, others not; the workers' user may read, and write nothing."""
    machine.run("useradd", "--groups", "postern-admin", "alice")
    machine.run("useradd", "bob")
    assert "running" in machine.run("runuser", "-u", "alice", "--", "postern", "status").stdout
    refused = machine.run("runuser", "-u", "bob", "--", "postern", "status", check=False)
    assert refused.returncode == 1 and "postern-admin" in refused.stderr
    machine.run("runuser", "-u", "postern-sessions", "--", "python3", "-c", ATTEMPTS)


def console(machine: Machine, said: str) -> None:
    """Over SSH from the first administrator on; the server's user can read no secret."""
    machine.run("runuser", "-u", "postern-console", "--", "python3", "-c", NO_SECRETS)
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
    machine.run("postern", "admin", "add", "maria", "--role", "owner", "--key", "/root/key.pub")
    shown = machine.run("ssh-keygen", "-lf", f"{STATE}/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    assert shown in said, "the fingerprint is told"
    options = ["-F", "none", "-i", "/root/key", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"]
    ssh = ["ssh", *options, "-p", "2222", "maria@127.0.0.1"]
    assert "maria@example.test,store" in machine.run(*ssh, "map", "export", "people").stdout
    assert "Commands" in machine.run(*ssh[:-1], "-tt", "-o", "SetEnv=TERM=dumb", ssh[-1]).stdout, "on a terminal"
    machine.run("sh", "-c", "echo otto@example.test,store > /root/more.csv")
    machine.run("scp", *options, "-P", "2222", "/root/more.csv", "maria@127.0.0.1:")
    assert "1  new" in machine.run(*ssh, "map", "import", "people", "upload:more.csv", "--merge").stdout
    refused = machine.run(*ssh, "map", "import", "people", "/etc/passwd", "--merge", check=False)
    assert refused.returncode == 2 and "upload:" in refused.stderr


def parts_alone(machine: Machine) -> None:
    """The supervisor may be restarted beside open sessions; mail flows, and begins to flow, without the controller."""
    held = session(machine)
    for _ in range(2):
        machine.run("systemctl", "restart", "postern.service")
        assert say(session(machine), "LOGOUT").startswith("tag OK")
        kept = machine.run("systemctl", "show", "--property=NFileDescriptorStore", "--value", "postern.service").stdout
        assert int(kept) == SERVED * len(os.sched_getaffinity(0)), "one for each worker"
    assert say(held, "NOOP").startswith("tag OK")
    say(held, "LOGOUT")
    machine.run("systemctl", "stop", "postern-controller.service")
    assert say(session(machine), "LOGOUT").startswith("tag OK")
    machine.run("systemctl", "restart", *instances(machine))
    assert say(session(machine), "LOGOUT").startswith("tag OK")
    machine.run("systemctl", "start", "postern-controller.service")


def instances(machine: Machine) -> list[str]:
    """The units of session workers that run."""
    listed = machine.run("systemctl", "list-units", "--plain", "--no-legend", "postern-sessions@*").stdout
    return [line.split()[0] for line in listed.splitlines()]


def test_an_upgrade_that_fails_changes_nothing(locked: Path) -> None:
    with Machine("reaper", locked) as machine:
        install(machine)
        configure(machine)
        before = machine.run("ls", "-l", "/opt/postern").stdout
        machine.run("mount", "-t", "tmpfs", "tmpfs", "/mnt")  # no wheels: as if the registry were away
        failed = machine.run(f"{CHECKOUT}/install.sh", check=False)
        assert failed.returncode == 1 and "nothing was changed" in failed.stderr
        assert machine.run("ls", "-l", "/opt/postern").stdout == before
        assert say(session(machine), "NOOP").startswith("tag OK")


def test_a_stale_pid_is_nobody(locked: Path) -> None:
    with Machine("reaper", locked) as machine:
        install(machine)
        machine.run("sh", "-c", f"kill -9 $(cat {STATE}/run/supervisor.lock)")
        bystander = machine.program("tests.install.there", "store")
        read(bystander)
        pid = machine.run("pgrep", "-f", "tests.install.there store").stdout.split()[0]
        eventually(lambda: not processes(machine), "the roles end after their supervisor", 30)
        machine.run("sh", "-c", f"echo {pid} > {STATE}/run/supervisor.lock")
        assert "Stopping" not in install(machine)
        assert bystander.poll() is None
