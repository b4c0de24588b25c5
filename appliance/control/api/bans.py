"""Requests about bans: addresses (of hosts or networks) and accounts that are refused."""

from __future__ import annotations

from appliance.control.api import Request


class BanList(Request, frozen=True, tag="ban list"):
    """Value: [{scope, subject, until, reason}]; `until` is RFC 3339, empty = until lifted."""


class BanAdd(Request, frozen=True, tag="ban add"):
    """Refuse an IP address, a network or an account, for `seconds` (0 = until lifted)."""

    subject: str
    seconds: float = 0
    reason: str = ""


class BanLift(Request, frozen=True, tag="ban lift"):
    """Refused if there is no such ban."""

    subject: str
