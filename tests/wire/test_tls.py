"""TLS at both sides: what is verified, refused, resumed and reloaded; and that relays carry it whole."""

from __future__ import annotations

import hashlib
import os
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

from appliance.edge.tls import Certificates
from appliance.terms import Endpoint, TlsMode

LineOf = Callable[[socket.socket], bytes]
Entry = Callable[..., tuple[list[str], str, str]]


def test_implicit(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    trusting.set_alpn_protocols(["imap"])
    client = bench.connect_tls(trusting)
    assert client.selected_alpn_protocol() == "imap"
    assert line_of(client) == b"HI\r\n"
    client.sendall(b"maria\r\nearly\r\n")
    assert line_of(client) == b"OK\r\n"
    store = bench.store.next()
    assert line_of(store) == b"early\r\n"
    store.sendall(b"late\r\n")
    assert line_of(client) == b"late\r\n"
    store.close()
    assert client.recv(1) == b""  # close_notify: a ragged end would raise


def test_starttls(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    raw = bench.greeted()
    raw.sendall(b"STARTTLS\r\n")
    assert line_of(raw) == b"GO\r\n"
    client = trusting.wrap_socket(raw, server_hostname="mail.example.test")
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"OK\r\n"
    assert bench.gate.heard("admit")[-1].secured


def test_octets_behind_starttls_are_never_run(bench: Any) -> None:
    client = bench.greeted()
    client.sendall(b"STARTTLS\r\nmaria\r\n")
    received = b""
    while piece := client.recv(100):
        received += piece
    assert received == b"GO\r\n" or received == b""
    assert not bench.gate.heard("admit")


def test_a_hello_octet_by_octet(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = trusting.wrap_bio(incoming, outgoing, server_hostname="mail.example.test")
    raw = socket.create_connection(("127.0.0.1", bench.ports[1]), timeout=5)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            connection.do_handshake()
            break
        except ssl.SSLWantReadError:
            for octet in outgoing.read():
                raw.sendall(bytes([octet]))
                time.sleep(0.0005)
            incoming.write(raw.recv(65536))
    raw.sendall(outgoing.read())
    incoming.write(raw.recv(65536))
    assert connection.read(100) == b"HI\r\n"


def test_another_protocols_client_is_refused(bench: Any, trusting: ssl.SSLContext) -> None:
    trusting.set_alpn_protocols(["http/1.1"])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        bench.connect_tls(trusting)
    assert bench.worker.shared.totals["tls_failures/imap"] == 1


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80" * 300])
def test_garbage_instead_of_tls(bench: Any, eventually: Any, words: bytes) -> None:
    raw = socket.create_connection(("127.0.0.1", bench.ports[1]), timeout=5)
    raw.sendall(words)
    raw.shutdown(socket.SHUT_WR)
    while raw.recv(100):
        pass
    eventually(lambda: not bench.worker.shared.room.all)


def test_silence_instead_of_tls(bench: Any) -> None:
    bench.limit(preauth_read_seconds=0.5)
    raw = socket.create_connection(("127.0.0.1", bench.ports[1]), timeout=5)
    assert raw.recv(1) == b""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(bench: Any, trusting: ssl.SSLContext) -> None:
    trusting.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        bench.connect_tls(trusting)


def _shown(client: ssl.SSLSocket) -> set[str]:
    shown = client.getpeercert()
    assert shown is not None
    return {str(pair[1]) for pair in shown["subjectAltName"]}


def test_certificates_by_name(bench: Any, certificates: Certificates, trusting: ssl.SSLContext, entry: Entry) -> None:
    certificates.reload(
        [
            entry("mail.example.test", listed=["*"]),
            entry("imap.example.org"),
            entry("*.wild.example.org"),
        ]
    )
    for asked, shown in [
        ("imap.example.org", "imap.example.org"),
        ("a.wild.example.org", "*.wild.example.org"),
        ("mail.example.test", "mail.example.test"),
    ]:
        assert _shown(bench.connect_tls(trusting, name=asked)) == {shown}
    trusting.check_hostname = False
    assert _shown(bench.connect_tls(trusting, name="elsewhere.example")) == {"mail.example.test"}


def test_a_broken_reload_keeps_the_old(
    bench: Any, certificates: Certificates, trusting: ssl.SSLContext, entry: Entry
) -> None:
    names, chain, _ = entry("other.example.test", listed=["*"])
    _, _, another_key = entry("third.example.test")
    with pytest.raises(ValueError, match="the key does not belong to it"):
        certificates.reload([(names, chain, another_key)])
    with pytest.raises(ValueError, match="certificate for x"):
        certificates.reload([(["x"], "no certificate", "no key")])
    assert _shown(bench.connect_tls(trusting)) == {"mail.example.test"}


def test_a_default_of_another_kind_of_key(authority: trustme.CA, trusting: ssl.SSLContext, bench: Any) -> None:
    made = authority.issue_cert("rsa.example.test", key_type=trustme.KeyType.RSA)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems).decode()
    bench.worker.shared.certificates.reload([(["*"], chain, made.private_key_pem.bytes().decode())])
    assert _shown(bench.connect_tls(trusting, name="rsa.example.test")) == {"rsa.example.test"}


def _session_of(client: ssl.SSLSocket) -> ssl.SSLSession:
    client.recv(4)  # the ticket comes with the first octets
    assert client.session is not None and client.session.has_ticket
    return client.session


def test_sessions_are_resumed_also_after_a_reload(
    bench: Any, certificates: Certificates, trusting: ssl.SSLContext, entry: Entry
) -> None:
    session = _session_of(bench.connect_tls(trusting))
    assert bench.connect_tls(trusting, session=session).session_reused
    certificates.reload([entry("mail.example.test", listed=["*"]), entry("imap.example.org")])
    assert bench.connect_tls(trusting, session=session).session_reused


def test_workers_open_each_others_tickets(certificates: Certificates, trusting: ssl.SSLContext) -> None:
    from appliance.terms import Service

    def forked() -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        if os.fork() == 0:
            try:
                context = certificates.server(Service.IMAP)
                assert context is not None
                connection = context.wrap_socket(listener.accept()[0], server_side=True)
                connection.sendall(b"HI\r\n")
                connection.recv(1)
            finally:
                os._exit(0)
        return int(listener.getsockname()[1])

    session, reused = None, []
    for port in [forked(), forked()]:
        raw = socket.create_connection(("127.0.0.1", port), timeout=5)
        client = trusting.wrap_socket(raw, server_hostname="mail.example.test", session=session)
        reused.append(client.session_reused)
        session = _session_of(client)
        client.close()
        os.wait()
    assert reused == [False, True]


# --- towards the back-end -----------------------------------------------------------------------------------------


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


# --- relays -------------------------------------------------------------------------------------------------------


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
