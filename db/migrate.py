"""Brings a database to this release's tables: numbered SQL files, each with its record in one transaction.

Must never change a file that was released: what it did is done somewhere. New tables come in new files.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

Family = Literal["config", "node"]

_FILES = Path(__file__).parent / "migrations"
_RECORD = "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID"


class TooNew(Exception):  # noqa: N818 - a fact, not an error of ours
    """The database was written by a later release than this one."""


def migrate(connection: sqlite3.Connection, family: Family) -> list[str]:
    """Apply what is missing; the names of the files applied now. Raises TooNew for a later release's database."""
    connection.execute(_RECORD)
    missing = pending(connection, family)
    for file in missing:
        _apply(connection, file)
    return [file.name for file in missing]


def pending(connection: sqlite3.Connection, family: Family) -> list[Path]:
    """The files that this database has not seen yet, in order. Raises TooNew as migrate does."""
    files = sorted((_FILES / family).glob("*.sql"))
    unknown = sorted(applied(connection) - {file.name for file in files})
    if unknown:
        raise TooNew(f"the database was written by a later release (it knows {unknown[-1]})")
    return [file for file in files if file.name not in applied(connection)]


def applied(connection: sqlite3.Connection) -> set[str]:
    """The names of the files that this database has seen."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchone():
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migration")}


def _apply(connection: sqlite3.Connection, file: Path) -> None:
    record = f"INSERT INTO migration VALUES ('{file.name}', unixepoch())"  # noqa: S608 - our own file's name
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{file.read_text()}\n{record};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
