"""What `postern run` does when it is told to stop, to stop at once, or to make room for its successor."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.services.node import Node
from tests.services.ports import answers, eventually
from tests.services.talk import Talk
from tests.supervisor.watching import (
    begin,
    greets,
    is_alive,
    is_listening,
    log_out,
    of_home,
    parent_of,
    parents,
    workers,
)

LogIn = Callable[[], Talk]


def upgrade(node: Node) -> None:
    """To the same release; until only the new instance accepts connections."""
    assert node.process
    before = len(parents(node))
    node.process.send_signal(signal.SIGUSR2)
    eventually(lambda: len(parents(node)) == before + 1, "a new instance")
    young = parents(node)[-1]
    eventually(lambda: [parent_of(pid) for pid in workers(node)].count(young) == 2, "its workers")
    old = [pid for pid in node.processes("appliance.sessions") if young not in (pid, parent_of(pid))]
    eventually(lambda: not any(is_listening(pid) for pid in old if is_alive(pid)), "only the new one accepts")


def test_stopping_refuses_who_comes_and_says_farewell_in_time(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=2")
    session = log_in()
    assert running.process
    began = time.monotonic()
    running.process.terminate()
    eventually(lambda: not answers(running.host, running.imap), "refused, not left waiting", 1.5)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    assert session.rest().startswith(b"* BYE")
    assert running.process.wait(20) == 0
    assert 1.5 < time.monotonic() - began < 5
    assert of_home(running.home) == []


def test_asked_twice_it_ends_at_once(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=60")
    session = log_in()
    assert running.process
    running.process.terminate()
    eventually(lambda: not answers(running.host, running.imap), "it drains")
    running.process.terminate()
    assert running.process.wait(5) == 0
    with suppress(ConnectionResetError):
        assert session.rest() == b""
    eventually(lambda: of_home(running.home) == [], "nobody is left", 2)


def test_a_client_that_does_not_read_does_not_hold_it_up(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=1")
    session = log_in()
    session.socket.settimeout(0.5)
    with suppress(TimeoutError):
        session.send(b"x NOOP\r\n" * 3_000_000)
    assert running.stop(10) == 0


def test_a_role_that_hangs_does_not_hold_it_up(running: Node) -> None:
    running.cli("service", "set", "limits", "drain_seconds=60")
    assert running.process
    os.kill(parents(running)[0], signal.SIGSTOP)
    assert running.stop(20) == 0
    eventually(lambda: of_home(running.home) == [], "nobody is left", 2)


def test_a_terminal_that_hangs_up_ends_nothing(running: Node, log_in: LogIn) -> None:
    session, before = log_in(), running.processes()
    assert running.process
    running.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert running.processes() == before and greets(running)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")


def test_two_upgrades_in_a_row_keep_every_session(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=1")  # which an upgrade does not know
    sessions = [log_in()]
    for _ in range(2):
        upgrade(running)
        assert greets(running)
        sessions.append(log_in())
    time.sleep(2)
    for session in sessions:
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    assert len(parents(running)) == 3
    log_out(sessions[0])
    eventually(lambda: len(parents(running)) == 2, "the first ends with its last session")
    log_out(sessions[1])
    eventually(lambda: len(parents(running)) == 1, "the second, too")
    assert sessions[2].ask(b"NOOP")[-1].startswith(b"tag OK") and greets(running)


def test_stopping_in_an_upgrade_does_not_wait_for_ever(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=1")
    session = log_in()
    upgrade(running)
    assert running.process
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGUSR2)  # too late for that
    assert session.rest().startswith(b"* BYE")
    assert running.process.wait(10) == 0
    assert of_home(running.home) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_before_it_is_ready(node: Node, number: signal.Signals) -> None:
    begin(node)
    assert node.process
    eventually(lambda: (node.home / "run" / "supervisor.sock").exists() and node.processes("appliance"), "it begins")
    node.process.send_signal(number)
    assert node.process.wait(20) == 0
    eventually(lambda: of_home(node.home) == [], "nobody is left", 2)
