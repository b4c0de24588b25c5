"""The configuration as one node's routing sees it: immutable, with everything resolved that can be beforehand.

Must never be half right: what cannot be built raises SnapshotError, and whoever serves keeps the snapshot it had.
A session keeps the one it began with.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from appliance.messages import ListenerSpec
from appliance.routing import names
from appliance.routing.backends import BackEnd, back_end, by_address
from appliance.routing.names import NameRules
from appliance.routing.services import SESSIONS, ServiceView, listening, service_view
from appliance.terms import Limits, Service
from appliance.vault import Vault
from db.objects import Objects, read_objects

SEALED: Final = "sealed:"


class SnapshotError(Exception):
    """The configuration cannot be served: one sentence that says what of it and why."""


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain and its key, for the names (SNI) given; "*" = default."""

    names: tuple[str, ...]
    certificate: str  # PEM
    key: str  # PEM; never logged

    def __repr__(self) -> str:
        return f"Certificate({', '.join(self.names)})"


class MapView(msgspec.Struct, frozen=True):
    """A user map as configured."""

    name: str
    type: str
    fold: bool


class Snapshot(msgspec.Struct, frozen=True):
    """All that routing needs to know, of one configuration revision."""

    revision: int
    node: str
    rules: NameRules
    back_ends: dict[str, BackEnd]  # by name; failovers given as HOST:PORT too
    maps: dict[str, MapView]
    services: dict[Service, ServiceView]
    listeners: tuple[ListenerSpec, ...]
    method: str  # internal | backend
    limits: Limits
    certificates: tuple[Certificate, ...]


def load_snapshot(connection: sqlite3.Connection, node: str, vault: Vault) -> Snapshot:
    """The snapshot of the configuration as it is now. Raises SnapshotError; sqlite3.Error if it cannot be read."""
    return build(read_objects(connection), node, vault)


def build(objects: Objects, node: str, vault: Vault) -> Snapshot:
    """The snapshot of these objects on the node of this name. Raises SnapshotError."""
    try:
        return _build(objects, node, vault)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Bodies were checked when they were set; one of another release may still have a shape we do not know.
        raise SnapshotError(f"configuration {objects.revision} cannot be served: {error}") from error


def open_secret(body: dict[str, Any], key: str, vault: Vault) -> str:
    """The secret kept under `key`, opened. Raises ValueError if it was sealed with another key."""
    value = str(body.get(key) or "")
    return vault.open(value.removeprefix(SEALED)) if value.startswith(SEALED) else value


def _build(objects: Objects, node: str, vault: Vault) -> Snapshot:
    site = objects.get("site")
    services = {service: service_view(objects, node, service) for service in SESSIONS}
    ours = tuple(listening(objects, node))
    maps = {name: _map(name, objects.get("map", name)) for name in objects.names("map")}
    return Snapshot(
        objects.revision,
        node,
        names.rules(site["default_domain"], site["recipient_delimiter"], site["aliases"]),
        _back_ends(objects, node, vault, services, ours),
        maps,
        services,
        ours,
        objects.get("auth")["method"],
        msgspec.convert(objects.get("limits"), Limits, strict=False),
        tuple(_certificate(objects.get("certificate", name), vault) for name in objects.names("certificate")),
    )


def _back_ends(
    objects: Objects, node: str, vault: Vault, services: dict[Service, ServiceView], ours: tuple[ListenerSpec, ...]
) -> dict[str, BackEnd]:
    found = {}
    for name in objects.names("backend"):
        body = objects.get("backend", name)
        try:
            found[name] = back_end(name, body, node, open_secret(body, "master_password", vault), ours)
        except ValueError as error:
            raise ValueError(f"backend {name}: {error}") from error
    nameless: dict[str, list[Service]] = {}
    for service, view in services.items():
        if view.failover and view.failover not in found:
            nameless.setdefault(view.failover, []).append(service)
    return found | {address: by_address(address, of, ours) for address, of in nameless.items()}


def _map(name: str, body: dict[str, Any]) -> MapView:
    return MapView(name, body["type"], body["fold"] != "none")


def _certificate(body: dict[str, Any], vault: Vault) -> Certificate:
    return Certificate(tuple(body["names"]), body["certificate"], open_secret(body, "key", vault))
