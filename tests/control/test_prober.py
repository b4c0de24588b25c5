"""Probes against stores that behave and stores that do not; `check` against TLS of every sort."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.control.prober import Prober
from appliance.control.visit import SPEECH, check, probe, visit
from appliance.control.workers import States
from appliance.edge.proxyheader import LOCAL
from appliance.messages import BackendState
from appliance.terms import Endpoint, TlsMode
from tests.services.authority import Authority, Certificate
from tests.services.ports import free_port
from tests.services.scripted import Scripted, says, silent

IMAP = b"* OK ready\r\n"


def endpoint(port: int, **more: object) -> Endpoint:
    """A store on loopback."""
    return Endpoint("mail2", "127.0.0.1", port, **more)  # type: ignore[arg-type]


def store(service: str, tls: ssl.SSLContext | None = None, implicit: bool = False) -> Callable[[socket.socket], None]:
    """A store's first words in its protocol, with STARTTLS if it has a certificate."""
    greeting, replies = {
        "imap": (IMAP, {b"c1 STARTTLS": b"c1 OK go\r\n", b"c2 CAP": b"* CAPABILITY IMAP4rev1\r\nc2 OK done\r\n"}),
        "pop3": (b"+OK ready\r\n", {b"STLS": b"+OK go\r\n", b"CAPA": b"+OK list\r\nUIDL\r\nSASL PLAIN\r\n.\r\n"}),
        "sieve": (
            b'"SIEVE" "fileinto"\r\nOK "ready"\r\n',
            {b"STARTTLS": b"OK\r\n", b"CAPABILITY": b'"SIEVE" "fileinto"\r\nOK\r\n'},
        ),
        "smtp": (b"220-hello\r\n220 ready\r\n", {b"STARTTLS": b"220 go\r\n", b"EHLO": b"250-me\r\n250 SIZE 1\r\n"}),
        "lmtp": (b"220 ready\r\n", {b"STARTTLS": b"220 go\r\n", b"LHLO": b"250-me\r\n250 PIPELINING\r\n"}),
    }[service]

    def part(peer: socket.socket) -> None:
        if implicit and tls:
            peer = tls.wrap_socket(peer, server_side=True)
        peer.sendall(greeting)
        while line := peer.recv(4096):
            for command, reply in replies.items():
                if line.startswith(command):
                    peer.sendall(reply)
                    if b"STARTTLS" in command or command == b"STLS":
                        assert tls is not None
                        peer = tls.wrap_socket(peer, server_side=True)
                        if service == "sieve":
                            peer.sendall(greeting)

    return part


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs the stores' certificates."""
    return Authority(tmp_path)


