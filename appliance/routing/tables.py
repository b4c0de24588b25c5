"""What routing reads of config.db while it serves: one connection, one read transaction, renewed each second.

Holding the transaction makes a look-up three times cheaper than opening one each time, and gives every look-up of a
second the same view. Must never wait: a database that is locked or broken is an outage, told as Unknown at once and
tried again at the next renewal. Must never answer "no such ..." because of an error.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final

from appliance.terms import ABSENT, Found, Lookup, Unknown
from db import accounts, maps, meta
from db.accounts import Account
from db.connect import reader

BUSY_MS: Final = 50  # the most that a renewal may hold up a worker's loop
# No mapping: a read through one of a file that was cut short kills the process (SIGBUS); a failed read is an outage.
# The cache holds the inner pages of a map of a million rows; its leaves are in the page cache, shared by all workers.
PRAGMAS: Final = (f"busy_timeout = {BUSY_MS}", "mmap_size = 0", "cache_size = -4096")

BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)  # somebody else's doing: the connection is as good as ever


class Tables:
    """A held view of config.db. Belongs to the thread that made it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._cursor: Any = None  # of the connection, kept: a look-up then makes no new one, a tenth of its cost
        self._loads: dict[str, int] = {}
        self.problem = "config.db has not been read yet"
        self.revision = -1
        self.config_revision = -1

    @classmethod
    def over(cls, connection: sqlite3.Connection) -> Tables:
        """A view through somebody else's connection, for one question (routing.explain)."""
        tables = cls(Path())
        tables._connection, tables._cursor, tables.problem = connection, connection, ""
        return tables

    @property
    def connection(self) -> sqlite3.Connection:
        """For reads of more than one row. Raises sqlite3.OperationalError during an outage."""
        if self._connection is None or self.problem:
            raise sqlite3.OperationalError(self.problem)
        return self._connection

    def renew(self) -> bool:
        """See what was committed meanwhile. False during an outage: `problem` says why."""
        try:
            connection = self._connection or self._open()
            if connection.in_transaction:
                connection.execute("COMMIT")
            connection.execute("BEGIN")
            revision = meta.revision(connection)
            if revision != self.revision:
                self.config_revision = meta.config_revision(connection)
                self.revision = revision
                self._loads.clear()
            self.problem = ""
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) not in BUSY:
                self.close()
            self.problem = f"config.db: {error}"
        return not self.problem

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection, self.problem = None, "config.db is closed"
        self.revision = self.config_revision = -1

    def entry(self, name: str, address: str) -> str | Unknown | None:
        """The back-end that a sqlite map has for exactly this address (or "@domain"); None if it has no such entry."""
        if self.problem:
            return Unknown(self.problem)
        try:
            load = self._loads.get(name)
            if load is None:
                load = self._loads[name] = self._load(name)
            return maps.look(self._cursor, load, address)
        except sqlite3.Error as error:
            return Unknown(f"map {name}: {error}")

    def account(self, address: str) -> Lookup[Account]:
        """An internal account."""
        if self.problem:
            return Unknown(self.problem)
        try:
            found = accounts.get(self.connection, address)
        except sqlite3.Error as error:
            return Unknown(f"accounts: {error}")
        return ABSENT if found is None else Found(found)

    def _open(self) -> sqlite3.Connection:
        connection = reader(self._path)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        self._connection, self._cursor = connection, connection.cursor()
        return connection

    def _load(self, name: str) -> int:
        state = maps.state(self.connection, name)
        return 0 if state is None else state.load
