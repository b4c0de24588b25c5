"""The PROXY protocol's header, versions 1 and 2: read from load balancers and other nodes, written for stores.

What names the client of a connection comes first on it, before TLS. Must never be looked for where it is not demanded:
whoever may send one may say that he is anybody. Must never take a header for whole that is not, nor trust a length.
HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

LONGEST: Final = 4096  # octets of a header: TLVs with a client's certificate fit
LONGEST_V1: Final = 107  # section 2.1
SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED: Final = 16  # octets of version 2 before the addresses: signature, command, family, length
LOCAL: Final = SIGNATURE + b"\x20\x00\x00\x00"  # no client: a health check of our own

_V1: Final = b"PROXY "
_FAMILIES_V1: Final = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
# A family's octet: its addresses, and the octets of one. Datagrams carry no mail.
_FAMILIES: Final = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
_NAMELESS: Final = frozenset({0x00, 0x31})  # unspecified, and Unix sockets: there is no address to be known by
_CRC32C, _UNIQUE_ID = 0x03, 0x05
_HOPS: Final = 0xE7  # ours, of those left to applications: how many front-ends the session may still pass, one octet

UNCOUNTED: Final = 255  # hops, where nobody counts them

Address = tuple[str, int]  # IP address, port


class Header(NamedTuple):
    """What a header says. `client` is None where the connection's own peer is the client (a health check)."""

    size: int  # octets that it took; what follows is the client's
    client: Address | None = None
    hops: int = UNCOUNTED  # front-ends that the session may still pass, where one like us is before us


def parse(data: bytes) -> Header | None:
    """The header that `data` begins with; None: more octets are needed. Raises ValueError with the reason."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _binary(data)
    if data.startswith(_V1[: len(data)]):
        return _text(data)
    raise ValueError("something else came")


def _text(data: bytes) -> Header | None:
    """Version 1: a line."""
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise ValueError("its line is too long")
        return None
    protocol, *rest = data[len(_V1) : end].split(b" ")
    if protocol == b"UNKNOWN":
        return Header(end + 2)
    family = _FAMILIES_V1.get(protocol)
    if family is None or len(rest) != 4:
        raise ValueError("its line is malformed")
    source, destination, *ports = rest
    _canonical(family, destination)
    port, _ = map(_port, ports)
    return Header(end + 2, (_canonical(family, source), port))


def _canonical(family: int, text: bytes) -> str:
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text.decode("ascii")))
    except (OSError, ValueError):
        raise ValueError("an address in it is malformed") from None


def _port(text: bytes) -> int:
    if not text.isdigit() or len(text) > 5 or text != b"%d" % int(text) or int(text) > 65535:
        raise ValueError("a port in it is malformed")
    return int(text)


def _binary(data: bytes) -> Header | None:
    """Version 2: fixed octets, addresses, and whatever else its sender wants to tell (TLVs)."""
    if len(data) < FIXED:
        return None
    command, family = data[12], data[13]
    size = FIXED + int.from_bytes(data[14:FIXED], "big")
    if command not in (0x20, 0x21):
        raise ValueError("its version or command is unknown")
    if size > LONGEST:
        raise ValueError("it is too long")
    if len(data) < size:
        return None
    if command == 0x20 or family in _NAMELESS:
        return Header(size)
    if family not in _FAMILIES:
        raise ValueError("its address family is unknown")
    kind, width = _FAMILIES[family]
    extras = FIXED + 2 * width + 4
    if size < extras:
        raise ValueError("it is too short for its addresses")
    port = int.from_bytes(data[extras - 4 : extras - 2], "big")
    return Header(size, (socket.inet_ntop(kind, data[FIXED : FIXED + width]), port), _hops(data[:size], extras))


def _hops(header: bytes, at: int) -> int:
    """Walk the TLVs from `at` on: the hop count among them, once a checksum that is there holds."""
    hops = UNCOUNTED
    while at < len(header):
        start, at = at + 3, at + 3 + int.from_bytes(header[at + 1 : at + 3], "big")
        kind, value = header[start - 3], header[start:at]
        if at > len(header):
            raise ValueError("what it adds is longer than it says")
        if kind == _HOPS and len(value) == 1:
            hops = value[0]
        elif kind == _CRC32C and value != _crc32c(header[:start] + bytes(len(value)) + header[at:]).to_bytes(4, "big"):
            raise ValueError("its checksum does not hold")
    return hops


def _table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        for _ in range(8):
            octet = octet >> 1 ^ (0x82F63B78 if octet & 1 else 0)
        table.append(octet)
    return tuple(table)


_TABLE: Final = _table()


def _crc32c(data: bytes) -> int:
    """RFC 3720, appendix B.4. zlib's is another polynomial."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF


def compose(client: Address, own: Address, session: str, hops: int) -> bytes:
    """A header, version 2: a client, connected to us at `own`; its session's id; front-ends that it may still pass."""
    family = socket.AF_INET6 if ":" in client[0] or ":" in own[0] else socket.AF_INET
    body = _packed(family, client[0]) + _packed(family, own[0])
    body += client[1].to_bytes(2, "big") + own[1].to_bytes(2, "big")
    body += _tlv(_UNIQUE_ID, session.encode()) + _tlv(_HOPS, bytes([hops]))
    kind = b"\x11" if family == socket.AF_INET else b"\x21"
    return SIGNATURE + b"\x21" + kind + len(body).to_bytes(2, "big") + body


def _tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def _packed(family: int, ip: str) -> bytes:
    if family == socket.AF_INET6 and ":" not in ip:
        ip = "::ffff:" + ip
    return socket.inet_pton(family, ip)
