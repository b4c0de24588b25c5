"""The change on trial, in node.db: so that a controller that restarts still takes it back."""

from __future__ import annotations

import sqlite3

from msgspec import Struct


class Trial(Struct, frozen=True):
    """One change. `until`: seconds since the epoch; `before`: revision it was made on; `revision`: its own, or 0."""

    id: str
    until: float
    seconds: float
    by: str
    origin: str
    before: int
    revision: int


def get(connection: sqlite3.Connection) -> Trial | None:
    """The one there is, or None."""
    row = connection.execute("SELECT id, until, seconds, by, origin, before, revision FROM trial").fetchone()
    return None if row is None else Trial(*row)


def put(connection: sqlite3.Connection, trial: Trial) -> None:
    """In the place of the one there was."""
    values = (trial.id, trial.until, trial.seconds, trial.by, trial.origin, trial.before, trial.revision)
    connection.execute("INSERT OR REPLACE INTO trial VALUES (1, ?, ?, ?, ?, ?, ?, ?)", values)


def forget(connection: sqlite3.Connection) -> None:
    """There is none any more."""
    connection.execute("DELETE FROM trial")
