"""Who changed what, when: one row for each applied entry, with the rows before and after it.

Images hold what the tables hold: secrets sealed, passwords as hashes. `masked` hides both for people's eyes.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from msgspec import Struct

from db import catalogue

_COLUMNS = "SELECT revision, id, at, by, origin, what, kind, verdict, conflict, before, after FROM audit"
_PLAIN = _COLUMNS.replace("before, after", "'[]', '[]'")
KEPT = "<kept>"

Image = dict[str, Any]  # {"table", "key", "row": dict or None, "rev"}


class Record(Struct, frozen=True):
    """One applied entry. `kind` as in the entry; `verdict` "done" or "conflict"; `before`, `after` row images."""

    revision: int
    id: str
    at: float
    by: str
    origin: str
    what: str
    kind: str
    verdict: str
    conflict: str
    before: list[Image] = []
    after: list[Image] = []


def get(connection: sqlite3.Connection, revision: int) -> Record | None:
    """The record of a revision, or None."""
    return _first(connection, f"{_COLUMNS} WHERE revision = ?", revision)


def by_id(connection: sqlite3.Connection, id: str) -> Record | None:  # noqa: A002 - the column's name
    """The record of the entry with this id, or None."""
    return _first(connection, f"{_COLUMNS} WHERE id = ?", id)


def page(connection: sqlite3.Connection, *, before: int = 0, limit: int = 50) -> list[Record]:
    """Records newest first, those before revision `before` (0 = from the newest). Chunks of imports are left out.

    Without their images, which may have megabytes each: `get` has them.
    """
    query = f"{_PLAIN} WHERE kind != 'rows' AND (? = 0 OR revision < ?) ORDER BY revision DESC LIMIT ?"
    return [_record(row) for row in connection.execute(query, (before, before, limit))]


def touching(connection: sqlite3.Connection, kind: str, name: str, since: float) -> list[int]:
    """Revisions of done changes since a moment that may have touched a configuration object, newest first."""
    named = json.dumps({"kind": kind, "name": name}, ensure_ascii=False, sort_keys=True)
    query = (
        "SELECT revision FROM audit WHERE at >= ? AND kind = 'ops' AND verdict = 'done' AND instr(after, ?)"
        " ORDER BY revision DESC"
    )
    return [revision for (revision,) in connection.execute(query, (since, named))]


def made_by(connection: sqlite3.Connection, after: int, by: str, origin: str) -> Record | None:
    """The first change behind a revision that was made by this one from there, or None."""
    where = "revision > ?1 AND by = ?2 AND origin = ?3 AND verdict = 'done' ORDER BY revision LIMIT 1"
    row = connection.execute(f"{_COLUMNS} WHERE {where}", (after, by, origin)).fetchone()
    return None if row is None else _record(row)


def add(connection: sqlite3.Connection, record: Record) -> None:
    """Write one record."""
    query = (
        "INSERT INTO audit (revision, id, at, by, origin, what, kind, verdict, conflict, before, after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    images = [json.dumps(side, ensure_ascii=False, sort_keys=True) for side in (record.before, record.after)]
    values = (record.revision, record.id, record.at, record.by, record.origin, record.what, record.kind)
    connection.execute(query, (*values, record.verdict, record.conflict, *images))


def masked(image: Image) -> Image:
    """An image that may be shown: password hashes and sealed secrets replaced by "<kept>"."""
    row = image["row"]
    if row is None:
        return image
    if image["table"] == "account":
        row = {**row, "password": KEPT}
    elif image["table"] == "admin":
        row = {**row, **{name: KEPT for name in ("password", "totp") if row[name]}}
    elif image["table"] == "object":
        row = {**row, "body": catalogue.masked(row["kind"], row["body"])}
    return {**image, "row": row}


def latest(connection: sqlite3.Connection) -> float:
    """When the last applied entry was written (its author's clock); 0 if none was."""
    row = connection.execute("SELECT at FROM audit ORDER BY revision DESC LIMIT 1").fetchone()
    return 0.0 if row is None else float(row[0])


def _first(connection: sqlite3.Connection, query: str, value: int | str) -> Record | None:
    row = connection.execute(query, (value,)).fetchone()
    return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> Record:
    return Record(*row[:-2], *map(json.loads, row[-2:]))
