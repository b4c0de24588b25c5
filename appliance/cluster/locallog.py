"""The log of a single node: a table of the database that its entries change, so that both change or neither."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager

from appliance.cluster.log import Trimmed
from db import log
from db.connect import transaction

PAGE = 64


class LocalLog:
    """Implements appliance.cluster.log.Log on a writer's connection to config.db."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, id: str, entry: bytes) -> int:  # noqa: A002 - the entry's field
        """Add an entry; durable when this returns, unless a transaction goes on around it."""
        with transaction(self._connection):
            return log.append(self._connection, id, entry)

    def follow(self, from_revision: int) -> Iterator[tuple[int, str, bytes]]:
        """Entries from that revision on, to the head. Raises Trimmed if older ones are gone that were asked for."""
        if from_revision < log.oldest(self._connection):
            raise Trimmed(f"the log begins after revision {from_revision}")
        while page := log.page(self._connection, from_revision, PAGE):
            yield from page
            from_revision = page[-1][0] + 1

    def head(self) -> int:
        """The highest revision given out."""
        return log.head(self._connection)

    def trim(self, revision: int) -> None:
        """Forget entries of that revision and below."""
        while log.trim(self._connection, revision, 1000):
            pass

    def together(self) -> AbstractContextManager[None]:
        """Appending and applying inside are one transaction."""
        return transaction(self._connection)
