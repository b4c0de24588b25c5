"""Rows of an import on their way into a map: a SQLite file of its own that lives as long as the import.

It holds what was read until the whole file is known to be good, finds what the file says twice, and compares it with
the entries in force. Memory stays bounded by the caches named here; the disk holds the rest. Nothing in it needs to
survive: no journal, no syncing, and whoever finds such a file at start removes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

CACHE_KIB: Final = 16384

_SCHEMA: Final = "CREATE TABLE staged (line INTEGER PRIMARY KEY, address TEXT NOT NULL, backend TEXT NOT NULL)"
# The index makes all that follows one ordered walk; sorting once is several times faster than keeping it sorted.
_INDEX: Final = "CREATE INDEX by_address ON staged (address, line, backend)"
_DISTINCT: Final = "SELECT count(*) FROM (SELECT DISTINCT address FROM staged)"
# Of an address named several times the first line counts: SQLite takes `backend` from the row that has the minimum.
_FIRST: Final = "(SELECT address, min(line) AS line, backend FROM staged GROUP BY address)"
_TWICE: Final = "(SELECT address, min(line) AS line, backend FROM staged GROUP BY address HAVING count(*) > 1)"
_CONFLICTS: Final = f"""
    FROM {_TWICE} AS first JOIN staged AS later
    ON later.address = first.address AND later.line > first.line AND later.backend <> first.backend
"""


class Conflict(NamedTuple):
    """Line `line` gives `address` another back-end than `first_line` did."""

    line: int
    address: str
    backend: str
    first_line: int
    first_backend: str

    def __str__(self) -> str:
        return f"{self.address} is on {self.backend} here, and on {self.first_backend} in line {self.first_line:,}"


class Difference(NamedTuple):
    """What the staged rows are to the entries in force; `gone` are those that are not among the rows."""

    rows: int
    new: int
    moved: int
    same: int
    gone: int


class Staging:
    """One import's rows."""

    def __init__(self, path: Path, config_db: Path) -> None:
        """Make the file at `path`. `config_db` is only read. Raises sqlite3.Error (disk full, no such database)."""
        self._connection = sqlite3.connect(path.as_uri(), uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{CACHE_KIB}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("ATTACH ? AS node", (f"{config_db.as_uri()}?mode=ro",))
        self._connection.execute(_SCHEMA)
        self._connection.execute("BEGIN")

    def add(self, rows: Sequence[tuple[int, str, str]]) -> None:
        """Rows of (line, address, back-end); no line twice."""
        self._connection.executemany("INSERT INTO staged (line, address, backend) VALUES (?, ?, ?)", rows)

    def seal(self) -> None:
        """After the last row."""
        self._connection.execute("COMMIT")
        self._connection.execute(_INDEX)
        self._rows, self._distinct = self._one("SELECT count(*) FROM staged"), self._one(_DISTINCT)
        self._first = "staged AS s INDEXED BY by_address" if self._rows == self._distinct else f"{_FIRST} AS s"

    def conflicts(self, limit: int) -> tuple[int, list[Conflict]]:
        """How many there are, and the first of them, by line."""
        if self._rows == self._distinct:
            return 0, []
        query = f"""SELECT later.line, later.address, later.backend, first.line, first.backend
                    {_CONFLICTS} ORDER BY later.line LIMIT ?"""
        found = [Conflict(*row) for row in self._connection.execute(query, (limit,))]
        return self._one(f"SELECT count(*) {_CONFLICTS}"), found

    def compare(self, load: int) -> Difference:
        """With the entries of this load; 0 = none."""
        if not load:
            return Difference(self._distinct, self._distinct, 0, 0, 0)
        query = f"SELECT total(e.address IS NULL), total(e.backend <> s.backend) {self._against()}"
        new, moved = map(int, self._connection.execute(query, {"load": load}).fetchone())
        known = self._distinct - new
        total = self._one("SELECT count(*) FROM node.map_entry WHERE load = ?", load)
        return Difference(self._distinct, new, moved, known - moved, total - known)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every (address, back-end); they come by address, which makes writing them several times faster."""
        return self._connection.execute(f"SELECT address, backend FROM {self._first}")  # noqa: S608 - constants

    def changes(self, load: int) -> Iterator[tuple[str, str]]:
        """Those of `rows` that are not so in this load already."""
        query = f"SELECT s.address, s.backend {self._against()} WHERE e.backend IS NOT s.backend"
        return self._connection.execute(query, {"load": load})

    def _against(self) -> str:
        return f"FROM {self._first} LEFT JOIN node.map_entry AS e ON e.load = :load AND e.address = s.address"

    def _one(self, query: str, *values: int) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])

    def close(self) -> None:
        """The file is removed by who named it."""
        self._connection.close()
