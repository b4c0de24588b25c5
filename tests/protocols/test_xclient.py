"""What a POP3 or ManageSieve store is told of the client: what it takes, and no more."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.protocols.conversation import Door
from appliance.protocols.xclient import introduction
from appliance.terms import Endpoint, Route, Secret

DOOR = Door("mx", True, False, True, "192.0.2.7", 4711, "s1")


def route(client_address: str = "native") -> Route:
    endpoint = Endpoint("beta", "192.0.2.1", 110, client_address=client_address)
    return Route(endpoint, "maria", "maria", "maria", Secret(b"pw"), "map people")


@pytest.mark.parametrize(
    ("ip", "line"),
    [
        ("192.0.2.7", b"XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=s1 TTL=6\r\n"),
        ("2001:db8::7", b"XCLIENT ADDR=2001:db8::7 PORT=4711 SESSION=s1 TTL=6\r\n"),
    ],
)
def test_what_dovecot_is_told(ip: str, line: bytes) -> None:
    assert introduction(replace(DOOR, client_ip=ip), route()) == line


def test_what_came_before_us_is_counted() -> None:
    assert introduction(replace(DOOR, ttl=2), route()).endswith(b" TTL=1\r\n")


def test_a_port_that_nobody_knows() -> None:
    assert introduction(replace(DOOR, client_port=0), route()) == b"XCLIENT ADDR=192.0.2.7 SESSION=s1 TTL=6\r\n"


def test_only_what_is_listed() -> None:
    assert introduction(DOOR, route(), {b"ADDR", b"LOGIN"}) == b"XCLIENT ADDR=192.0.2.7\r\n"
    assert introduction(DOOR, route(), {b"LOGIN"}) == b""


@pytest.mark.parametrize("client_address", ["none", "proxy-v2"])
def test_nothing_where_the_configuration_does_not_say_so(client_address: str) -> None:
    assert introduction(DOOR, route(client_address)) == b""
