"""TLS towards stores: verified by name, CA or pin, and never tried again when it is not; relays in TLS, whole."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trustme

from appliance.terms import Endpoint, TlsMode

LineOf = Callable[[socket.socket], bytes]


@pytest.fixture
def tls_store(bench: Any, authority: trustme.CA, line_of: LineOf) -> Endpoint:
    """The store speaks TLS from the first octet, as store.example.test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = authority.issue_cert("store.example.test")
    made.configure_cert(context)

    def serve(connection: socket.socket) -> None:
        bench.store.welcome(context.wrap_socket(connection, server_side=True))

    bench.store.serve = serve
    return Endpoint("beta", "127.0.0.1", bench.store.port, TlsMode.IMPLICIT)


def _changed(endpoint: Endpoint, **changes: Any) -> Endpoint:
    values = {name: getattr(endpoint, name) for name in Endpoint.__struct_fields__}
    return Endpoint(**(values | changes))


def _fingerprint(port: int) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))).digest()


def _asked(bench: Any, line_of: LineOf) -> bytes:
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    return line_of(client)


def test_verified_by_name_and_ca(bench: Any, tls_store: Endpoint, authority: trustme.CA, line_of: LineOf) -> None:
    ca = authority.cert_pem.bytes().decode()
    bench.gate.endpoint = _changed(tls_store, tls_name="store.example.test", tls_ca=ca)
    assert _asked(bench, line_of) == b"OK\r\n"


@pytest.mark.parametrize("changes", [{"tls_name": "other.example.test"}, {"tls_ca": ""}, {"tls_ca": "no CA"}])
def test_not_verified(
    bench: Any, tls_store: Endpoint, authority: trustme.CA, line_of: LineOf, changes: dict[str, str]
) -> None:
    trusted = {"tls_name": "store.example.test", "tls_ca": authority.cert_pem.bytes().decode()}
    bench.gate.endpoint = _changed(tls_store, **(trusted | changes))
    assert _asked(bench, line_of) == b"NO misconfigured\r\n"
    assert not bench.gate.heard("missed")


def test_pinned(bench: Any, tls_store: Endpoint, line_of: LineOf) -> None:
    pin = _fingerprint(tls_store.port)
    bench.gate.endpoint = _changed(tls_store, tls_pin=pin)
    assert _asked(bench, line_of) == b"OK\r\n"
    bench.gate.endpoint = _changed(tls_store, tls_pin=pin[:-1] + bytes([pin[-1] ^ 1]))
    assert _asked(bench, line_of) == b"NO misconfigured\r\n"


def test_a_store_without_tls(bench: Any, line_of: LineOf) -> None:
    bench.gate.endpoint = bench.at_store(tls=TlsMode.IMPLICIT, tls_name="store.example.test")
    assert _asked(bench, line_of) == b"NO misconfigured\r\n"


def test_a_store_that_hangs_up_in_the_handshake(bench: Any, line_of: LineOf) -> None:
    bench.store.serve = lambda connection: connection.close()
    bench.gate.endpoint = bench.at_store(tls=TlsMode.IMPLICIT)
    assert _asked(bench, line_of) == b"NO backend-down\r\n"
    assert len(bench.gate.heard("missed")) == 1


def test_a_store_that_hangs_in_the_handshake(bench: Any, line_of: LineOf) -> None:
    bench.limit(connect_seconds=0.5)
    bench.store.serve = lambda connection: time.sleep(4)
    bench.gate.endpoint = bench.at_store(tls=TlsMode.IMPLICIT)
    assert _asked(bench, line_of) == b"NO backend-down\r\n"


@pytest.mark.parametrize("injected", [b"", b"injected\r\n"])
def test_starttls_at_the_store(bench: Any, authority: trustme.CA, line_of: LineOf, injected: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("store.example.test").configure_cert(context)

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HELLO\r\n")
        line_of(connection)
        connection.sendall(b"GO\r\n" + injected)
        secured = context.wrap_socket(connection, server_side=True)
        line_of(secured)
        secured.sendall(b"OK\r\n")
        bench.store.keep(secured)

    bench.store.serve = serve
    bench.gate.endpoint = bench.at_store(
        tls=TlsMode.STARTTLS, tls_name="store.example.test", tls_ca=authority.cert_pem.bytes().decode()
    )
    assert _asked(bench, line_of) == (b"" if injected else b"OK\r\n")


@pytest.mark.parametrize("both", [False, True])
def test_much_both_ways_at_once(
    bench: Any, tls_store: Endpoint, authority: trustme.CA, trusting: ssl.SSLContext, line_of: LineOf, both: bool
) -> None:
    if both:
        ca = authority.cert_pem.bytes().decode()
        bench.gate.endpoint = _changed(tls_store, tls_name="store.example.test", tls_ca=ca)
    else:
        bench.store.serve = bench.store.welcome
    client = bench.connect_tls(trusting)
    client.sendall(b"maria\r\n")
    assert line_of(client) + line_of(client) == b"HI\r\nOK\r\n"
    store = bench.store.next()
    much = random.Random(5).randbytes(8 << 20)

    def exchange(end: socket.socket, received: list[bytes]) -> None:
        """One thread per end: an ssl socket is not for two. Sends a piece, takes what is there."""
        end.settimeout(0)
        sent = got = 0
        while sent < len(much) or got < len(much):
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                sent += end.send(much[sent : sent + 100_000]) if sent < len(much) else 0
            try:
                piece = end.recv(1 << 20)
                assert piece
                received.append(piece)
                got += len(piece)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                time.sleep(0.0002)

    up: list[bytes] = []
    down: list[bytes] = []
    threads = [
        threading.Thread(target=exchange, args=(client, down)),
        threading.Thread(target=exchange, args=(store, up)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b"".join(up) == much
    assert b"".join(down) == much


def test_nobody_reads(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    client = bench.connect_tls(trusting)
    client.sendall(b"maria\r\n")
    assert line_of(client) + line_of(client) == b"HI\r\nOK\r\n"
    store = bench.store.next()
    store.settimeout(0.5)
    sent, block = 0, bytes(range(256)) * 4096
    with pytest.raises(TimeoutError):
        while sent < 1 << 30:
            sent += store.send(block[sent % 256 :][: 1 << 19])
    assert sent < 100_000_000
    store.close()
    received = 0
    while piece := client.recv(1 << 20):
        assert piece == (block + block)[received % 256 :][: len(piece)]
        received += len(piece)
    assert received == sent


def test_kicked_in_tls(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    client = bench.connect_tls(trusting)
    client.sendall(b"maria\r\n")
    assert line_of(client) + line_of(client) == b"HI\r\nOK\r\n"
    (relay,) = bench.worker.shared.relays.values()
    bench.in_loop(relay.kick)
    assert line_of(client) == b"BYE\r\n"
    assert client.recv(1) == b""
