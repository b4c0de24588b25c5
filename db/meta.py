"""What the databases say of themselves: config.db's revision and digest, this node's name in node.db.

Must never be written by anyone but the applier (config.db) and `init` (node.db).
"""

from __future__ import annotations

import sqlite3
from typing import Any


def get(connection: sqlite3.Connection, name: str, default: Any = None) -> Any:
    """One value of config.db's meta table."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return default if row is None else row[0]


def put(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Set one value of config.db's meta table."""
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def revision(connection: sqlite3.Connection) -> int:
    """The last log entry applied; 0 in a new database."""
    return int(get(connection, "revision", 0))


def config_revision(connection: sqlite3.Connection) -> int:
    """The last log entry that changed the configuration (not data); 0 if none did."""
    return int(get(connection, "config_revision", 0))


def digest(connection: sqlite3.Connection) -> str:
    """What was applied, in order, as one hash: equal on all nodes at equal revisions."""
    return str(get(connection, "digest", ""))


def node_name(connection: sqlite3.Connection) -> str:
    """This node's name, from node.db; empty before `init`."""
    row = connection.execute("SELECT value FROM self WHERE name = 'name'").fetchone()
    return "" if row is None else str(row[0])


def name_node(connection: sqlite3.Connection, name: str) -> None:
    """Give this node its name, in node.db."""
    connection.execute("INSERT OR REPLACE INTO self VALUES ('name', ?)", (name,))
