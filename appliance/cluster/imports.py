"""Imports of maps, as entries: begin, rows, commit or abort; and undo.

An import fills a load of its own; look-ups see nothing of it until `commit` flips the map to it in one transaction.
The load before is kept UNDO seconds. A change of the map between begin and commit is a conflict: it would be lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from appliance.cluster.conflict import Conflict, author
from appliance.cluster.log import Entry, UpgradeNeeded
from db import maps
from db.audit import Image
from db.maps import Import, MapState

UNDO: Final = 7 * 86400.0
NOTHING: Final = MapState(0, 0, 0.0, 0, 0)
Images = tuple[list[Image], list[Image]]


def apply(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    """Do one step of an import; the images of the map's state before and after. Raises Conflict with nothing done."""
    if entry.kind == "rows":
        return _rows(connection, revision, entry)
    step = _STEPS.get(entry.step)
    if step is None:
        raise UpgradeNeeded(f"an entry of the log has an import's step {entry.step!r} that this release does not know")
    return step(connection, revision, entry)


def _begin(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    now = maps.state(connection, entry.map) or NOTHING
    if entry.base_rev is not None:
        _unchanged(connection, entry.map, now, entry.base_rev)
    maps.begin(connection, Import(revision, entry.map, entry.mode or "replace", now.rev, 0, entry.at))
    if entry.mode == "merge":
        maps.copy(connection, now.load, revision)
    return [], []


def _rows(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    _under_way(connection, entry)
    maps.write(connection, entry.load, entry.rows, revision)
    maps.arrived(connection, entry.load)
    return [], []


def _commit(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    begun = _under_way(connection, entry)
    if begun.chunks != entry.of:
        raise Conflict(f"the import into map {begun.map} is not complete: {begun.chunks} of {entry.of} parts arrived")
    now = maps.state(connection, begun.map) or NOTHING
    _unchanged(connection, begun.map, now, begun.base_rev)
    maps.end(connection, entry.load)
    count = maps.entries(connection, entry.load)
    return _flip(connection, begun.map, now, MapState(entry.load, now.load, entry.at + UNDO, count, revision))


def _abort(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    _under_way(connection, entry)
    maps.end(connection, entry.load)  # its rows are deleted in pieces: housekeeping
    return [], []


def _undo(connection: sqlite3.Connection, revision: int, entry: Entry) -> Images:
    now = maps.state(connection, entry.map) or NOTHING
    if entry.base_rev is not None:
        _unchanged(connection, entry.map, now, entry.base_rev)
    if entry.at >= now.previous_until:
        raise Conflict(f"map {entry.map} has nothing to go back to: its last import is undone for 7 days only")
    count = maps.entries(connection, now.previous)
    return _flip(connection, entry.map, now, MapState(now.previous, now.load, entry.at + UNDO, count, revision))


Step = Callable[[sqlite3.Connection, int, Entry], Images]
_STEPS: Final[dict[str, Step]] = {"begin": _begin, "commit": _commit, "abort": _abort, "undo": _undo}


def _under_way(connection: sqlite3.Connection, entry: Entry) -> Import:
    begun = maps.import_of(connection, entry.load)
    if begun is None:
        raise Conflict(f"no import {entry.load} is under way: it was never begun, or has ended")
    return begun


def _unchanged(connection: sqlite3.Connection, name: str, now: MapState, base_rev: int) -> None:
    if now.rev != base_rev:
        raise Conflict(f"map {name} was changed meanwhile{author(connection, now.rev)}")


def _flip(connection: sqlite3.Connection, name: str, before: MapState, after: MapState) -> Images:
    maps.put_state(connection, name, after)
    return [_image(name, before)], [_image(name, after)]


def _image(name: str, state: MapState) -> Image:
    columns = ("load", "previous", "previous_until", "entries")
    row = {"map": name, **{column: getattr(state, column) for column in columns}} if state.rev else None
    return {"table": "map_state", "key": {"map": name}, "row": row, "rev": state.rev}
