"""Rows of an import on their way into a map: a SQLite file of its own that lives as long as the import.

It holds what was read until the whole file is known to be good, finds what the file says twice, and compares it with
the entries in force. Memory stays bounded by the caches named here; the disk holds the rest. Nothing in it needs to
survive: no journal, no syncing, and whoever finds such a file at start removes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from db import bulk

CACHE_KIB: Final = 8192

_SCHEMA: Final = "CREATE TABLE staged (line INTEGER PRIMARY KEY, address TEXT NOT NULL, backend TEXT NOT NULL)"
# The index makes all that follows one ordered walk; sorting once is several times faster than keeping it sorted.
_INDEX: Final = "CREATE INDEX by_address ON staged (address, line, backend)"
_DISTINCT: Final = "SELECT count(*) FROM (SELECT DISTINCT address FROM staged)"
# SQLite takes `backend` from the row that has the minimum: the first line of an address is what counts.
_TWICE: Final = """
    CREATE TABLE twice AS
    SELECT address, min(line) AS line, backend FROM staged GROUP BY address HAVING count(*) > 1
"""
_LATER: Final = "FROM twice AS first JOIN staged AS later ON later.address = first.address AND later.line > first.line"
_CONFLICTS: Final = f"{_LATER} AND later.backend <> first.backend"
_AGAINST: Final = """
    FROM staged AS s INDEXED BY by_address LEFT JOIN node.map_entry AS e ON e.load = :load AND e.address = s.address
"""
_GONE: Final = """
    SELECT e.address, e.backend FROM node.map_entry AS e
    WHERE e.load = :load AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.address = e.address) ORDER BY e.address
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


class Examples(NamedTuple):
    """What a difference is made of: the first of each by address, and who moves from where to where, most first."""

    new: list[tuple[str, str]]  # address, back-end
    moved: list[tuple[str, str, str]]  # address, before, then
    gone: list[tuple[str, str]]  # address, back-end before
    moves: list[tuple[str, str, int]]


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
        bulk.insert(self._connection, "INSERT INTO staged (line, address, backend) VALUES", "({}, {}, {})", rows)

    def seal(self, limit: int) -> tuple[int, list[Conflict]]:
        """After the last row. How many conflicts there are, and the first of them, by line.

        Of an address that was named several times only the first line stays.
        """
        self._connection.execute("COMMIT")
        self._connection.execute(_INDEX)
        self._rows = self._one(_DISTINCT)
        if self._rows == self._one("SELECT count(*) FROM staged"):
            return 0, []
        self._connection.execute(_TWICE)
        query = f"SELECT later.line, later.address, later.backend, first.line, first.backend {_CONFLICTS}"
        found = [Conflict(*row) for row in self._connection.execute(f"{query} ORDER BY later.line LIMIT ?", (limit,))]
        count = self._one(f"SELECT count(*) {_CONFLICTS}")
        self._connection.execute(f"DELETE FROM staged WHERE line IN (SELECT later.line {_LATER})")  # noqa: S608
        return count, found

    def compare(self, load: int) -> Difference:
        """With the entries of this load; 0 = none."""
        if not load:
            return Difference(self._rows, self._rows, 0, 0, 0)
        query = f"SELECT total(e.address IS NULL), total(e.backend <> s.backend) {_AGAINST}"
        new, moved = map(int, self._connection.execute(query, {"load": load}).fetchone())
        known = self._rows - new
        total = self._one("SELECT count(*) FROM node.map_entry WHERE load = ?", load)
        return Difference(self._rows, new, moved, known - moved, total - known)

    def examples(self, load: int, found: Difference, limit: int) -> Examples:
        """Of what `compare` found, `limit` of each."""
        which = {"load": load, "limit": limit}

        def rows(query: str, number: int) -> list[tuple[Any, ...]]:
            return self._connection.execute(f"{query} LIMIT :limit", which).fetchall() if number else []

        new = f"SELECT s.address, s.backend {_AGAINST} WHERE e.address IS NULL ORDER BY s.address"
        moved = f"SELECT s.address, e.backend, s.backend {_AGAINST} WHERE e.backend <> s.backend ORDER BY s.address"
        each = f"SELECT e.backend, s.backend, count(*) {_AGAINST} WHERE e.backend <> s.backend GROUP BY 1, 2"
        moves = rows(f"{each} ORDER BY 3 DESC", found.moved)
        return Examples(rows(new, found.new), rows(moved, found.moved), rows(_GONE, found.gone), moves)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every (address, back-end); they come by address, which makes writing them several times faster."""
        return self._connection.execute("SELECT address, backend FROM staged INDEXED BY by_address ORDER BY address")

    def changes(self, load: int) -> Iterator[tuple[str, str]]:
        """Those of `rows` that are not so in this load already."""
        query = f"SELECT s.address, s.backend {_AGAINST} WHERE e.backend IS NOT s.backend ORDER BY s.address"
        return self._connection.execute(query, {"load": load})

    def backends(self) -> set[str]:
        """The back-ends that the rows name. Reads them all."""
        return {name for (name,) in self._connection.execute("SELECT DISTINCT backend FROM staged")}

    def _one(self, query: str, *values: int) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])

    def close(self) -> None:
        """The file is removed by who named it."""
        self._connection.close()
