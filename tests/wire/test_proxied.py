"""Behind a load balancer: whose connection it is, is what its PROXY header says, and nothing goes before that."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from appliance.edge.proxyheader import LOCAL, compose
from appliance.protocols.conversation import CLIENT, Conversation, Door, Send
from appliance.wire import proxied

LineOf = Callable[[socket.socket], bytes]
TEXT = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 993\r\n"
BINARY = compose(("2001:db8::7", 56324), ("2001:db8::1", 993), "s1", 6)


@pytest.fixture
def behind(bench: Any) -> Any:
    """A worker that stands behind us."""
    bench.stand_behind("127.0.0.1")
    return bench


def peer(bench: Any) -> tuple[str, int]:
    """Who has logged in last."""
    one = bench.gate.heard("admit")[-1]
    return one.ip, one.port


@pytest.mark.parametrize(
    ("header", "client"), [(TEXT, ("192.0.2.7", 56324)), (BINARY, ("2001:db8::7", 56324))], ids=["text", "binary"]
)
@pytest.mark.parametrize("size", [1, 20, 1000])
def test_the_client_is_whom_the_header_names(
    behind: Any, line_of: LineOf, header: bytes, client: tuple[str, int], size: int
) -> None:
    connection = behind.connect()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    early = header + b"maria\r\n"
    for at in range(0, len(early), size):
        connection.sendall(early[at : at + size])
        time.sleep(0.0005)
    assert (line_of(connection), line_of(connection)) == (b"HI\r\n", b"OK\r\n")
    assert peer(behind) == client
    store = behind.store.next()
    connection.sendall(b"a1 NOOP\r\n")
    assert line_of(store) == b"a1 NOOP\r\n"


def test_not_a_word_before_the_header(behind: Any) -> None:
    connection = behind.connect()
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.recv(1)


def test_an_ipv4_client_in_ipv6_clothes(behind: Any, line_of: LineOf) -> None:
    connection = behind.connect()
    connection.sendall(compose(("192.0.2.7", 1), ("2001:db8::1", 993), "s1", 6) + b"maria\r\n")
    assert (line_of(connection), line_of(connection)) == (b"HI\r\n", b"OK\r\n")
    assert peer(behind) == ("192.0.2.7", 1)


@pytest.mark.parametrize("together", [True, False])
def test_before_tls(behind: Any, trusting: ssl.SSLContext, line_of: LineOf, together: bool) -> None:
    raw = socket.create_connection(("127.0.0.1", behind.ports[1]), timeout=5)
    if not together:
        raw.sendall(TEXT)
        time.sleep(0.05)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="mail.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    raw.sendall((TEXT if together else b"") + outgoing.read())
    while client.version() is None or not outgoing.pending:
        incoming.write(raw.recv(65536))
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            continue
    client.write(b"maria\r\n")
    raw.sendall(outgoing.read())
    said = b""
    while said != b"HI\r\nOK\r\n":
        try:
            said += client.read(100)
        except ssl.SSLWantReadError:
            incoming.write(raw.recv(65536))
    assert peer(behind) == ("192.0.2.7", 56324)
    assert behind.gate.heard("admit")[-1].secured


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_balancer_that_comes_by_itself(behind: Any, line_of: LineOf, header: bytes) -> None:
    connection = behind.connect()
    connection.sendall(header + b"maria\r\n")
    assert (line_of(connection), line_of(connection)) == (b"HI\r\n", b"OK\r\n")
    assert peer(behind) == connection.getsockname()


def test_from_elsewhere_a_header_is_what_a_client_says(bench: Any, line_of: LineOf) -> None:
    bench.stand_behind("192.0.2.1")
    connection = bench.connect()
    connection.sendall(TEXT)
    assert line_of(connection) == b"HI\r\n"
    assert line_of(connection) == b"OK\r\n"  # somebody of a strange name has logged in
    assert peer(bench) == connection.getsockname()


def test_how_many_front_ends_it_may_still_pass(behind: Any, line_of: LineOf) -> None:
    def tell(door: Door) -> Conversation:
        yield Send(CLIENT, b"%d\r\n" % door.ttl)

    behind.conversation = tell
    for header, left in ((TEXT, b"7"), (BINARY, b"6"), (compose(("::1", 1), ("::1", 2), "s1", 0), b"0")):
        connection = behind.connect()
        connection.sendall(header)
        assert line_of(connection) == left + b"\r\n"


def test_what_is_no_header_is_closed_counted_and_told_once(behind: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for words in (b"a1 LOGIN maria secret\r\n", b"PROXY TCP4 localhost\r\n", b"\x16\x03\x01"):
            connection = behind.connect()
            connection.sendall(words)
            assert connection.recv(1) == b""
    assert behind.worker.shared.totals["turned_away/imap/proxy_header"] == 3
    assert not behind.worker.shared.proxied
    assert len(caplog.records) == 1
    assert "no PROXY header for imap from 127.0.0.1" in caplog.text and "secret" not in caplog.text


def test_a_header_that_does_not_come(
    behind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proxied, "SECONDS", 0.5)
    with caplog.at_level(logging.WARNING):
        for words in (b"", b"PROXY TCP4 192.0.2.7"):
            connection = behind.connect()
            connection.sendall(words)
            assert connection.recv(1) == b""
    assert "not within 0.5 s" in caplog.text


def test_who_only_looks_is_no_trouble(behind: Any, eventually: Callable[..., Any]) -> None:
    behind.connect().close()
    eventually(lambda: behind.worker.shared.accepted["imap"] == 1 and not behind.worker.shared.proxied)
    assert not behind.worker.shared.totals


def test_limits_are_the_clients(behind: Any, line_of: LineOf) -> None:
    behind.limit(preauth_per_address=1)
    connections = []
    for last in (7, 8, 7):
        connection = behind.connect()
        connection.sendall(TEXT.replace(b".2.7", b".2.%d" % last))
        assert line_of(connection) == b"HI\r\n"
        connections.append(connection)
    assert line_of(connections[0]) == b"BYE\r\n"
    connections[1].sendall(b"QUIT\r\n")
    assert line_of(connections[1]) == b"QUITTING\r\n"
