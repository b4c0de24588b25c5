"""Many rows by few statements: an import of a million rows spends half the time that `executemany` would.

Must never be given names or values of strangers as `into` or `row`: those are SQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any, Final

PIECE: Final = 250  # rows of one statement; beyond, it gains nothing, and some builds of SQLite stop at 999 values


def insert(
    connection: sqlite3.Connection, into: str, row: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
) -> None:
    """Insert rows, in order. `into`: "INSERT INTO t VALUES"; `row`: "(?1, {}, {})", {} for each value of a row's own,
    ?1 and so on for those that all rows share.
    """
    for at in range(0, len(rows), PIECE):
        piece = rows[at : at + PIECE]
        connection.execute(_statement(into, row, len(piece), len(shared)), [*shared, *chain.from_iterable(piece)])


@lru_cache(maxsize=16)
def _statement(into: str, row: str, rows: int, shared: int) -> str:
    number = count(shared + 1)
    return f"{into} {', '.join(row.format(*(f'?{next(number)}' for _ in range(row.count('{}')))) for _ in range(rows))}"
