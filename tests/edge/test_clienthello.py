"""The ALPN list of a ClientHello, however it is cut into records and packets; strangers' octets do no harm."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.clienthello import LONGEST, protocols_offered


def hello(*protocols: str) -> bytes:
    """What OpenSSL sends."""
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="mail.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


HELLO = hello("http/1.1", "imap")


def in_records(data: bytes, size: int) -> bytes:
    """The same handshake message in records of `size` octets."""
    body = data[5:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def test_what_is_offered() -> None:
    assert protocols_offered(HELLO) == (b"http/1.1", b"imap")
    assert protocols_offered(hello()) == ()


@given(st.integers(1, 600))
def test_in_any_records(size: int) -> None:
    assert protocols_offered(in_records(HELLO, size)) == (b"http/1.1", b"imap")


def test_every_beginning_wants_more() -> None:
    for end in range(len(HELLO)):
        assert protocols_offered(HELLO[:end]) is None


@given(st.binary(max_size=300))
def test_any_octets(data: bytes) -> None:
    with suppress(ValueError):
        assert protocols_offered(data) in (None, ())


@given(st.integers(5, len(HELLO) - 1), st.integers(0, 255))
def test_a_wrong_octet_anywhere(at: int, value: int) -> None:
    with suppress(ValueError):
        protocols_offered(HELLO[:at] + bytes([value]) + HELLO[at + 1 :])


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x10",
        b"\x16\x03\x01\x40\x00\x01\x00\x4f\xf0" + b"\x00" * LONGEST,
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        protocols_offered(data)
