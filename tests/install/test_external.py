"""The node as units: the supervisor and each role by itself, listening sockets in the keeping of systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.install.external import Systemd
from tests.services.node import Node
from tests.services.ports import answers, eventually, free_port
from tests.services.scripted import Scripted, honest
from tests.services.talk import Talk

CONTROLLER = "appliance.control.server"
SESSIONS = "appliance.sessions"


class Units(NamedTuple):
    """A node that systemd runs."""

    node: Node
    systemd: Systemd
    supervisor: subprocess.Popen[bytes]
    controller: subprocess.Popen[bytes]
    sessions: subprocess.Popen[bytes]


@pytest.fixture
def node() -> Iterator[Node]:
    """A home whose users are all in one store, which logs anybody in."""
    folder = Path(tempfile.mkdtemp(prefix="pi-", dir="/tmp"))
    node = Node(folder, host="127.0.0.40")
    node.configuration["imap"]["failover"] = "store"
    node.configuration["metrics"] = {"listen": []}
    node.configuration["limits"]["drain_seconds"] = 60
    node.init()
    with Scripted(honest()) as store:
        node.apply(backend=[{"name": "store", "imap": f"{store.host}:{store.port}"}])
        yield node
    shutil.rmtree(folder)


@pytest.fixture
def units(node: Node) -> Iterator[Units]:
    """Started in the order of the units: each when the one before it is active."""
    systemd = Systemd(node.folder, node.home)
    try:
        supervisor = systemd.supervisor()
        eventually(lambda: systemd.has_heard("READY=1"), "the supervisor is ready before there are roles")
        controller, sessions = systemd.role(CONTROLLER, "controller"), systemd.role(SESSIONS, "sessions-1")
        eventually(lambda: "ready" in systemd.log().split(), "every role serves")
        yield Units(node, systemd, supervisor, controller, sessions)
    finally:
        systemd.close()


def log_in(node: Node) -> Talk:
    """A new session of somebody."""
    talk = Talk(node.host, node.imap)
    talk.line()
    assert talk.plain("maria@example.test", "pw")[-1].startswith(b"tag OK")
    return talk


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop it as systemd stops a unit, and see that it ends well."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_the_sockets_of_every_address_are_kept(units: Units) -> None:
    assert list(units.systemd.kept().values()) == [2, 2], "one for each worker and address"
    log_in(units.node).__exit__()


def test_what_changes_is_kept_too(units: Units) -> None:
    node, systemd = units.node, units.systemd
    before, more = systemd.kept(), free_port(node.host)
    node.cli("service", "set", "imap", f'listen=["{node.host}:{node.imap}","{node.host}:{more}"]')
    eventually(lambda: len(systemd.kept()) == 3, "the new address is kept")
    node.cli("service", "set", "imap", f'listen=["{node.host}:{more}"]')
    eventually(lambda: len(systemd.kept()) == 2, "the old one is let go")
    assert len(before.keys() & systemd.kept().keys()) == 1
    eventually(lambda: not answers(node.host, node.imap), "nothing holds the old address open")


def test_a_supervisor_that_starts_again_has_its_sockets(units: Units) -> None:
    with log_in(units.node) as session:
        end(units.supervisor)
        log_in(units.node).__exit__()
        os.killpg(units.sessions.pid, signal.SIGKILL)
        units.sessions.wait()
        waiting = [socket.create_connection((units.node.host, units.node.imap), 30) for _ in range(6)]
        units.systemd.supervisor()
        units.systemd.role(SESSIONS, "sessions-1")
        for connection in waiting:
            assert connection.recv(100).startswith(b"* OK"), "who waited in the queue was lost"
            connection.close()
        assert session.rest() == b""
    eventually(lambda: units.node.cli("session", "list") == [], "the controller is there as before")
    assert list(units.systemd.kept().values()) == [2, 2], "the same ones were stored again"


def test_an_upgrade_is_not_undone_by_a_new_supervisor(units: Units) -> None:
    with log_in(units.node) as session:
        newer = units.systemd.role(SESSIONS, "sessions-2")
        eventually(lambda: not listens(units.sessions.pid) and listens(newer.pid), "the newer one has taken over")
        end(units.supervisor)
        units.systemd.said.clear()
        units.systemd.supervisor()
        eventually(lambda: units.systemd.log().split().count("ready") == 2, "the newer one is known again")
        for _ in range(10):
            log_in(units.node).__exit__()
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
        assert units.sessions.poll() is None and newer.poll() is None
        session.ask(b"LOGOUT")
    assert units.sessions.wait(20) == 0, "the older one ends with its last session"
    log_in(units.node).__exit__()


def listens(pid: int) -> bool:
    """Whether a process, or a child of it, holds a listening socket."""
    ours = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"}
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    held = {os.readlink(file) for one in [str(pid), *children] for file in Path(f"/proc/{one}/fd").iterdir()}
    return any(f"socket:[{inode}]" in held for inode in ours)


def test_log_ins_without_a_controller(units: Units) -> None:
    end(units.controller)
    log_in(units.node).__exit__()
    end(units.sessions)
    units.systemd.role(SESSIONS, "sessions-1")
    eventually(lambda: listens_to_strangers(units.node), "sessions start without it")
    units.systemd.role(CONTROLLER, "controller")
    eventually(lambda: units.node.cli("status")["state"] == "running", "it is back")


def listens_to_strangers(node: Node) -> bool:
    """Whether somebody greets and logs in."""
    with log_in(node):
        return True
