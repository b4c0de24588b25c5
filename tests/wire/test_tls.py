"""TLS at both sides: what is verified, refused, resumed and reloaded; and that relays carry it whole."""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from appliance.edge.tls import Certificates
from appliance.protocols.conversation import CLIENT, Gone
from appliance.wire import flow
from appliance.wire.loop import IN

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


def test_the_older_handshake_after_starttls(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> None:
    """In TLS 1.2 the last word of the handshake is the server's, and the conversation then has nothing to say."""
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    raw = bench.greeted()
    raw.sendall(b"STARTTLS\r\n")
    assert line_of(raw) == b"GO\r\n"
    client = trusting.wrap_socket(raw, server_hostname="mail.example.test")
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"OK\r\n"


def _amidst_a_handshake(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> tuple[socket.socket, Any, Any]:
    """A client in the clear whose turn it is in its handshake, the engine, and what is to be given to that."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = trusting.wrap_bio(incoming, outgoing, server_hostname="mail.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        engine.do_handshake()
    client = bench.greeted()
    client.sendall(b"STARTTLS\r\n")
    assert line_of(client) == b"GO\r\n"
    client.sendall(outgoing.read())
    incoming.write(client.recv(65536))
    engine.do_handshake()
    return client, engine, outgoing


def test_who_gives_way_amidst_a_handshake_is_told_nothing(
    bench: Any, trusting: ssl.SSLContext, line_of: LineOf
) -> None:
    bench.limit(preauth_per_address=1)
    client, _, _ = _amidst_a_handshake(bench, trusting, line_of)
    bench.greeted()
    while client.recv(65536):
        pass


def test_a_handshake_that_ends_too_late_begins_no_conversation(
    bench: Any, trusting: ssl.SSLContext, line_of: LineOf
) -> None:
    client, _, outgoing = _amidst_a_handshake(bench, trusting, line_of)
    (session,) = bench.worker.shared.room.all

    def late() -> bool:
        session.raise_in(Gone(CLIENT, "silent for too long", silent=True))
        client.sendall(outgoing.read())
        fd = session.client.fd
        select.select([fd], [], [], 5)
        bench.loop.handlers[fd](IN)
        return session.conversation is not None

    assert not bench.in_loop(late)
    assert client.recv(1) == b""


def _logged_in(bench: Any, trusting: ssl.SSLContext, line_of: LineOf) -> tuple[ssl.SSLSocket, socket.socket, Any]:
    """A client in TLS, its store in the clear, and what lies between them."""
    client = bench.connect_tls(trusting)
    assert line_of(client) == b"HI\r\n"
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"OK\r\n"
    return client, bench.store.next(), next(iter(bench.worker.shared.relays.values()))


def test_what_tls_itself_says_goes_before_the_bulk_of_the_same_batch(
    bench: Any, trusting: ssl.SSLContext, line_of: LineOf
) -> None:
    client, store, relay = _logged_in(bench, trusting, line_of)
    down = relay.down

    def said_and_bulk() -> None:
        down.later(relay.up.opener.sealed(b"first"))  # as a new key would
        store.sendall(b"x" * 8000)
        select.select([down.fd], [], [], 5)
        down.bulk(IN)

    bench.in_loop(said_and_bulk)
    heard = b""
    while len(heard) < 8005:
        heard += client.recv(65536)
    assert heard == b"first" + b"x" * 8000


def test_half_a_record_has_no_goodbye_behind_it(
    bench: Any, trusting: ssl.SSLContext, line_of: LineOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client takes no more, then does, as the session ends: it must see a stream that broke off, nothing else."""
    client, _, relay = _logged_in(bench, trusting, line_of)
    monkeypatch.setattr(flow, "write", lambda fd, data: os.write(fd, data[:100]))
    record = relay.up.opener.sealed(b"x" * 300)

    def end() -> None:
        relay.down.later(record)
        relay.close()

    bench.in_loop(end)
    heard = b""
    with socket.socket(fileno=os.dup(client.fileno())) as raw:
        raw.settimeout(5)
        while piece := raw.recv(1000):
            heard += piece
    assert heard == record[:100]
