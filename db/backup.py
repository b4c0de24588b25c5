"""Copies of a live database, and back: by SQLite's backup API. A live file is never renamed or swapped."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from db.migrate import Family, applied, migrate, pending


def backup(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database, as of one moment, to a new file of mode 0600.

    `source` must be a connection of its own (a reader): another thread's open transaction would be copied too.
    Raises FileExistsError, OSError, sqlite3.Error; then there is no file.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # the copy is one file, readable from read-only places
    except BaseException:  # raised on: half a copy must not be taken for one
        target.unlink(missing_ok=True)
        raise


def load(source: Path, live: sqlite3.Connection, family: Family = "config") -> None:
    """Replace all of a live database's contents by a copy's, in one transaction, and bring them to this release.

    Raises ValueError if the file is none of ours or damaged, TooNew if a later release wrote it.
    """
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as copy:
        _verify(copy, source, family)
        copy.backup(live)
    migrate(live, family)


def _verify(copy: sqlite3.Connection, source: Path, family: Family) -> None:
    table = {"config": "map_state", "node": "self"}[family]
    try:
        found = applied(copy) and copy.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        sound = copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{source} cannot be read: {error}") from error
    if not found or not sound:
        raise ValueError(f"{source} is damaged" if found else f"{source} is not a copy of a {family}.db")
    pending(copy, family)
