"""Connections to the two databases, and the one way to hold a transaction.

Must never be given a file that something renames: a live database is changed in place only (db/backup.py).
A reader of a WAL database that may not write needs someone who may to keep it open: the supervisor does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READER_PRAGMAS = ("busy_timeout = 2000", "query_only = 1", "mmap_size = 1073741824")
# FULL: what was acknowledged survives a power cut. The size limit gives back what a long import made of the WAL.
WRITER_PRAGMAS = (
    "busy_timeout = 5000",
    "journal_mode = WAL",
    "synchronous = FULL",
    "cache_size = -32768",
    "journal_size_limit = 67108864",
)


def reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot change anything. Raises sqlite3.OperationalError if there is no such database."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    return _prepared(connection, READER_PRAGMAS)


def writer(path: Path) -> sqlite3.Connection:
    """The connection that changes the database, created if missing. Threads may share it, under a lock of theirs."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    return _prepared(connection, WRITER_PRAGMAS)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: commits at the end, rolls back on any error. Inside another transaction it is part of that."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # raised on: also when a generator is closed within
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several reads of one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _prepared(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # the file is opened no earlier than now
    except BaseException:  # raised on: nobody else would close it
        connection.close()
        raise
    return connection
