"""Plays a transcript over real sockets: the client and the stores are ours, what is between them is under test.

Must know nothing of what is under test but where it listens: a worker in this process, or a whole node.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from tests.transcripts.format import Step, Transcript
from tests.transcripts.words import HOSTNAME

SECONDS = 10.0


class Store:
    """A store's listening socket. Its port is its own for good; whether it accepts can change."""

    def __init__(self, name: str, host: str = "127.0.0.1") -> None:
        self.name = name
        self.peer: socket.socket | None = None
        self.listener = socket.socket()
        self.listener.settimeout(SECONDS)
        self.listener.bind((host, 0))
        self.place: tuple[str, int] = self.listener.getsockname()
        self._open = threading.Event()

    def accept(self, accepts: bool) -> None:
        """Accept connections from now on, if so; a bound socket that does not listen refuses them."""
        assert accepts or not self._open.is_set(), "a store that listens cannot stop"
        if accepts and not self._open.is_set():
            self.listener.listen()
            self._open.set()

    def connection(self) -> socket.socket:
        """The connection that we talk through; the next one, if there is none."""
        if self.peer is None:
            assert self._open.wait(SECONDS), f"nobody was sent to {self.name}"
            self.peer = self.listener.accept()[0]
            self.peer.settimeout(SECONDS)
        return self.peer

    def leave(self) -> None:
        """Close the connection."""
        if self.peer is not None:
            self.peer.close()
            self.peer = None

    def close(self) -> None:
        """Close everything."""
        self.leave()
        self.listener.close()


class LivePlayer:
    """The client and the stores of one transcript. `connect` gives a connection to the door, not yet in TLS."""

    def __init__(
        self,
        transcript: Transcript,
        kind: str,
        connect: Callable[[], socket.socket],
        stores: Iterable[Store],
        client_tls: ssl.SSLContext,
        store_tls: ssl.SSLContext,
    ) -> None:
        self.transcript = transcript
        self.kind = kind
        self.stores = {store.name: store for store in stores}
        self.client_tls, self.store_tls = client_tls, store_tls
        self.client = connect()
        self.client.settimeout(SECONDS)
        if kind == "tls":
            self._client_in_tls()

    def play(self) -> None:
        """From the greeting to the end. Raises AssertionError where it goes another way."""
        try:
            for step in self.transcript.steps:
                try:
                    self._step(step)
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"{self.transcript.path}:{step.line} ({self.kind}): {error!r}") from error
        finally:
            self.client.close()
            for store in self.stores.values():
                store.leave()

    def _step(self, step: Step) -> None:
        data = self.transcript.octets(step.text, self.kind) if step.kind in ("hear", "say", "relayed") else b""
        if step.kind == "say":
            self._say(step.who, data)
        elif step.kind in ("hear", "relayed"):
            heard = exactly(self._socket(step.who), len(data))
            assert heard == data, f"expected {data!r}, heard {heard!r}"
        elif step.kind == "do":
            self._do(step)
        elif step.kind == "gone":
            self.client.close() if step.who == "client" else self._leave(self.stores[step.who])
        elif step.kind == "silent":
            self._socket(step.who)
        elif self.client.fileno() >= 0:
            assert rest(self.client) == b"", "not closed, or more said"

    def _say(self, who: str, data: bytes) -> None:
        if who != "client":
            self._socket(who).sendall(data)
            return
        self._no_store_is_left()
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have heard enough
            self.client.sendall(data)

    def _no_store_is_left(self) -> None:
        """Before the client is heard again, and before another try, every store has been hung up on."""
        for store in self.stores.values():
            if store.peer is not None:
                assert rest(store.peer) == b"", "unexpected words for a store"
                store.leave()

    def _socket(self, who: str) -> socket.socket:
        return self.client if who == "client" else self.stores[who].connection()

    def _leave(self, store: Store) -> None:
        store.connection()
        store.leave()

    def _do(self, step: Step) -> None:
        """What we do besides speaking: TLS is joined in; refusals are for the admission to have noticed."""
        if step.who == "waits":
            self._no_store_is_left()
        elif step.who == "tls" and step.text == "client":
            self._client_in_tls()
        elif step.who == "tls":
            store = self.stores[step.text]
            with suppress(ssl.SSLError, ConnectionError):  # a certificate that is not trusted ends the handshake
                store.peer = self.store_tls.wrap_socket(store.connection(), server_side=True)

    def _client_in_tls(self) -> None:
        self.client = self.client_tls.wrap_socket(self.client, server_hostname=HOSTNAME)
        self.kind = "tls"


def exactly(peer: socket.socket, count: int) -> bytes:
    """As many octets, or those before the end."""
    heard = b""
    while len(heard) < count:
        piece = peer.recv(count - len(heard))
        if not piece:
            break
        heard += piece
    return heard


def rest(peer: socket.socket) -> bytes:
    """All that is still said, up to the end."""
    heard = b""
    with suppress(ConnectionResetError, ssl.SSLError):
        while piece := peer.recv(65536):
            heard += piece
    return heard
