"""Clients that send garbage, too much, nothing, or come in crowds: bounded answers; people at work notice nothing."""

from __future__ import annotations

import re
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from tests.node.conftest import NewNode
from tests.node.test_operations import session_of
from tests.node.test_refusals import verdict
from tests.services.node import Node
from tests.services.people import MARIA, OTTO
from tests.services.ports import eventually
from tests.services.processes import cpu_seconds, descriptors, memory
from tests.services.talk import Talk

GARBAGE: dict[str, bytes] = {
    "TLS to the clear port": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP": b"GET / HTTP/1.1\r\nHost: mail.example.test\r\n\r\n",
    "random octets": bytes((n * 167 + n // 7) % 256 for n in range(4096)) + b"\r\n",
    "NUL": b"a1 LOGIN x\0y z\r\n",
    "bare CR": b"a1 NOOP\ra2 NOOP\r\n",
    "bare LF": b"a1 NOOP\n",
    "empty lines": b"\r\n" * 1000,
    "a line without end": b"a1 " + b"x" * 300_000,
    "a literal of 2^31": b"a1 LOGIN {2147483648}\r\n",
    "a literal of 2^64": b"a1 LOGIN {18446744073709551616}\r\n",
    "a non-synchronising literal of 2^31": b"a1 LOGIN {2147483648+}\r\n" + b"y" * 100_000,
    "200,000 parentheses": b"a1 ID " + b"(" * 200_000 + b"\r\n",
    "ID with 20,000 pairs": b"a1 ID (" + b'"k" "v" ' * 20_000 + b")\r\n",
    "a literal in a command refused": b"a1 XYZZY {10}\r\n0123456789\r\n",
    "a literal of commands": b"a1 XYZZY {7+}\r\na2 ID\r\n",
    "bad base64": b"a1 AUTHENTICATE PLAIN\r\n!!!!\r\n",
    "very long base64": b"a1 AUTHENTICATE PLAIN " + b"QUJD" * 50_000 + b"\r\n",
    "a cancelled log-in": b"a1 AUTHENTICATE PLAIN\r\n*\r\n",
    "commands before STARTTLS is done": b"a1 STARTTLS\r\na2 LOGIN maria@example.test x\r\n",
    "commands of a later state": b"a1 SELECT INBOX\r\na2 FETCH 1 BODY[]\r\n",
    "a tag with a plus": b"+ LOGIN a b\r\n",
}
ANSWER = re.compile(rb"\S+ (OK|NO|BAD|BYE|ID|CAPABILITY)\b|\+ ")


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_answered_or_closed(node: Node, kind: str) -> None:
    before = memory(node.workers())
    with Talk(node.host, node.imap) as talk:
        assert talk.line().startswith(b"* OK")
        talk.socket.settimeout(10)
        try:
            talk.send(GARBAGE[kind])
            talk.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was closed while we still spoke: an answer too
        answer = talk.rest()
    assert b"OK Logged in" not in answer and b"Traceback" not in answer
    assert all(ANSWER.match(line) for line in answer.split(b"\r\n") if line), answer[:500]
    assert kind != "a literal of commands" or b"a2" not in answer, "octets of a literal were taken for a command"
    assert memory(node.workers()) - before < 20_000_000
    assert verdict(node, *MARIA).startswith(b"tag OK")
    assert "Traceback" not in node.log()


def test_garbage_to_the_tls_port(node: Node) -> None:
    for octets in (b"a1 LOGIN x y\r\n", bytes(5000), GARBAGE["TLS to the clear port"], b"\x16\x03\x01\xff\xff"):
        with Talk(node.host, node.imaps) as talk:
            talk.send(octets)
            talk.socket.shutdown(socket.SHUT_WR)
            assert b"OK" not in talk.rest()
    with node.tls() as client:
        assert client.login(*MARIA)[0] == "OK"


def crowd(node: Node, number: int, first: int) -> Iterator[socket.socket]:
    """Connections from many addresses, 20 of each."""
    for count in range(number):
        address = first + count // 20
        yield socket.create_connection((node.host, node.imap), 30, (f"127.1.{address // 250}.{address % 250 + 1}", 0))


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process may hold thousands of connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_silent_and_five_thousand_slow(new_node: NewNode, capsys: pytest.CaptureFixture[str]) -> None:
    node = new_node(limits={"failure_delay": 0, "drain_seconds": 2, "connections": 20_000})
    node.start()
    alone = seconds_to_log_in(node)
    before = memory(node.processes())
    silent = list(crowd(node, 1000, 0))
    slow = list(crowd(node, 5000, 1000))
    for octet in b"a1 LO":
        for connection in slow:
            connection.sendall(bytes([octet]))
    cost, among = memory(node.processes()) - before, seconds_to_log_in(node)
    with capsys.disabled():
        print(f"\n  6,000 idle connections: {cost / 1e6:.1f} MB; a log-in takes {among * 1000:.0f} ms among them, "
              f"{alone * 1000:.0f} ms alone")
    assert cost < 100_000_000
    served = sum(connection.recv(4, socket.MSG_DONTWAIT) == b"* OK" for connection in (*silent, *slow))
    assert served == 6000, "connections within the limits were not served"
    for connection in (*silent, *slow):
        connection.close()
    eventually(lambda: sum(map(descriptors, node.workers())) < 500, "their descriptors are closed")


def seconds_to_log_in(node: Node) -> float:
    """How long the slowest of a few log-ins took; all succeed."""
    taken = []
    for _ in range(10):
        began = time.monotonic()
        assert verdict(node, *OTTO).startswith(b"tag OK")
        taken.append(time.monotonic() - began)
    return max(taken)


def test_descriptors_exhausted(new_node: NewNode) -> None:
    node = new_node()
    node.start(POSTERN_WORKERS="1")
    worker = node.workers()[0]
    with session_of(node, MARIA) as session:
        allowed = descriptors(worker) + 8
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (allowed, limits[1]))
        flood = list(crowd(node, 60, 3000))
        before = cpu_seconds(worker)
        time.sleep(1)
        assert cpu_seconds(worker) - before < 0.5, "it spins"
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK"), "a session suffered"
        for connection in flood:
            connection.close()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        assert verdict(node, *OTTO).startswith(b"tag OK")
        assert node.workers() == [worker], "the worker was replaced"
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")


def test_silence_ends_before_and_not_after_the_log_in(new_node: NewNode) -> None:
    node = new_node(limits={"preauth_seconds": 3, "preauth_read_seconds": 1, "drain_seconds": 2})
    node.start()
    with session_of(node, MARIA) as session, Talk(node.host, node.imap) as silent, Talk(node.host, node.imap) as slow:
        assert silent.line().startswith(b"* OK") and slow.line().startswith(b"* OK")
        try:
            for octet in b"a1 NOOP and much more that never ends":
                slow.send(bytes([octet]))
                time.sleep(0.2)
            raise AssertionError("a slow client may go on for ever")
        except OSError:
            pass
        assert b"OK" not in silent.rest()
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
