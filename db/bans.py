"""Who is refused for a time: an IP address or network, or an account. Written by the applier only (db/rows.py)."""

from __future__ import annotations

import sqlite3

from msgspec import Struct


class Ban(Struct, frozen=True):
    """One ban. `scope`: "address", "account", or "console" (an address, there alone); `until` 0 = for good."""

    scope: str
    subject: str
    until: float
    reason: str
    rev: int


def all(connection: sqlite3.Connection) -> list[Ban]:  # noqa: A001 - read as bans.all
    """Every ban, expired ones too."""
    rows = connection.execute("SELECT scope, subject, until, reason, rev FROM ban ORDER BY scope, subject")
    return [Ban(*row) for row in rows]


def active(connection: sqlite3.Connection, now: float) -> list[Ban]:
    """The bans that hold at `now`."""
    return [ban for ban in all(connection) if not ban.until or ban.until > now]


def get(connection: sqlite3.Connection, scope: str, subject: str) -> Ban | None:
    """One ban, or None."""
    return next((ban for ban in all(connection) if (ban.scope, ban.subject) == (scope, subject)), None)
