"""Stores that misbehave: each a clear, bounded answer, and nobody else is troubled."""

from __future__ import annotations

import socket
import time

import pytest

from tests.node.conftest import NewNode, Stores, backend
from tests.node.test_refusals import verdict
from tests.services.people import MARIA, OTTO
from tests.services.scripted import GREETING, Part, Scripted, honest, octet_by_octet, says, silent
from tests.services.talk import Talk

PATIENCE = {"failure_delay": 0, "drain_seconds": 2, "retries": 1, "retry_pause": 0.1, "login_seconds": 1.5,
            "connect_seconds": 1.5, "breaker_failures": 1000}


def dies(peer: socket.socket) -> None:
    """Greets, waits for a command, closes."""
    peer.sendall(GREETING)
    peer.recv(4096)


def dies_before_greeting(_: socket.socket) -> None:
    """Closes at once."""


def answers_the_log_in_with(octets: bytes) -> Part:
    """Greets, hears one command, answers with these octets, waits."""

    def part(peer: socket.socket) -> None:
        peer.sendall(GREETING)
        peer.recv(4096)
        peer.sendall(octets)
        while peer.recv(4096):
            pass

    return part


TEMPORARY = (b"tag NO [UNAVAILABLE]",)
OURS = (b"tag NO [SERVERBUG]", b"tag NO [CONTACTADMIN]", b"tag NO [UNAVAILABLE]")
PARTS: dict[str, tuple[Part, tuple[bytes, ...]]] = {
    "greets with BYE": (says(b"* BYE overloaded\r\n"), TEMPORARY),
    "greets with PREAUTH": (says(b"* PREAUTH welcome\r\n"), OURS),
    "greets with garbage": (says(b"220 smtp.example.test ESMTP\r\n"), OURS),
    "greets without end": (says(b"* OK " + b"x" * 200_000), OURS),
    "hangs": (silent, TEMPORARY),
    "dies before greeting": (dies_before_greeting, TEMPORARY),
    "dies in the log-in": (dies, TEMPORARY),
    "dies in a literal": (answers_the_log_in_with(b"* X {100}\r\nabc"), TEMPORARY),
    "promises a huge literal": (answers_the_log_in_with(b"* X {4294967295}\r\nabc"), OURS),
    "says BYE to the log-in": (answers_the_log_in_with(b"* BYE no more\r\n"), TEMPORARY),
}


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> tuple[Part, tuple[bytes, ...]]:
    return PARTS[request.param]


def test_an_answer_that_is_clear_and_bounded(
    new_node: NewNode, stores: Stores, part: tuple[Part, tuple[bytes, ...]]
) -> None:
    with Scripted(part[0]) as store:
        node = new_node(backend=[{"name": "alpha", "imap": f"{store.host}:{store.port}"}, backend(stores.beta)],
                        limits=PATIENCE)
        node.start()
        with Talk(node.host, node.imap) as waiting:
            waiting.line()
            waiting.send(f"a LOGIN {MARIA.address} {MARIA.password}\r\n".encode())
            assert verdict(node, *OTTO).startswith(b"tag OK"), "another store's people had to wait"
            answer = waiting.line()
        assert answer.replace(b"a NO", b"tag NO").startswith(part[1]), answer
        assert store.connections <= 2 + 20, "tried without end"


def test_a_store_that_answers_octet_by_octet_works(new_node: NewNode, stores: Stores) -> None:
    with Scripted(honest(octet_by_octet)) as store:
        node = new_node(backend=[{"name": "alpha", "imap": f"{store.host}:{store.port}"}, backend(stores.beta)])
        node.start()
        with Talk(node.host, node.imap) as talk:
            talk.line()
            assert talk.plain(*MARIA)[-1].startswith(b"tag OK")
            assert talk.ask(b"SELECT INBOX") == [b"* 0 EXISTS", b"tag OK Select done"]


def test_a_store_that_dies_in_a_session(new_node: NewNode, stores: Stores) -> None:
    def part(peer: socket.socket) -> None:
        peer.sendall(GREETING)
        tag = peer.recv(4096).split()[0]
        peer.sendall(tag + b" OK [CAPABILITY IMAP4rev1] done\r\n")
        peer.recv(4096)
        peer.sendall(b"* 1 FETCH (BODY[] {1000}\r\nhalf")

    with Scripted(part) as store:
        node = new_node(backend=[{"name": "alpha", "imap": f"{store.host}:{store.port}"}, backend(stores.beta)])
        node.start()
        with Talk(node.host, node.imap) as talk:
            talk.line()
            talk.plain(*MARIA)
            talk.send(b"a FETCH 1 BODY[]\r\n")
            assert talk.rest() == b"* 1 FETCH (BODY[] {1000}\r\nhalf", "octets before the end were lost"


def test_down_counts_and_recovery(new_node: NewNode, stores: Stores) -> None:
    limits = {**PATIENCE, "breaker_failures": 2, "breaker_clients": 1, "breaker_seconds": 1, "probe_seconds": 1}
    with Scripted(dies_before_greeting) as store:
        node = new_node(backend=[{"name": "alpha", "imap": f"{store.host}:{store.port}"}, backend(stores.beta)],
                        limits=limits)
        node.start()
        for _ in range(4):
            assert verdict(node, *MARIA).startswith(b"tag NO [UNAVAILABLE]")
    node.apply(backend=[backend(store) for store in stores])
    deadline = time.monotonic() + 20
    while not verdict(node, *MARIA).startswith(b"tag OK"):
        assert time.monotonic() < deadline, "the store came back and was not used"
        time.sleep(0.2)
