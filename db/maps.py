"""User maps of type sqlite: address (or "@domain") to back-end, in generations ("loads").

A load is named by the revision that began it; `map_state` says which one is in use. Load 0 is the empty one.
Written by the applier only. `look` is on the path of every log-in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from operator import itemgetter

from msgspec import Struct

from db import bulk
from db.prefix import past

_LOOK = "SELECT backend FROM map_entry WHERE load = ? AND address = ?"
_STATE = "SELECT load, previous, previous_until, entries, rev FROM map_state WHERE map = ?"


class MapState(Struct, frozen=True):
    """Which load is in use; `previous` can be gone back to until `previous_until` (0 = nothing to undo)."""

    load: int
    previous: int
    previous_until: float
    entries: int
    rev: int


class Import(Struct, frozen=True):
    """An import under way."""

    load: int
    map: str
    mode: str
    base_rev: int
    chunks: int
    at: float


# --- reading -------------------------------------------------------------------------------------------------


def state(connection: sqlite3.Connection, map: str) -> MapState | None:  # noqa: A002 - the column's name
    """The state of a map, or None if nothing was ever put into it."""
    row = connection.execute(_STATE, (map,)).fetchone()
    return None if row is None else MapState(*row)


def look(connection: sqlite3.Connection, load: int, address: str) -> str | None:
    """The back-end of exactly this address (or "@domain"), or None."""
    row = connection.execute(_LOOK, (load, address)).fetchone()
    return None if row is None else row[0]


def entry_rev(connection: sqlite3.Connection, load: int, address: str) -> int:
    """The revision that last wrote the entry; 0 if there is none."""
    row = connection.execute("SELECT rev FROM map_entry WHERE load = ? AND address = ?", (load, address)).fetchone()
    return 0 if row is None else int(row[0])


def page(
    connection: sqlite3.Connection, load: int, *, prefix: str = "", after: str = "", limit: int = 100
) -> list[tuple[str, str]]:
    """Entries in the order of their addresses, those that begin with `prefix` and come after `after`."""
    query = (
        "SELECT address, backend FROM map_entry"
        " WHERE load = ? AND address > ? AND address >= ? AND address < ? ORDER BY address LIMIT ?"
    )
    return connection.execute(query, (load, after, prefix, past(prefix), limit)).fetchall()


def containing(connection: sqlite3.Connection, load: int, text: str, limit: int) -> list[tuple[str, str]]:
    """Entries whose address has this text behind its beginning, by address. May read the whole load."""
    query = "SELECT address, backend FROM map_entry WHERE load = ? AND instr(address, ?) > 1 ORDER BY address LIMIT ?"
    return connection.execute(query, (load, text, limit)).fetchall()


def filtered(
    connection: sqlite3.Connection, load: int, *, text: str = "", backend: str = "", after: str = "", limit: int = 100
) -> list[tuple[str, str]]:
    """Entries by address, behind `after`, on this back-end, whose address or back-end has this text.

    Either may be empty: all. May read the whole load.
    """
    query = (
        "SELECT address, backend FROM map_entry WHERE load = ?1 AND address > ?2"
        " AND (?3 = '' OR backend = ?3) AND (?4 = '' OR instr(address, ?4) OR instr(backend, ?4))"
        " ORDER BY address LIMIT ?5"
    )
    return connection.execute(query, (load, after, backend, text, limit)).fetchall()


def rows(connection: sqlite3.Connection, load: int) -> Iterator[tuple[str, str]]:
    """All entries in the order of their addresses; holds a read transaction until it is exhausted or closed."""
    query = "SELECT address, backend FROM map_entry WHERE load = ? ORDER BY address"
    yield from connection.execute(query, (load,))


def counts(connection: sqlite3.Connection, load: int) -> dict[str, int]:
    """Entries per back-end. Reads the whole load."""
    query = "SELECT backend, COUNT(*) FROM map_entry WHERE load = ? GROUP BY backend ORDER BY backend"
    return dict(connection.execute(query, (load,)))


def entries(connection: sqlite3.Connection, load: int) -> int:
    """How many entries a load has. Reads the whole load."""
    return int(connection.execute("SELECT COUNT(*) FROM map_entry WHERE load = ?", (load,)).fetchone()[0])


def unfinished(connection: sqlite3.Connection) -> list[Import]:
    """Imports that were begun and neither committed nor aborted."""
    found = connection.execute("SELECT load, map, mode, base_rev, chunks, at FROM map_import ORDER BY load")
    return [Import(*row) for row in found]


def import_of(connection: sqlite3.Connection, load: int) -> Import | None:
    """The import under way that fills this load, or None."""
    return next((found for found in unfinished(connection) if found.load == load), None)


# --- writing: single entries ---------------------------------------------------------------------------------


def put_state(connection: sqlite3.Connection, map: str, new: MapState) -> None:  # noqa: A002
    """Write the state of a map."""
    values = (map, new.load, new.previous, new.previous_until, new.entries, new.rev)
    connection.execute("INSERT OR REPLACE INTO map_state VALUES (?, ?, ?, ?, ?, ?)", values)


def set_entry(connection: sqlite3.Connection, map: str, address: str, backend: str | None, rev: int) -> None:  # noqa: A002
    """Put (or, with None, delete) one entry of the load in use. A map without one gets the load `rev`."""
    now = state(connection, map) or MapState(0, 0, 0.0, 0, 0)
    if backend is None and not now.load:
        return
    load = now.load or rev
    before = entry_rev(connection, load, address) != 0
    write(connection, load, [(address, backend)], rev)
    count = now.entries + (backend is not None) - before
    put_state(connection, map, MapState(load, now.previous, now.previous_until, count, rev))


# --- writing: whole loads ------------------------------------------------------------------------------------


def write(connection: sqlite3.Connection, load: int, chunk: Sequence[tuple[str, str | None]], rev: int) -> None:
    """Put (or, where the back-end is None, delete) many entries of a load; the last of one address holds."""
    if None not in map(itemgetter(1), chunk):
        bulk.insert(connection, "INSERT OR REPLACE INTO map_entry VALUES", "(?1, {}, {}, ?2)", chunk, (load, rev))
        return
    for address, backend in chunk:
        if backend is None:
            connection.execute("DELETE FROM map_entry WHERE load = ? AND address = ?", (load, address))
        else:
            connection.execute("INSERT OR REPLACE INTO map_entry VALUES (?, ?, ?, ?)", (load, address, backend, rev))


def copy(connection: sqlite3.Connection, source: int, target: int) -> None:
    """Begin a load with all entries of another, their revisions kept."""
    query = "INSERT INTO map_entry SELECT ?, address, backend, rev FROM map_entry WHERE load = ?"
    connection.execute(query, (target, source))


def begin(connection: sqlite3.Connection, new: Import) -> None:
    """Remember that an import is under way."""
    values = (new.load, new.map, new.mode, new.base_rev, new.chunks, new.at)
    connection.execute("INSERT INTO map_import VALUES (?, ?, ?, ?, ?, ?)", values)


def arrived(connection: sqlite3.Connection, load: int) -> None:
    """Count one more chunk of an import."""
    connection.execute("UPDATE map_import SET chunks = chunks + 1 WHERE load = ?", (load,))


def end(connection: sqlite3.Connection, load: int) -> None:
    """Forget that an import was under way."""
    connection.execute("DELETE FROM map_import WHERE load = ?", (load,))


def loads(connection: sqlite3.Connection) -> set[int]:
    """All loads that have entries, found by hopping from one to the next."""
    found: set[int] = set()
    query = "SELECT MIN(load) FROM map_entry WHERE load > ?"
    load = connection.execute(query, (0,)).fetchone()[0]
    while load is not None:
        found.add(load)
        load = connection.execute(query, (load,)).fetchone()[0]
    return found


def states(connection: sqlite3.Connection) -> dict[str, MapState]:
    """The states of all maps."""
    query = "SELECT map, load, previous, previous_until, entries, rev FROM map_state"
    return {name: MapState(*rest) for name, *rest in connection.execute(query)}


def drop(connection: sqlite3.Connection, load: int, limit: int) -> int:
    """Delete up to `limit` entries of a load that nothing refers to; how many went."""
    query = (
        "DELETE FROM map_entry WHERE load = ?1 AND address IN (SELECT address FROM map_entry WHERE load = ?1 LIMIT ?2)"
    )
    return connection.execute(query, (load, limit)).rowcount
