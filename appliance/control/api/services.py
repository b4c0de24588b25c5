"""Requests about services, and about the other things that there is one of: site, auth, metrics, limits."""

from __future__ import annotations

from typing import Any

from appliance.control.api import Request


class ServiceList(Request, frozen=True, tag="service list"):
    """Value: [{name, enabled, listen, listen_tls, map, failover, state, reason}], as they are on this node.

    state: on | off | stopped | unavailable (not in this release, says `reason`).
    """


class ServiceShow(Request, frozen=True, tag="service show"):
    """Value: {name, settings: [{name, value, set, default, unit, help, type, choices, minimum, maximum, required,
    file, secret, live, scope}]}, contents of files as KEPT.

    choices: of a choice, and the names of what there is where a setting names other objects; live: takes effect at
    once; scope: site, or node where each node counts or opens by itself.
    """

    name: str


class SettingsNew(Request, frozen=True, tag="settings new"):
    """Value: {kind, settings}, as of ServiceShow: what a new object of this kind can be given."""

    kind: str


class ServiceSet(Request, frozen=True, tag="service set"):
    """Set these; a value of null goes back to the default. Value: {revision}."""

    name: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        return f"ServiceSet({self.name!r}, {list(self.values)})"
