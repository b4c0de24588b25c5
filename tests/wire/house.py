"""A worker in a thread, a store in another, and a conversation of a few lines: the wire without any mail protocol."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from appliance.edge.tls import Certificates
from appliance.messages import ListenerSpec
from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Conversation,
    Dial,
    Door,
    Gone,
    HangUp,
    Refuse,
    Relay,
    Secure,
    Send,
    read_line,
    secure,
)
from appliance.terms import Credentials, Endpoint, Limits, Peer, Refusal, Route, Secret, Service, TlsMode
from appliance.wire.listener import Policy
from appliance.wire.loop import Loop
from appliance.wire.worker import Worker

FAREWELL = b"BYE\r\n"
PATIENCE = 5.0


def talk(door: Door) -> Conversation:
    """`STARTTLS`, `NAME` (log in), `QUIT`; the store greets, is told the name, answers `OK` or something else."""
    yield Send(CLIENT, b"HI\r\n")
    while True:
        line = yield from read_line(CLIENT, 1000)
        if line == b"QUIT\r\n":
            yield Send(CLIENT, b"QUITTING\r\n")
            return
        if line == b"STARTTLS\r\n":
            yield Send(CLIENT, b"GO\r\n")
            yield Secure(CLIENT)
            continue
        told = yield from log_in(line.strip().decode())
        if told is None:
            yield Send(CLIENT, b"OK\r\n")
            yield Relay(FAREWELL)
        yield Send(CLIENT, f"NO {told}\r\n".encode())


def log_in(name: str) -> Any:
    """None, or the refusal."""
    route = yield Admit(Credentials(name, Secret(b"x")))
    if isinstance(route, Refusal):
        yield Refuse(route)
        return route
    refusal = yield Dial(route)
    if refusal is not None:
        yield Refuse(refusal, "dial")
        return refusal
    try:
        yield from read_line(BACKEND, 1000)
        if route.endpoint.tls is TlsMode.STARTTLS:
            yield Send(BACKEND, b"STARTTLS\r\n")
            yield from read_line(BACKEND, 1000)
            refusal = yield from secure(BACKEND)
            if refusal is not None:
                yield HangUp()
                yield Refuse(refusal)
                return refusal
        yield Send(BACKEND, name.encode() + b"\r\n")
        answer = yield from read_line(BACKEND, 1000)
    except Gone as gone:
        if gone.side is CLIENT:
            raise
        yield HangUp(gone.why)
        yield Refuse(Refusal.BACKEND_DOWN, gone.why)
        return Refusal.BACKEND_DOWN
    refusal = Refusal.BAD_CREDENTIALS
    if answer == b"OK\r\n":
        refusal = Refusal.LIMIT if route.full else None
    if refusal is not None:
        yield HangUp()
        yield Refuse(refusal, answer.decode())
    return refusal


class Gate:
    """Admission: everybody goes to the endpoint; "later" is admitted later, "nobody" not at all."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.endpoint = Endpoint("beta", "127.0.0.1", 1)
        self.hold = 0.0
        self.ours: set[tuple[str, int]] = set()
        self.later: list[Callable[[], None]] = []
        self.told: list[tuple[str, object]] = []

    def admit(self, peer: Peer, credentials: Credentials, answer: Callable[[Any], None]) -> Route | Refusal | None:
        self.told.append(("admit", peer))
        name = credentials.name
        route = Route(self.endpoint, name, name, name, credentials.password, "map test")
        if name == "nobody":
            return Refusal.BAD_CREDENTIALS
        if name == "later":
            self.later.append(lambda: answer(route))
            return None
        return route

    def is_ours(self, ip: str, port: int) -> bool:
        return (ip, port) in self.ours

    def reached(self, endpoint: Endpoint, peer: Peer) -> None:
        self.told.append(("reached", endpoint))

    def missed(self, endpoint: Endpoint, peer: Peer, why: str) -> None:
        self.told.append(("missed", why))

    def welcomed(self, peer: Peer, route: Route, seconds: float) -> None:
        self.told.append(("welcomed", route.address))

    def refused(self, peer: Peer, credentials: Credentials | None, refusal: Refusal, elapsed: float) -> float:
        self.told.append(("refused", refusal))
        return self.hold

    def heard(self, what: str) -> list[object]:
        """The second parts of what was told under this name."""
        return [detail for name, detail in self.told if name == what]


