"""Rows that log entries change, as full images: read with their revision, written, deleted.

TABLES is the whole list of what an entry may touch. A row of `object` holds its body as a dict, one of `admin` its
keys as a list; a `map_entry` is one of the map's load in use. Must never compute a value: releases would come to
disagree.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from msgspec import Struct

from db import maps

Key = dict[str, Any]
Row = dict[str, Any]


class Table(Struct, frozen=True):
    """The columns of a table with their types; `map_entry` has the ones that entries speak of."""

    key: dict[str, type]
    values: dict[str, type | tuple[type, ...]]


TABLES: Final[dict[str, Table]] = {
    "object": Table({"kind": str, "name": str}, {"body": dict}),
    "account": Table({"address": str}, {"password": str, "state": str}),
    "admin": Table({"name": str}, {"role": str, "keys": list, "password": str, "totp": str}),
    "ban": Table({"scope": str, "subject": str}, {"until": (int, float), "reason": str}),
    "map_entry": Table({"map": str, "address": str}, {"backend": str}),
    "map_state": Table({"map": str}, {"load": int, "previous": int, "previous_until": (int, float), "entries": int}),
}


def wrong(table: str, key: Key, row: Row | None) -> str:
    """Why this cannot be a row of that table; empty if it can."""
    shape = TABLES.get(table)
    if shape is None:
        return f"there is no table {table!r}"
    if key.keys() != shape.key.keys() or not all(isinstance(key[name], of) for name, of in shape.key.items()):
        return f"a key of {table} is {', '.join(shape.key)}"
    if row is None:
        return ""
    if row.keys() != shape.key.keys() | shape.values.keys() or any(row[name] != key[name] for name in key):
        return f"a row of {table} is its key and {', '.join(shape.values)}"
    mistaken = [name for name, of in shape.values.items() if not isinstance(row[name], of)]
    return f"{mistaken[0]} of {table} is of another type" if mistaken else ""


def read(connection: sqlite3.Connection, table: str, key: Key) -> tuple[Row | None, int]:
    """The row of a key and the revision that last wrote it; None and 0 if there is none."""
    if table == "map_entry":
        return _read_entry(connection, key)
    shape = TABLES[table]
    query = f"SELECT {', '.join(shape.values)}, rev FROM {table} WHERE {_where(shape)}"  # noqa: S608 - names of TABLES
    found = connection.execute(query, _key(shape, key)).fetchone()
    if found is None:
        return None, 0
    row = {**key, **dict(zip(shape.values, found, strict=False))}
    for name, of in shape.values.items():
        if of in (dict, list):
            row[name] = json.loads(row[name])
    return row, int(found[-1])


def write(connection: sqlite3.Connection, table: str, row: Row, rev: int) -> None:
    """Write a full row."""
    if table == "map_entry":
        maps.set_entry(connection, row["map"], row["address"], row["backend"], rev)
        return
    columns = [*TABLES[table].key, *TABLES[table].values]
    values = [_plain(row[column]) for column in columns]
    marks = ", ".join("?" * (len(columns) + 1))
    query = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}, rev) VALUES ({marks})"  # noqa: S608 - names of TABLES
    connection.execute(query, (*values, rev))


def erase(connection: sqlite3.Connection, table: str, key: Key, rev: int) -> None:
    """Delete a row; nothing happens if there is none."""
    if table == "map_entry":
        maps.set_entry(connection, key["map"], key["address"], None, rev)
        return
    shape = TABLES[table]
    connection.execute(f"DELETE FROM {table} WHERE {_where(shape)}", _key(shape, key))  # noqa: S608 - names of TABLES


def _read_entry(connection: sqlite3.Connection, key: Key) -> tuple[Row | None, int]:
    state = maps.state(connection, key["map"])
    load = state.load if state else 0
    backend = maps.look(connection, load, key["address"])
    if backend is None:
        return None, 0
    return {**key, "backend": backend}, maps.entry_rev(connection, load, key["address"])


def _where(shape: Table) -> str:
    return " AND ".join(f"{name} = ?" for name in shape.key)


def _key(shape: Table, key: Key) -> list[Any]:
    return [key[name] for name in shape.key]


def _plain(value: Any) -> Any:
    """A body is kept as JSON with sorted keys, so that equal bodies are equal texts on all nodes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else value
