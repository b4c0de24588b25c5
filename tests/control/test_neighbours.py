"""Stores on this machine are found where they stand, by what they say; nothing else is taken for one."""

from __future__ import annotations

import ssl
from pathlib import Path

from appliance.control.neighbours import found
from appliance.terms import TlsMode
from tests.services.authority import Authority
from tests.services.ports import free_port
from tests.services.scripted import GREETING, Scripted, says


def test_the_first_that_answers_is_it() -> None:
    dead = free_port()
    with Scripted(says(b"220 smtp ready\r\n")) as other, Scripted(says(GREETING)) as imap:
        usual = [("imap", port, TlsMode.NONE) for port in (dead, other.port, imap.port)]
        (one,) = found((), usual)
    assert (one["service"], one["address"], one["tls"]) == ("imap", f"127.0.0.1:{imap.port}", "none")
    assert "scripted ready" in one["greeting"]


def test_the_node_does_not_find_itself() -> None:
    with Scripted(says(GREETING)) as imap:
        assert list(found({imap.port}, [("imap", imap.port, TlsMode.NONE)])) == []
        assert imap.connections == 0


def test_one_with_tls_alone_is_known_by_its_pin(tmp_path: Path) -> None:
    made = Authority(tmp_path).issue("store.example.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.chain, made.key)

    def secured(peer: object) -> None:
        with context.wrap_socket(peer, server_side=True) as link:  # type: ignore[arg-type]
            link.sendall(GREETING)
            link.recv(100)

    with Scripted(secured) as imap:
        (one,) = found((), [("imap", imap.port, TlsMode.IMPLICIT)])
    assert (one["tls"], one["tls_pin"]) == ("implicit", made.pin)


def test_one_that_speaks_no_tls_where_tls_is_usual_is_none() -> None:
    with Scripted(says(GREETING)) as imap:
        assert list(found((), [("imap", imap.port, TlsMode.IMPLICIT)])) == []
