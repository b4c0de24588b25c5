"""The local log's table: entries in order of their revisions, each id once. Never edited, trimmed at its old end."""

from __future__ import annotations

import sqlite3

from db import meta


def head(connection: sqlite3.Connection) -> int:
    """The highest revision given out so far, here or by the log that this database was filled from."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return max(0 if row is None else int(row[0]), meta.revision(connection))


def append(connection: sqlite3.Connection, id: str, entry: bytes) -> int:  # noqa: A002 - the column's name
    """Add an entry; its revision, the next one. If its id is there already nothing changes: the revision it has."""
    row = connection.execute("SELECT revision FROM log WHERE id = ?", (id,)).fetchone()
    if row is not None:
        return int(row[0])
    revision = head(connection) + 1
    connection.execute("INSERT INTO log (revision, id, entry) VALUES (?, ?, ?)", (revision, id, entry))
    return revision


def page(connection: sqlite3.Connection, start: int, limit: int) -> list[tuple[int, str, bytes]]:
    """Up to `limit` entries from revision `start` on."""
    query = "SELECT revision, id, entry FROM log WHERE revision >= ? ORDER BY revision LIMIT ?"
    return connection.execute(query, (start, limit)).fetchall()


def oldest(connection: sqlite3.Connection) -> int:
    """The lowest revision that is still kept; one past the head if none is."""
    found = connection.execute("SELECT MIN(revision) FROM log").fetchone()[0]
    return head(connection) + 1 if found is None else int(found)


def trim(connection: sqlite3.Connection, revision: int, limit: int) -> int:
    """Delete up to `limit` entries of that revision and below, oldest first; how many went."""
    query = "DELETE FROM log WHERE revision IN (SELECT revision FROM log WHERE revision <= ? ORDER BY revision LIMIT ?)"
    return connection.execute(query, (revision, limit)).rowcount
