"""The PROXY header, however it is cut into packets; strangers' octets do no harm, and what is written is read back."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.proxyheader import LOCAL, LONGEST, LONGEST_V1, SIGNATURE, Header, compose, parse

V4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 993\r\n"
V6 = b"PROXY TCP6 2001:DB8:0::7 2001:db8::1 56324 993\r\n"
ADDRESSES = bytes.fromhex("c0000207 c6336401 dc04 03e1")
# HAProxy 2.6's (send-proxy-v2 proxy-v2-options crc32c,unique-id)
WITH_CHECKSUM = SIGNATURE + bytes.fromhex("211100167f00002c7f000001a26bcbb5030004f67900d3050000")


def binary(command: int = 0x21, family: int = 0x11, body: bytes = ADDRESSES) -> bytes:
    """A header, version 2."""
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


def test_version_1() -> None:
    assert parse(V4 + b"a1 NOOP\r\n") == Header(len(V4), ("192.0.2.7", 56324))
    assert parse(V6) == Header(len(V6), ("2001:db8::7", 56324))


@pytest.mark.parametrize("line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN what ever 1 2 3\r\n"])
def test_version_1_without_a_client(line: bytes) -> None:
    assert parse(line + b"more") == Header(len(line))


def test_version_2() -> None:
    assert parse(binary() + b"a1 NOOP\r\n") == Header(28, ("192.0.2.7", 56324))
    body = bytes.fromhex("20010db8000000000000000000000007") * 2 + b"\x00\x01\x00\x02"
    assert parse(binary(family=0x21, body=body)) == Header(52, ("2001:db8::7", 1))


@pytest.mark.parametrize(
    "header",
    [LOCAL, binary(0x20), binary(0x20, 0x77, b"?"), binary(0x21, 0x00, b""), binary(0x21, 0x31, bytes(216))],
    ids=["local", "local with addresses", "local, any family", "unspecified", "unix"],
)
def test_version_2_without_a_client(header: bytes) -> None:
    assert parse(header + b"more") == Header(len(header))


@pytest.mark.parametrize("header", [V4, V6, binary(), LOCAL, compose(("::1", 1), ("::2", 2), "s1", 3)])
def test_every_beginning_wants_more(header: bytes) -> None:
    for end in range(len(header)):
        assert parse(header[:end]) is None
    assert parse(header) is not None


ADDRESS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PORT = st.integers(0, 65535)


def bare(ip: str) -> IPv4Address | IPv6Address:
    """IPv4 addresses may be written as IPv6 ones."""
    address = ip_address(ip)
    return getattr(address, "ipv4_mapped", None) or address


@given(st.tuples(ADDRESS, PORT), st.tuples(ADDRESS, PORT), st.text("abcdefghijklmnopqrstuvwxyz0123456789"), PORT)
def test_what_is_written_is_read_back(client: tuple[str, int], own: tuple[str, int], session: str, hops: int) -> None:
    written = compose(client, own, session, hops % 8)
    header = parse(written + b"a1 NOOP\r\n")
    assert header is not None and header.client is not None
    assert (bare(header.client[0]), header.client[1]) == (bare(client[0]), client[1])
    assert (header.size, header.hops) == (len(written), hops % 8)


@given(ADDRESS, ADDRESS, PORT, PORT)
def test_version_1_of_any_addresses(source: str, destination: str, port: int, other: int) -> None:
    line = f"PROXY TCP{ip_address(source).version} {source} {destination} {port} {other}\r\n".encode()
    if ip_address(source).version == ip_address(destination).version:
        header = parse(line)
        assert header is not None and header.client is not None
        assert (header.size, ip_address(header.client[0]), header.client[1]) == (len(line), ip_address(source), port)
    else:
        with pytest.raises(ValueError, match="malformed"):
            parse(line)


def test_a_checksum_that_holds_and_one_that_does_not() -> None:
    assert parse(WITH_CHECKSUM) == Header(38, ("127.0.0.44", 41579))
    for at in (16, 31):  # in the address, in the checksum itself
        with pytest.raises(ValueError, match="checksum"):
            parse(WITH_CHECKSUM[:at] + b"\x00" + WITH_CHECKSUM[at + 1 :])


def test_what_else_is_told_is_passed_over() -> None:
    told = b"\x01\x00\x04imap\x02\x00\x00\xe0\x00\x08whatever\xe7\x00\x02\x01\x02"
    assert parse(binary(body=ADDRESSES + told)) == Header(28 + len(told), ("192.0.2.7", 56324))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a1 LOGIN maria secret\r\n", "something else"),
        (b"\x16\x03\x01", "something else"),
        (b"PROXX", "something else"),
        (b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "something else"),
        (b"PROXY TCP4 " + b"1" * LONGEST_V1, "too long"),
        (b"PROXY UNKNOWN " + b"x" * (LONGEST_V1 - 15) + b"\r\n", "too long"),
        (b"PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n", "line is malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n", "line is malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n", "line is malformed"),
        (b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "line is malformed"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n", "address"),
        (b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", "address"),
        (b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.999 1 2\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 -2\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n", "port"),
        (binary(0x11), "version"),
        (binary(0x22), "command"),
        (binary(family=0x12), "family"),
        (binary(body=ADDRESSES[:-1]), "too short"),
        (binary(family=0x21), "too short"),
        (SIGNATURE + b"\x21\x11" + LONGEST.to_bytes(2, "big"), "too long"),
        (binary(body=ADDRESSES + b"\x01"), "longer than it says"),
        (binary(body=ADDRESSES + b"\x01\x00"), "longer than it says"),
        (binary(body=ADDRESSES + b"\x01\x00\x09imap"), "longer than it says"),
        (binary(body=ADDRESSES + b"\x03\x00\x01\x00"), "checksum"),
    ],
)
def test_what_is_none(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(data)


BEGINNINGS = [b"", SIGNATURE, SIGNATURE + b"\x21\x11\x00", b"PROXY ", b"PROXY TCP4 "]


@given(st.binary(max_size=300), st.sampled_from(BEGINNINGS))
def test_any_octets(data: bytes, beginning: bytes) -> None:
    with suppress(ValueError):
        header = parse(beginning + data)
        assert header is None or 0 < header.size <= len(beginning + data)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_wrong_octet_anywhere(at: int, value: int) -> None:
    whole = compose(("192.0.2.7", 56324), ("198.51.100.1", 993), "toxjbf03", 6)
    at %= len(whole)
    with suppress(ValueError):
        header = parse(whole[:at] + bytes([value]) + whole[at + 1 :])
        assert header is None or header.size <= len(whole)


def test_nothing_beyond_the_limit_is_waited_for() -> None:
    for beginning in (b"PROXY TCP4 ", SIGNATURE + b"\x21\x11" + (LONGEST - 16).to_bytes(2, "big")):
        data = beginning + bytes(LONGEST)
        with suppress(ValueError):
            assert parse(data[:LONGEST]) is not None
