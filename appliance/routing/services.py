"""Services as this node serves them: listeners, who may log in without TLS, which maps lead where.

Must never open anything; it reads the configuration and says what it means here, on the node of this name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.messages import ListenerSpec
from appliance.routing.networks import Networks
from appliance.terms import Service
from db import catalogue
from db.objects import Objects

SESSIONS: Final = (Service.IMAP, Service.POP3, Service.SIEVE)  # those that log in once and then are a pipe


class ServiceView(msgspec.Struct, frozen=True):
    """One session service of this node. `failover` is a back-end's name, or HOST:PORT, or empty."""

    service: Service
    enabled: bool
    listeners: tuple[ListenerSpec, ...]
    clear_login_from: Networks
    proxy_protocol_from: Networks
    chain: tuple[str, ...]
    failover: str


def service_view(objects: Objects, node: str, service: Service) -> ServiceView:
    """What the configuration says of a service here. Raises ValueError that names what is wrong."""
    body = objects.get(service)
    return ServiceView(
        service,
        body["enabled"],
        tuple(_listeners(objects, node, service)),
        Networks(body["clear_login_from"]),
        Networks(body["proxy_protocol_from"]),
        _chain(objects, service, body["map"]),
        body["failover"],
    )


def listening(objects: Objects, node: str) -> list[ListenerSpec]:
    """The listening sockets this node should have, all services; those of services that are off left out."""
    on = [service for service in Service if service in catalogue.KINDS and objects.get(service)["enabled"]]
    return [spec for service in on for spec in _listeners(objects, node, service)]


def split(address: str) -> tuple[str, int]:
    """Host and port of "mail1.example.test:143", "[2001:db8::1]:143". Raises ValueError."""
    host, colon, port = address.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or (":" in host and not host.startswith("[")) or not port.isdecimal():
        raise ValueError(f"{address!r} is not HOST:PORT")
    if not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} has no possible port")
    return bare, int(port)


def _listeners(objects: Objects, node: str, service: Service) -> Iterator[ListenerSpec]:
    body = objects.get(service)
    here: dict[str, list[str]] = (objects.body("node", node) or {}).get(service) or {}
    for key, tls in (("listen", False), ("listen_tls", True)):
        for address in here[key] if key in here else body.get(key, []):
            yield ListenerSpec(service, address, tls)


def _chain(objects: Objects, service: Service, names: list[str]) -> tuple[str, ...]:
    """The maps in order. The default chain means what there is; one that was set means what it says."""
    is_set = "map" in (objects.body(service) or {})
    return tuple(name for name in names if is_set or objects.body("map", name) is not None)
