"""Back-ends as this node reaches them: one endpoint per protocol, how to log in there, who stands in.

Must never resolve a name or connect. The back-end named like this node lives here and is reached by its `local`
addresses; those fields are the only difference between nodes.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from appliance.messages import ListenerSpec
from appliance.routing.services import SESSIONS, split
from appliance.terms import Credentials, Endpoint, Route, Secret, Service, TlsMode

_FIELD: Final = re.compile(r"(\{address\}|\{local\}|\{domain\})")
_WILDCARDS: Final = ("::", "0.0.0.0")  # noqa: S104 - compared with, not bound

Body = Mapping[str, Any]


class Login(msgspec.Struct, frozen=True):
    """How we log in at a back-end: as the user (`master` empty), or as a master user for the user."""

    parts: tuple[str, ...]  # login_name, cut at its fields; empty = the address itself
    master: str = ""
    password: Secret | None = None

    def name(self, address: str) -> str:
        """The name the store knows this mailbox by."""
        if not self.parts:
            return address
        local, _, domain = address.rpartition("@") if "@" in address else (address, "", "")
        fields = {"{address}": address, "{local}": local, "{domain}": domain}
        return "".join(fields.get(part, part) for part in self.parts)


class BackEnd(msgspec.Struct, frozen=True):
    """One mail store. `loops`: services whose endpoint is a listener of our own."""

    name: str
    endpoints: dict[Service, Endpoint]
    login: Login = Login(())
    standby: str = ""
    draining: bool = False
    loops: frozenset[Service] = frozenset()

    def route(self, service: Service, address: str, credentials: Credentials, source: str) -> Route:
        """The way to a mailbox here, for somebody who may open it."""
        login = self.login
        name = login.name(address) if login.parts else address
        if login.password is None:
            return Route(self.endpoints[service], address, name, name, credentials.password, source)
        return Route(self.endpoints[service], address, name, login.master, login.password, source)


def back_end(name: str, body: Body, node: str, secret: str, ours: Iterable[ListenerSpec]) -> BackEnd:
    """A back-end of the configuration; `secret`: its master password, opened. Raises ValueError."""
    local = body.get("local") or {} if name == node else {}
    endpoints = {}
    for service in SESSIONS:
        if address := local.get(service) or body.get(service):
            endpoints[service] = _endpoint(name, service, address, body)
    is_master = body.get("login") == "master"
    if is_master and not (secret and body.get("master_user")):
        raise ValueError("login = master needs master_user and master_password_file")
    template = body.get("login_name") or "{address}"
    login = Login(
        () if template == "{address}" else tuple(part for part in _FIELD.split(template) if part),
        body["master_user"] if is_master else "",
        Secret(secret.encode()) if is_master else None,
    )
    draining = body.get("state") == "drain"
    return BackEnd(name, endpoints, login, body.get("standby") or "", draining, _loops(endpoints, tuple(ours)))


def by_address(address: str, services: Iterable[Service], ours: Iterable[ListenerSpec]) -> BackEnd:
    """The nameless back-end of these services' `failover = "HOST:PORT"`: in the clear, the password replayed.

    Raises ValueError.
    """
    endpoints = {service: _endpoint(address, service, address, {}) for service in services}
    return BackEnd(address, endpoints, loops=_loops(endpoints, tuple(ours)))


def _endpoint(name: str, service: Service, address: str, body: Body) -> Endpoint:
    host, port = split(address)
    pin = body.get("tls_pin") or ""
    return Endpoint(
        name,
        host,
        port,
        TlsMode(body.get(f"{service}_tls") or body.get("tls") or "none"),
        body.get("tls_name") or "",
        body.get("tls_ca") or "",
        bytes.fromhex(pin.removeprefix("sha256:").replace(":", "")),
        body.get("client_address") or "none",
    )


def _loops(endpoints: Mapping[Service, Endpoint], ours: tuple[ListenerSpec, ...]) -> frozenset[Service]:
    return frozenset(service for service, endpoint in endpoints.items() if is_ours(endpoint.host, endpoint.port, ours))


def is_ours(host: str, port: int, ours: Iterable[ListenerSpec]) -> bool:
    """Whether connecting there would reach one of these listeners of this node. Names are not resolved here."""
    host = "127.0.0.1" if host == "localhost" else host
    listeners = {split(spec.address) for spec in ours}
    if (host, port) in listeners:
        return True
    return any((wildcard, port) in listeners for wildcard in _WILDCARDS) and _is_local(host)


def _is_local(host: str) -> bool:
    """Whether `host` is an address of this machine: only then it can be bound. Names are not resolved here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        socket.inet_pton(family, host)
        probe.bind((host, 0))
        return True
    return False
