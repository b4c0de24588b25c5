"""Stores that misbehave on purpose: each connection plays one small part, in a thread.

Only for what no real server can be made to do; everything else is tested with a real one.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO, Self

Part = Callable[[socket.socket], None]

GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN] scripted ready\r\n"


class Scripted:
    """A listener on a free port of `host` that plays `part` with each connection, then closes it."""

    def __init__(self, part: Part, host: str = "127.0.0.1") -> None:
        self._part = part
        self._listener = socket.create_server((host, 0), backlog=512)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._open:
            peer.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(peer)
            threading.Thread(target=self._play, args=(peer,), daemon=True).start()

    def _play(self, peer: socket.socket) -> None:
        try:
            self._part(peer)
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the proxy went first: nothing to play to
        finally:
            peer.close()


def says(octets: bytes) -> Part:
    """Greets with `octets`, hears what comes, and closes when the other side does."""

    def part(peer: socket.socket) -> None:
        peer.sendall(octets)
        while peer.recv(65536):
            pass

    return part


def silent(peer: socket.socket) -> None:
    """Accepts and never says a word."""
    while peer.recv(65536):
        pass


def honest(send: Callable[[socket.socket, bytes], None] = socket.socket.sendall) -> Part:
    """Logs anybody in and answers every command; `send` decides how its octets travel."""

    def part(peer: socket.socket) -> None:
        send(peer, GREETING)
        heard = peer.makefile("rb")
        while line := heard.readline():
            while line.rstrip().endswith(b"}"):
                line = _after_literal(peer, heard, line, send)
            tag, verb = [*line.split(), b"", b""][:2]
            if verb.upper() == b"AUTHENTICATE" and len(line.split()) == 3:
                send(peer, b"+ \r\n")
                heard.readline()
            send(peer, _answer(tag, verb.upper()))
            if verb.upper() == b"LOGOUT":
                return

    return part


def honest_login(peer: socket.socket) -> tuple[bytes, BinaryIO]:
    """Greets and answers until somebody has logged in: the words of that log-in, and what reads on from there."""
    peer.sendall(GREETING)
    heard = peer.makefile("rb")
    while line := heard.readline():
        while line.rstrip().endswith(b"}"):
            line = _after_literal(peer, heard, line, socket.socket.sendall)
        tag, verb = [*line.split(), b"", b""][:2]
        words = line
        if verb.upper() == b"AUTHENTICATE":
            if len(line.split()) == 3:
                peer.sendall(b"+ \r\n")
                line = heard.readline()
            words = base64.b64decode(line.split()[-1])
        if verb.upper() in (b"LOGIN", b"AUTHENTICATE"):
            peer.sendall(tag + b" OK [CAPABILITY IMAP4rev1] logged in\r\n")
            return words, heard
        peer.sendall(_answer(tag, verb.upper()))
    return b"", heard


def _answer(tag: bytes, verb: bytes) -> bytes:
    untagged = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN\r\n", b"ID": b"* ID NIL\r\n",
                b"LOGOUT": b"* BYE\r\n", b"SELECT": b"* 0 EXISTS\r\n"}.get(verb, b"")
    return untagged + tag + b" OK " + verb.title() + b" done\r\n"


def _after_literal(
    peer: socket.socket, heard: BinaryIO, line: bytes, send: Callable[[socket.socket, bytes], None]
) -> bytes:
    """The command line with the octets of its trailing literal, and what follows them."""
    size = line.rstrip()[line.rstrip().rindex(b"{") + 1 : -1]
    if not size.endswith(b"+"):
        send(peer, b"+ go\r\n")
    return line + heard.read(int(size.rstrip(b"+"))) + heard.readline()


def octet_by_octet(peer: socket.socket, data: bytes) -> None:
    """Each octet in a packet of its own."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in data:
        peer.sendall(bytes([octet]))
