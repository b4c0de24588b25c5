"""Reads the list of protocols (ALPN) that a TLS client offers, before the TLS engine is asked anything.

Python's ssl cannot refuse a client whose list names none of ours, and to go on would allow cross-protocol attacks
(ALPACA, USENIX 2021; refusal: RFC 7301 3.2). Must never trust a length, and never look at more than LONGEST octets.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 20480  # octets of records that a ClientHello may take
NO_APPLICATION_PROTOCOL: Final = b"\x15\x03\x03\x00\x02\x02\x78"  # the alert: fatal, 120 (RFC 7301 3.2)

_HANDSHAKE, _CLIENT_HELLO, _ALPN = 22, 1, 16
_ALPN_MARK: Final = b"\x00\x10"  # an ALPN extension begins so

Offer = tuple[bytes, ...]


def protocols_offered(data: bytes) -> Offer | None:
    """The ALPN list of the ClientHello that `data` begins with, empty without one; None: more octets are needed.

    Raises ValueError when it is no ClientHello, malformed where we look, or longer than LONGEST: the TLS engine
    knows the alert.
    """
    hello = _hello(data)
    if hello is None:
        if len(data) >= LONGEST:
            raise ValueError("the ClientHello is too long")
        return None
    if _ALPN_MARK not in hello:
        return ()  # the usual, told without taking it apart
    try:
        return _alpn(_extensions(hello))
    except IndexError:
        raise ValueError("the ClientHello is malformed") from None


def _hello(data: bytes) -> bytes | None:
    """The body of the first handshake message, put together from its records (RFC 8446 5.1)."""
    message, at = b"", 0
    while True:
        header = data[at : at + 5]
        if header and header[0] != _HANDSHAKE:
            raise ValueError("not a TLS handshake")
        if len(header) < 5:
            return None
        size = int.from_bytes(header[3:5], "big")
        if size == 0:
            raise ValueError("an empty handshake record")
        message += data[at + 5 : at + 5 + size]
        if message and message[0] != _CLIENT_HELLO:
            raise ValueError("not a ClientHello")
        if len(message) >= 4:
            need = 4 + int.from_bytes(message[1:4], "big")
            if need > LONGEST:
                raise ValueError("the ClientHello is too long")
            if len(message) >= need:
                return message[4:need]
        at += 5 + size
        if at > len(data):
            return None


class _Reader:
    """Takes fields off a message; IndexError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise IndexError
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def vector(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width), "big"))


def _extensions(hello: bytes) -> bytes:
    reader = _Reader(hello)
    reader.take(2 + 32)  # version, random
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        reader.vector(width)
    return reader.vector(2) if reader.rest else b""


def _alpn(extensions: bytes) -> Offer:
    reader = _Reader(extensions)
    while reader.rest:
        kind = int.from_bytes(reader.take(2), "big")
        body = reader.vector(2)
        if kind == _ALPN:
            return _names(_Reader(body).vector(2))
    return ()


def _names(listed: bytes) -> Offer:
    reader, names = _Reader(listed), []
    while reader.rest:
        names.append(reader.vector(1))
    return tuple(names)
