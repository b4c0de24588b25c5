"""Processes that die, hang, are replaced and stopped: sessions and log-ins go on."""

from __future__ import annotations

import os
import signal
import socket

from tests.node.conftest import NewNode
from tests.node.test_operations import session_of
from tests.node.test_refusals import verdict
from tests.services.node import Node
from tests.services.people import CROWD, MARIA, OTTO
from tests.services.ports import answers, eventually
from tests.services.processes import descriptors
from tests.services.talk import Talk


def start(new_node: NewNode) -> Node:
    """A node with two workers, whatever the machine."""
    node = new_node()
    node.start(POSTERN_WORKERS="2")
    return node


def on_worker(node: Node, pid: int) -> Talk:
    """A session that this worker serves: its descriptors tell."""
    for _ in range(100):
        before = descriptors(pid)
        talk = session_of(node, MARIA)
        if descriptors(pid) > before:
            return talk
        talk.__exit__()
    raise AssertionError("no connection went to that worker")


def test_a_worker_that_dies_is_replaced_and_the_other_goes_on(new_node: NewNode) -> None:
    node = start(new_node)
    victim, other = node.workers()
    with on_worker(node, victim) as lost, on_worker(node, other) as kept:
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(node.workers()) == 2 and victim not in node.workers(), "there are two workers again")
        assert lost.rest() == b""
        assert kept.ask(b"NOOP")[-1].startswith(b"tag OK")
    for _ in range(10):
        assert verdict(node, *MARIA).startswith(b"tag OK")


def test_a_worker_that_hangs_is_replaced_and_its_queue_served(new_node: NewNode) -> None:
    node = start(new_node)
    victim, other = node.workers()
    with on_worker(node, other) as kept:
        os.kill(victim, signal.SIGSTOP)
        waiting = [Talk(node.host, node.imap) for _ in range(12)]  # about half wait in the hung one's queue
        assert kept.ask(b"NOOP")[-1].startswith(b"tag OK")
        for talk in waiting:
            assert talk.line().startswith(b"* OK"), "a connection in the queue was lost"
            assert talk.plain(*OTTO)[-1].startswith(b"tag OK")
            talk.__exit__()
        assert victim not in node.workers() and len(node.workers()) == 2


def test_log_ins_go_on_without_the_controller(new_node: NewNode) -> None:
    node = start(new_node)
    controller = node.controller()
    with session_of(node, MARIA) as session:
        os.kill(controller, signal.SIGSTOP)
        assert verdict(node, *OTTO).startswith(b"tag OK")
        for worker in node.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(node.workers()) == 2, "all workers are new")
        assert verdict(node, *MARIA).startswith(b"tag OK")
        assert session.rest() == b""
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: node.processes("control.server") and node.controller() != controller, "a new controller", 30)
    eventually(lambda: node.run("status").returncode == 0, "the new controller answers")
    with session_of(node, CROWD[0]):
        eventually(lambda: any(row["user"] == CROWD[0].address for row in node.cli("session", "list")),
                   "workers have found the new controller")
    node.cli("map", "put", "people", MARIA.address, "beta")


def test_the_sessions_role_dies_as_a_whole_and_listeners_live(new_node: NewNode) -> None:
    node = start(new_node)
    for pid in node.processes("appliance.sessions"):
        os.kill(pid, signal.SIGKILL)
    waiting = [socket.create_connection((node.host, node.imap), 30) for _ in range(6)]
    for connection in waiting:
        assert connection.recv(100).startswith(b"* OK")
        connection.close()
    assert verdict(node, *MARIA).startswith(b"tag OK")


def test_sigterm_drains(new_node: NewNode) -> None:
    node = start(new_node)
    assert node.process
    with session_of(node, MARIA) as session:
        node.process.send_signal(signal.SIGTERM)
        eventually(lambda: not answers(node.host, node.imap), "no new connections")
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK"), "an open session was cut"
        session.ask(b"LOGOUT")
    assert node.process.wait(20) == 0


def test_sigterm_ends_what_does_not_end_itself(new_node: NewNode) -> None:
    node = start(new_node)
    node.cli("service", "set", "limits", "drain_seconds=1")
    with session_of(node, MARIA) as session:
        assert node.stop() == 0
        assert session.rest().startswith(b"* BYE")


def test_upgrade_with_sessions_open(new_node: NewNode) -> None:
    node = start(new_node)
    old = node.processes("appliance.sessions")
    with session_of(node, MARIA) as clear, Talk(node.host, node.imaps, tls=node.tls_context()) as tls:
        tls.line()
        assert tls.plain(*OTTO)[-1].startswith(b"tag OK")
        node.cli("service", "set", "limits", "drain_seconds=60")
        assert node.process
        node.process.send_signal(signal.SIGUSR2)
        eventually(lambda: len(set(node.processes("appliance.sessions")) - set(old)) >= 3, "a new instance serves")
        for _ in range(20):
            assert verdict(node, *CROWD[0]).startswith(b"tag OK")
        assert clear.ask(b"NOOP")[-1].startswith(b"tag OK")
        assert tls.ask(b"NOOP")[-1].startswith(b"tag OK")
        assert len(node.cli("session", "list")) == 2, "sessions of the old instance are not seen"
    eventually(lambda: not set(node.processes("appliance.sessions")) & set(old), "the old instance has drained")
    assert verdict(node, *MARIA).startswith(b"tag OK")


def test_a_second_node_on_the_same_home_is_refused(new_node: NewNode) -> None:
    node = start(new_node)
    second = node.run("run")
    assert second.returncode == 1
    pids = {str(pid) for pid in node.processes()}
    assert pids & set(second.stderr.replace(",", " ").replace(".", " ").split()), second.stderr
    assert verdict(node, *MARIA).startswith(b"tag OK")


def test_stop_and_start_again(new_node: NewNode) -> None:
    node = start(new_node)
    assert node.stop() == 0
    node.start()
    assert verdict(node, *MARIA).startswith(b"tag OK")
    assert node.stop() == 0
    assert not answers(node.host, node.imap)
