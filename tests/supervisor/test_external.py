"""As under systemd: the roles are units of their own, the sockets outlive the supervisor in the descriptor store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.supervisor.systemd import FIRST_DESCRIPTOR
from tests.services.node import Node, command_line
from tests.services.ports import answers, eventually
from tests.supervisor.watching import greets, of_home


class Manager:
    """systemd, as far as postern.service knows it: NOTIFY_SOCKET, the descriptor store, and units of roles."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.notify = node.folder / "notify"
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.bind(str(self.notify))
        self.datagrams.settimeout(20)
        self.stored: list[tuple[str, int]] = []
        self.units: list[subprocess.Popen[bytes]] = []

    def supervisor(self) -> subprocess.Popen[bytes]:
        """postern.service, with what is stored."""
        return self._unit("appliance.supervisor.main", NOTIFY_SOCKET=str(self.notify),
                          LISTEN_FDS=str(len(self.stored)), LISTEN_FDNAMES=":".join(name for name, _ in self.stored))

    def role(self, module: str, name: str) -> subprocess.Popen[bytes]:
        """The unit of a role."""
        return self._unit(module, "--instance", name)

    def _unit(self, module: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        begin = "import os, runpy, sys; os.environ['LISTEN_PID'] = str(os.getpid()); sys.argv = sys.argv[1:]; " \
                "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
        with (self.node.folder / "log").open("ab") as log:
            unit = subprocess.Popen(
                [sys.executable, "-c", begin, module, "--home", str(self.node.home), *words], stderr=log,
                env={**os.environ, "POSTERN_WORKERS": "2", **environment}, close_fds=False, preexec_fn=self._pass_on)
        self.units.append(unit)
        return unit

    def _pass_on(self) -> None:
        high = [os.dup2(descriptor, 200 + number) for number, (_, descriptor) in enumerate(self.stored)]
        for number, descriptor in enumerate(high, FIRST_DESCRIPTOR):
            os.dup2(descriptor, number)

    def until(self, state: str) -> None:
        """Read what is said, keep what is to be kept."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.datagrams, 4096, 253)
            said = dict(line.split("=", 1) for line in data.decode().splitlines())
            if "FDSTORE" in said:
                self.stored += [(said["FDNAME"], descriptor) for descriptor in descriptors]
            elif "FDSTOREREMOVE" in said:
                for _, descriptor in [one for one in self.stored if one[0] == said["FDNAME"]]:
                    os.close(descriptor)
                self.stored = [one for one in self.stored if one[0] != said["FDNAME"]]
            if state in data.decode().splitlines():
                return

    def end(self) -> None:
        """Kill what is left."""
        for pid in of_home(self.node.home):
            os.kill(pid, signal.SIGKILL)
        for unit in self.units:
            unit.kill()
            unit.wait()
        for _, descriptor in self.stored:
            os.close(descriptor)
        self.datagrams.close()


@pytest.fixture
def manager(node: Node) -> Iterator[Manager]:
    """With nothing started."""
    made = Manager(node)
    yield made
    made.end()


def log_of(node: Node) -> str:
    """What all units have written."""
    return Path(node.folder / "log").read_text()


def test_roles_come_after_it_and_it_survives_in_the_store(node: Node, manager: Manager) -> None:
    first = manager.supervisor()
    manager.until("READY=1")  # the units of the roles are ordered after it: it cannot wait for them
    assert len({name for name, _ in manager.stored}) == 2 and len(manager.stored) == 4
    controller = manager.role("appliance.control.server", "controller")
    sessions = manager.role("appliance.sessions", "sessions-0.1")
    manager.role("tui.sshd", "console")
    eventually(lambda: "ready" in log_of(node), "all roles serve")
    assert greets(node)

    first.kill()
    first.wait()
    assert greets(node), "nobody needs it for that"
    second = manager.supervisor()
    manager.until("READY=1")
    assert len(manager.stored) == 4, "the same sockets, not opened again"
    eventually(lambda: log_of(node).count("ready") == 2, "both roles have found it")
    assert greets(node, 40)
    assert controller.poll() is None and sessions.poll() is None

    sessions.kill()
    sessions.wait()
    with socket.create_connection((node.host, node.imap), 20) as waiting:  # nobody accepts now
        manager.role("appliance.sessions", "sessions-0.2")
        assert waiting.recv(100).startswith(b"* OK")

    second.terminate()
    manager.until("STOPPING=1")
    assert second.wait(10) == 0
    assert controller.poll() is None, "systemd stops the units of the roles, not the supervisor"
    assert answers(node.host, node.imap)


def test_sessions_can_be_started_when_the_controller_has_ended(node: Node, manager: Manager) -> None:
    manager.supervisor()
    manager.until("READY=1")
    controller = manager.role("appliance.control.server", "controller")
    eventually(lambda: node.run("status").returncode == 0 and (node.home / "control.sock").exists(), "it answers")
    controller.terminate()
    assert controller.wait(20) == 0
    # Who may write nothing here can open a WAL database only while these exist.
    for database in ("config.db", "node.db"):
        assert (node.home / f"{database}-wal").exists() and (node.home / f"{database}-shm").exists(), database
    manager.role("appliance.sessions", "sessions-0.1")
    eventually(lambda: answers(node.host, node.imap) and greets(node), "log-ins begin without it")


def test_an_address_that_is_given_up_leaves_the_store(node: Node, manager: Manager) -> None:
    manager.supervisor()
    manager.role("appliance.control.server", "controller")
    manager.until("READY=1")
    eventually(lambda: node.run("status").returncode == 0, "the controller answers")
    node.cli("service", "set", "imap", "listen=")
    manager.datagrams.settimeout(1)
    with pytest.raises(TimeoutError):
        manager.until("never")
    assert len(manager.stored) == 2
    assert not answers(node.host, node.imap) and answers(node.host, node.imaps)


def _many(node: Node, instance: str) -> int:
    """The processes of one instance: the parent and its workers."""
    return sum(instance in command_line(pid) for pid in of_home(node.home))


def test_an_upgrade_is_a_second_unit_beside_the_first(node: Node, manager: Manager) -> None:
    supervisor = manager.supervisor()
    manager.until("READY=1")
    manager.role("appliance.control.server", "controller")
    manager.role("tui.sshd", "console")
    old = manager.role("appliance.sessions", "sessions-0.1")
    eventually(lambda: "ready" in log_of(node), "the old release serves")
    with socket.create_connection((node.host, node.imap), 20) as session:
        assert session.recv(200).startswith(b"* OK")
        new = manager.role("appliance.sessions", "sessions-0.2")
        eventually(lambda: (_many(node, "sessions-0.1"), _many(node, "sessions-0.2")) == (2, 3), "the old one drains")
        supervisor.kill()
        supervisor.wait()
        manager.supervisor()
        manager.until("READY=1")
        eventually(lambda: log_of(node).count("ready") == 2, "the new one has found it")
        session.sendall(b"a NOOP\r\n")
        assert session.recv(200).startswith(b"a OK")
    assert old.wait(20) == 0, "which systemd does not start again"
    assert new.poll() is None and greets(node)
