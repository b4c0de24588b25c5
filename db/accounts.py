"""Internal accounts: address, password hash, state. Written by the applier only (db/rows.py)."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from db.prefix import past

_COLUMNS = "SELECT address, password, state, rev FROM account"


class Account(Struct, frozen=True):
    """One account. `password` is a hash; `state` is "on" or "off"."""

    address: str
    password: str
    state: str
    rev: int


def get(connection: sqlite3.Connection, address: str) -> Account | None:
    """The account of an address, or None."""
    row = connection.execute(f"{_COLUMNS} WHERE address = ?", (address,)).fetchone()
    return None if row is None else Account(*row)


def page(connection: sqlite3.Connection, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Account]:
    """Accounts in the order of their addresses, those that begin with `prefix` and come after `after`."""
    where = f"{_COLUMNS} WHERE address > ? AND address >= ? AND address < ? ORDER BY address LIMIT ?"
    return [Account(*row) for row in connection.execute(where, (after, prefix, past(prefix), limit))]


def containing(connection: sqlite3.Connection, text: str, limit: int) -> list[Account]:
    """Accounts whose address has this text behind its beginning, by address. May read all."""
    where = f"{_COLUMNS} WHERE instr(address, ?) > 1 ORDER BY address LIMIT ?"
    return [Account(*row) for row in connection.execute(where, (text, limit))]


def count(connection: sqlite3.Connection) -> int:
    """How many accounts there are."""
    return int(connection.execute("SELECT COUNT(*) FROM account").fetchone()[0])