class Store:
    """Listens; each connection is served in a thread by `serve`, which may be replaced."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve: Callable[[socket.socket], None] = self.welcome
        self.connections: list[socket.socket] = []
        self.arrived = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self.serve(connection)

    def welcome(self, connection: socket.socket) -> None:
        """The default: let everybody in, and leave the connection to the test."""
        connection.sendall(b"HELLO\r\n")
        line_of(connection)
        connection.sendall(b"OK\r\n")
        self.keep(connection)

    def keep(self, connection: socket.socket) -> None:
        """Logged in: the test takes it with `next`."""
        self.connections.append(connection)
        self.arrived.release()

    def next(self) -> socket.socket:
        """The next connection that is logged in."""
        assert self.arrived.acquire(timeout=PATIENCE)
        connection = self.connections.pop(0)
        connection.settimeout(PATIENCE)
        return connection

    def close(self) -> None:
        self.listener.close()


def line_of(connection: socket.socket) -> bytes:
    """A line, octet by octet, so that nothing behind it is read."""
    line = b""
    while not line.endswith(b"\n"):
        octet = connection.recv(1)
        if not octet:
            break
        line += octet
    return line


class Bench:
    """One worker in a thread."""

    def __init__(self, certificates: Certificates, log_fd: int) -> None:
        self.loop = Loop()
        self.gate = Gate()
        self.store = Store()
        self.gate.endpoint = self.at_store()
        self.conversation: Callable[[Door], Conversation] = talk
        self.is_balancer: Callable[[str], bool] | None = None
        self.worker = Worker(
            self.loop,
            slot=0,
            instance="test",
            hostname="mail.example.test",
            admission=self.gate,
            certificates=certificates,
            protocols={Service.IMAP: lambda door: self.conversation(door)},
            farewells={Service.IMAP: FAREWELL},
            policy=lambda spec: Policy(
                Service.IMAP, spec.tls, not spec.tls, lambda _: True, is_balancer=self.is_balancer
            ),
            log_fd=log_fd,
        )
        self.ports = []
        shares = []
        for _ in range(2):
            share = socket.create_server(("127.0.0.1", 0))
            self.ports.append(share.getsockname()[1])
            shares.append(share.detach())
        self.worker.replace_listeners([ListenerSpec("imap", "clear", False), ListenerSpec("imap", "tls", True)], shares)
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()

    def at_store(self, **changes: Any) -> Endpoint:
        """The endpoint of the store, changed."""
        return Endpoint("beta", "127.0.0.1", self.store.port, **changes)

    def in_loop(self, what: Callable[[], Any]) -> Any:
        """Do this in the worker's thread; returns its result."""
        done, result = threading.Event(), []

        def run() -> None:
            try:
                result.append(what())
            finally:
                done.set()

        self.loop.call(run)
        assert done.wait(PATIENCE)
        return result[0]

    def limit(self, **changes: Any) -> None:
        """Other limits, for connections to come."""
        values = {name: getattr(self.gate.limits, name) for name in Limits.__struct_fields__} | changes
        self.gate.limits = Limits(**values)

    def stand_behind(self, *addresses: str) -> None:
        """From now on, connections from these addresses begin with a PROXY header."""
        self.is_balancer = addresses.__contains__
        self.in_loop(self.worker.refresh_policies)

    def connect(self) -> socket.socket:
        """A client in the clear, before the greeting."""
        return socket.create_connection(("127.0.0.1", self.ports[0]), timeout=PATIENCE)

    def greeted(self) -> socket.socket:
        """A client in the clear, greeted."""
        client = self.connect()
        assert line_of(client) == b"HI\r\n"
        return client

    def logged_in(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a session in the clear."""
        client = self.greeted()
        client.sendall(b"maria\r\n")
        assert line_of(client) == b"OK\r\n"
        return client, self.store.next()

    def connect_tls(self, context: ssl.SSLContext, **options: Any) -> ssl.SSLSocket:
        """A client in TLS from the first octet."""
        raw = socket.create_connection(("127.0.0.1", self.ports[1]), timeout=PATIENCE)
        return context.wrap_socket(raw, server_hostname=options.pop("name", "mail.example.test"), **options)

    def close(self) -> None:
        self.loop.call(self.loop.stop)
        self.thread.join(PATIENCE)
        self.store.close()
        assert not self.thread.is_alive()


def eventually(what: Callable[[], Any]) -> Any:
    """The first true result within PATIENCE."""
    until = time.monotonic() + PATIENCE
    while not (result := what()) and time.monotonic() < until:
        time.sleep(0.01)
    assert result
    return result
