"""The configuration as a whole: one read, immutable after it, defaults filled in when asked.

Must never be changed by its readers: `get` hands out fresh dicts, `body` the stored ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from db import catalogue, meta
from db.connect import snapshot

Body = dict[str, Any]


class Damaged(sqlite3.DatabaseError):
    """The file was changed by something else than SQLite, or the disk forgets."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Objects:
    """All configuration objects of one revision."""

    def __init__(self, revision: int, rows: dict[tuple[str, str], tuple[Body, int]]) -> None:
        self.revision = revision
        self._rows = rows

    def get(self, kind: str, name: str = "") -> Body:
        """The object with defaults filled in; all defaults if it is not stored."""
        return catalogue.effective(kind, self.body(kind, name) or {})

    def body(self, kind: str, name: str = "") -> Body | None:
        """What was set of the object, or None if it is not stored."""
        found = self._rows.get((kind, name))
        return None if found is None else found[0]

    def rev(self, kind: str, name: str = "") -> int:
        """The revision that last wrote it; 0 if it is not stored."""
        found = self._rows.get((kind, name))
        return 0 if found is None else found[1]

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind, sorted."""
        return sorted(name for of, name in self._rows if of == kind)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Kind and name of everything stored."""
        return iter(sorted(self._rows))

    def bodies(self) -> dict[tuple[str, str], Body]:
        """Everything as it was set: what `catalogue.check_all` wants."""
        return {key: body for key, (body, _) in self._rows.items()}


def read_objects(connection: sqlite3.Connection) -> Objects:
    """The configuration as it is now, of one moment. Raises Damaged, and no error that quotes what was stored."""
    with snapshot(connection):
        rows = connection.execute("SELECT kind, name, CAST(body AS BLOB), rev FROM object").fetchall()
        revision = meta.config_revision(connection)
    try:
        return Objects(revision, {(kind, name): (json.loads(body), rev) for kind, name, body, rev in rows})
    except ValueError:
        raise Damaged("a configuration object is not what was written") from None