def server(certificate: Certificate) -> ssl.SSLContext:
    """A store's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


@pytest.mark.parametrize("service", list(SPEECH))
def test_in_clear_every_step_is_shown(service: str) -> None:
    with Scripted(store(service)) as fake:
        steps = check(service, endpoint(fake.port), 5)
    assert [(step.name, step.ok) for step in steps] == [("connect", True), ("greeting", True), ("capability", True)]
    assert all(step.ms >= 0 and step.result for step in steps)


@pytest.mark.parametrize("service", list(SPEECH))
def test_starttls_every_step_is_shown(service: str, authority: Authority) -> None:
    with Scripted(store(service, server(authority.issue("store.example.test")))) as fake:
        found = endpoint(
            fake.port, tls=TlsMode.STARTTLS, tls_name="store.example.test", tls_ca=authority.file.read_text()
        )
        steps = check(service, found, 5)
    names = ["connect", "greeting", "starttls", "tls", *(["greeting"] if service == "sieve" else []), "capability"]
    assert [step.name for step in steps] == names, steps
    assert all(step.ok for step in steps), steps
    assert "TLSv1" in steps[3].result


def test_implicit_tls_by_pin(authority: Authority) -> None:
    certificate = authority.issue("other.example.test")
    with Scripted(store("imap", server(certificate), implicit=True)) as fake:
        pin = bytes.fromhex(certificate.pin.removeprefix("sha256:"))
        good = check("imap", endpoint(fake.port, tls=TlsMode.IMPLICIT, tls_pin=pin), 5)
        bad = check("imap", endpoint(fake.port, tls=TlsMode.IMPLICIT, tls_pin=b"x" * 32), 5)
    assert [step.name for step in good] == ["connect", "tls", "greeting", "capability"] and good[-1].ok
    assert not bad[-1].ok and bad[-1].name == "tls" and certificate.pin in bad[-1].result


@pytest.mark.parametrize(
    ("name", "trusted", "why"),
    [
        ("wrong.example.test", True, "Hostname mismatch"),
        ("store.example.test", False, "certificate not accepted: unable to get local issuer"),
    ],
)
def test_a_certificate_that_proves_nothing(authority: Authority, name: str, trusted: bool, why: str) -> None:
    with Scripted(store("imap", server(authority.issue("store.example.test")), implicit=True)) as fake:
        ca = authority.file.read_text() if trusted else ""
        last = check("imap", endpoint(fake.port, tls=TlsMode.IMPLICIT, tls_name=name, tls_ca=ca), 5)[-1]
    assert not last.ok and why in last.result


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"* BYE too busy\r\n", "* BYE too busy"),
        (b"* PREAUTH come in\r\n", "* PREAUTH come in"),
        (b"x" * 20_000, "a line of more than 8192 octets"),
        (b"\x1b[2J* no\xff\r\n" * 200, "more than 100 lines"),
        (b"* BYE \x1b[2Jgone\xff\r\n", "* BYE \\x1b[2Jgone\\xff"),
    ],
)
def test_a_greeting_that_is_no_welcome(greeting: bytes, why: str) -> None:
    with Scripted(says(greeting)) as fake:
        last = check("imap", endpoint(fake.port), 5)[-1]
    assert (last.name, last.ok) == ("greeting", False)
    assert why in last.result and last.result.isprintable()


def test_nobody_there_and_nobody_who_speaks() -> None:
    (refused,) = check("imap", endpoint(free_port()), 5)
    assert (refused.name, refused.ok) == ("connect", False) and "refused" in refused.result.lower()
    with Scripted(silent) as fake:
        last = check("imap", endpoint(fake.port), 0.3)[-1]
    assert last.result == "no answer within 0.3 s"


def test_a_store_without_tls_and_one_that_closes_without_a_word() -> None:
    with Scripted(store("imap")) as fake:
        last = check("imap", endpoint(fake.port, tls=TlsMode.IMPLICIT), 5)[-1]
    assert (last.name, last.result) == ("tls", "TLS failed: wrong version number")
    with Scripted(lambda peer: None) as fake:
        last = check("imap", endpoint(fake.port), 5)[-1]
    assert not last.ok and last.result == "closed the connection"


def test_a_store_behind_the_proxy_protocol_is_told_that_this_is_a_health_check() -> None:
    heard: list[bytes] = []

    def part(peer: socket.socket) -> None:
        heard.append(peer.recv(len(LOCAL), socket.MSG_WAITALL))
        store("imap")(peer)

    with Scripted(part) as fake:
        assert check("imap", endpoint(fake.port, client_address="proxy-v2"), 5)[-1].ok
    assert heard == [LOCAL]


def test_a_probe_of_pop3_asks_what_is_offered_in_tls_where_that_is_used(authority: Authority) -> None:
    with Scripted(store("pop3", server(authority.issue("store.example.test")))) as fake:
        clear = asyncio.run(probe("pop3", endpoint(fake.port), seconds=5))
        secured = endpoint(
            fake.port, tls=TlsMode.STARTTLS, tls_name="store.example.test", tls_ca=authority.file.read_text()
        )
        tls = asyncio.run(probe("pop3", secured, seconds=5))
        untrusted = asyncio.run(probe("pop3", endpoint(fake.port, tls=TlsMode.STARTTLS), seconds=5))
    assert (clear[0].ok, clear[1]) == (tls[0].ok, tls[1]) == (True, "UIDL SASL=PLAIN")
    assert (untrusted[0].name, untrusted[0].ok, untrusted[1]) == ("tls", False, "")


def test_a_pop3_store_that_knows_no_capa_is_up() -> None:
    def part(peer: socket.socket) -> None:
        peer.sendall(b"+OK ready\r\n")
        assert peer.recv(4096) == b"CAPA\r\n"
        peer.sendall(b"-ERR what?\r\n")
        peer.recv(4096)

    with Scripted(part) as fake:
        last, offered = asyncio.run(probe("pop3", endpoint(fake.port), seconds=5))
    assert last.ok and offered == "USER"


def test_a_probe_ends_with_the_greeting() -> None:
    with Scripted(store("imap")) as fake:
        steps = asyncio.run(visit("imap", endpoint(fake.port), thorough=False, seconds=5))
    assert [step.name for step in steps] == ["connect", "greeting"]


class Listening:
    """Stands where the hub stands: keeps what is found."""

    def __init__(self) -> None:
        self.states = States()
        self.told: list[BackendState] = []

    def found(self, state: BackendState, by: object = None) -> None:
        """As Hub.found."""
        self.told.append(state)
        self.states.keep(state, asyncio.get_running_loop().time())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


def test_the_prober_tells_down_and_up_and_forgets_what_is_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.control.prober.AGAIN_SECONDS", 0.05)
    well = threading.Event()
    well.set()

    def part(peer: socket.socket) -> None:
        peer.sendall(IMAP if well.is_set() else b"* BYE\r\n")

    async def story() -> None:
        hub = Listening()
        prober = Prober(hub)  # type: ignore[arg-type]
        with Scripted(part) as fake:
            prober.plan({("imap", endpoint(fake.port))}, 0.1, 30)
            await _until(lambda: [state.up for state in hub.told] == [True])
            well.clear()
            await _until(lambda: not hub.told[-1].up)
            assert hub.told[-1].reason == "greeting: * BYE"
            well.set()
            await _until(lambda: hub.told[-1].up)
            hub.found(BackendState("mail2", "imap", False, "log-ins fail"))  # a breaker: a greeting says nothing of it
            await asyncio.sleep(0.5)
            assert not hub.told[-1].up
            prober.plan({("imap", endpoint(fake.port))}, 0.1, 0.1)
            await _until(lambda: hub.told[-1].up)
            prober.plan(set(), 0.1, 30)
            assert hub.states.all() == []
            prober.close()

    asyncio.run(story())
