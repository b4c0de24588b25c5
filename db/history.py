"""How log-ins on this node ended, in node.db: in lots, packed by who reports them. Bounded, the oldest go first.

Must never look into a lot: what is in it is the business of who wrote it. Never replicated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from itertools import accumulate
from typing import Final

from db.connect import transaction

KEPT: Final = 100_000  # log-ins; the lot that holds the oldest of them is kept whole


def add(connection: sqlite3.Connection, lots: Iterable[tuple[int, bytes]]) -> None:
    """Remember lots, each with how many log-ins it holds (one at least); forget those that are older than KEPT."""
    counts, packed = zip(*lots, strict=True)
    with transaction(connection):
        before = connection.execute("SELECT COALESCE(MAX(last), 0) FROM log_ins").fetchone()[0]
        last = list(accumulate(counts, initial=before))[1:]
        connection.executemany("INSERT INTO log_ins VALUES (?, ?)", zip(last, packed, strict=True))
        connection.execute("DELETE FROM log_ins WHERE last <= ?", (last[-1] - KEPT,))


def newest_first(connection: sqlite3.Connection) -> Generator[bytes, None, None]:
    """The lots, the newest first; holds a read transaction until it is exhausted or closed."""
    for (packed,) in connection.execute("SELECT packed FROM log_ins ORDER BY last DESC"):
        yield packed
