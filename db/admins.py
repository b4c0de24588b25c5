"""Administrators: name, role, public keys, password hash, sealed TOTP secret. Written by the applier only (db/rows.py).

Must never be shown as they are: `password` and `totp` are secrets.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from msgspec import Struct

_COLUMNS = "SELECT name, role, keys, password, totp, rev FROM admin"


class Admin(Struct, frozen=True):
    """One administrator. `keys`: {key, fingerprint, comment} each; `password` a hash and `totp` sealed, or empty."""

    name: str
    role: str
    keys: list[dict[str, str]]
    password: str
    totp: str
    rev: int

    def row(self) -> dict[str, Any]:
        """As entries of the log have it."""
        return {name: getattr(self, name) for name in ("name", "role", "keys", "password", "totp")}

    def __repr__(self) -> str:
        return f"Admin({self.name!r}, {self.role!r}, ***)"


def get(connection: sqlite3.Connection, name: str) -> Admin | None:
    """The administrator of this name, or None."""
    row = connection.execute(f"{_COLUMNS} WHERE name = ?", (name,)).fetchone()
    return None if row is None else _admin(row)


def role(connection: sqlite3.Connection, name: str) -> str:
    """The role of an administrator; empty if there is none of this name."""
    row = connection.execute("SELECT role FROM admin WHERE name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def all(connection: sqlite3.Connection) -> list[Admin]:  # noqa: A001 - read as admins.all
    """All of them, by name."""
    return [_admin(row) for row in connection.execute(f"{_COLUMNS} ORDER BY name")]


def _admin(row: tuple[Any, ...]) -> Admin:
    name, role, keys, password, totp, rev = row
    return Admin(name, role, json.loads(keys), password, totp, rev)
