"""What a node remembers of the consoles on it, in node.db: who came in when and from where, which codes were used."""

from __future__ import annotations

import sqlite3

DAY = 86400.0


def came_in(connection: sqlite3.Connection, name: str, at: float) -> None:
    """An administrator came in."""
    connection.execute("INSERT OR REPLACE INTO console_seen VALUES (?, ?)", (name, at))


def seen(connection: sqlite3.Connection) -> dict[str, float]:
    """When each administrator last came in."""
    return dict(connection.execute("SELECT name, at FROM console_seen"))


def trust(connection: sqlite3.Connection, client: str, at: float) -> None:
    """A key let somebody in from there; what is older than a day is forgotten."""
    connection.execute("INSERT OR REPLACE INTO console_trusted VALUES (?, ?)", (client, at))
    connection.execute("DELETE FROM console_trusted WHERE at < ?", (at - DAY,))


def is_trusted(connection: sqlite3.Connection, client: str, now: float) -> bool:
    """Whether a key let somebody in from there within a day."""
    query = "SELECT 1 FROM console_trusted WHERE client = ? AND at >= ?"
    return connection.execute(query, (client, now - DAY)).fetchone() is not None


def last_step(connection: sqlite3.Connection, name: str, secret: str) -> int:
    """The last time step whose code an administrator used, of the secret with this digest; 0 if none was."""
    row = connection.execute("SELECT step FROM console_code WHERE name = ? AND secret = ?", (name, secret)).fetchone()
    return 0 if row is None else int(row[0])


def use_step(connection: sqlite3.Connection, name: str, secret: str, step: int) -> None:
    """The code of this step is used."""
    connection.execute("INSERT OR REPLACE INTO console_code VALUES (?, ?, ?)", (name, secret, step))
