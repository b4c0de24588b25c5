"""Connects to a back-end: its addresses in turn, without blocking, with a PROXY header where it wants one.

Where the server speaks first and nothing is to be sent before, its greeting is what tells that the connection
stands: no event is spent on it. TLS is the session's (tlspipe.py); the contexts for it are made here.
Must never try again what failed, and never wait longer than it was given.
"""

from __future__ import annotations

import errno
import hmac
import os
import socket
import ssl
from collections.abc import Callable
from hashlib import sha256
from socket import IPPROTO_TCP, TCP_NODELAY, SocketType
from typing import TYPE_CHECKING, Final

from appliance.terms import Endpoint, Refusal
from appliance.wire.loop import IN, OUT, READING, Loop
from appliance.wire.resolve import Address, Found, Resolver
from appliance.wire.sockets import is_connected, pending_error
from appliance.wire.tlspipe import TlsPipe

if TYPE_CHECKING:
    from appliance.wire.session import Session

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_GOING: Final = frozenset({0, errno.EINPROGRESS})
_TYPE: Final = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


class Failed(Exception):  # noqa: N818 - told, not raised
    """Why there is no connection. TRY_LATER: this node has no descriptors left; LOOP: it leads back to this node."""

    def __init__(self, why: str, refusal: Refusal = Refusal.BACKEND_DOWN) -> None:
        super().__init__(why)
        self.why = why
        self.refusal = refusal


Done = Callable[["Session", int | Failed], None]  # a connected descriptor, watched for READING with our handler still


class Dialling:
    """One attempt, until `until` for all addresses. Whoever keeps the time calls `overdue` after `deadline`.

    `header` is sent first. `patient`: the server speaks first, so wait for that. `done` is told in any case, once.
    """

    __slots__ = ("_addresses", "_done", "_fd", "_header", "_loop", "_patient", "_session", "_until", "deadline")

    def __init__(self, session: Session, loop: Loop, header: bytes, patient: bool, until: float, done: Done) -> None:
        self._session = session
        self._loop = loop
        self._header = header
        self._patient = patient
        self._until = self.deadline = until
        self._done: Done | None = done
        self._addresses: list[Address] = []  # yet to be tried, the next one last
        self._fd = -1

    def begin(self, resolver: Resolver, host: str, port: int) -> None:
        """Look the host up and connect."""
        known = resolver.known(host, port)
        if known is None:
            resolver.ask(host, port, self._found)
        else:
            self._connect(known)

    def cancel(self) -> None:
        """Give up, silently."""
        self._done = None
        self._drop()

    def overdue(self) -> None:
        """The time given is over."""
        if self._patient and self._fd >= 0 and is_connected(self._fd):
            self._finish(self._fd)  # it is connected and keeps silent: that is for the conversation to judge
        else:
            if self._fd < 0:
                self._addresses = []  # found in this very batch: too late to connect
            self._drop()
            self._next("no connection in time")

    def abandon(self) -> None:
        """A bug of ours: the session ends."""
        if self._done is not None:
            self._session.close()

    def _found(self, found: Found) -> None:
        if self._done is None:
            return
        if isinstance(found, str):
            self._finish(Failed(found))
        else:
            self._connect(found)

    def _connect(self, addresses: list[Address]) -> None:
        self._addresses = addresses[::-1]
        if addresses:
            self._loop.outgoing.append(self._next)
        else:
            self._finish(Failed("its name leads back to this node", Refusal.LOOP))

    def _next(self, why: str = "") -> None:
        """Connect to the next address that can be tried. `why`: what was wrong with the one before."""
        if self._done is None:
            return
        loop, addresses = self._loop, self._addresses
        while addresses:
            family, address = addresses.pop()
            self.deadline = self._until
            if addresses:
                self.deadline = loop.now + (self._until - loop.now) / (len(addresses) + 1)
            try:
                connection = SocketType(family, _TYPE)
                connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # a command in two pieces would wait 40 ms
            except OSError as error:
                refusal = Refusal.TRY_LATER if error.errno in EXHAUSTED else Refusal.BACKEND_DOWN
                self._finish(Failed(os.strerror(error.errno or 0), refusal))
                return
            code = connection.connect_ex(address)
            self._fd = connection.detach()
            if code in _GOING:
                loop.watch(self._fd, READING if self._patient else READING | OUT, self._ready)
                return
            self._drop()
            why = os.strerror(code)
        self._finish(Failed(why))

    def _ready(self, events: int) -> None:
        if events != IN and (code := pending_error(self._fd)):
            self._drop()
            self._next(os.strerror(code))
            return
        if not self._patient:
            try:
                if self._header:
                    os.write(self._fd, self._header)  # a new connection takes these few octets at once
            except OSError as error:  # it is gone again
                self._drop()
                self._next(os.strerror(error.errno or 0))
                return
            self._loop.change(self._fd, READING)
        self._finish(self._fd)

    def _finish(self, result: int | Failed) -> None:
        done, self._done, self._fd = self._done, None, -1
        if done is not None:
            done(self._session, result)

    def _drop(self) -> None:
        if self._fd >= 0:
            self._loop.discard(self._fd)
            self._fd = -1


class ClientContexts:
    """The TLS contexts towards back-ends, made once for each way of verifying."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}

    def pipe(self, endpoint: Endpoint) -> TlsPipe:
        """A connection about to shake hands. Raises ssl.SSLError if the endpoint's CA is no certificate."""
        key = (endpoint.tls_ca, bool(endpoint.tls_pin))
        context = self._made.get(key)
        if context is None:
            context = self._made[key] = _client_context(*key)
        return TlsPipe(context, server=False, name=endpoint.tls_name or endpoint.host)


def _client_context(ca: str, pinned: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pinned:  # the pin is the whole of the verification
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        context.load_verify_locations(cadata=ca)
    else:
        context.load_default_certs()
    return context


def pin_holds(pipe: TlsPipe, endpoint: Endpoint) -> bool:
    """Whether the peer showed the pinned certificate; true without a pin."""
    if not endpoint.tls_pin:
        return True
    shown = pipe.engine.getpeercert(binary_form=True) or b""
    return hmac.compare_digest(sha256(shown).digest(), endpoint.tls_pin)
