"""Requests about back-ends: the mail stores behind the nodes."""

from __future__ import annotations

from typing import Any

from appliance.control.api import Request


class BackendList(Request, frozen=True, tag="backend list"):
    """Value: [{name, imap, pop3, sieve, smtp, tls, state, standby, health, sessions, reason}]."""


class BackendShow(Request, frozen=True, tag="backend show"):
    """Value: {name, settings, used_by: [text]}; settings as of ServiceShow."""

    name: str


class BackendAdd(Request, frozen=True, tag="backend add"):
    """Refused if there is one of this name. Value: {revision}."""

    name: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        return f"BackendAdd({self.name!r}, {list(self.values)})"


class BackendSet(Request, frozen=True, tag="backend set"):
    """Set these; a value of null goes back to the default. Value: {revision}."""

    name: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        return f"BackendSet({self.name!r}, {list(self.values)})"


class BackendRemove(Request, frozen=True, tag="backend remove"):
    """Refused, naming who, while a map, a fail-over or a standby refers to it."""

    name: str


class BackendDrain(Request, frozen=True, tag="backend drain"):
    """No new sessions; those that are open go on."""

    name: str


class BackendEnable(Request, frozen=True, tag="backend enable"):
    """Take sessions again."""

    name: str


class BackendCheck(Request, frozen=True, tag="backend check"):
    """Probe one, or all, step by step. Value: [{backend, service, ok, steps: [{name, result, ms}], reason}]."""

    name: str = ""


class BackendFind(Request, frozen=True, tag="backend find"):
    """Mail stores on this machine, at the usual ports. Value: [{service, address, tls, tls_pin, greeting}]."""
